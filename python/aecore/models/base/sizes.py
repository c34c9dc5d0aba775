"""Images of different sizes: lists of them, and large ones in tiles.

A list is taken apart by size, and what comes out is put in its order again. An image of more than a
million pixels or so goes through the network in tiles, each with a margin on all sides that is cut
off the result. Where layers see no further than the margin, tiles give what the whole image would:
to rounding. Where one sees the whole image, as a normalisation over it does, tiles overlap and
fade into one another.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ...arch.base import conditioned_shape
from ...base.arrays import as_array
from ...data.batches import Batch
from ...nn.ops import elementwise, norms, pooling, products, shapes, sizes
from ...nn.tape import Op, Shape, Tape

if TYPE_CHECKING:
    from .coding import BaseAutoencoder

TILED = 1 << 20  # pixels from which on an image is cut into tiles
TILE = 512  # pixels on a side of a tile, without margins
MOST_MARGIN = 256  # pixels
BLENDED = 64  # of the margin where layers see the whole image

Method = TypeVar("Method", bound=Callable[..., Any])

# ---- lists --------------------------------------------------------------------------------------


def are_images(X: Any) -> bool:
    """Return whether X is a list of images (H, W, C)."""
    if isinstance(X, np.ndarray) and not (X.dtype == object and X.ndim == 1):
        return False
    several = isinstance(X, (list, tuple, np.ndarray)) and len(X) > 0
    return several and all(getattr(x, "ndim", 0) == 3 for x in X)


def are_maps(Z: Any) -> bool:
    """Return whether Z is a list of the codes of images that have different sizes."""
    if isinstance(Z, np.ndarray) and Z.dtype != object:
        return False
    several = isinstance(Z, (list, tuple, np.ndarray)) and len(Z) > 0
    return several and len({getattr(z, "shape", None) for z in Z} - {None, (), (1,)}) > 1


def by_size(method: Method, apply: Callable[[Any], bool] = are_images) -> Method:
    """Let a method take a list of images of different sizes, if the fitted model does.

    It is called with an array for each size. Results of one number for a sample are an array, all
    others a list. `apply` says of an argument whether it is such a list.
    """

    @functools.wraps(method)
    def run(self: Any, X: Any, y: Any = None, **options: Any) -> Any:
        if not apply(X) or not self._takes_other_sizes:
            return method(self, X, y, **options)
        others = {name: options.pop(name, None) for name in ("sample_mask", "target")}
        for name, values in {"y": y, **others}.items():
            if values is not None and len(values) != len(X):
                raise ValueError(
                    f"{name}: expected {len(X)}, one for each image, got {len(values)}"
                )
        y = None if y is None else as_array(y)
        found: list[Any] = [None] * len(X)
        for places in _alike(X):
            some = options | {
                name: np.stack([as_array(values[i]) for i in places])
                for name, values in others.items()
                if values is not None
            }
            images = np.stack([as_array(X[i]) for i in places])
            made = method(self, images, None if y is None else y[places], **some)
            for k, i in enumerate(places):
                found[i] = tuple(v[k] for v in made) if isinstance(made, tuple) else made[k]
        return _together(found)

    return run  # type: ignore[return-value]


def _alike(X: Any) -> list[list[int]]:
    """Return which images have the same shape and type, in the order in which they come."""
    groups: dict[Any, list[int]] = {}
    for i, x in enumerate(X):
        groups.setdefault((tuple(x.shape), str(x.dtype)), []).append(i)
    return list(groups.values())


def _together(found: list[Any]) -> Any:
    """Return results of all samples as an array, where each is a number, or as a list."""
    if isinstance(found[0], tuple):
        return tuple(_together(list(several)) for several in zip(*found, strict=True))
    return np.array(found) if np.ndim(found[0]) == 0 else found


# ---- what layers see ----------------------------------------------------------------------------


class Sight(NamedTuple):
    """How a network looks at images.

    Attributes
    ----------
    margin : int or None
        How many pixels away an input may be that an output depends on; None if there is no limit.
    multiple : int
        At multiples of what an image has to be cut, so that parts are seen as in the whole.
    code_step : int
        How many pixels of the image lie between two places of its code; 0 where that isn't known.
    """

    margin: int | None
    multiple: int
    code_step: int


class _Seen(NamedTuple):
    """How far the places of a value lie apart, and how far each sees, in pixels of the image."""

    step: Fraction
    reach: Fraction


LOCAL = (  # what looks at a place alone
    elementwise.Binary,
    elementwise.Unary,
    elementwise.Activation,
    elementwise.Dropout,
    norms.LayerNorm,
    norms.BatchNorm,
    shapes.Concatenate,
    shapes.ConcatCondition,
    sizes.Mirror,
    sizes.Crop,
)


def sight(network: Any, condition: int, width: int) -> Sight:
    """Return how an encoder and a decoder look at images.

    Parameters
    ----------
    network : Network
    condition : int
        The width of a condition's vectors.
    width : int
        Of what the decoder takes at each place, without a condition.
    """
    shape, seen = network.input_shape, dict[int, _Seen]()
    given, multiple = conditioned_shape(network.encoder, shape, condition), 1
    with Tape(abstract=True) as tape:
        x = tape.placeholder((1, *given))
        seen[id(x)] = _Seen(Fraction(1), Fraction(0))
        code = network.encoder(x)
        middle = tape.placeholder((1, *code.shape[1:-1], width + condition))
        network.decoder(middle)
        begun = id(middle) not in seen
        limit = True
        for op in tape.record:
            if begun and any(v is middle for v in op.inputs()):
                if id(code) not in seen:
                    limit = False
                    break
                seen[id(middle)], begun = seen[id(code)], False
            found = _through(op, seen)
            if found is None:
                limit = False
                break
            seen[id(op)] = found
            multiple = math.lcm(multiple, math.ceil(found.step), _cut(op))
        step = seen[id(code)].step if id(code) in seen else Fraction(0)
        exact = [-(-n // multiple) * multiple // step if step else 0 for n in shape[:2]]
        code_step = int(step) if step.denominator == 1 and exact == list(code.shape[1:3]) else 0
        reach = max((value.reach for value in seen.values()), default=Fraction(0))
    margin = math.ceil(reach) if limit and reach <= MOST_MARGIN else None
    return Sight(margin, multiple, code_step)


def _cut(op: Op) -> int:
    return op.multiple if isinstance(op, sizes.Mirror) else 1


def _through(op: Op, seen: dict[int, _Seen]) -> _Seen | None:
    """Return how an op's result sees the image; None where there is no limit or it isn't known."""
    before = [seen[id(v)] for v in op.inputs() if id(v) in seen]
    if not before or len({value.step for value in before}) > 1:
        return None
    step, reach = before[0].step, max(value.reach for value in before)
    if isinstance(op, products.Conv2d):
        stride, _, dilation = op.options[:3]
        return _Seen(step * max(stride), reach + step * (_extent(op, dilation) - 1))
    if isinstance(op, products.ConvTranspose2d):
        stride, _, dilation = op.options[0][:3]
        return _Seen(step / max(stride), reach + step * -(-_extent(op, dilation) // min(stride)))
    if isinstance(op, pooling.MaxPool2d):
        window, stride, _ = op.geometry
        return _Seen(step * max(stride), reach + step * (max(window) - 1))
    if isinstance(op, pooling.Upsample2d):
        return _Seen(step / max(op.factor), reach + step)
    if isinstance(op, pooling.PixelShuffle):
        return _Seen(step / op.r, reach + step)
    if isinstance(op, pooling.PixelUnshuffle):
        return _Seen(step * op.r, reach + step * (op.r - 1))
    return _Seen(step, reach) if isinstance(op, LOCAL) else None


def _extent(op: products.Product, dilation: tuple[int, int]) -> int:
    """Return how many pixels a kernel reaches over, on the longer side."""
    r, s = op.weight.shape[1:3]
    return max((r - 1) * dilation[0] + 1, (s - 1) * dilation[1] + 1)


# ---- tiles --------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """A part of a line of pixels: where a tile counts, and what it is given."""

    first: int
    last: int
    low: int
    high: int


def _runs(size: int, margin: int, multiple: int) -> list[_Run]:
    """Return the parts of a line of pixels."""
    tile, margin = (-(-n // multiple) * multiple for n in (TILE, margin))
    ends = [*range(0, size, tile), size]
    return [
        _Run(a, b, max(0, a - margin), min(size, b + margin)) for a, b in pairwise(ends) if a < b
    ]


def _tiles(size: Shape, looks: Sight) -> Iterator[tuple[_Run, _Run]]:
    margin = BLENDED if looks.margin is None else looks.margin
    columns = _runs(size[1], margin, looks.multiple)
    for rows in _runs(size[0], margin, looks.multiple):
        for run in columns:
            yield rows, run


def _fading(run: _Run, size: int) -> np.ndarray:
    """Return how much each pixel of a tile counts: less towards ends that others overlap."""
    low = np.arange(run.low, run.high) - run.low + 0.5
    high = run.high - run.low - low
    weight = np.ones(len(low), np.float32)
    if run.low:
        weight = np.minimum(weight, low / (2 * BLENDED))
    return np.minimum(weight, high / (2 * BLENDED)) if run.high < size else weight


def tiled_output(model: BaseAutoencoder, batch: Batch, looks: Sight) -> np.ndarray:
    """Return the decoder's output for a batch of one large image (1, F), tile by tile."""
    size, out = batch.x.shape[1:3], np.zeros(batch.x.shape, np.float32)
    total = np.zeros(size, np.float32)
    for rows, columns in _tiles(size, looks):
        part = _part(batch, rows, columns)
        with model._pass(part):
            found = model._plain_output(part)
            if looks.margin is not None:
                inner = _inner(rows), _inner(columns)
                out[:, rows.first : rows.last, columns.first : columns.last] = found[
                    :, inner[0], inner[1]
                ]
                continue
            weight = np.multiply.outer(_fading(rows, size[0]), _fading(columns, size[1]))
            place = slice(rows.low, rows.high), slice(columns.low, columns.high)
            out[:, place[0], place[1]] += found * weight[..., np.newaxis]
            total[place] += weight
    if looks.margin is None:
        out /= total[..., np.newaxis]
    return out.reshape(1, -1)


def tiled_codes(model: BaseAutoencoder, batch: Batch, looks: Sight) -> np.ndarray:
    """Return the map of codes of a batch of one large image, tile by tile."""
    size, step, parts = batch.x.shape[1:3], looks.code_step, list[list[np.ndarray]]()
    for rows, columns in _tiles(size, looks):
        part = _part(batch, rows, columns)
        with model._pass(part):
            codes = model._codes(part)
            down, across = _inner(rows, step), _inner(columns, step)
            if not columns.first:
                parts.append([])
            parts[-1].append(codes[:, down, across].copy())
    return np.concatenate([np.concatenate(line, axis=2) for line in parts], axis=1)


def _inner(run: _Run, step: int = 1) -> slice:
    """Return where a tile's own part begins and ends in it, or in its map of codes."""
    return slice((run.first - run.low) // step, -(-(run.last - run.low) // step))


def _part(batch: Batch, rows: _Run, columns: _Run) -> Batch:
    """Return a tile of a batch of one image, as a batch."""
    part = Batch(1)
    place = slice(rows.low, rows.high), slice(columns.low, columns.high)
    part.x = np.ascontiguousarray(batch.x[:, place[0], place[1]])
    part.target, part.condition = part.x.reshape(1, -1), batch.condition
    return part
