/* avx512.c: the kernels for AVX-512 F, BW, DQ and VL. */
#define AE_ISA avx512
#define AE_VLEN 16
#define AE_MR 12
#define AE_MR_NARROW 12
#define AE_NV 2
#include "isa/isa.inc"
