/* wide.h: long sums in double, the lanes of a vector in two vectors of doubles. One vector of
 * twice the size would say the same, but gcc keeps such a variable in memory. */
#ifndef AE_WIDE_H
#define AE_WIDE_H

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

typedef float v_half __attribute__((vector_size(V_BYTES / 2)));
typedef double v_double __attribute__((vector_size(V_BYTES)));
typedef double v_double_any __attribute__((vector_size(V_BYTES), aligned(8), may_alias));
typedef struct {
    v_double low, high;
} v_wide;

/* The plain form at the end is what the others say: gcc takes it apart into lanes. */
V_INLINE v_wide
v_widen(vf x)
{
#if AE_VLEN == 4 && defined(__SSE2__)
    return (v_wide){(v_double)_mm_cvtps_pd((__m128)x),
                    (v_double)_mm_cvtps_pd(_mm_movehl_ps((__m128)x, (__m128)x))};
#elif AE_VLEN == 4 && defined(__ARM_NEON)
    return (v_wide){(v_double)vcvt_f64_f32(vget_low_f32((float32x4_t)x)),
                    (v_double)vcvt_high_f64_f32((float32x4_t)x)};
#elif AE_VLEN == 8 && defined(__AVX2__)
    return (v_wide){(v_double)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x)),
                    (v_double)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1))};
#elif AE_VLEN == 16 && defined(__AVX512F__) && defined(__AVX512DQ__)
    return (v_wide){(v_double)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x)),
                    (v_double)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1))};
#else
    v_half half[2];
    memcpy(half, &x, sizeof x);
    return (v_wide){__builtin_convertvector(half[0], v_double),
                    __builtin_convertvector(half[1], v_double)};
#endif
}

V_INLINE v_wide
v_wide_load(const double *p)
{
    return (v_wide){*(const v_double_any *)p, *(const v_double_any *)(p + AE_VLEN / 2)};
}

V_INLINE void
v_wide_store(double *p, v_wide x)
{
    *(v_double_any *)p = x.low;
    *(v_double_any *)(p + AE_VLEN / 2) = x.high;
}

V_INLINE v_wide
v_wide_add(v_wide a, v_wide b)
{
    return (v_wide){a.low + b.low, a.high + b.high};
}

/* s + a b; products of what were floats are exact. */
V_INLINE v_wide
v_wide_add_product(v_wide s, v_wide a, v_wide b)
{
    return (v_wide){s.low + a.low * b.low, s.high + a.high * b.high};
}

V_INLINE double
v_wide_sum(v_wide x)
{
    v_double pairs = x.low + x.high;
    double sum = 0.0;
    for (int i = 0; i < AE_VLEN / 2; i++) {
        sum += pairs[i];
    }
    return sum;
}

#endif
