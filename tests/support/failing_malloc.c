/* failing_malloc.c: to be preloaded (LD_PRELOAD): lets one allocation fail, and counts them.
 *
 * arm(n, low, high): of the allocations of this thread, the n-th from now on fails (0: none does); if
 * low < high, of those alone that code between these addresses asks for. disarm() ends that, and
 * returns how many there were.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __thread int armed __attribute__((tls_model("initial-exec")));
static __thread long seen __attribute__((tls_model("initial-exec")));
static long victim;
static uintptr_t from, to;

void
arm(long n, uintptr_t low, uintptr_t high)
{
    victim = n;
    from = low;
    to = high;
    seen = 0;
    armed = 1;
}

long
disarm(void)
{
    armed = 0;
    return seen;
}

static int
fails(void *caller)
{
    const uintptr_t at = (uintptr_t)caller;
    if (!armed || (from < to && (at < from || at >= to)) || ++seen != victim) {
        return 0;
    }
    errno = ENOMEM;
    return 1;
}

#define FAILS fails(__builtin_return_address(0))

void *
malloc(size_t size)
{
    return FAILS ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
    return FAILS ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *block, size_t size)
{
    return FAILS ? NULL : __libc_realloc(block, size);
}

void *
aligned_alloc(size_t align, size_t size)
{
    return FAILS ? NULL : __libc_memalign(align, size);
}

int
posix_memalign(void **block, size_t align, size_t size)
{
    if (FAILS || (*block = __libc_memalign(align, size)) == NULL) {
        return ENOMEM;
    }
    return 0;
}
