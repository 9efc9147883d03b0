/* A program of somebody else's that uses an installed Tally: y = relu(x + x * w) on the default backend. */
#include <stdio.h>
#include <string.h>
#include <tally.h>
#include <tally/tally.h>
#include <tally/tensor/tensor.h>

int main(void) {
    const float in[4] = {1, -2, 3, -4}, weight[4] = {0, 1, 2, -3}, expected[4] = {1, 0, 9, 8};
    float out[4];
    tl_error err = {0};
    tl_backend *backend = NULL;
    tl_graph *g = NULL;
    tl_plan *plan = NULL;
    tl_status s = tl_backend_open(&backend, NULL, &err);
    if (s == TL_OK)
        s = tl_graph_new(&g, &err);
    tl_tensor *x = tl_input(g, "x", TL_F32, 1, (int64_t[]){4});
    tl_tensor *w = tl_input(g, "w", TL_F32, 1, (int64_t[]){4});
    tl_tensor *y = tl_relu(g, tl_add(g, x, tl_mul(g, x, w)));
    tl_output(g, y);
    if (s == TL_OK && (s = tl_plan_new(&plan, g, backend, NULL, &err)) == TL_OK && (s = tl_write(x, in, sizeof in, &err)) == TL_OK &&
        (s = tl_write(w, weight, sizeof weight, &err)) == TL_OK && (s = tl_plan_run(plan, &err)) == TL_OK)
        s = tl_read(y, out, sizeof out, &err);
    int good = s == TL_OK && !memcmp(out, expected, sizeof out) && !strcmp(tl_version(), TL_VERSION_STRING);
    printf("tally %s: %s\n", tl_version(), good ? "good" : s == TL_OK ? "wrong result" : err.message);
    tl_plan_free(plan);
    tl_graph_free(g);
    tl_backend_free(backend);
    return good ? 0 : 1;
}
