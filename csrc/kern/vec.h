/* vec.h: the vocabulary of the kernel bodies: AE_VLEN floats in GCC vector extensions.
 *
 * Every loop over n values is a main loop of whole vectors and one tail through v_loadn and
 * v_storen, which runs the same instructions: a value's bits don't depend on where in an array it
 * stands. a * b + c contracts to a fused multiply-add where the ISA has one.
 *
 * The elementary functions are polynomials after Cephes (S. Moshier): errors in ulp of float32
 * are measured in tests/c/test_vec.c, and listed in docs/numerics.md.
 */
#ifndef AE_VEC_H
#define AE_VEC_H

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ae.h"

#define V_BYTES (4 * AE_VLEN)
typedef float vf __attribute__((vector_size(V_BYTES)));
typedef int32_t vi __attribute__((vector_size(V_BYTES)));
typedef uint32_t vu __attribute__((vector_size(V_BYTES)));
typedef float v_lane __attribute__((may_alias)); /* indices are loaded as floats too */
typedef float vf_any __attribute__((vector_size(V_BYTES), aligned(4), may_alias));

#define V_INLINE static inline __attribute__((always_inline, unused))
/* What takes so long that a call is nothing beside it, and a copy in each loop too much. */
#define V_CALL static __attribute__((noinline, unused))

#if defined(__clang__)
#define V_UNROLL _Pragma("clang loop unroll(full)")
#else
#define V_UNROLL _Pragma("GCC unroll 32")
#endif
/* A loop over a constant number of registers, unrolled. */
#define V_FOR(i, n) V_UNROLL for (int i = 0; i < (n); i++)

V_INLINE vf
v_set(float x)
{
    return x - (vf){0};
}

V_INLINE vi
vi_set(int32_t x)
{
    return x - (vi){0};
}

V_INLINE vf
v_load(const float *p)
{
    return *(const vf_any *)p;
}

V_INLINE void
v_store(float *p, vf x)
{
    *(vf_any *)p = x;
}

/* ---- what compilers don't find by themselves: see vec_x86.h and the plain forms below ------- */

#if defined(__x86_64__)
#include "kern/vec_x86.h"
#endif

#ifndef V_HAVE_LOADN
/* The first n < AE_VLEN values, zeros behind them. */
V_INLINE vf
v_loadn(const float *p, int64_t n)
{
#if AE_VLEN == 4 /* by way of memory it would wait for the stores */
    const v_lane *q = (const v_lane *)p;
    return n == 1   ? (vf){q[0]}
           : n == 2 ? (vf){q[0], q[1]}
           : n == 3 ? (vf){q[0], q[1], q[2]}
                    : (vf){0};
#else
    vf x = {0};
    memcpy(&x, p, (size_t)n * sizeof(float));
    return x;
#endif
}
#endif

#ifndef V_HAVE_STOREN
/* In powers of two, which are plain moves: masked stores are slow on some CPUs. */
V_INLINE void
v_storen(float *p, vf x, int64_t n)
{
    float y[AE_VLEN], *from = y;
    v_store(y, x);
    for (int64_t part = AE_VLEN / 2; part > 0; part /= 2) {
        if (n & part) {
            memcpy(p, from, (size_t)part * sizeof(float));
            from += part;
            p += part;
        }
    }
}
#endif

/* Whole vectors, or what is left of one. */
V_INLINE vf
load_part(const float *p, int64_t n)
{
    return n >= AE_VLEN ? v_load(p) : v_loadn(p, n);
}

V_INLINE void
store_part(float *p, vf x, int64_t n)
{
    if (n >= AE_VLEN) {
        v_store(p, x);
    }
    else {
        v_storen(p, x, n);
    }
}

#ifndef V_HAVE_SELECT
/* m ? a : b, for masks of whole lanes as comparisons give them. */
V_INLINE vf
v_select(vi m, vf a, vf b)
{
    return (vf)((m & (vi)a) | (~m & (vi)b));
}
#endif

#ifndef V_HAVE_MAX
/* a > b ? a : b, and so b if either is NaN: v_max(bound, x) keeps a NaN of x, v_max(x, bound)
 * drops it. */
V_INLINE vf
v_max(vf a, vf b)
{
    return v_select(a > b, a, b);
}

V_INLINE vf
v_min(vf a, vf b)
{
    return v_select(a < b, a, b);
}
#endif

V_INLINE vf
v_abs(vf x)
{
    return (vf)((vi)x & vi_set(0x7fffffff));
}

/* |x| with the sign of s */
V_INLINE vf
v_copysign(vf x, vf s)
{
    vi sign = vi_set(INT32_MIN);
    return (vf)(((vi)x & ~sign) | ((vi)s & sign));
}

/* A lane at a time: both compilers make one instruction of it. */
V_INLINE vf
v_sqrt(vf x)
{
    vf y = {0};
    V_FOR(i, AE_VLEN) {
        y[i] = __builtin_sqrtf(x[i]);
    }
    return y;
}

/* Lanes added in a fixed order, in double. */
V_INLINE double
v_sum(vf x)
{
    double s = 0.0;
    for (int i = 0; i < AE_VLEN; i++) {
        s += (double)x[i];
    }
    return s;
}

/* The nearest whole number for |x| < 2^22, ties to even: adding 1.5 * 2^23 leaves no fraction. */
V_INLINE vf
v_round(vf x)
{
    const vf magic = v_set(12582912.0f);
    return (x + magic) - magic;
}

#include "kern/vec_math.h"

#endif
