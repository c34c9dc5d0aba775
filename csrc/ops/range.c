/* range.c: symbols as bytes and back, by a range coder that learns their frequencies as it goes.
 *
 * Martin (1979) and Witten, Neal and Cleary (1987): an interval of the numbers in [0, 1) is
 * narrowed to each symbol's share of it, and a number from the last interval stands for all of
 * them. The interval is [low, low + range) of 64 bits, whose top byte leaves once range is below
 * 2^48; a carry runs back into the bytes that have left. The shares of a row's symbols are those
 * that Krichevsky and Trofimov (1981) estimate from what has been seen of the row: counts that
 * start at one half, here as twice the count and 1. Both sides count alike, so no table is sent.
 * Sums of counts are kept in a tree (Fenwick 1994), a step of log2 of their number.
 */
#include "ae.h"
#include "base/math.h"

#define LEAST ((uint64_t)1 << 48) /* of the range between two symbols */
#define INCREMENT 2               /* of a count that starts at 1 */

/* ---- frequencies ------------------------------------------------------------------------- */

typedef struct {
    int64_t *tree;  /* 1 to size: sums of counts, each over as many as its lowest bit says */
    int64_t *count; /* of each symbol */
    int64_t largest;
    int64_t size, top, total;
} frequencies;

static ae_status
frequencies_take(frequencies *f, int64_t largest, const ae_ctx *ctx)
{
    f->largest = largest;
    const size_t bytes = ae_bytes(largest + 1, 1, sizeof(int64_t));
    ae_status status = ae_arena_reserve(ctx->arena, ae_bytes_add(bytes, bytes));
    if (status == AE_OK) {
        f->tree = ae_arena_take(ctx->arena, bytes);
        f->count = ae_arena_take(ctx->arena, bytes);
    }
    return status;
}

static void
start(frequencies *f, int64_t size)
{
    f->size = f->total = size;
    for (f->top = 1; 2 * f->top <= size; f->top *= 2) {}
    for (int64_t i = 1; i <= size; i++) {
        f->tree[i] = i & -i;
        f->count[i - 1] = 1;
    }
}

static int64_t
counts_below(const frequencies *f, int64_t symbol)
{
    int64_t sum = 0;
    for (int64_t i = symbol; i > 0; i -= i & -i) {
        sum += f->tree[i];
    }
    return sum;
}

/* The symbol whose share has `value`; *below: the counts of those before it. */
static int64_t
symbol_at(const frequencies *f, int64_t value, int64_t *below)
{
    int64_t i = 0, sum = 0;
    for (int64_t step = f->top; step > 0; step /= 2) {
        if (i + step <= f->size && sum + f->tree[i + step] <= value) {
            i += step;
            sum += f->tree[i];
        }
    }
    *below = sum;
    return i;
}

static void
see(frequencies *f, int64_t symbol)
{
    f->count[symbol] += INCREMENT;
    f->total += INCREMENT;
    for (int64_t i = symbol + 1; i <= f->size; i += i & -i) {
        f->tree[i] += INCREMENT;
    }
}

static int64_t
largest_size(const int64_t *sizes, int64_t C)
{
    int64_t most = 0;
    for (int64_t c = 0; c < C; c++) {
        most = ae_max(most, sizes[c]);
    }
    return most;
}

/* A row's size, once there is room for the largest. */
static int64_t
row_size(const frequencies *f, const int64_t *sizes, int64_t c)
{
    return ae_max(1, ae_index(&sizes[c], f->largest + 1));
}

/* How many bits of a row's symbols lie below the highest `learned` ones. */
static int
bits_below(int64_t size, int learned)
{
    int bits = 0;
    while (bits < 63 && (size - 1) >> bits > 0) {
        bits++;
    }
    return bits > learned ? bits - learned : 0;
}

/* ---- encoding ---------------------------------------------------------------------------- */

typedef struct {
    uint8_t *out;
    int64_t at;
    uint64_t low, range;
} encoder;

static void
carry(encoder *e)
{
    for (int64_t i = e->at - 1; i >= 0 && ++e->out[i] == 0; i--) {}
}

/* Narrow the interval to [below, below + count) of `total`. */
static void
narrow(encoder *e, int64_t below, int64_t count, int64_t total)
{
    const uint64_t unit = e->range / (uint64_t)total, step = unit * (uint64_t)below;
    e->low += step;
    if (e->low < step) {
        carry(e);
    }
    for (e->range = unit * (uint64_t)count; e->range < LEAST; e->range <<= 8) {
        e->out[e->at++] = (uint8_t)(e->low >> 56);
        e->low <<= 8;
    }
}

/* Leave the number of the interval that has the fewest bytes; the zeros at its end go without
 * saying. */
static void
finish(encoder *e)
{
    const uint64_t number = (e->low + (LEAST - 1)) & ~(LEAST - 1);
    if (number < e->low) {
        carry(e);
    }
    e->out[e->at++] = (uint8_t)(number >> 56);
    e->out[e->at++] = (uint8_t)(number >> 48);
    while (e->at > 0 && e->out[e->at - 1] == 0) {
        e->at--;
    }
}

ae_status
ae_range_encode(uint8_t *out, int64_t *used, const int64_t *symbols, const int64_t *sizes,
                int64_t C, int64_t M, int learned, const ae_ctx *ctx)
{
    encoder e = {out, 0, 0, UINT64_MAX};
    frequencies f;
    ae_status status;
    AE_TRY(frequencies_take(&f, largest_size(sizes, C), ctx));
    for (int64_t c = 0; c < C; c++) {
        const int64_t size = row_size(&f, sizes, c);
        const int shift = bits_below(size, learned);
        const int64_t low_values = (int64_t)1 << shift;
        start(&f, ((size - 1) >> shift) + 1);
        for (int64_t m = 0; m < M; m++) {
            const int64_t symbol = ae_index(&symbols[c * M + m], size), high = symbol >> shift;
            narrow(&e, counts_below(&f, high), f.count[high], f.total);
            if (shift > 0) {
                narrow(&e, symbol & (low_values - 1), 1, low_values);
            }
            see(&f, high);
        }
    }
    finish(&e);
done:
    *used = e.at;
    return status;
}

/* ---- decoding ---------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *data;
    int64_t at, size;
    uint64_t number, range; /* the number, from the interval's low end on */
} decoder;

static void
read_byte(decoder *d)
{
    const uint8_t byte = d->at < d->size ? d->data[d->at] : 0;
    d->at++;
    d->number = d->number << 8 | byte;
}

/* The share of `total` in which the number is, or -1 if no encoder made it. */
static int64_t
share(const decoder *d, int64_t total)
{
    const uint64_t value = d->number / (d->range / (uint64_t)total);
    return value < (uint64_t)total ? (int64_t)value : -1;
}

static void
widen(decoder *d, int64_t below, int64_t count, int64_t total)
{
    const uint64_t unit = d->range / (uint64_t)total;
    d->number -= unit * (uint64_t)below;
    for (d->range = unit * (uint64_t)count; d->range < LEAST; d->range <<= 8) {
        read_byte(d);
    }
}

static ae_status
decode_row(int64_t *symbols, decoder *d, frequencies *f, int64_t size, int64_t M, int learned)
{
    const int shift = bits_below(size, learned);
    const int64_t low_values = (int64_t)1 << shift;
    start(f, ((size - 1) >> shift) + 1);
    for (int64_t m = 0; m < M; m++) {
        int64_t value = share(d, f->total), below, low = 0;
        if (value < 0) {
            return AE_EVALUE;
        }
        const int64_t high = symbol_at(f, value, &below);
        widen(d, below, f->count[high], f->total);
        if (shift > 0) {
            low = share(d, low_values);
            if (low < 0) {
                return AE_EVALUE;
            }
            widen(d, low, 1, low_values);
        }
        symbols[m] = high << shift | low;
        if (symbols[m] >= size) {
            return AE_EVALUE;
        }
        see(f, high);
    }
    return AE_OK;
}

ae_status
ae_range_decode(int64_t *symbols, const uint8_t *data, const int64_t *sizes, int64_t C,
                int64_t M, int learned, int64_t size, const ae_ctx *ctx)
{
    decoder d = {data, 0, size, 0, UINT64_MAX};
    frequencies f;
    ae_status status;
    AE_TRY(frequencies_take(&f, largest_size(sizes, C), ctx));
    for (int i = 0; i < 8; i++) {
        read_byte(&d);
    }
    for (int64_t c = 0; c < C; c++) {
        AE_TRY(decode_row(symbols + c * M, &d, &f, row_size(&f, sizes, c), M, learned));
    }
    /* an encoder leaves two bytes of the eight in the interval, at most */
    status = size > d.at - 6 ? AE_EVALUE : AE_OK;
done:
    return status;
}
