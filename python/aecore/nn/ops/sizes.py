"""Images in other sizes: extended by their mirror image, and cut."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tape import Op, Value

Size = tuple[int, int]


def mirrored(size: int, wanted: int) -> np.ndarray:
    """Return which places of a line stand at the places of a longer one: mirrored at the end."""
    places = np.arange(wanted) % (2 * size)
    return np.minimum(places, 2 * size - 1 - places)


def next_multiple(size: Size, multiple: int) -> Size:
    """Return the least multiples that are no smaller than a height and a width."""
    h, w = (-(-n // multiple) * multiple for n in size)
    return h, w


class _Resized(Op):
    """An op of images (N, H, W, C) that gives images of another size."""

    __slots__ = ("x",)

    def start(self, name: str, x: Value) -> Size:
        """Note the input; return its height and width."""
        if len(x.shape) != 4:
            raise ValueError(f"{name}: expected images (H, W, C), got the shape {x.shape[1:]}")
        self.x = x
        x.uses += 1
        return x.shape[1], x.shape[2]

    def forget(self) -> None:
        self.x = None  # type: ignore[assignment]

    def inputs(self) -> tuple[Value, ...]:
        return (self.x,)


class Mirror(_Resized):
    """Images with their mirror image below and to the right, up to a multiple of both sizes."""

    __slots__ = ("multiple", "places")

    def __init__(self, x: Value, multiple: int, name: str = "PadToMultiple") -> None:
        size = self.start(name, x)
        self.multiple = multiple
        p, q = next_multiple(size, multiple)
        self.places = mirrored(size[0], p), mirrored(size[1], q)
        self.place(x.tape, (x.shape[0], p, q, x.shape[3]), x.needs_grad)

    def forward(self) -> None:
        x, y, (rows, columns) = self.x.data, self.tape.take(self.shape), self.places
        h, w = x.shape[1:3]
        y[:, :h, :w] = x
        if len(columns) > w:
            y[:, :h, w:] = x[:, :, columns[w:]]
        if len(rows) > h:
            y[:, h:] = y[:, rows[h:]]
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        h, w = self.x.shape[1:3]
        rows, columns = self.places
        tall = self.tape.take((self.shape[0], h, *self.shape[2:]))
        np.copyto(tall, self.grad[:, :h])
        for i in range(h, len(rows)):
            tall[:, rows[i]] += self.grad[:, i]
        dx = self.tape.take(self.x.shape)
        np.copyto(dx, tall[:, :, :w])
        for j in range(w, len(columns)):
            dx[:, :, columns[j]] += tall[:, :, j]
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        return graph.mirrored(graph.of(self.x), self.multiple)


class Crop(_Resized):
    """The first rows and columns of images."""

    __slots__ = ("free",)

    def __init__(self, x: Value, size: Size, free: bool, name: str = "CropToInput") -> None:
        p, q = self.start(name, x)
        if size[0] > p or size[1] > q:
            raise ValueError(f"{name}: expected images of at least {size}, got {(p, q)}")
        self.free = free  # whether the size is that of what the pass was given
        self.place(x.tape, (x.shape[0], *size, x.shape[3]), x.needs_grad)

    def forward(self) -> None:
        y = self.tape.take(self.shape)
        np.copyto(y, self.x.data[:, : self.shape[1], : self.shape[2]])
        self._data = y

    def backward(self) -> None:
        assert self.grad is not None
        h, w = self.shape[1:3]
        dx = self.tape.take(self.x.shape)
        dx[:, :h, :w] = self.grad
        dx[:, h:] = 0
        dx[:, :h, w:] = 0
        self.x.add_grad(dx)

    def onnx(self, graph: Any) -> str:
        x = graph.of(self.x)
        if graph.is_sized and not self.free:  # nothing says which size it is
            return x
        size = graph.image_size if self.free else np.array(self.shape[1:3], np.int64)
        return graph.add("Slice", x, np.zeros(2, np.int64), size, np.array([1, 2]))
