/* vec_math.h: elementary functions on vectors, after Cephes' single precision ones.
 *
 * NaN in gives NaN out, with exceptions: v_log and what is made of it, and v_sincos2pi, take numbers
 * of their domain.
 */
#ifndef AE_VEC_MATH_H
#define AE_VEC_MATH_H

/* x = n log 2 + r with |r| <= log(2) / 2, for |x| < 2^21. */
V_INLINE vf
v_exp_reduce(vf x, vi *n)
{
    const vf magic = v_set(12582912.0f); /* 1.5 * 2^23: the sum's last bits are those of n */
    vf m = x * 1.44269504088896341f + magic;
    vf k = m - magic;
    vf r = x - k * 0.693359375f;
    *n = (vi)((vu)m - (vu)magic);
    return r - k * -2.12194440e-4f;
}

/* (e^r - 1 - r) / r^2 for |r| < 0.4 */
V_INLINE vf
v_exp_second(vf r)
{
    vf p = v_set(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    return p * r + 5.0000001201e-1f;
}

/* e^r - 1 for |r| < 0.4 */
V_INLINE vf
v_exp_poly(vf r)
{
    return v_exp_second(r) * (r * r) + r;
}

/* 2^n for -127 < n < 128 */
V_INLINE vf
v_pow2(vi n)
{
    return (vf)((vu)(n + 127) << 23);
}

/* y 2^n, in two factors so that the ends of the range overflow and underflow gradually. */
V_INLINE vf
v_scale(vf y, vi n)
{
    vi half = n >> 1;
    return y * v_pow2(half) * v_pow2(n - half);
}

/* e^x; inf above 88.72, 0 below -103.97. */
V_INLINE vf
v_exp(vf x)
{
    vi n;
    vf r = v_exp_reduce(v_min(v_set(89.0f), v_max(v_set(-104.0f), x)), &n);
    return v_scale(v_exp_poly(r) + 1.0f, n);
}

/* e^x for x <= 0, to an absolute 2e-38: where v_exp would underflow, its last normal value. */
V_INLINE vf
v_exp_negative(vf x)
{
    vi n;
    vf r = v_exp_reduce(v_max(v_set(-87.0f), x), &n);
    vf s = v_pow2(n);
    return s * v_exp_poly(r) + s;
}

/* e^x for x <= 0 where sums of it are what counts: to an absolute 1e-7. By way of 2^(n + f), whose
 * error grows with |x|, and so where the result is small. */
V_INLINE vf
v_exp_weight(vf x)
{
    const vf magic = v_set(12582912.0f + 127.0f); /* the sum's last bits are those of n + 127 */
    x = v_max(v_set(-126.0f), x * 1.44269504088896341f);
    vf m = x + magic;
    vf f = x - (m - magic);
    vf p = v_set(1.5353361955e-4f); /* minimax for |f| <= 1/2, exact at 0 */
    p = p * f + 1.3398874414e-3f;
    p = p * f + 9.6184373575e-3f;
    p = p * f + 5.5503324711e-2f;
    p = p * f + 2.4022647914e-1f;
    p = p * f + 6.9314720286e-1f;
    p = p * f + 1.0f;
    return p * (vf)((vu)m << 23);
}

/* e^x - 1 for x <= 0, without cancellation. */
V_INLINE vf
v_expm1(vf x)
{
    vi n;
    vf r = v_exp_reduce(v_max(v_set(-80.0f), x), &n);
    vf s = v_pow2(n);
    return s * v_exp_poly(r) + (s - 1.0f);
}

/* log x - e LOG_2_HIGH for normal positive numbers, with e about log2 x: |what is given| < 0.4, but
 * for what the high part of log 2 lacks. e LOG_2_HIGH is exact, so that a difference of two
 * logarithms can be taken of these parts, without the rounding of either. */
#define LOG_2_HIGH 0.693359375f

V_INLINE vf
v_log_reduce(vf x, vf *e)
{
    const vi root = vi_set(0x3f3504f3); /* sqrt(1/2) */
    vi bits = (vi)x - root;
    *e = __builtin_convertvector(bits >> 23, vf);
    vf f = (vf)((bits & 0x007fffff) + root) - 1.0f;
    vf z = f * f;
    vf p = v_set(7.0376836292e-2f);
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    vf y = p * (f * z) + *e * -2.12194440e-4f - 0.5f * z;
    return f + y;
}

/* log x for normal positive numbers. */
V_INLINE vf
v_log(vf x)
{
    vf e, low = v_log_reduce(x, &e);
    return low + e * LOG_2_HIGH;
}

/* log(1 + t) for 0 <= t <= 1, as 2 artanh(t / (2 + t)): 1 + t, which loses t, is never formed. */
V_INLINE vf
v_log1p(vf t)
{
    vf s = t / (t + 2.0f);
    vf z = s * s;
    vf p = v_set(2.801199257e-1f);
    p = p * z + 2.800180316e-1f;
    p = p * z + 4.002152681e-1f;
    p = p * z + 6.666641831e-1f;
    return p * (z * s) + (s + s);
}

/* What Stirling's formula needs of z >= 0: z itself from 4 on, else z + 4, whence a recurrence
 * leads back; and its logarithm. */
#define STIRLING_LEAST 4.0f

V_INLINE vf
v_stirling_at(vf z)
{
    return v_select(z < STIRLING_LEAST, z + STIRLING_LEAST, z);
}

/* log z! - (z log z - z), the logarithm of 1 / P(z) for a Poisson variable of mean z >= 0, given
 * log z (anything finite at 0). To an absolute 1e-6, and a relative one above 1. The series is
 * Stirling's (M. Abramowitz and I. Stegun, "Handbook of mathematical functions", 6.1.41); it takes
 * the place of log z! as in C. Loader, "Fast and accurate computation of binomial probabilities",
 * 2000: where log z! is large, what it is added to cancels it. */
V_INLINE vf
v_factorial_rest(vf z, vf log_z)
{
    const vf small = v_min(v_set(STIRLING_LEAST), z);
    vf w = v_stirling_at(z), log_w = v_log(w), r = 1.0f / w, r2 = r * r;
    vf series = r * (8.33333333e-2f - r2 * (2.77777778e-3f - r2 * 7.93650794e-4f));
    vf rest = 0.5f * log_w + 9.18938533e-1f + series; /* log(2 pi) / 2 */
    vf v = small + STIRLING_LEAST, v2 = v * v, zz = small * (small + 5.0f);
    vf back =
        v_log(v2 * v2 / ((zz + 4.0f) * (zz + 6.0f))); /* (z + 1) (z + 2) (z + 3) (z + 4) */
    vf near = (rest - STIRLING_LEAST) + (z * (log_w - log_z) + back);
    return v_select(z < STIRLING_LEAST, near, rest);
}

/* log z - psi(z), psi the digamma function, for z > 0 of which log z is given: ibid., 6.3.18. */
V_INLINE vf
v_digamma_rest(vf z, vf log_z)
{
    vf w = v_stirling_at(z), r = 1.0f / w, r2 = r * r;
    vf series = r2 * (8.33333333e-2f - r2 * (8.33333333e-3f - r2 * 3.96825397e-3f)) + 0.5f * r;
    const vf small = v_min(v_set(STIRLING_LEAST), z);
    vf a = small * (small + 3.0f), b = a + 2.0f; /* 1 / z + 1 / (z + 1) + ... + 1 / (z + 3) */
    vf back = (small + small + 3.0f) * (a + b) / (a * b) - (v_log(w) - log_z);
    return v_select(z < STIRLING_LEAST, series + back, series);
}

/* With m = e^(-2|x|) - 1: tanh |x| = -m / (2 + m). */
V_INLINE vf
v_tanh(vf x)
{
    vf m = v_expm1(-2.0f * v_abs(x));
    return v_copysign(m / (m + 2.0f), x);
}

/* 1 / (1 + e^-x), from e^-|x|: small values have a relative accuracy, down to 1e-38. */
V_INLINE vf
v_sigmoid(vf x)
{
    vf e = v_exp_negative(-v_abs(x));
    return v_select(x < 0.0f, e, v_set(1.0f)) / (1.0f + e);
}

/* The same, and that of -x. */
V_INLINE vf
v_sigmoid_both(vf x, vf *other)
{
    vf e = v_exp_negative(-v_abs(x));
    vf large = 1.0f / (1.0f + e), small = e * large;
    *other = v_select(x < 0.0f, large, small);
    return v_select(x < 0.0f, small, large);
}

/* log(1 + e^x) without overflow. */
V_INLINE vf
v_softplus(vf x)
{
    return v_max(v_set(0.0f), x) + v_log1p(v_exp_negative(-v_abs(x)));
}

/* e^(-z^2/2) for 0 <= z <= 13. z^2 is taken in two parts, high^2 exactly and the rest: e^x turns
 * the rounding of its argument into a relative error, of 40 ulp where z^2/2 is 80. */
V_INLINE vf
v_gauss(vf z)
{
    vf high = (vf)((vi)z & vi_set(~0xfff));
    vf rest = (z - high) * (z + high);
    vi n;
    vf r = v_exp_reduce(-0.5f * high * high, &n) - 0.5f * rest;
    vf s = v_pow2(n);
    return s * v_exp_poly(r) + s;
}

/* 1 - Phi(z), the normal distribution's tail, for 0 <= z <= 13; and e^(-z^2/2). Their quotient is
 * 1 / (z + 3.75) times a polynomial in (z - 3.75) / (z + 3.75), fitted to a relative 1.5e-8. */
V_INLINE vf
v_normal_tail(vf z, vf *gauss)
{
    vf t = 1.0f / (z + 3.75f);
    vf u = (z - 3.75f) * t;
    vf p = v_set(4.433689755e-4f);
    p = p * u + 5.094425287e-4f;
    p = p * u - 4.169120919e-3f;
    p = p * u + 1.200113911e-3f;
    p = p * u + 3.749255091e-2f;
    p = p * u - 1.515208334e-1f;
    p = p * u + 3.529396057e-1f;
    p = p * u - 5.881882906e-1f;
    p = p * u + 7.502940893e-1f;
    *gauss = v_gauss(z);
    return *gauss * (p * t);
}

/* Phi(x), to an absolute 1e-38; and e^(-x^2/2). */
V_INLINE vf
v_normal_cdf(vf x, vf *gauss)
{
    vf q = v_normal_tail(v_min(v_set(13.0f), v_abs(x)), gauss);
    return v_select(x < 0.0f, q, 1.0f - q);
}

/* sin and cos of 2 pi u for 0 <= u <= 1. */
V_INLINE void
v_sincos2pi(vf u, vf *sine, vf *cosine)
{
    vf q = v_round(u * 4.0f);
    vf r = (u * 4.0f - q) * 1.57079632679489662f; /* u * 4 - q is exact */
    vf z = r * r;
    vf s = v_set(-1.9515295891e-4f);
    s = s * z + 8.3321608736e-3f;
    s = s * z - 1.6666654611e-1f;
    s = s * z * r + r;
    vf c = v_set(2.443315711809948e-5f);
    c = c * z - 1.388731625493765e-3f;
    c = c * z + 4.166664568298827e-2f;
    c = c * z * z - 0.5f * z + 1.0f;
    vi i = __builtin_convertvector(q, vi);
    vi swap = (i & 1) != 0;
    vi sign_s = (vi)((vu)(i & 2) << 30);
    vi sign_c = (vi)((vu)((i + 1) & 2) << 30);
    *sine = (vf)((vi)v_select(swap, c, s) ^ sign_s);
    *cosine = (vf)((vi)v_select(swap, s, c) ^ sign_c);
}

#endif
