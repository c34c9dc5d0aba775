/* test_philox.c: the generator against Random123's known answers, and every kernel table that runs
 * here against the scalar reference. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/table.h"

static int failures;

static void
expect(bool ok, const char *isa, const char *what, long long detail)
{
    if (!ok) {
        printf("FAILED %s: %s (%lld)\n", isa, what, detail);
        failures++;
    }
}

/* Random123's kat_vectors: philox4x32, 10 rounds. */
static const uint32_t known[3][10] = {
    {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
    {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
    {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
     0x94fdcceb, 0x5001e420, 0x24126ea1},
};

static void
test_known_answers(void)
{
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        ae_philox4x32(out, known[i], known[i] + 4);
        expect(memcmp(out, known[i] + 6, sizeof out) == 0, "reference", "known answer", i);
    }
}

static uint32_t
reference_word(const ae_stream *s, uint64_t at)
{
    uint64_t block = at / 4;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), s->purpose, 0};
    uint32_t key[2] = {(uint32_t)s->seed, (uint32_t)(s->seed >> 32)}, out[4];
    ae_philox4x32(out, counter, key);
    return out[at % 4];
}

/* Box and Muller's values in double. */
static double
reference_normal(const ae_stream *s, uint64_t at)
{
    double u = (double)((float)(reference_word(s, at & ~1ull) >> 1) * 0x1p-31f + 0x1p-32f);
    double angle = 2.0 * 3.14159265358979323846 * (reference_word(s, at | 1) >> 8) * 0x1p-24;
    return sqrt(-2.0 * log(u)) * (at % 2 == 0 ? cos(angle) : sin(angle));
}

#define MOST 300
#define GUARD 0x5ca1ab1eu

static void
test_table(const ae_kernels *k)
{
    static const uint64_t offsets[] = {0, 1, 2, 3, 4, 61, (1ull << 34) - 77, UINT64_MAX - MOST};
    static const int64_t sizes[] = {0, 1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 129, MOST};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            ae_stream s = {0x0123456789abcdefu + i, (uint32_t)j, offsets[i]};
            uint32_t bits[MOST + 1];
            float uniform[MOST + 1], normal[MOST + 1];
            int64_t n = sizes[j];
            bits[n] = GUARD;
            uniform[n] = normal[n] = -7.0f;
            k->random_bits(bits, n, &s);
            k->random_uniform(uniform, n, &s);
            k->random_normal(normal, n, &s);
            for (int64_t l = 0; l < n; l++) {
                uint32_t word = reference_word(&s, s.offset + (uint64_t)l);
                double z = reference_normal(&s, s.offset + (uint64_t)l);
                expect(bits[l] == word, k->isa, "word", l);
                expect(uniform[l] == (float)(word >> 8) * 0x1p-24f, k->isa, "uniform", l);
                expect(fabs((double)normal[l] - z) < 2e-6, k->isa, "normal", l);
            }
            expect(bits[n] == GUARD && uniform[n] == -7.0f && normal[n] == -7.0f, k->isa,
                   "guard word", n);
        }
    }
}

int
main(void)
{
    test_known_answers();
    for (int i = 0; ae_cpu_table(i) != NULL; i++) {
        test_table(ae_cpu_table(i));
        printf("philox %s: %s\n", ae_cpu_isa(ae_cpu_table(i)), failures ? "FAILED" : "ok");
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
