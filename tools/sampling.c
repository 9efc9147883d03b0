/* sampling.c: from options to a sampler. */
#include "tools/sampling.h"

#include <math.h>
#include <string.h>

#include "tools/say.h"

typedef struct Bias {
    int32_t ids[TEXT_LIST_MAX];
    float values[TEXT_LIST_MAX];
} Bias;

/* "15043+1.5", "15043-inf". */
static bool parse_bias(const char *text, int32_t n_vocab, int32_t *id, float *value) {
    char number[16];
    int64_t v;
    double amount;
    size_t n = strcspn(text, "+-");
    if (n == 0 || n >= sizeof number || text[n] == 0)
        return false;
    memcpy(number, text, n);
    number[n] = 0;
    if (!parse_int(number, 0, n_vocab - 1, &v))
        return false;
    *id = (int32_t)v;
    if (strcmp(text + n, "-inf") == 0) {
        *value = -INFINITY;
        return true;
    }
    if (!parse_float(text + n + (text[n] == '+'), -1e30, 1e30, &amount))
        return false;
    *value = (float)amount;
    return true;
}

static int read_biases(const Settings *s, int32_t n_vocab, Bias *bias, tl_sampler_options *o) {
    for (int i = 0; i < s->logit_bias.n; i++)
        if (!parse_bias(s->logit_bias.text[i], n_vocab, &bias->ids[i], &bias->values[i]))
            return say_usage(s, "--logit-bias: '%.60s' is not ID+BIAS or ID-BIAS with an id from 0 to %d", s->logit_bias.text[i],
                             (int)n_vocab - 1);
    o->bias_ids = bias->ids;
    o->bias_values = bias->values;
    o->n_bias = s->logit_bias.n;
    return 0;
}

int sampler_open(tl_sampler **sampler, const Settings *s, const tl_model *m, uint32_t *seed, bool *greedy) {
    tl_error err;
    Bias bias;
    int32_t n_vocab = tl_model_hparams(m)->n_vocab;
    tl_sampler_options o = tl_sampler_defaults();
    if (tl_sampler_from_gguf(tl_model_gguf(m), &o, &err))
        return say_status(EXIT_MODEL, &err);
#define TAKE(name, type) \
    if (GIVEN(s, name))  \
    o.name = (type)s->name
    TAKE(temperature, float);
    TAKE(top_k, int32_t);
    TAKE(top_p, float);
    TAKE(min_p, float);
    TAKE(repeat_penalty, float);
    TAKE(presence_penalty, float);
    TAKE(frequency_penalty, float);
    TAKE(repeat_last_n, int32_t);
    TAKE(min_keep, int32_t);
#undef TAKE
    o.seed = s->seed < 0 ? tl_seed_from_clock() : (uint32_t)s->seed;
    *seed = o.seed;
    *greedy = !(o.temperature > 0);
    int code = read_biases(s, n_vocab, &bias, &o);
    if (code)
        return code;
    if (tl_sampler_new(sampler, n_vocab, &o, &err))
        return say_status(EXIT_USAGE, &err);
    return 0;
}
