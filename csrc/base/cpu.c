/* cpu.c: which kernel tables were compiled in, which of them this CPU runs, and the choice. */
#include <string.h>

#include "kern/table.h"

extern const ae_kernels ae_kernels_baseline;
#ifdef AE_HAVE_AVX2
extern const ae_kernels ae_kernels_avx2;
#endif
#ifdef AE_HAVE_AVX512
extern const ae_kernels ae_kernels_avx512;
#endif
#ifdef AE_HAVE_NEON
extern const ae_kernels ae_kernels_neon;
#endif

#define MAX_TABLES 4

static int
list_tables(const ae_kernels *tables[MAX_TABLES])
{
    int n = 0;
    tables[n++] = &ae_kernels_baseline;
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
#ifdef AE_HAVE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        tables[n++] = &ae_kernels_avx2;
    }
#endif
#ifdef AE_HAVE_AVX512
#ifdef AE_EMULATE_AVX512 /* 512-bit bodies in 256-bit instructions, to test them anywhere */
    tables[n++] = &ae_kernels_avx512;
#else
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        tables[n++] = &ae_kernels_avx512;
    }
#endif
#endif
#ifdef AE_HAVE_NEON
    tables[n++] = &ae_kernels_neon;
#endif
    return n;
}

const ae_kernels *
ae_cpu_select(const char *name)
{
    const ae_kernels *tables[MAX_TABLES];
    int n = list_tables(tables);
    if (name == NULL) {
        return tables[n - 1];
    }
    for (int i = 0; i < n; i++) {
        if (strcmp(tables[i]->isa, name) == 0) {
            return tables[i];
        }
    }
    return NULL;
}

const ae_kernels *
ae_cpu_table(int i)
{
    const ae_kernels *tables[MAX_TABLES];
    int n = list_tables(tables);
    return i >= 0 && i < n ? tables[i] : NULL;
}

const char *
ae_cpu_isa(const ae_kernels *k)
{
    return k->isa;
}

bool
ae_cpu_has_pairs(const ae_kernels *k)
{
    return k->has_pairs();
}

const char *
ae_cpu_kernel(int i)
{
#define AE_KERNEL(name, args) #name,
    static const char *const names[] = {
#include "kern/table.def"
    };
#undef AE_KERNEL
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}
