/* test_sizes.c: sizes of memory saturate where they can't be had, with 64 bits in a size_t and with 32,
 * and what can't be had is an error that leaves the arena as it was. */
#include <math.h>
#include <stdio.h>

#include "ae.h"

static int failures;

static void
expect(bool ok, const char *what, int64_t a, int64_t b, int64_t c)
{
    if (!ok) {
        printf("FAILED %s of %lld, %lld, %lld\n", what, (long long)a, (long long)b,
               (long long)c);
        failures += 1;
    }
}

/* In doubles, which are exact up to 2^53 and near enough beyond. */
static void
test_product(int64_t a, int64_t b, int64_t c)
{
    const double exact = (double)a * (double)b * (double)c;
    const bool fits = a >= 0 && b >= 0 && c >= 0 && exact <= (double)(SIZE_MAX / 2);
    const size_t bytes = ae_bytes(a, b, c);
    if (exact == 0.0 && bytes == SIZE_MAX) {
        return; /* of nothing, but only after two factors that are too much */
    }
    expect(fits ? bytes % 64 == 0 && fabs((double)bytes - exact) <= 64.0 + 1e-15 * exact &&
                      (double)bytes >= exact
                : bytes == SIZE_MAX,
           "ae_bytes", a, b, c);
    if (!fits) {
        ae_arena arena = {0};
        expect(ae_arena_reserve(&arena, 100) == AE_OK && arena.capacity >= 100, "a reserve", a,
               b, c);
        const size_t capacity = arena.capacity;
        expect(ae_arena_reserve(&arena, ae_bytes_add(bytes, 64)) == AE_ESIZE &&
                   arena.capacity == capacity && arena.base != NULL,
               "reserving", a, b, c);
        expect(ae_arena_take(&arena, bytes) == NULL, "taking", a, b, c);
        ae_arena_free(&arena);
    }
}

int
main(void)
{
    static const int64_t sizes[] = {0,
                                    1,
                                    3,
                                    4,
                                    1000,
                                    (INT64_C(1) << 16) + 1,
                                    INT64_C(1) << 30,
                                    (INT64_C(1) << 32) - 1,
                                    INT64_C(1) << 32, /* nothing, to 32 bits */
                                    (INT64_C(1) << 32) + 1,
                                    INT64_C(1) << 34,
                                    INT64_C(3) << 61,
                                    INT64_MAX,
                                    -1,
                                    INT64_MIN};
    const int n = sizeof sizes / sizeof *sizes;
    for (int i = 0; i < n * n * n; i++) {
        test_product(sizes[i / n / n], sizes[i / n % n], sizes[i % n]);
    }
    expect(ae_bytes_add(SIZE_MAX - 1, 1) == SIZE_MAX &&
               ae_bytes_add(SIZE_MAX, 64) == SIZE_MAX && ae_bytes_add(64, 128) == 192,
           "ae_bytes_add", 0, 0, 0);
    printf("%s\n", failures == 0 ? "passed" : "FAILED");
    return failures != 0;
}
