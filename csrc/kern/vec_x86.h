/* vec_x86.h: the few words of vec.h for which GCC's vector extensions give poor code on x86.
 *
 * What each does is said at its plain form in vec.h. AVX-512 bodies that are compiled for AVX2 (to
 * test them anywhere) use the plain forms, as do sanitized builds for the tails: masked moves
 * aren't instrumented.
 */
#ifndef AE_VEC_X86_H
#define AE_VEC_X86_H

#include <immintrin.h>

#if defined(__SANITIZE_ADDRESS__)
#define V_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define V_SANITIZED 1
#endif
#endif

#if AE_VLEN == 16 && defined(__AVX512F__)

#define V_HAVE_MAX
V_INLINE vf
v_max(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

V_INLINE vf
v_min(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

#ifndef V_SANITIZED
#define V_HAVE_LOADN
V_INLINE vf
v_loadn(const float *p, int64_t n)
{
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

#define V_HAVE_STOREN
V_INLINE void
v_storen(float *p, vf x, int64_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
}
#endif

#elif AE_VLEN == 8 && defined(__AVX2__)

#define V_HAVE_SELECT
V_INLINE vf
v_select(vi m, vf a, vf b)
{
    return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}

#define V_HAVE_MAX
V_INLINE vf
v_max(vf a, vf b)
{
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}

V_INLINE vf
v_min(vf a, vf b)
{
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

#ifndef V_SANITIZED
#define V_HAVE_LOADN
V_INLINE __m256i
v_first(int64_t n)
{
    return (__m256i)((vi){0, 1, 2, 3, 4, 5, 6, 7} < vi_set((int32_t)n));
}

V_INLINE vf
v_loadn(const float *p, int64_t n)
{
    return (vf)_mm256_maskload_ps(p, v_first(n));
}
#endif

#elif AE_VLEN == 4

#define V_HAVE_MAX
V_INLINE vf
v_max(vf a, vf b)
{
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
}

V_INLINE vf
v_min(vf a, vf b)
{
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
}

#endif

#endif
