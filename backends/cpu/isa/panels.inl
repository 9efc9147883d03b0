/* panels.inl: the kernels of a level (TL_ISA) for packed panels and for rows as stored, from its own many_columns and, up to FEW columns, where a
 * strip does not pay, its one_column, whose blocks come from a panel or, each packed on the way, from rows: PANEL(name, type) defines both. */

INL void panel(tl_dtype t, float *y, int64_t y_stride, const void *p, const void *x, size_t x_stride, int n_cols, int64_t k) {
    if (n_cols > FEW)
        many_columns(t, y, y_stride, p, x, x_stride, n_cols, k);
    else
        for (int c = 0; c < n_cols; c++)
            one_column(t, y + c * y_stride, p, NULL, (const void *)((const char *)x + (size_t)c * x_stride), k);
}

#define PANEL(name, type)                                                                                                             \
    void TL_ISA(panel_##name)(float *y, int64_t y_stride, const void *p, const void *x, size_t x_stride, int n_cols, int64_t k) { \
        panel(type, y, y_stride, p, x, x_stride, n_cols, k);                                                                          \
    }                                                                                                                                 \
    void TL_ISA(stored_##name)(float *y, const void *w, size_t w_stride, const void *x, int64_t k) {                                  \
        const source rows = source_of(w, w_stride);                                                                                   \
        one_column(type, y, NULL, &rows, x, k);                                                                                       \
    }
