/* act.h: activations and their gradients on one vector, shared by the fused epilogue (gemm.inc)
 * and the elementwise kernels (act.inc). */
#ifndef AE_ACT_H
#define AE_ACT_H

#define ACT_SLOPE 0.01f            /* of leaky_relu */
#define INV_SQRT_2PI 0.3989422804f /* the normal density at 0 */

V_INLINE vf
v_act(vf x, ae_act act)
{
    vf e, s;
    switch (act) {
        case AE_RELU:
            return v_max(v_set(0.0f), x); /* in this order, which keeps NaN */
        case AE_LEAKY_RELU:
            return v_select(x < 0.0f, x * ACT_SLOPE, x);
        case AE_ELU:
            return v_select(x < 0.0f, v_expm1(x), x);
        case AE_TANH:
            return v_tanh(x);
        case AE_SIGMOID:
            return v_sigmoid(x);
        case AE_SOFTPLUS:
            return v_softplus(x);
        case AE_GELU:
            /* x Phi(x), to an absolute 1e-37; beyond the bound Phi is 0 */
            s = v_min(v_set(13.0f), v_abs(x));
            return v_max(v_set(0.0f), x) - s * v_normal_tail(s, &e);
        case AE_SILU:
            return v_max(v_set(-87.0f), x) * v_sigmoid(x);
        default:
            return x;
    }
}

/* act'(.), from the output y; from the input for gelu and silu. */
V_INLINE vf
v_act_grad(vf y, ae_act act)
{
    vf e, s;
    switch (act) {
        case AE_RELU:
            return v_select(y <= 0.0f, v_set(0.0f), v_set(1.0f));
        case AE_LEAKY_RELU:
            return v_select(y <= 0.0f, v_set(ACT_SLOPE), v_set(1.0f));
        case AE_ELU:
            return v_select(y > 0.0f, v_set(1.0f), y + 1.0f);
        case AE_TANH:
            return (1.0f - y) * (1.0f + y);
        case AE_SIGMOID:
            return y * (1.0f - y);
        case AE_SOFTPLUS:
            return -v_expm1(-y); /* sigmoid(x) = 1 - e^-y */
        case AE_GELU:
            s = v_normal_cdf(y, &e);
            y = v_min(v_set(13.0f), v_max(v_set(-13.0f), y)); /* no infinity times 0 */
            return s + y * (e * INV_SQRT_2PI);
        case AE_SILU:
            y = v_min(v_set(87.0f), v_max(v_set(-87.0f), y));
            s = v_sigmoid_both(y, &e); /* e = 1 - s, which would cancel */
            return s + s * (y * e);
        default:
            return v_set(1.0f);
    }
}

#endif
