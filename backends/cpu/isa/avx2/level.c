/* level.c: the table of the avx2 level; what it leaves out it inherits. */
#include "backends/cpu/isa/avx2/avx2.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .quantize_x32 = {tl_avx2_quantize_x32},
    .quantize_x256 = {tl_avx2_quantize_x256},
    .round_x13 = {tl_avx2_round_x13},
    .dot = {[TL_F32] = tl_avx2_dot_f32, [TL_F16] = tl_avx2_dot_f16, [TL_BF16] = tl_avx2_dot_bf16},
    .pack = TL_BLOCK_KERNELS(tl_avx2_pack),
    .panel = TL_BLOCK_KERNELS(tl_avx2_panel),
    .stored = TL_BLOCK_KERNELS(tl_avx2_stored),
    .neg = {tl_avx2_neg},
    .abs = {tl_avx2_abs},
    .sqr = {tl_avx2_sqr},
    .sqrt = {tl_avx2_sqrt},
    .exp = {tl_avx2_exp},
    .log = {tl_avx2_log},
    .sin = {tl_avx2_sin},
    .cos = {tl_avx2_cos},
    .tanh = {tl_avx2_tanh},
    .sigmoid = {tl_avx2_sigmoid},
    .relu = {tl_avx2_relu},
    .silu = {tl_avx2_silu},
    .gelu = {tl_avx2_gelu},
    .gelu_erf = {tl_avx2_gelu_erf},
    .add = {tl_avx2_add},
    .sub = {tl_avx2_sub},
    .mul = {tl_avx2_mul},
    .div = {tl_avx2_div},
    .swiglu = {tl_avx2_swiglu},
    .geglu = {tl_avx2_geglu},
    .scale = {tl_avx2_scale},
    .clamp = {tl_avx2_clamp},
    .rms_norm = {tl_avx2_rms_norm},
    .layer_norm = {tl_avx2_layer_norm},
    .softmax = {tl_avx2_softmax},
    .rope = {tl_avx2_rope},
    .from_f16 = {tl_avx2_from_f16},
    .attention_scores = {tl_avx2_scores},
    .attention_weights = {tl_avx2_weights},
    .attention_values = {tl_avx2_values},
    .decode = {[TL_F16] = tl_avx2_decode_f16, [TL_BF16] = tl_avx2_decode_bf16, TL_BLOCK_TYPES(TL_KERNEL_ROW, tl_avx2_decode)},
    .encode = {[TL_F16] = tl_avx2_encode_f16, [TL_BF16] = tl_avx2_encode_bf16},
    .first_above = {tl_avx2_first_above},
    .argmax = {tl_avx2_argmax},
    .peak_apart = {tl_avx2_peak_apart},
    .peak_exact = {tl_avx2_peak_exact},
    .peak_int8 = {tl_avx2_peak_int8},
    .peak_read = {tl_avx2_peak_read},
    .peak_triad = {tl_avx2_peak_triad},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_avx2 = {"avx2", &tl_level_scalar, tl_cpu_lacks_avx2, KERNELS};
