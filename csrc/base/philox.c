/* philox.c: Philox4x32-10, the scalar reference of the vectorised generator in kern/random.inc.
 *
 * J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11
 * (2011): a counter of 128 bits is enciphered under a key of 64 in ten rounds of two
 * multiplications. Any block of the stream costs the same, whatever came before it.
 */
#include "ae.h"

void
ae_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)AE_PHILOX_M0 * c0;
        uint64_t p1 = (uint64_t)AE_PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += AE_PHILOX_W0;
        k1 += AE_PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}
