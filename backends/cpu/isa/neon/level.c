/* level.c: the table of the neon level; what it leaves out it inherits. */
#include "backends/cpu/isa/neon/neon.h"

#ifdef TL_HAVE_LEVEL
static const tl_kernels kernels = {
    .quantize_x32 = {tl_neon_quantize_x32},
    .quantize_x256 = {tl_neon_quantize_x256},
    .round_x13 = {tl_neon_round_x13},
    .dot = {[TL_F32] = tl_neon_dot_f32, [TL_F16] = tl_neon_dot_f16, [TL_BF16] = tl_neon_dot_bf16},
    .panel = {[TL_Q4_0] = tl_neon_panel_q4_0,
              [TL_Q4_1] = tl_neon_panel_q4_1,
              [TL_Q5_0] = tl_neon_panel_q5_0,
              [TL_Q5_1] = tl_neon_panel_q5_1,
              [TL_Q8_0] = tl_neon_panel_q8_0,
              [TL_Q2_K] = tl_neon_panel_q2_k,
              [TL_Q3_K] = tl_neon_panel_q3_k,
              [TL_Q4_K] = tl_neon_panel_q4_k,
              [TL_Q5_K] = tl_neon_panel_q5_k,
              [TL_Q6_K] = tl_neon_panel_q6_k},
    .neg = {tl_neon_neg},
    .abs = {tl_neon_abs},
    .sqr = {tl_neon_sqr},
    .sqrt = {tl_neon_sqrt},
    .exp = {tl_neon_exp},
    .tanh = {tl_neon_tanh},
    .sigmoid = {tl_neon_sigmoid},
    .relu = {tl_neon_relu},
    .silu = {tl_neon_silu},
    .gelu = {tl_neon_gelu},
    .add = {tl_neon_add},
    .sub = {tl_neon_sub},
    .mul = {tl_neon_mul},
    .div = {tl_neon_div},
    .swiglu = {tl_neon_swiglu},
    .geglu = {tl_neon_geglu},
    .scale = {tl_neon_scale},
    .rms_norm = {tl_neon_rms_norm},
    .layer_norm = {tl_neon_layer_norm},
    .softmax = {tl_neon_softmax},
    .rope = {tl_neon_rope},
    .from_f16 = {tl_neon_from_f16},
    .attention_scores = {tl_neon_scores},
    .attention_weights = {tl_neon_weights},
    .attention_values = {tl_neon_values},
};
#define KERNELS &kernels
#else
#define KERNELS NULL
#endif

const tl_level tl_level_neon = {"neon", &tl_level_scalar, NULL, KERNELS};
