/* number.c: decimal text to double and back, the same in every locale and correctly rounded both ways. Both directions rest on one exact
 * step: a double, or the point half way between two, written out as all of its decimal digits (at most 768). Printing rounds those
 * digits; parsing makes a guess in floating point and then moves it until the text lies between the half-way points around it. Slow for
 * bulk data (microseconds a number), which nothing here is. */
#include "models/model.h"
#include "tensor/platform.h"

#include <string.h>

enum {
    DECIMAL_DIGITS = 800, /* more than the 768 that half-way points have */
    DECIMAL_LIMBS = 100,  /* base 10^9 */
    SHORT_DIGITS = 17,    /* these tell any two doubles apart */
    SAFE_DIGITS = 15      /* so many digits survive text -> double -> text */
};

/* 0.d1 d2 d3 ... times 10^point; no zero in front or at the end; n is 0 for zero. */
typedef struct decimal {
    int n;
    int64_t point;
    uint8_t digit[DECIMAL_DIGITS + 1];
} decimal;

static const double number_tens[] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};

static void limbs_multiply(uint32_t *limb, int *n, uint32_t by) {
    uint64_t carry = 0;
    for (int i = 0; i < *n; i++) {
        carry += (uint64_t)limb[i] * by;
        limb[i] = (uint32_t)(carry % 1000000000u);
        carry /= 1000000000u;
    }
    if (carry > 0)
        limb[(*n)++] = (uint32_t)carry;
}

/* All digits of m * 2^e. */
static void decimal_exact(uint64_t m, int e, decimal *d) {
    uint32_t limb[DECIMAL_LIMBS];
    int n = 0, halves;
    d->n = 0;
    d->point = 0;
    if (m == 0)
        return;
    for (; e < 0 && m % 2 == 0; e++)
        m /= 2;
    halves = e < 0 ? -e : 0; /* m / 2^k is m * 5^k / 10^k */
    for (uint64_t rest = m; rest > 0; rest /= 1000000000u)
        limb[n++] = (uint32_t)(rest % 1000000000u);
    for (int k = halves; k > 0; k -= 12) {
        uint32_t fives = 1;
        for (int i = 0; i < (k < 12 ? k : 12); i++)
            fives *= 5;
        limbs_multiply(limb, &n, fives);
    }
    for (int k = e; k > 0; k -= 29)
        limbs_multiply(limb, &n, 1u << (k < 29 ? k : 29));
    for (int i = n - 1; i >= 0; i--)
        for (uint32_t unit = 100000000u; unit > 0; unit /= 10)
            if (d->n > 0 || limb[i] / unit > 0)
                d->digit[d->n++] = (uint8_t)(limb[i] / unit % 10);
    d->point = d->n - halves;
    while (d->n > 0 && d->digit[d->n - 1] == 0)
        d->n--;
}

static int decimal_compare(const decimal *a, const decimal *b) {
    if (a->n == 0 || b->n == 0)
        return (a->n > 0) - (b->n > 0);
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    int c = memcmp(a->digit, b->digit, (size_t)(a->n < b->n ? a->n : b->n));
    return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

/* Rounds to at most `digits` digits, half to even. */
static void decimal_round(decimal *d, int digits) {
    if (d->n <= digits)
        return;
    bool up = d->digit[digits] > 5 || (d->digit[digits] == 5 && (d->n > digits + 1 || d->digit[digits - 1] % 2 == 1));
    d->n = digits;
    while (up && d->n > 0 && d->digit[d->n - 1] == 9)
        d->n--;
    if (up && d->n == 0) {
        d->digit[d->n++] = 1;
        d->point++;
    } else if (up)
        d->digit[d->n - 1]++;
    while (d->n > 0 && d->digit[d->n - 1] == 0)
        d->n--;
}

/* A finite positive double as m * 2^e. */
static uint64_t number_parts(uint64_t bits, int *e) {
    int exponent = (int)(bits >> 52);
    *e = exponent > 0 ? exponent - 1075 : -1074;
    return (bits & 0xFFFFFFFFFFFFFull) | (exponent > 0 ? 1ull << 52 : 0);
}

/* How the decimal lies to the point half way between the double `bits` and the next. */
static int compare_half_way(const decimal *d, uint64_t bits) {
    decimal half;
    int e;
    uint64_t m = number_parts(bits, &e);
    decimal_exact(2 * m + 1, e - 1, &half);
    return decimal_compare(d, &half);
}

/* A double within a few units of the decimal, whose exponent is sane; exact where digits and power are exact doubles. */
static double decimal_guess(const decimal *d, bool *exact) {
    uint64_t m = 0;
    int used = d->n < 19 ? d->n : 19;
    for (int i = 0; i < used; i++)
        m = m * 10 + d->digit[i];
    double v = (double)m;
    int power = (int)d->point - used;
    *exact = d->n <= SAFE_DIGITS && power >= -22 && power <= 22;
    double exact_power = 1;
    for (int i = 8; i >= 0; i--)
        if ((power < 0 ? -power : power) >> i & 1) {
            if (*exact)
                exact_power *= number_tens[i]; /* powers up to 10^22 are doubles */
            else
                v = power < 0 ? v / number_tens[i] : v * number_tens[i];
        }
    if (*exact)
        v = power < 0 ? v / exact_power : v * exact_power;
    return v;
}

/* The double nearest to the decimal, ties to even; false where that is infinite. */
static bool decimal_to_double(const decimal *d, double *out) {
    const uint64_t infinite = 0x7FF0000000000000ull;
    uint64_t bits;
    bool exact;
    *out = 0;
    if (d->n == 0 || d->point < -330)
        return true;
    if (d->point > 310)
        return false;
    uint64_t saved = tl_float_enter();
    *out = decimal_guess(d, &exact);
    tl_float_leave(saved);
    if (exact)
        return true;
    memcpy(&bits, out, sizeof bits);
    if (bits >= infinite)
        bits = infinite - 1;
    for (;;) {
        int above = compare_half_way(d, bits);
        if (above > 0 || (above == 0 && bits % 2 == 1)) {
            if (++bits == infinite)
                return false;
            continue;
        }
        int below = bits > 0 ? compare_half_way(d, bits - 1) : 1;
        if (below > 0 || (below == 0 && bits % 2 == 0))
            break;
        bits--;
    }
    memcpy(out, &bits, sizeof bits);
    return true;
}

static bool number_digit_at(const char *text, size_t n, size_t i) {
    return i < n && text[i] >= '0' && text[i] <= '9';
}

/* Digits and an optional fraction from text[*at] on. */
static bool number_digits(const char *text, size_t n, size_t *at, decimal *d) {
    bool any = false, cut = false;
    int side = 0; /* 1: behind the point */
    d->n = 0;
    d->point = 0;
    for (;; (*at)++) {
        if (side == 0 && *at < n && text[*at] == '.') {
            side = 1;
            continue;
        }
        if (!number_digit_at(text, n, *at))
            break;
        any = true;
        uint8_t digit = (uint8_t)(text[*at] - '0');
        bool leading = d->n == 0 && digit == 0;
        d->point += leading ? -side : 1 - side;
        if (leading)
            continue;
        if (d->n < DECIMAL_DIGITS)
            d->digit[d->n++] = digit;
        else
            cut = cut || digit > 0;
    }
    if (cut) /* some digit behind the end: enough to break a tie */
        d->digit[d->n++] = 1;
    else
        while (d->n > 0 && d->digit[d->n - 1] == 0)
            d->n--;
    return any;
}

bool tl_number_parse(const char *text, size_t n, double *out) {
    decimal d;
    size_t at = 0;
    if (!text || !out || n == 0)
        return false;
    bool negative = text[0] == '-';
    if (negative || text[0] == '+')
        at++;
    if (!number_digits(text, n, &at, &d))
        return false;
    if (at < n && (text[at] == 'e' || text[at] == 'E')) {
        int64_t exponent = 0;
        at++;
        bool down = at < n && text[at] == '-';
        if (down || (at < n && text[at] == '+'))
            at++;
        if (!number_digit_at(text, n, at))
            return false;
        for (; number_digit_at(text, n, at); at++)
            if (exponent < INT64_MAX / 100)
                exponent = exponent * 10 + (text[at] - '0');
        d.point += down ? -exponent : exponent;
    }
    double v;
    if (at != n || !decimal_to_double(&d, &v))
        return false;
    *out = negative ? -v : v;
    return true;
}

/* Writes the decimal plainly where that takes few zeros, else with an exponent; returns the end. */
static char *decimal_write(const decimal *d, char *p) {
    bool plain = d->point >= -4 && d->point <= SHORT_DIGITS;
    int64_t point = plain ? d->point : 1;
    if (point <= 0)
        *p++ = '0';
    for (int64_t i = 0; i < point; i++)
        *p++ = (char)('0' + (i < d->n ? d->digit[i] : 0));
    if (d->n > point) {
        *p++ = '.';
        for (int64_t i = point; i < d->n; i++)
            *p++ = (char)('0' + (i < 0 ? 0 : d->digit[i]));
    }
    if (plain)
        return p;
    int exponent = (int)d->point - 1;
    *p++ = 'e';
    if (exponent < 0)
        *p++ = '-';
    exponent = exponent < 0 ? -exponent : exponent;
    for (int unit = exponent >= 100 ? 100 : exponent >= 10 ? 10 : 1; unit > 0; unit /= 10)
        *p++ = (char)('0' + exponent / unit % 10);
    return p;
}

const char *tl_number_print(double v, int digits, char buf[32]) {
    if (!buf)
        return "";
    uint64_t bits;
    decimal all, d;
    int e;
    char *p = buf;
    memcpy(&bits, &v, sizeof bits);
    bool negative = bits >> 63;
    bits &= ~(1ull << 63);
    if (bits >= 0x7FF0000000000000ull)
        return strcpy(buf, bits > 0x7FF0000000000000ull ? "nan" : negative ? "-inf" : "inf");
    if (negative)
        *p++ = '-';
    uint64_t m = number_parts(bits, &e);
    decimal_exact(m, e, &all);
    digits = digits < 1 ? 1 : digits > SHORT_DIGITS ? SHORT_DIGITS : digits;
    bool whole = all.n <= all.point && bits < 0x4340000000000000ull; /* 2^53: these print in full */
    d = all;
    int from = digits < SAFE_DIGITS ? digits : SAFE_DIGITS; /* up to 15 digits, dropped zeros are all there is to gain */
    if (bits >> 52 == 0)
        from = 1; /* denormals have fewer */
    for (int k = from; !whole; k++) {
        double back;
        uint64_t back_bits;
        d = all;
        decimal_round(&d, k);
        if (k >= digits)
            break;
        if (decimal_to_double(&d, &back) && (memcpy(&back_bits, &back, sizeof back_bits), back_bits == bits))
            break;
    }
    if (d.n == 0)
        *p++ = '0';
    else
        p = decimal_write(&d, p);
    *p = 0;
    return buf;
}
