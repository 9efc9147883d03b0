/* level.c: the table of the avx512 level; what it leaves out it inherits. */
#include "backends/cpu/isa/avx512/avx512.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .quantize_x32 = {tl_avx512_quantize_x32},
    .quantize_x256 = {tl_avx512_quantize_x256},
    .round_x13 = {tl_avx512_round_x13},
    .dot = {[TL_F32] = tl_avx512_dot_f32, [TL_F16] = tl_avx512_dot_f16, [TL_BF16] = tl_avx512_dot_bf16},
    .pack = TL_BLOCK_KERNELS(tl_avx512_pack),
    .panel = TL_BLOCK_KERNELS(tl_avx512_panel),
    .stored = TL_BLOCK_KERNELS(tl_avx512_stored),
    .neg = {tl_avx512_neg},
    .abs = {tl_avx512_abs},
    .sqr = {tl_avx512_sqr},
    .sqrt = {tl_avx512_sqrt},
    .exp = {tl_avx512_exp},
    .log = {tl_avx512_log},
    .sin = {tl_avx512_sin},
    .cos = {tl_avx512_cos},
    .tanh = {tl_avx512_tanh},
    .sigmoid = {tl_avx512_sigmoid},
    .relu = {tl_avx512_relu},
    .silu = {tl_avx512_silu},
    .gelu = {tl_avx512_gelu},
    .gelu_erf = {tl_avx512_gelu_erf},
    .add = {tl_avx512_add},
    .sub = {tl_avx512_sub},
    .mul = {tl_avx512_mul},
    .div = {tl_avx512_div},
    .swiglu = {tl_avx512_swiglu},
    .geglu = {tl_avx512_geglu},
    .scale = {tl_avx512_scale},
    .clamp = {tl_avx512_clamp},
    .rms_norm = {tl_avx512_rms_norm},
    .layer_norm = {tl_avx512_layer_norm},
    .softmax = {tl_avx512_softmax},
    .rope = {tl_avx512_rope},
    .from_f16 = {tl_avx512_from_f16},
    .attention_scores = {tl_avx512_scores},
    .attention_weights = {tl_avx512_weights},
    .attention_values = {tl_avx512_values},
    .decode = {[TL_F16] = tl_avx512_decode_f16, [TL_BF16] = tl_avx512_decode_bf16, TL_BLOCK_TYPES(TL_KERNEL_ROW, tl_avx512_decode)},
    .encode = {[TL_F16] = tl_avx512_encode_f16, [TL_BF16] = tl_avx512_encode_bf16},
    .first_above = {tl_avx512_first_above},
    .argmax = {tl_avx512_argmax},
    .peak_apart = {tl_avx512_peak_apart},
    .peak_exact = {tl_avx512_peak_exact},
    .peak_int8 = {tl_avx512_peak_int8},
    .peak_read = {tl_avx512_peak_read},
    .peak_triad = {tl_avx512_peak_triad},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_avx512 = {"avx512", &tl_level_avx2, tl_cpu_lacks_avx512, KERNELS};
