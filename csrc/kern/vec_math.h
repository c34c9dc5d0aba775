/* vec_math.h: elementary functions on vectors, after Cephes' single precision ones. */
#ifndef AE_VEC_MATH_H
#define AE_VEC_MATH_H

/* e^x; inf above 88.72, 0 below -103.9, NaN for NaN. */
V_INLINE vf
v_exp(vf x)
{
    vf t = v_min(v_max(x, v_set(-104.0f)), v_set(89.0f));
    vf n = v_round(t * 1.44269504088896341f);
    vf r = t - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    vf p = v_set(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    vf y = p * (r * r) + r + 1.0f;
    /* 2^n in two factors, so that the ends of the range overflow and underflow gradually */
    vi i = __builtin_convertvector(n, vi);
    vi half = i >> 1;
    y = y * (vf)((half + 127) << 23) * (vf)((i - half + 127) << 23);
    return v_select(x == x, y, x);
}

/* log x for normal positive x. */
V_INLINE vf
v_log(vf x)
{
    const vi root = vi_set(0x3f3504f3); /* sqrt(1/2) */
    vi bits = (vi)x - root;
    vf e = __builtin_convertvector(bits >> 23, vf);
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
    vf y = p * (f * z) + e * -2.12194440e-4f - 0.5f * z;
    return f + y + e * 0.693359375f;
}

/* log(1 + t) for 0 <= t <= 1: the rounding of 1 + t is put back to first order. */
V_INLINE vf
v_log1p(vf t)
{
    vf u = t + 1.0f;
    return v_log(u) + (t - (u - 1.0f)) / u;
}

V_INLINE vf
v_tanh(vf x)
{
    vf a = v_abs(x);
    vf z = x * x;
    vf p = v_set(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    vf small = p * z * x + x;
    vf large = v_copysign(1.0f - 2.0f / (v_exp(a + a) + 1.0f), x);
    return v_select(a < 0.625f, small, v_select(x == x, large, x));
}

V_INLINE vf
v_sigmoid(vf x)
{
    return 1.0f / (1.0f + v_exp(-x));
}

/* log(1 + e^x) without overflow. */
V_INLINE vf
v_softplus(vf x)
{
    vf y = v_max(x, v_set(0.0f)) + v_log1p(v_exp(-v_abs(x)));
    return v_select(x == x, y, x);
}

/* The normal distribution's tail beyond |x| over its density's e^(-x^2/2): a polynomial in
 * 1 / (1 + 0.26 |x|), fitted for |x| < 14 to a relative 3e-8. */
V_INLINE vf
v_normal_tail(vf x)
{
    vf t = 1.0f / (1.0f + 0.26f * v_abs(x));
    vf p = v_set(3.050573600e-02f);
    p = p * t - 1.528327335e-01f;
    p = p * t + 2.514988903e-01f;
    p = p * t - 1.509571156e-01f;
    p = p * t + 1.609531168e-01f;
    p = p * t + 5.102559393e-02f;
    p = p * t + 1.030307506e-01f;
    p = p * t + 1.030166857e-01f;
    p = p * t + 1.037590634e-01f;
    return p * t;
}

/* Phi(x), and e^(-x^2/2) as the density without its 1 / sqrt(2 pi). */
V_INLINE vf
v_normal_cdf(vf x, vf *gauss)
{
    vf z = v_min(v_abs(x), v_set(14.0f));
    vf e = v_exp(-0.5f * z * z);
    vf q = e * v_normal_tail(z);
    *gauss = e;
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
