/* act.h: activations on one vector, and their gradients: from the output y or, where act.def says
 * so, from the input x. The fused epilogue (gemm.inc) and the elementwise kernels (act.inc) share
 * them. v_tanh, v_sigmoid and v_softplus stand in vec_math.h. */
#ifndef AE_ACT_H
#define AE_ACT_H

#define ACT_SLOPE 0.01f            /* of leaky_relu */
#define INV_SQRT_2PI 0.3989422804f /* the normal density at 0 */

V_INLINE vf
v_linear(vf x)
{
    return x;
}

V_INLINE vf
v_linear_grad(vf y)
{
    (void)y;
    return v_set(1.0f);
}

V_INLINE vf
v_relu(vf x)
{
    return v_max(v_set(0.0f), x); /* in this order, which keeps NaN */
}

V_INLINE vf
v_relu_grad(vf y)
{
    return v_select(y <= 0.0f, v_set(0.0f), v_set(1.0f));
}

V_INLINE vf
v_leaky_relu(vf x)
{
    return v_select(x < 0.0f, x * ACT_SLOPE, x);
}

V_INLINE vf
v_leaky_relu_grad(vf y)
{
    return v_select(y <= 0.0f, v_set(ACT_SLOPE), v_set(1.0f));
}

V_INLINE vf
v_elu(vf x)
{
    return v_select(x < 0.0f, v_expm1(x), x);
}

V_INLINE vf
v_elu_grad(vf y)
{
    return v_select(y > 0.0f, v_set(1.0f), y + 1.0f);
}

V_INLINE vf
v_tanh_grad(vf y)
{
    return (1.0f - y) * (1.0f + y);
}

V_INLINE vf
v_sigmoid_grad(vf y)
{
    return y * (1.0f - y);
}

V_INLINE vf
v_softplus_grad(vf y)
{
    return -v_expm1(-y); /* sigmoid(x) = 1 - e^-y */
}

/* x Phi(x), to an absolute 1e-37; beyond the bound Phi is 0. */
V_INLINE vf
v_gelu(vf x)
{
    vf e, s = v_min(v_set(13.0f), v_abs(x));
    return v_max(v_set(0.0f), x) - s * v_normal_tail(s, &e);
}

V_INLINE vf
v_gelu_grad(vf x)
{
    vf e, s = v_normal_cdf(x, &e);
    x = v_min(v_set(13.0f), v_max(v_set(-13.0f), x)); /* no infinity times 0 */
    return s + x * (e * INV_SQRT_2PI);
}

V_INLINE vf
v_silu(vf x)
{
    return v_max(v_set(-87.0f), x) * v_sigmoid(x);
}

V_INLINE vf
v_silu_grad(vf x)
{
    x = v_min(v_set(87.0f), v_max(v_set(-87.0f), x));
    vf e, s = v_sigmoid_both(x, &e); /* e = 1 - s, which would cancel */
    return s + s * (x * e);
}

V_INLINE vf
v_act(vf x, ae_act act)
{
    switch (act) {
#define AE_ACT(id, name, from_output, operations) \
    case AE_##id:                                 \
        return v_##name(x);
#include "kern/act.def"
#undef AE_ACT
        default:
            return x;
    }
}

/* act'(.), from the output or the input as act.def says. */
V_INLINE vf
v_act_grad(vf y, ae_act act)
{
    switch (act) {
#define AE_ACT(id, name, from_output, operations) \
    case AE_##id:                                 \
        return v_##name##_grad(y);
#include "kern/act.def"
#undef AE_ACT
        default:
            return v_set(1.0f);
    }
}

#endif
