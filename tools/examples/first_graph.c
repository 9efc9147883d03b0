/* first_graph.c: the first graph of README.md: one layer, y = x w^T + bias, on the default backend. tests/docs.sh sees to it that the
 * code below and the README's are the same. */
/* README: begin */
#include <stdio.h>
#include <tally.h>

int main(void) {
    const float x_data[2][3] = {{1, 2, 3}, {4, 5, 6}}, w_data[2][3] = {{1, 0, -1}, {2, 1, 0}}, bias_data[2] = {10, 20};
    float y_data[2][2];
    tl_error err = {0};
    tl_backend *backend;
    tl_graph *g;
    tl_plan *plan = NULL;
    if (tl_backend_open(&backend, NULL, &err) || tl_graph_new(&g, &err)) /* NULL: the best backend of this machine */
        return printf("%s\n", err.message), 1;
    tl_tensor *x = tl_input(g, "x", TL_F32, 2, (int64_t[]){2, 3}); /* nothing is computed yet: builders record */
    tl_tensor *w = tl_input(g, "w", TL_F32, 2, (int64_t[]){2, 3}), *bias = tl_input(g, "bias", TL_F32, 1, (int64_t[]){2});
    tl_tensor *y = tl_output(g, tl_linear(g, x, w, bias));
    if (tl_plan_new(&plan, g, backend, NULL, &err) || tl_write(x, x_data, sizeof x_data, &err) || /* an error of any builder shows here */
        tl_write(w, w_data, sizeof w_data, &err) || tl_write(bias, bias_data, sizeof bias_data, &err) || tl_plan_run(plan, &err) ||
        tl_read(y, y_data, sizeof y_data, &err))
        return printf("%s\n", err.message), 1;
    printf("%g %g\n%g %g\n", y_data[0][0], y_data[0][1], y_data[1][0], y_data[1][1]); /* 8 24, 8 33 */
    tl_plan_free(plan), tl_graph_free(g), tl_backend_free(backend);
    return 0;
}
/* README: end */
