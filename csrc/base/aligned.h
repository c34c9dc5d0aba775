/* aligned.h: memory that begins on a cache line; the only place where the core allocates. */
#ifndef AE_ALIGNED_H
#define AE_ALIGNED_H

#include <stdlib.h>
#ifdef _WIN32 /* whose free() can't take aligned blocks */
#include <malloc.h>
#endif

#define AE_ALIGN ((size_t)64)

static inline size_t
ae_aligned_size(size_t bytes)
{
    return (bytes + AE_ALIGN - 1) / AE_ALIGN * AE_ALIGN;
}

/* NULL if there is no memory. */
static inline void *
ae_aligned_alloc(size_t bytes)
{
#ifdef _WIN32
    return _aligned_malloc(ae_aligned_size(bytes), AE_ALIGN);
#else
    return aligned_alloc(AE_ALIGN, ae_aligned_size(bytes));
#endif
}

static inline void
ae_aligned_free(void *block)
{
#ifdef _WIN32
    _aligned_free(block);
#else
    free(block);
#endif
}

#endif
