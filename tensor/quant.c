/* quant.c: activations rounded for a product, and the dot products of a weight row with them: plain functions that define a linear
 * layer to the last bit and judge every kernel. The order of operations is the contract (quant.h): change none. */
#include "tensor/math.h"
#include "tensor/quant.h"

/* ---- activations --------------------------------------------------------------------------------------------------------- */

/* Quantises x [n] to q [n], returns d. Magnitudes compare as integers, where inf and NaN are the largest. */
static float quantize_block(const float *x, int n, int8_t *q) {
    uint32_t top = 0;
    for (int i = 0; i < n; i++) {
        uint32_t a = tl_bits(x[i]) & ~TL_SIGN_BIT;
        top = a > top ? a : top;
    }
    float amax = tl_real(top);
    if (top >= TL_INF_BITS || amax < 0x1p-100f) {
        memset(q, 0, (size_t)n);
        return top >= TL_INF_BITS ? tl_real(TL_NAN_BITS) : 0.0f;
    }
    float id = 127.0f / amax;
    for (int i = 0; i < n; i++) {
        q[i] = (int8_t)tl_rne_int(x[i] * id);
    }
    return amax / 127.0f;
}

static int sum_of(const int8_t *q, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
        sum += q[i];
    }
    return sum;
}

void tl_quantize_x32(const float *x, int64_t n, tl_x32 *out) {
    for (int64_t b = 0; b < n / 32; b++) {
        out[b].d = quantize_block(x + b * 32, 32, out[b].q);
        out[b].bsum = sum_of(out[b].q, 32);
    }
}

void tl_quantize_x256(const float *x, int64_t n, tl_x256 *out) {
    for (int64_t b = 0; b < n / 256; b++) {
        out[b].d = quantize_block(x + b * 256, 256, out[b].q);
        for (int s = 0; s < 16; s++) {
            out[b].bsum[s] = (int16_t)sum_of(out[b].q + s * 16, 16);
        }
    }
}

void tl_round_x13(const float *x, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++) {
        out[i] = tl_x13(x[i]);
    }
}

/* ---- dot products ---------------------------------------------------------------------------------------------------------- */

static int32_t dot_of(const int8_t *a, const int8_t *b, int n) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static float dot_x32(tl_dtype t, const uint8_t *w, const tl_x32 *x, int64_t blocks) {
    const tl_dtype_info *info = tl_dtype_get(t);
    tl_unpack_fn unpack = tl_unpack_of(t);
    float acc = 0.0f;
    for (int64_t b = 0; b < blocks; b++) {
        tl_ints ints;
        unpack(w + b * info->block_bytes, &ints);
        float isum = (float)dot_of(ints.q, x[b].q, 32);
        if (info->kind == TL_KIND_SCALE) {
            acc = acc + isum * (ints.d * x[b].d);
        } else {
            acc = acc + (isum * ints.d + ints.m * (float)x[b].bsum) * x[b].d;
        }
    }
    return acc;
}

/* |S| <= 128 * 32 * 127 * 256 and T <= 63 * 127 * 256: far inside int32. */
static float dot_x256(tl_dtype t, const uint8_t *w, const tl_x256 *x, int64_t blocks) {
    const tl_dtype_info *info = tl_dtype_get(t);
    tl_unpack_fn unpack = tl_unpack_of(t);
    float acc = 0.0f;
    for (int64_t b = 0; b < blocks; b++) {
        tl_ints ints;
        unpack(w + b * info->block_bytes, &ints);
        int32_t scaled = 0, mins = 0; /* S and T */
        for (int s = 0; s < 16; s++) {
            scaled += ints.sc[s] * dot_of(ints.q + s * 16, x[b].q + s * 16, 16);
            mins += ints.mn[s] * x[b].bsum[s];
        }
        if (info->kind == TL_KIND_SUPER) {
            acc = acc + (float)scaled * (ints.d * x[b].d);
        } else {
            acc = acc + ((float)scaled * ints.d - (float)mins * ints.m) * x[b].d;
        }
    }
    return acc;
}

float tl_dot_quant(tl_dtype t, const void *wrow, const void *xq, int64_t k) {
    int block = tl_dtype_get(t)->block;
    return block == 32 ? dot_x32(t, wrow, xq, k / 32) : dot_x256(t, wrow, xq, k / 256);
}

float tl_dot_float(tl_dtype t, const void *wrow, const float *x, int64_t k) {
    const uint8_t *w = wrow;
    int bytes = tl_dtype_get(t)->block_bytes;
    const tl_codec *codec = tl_codec_of(t);
    float lane[16] = {0}, part[16];
    for (int64_t i = 0; i < k; i += 16) {
        int n = k - i < 16 ? (int)(k - i) : 16;
        codec->decode(w + i * bytes, part, n);
        for (int j = 0; j < n; j++) {
            lane[j] += part[j] * x[i + j];
        }
    }
    return tl_fold16(lane);
}
