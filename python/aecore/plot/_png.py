"""Pictures as PNG files: eight bits a channel, without filters (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def encode(image: np.ndarray, level: int = 6) -> bytes:
    """Return a picture as the bytes of a PNG file.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W), (H, W, 3) or (H, W, 4)
        Grey; red, green and blue; or these and how opaque it is.
    level : int
        How hard to compress, 1 to 9.
    """
    kind = {(): 0, (3,): 2, (4,): 6}[image.shape[2:]]
    assert image.dtype == np.uint8
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # a row begins with its filter: none
    rows[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), level)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
