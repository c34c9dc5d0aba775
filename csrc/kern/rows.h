/* rows.h: sums of a term over each sample's features, with the term's gradient on the way.
 *
 * A term is a function of one vector; wide rows hold theirs in float lanes for a short
 * run, then in double. Narrow rows are taken many at a time as one run of values, so that
 * no lanes are wasted, and summed from a buffer.
 */
#ifndef AE_ROWS_H
#define AE_ROWS_H

#define ROW_RUN (128 * AE_VLEN)  /* values summed in float lanes, 32 to a lane */
#define NARROW_ROW (2 * AE_VLEN) /* rows below this many values are taken together */
#define NARROW_RUN 512

/* A term's streams, from the first row of a block on; which there are and what they mean
 * is the term's own business. */
typedef struct {
    const float *x, *y, *z, *mask;
    float *dx, *dy;
    float c;
    bool sum; /* whether the term itself is wanted, beside its gradients */
} row_streams;

/* The term of values [i, i + n), n <= AE_VLEN; its gradients are written, scaled by g. */
typedef vf (*row_term)(const row_streams *s, int64_t i, int64_t n, vf g);

/* The first n lanes of x, and `rest` behind them. */
V_INLINE vf
keep_lanes(vf x, int64_t n, vf rest)
{
    vi lane = {0};
    V_FOR(i, AE_VLEN) {
        lane[i] = i;
    }
    return v_select(lane < vi_set((int32_t)n), x, rest);
}

V_INLINE double
sum_row(row_term term, const row_streams *s, int64_t i, int64_t end, vf g)
{
    double total = 0.0;
    while (i + 4 * AE_VLEN <= end) {
        int64_t stop = end - i < ROW_RUN ? end : i + ROW_RUN;
        vf part[4] = {0};
        for (; i + 4 * AE_VLEN <= stop; i += 4 * AE_VLEN) {
            V_FOR(j, 4) {
                part[j] += term(s, i + j * AE_VLEN, AE_VLEN, g);
            }
        }
        total += v_sum((part[0] + part[1]) + (part[2] + part[3]));
    }
    vf rest = {0};
    for (; i + AE_VLEN <= end; i += AE_VLEN) {
        rest += term(s, i, AE_VLEN, g);
    }
    if (i < end) {
        rest += keep_lanes(term(s, i, end - i, g), end - i, v_set(0.0f));
    }
    return total + v_sum(rest);
}

/* Rows of F < NARROW_ROW values, a run of them at a time. */
V_INLINE void
sum_narrow_rows(row_term term, double *sum, const row_streams *s, const float *g, int64_t rows,
                int64_t F)
{
    float value[NARROW_RUN], scale[NARROW_RUN];
    const int64_t group = NARROW_RUN / F;
    for (int64_t row = 0; row < rows; row += group) {
        int64_t count = rows - row < group ? rows - row : group;
        for (int64_t r = 0; r < count; r++) {
            for (int64_t j = 0; j < F; j++) {
                scale[r * F + j] = g != NULL ? g[row + r] : 1.0f;
            }
        }
        for (int64_t t = 0; t < count * F; t += AE_VLEN) {
            int64_t n = count * F - t;
            vf part = n >= AE_VLEN ? term(s, row * F + t, AE_VLEN, v_load(scale + t))
                                   : term(s, row * F + t, n, v_loadn(scale + t, n));
            store_part(value + t, part, n);
        }
        for (int64_t r = 0; s->sum && r < count; r++) {
            double total = 0.0;
            for (int64_t j = 0; j < F; j++) {
                total += (double)value[r * F + j];
            }
            sum[row + r] = total;
        }
    }
}

/* sum (rows) = the term summed over the F values of each row, where s->sum says so; g
 * (rows), or NULL for ones, scales the gradients. */
V_INLINE void
sum_rows(row_term term, double *sum, const row_streams *s, const float *g, int64_t rows,
         int64_t F)
{
    if (F > 0 && F < NARROW_ROW) {
        sum_narrow_rows(term, sum, s, g, rows, F);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        vf scale = v_set(g != NULL ? g[r] : 1.0f);
        double total = sum_row(term, s, r * F, (r + 1) * F, scale);
        if (s->sum) {
            sum[r] = total;
        }
    }
}

#endif
