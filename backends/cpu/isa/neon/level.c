/* level.c: the table of the neon level; what it leaves out it inherits. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .quantize_x32 = {tl_neon_quantize_x32},
    .quantize_x256 = {tl_neon_quantize_x256},
    .round_x13 = {tl_neon_round_x13},
    .dot = {[TL_F32] = tl_neon_dot_f32, [TL_F16] = tl_neon_dot_f16, [TL_BF16] = tl_neon_dot_bf16},
    .pack = TL_BLOCK_KERNELS(tl_neon_pack),
    .panel = TL_BLOCK_KERNELS(tl_neon_panel),
    .stored = TL_BLOCK_KERNELS(tl_neon_stored),
    .neg = {tl_neon_neg},
    .abs = {tl_neon_abs},
    .sqr = {tl_neon_sqr},
    .sqrt = {tl_neon_sqrt},
    .exp = {tl_neon_exp},
    .log = {tl_neon_log},
    .sin = {tl_neon_sin},
    .cos = {tl_neon_cos},
    .tanh = {tl_neon_tanh},
    .sigmoid = {tl_neon_sigmoid},
    .relu = {tl_neon_relu},
    .silu = {tl_neon_silu},
    .gelu = {tl_neon_gelu},
    .gelu_erf = {tl_neon_gelu_erf},
    .add = {tl_neon_add},
    .sub = {tl_neon_sub},
    .mul = {tl_neon_mul},
    .div = {tl_neon_div},
    .swiglu = {tl_neon_swiglu},
    .geglu = {tl_neon_geglu},
    .scale = {tl_neon_scale},
    .clamp = {tl_neon_clamp},
    .rms_norm = {tl_neon_rms_norm},
    .layer_norm = {tl_neon_layer_norm},
    .softmax = {tl_neon_softmax},
    .rope = {tl_neon_rope},
    .from_f16 = {tl_neon_from_f16},
    .attention_scores = {tl_neon_scores},
    .attention_weights = {tl_neon_weights},
    .attention_values = {tl_neon_values},
    .decode = {[TL_F16] = tl_neon_decode_f16, [TL_BF16] = tl_neon_decode_bf16, TL_BLOCK_TYPES(TL_KERNEL_ROW, tl_neon_decode)},
    .encode = {[TL_F16] = tl_neon_encode_f16, [TL_BF16] = tl_neon_encode_bf16},
    .first_above = {tl_neon_first_above},
    .argmax = {tl_neon_argmax},
    .peak_apart = {tl_neon_peak_apart},
    .peak_exact = {tl_neon_peak_exact},
    .peak_int8 = {tl_neon_peak_int8},
    .peak_read = {tl_neon_peak_read},
    .peak_triad = {tl_neon_peak_triad},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_neon = {"neon", &tl_level_scalar, NULL, KERNELS};
