/* test_vec.c: the vector vocabulary and its elementary functions against libm in double.
 *
 * Compile with -Icsrc and -DAE_VLEN=4, 8 or 16 (4 if not given), link with -lm. Runs over the bit
 * patterns of every finite float, `step` apart (the only argument; 1 tries all of them), and over
 * the special values. Prints the worst error of each function, and fails beyond its bound.
 *
 * Errors are in ulp: distances of the floats around the exact value, 2^-149 among the denormals.
 * A function with a floor is held to it where it has no relative accuracy: below the floor, an ulp
 * is that of the floor.
 */
#include <stdio.h>
#include <stdlib.h>

#ifndef AE_VLEN
#define AE_VLEN 4
#endif
#include "kern/vec.h"
#include "kern/act.h"
#include "kern/wide.h"

typedef struct {
    const char *name;
    vf (*f)(vf x);
    double (*exact)(double x);
    double low, high; /* domain, both ends in */
    double bound;     /* ulp */
    double floor;
} check;

/* ---- vectors under test -------------------------------------------------------------------- */

static vf
normal_cdf(vf x)
{
    vf e;
    return v_normal_cdf(x, &e);
}

static vf
gauss(vf x)
{
    vf e;
    v_normal_cdf(x, &e);
    return e;
}

static vf
sin2pi(vf u)
{
    vf s, c;
    v_sincos2pi(u, &s, &c);
    return s;
}

static vf
cos2pi(vf u)
{
    vf s, c;
    v_sincos2pi(u, &s, &c);
    return c;
}

#define VECTOR(name, expr) \
    static vf name(vf x)   \
    {                      \
        return expr;       \
    }
VECTOR(exp_, v_exp(x))
VECTOR(exp_negative, v_exp_negative(x))
VECTOR(exp_weight, v_exp_weight(x))
VECTOR(expm1_, v_expm1(x))
VECTOR(log_, v_log(x))
VECTOR(log1p_, v_log1p(x))
VECTOR(tanh_, v_tanh(x))
VECTOR(sigmoid_, v_sigmoid(x))
VECTOR(softplus_, v_softplus(x))
VECTOR(factorial_rest, v_factorial_rest(x, v_log(v_max(v_set(0x1p-126f), x))))
VECTOR(digamma_rest, v_digamma_rest(x, v_log(x)))
VECTOR(relu, v_act(x, AE_RELU))
VECTOR(leaky, v_act(x, AE_LEAKY_RELU))
VECTOR(elu, v_act(x, AE_ELU))
VECTOR(gelu, v_act(x, AE_GELU))
VECTOR(silu, v_act(x, AE_SILU))
VECTOR(elu_grad, v_act_grad(x, AE_ELU))
VECTOR(tanh_grad, v_act_grad(x, AE_TANH))
VECTOR(sigmoid_grad, v_act_grad(x, AE_SIGMOID))
VECTOR(softplus_grad, v_act_grad(x, AE_SOFTPLUS))
VECTOR(gelu_grad, v_act_grad(x, AE_GELU))
VECTOR(silu_grad, v_act_grad(x, AE_SILU))

/* ---- what they should be --------------------------------------------------------------------- */

static double
exact_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double
exact_softplus(double x)
{
    return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
}

static double
exact_factorial_rest(double z)
{
    if (z > 1e3) { /* where log z! is too large to take anything from */
        return 0.5 * log(2 * M_PI * z) + 1 / (12 * z) - 1 / (360 * z * z * z);
    }
    return lgamma(z + 1) - (z > 0 ? z * log(z) : 0) + z;
}

static double
exact_digamma_rest(double z)
{
    double w = z, back = 0, r;
    for (; w < 30; w += 1) {
        back += 1 / w;
    }
    r = 1 / w;
    r = r / 2 + r * r / 12 - r * r * r * r / 120;
    return z < 30 ? r + back - log(w / z) : r;
}

static double
exact_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

static double
exact_gauss(double x)
{
    return exp(-0.5 * x * x);
}

static double
exact_sin2pi(double u)
{
    double q = rint(2 * u);
    double s = sin((2 * u - q) * M_PI);
    return fmod(q, 2) != 0 ? -s : s;
}

static double
exact_cos2pi(double u)
{
    return exact_sin2pi(u <= 0.75 ? u + 0.25 : u - 0.75);
}

static double
exact_relu(double x)
{
    return x < 0 ? 0 : x;
}

static double
exact_leaky(double x)
{
    return x < 0 ? (double)ACT_SLOPE * x : x;
}

static double
exact_elu(double x)
{
    return x < 0 ? expm1(x) : x;
}

/* At the infinities these are limits. */
static double
exact_gelu(double x)
{
    return x == -INFINITY ? -0.0 : x * exact_cdf(x);
}

static double
exact_silu(double x)
{
    return x == -INFINITY ? -0.0 : x * exact_sigmoid(x);
}

static double
exact_elu_grad(double y)
{
    return y > 0 ? 1 : y + 1;
}

static double
exact_tanh_grad(double y)
{
    return 1 - y * y;
}

static double
exact_sigmoid_grad(double y)
{
    return y * (1 - y);
}

static double
exact_softplus_grad(double y)
{
    return -expm1(-y);
}

static double
exact_gelu_grad(double x)
{
    if (isinf(x)) {
        return x > 0;
    }
    return exact_cdf(x) + x * exact_gauss(x) / sqrt(2 * M_PI);
}

static double
exact_silu_grad(double x)
{
    if (isinf(x)) {
        return x > 0;
    }
    return exact_sigmoid(x) * (1 + x * exact_sigmoid(-x));
}

#define ALL -INFINITY, INFINITY
static const check checks[] = {
    {"v_exp", exp_, exp, ALL, 1.5, 0},
    {"v_exp_negative", exp_negative, exp, -INFINITY, 0, 1.5, 0x1p-103},
    {"v_exp_weight", exp_weight, exp, -INFINITY, 0, 2.0, 0.25},
    {"v_expm1", expm1_, expm1, -INFINITY, 0, 1.5, 0},
    {"v_log", log_, log, 0x1p-126, 0x1.fffffep127, 1.0, 0},
    {"v_log1p", log1p_, log1p, 0, 1, 2.2, 0},
    {"v_tanh", tanh_, tanh, ALL, 2.7, 0},
    {"v_sigmoid", sigmoid_, exact_sigmoid, ALL, 2.7, 0x1p-103},
    {"v_softplus", softplus_, exact_softplus, ALL, 3.0, 0x1p-103},
    {"v_factorial_rest", factorial_rest, exact_factorial_rest, 0, 0x1p100, 12.0, 1.0},
    {"v_digamma_rest", digamma_rest, exact_digamma_rest, 0x1p-60, 0x1p100, 8.0, 1.0},
    {"v_normal_cdf", normal_cdf, exact_cdf, ALL, 7.0, 0x1p-103},
    {"v_normal_cdf e^", gauss, exact_gauss, -13, 13, 2.5, 0},
    {"v_sincos2pi sin", sin2pi, exact_sin2pi, 0, 1, 2.5, 0},
    {"v_sincos2pi cos", cos2pi, exact_cos2pi, 0, 1, 2.5, 0},
    {"relu", relu, exact_relu, ALL, 0, 0},
    {"leaky_relu", leaky, exact_leaky, ALL, 0.51, 0},
    {"elu", elu, exact_elu, ALL, 1.5, 0},
    {"gelu", gelu, exact_gelu, ALL, 7.5, 0x1p-100},
    {"silu", silu, exact_silu, ALL, 3.5, 0x1p-97},
    {"elu'", elu_grad, exact_elu_grad, -1, INFINITY, 0.51, 0},
    {"tanh'", tanh_grad, exact_tanh_grad, -1, 1, 2.0, 0},
    {"sigmoid'", sigmoid_grad, exact_sigmoid_grad, 0, 1, 1.6, 0},
    {"softplus'", softplus_grad, exact_softplus_grad, 0, INFINITY, 1.5, 0},
    {"gelu'", gelu_grad, exact_gelu_grad, ALL, 9.5, 0.125},
    {"silu'", silu_grad, exact_silu_grad, ALL, 4.0, 0.125},
};

/* ---- the comparison ----------------------------------------------------------------------------- */

static int failures;

static double
ulp_of(double x)
{
    int e;
    frexp(x, &e); /* x = m 2^e, 1/2 <= m < 1 */
    return ldexp(1.0, (e < -125 ? -125 : e) - 24);
}

static double
error_of(const check *c, float x, float got)
{
    double want = c->exact((double)x), size = fabs(want) > c->floor ? fabs(want) : c->floor;
    if (isnan(want) || isnan(got)) {
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    }
    if (isinf((float)want) || isinf(got)) {
        /* an error of 1 where only one of the two fell over the edge of the range */
        bool edge = fabs(want) < 0x1.00001p128 && (want > 0) == (got > 0);
        return (float)want == got ? 0 : edge ? 1 : INFINITY;
    }
    return fabs((double)got - want) / ulp_of(size);
}

typedef struct {
    double error;
    float x, got;
} worst;

static void
try_vector(const check *c, const float *x, worst *w)
{
    float y[AE_VLEN];
    v_store(y, c->f(v_load(x)));
    for (int i = 0; i < AE_VLEN; i++) {
        if (!isnan(x[i]) && !((double)x[i] >= c->low && (double)x[i] <= c->high)) {
            continue;
        }
        double error = error_of(c, x[i], y[i]);
        if (error > w->error) {
            *w = (worst){error, x[i], y[i]};
        }
    }
}

static float
float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void
run(const check *c, uint64_t step)
{
    static const float special[] = {
        0.0f,   -0.0f,     1.0f,       -1.0f,           INFINITY,        -INFINITY,
        NAN,    0x1p-149f, -0x1p-149f, 0x1p-126f,       88.72f,          88.73f,
        -87.4f, -103.9f,   -104.1f,    14.2f,           -14.2f,          -15.0f,
        0.5f,   0.25f,     0.75f,      0x1.fffffep127f, -0x1.fffffep127f};
    worst w = {0, 0, 0};
    float x[AE_VLEN];
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        for (int j = 0; j < AE_VLEN; j++) {
            x[j] = special[i];
        }
        if (!isnan(special[i]) ||
            (c->f != log_ && c->f != factorial_rest && c->f != digamma_rest)) {
            /* which take numbers only */
            try_vector(c, x, &w);
        }
    }
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += step * AE_VLEN) {
        for (int j = 0; j < AE_VLEN; j++) {
            x[j] = float_of((uint32_t)(bits + step * (uint64_t)j));
            x[j] = isnan(x[j]) ? 1.0f : x[j];
        }
        try_vector(c, x, &w);
    }
    bool failed = !(w.error <= c->bound);
    failures += failed;
    printf("%-16s %8.3f ulp at %-14a (bound %.2f)%s\n", c->name, w.error, (double)w.x, c->bound,
           failed ? "  FAILED" : "");
    if (failed) {
        printf("    x = %.9g: got %.9g, expected %.9g\n", (double)w.x, (double)w.got,
               c->exact((double)w.x));
    }
}

/* ---- the rest of the vocabulary ------------------------------------------------------------------- */

static void
expect(bool ok, const char *what)
{
    if (!ok) {
        printf("%s FAILED\n", what);
        failures += 1;
    }
}

static void
test_tails(void)
{
    float from[AE_VLEN], to[AE_VLEN + 2];
    for (int i = 0; i < AE_VLEN; i++) {
        from[i] = (float)(i + 1);
    }
    for (int n = 0; n < AE_VLEN; n++) {
        vf x = v_loadn(from, n);
        for (int i = 0; i < AE_VLEN + 2; i++) {
            to[i] = -1.0f;
        }
        v_storen(to + 1, x + 1.0f, n);
        for (int i = 0; i < AE_VLEN; i++) {
            expect(x[i] == (i < n ? from[i] : 0.0f), "v_loadn");
            expect(to[i + 1] == (i < n ? from[i] + 1.0f : -1.0f), "v_storen");
        }
        expect(to[0] == -1.0f && to[AE_VLEN + 1] == -1.0f, "v_storen stays inside");
    }
}

static void
test_lanes(void)
{
    vf a = v_set(2.0f), b = v_set(3.0f), nan = v_set(NAN);
    float x[AE_VLEN];
    for (int i = 0; i < AE_VLEN; i++) {
        x[i] = (float)i - 1.5f;
    }
    vf v = v_load(x);
    for (int i = 0; i < AE_VLEN; i++) {
        expect(v_select(v < 0.0f, a, b)[i] == (x[i] < 0 ? 2.0f : 3.0f), "v_select");
        expect(v_max(v, a)[i] == (x[i] > 2 ? x[i] : 2.0f), "v_max");
        expect(v_min(v, a)[i] == (x[i] < 2 ? x[i] : 2.0f), "v_min");
        expect(v_abs(v)[i] == fabsf(x[i]), "v_abs");
        expect(v_copysign(a, v)[i] == copysignf(2.0f, x[i]), "v_copysign");
        expect(v_round(v)[i] == rintf(x[i]), "v_round");
        /* the second one where they don't compare */
        expect(isnan(v_max(a, nan)[i]) && v_max(nan, a)[i] == 2.0f, "v_max of NaN");
        expect(isnan(v_min(a, nan)[i]) && v_min(nan, a)[i] == 2.0f, "v_min of NaN");
    }
    expect(signbit(v_set(-0.0f)[0]) && !signbit(v_set(0.0f)[0]), "v_set of zeros");
    expect(signbit(v_tanh(v_set(-0.0f))[0]), "tanh of -0");
    expect(v_sum(v) == AE_VLEN * (AE_VLEN - 1) / 2.0 - 1.5 * AE_VLEN, "v_sum");
}

static void
test_wide(void)
{
    float x[AE_VLEN], y[AE_VLEN];
    double to[AE_VLEN + 1], sum = 0;
    for (int i = 0; i < AE_VLEN; i++) {
        x[i] = 1.0f + 0x1p-23f * (float)i;
        y[i] = (float)(i - 2);
        sum += 3.0 + (double)x[i] * (double)y[i];
    }
    to[AE_VLEN] = -1.0;
    v_wide three = v_widen(v_set(3.0f));
    v_wide s = v_wide_add_product(three, v_widen(v_load(x)), v_widen(v_load(y)));
    v_wide_store(to, s);
    for (int i = 0; i < AE_VLEN; i++) {
        expect(to[i] == 3.0 + (double)x[i] * (double)y[i], "v_widen and v_wide_add_product");
    }
    expect(to[AE_VLEN] == -1.0, "v_wide_store stays inside");
    expect(v_wide_sum(v_wide_load(to)) == sum, "v_wide_sum");
    expect(v_wide_sum(v_wide_add(s, three)) == sum + 3.0 * AE_VLEN, "v_wide_add");
}

int
main(int argc, char **argv)
{
    long long step = argc > 1 ? atoll(argv[1]) : 4093;
    if (step < 1) {
        fprintf(stderr, "usage: %s [step]\n", argv[0]);
        return 2;
    }
    test_tails();
    test_lanes();
    test_wide();
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        run(&checks[i], (uint64_t)step);
    }
    printf("%s, %d lanes\n", failures ? "FAILED" : "passed", AE_VLEN);
    return failures != 0;
}
