/* dtype.c: element types: the table that dtype.def's rows make, look-ups, decoding and encoding with their checks, and the codecs of
 * the plain types. Block types have theirs in quant_q.c and quant_k.c. */
#include "tensor/math.h"
#include "tensor/platform.h"
#include "tensor/quant.h"

/* ---- codecs of plain types; src and dst of the stored side may be unaligned ---------------------------------------------------- */

static void copy_f32(const void *src, float *dst, int64_t n) {
    memmove(dst, src, (size_t)n * sizeof *dst);
}

static void store_f32(const float *src, void *dst, int64_t n) {
    memmove(dst, src, (size_t)n * sizeof *src);
}

static uint16_t load_u16(const void *p, int64_t i) {
    uint16_t u;
    memcpy(&u, (const uint8_t *)p + 2 * i, sizeof u);
    return u;
}

static void store_u16(void *p, int64_t i, uint16_t u) {
    memcpy((uint8_t *)p + 2 * i, &u, sizeof u);
}

static void decode_f16(const void *src, float *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        dst[i] = tl_f16_to_f32(load_u16(src, i));
    }
}

static void encode_f16(const float *src, void *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        store_u16(dst, i, tl_f32_to_f16(src[i]));
    }
}

static void decode_bf16(const void *src, float *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        dst[i] = tl_bf16_to_f32(load_u16(src, i));
    }
}

static void encode_bf16(const float *src, void *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        store_u16(dst, i, tl_f32_to_bf16(src[i]));
    }
}

/* Nearest, half to even, into -2^bits .. 2^bits - 1; NaN gives 0. In double, which holds every int32. */
static int32_t saturate(float x, int bits) {
    double v = (double)x, least = -(double)((int64_t)1 << bits), most = -least - 1.0;
    v = v < least ? least : v > most ? most : v;
    return v == v ? (int32_t)((v + 0x1.8p+52) - 0x1.8p+52) : 0;
}

static void decode_i8(const void *src, float *dst, int64_t n) {
    const int8_t *s = src;
    for (int64_t i = 0; i < n; i++) {
        dst[i] = (float)s[i];
    }
}

static void encode_i8(const float *src, void *dst, int64_t n) {
    int8_t *d = dst;
    for (int64_t i = 0; i < n; i++) {
        d[i] = (int8_t)saturate(src[i], 7);
    }
}

static void decode_i16(const void *src, float *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        dst[i] = (float)(int16_t)load_u16(src, i);
    }
}

static void encode_i16(const float *src, void *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        store_u16(dst, i, (uint16_t)saturate(src[i], 15));
    }
}

static void decode_i32(const void *src, float *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int32_t v;
        memcpy(&v, (const uint8_t *)src + 4 * i, sizeof v);
        dst[i] = (float)v; /* beyond 2^24 to the nearest float */
    }
}

static void encode_i32(const float *src, void *dst, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        int32_t v = saturate(src[i], 31);
        memcpy((uint8_t *)dst + 4 * i, &v, sizeof v);
    }
}

const tl_codec tl_codec_f32 = {copy_f32, store_f32, NULL};
const tl_codec tl_codec_f16 = {decode_f16, encode_f16, NULL};
const tl_codec tl_codec_bf16 = {decode_bf16, encode_bf16, NULL};
const tl_codec tl_codec_i8 = {decode_i8, encode_i8, NULL};
const tl_codec tl_codec_i16 = {decode_i16, encode_i16, NULL};
const tl_codec tl_codec_i32 = {decode_i32, encode_i32, NULL};

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

static const tl_dtype_info infos[TL_N_DTYPES] = {
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) [TL_##ID] = {#name, gguf, block, bytes, TL_KIND_##kind, help},
#include "tensor/dtype.def"
#undef TL_DTYPE
};

static const tl_codec *const codecs[TL_N_DTYPES] = {
#define TL_DTYPE(ID, name, gguf, block, bytes, kind, help) [TL_##ID] = &tl_codec_##name,
#include "tensor/dtype.def"
#undef TL_DTYPE
};

const tl_dtype_info *tl_dtype_get(tl_dtype t) {
    return (unsigned)t < TL_N_DTYPES ? &infos[t] : NULL;
}

const tl_codec *tl_codec_of(tl_dtype t) {
    return (unsigned)t < TL_N_DTYPES ? codecs[t] : NULL;
}

tl_unpack_fn tl_unpack_of(tl_dtype t) {
    const tl_codec *codec = tl_codec_of(t);
    return codec ? codec->unpack : NULL;
}

/* Names hold lower-case letters, digits and '_'. */
static bool same_name(const char *name, const char *any_case) {
    for (; *name; name++, any_case++) {
        char c = *any_case;
        if ((c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c) != *name) {
            return false;
        }
    }
    return *any_case == 0;
}

bool tl_dtype_find(const char *name, tl_dtype *out) {
    for (int t = 0; name && out && t < TL_N_DTYPES; t++) {
        if (same_name(infos[t].name, name)) {
            *out = (tl_dtype)t;
            return true;
        }
    }
    return false;
}

bool tl_dtype_of_gguf(int gguf_id, tl_dtype *out) {
    for (int t = 0; out && t < TL_N_DTYPES; t++) {
        if (infos[t].gguf == gguf_id) {
            *out = (tl_dtype)t;
            return true;
        }
    }
    return false;
}

/* ---- decode and encode with checks --------------------------------------------------------------------------------------------- */

static tl_status check(const char *verb, tl_dtype t, const void *src, const void *dst, int64_t n, tl_error *err) {
    const tl_dtype_info *info = tl_dtype_get(t);
    if (!info) {
        return tl_fail(err, TL_ERR_USAGE, "%s: %d is no element type; there are 0 .. %d", verb, (int)t, TL_N_DTYPES - 1);
    }
    if (n < 0 || n % info->block != 0) {
        return tl_fail(err, TL_ERR_USAGE, "%s %s: %lld elements are not whole blocks; give a multiple of %d", verb, info->name,
                       (long long)n, info->block);
    }
    if (n > 0 && (!src || !dst)) {
        return tl_fail(err, TL_ERR_USAGE, "%s %s: the %s pointer is NULL", verb, info->name, src ? "destination" : "source");
    }
    return TL_OK;
}

tl_status tl_decode(tl_dtype t, const void *src, float *dst, int64_t n, tl_error *err) {
    tl_status s = check("decode", t, src, dst, n, err);
    if (s == TL_OK && n > 0) {
        uint64_t saved = tl_float_enter();
        codecs[t]->decode(src, dst, n);
        tl_float_leave(saved);
    }
    return s;
}

tl_status tl_encode(tl_dtype t, const float *src, void *dst, int64_t n, tl_error *err) {
    tl_status s = check("encode", t, src, dst, n, err);
    if (s == TL_OK && !codecs[t]->encode) {
        s = tl_fail(err, TL_ERR_UNSUPPORTED, "encode %s: this type can only be read; choose q8_0, q5_1, q5_0, q4_1, q4_0, or a plain type",
                    infos[t].name);
    }
    if (s == TL_OK && n > 0) {
        uint64_t saved = tl_float_enter();
        codecs[t]->encode(src, dst, n);
        tl_float_leave(saved);
    }
    return s;
}
