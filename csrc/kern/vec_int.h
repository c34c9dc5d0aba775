/* vec_int.h: what the random numbers need of integer vectors: 32 x 32 -> 64 bit products in lanes of
 * 64 bits, and the interleaving of two vectors.
 *
 * The vector extensions have no widening product, and gcc makes three multiplications of a 64-bit
 * one: this is the one place that spells out an instruction.
 */
#ifndef AE_VEC_INT_H
#define AE_VEC_INT_H

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define V_WIDE (AE_VLEN / 2) /* lanes of 64 bits */
typedef uint64_t vw __attribute__((vector_size(V_BYTES)));

V_INLINE vw
vw_set(uint64_t x)
{
    return x - (vw){0};
}

/* The low halves of a times b, a 64-bit product in each lane; the high halves of a don't count. */
V_INLINE vw
vw_mul_low(vw a, uint32_t b)
{
#if AE_VLEN == 4 && defined(__SSE2__)
    return (vw)_mm_mul_epu32((__m128i)a, (__m128i)vw_set(b));
#elif AE_VLEN == 8 && defined(__AVX2__)
    return (vw)_mm256_mul_epu32((__m256i)a, (__m256i)vw_set(b));
#elif AE_VLEN == 16 && defined(__AVX512F__)
    return (vw)_mm512_mul_epu32((__m512i)a, (__m512i)vw_set(b));
#elif AE_VLEN == 4 && defined(__ARM_NEON)
    return (vw)vmull_n_u32(vmovn_u64((uint64x2_t)a), b);
#else
    return (a & 0xffffffffu) * b;
#endif
}

/* Lanes 0 and 1 of every four of a and b in turn, a0 b0 a1 b1; and lanes 2 and 3, a2 b2 a3 b3. */
#if AE_VLEN == 4
#define V_PAIR_LOW 0, 4, 1, 5
#define V_PAIR_HIGH 2, 6, 3, 7
#elif AE_VLEN == 8
#define V_PAIR_LOW 0, 8, 1, 9, 4, 12, 5, 13
#define V_PAIR_HIGH 2, 10, 3, 11, 6, 14, 7, 15
#else
#define V_PAIR_LOW 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29
#define V_PAIR_HIGH 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31
#endif

#if defined(__clang__)
#define V_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define V_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

V_INLINE vf
v_pair_low(vf a, vf b)
{
    return V_SHUFFLE(a, b, V_PAIR_LOW);
}

V_INLINE vf
v_pair_high(vf a, vf b)
{
    return V_SHUFFLE(a, b, V_PAIR_HIGH);
}

#endif
