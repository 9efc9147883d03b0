/* level.c: the table of the simd128 level; what it leaves out it inherits. */
#include "backends/cpu/isa/simd128/simd128.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .quantize_x32 = {tl_simd128_quantize_x32},
    .quantize_x256 = {tl_simd128_quantize_x256},
    .round_x13 = {tl_simd128_round_x13},
    .dot = {[TL_F32] = tl_simd128_dot_f32, [TL_F16] = tl_simd128_dot_f16, [TL_BF16] = tl_simd128_dot_bf16},
    .pack = TL_BLOCK_KERNELS(tl_simd128_pack),
    .panel = TL_BLOCK_KERNELS(tl_simd128_panel),
    .stored = TL_BLOCK_KERNELS(tl_simd128_stored),
    .neg = {tl_simd128_neg},
    .abs = {tl_simd128_abs},
    .sqr = {tl_simd128_sqr},
    .sqrt = {tl_simd128_sqrt},
    .exp = {tl_simd128_exp},
    .log = {tl_simd128_log},
    .sin = {tl_simd128_sin},
    .cos = {tl_simd128_cos},
    .tanh = {tl_simd128_tanh},
    .sigmoid = {tl_simd128_sigmoid},
    .relu = {tl_simd128_relu},
    .silu = {tl_simd128_silu},
    .gelu = {tl_simd128_gelu},
    .gelu_erf = {tl_simd128_gelu_erf},
    .add = {tl_simd128_add},
    .sub = {tl_simd128_sub},
    .mul = {tl_simd128_mul},
    .div = {tl_simd128_div},
    .swiglu = {tl_simd128_swiglu},
    .geglu = {tl_simd128_geglu},
    .scale = {tl_simd128_scale},
    .clamp = {tl_simd128_clamp},
    .rms_norm = {tl_simd128_rms_norm},
    .layer_norm = {tl_simd128_layer_norm},
    .softmax = {tl_simd128_softmax},
    .rope = {tl_simd128_rope},
    .from_f16 = {tl_simd128_from_f16},
    .attention_scores = {tl_simd128_scores},
    .attention_weights = {tl_simd128_weights},
    .attention_values = {tl_simd128_values},
    .decode = {[TL_F16] = tl_simd128_decode_f16, [TL_BF16] = tl_simd128_decode_bf16, TL_BLOCK_TYPES(TL_KERNEL_ROW, tl_simd128_decode)},
    .encode = {[TL_F16] = tl_simd128_encode_f16, [TL_BF16] = tl_simd128_encode_bf16},
    .first_above = {tl_simd128_first_above},
    .argmax = {tl_simd128_argmax},
    .peak_apart = {tl_simd128_peak_apart},
    .peak_exact = {tl_simd128_peak_exact},
    .peak_int8 = {tl_simd128_peak_int8},
    .peak_read = {tl_simd128_peak_read},
    .peak_triad = {tl_simd128_peak_triad},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_simd128 = {"simd128", &tl_level_scalar, NULL, KERNELS};
