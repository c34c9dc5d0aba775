/* transpose.h: a square of AE_VLEN vectors transposed in registers. */
#ifndef AE_TRANSPOSE_H
#define AE_TRANSPOSE_H

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

/* Exchange blocks of `gap` lanes between the vectors i and i + gap: LOW keeps the even blocks. */
#if AE_VLEN == 4
#define LOW_1(a, b) SHUFFLE(a, b, 0, 4, 2, 6)
#define HIGH_1(a, b) SHUFFLE(a, b, 1, 5, 3, 7)
#define LOW_2(a, b) SHUFFLE(a, b, 0, 1, 4, 5)
#define HIGH_2(a, b) SHUFFLE(a, b, 2, 3, 6, 7)
#elif AE_VLEN == 8
#define LOW_1(a, b) SHUFFLE(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define HIGH_1(a, b) SHUFFLE(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define LOW_2(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define HIGH_2(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define LOW_4(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define HIGH_4(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#elif AE_VLEN == 16
#define LOW_1(a, b) SHUFFLE(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define HIGH_1(a, b) SHUFFLE(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define LOW_2(a, b) SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH_2(a, b) SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define LOW_4(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define HIGH_4(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define LOW_8(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HIGH_8(a, b) SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#endif

#define EXCHANGE(x, gap)                                            \
    V_FOR(i_, AE_VLEN) {                                            \
        if ((i_ & (gap)) == 0) {                                    \
            vf low_ = LOW_##gap((x)[i_], (x)[i_ + (gap)]);          \
            (x)[i_ + (gap)] = HIGH_##gap((x)[i_], (x)[i_ + (gap)]); \
            (x)[i_] = low_;                                         \
        }                                                           \
    }

/* x[i] lane j becomes x[j] lane i. */
V_INLINE void
v_transpose(vf x[AE_VLEN])
{
    EXCHANGE(x, 1)
    EXCHANGE(x, 2)
#if AE_VLEN >= 8
    EXCHANGE(x, 4)
#endif
#if AE_VLEN >= 16
    EXCHANGE(x, 8)
#endif
}

#endif
