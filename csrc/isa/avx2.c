/* avx2.c: the kernels for AVX2 and FMA. */
#define AE_ISA avx2
#define AE_VLEN 8
#define AE_MR 6
#define AE_MR_NARROW 10
#define AE_NV 2
#include "isa/isa.inc"
