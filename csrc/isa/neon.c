/* neon.c: the kernels for AArch64 Advanced SIMD. */
#define AE_ISA neon
#define AE_VLEN 4
#define AE_MR 8
#define AE_MR_NARROW 8
#define AE_NV 3
#include "isa/isa.inc"
