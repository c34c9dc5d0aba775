/* baseline.c: the kernels for whatever the compiler targets by default, SSE2 on x86-64. */
#define AE_ISA baseline
#define AE_VLEN 4
#define AE_MR 6
#define AE_MR_NARROW 8
#define AE_NV 2
#include "isa/isa.inc"
