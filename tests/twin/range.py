"""The range coder's twin: the same interval, as one integer that grows and never carries."""


def range_encode(symbols, sizes, learned):
    """Rows of symbols as bytes: the interval is [low, low + range) * 2 ** (-64 - 8 * sent)."""
    low, width, sent = 0, 2**64 - 1, 0
    for row, size in zip(symbols, sizes, strict=True):
        shift = max(0, (int(size) - 1).bit_length() - learned)
        counts = [1] * (((int(size) - 1) >> shift) + 1)
        for symbol in map(int, row):
            high = symbol >> shift
            shares = [(sum(counts[:high]), counts[high], sum(counts))]
            shares += [(symbol % 2**shift, 1, 2**shift)] if shift else []
            for below, count, total in shares:
                unit = width // total
                low, width = low + unit * below, unit * count
                while width < 2**48:
                    low, width, sent = low << 8, width << 8, sent + 1
            counts[high] += 2
    number = -(-low // 2**48)  # the first in the interval that ends in 48 zeros
    return number.to_bytes(sent + 2, "big").rstrip(b"\0")


def ideal_bits(symbols, sizes, learned):
    """The number of bits that the shares of all symbols stand for."""
    from math import log2

    bits = 0.0
    for row, size in zip(symbols, sizes, strict=True):
        shift = max(0, (int(size) - 1).bit_length() - learned)
        counts = [1] * (((int(size) - 1) >> shift) + 1)
        for symbol in map(int, row):
            bits += shift + log2(sum(counts) / counts[symbol >> shift])
            counts[symbol >> shift] += 2
    return bits
