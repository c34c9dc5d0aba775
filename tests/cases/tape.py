"""Every op of the tape, and all of NumPy that works on values: one line or a few for each."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import twin
from aecore import _core, divergences, nn
from aecore.base.streams import DROPOUT
from aecore.losses.mixed import Mixed, Scales
from aecore.nn.columns import Columns
from aecore.nn.flows.masked import MaskedProduct
from aecore.nn.module import Module
from aecore.nn.ops import (
    clusters,
    elementwise,
    latent,
    losses,
    norms,
    pooling,
    products,
    products1d,
    quantize,
    sequences,
    signs,
)
from aecore.nn.ops import sizes as resizing
from aecore.nn.ops.embedding import Embedding
from aecore.nn.ops.gated import GatedTanh
from aecore.nn.ops.jacobian import JacobianNorm
from aecore.nn.ops.kept import KeepLargest
from aecore.nn.ops.mixture import MixtureDensity
from aecore.nn.ops.shapes import ConcatCondition
from aecore.nn.tape import current

Draw = Any  # a shape, of normal numbers, or a function from a Generator to an array


@dataclass(frozen=True)
class TapeCase:
    """An op, or a few, on inputs of one shape.

    Attributes
    ----------
    name : str
        Of the op or of NumPy's function.
    apply : callable
        Takes values, constants and parameters; returns a value, or several.
    reference : callable, optional
        Takes float64 arrays in their place and returns arrays. By default it is `apply` itself.
    inputs : sequence of Draw
        The values.
    constants : sequence of Draw
        Arrays without a gradient.
    parameters : sequence of Draw
    surrogate : callable, optional
        Takes the float64 arrays and returns the function of them whose gradient is wanted, where
        that isn't `reference`.
    differentiable : tuple of int, optional
        Which of values and parameters, counted together, have a gradient; all by default.
    flops : int
        Of the forward pass.
    training, lengths
        Of the tape.
    weights : callable, optional
        Takes a Generator and the outputs' shapes, and returns their gradients.
    exported : int or None
        Which output there is in ONNX, where ops have a form there at all.
    onnx_constants : tuple of int
        Which values have to be known for that.
    tolerance : float
        Of float32 against float64, relative to the largest number.
    function : object, optional
        The ufunc or function of NumPy that the case is about.
    records : bool
        Whether there has to be a way back.
    dtype : type
        Of the outputs.
    """

    name: str
    apply: Callable[..., Any]
    inputs: Sequence[Draw] = ()
    label: str = ""
    reference: Callable[..., Any] | None = None
    constants: Sequence[Draw] = ()
    parameters: Sequence[Draw] = ()
    surrogate: Callable[..., Any] | None = None
    differentiable: tuple[int, ...] | None = None
    flops: int = 0
    training: bool = False
    lengths: tuple[int, ...] | None = None
    weights: Callable[..., Any] | None = None
    exported: int | None = 0
    onnx_constants: tuple[int, ...] = ()
    tolerance: float = 2e-5
    function: Any = None
    records: bool = False
    dtype: type = np.float32

    def __str__(self) -> str:
        return f"{self.name}-{self.label}" if self.label else self.name

    @property
    def which(self) -> tuple[int, ...]:
        """What has a gradient."""
        n = len(self.inputs) + len(self.parameters)
        return tuple(range(n)) if self.differentiable is None else self.differentiable


# ---- what is drawn ------------------------------------------------------------------------------


def draw(spec: Draw, rng: np.random.Generator) -> np.ndarray:
    """Return an array of float32, or of integers, as a spec says."""
    found = spec(rng) if callable(spec) else rng.standard_normal(spec)
    return np.asarray(found, None if np.asarray(found).dtype.kind == "i" else np.float32)


def above(least: float, *shape: int) -> Draw:
    """Numbers from `least` to 2 above."""
    return lambda rng: least + 2 * rng.random(shape)


def scaled(scale: float, *shape: int) -> Draw:
    return lambda rng: scale * rng.standard_normal(shape)


def integers(high: int, *shape: int) -> Draw:
    return lambda rng: rng.integers(0, high, shape)


def bits(*shape: int) -> Draw:
    return lambda rng: (rng.random(shape) < 0.6).astype(np.float32)


def name_of(shapes: Sequence[Any]) -> str:
    return ",".join("x".join(map(str, s)) or "()" for s in shapes)


# ---- NumPy's functions --------------------------------------------------------------------------


def numpy(function: Any, apply: Callable[..., Any], *inputs: Draw, label: str, **more: Any) -> Any:
    """A case in which values and float64 arrays go through the very same code."""
    name = function if isinstance(function, str) else function.__name__
    return TapeCase(name, apply, inputs, label, function=function, **more)


BROADCAST = [
    ((3, 5), (3, 5)),
    ((7, 1, 5), (3, 1)),
    ((0, 3), (3,)),
    ((1,), (1,)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((13, 17), (13, 17)),
    ((2, 0), (1, 0)),
]
SHAPES = [(3, 5), (0, 4), (), (1,), (2, 3, 7), (13, 17)]

BINARY = {
    np.add: (operator.add, None),
    np.subtract: (operator.sub, None),
    np.multiply: (operator.mul, None),
    np.divide: (operator.truediv, 0.5),
    np.power: (operator.pow, 0.5),
    np.maximum: (np.maximum, None),
    np.minimum: (np.minimum, None),
}
UNARY = {
    np.positive: (operator.pos, None),
    np.negative: (operator.neg, None),
    np.absolute: (abs, None),
    np.square: (lambda x: x**2, None),
    np.exp: (np.exp, None),
    np.log: (np.log, 0.3),
    np.log1p: (np.log1p, -0.5),
    np.expm1: (np.expm1, None),
    np.sqrt: (np.sqrt, 0.3),
    np.sin: (np.sin, None),
    np.cos: (np.cos, None),
    np.tanh: (np.tanh, None),
}


def elementwise_cases() -> list[TapeCase]:
    found = []
    for ufunc, (operation, least) in BINARY.items():
        for shapes in BROADCAST:
            inputs = [s if least is None else above(least, *s) for s in shapes]
            found.append(numpy(ufunc, ufunc, *inputs, label=name_of(shapes)))
        shape = (3, 5) if least is None else above(least, 3, 5)
        for label, apply in {
            "a number behind": lambda x, f=operation: f(x, 2.5),
            "a number before": lambda x, f=operation: f(1.5, x),
            "an integer": lambda x, f=operation: f(x, 3),
            "an array": lambda x, f=operation: f(x, np.float32([1, 2, 3, 4, 5])),
            "an array before": lambda x, f=operation: f(np.full((2, 1, 5), 2.0), x),
            "itself": lambda x, f=operation: f(x, x * 0.5),
        }.items():
            found.append(numpy(ufunc, apply, shape, label=label))
    for ufunc, (operation, least) in UNARY.items():
        for shape in SHAPES:
            given = shape if least is None else above(least, *shape)
            found.append(numpy(ufunc, operation, given, label=name_of([shape])))
    for exponent in (0, 1, 2, 3, 4.0, -1, -2.0):
        how = {"label": f"to {exponent}"}
        found.append(numpy(np.power, lambda x, e=exponent: x**e, (3, 5), **how))
    flags = np.random.default_rng(0).random((4, 1, 5)) < 0.5
    where = lambda x, y: np.where(flags, x, y)  # noqa: E731
    for shapes in (((4, 3, 5), (4, 3, 5)), ((3, 1), (5,)), ((), (4, 1, 1))):
        found.append(numpy(np.where, where, *shapes, label=name_of(shapes)))
    found.append(numpy(np.where, lambda x: np.where(flags, x, 2.0), (3, 5), label="a number"))
    found.append(numpy(np.where, lambda x: np.where(x > 0, x, 0.1 * x), (3, 5), label="of signs"))
    for low, high in ((-0.5, 0.7), (None, 0.5), (-0.5, None)):
        apply = lambda x, a=low, b=high: np.clip(x, a, b)  # noqa: E731
        found.append(numpy(np.clip, apply, (5, 7), label=f"{low} to {high}"))
    return found


REDUCED = [  # shape, axis, keepdims
    ((3, 5), None, False),
    ((3, 5), 0, False),
    ((3, 5), -1, True),
    ((2, 3, 7), (0, 2), False),
    ((2, 3, 7), (-1, 0), True),
    ((2, 3), (), False),
    ((0, 4), 1, False),
    ((13, 17), 1, False),
    ((1,), 0, False),
    ((), None, False),
]


def reduction_cases() -> list[TapeCase]:
    found = []
    for function in (np.sum, np.mean, np.max, np.min, np.var, np.std):
        for shape, axis, keepdims in REDUCED:
            if function in (np.var, np.std) and (axis == () or shape in ((1,), ())):
                continue  # of one number: 0, and the root has no slope there
            options = {"axis": axis, "keepdims": keepdims}
            apply = lambda x, f=function, o=options: f(x, **o)  # noqa: E731
            found.append(numpy(function, apply, shape, label=f"{name_of([shape])},{axis}"))
    found.append(numpy(np.sum, np.sum, (0, 4), label="of nothing"))
    found.append(numpy(np.sum, lambda x: np.sum(x, 0), (0, 4), label="of no rows"))
    for name in ("sum", "mean", "max", "min"):
        apply = lambda x, n=name: getattr(x, n)(1, keepdims=True)  # noqa: E731
        found.append(numpy(getattr(np, name), apply, (3, 5), label="as a method"))
    for function in (np.var, np.std):
        apply = lambda x, f=function: f(x, axis=1, ddof=1, keepdims=True)  # noqa: E731
        found.append(numpy(function, apply, (3, 5), label="ddof"))
    return found


GET_ITEM = {
    "an integer": (lambda x: x[1], (3, 5)),
    "from behind": (lambda x: x[-2], (3, 5)),
    "the last": (lambda x: x[:, -1], (3, 5)),
    "a slice": (lambda x: x[1:, :3], (3, 5)),
    "steps": (lambda x: x[::2, 1::3], (4, 7)),
    "backwards": (lambda x: x[:, ::-1], (3, 5)),
    "backwards from": (lambda x: x[2::-2, -2:0:-1], (4, 7)),
    "from the end": (lambda x: x[-3:-1, :-2], (5, 7)),
    "a new axis": (lambda x: x[:, None], (3, 5)),
    "new axes": (lambda x: x[None, 0, ..., None, 1:, None], (3, 4, 5)),
    "new axes and integers": (lambda x: x[1, None, :, 0, None], (3, 4, 5)),
    "an ellipsis": (lambda x: x[..., 0], (2, 3, 5)),
    "an ellipsis between": (lambda x: x[0, ..., 1:], (2, 3, 5)),
    "an ellipsis alone": (lambda x: x[...], (2, 3)),
    "nothing": (lambda x: x[1:1], (3, 5)),
    "an array": (lambda x: x[np.array([2, 0, 2])], (3, 5)),
    "a list": (lambda x: x[[1, 1, 0, 1]], (3, 5)),
    "two arrays": (lambda x: x[np.array([0, 1, 0]), np.array([2, 2, 2])], (3, 5)),
    "an array and a slice": (lambda x: x[1:, np.array([[0, 0], [3, 4]])], (3, 5)),
    "a mask": (lambda x: x[np.array([True, False, True])], (3, 5)),
    "a list of bool": (lambda x: x[:, [False, True, True]], (2, 3)),
    "NumPy's integer": (lambda x: x[np.int64(1), np.int32(0)], (3, 5)),
    "rows one by one": (lambda x: sum(row * (i + 1) for i, row in enumerate(x)), (3, 5)),
}


def stack_with_array(x: Any, y: Any) -> Any:
    return np.stack([np.ones((3, 5), np.float32), x, y], 1)


def shape_cases() -> list[TapeCase]:
    found = [numpy("getitem", f, s, label=label) for label, (f, s) in GET_ITEM.items()]
    lines: list[tuple[Any, str, Callable[..., Any], tuple[Any, ...]]] = [
        (np.reshape, "rows", lambda x: np.reshape(x, (5, 3)), ((3, 5),)),
        (np.reshape, "what is left", lambda x: np.reshape(x, (2, -1)), ((4, 3),)),
        (np.reshape, "an integer", lambda x: np.reshape(x, -1), ((4, 3),)),
        (np.reshape, "a method", lambda x: x.reshape(2, 6), ((4, 3),)),
        (np.reshape, "a method's tuple", lambda x: x.reshape((3, 4)), ((4, 3),)),
        (np.reshape, "to a number", lambda x: np.reshape(x, ()), ((1, 1),)),
        (np.reshape, "of nothing", lambda x: np.reshape(x, (0, 7)), ((3, 0),)),
        (np.reshape, "the same", lambda x: np.reshape(x, (3, 4)), ((3, 4),)),
        (np.ravel, "", np.ravel, ((2, 3, 2),)),
        (np.transpose, "reversed", np.transpose, ((2, 3, 5),)),
        (np.transpose, "an order", lambda x: np.transpose(x, (1, 0, 2)), ((2, 3, 5),)),
        (np.transpose, "from behind", lambda x: np.transpose(x, (-1, 0, -2)), ((2, 3, 5),)),
        (np.transpose, "T", lambda x: x.T, ((3, 5),)),
        (np.transpose, "a method", lambda x: x.transpose(0, 2, 1), ((2, 3, 5),)),
        (np.transpose, "a method without axes", lambda x: x.transpose(), ((2, 3, 5),)),
        (np.transpose, "of a number", np.transpose, ((),)),
        (np.transpose, "of nothing", np.transpose, ((0, 3),)),
        (np.concatenate, "rows", lambda x, y: np.concatenate([x, y]), ((3, 5), (1, 5))),
        (np.concatenate, "columns", lambda x, y: np.concatenate([x, y], -1), ((3, 5), (3, 2))),
        (np.concatenate, "nothing", lambda x, y: np.concatenate([x, y], 1), ((3, 0), (3, 2))),
        (
            np.concatenate,
            "an array",
            lambda x: np.concatenate([np.ones((2, 5), np.float32), x, np.zeros((1, 5))]),
            ((3, 5),),
        ),
        (np.concatenate, "itself", lambda x: np.concatenate([x, x, x], 1), ((3, 5),)),
        (np.stack, "rows", lambda x, y: np.stack([x, y]), ((3, 5), (3, 5))),
        (np.stack, "behind", lambda x, y: np.stack([x, y], -1), ((3, 5), (3, 5))),
        (np.stack, "an array", stack_with_array, ((3, 5), (3, 5))),
        (np.stack, "numbers", lambda x: np.stack([x.sum(), 2.0, x.max()]), ((3, 5),)),
        (np.expand_dims, "one", lambda x: np.expand_dims(x, 1), ((3, 5),)),
        (np.expand_dims, "two", lambda x: np.expand_dims(x, (0, -1)), ((3, 5),)),
        (np.expand_dims, "NumPy's", lambda x: np.expand_dims(x, np.int64(-1)), ((3, 5),)),
        (np.squeeze, "all", np.squeeze, ((1, 3, 1, 5),)),
        (np.squeeze, "one", lambda x: np.squeeze(x, -2), ((1, 3, 1, 5),)),
        (np.squeeze, "two", lambda x: np.squeeze(x, (0, 2)), ((1, 3, 1, 5),)),
        (np.swapaxes, "", lambda x: np.swapaxes(x, 0, -1), ((2, 3, 5),)),
        (np.moveaxis, "behind", lambda x: np.moveaxis(x, 0, -1), ((2, 3, 5),)),
        (np.moveaxis, "in front", lambda x: np.moveaxis(x, -1, 0), ((2, 3, 5),)),
        (np.broadcast_to, "rows", lambda x: np.broadcast_to(x, (4, 5)), ((5,),)),
        (np.broadcast_to, "between", lambda x: np.broadcast_to(x, (2, 3, 4, 5)), ((3, 1, 5),)),
        (np.broadcast_to, "to nothing", lambda x: np.broadcast_to(x, (0, 5)), ((1, 5),)),
        (np.repeat, "rows", lambda x: np.repeat(x, 3, axis=0), ((2, 5),)),
        (np.repeat, "by names", lambda x: np.repeat(x, repeats=2, axis=0), ((2, 3, 5),)),
        (np.repeat, "never", lambda x: np.repeat(x, 0, 0), ((2, 5),)),
        (np.shape, "", lambda x: x * np.shape(x)[1], ((3, 5),)),
        (np.ndim, "", lambda x: x * np.ndim(x), ((3, 5),)),
        (np.size, "", lambda x: x * np.size(x), ((3, 5),)),
    ]
    found += [numpy(f, apply, *inputs, label=label) for f, label, apply, inputs in lines]
    return found


def product_cases() -> list[TapeCase]:
    found = []
    for a, b, flops in (
        ((3, 5), (5, 4), 2 * 3 * 5 * 4),
        ((2, 3, 5), (5, 4), 2 * 2 * 3 * 5 * 4),
        ((3, 5), (2, 5, 4), 2 * 2 * 3 * 5 * 4),
        ((2, 1, 3, 5), (7, 5, 1), 2 * 14 * 3 * 5),
        ((5,), (5, 4), 2 * 5 * 4),
        ((3, 5), (5,), 2 * 3 * 5),
        ((5,), (5,), 2 * 5),
        ((2, 3, 5), (5,), 2 * 2 * 3 * 5),
        ((5,), (2, 5, 3), 2 * 2 * 5 * 3),
        ((0, 5), (5, 4), 0),
        ((3, 0), (0, 4), 0),
        ((67, 33), (33, 41), 2 * 67 * 33 * 41),
    ):
        found.append(numpy(np.matmul, operator.matmul, a, b, label=name_of([a, b]), flops=flops))
        if len(b) < 3:
            found.append(numpy(np.dot, np.dot, a, b, label=name_of([a, b]), flops=flops))
    given = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    how = {"flops": 2 * 3 * 5 * 4}
    found.append(numpy(np.matmul, lambda x: x @ given, (3, 5), label="an array", **how))
    found.append(numpy(np.matmul, lambda x: given.T @ x, (5, 3), label="an array before", **how))
    return found


NUMPY = elementwise_cases() + reduction_cases() + shape_cases() + product_cases()


# ---- products with a weight ---------------------------------------------------------------------


def linear(**how: Any) -> Callable[..., Any]:
    """Return the op with these options; `added` and `then` are taken along."""
    then, added = how.pop("then", None), how.pop("added", False)

    def apply(x: Any, *rest: Any) -> Any:
        (r, *rest) = rest if added else (None, *rest)
        y = products.Linear(x, *rest, **how)
        y = y + r if added else y
        return y if then is None else elementwise.activation(y, then)

    return apply


def linear_twin(added: bool, kind: str | None, transposed: bool) -> Callable[..., Any]:
    def reference(x: Any, *rest: Any) -> Any:
        r, w, b = rest if added else (0, *rest) if len(rest) == 2 else (0, *rest, None)
        return twin.activate(twin.linear(x, w.T if transposed else w, b) + r, kind)

    return reference


def linear_cases() -> list[TapeCase]:
    found = []
    for label, n, i, o, how in (
        ("plain", 7, 3, 5, {}),
        ("nothing", 0, 3, 5, {}),
        ("one", 1, 1, 1, {}),
        ("no features", 3, 0, 2, {}),
        ("large", 97, 65, 33, {"activation": "tanh"}),
        ("transposed", 7, 3, 5, {"transposed": True, "activation": "elu"}),
        ("added", 7, 3, 5, {"added": True}),
        ("added and tanh", 7, 3, 5, {"added": True, "then": "tanh"}),
        ("added and gelu", 7, 3, 5, {"added": True, "then": "gelu"}),
        ("added, large", 97, 65, 33, {"added": True, "then": "sigmoid", "transposed": True}),
        *((a, 7, 3, 5, {"activation": a}) for a in sorted(products.FUSED)),
        *((f"then {a}", 7, 3, 5, {"then": a}) for a in sorted(_core.ACTIVATIONS)),
    ):
        transposed, added = how.get("transposed", False), how.get("added", False)
        kind = how.get("then") or how.get("activation")
        inputs = [(n, i), (n, o)] if added else [(n, i)]
        weight = (i, o) if transposed else (o, i)
        found.append(
            TapeCase(
                "Linear",
                linear(**how),
                inputs,
                label,
                linear_twin(added, kind, transposed),
                parameters=[weight, (o,)],
                flops=2 * n * i * o,
            )
        )
    plain = linear_twin(False, None, False)
    how = {"parameters": [(4, 3)], "flops": 2 * 7 * 3 * 4}
    found.append(TapeCase("Linear", linear(), [(7, 3)], "no bias", plain, **how))
    for n, i, o in ((7, 3, 5), (0, 3, 5), (1, 1, 1), (97, 65, 33)):
        mask = np.tri(o, i, dtype=np.float32)
        found.append(
            TapeCase(
                "MaskedProduct",
                lambda x, w, b, m=mask: MaskedProduct(x, w, b, m, None),
                [(n, i)],
                name_of([(n, i), (o, i)]),
                lambda x, w, b, m=mask: x @ (w * m).T + b,
                parameters=[(o, i), (o,)],
                flops=2 * n * i * o,
            )
        )
    return found


def conv_cases() -> list[TapeCase]:
    found = []
    for label, x, k, r, s, how in (
        ("plain", (2, 5, 6, 3), 4, 3, 3, {}),
        ("stride", (2, 7, 6, 3), 4, 3, 2, {"stride": (2, 1), "padding": (1, 0)}),
        ("pixels", (3, 4, 1, 5), 7, 1, 1, {"activation": "elu"}),
        ("sides", (2, 5, 4, 3), 2, 2, 3, {"padding": (1, 0, 2, -1), "winograd": False}),
        ("spread", (2, 7, 9, 3), 4, 3, 2, {"dilation": (2, 3), "padding": (1, 1)}),
        ("groups", (2, 5, 6, 4), 6, 3, 3, {"groups": 2, "activation": "elu"}),
        ("depthwise", (3, 5, 6, 5), 5, 3, 3, {"groups": 5, "padding": (1, 1)}),
        ("transforms", (3, 8, 7, 32), 40, 3, 3, {"padding": (1, 1)}),
        ("nothing", (0, 5, 5, 3), 4, 3, 3, {}),
        ("the window alone", (2, 3, 2, 1), 1, 3, 2, {"activation": "softplus"}),
    ):
        stride, padding = how.get("stride", (1, 1)), how.get("padding", (0, 0))
        sides = padding if len(padding) == 2 else (padding[:2], padding[2:])
        top, bottom, left, right = padding if len(padding) == 4 else np.repeat(padding, 2)
        dilation, groups = how.get("dilation", (1, 1)), how.get("groups", 1)
        p = (x[1] + top + bottom - (r - 1) * dilation[0] - 1) // stride[0] + 1
        q = (x[2] + left + right - (s - 1) * dilation[1] - 1) // stride[1] + 1
        options = {"stride": stride, "padding": sides, "activation": how.get("activation")}
        options |= {"dilation": dilation, "groups": groups}
        found.append(
            TapeCase(
                "Conv2d",
                lambda *given, how=how: products.Conv2d(*given, **how),
                [x],
                label,
                lambda *given, o=options: twin.conv2d(*given, **o),
                parameters=[(k, r, s, x[3] // groups), (k,)],
                flops=int(2 * x[0] * p * q * k * r * s * x[3] // groups),
            )
        )
    added = lambda x, y, w: np.tanh(products.Conv2d(x, w) + y)  # noqa: E731
    found.append(
        TapeCase(
            "Conv2d",
            added,
            [(2, 5, 5, 3), (2, 3, 3, 4)],
            "added and tanh",
            lambda x, y, w: np.tanh(twin.conv2d(x, w) + y),
            parameters=[(4, 3, 3, 3)],
            flops=2 * 2 * 9 * 4 * 27,
        )
    )
    for label, x, k, r, s, how in (
        ("plain", (2, 3, 4, 3), 4, 3, 3, {}),
        ("stride", (2, 3, 2, 5), 4, 4, 4, {"stride": (2, 2), "padding": (1, 1)}),
        (
            "rows added",
            (2, 3, 2, 3),
            2,
            2,
            3,
            {"stride": (3, 2), "output_padding": (1, 0), "activation": "relu"},
        ),
        ("nothing", (0, 3, 3, 2), 4, 3, 3, {}),
        (
            "transforms",
            (3, 5, 6, 64),
            40,
            4,
            4,
            {"stride": (2, 2), "padding": (1, 1)},
        ),
        ("tied", (2, 3, 4, 3), 4, 3, 2, {"tied": True, "activation": "elu"}),
        ("tied, stride", (2, 3, 2, 5), 4, 4, 4, {"tied": True, "stride": (2, 2)}),
    ):
        options = {key: value for key, value in how.items() if key != "tied"}
        tied = how.get("tied", False)

        def reference(x: Any, w: Any, b: Any, tied: bool = tied, o: Any = options) -> Any:
            return twin.conv_transpose2d(x, w.transpose(3, 1, 2, 0) if tied else w, b, **o)

        found.append(
            TapeCase(
                "ConvTranspose2d",
                lambda *given, how=how: products.ConvTranspose2d(*given, **how),
                [x],
                label,
                reference,
                parameters=[(x[3], r, s, k) if tied else (k, r, s, x[3]), (k,)],
                flops=2 * int(np.prod(x)) * k * r * s,
            )
        )
    found += step_cases()
    return found


def step_cases() -> list[TapeCase]:
    """Convolutions of sequences: those of images of one row."""
    found = []
    for label, x, k, s, how in (
        ("plain", (2, 7, 3), 4, 3, {}),
        ("stride", (2, 9, 3), 5, 4, {"stride": 2, "padding": (1, 1), "activation": "elu"}),
        ("causal", (3, 8, 2), 3, 3, {"padding": (4, 0), "dilation": 2}),
        ("groups", (2, 6, 4), 6, 2, {"groups": 2, "padding": (0, 1)}),
        ("depthwise", (2, 6, 5), 5, 3, {"groups": 5, "padding": (1, 1), "activation": "tanh"}),
        ("nothing", (0, 5, 3), 4, 3, {}),
    ):
        stride, dilation, groups = (how.get(key, 1) for key in ("stride", "dilation", "groups"))
        padding, activation = how.get("padding", (0, 0)), how.get("activation")
        q = (x[1] + sum(padding) - (s - 1) * dilation - 1) // stride + 1
        options: dict[str, Any] = {"stride": (1, stride), "padding": ((0, 0), padding)}
        options |= {"dilation": (1, dilation), "groups": groups, "activation": activation}

        def convolved(x: Any, w: Any, b: Any, o: Any = options) -> Any:
            return twin.conv2d(x[:, None], w[:, None], b, **o)[:, 0]

        size = k * s * x[2] // groups
        found.append(
            TapeCase(
                "Conv1d",
                lambda *given, how=how: products1d.Conv1d(*given, **how),
                [x],
                label,
                convolved,
                parameters=[(k, s, x[2] // groups), (k,)],
                flops=2 * x[0] * q * size,
            )
        )
    found.append(
        TapeCase(
            "Conv1d",
            lambda x, y, w: np.tanh(products1d.Conv1d(x, w) + y),
            [(2, 7, 3), (2, 5, 4)],
            "added and tanh",
            lambda x, y, w: np.tanh(twin.conv2d(x[:, None], w[:, None])[:, 0] + y),
            parameters=[(4, 3, 3)],
            flops=2 * 2 * 5 * 4 * 9,
        )
    )
    for label, x, k, s, how in (
        ("plain", (2, 4, 3), 4, 3, {}),
        ("stride", (2, 5, 3), 2, 4, {"stride": 2, "padding": 1, "output_padding": 1}),
        ("dilation", (2, 3, 2), 3, 3, {"dilation": 3, "activation": "relu"}),
        ("nothing", (0, 3, 2), 4, 3, {}),
        ("tied", (2, 4, 3), 5, 3, {"tied": True, "stride": 2, "activation": "elu"}),
    ):
        tied = how.get("tied", False)
        options = {key: (1, how.get(key, 1)) for key in ("stride", "dilation")}
        options |= {key: (0, how.get(key, 0)) for key in ("padding", "output_padding")}
        options |= {"activation": how.get("activation")}

        def enlarged(x: Any, w: Any, b: Any, tied: bool = tied, o: Any = options) -> Any:
            w = w.transpose(2, 1, 0) if tied else w
            return twin.conv_transpose2d(x[:, None], w[:, None], b, **o)[:, 0]

        found.append(
            TapeCase(
                "ConvTranspose1d",
                lambda *given, how=how: products1d.ConvTranspose1d(*given, **how),
                [x],
                label,
                enlarged,
                parameters=[(x[2], s, k) if tied else (k, s, x[2]), (k,)],
                flops=2 * int(np.prod(x)) * k * s,
            )
        )
    return found


# ---- norms --------------------------------------------------------------------------------------

EPS = 1e-3


def affine(function: Callable[..., Any], *between: Any, **options: Any) -> Callable[..., Any]:
    """Return a call of a norm whose scale and shift may be left out."""

    def call(x: Any, weight: Any = None, bias: Any = None) -> Any:
        return function(x, *between, weight, bias, **options)

    return call


def batch_norm(training: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the op, whose running statistics begin anew in every call, and its twin."""
    start = np.random.default_rng(1)
    mean, var = start.standard_normal(4).astype("f4"), 0.5 + start.random(4).astype("f4")

    def apply(x: Any, weight: Any = None, bias: Any = None) -> Any:
        return norms.BatchNorm(x, weight, bias, (mean.copy(), var.copy()), lambda *batch: None, EPS)

    how = {"running_mean": mean, "running_var": var, "training": training, "eps": EPS}
    return apply, affine(twin.batch_norm2d, **how)


def norm_mlp(x: Any, gamma: Any, beta: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    h = twin.activate(twin.linear(twin.layer_norm(x, gamma, beta, eps=EPS), w1, b1), "gelu")
    return x + twin.linear(h, w2, b2)


def norm_cases() -> list[TapeCase]:
    found = []
    pair: list[Draw] = [above(0.5, 4), (4,)]
    for label, parameters in (("affine", pair), ("plain", [])):
        for shape in ((5, 4), (2, 3, 4), (0, 4), (1, 7, 3, 4), (67, 4)):
            more = {"label": f"{label},{name_of([shape])}", "parameters": parameters}
            apply = lambda x, w=None, b=None: norms.LayerNorm(x, 4, w, b, EPS)  # noqa: E731
            reference = affine(twin.layer_norm, eps=EPS)
            found.append(TapeCase("LayerNorm", apply, [shape], reference=reference, **more))
            apply = lambda x, w=None, b=None: norms.GroupNorm(x, 4, 2, w, b, EPS)  # noqa: E731
            reference = affine(twin.group_norm, 2, eps=EPS)
            found.append(TapeCase("GroupNorm", apply, [shape], reference=reference, **more))
            for training in (False, True):
                if training and shape[0] == 0:
                    continue  # the running statistics are used
                apply, reference = batch_norm(training)
                kind = more | {"training": training, "label": f"{more['label']},{training}"}
                found.append(TapeCase("BatchNorm", apply, [shape], reference=reference, **kind))
    for n, c, f in ((5, 4, 6), (1, 3, 2), (0, 4, 6), (70, 16, 33)):
        p: list[Draw] = [above(0.5, c), (c,), (f, c), (f,)]
        found.append(
            TapeCase(
                "NormLinear",
                lambda x, *p: norms.NormLinear(x, p, EPS),
                [(n, c)],
                name_of([(n, c, f)]),
                lambda x, g, b, w, v: twin.linear(twin.layer_norm(x, g, b, eps=EPS), w, v),
                parameters=p,
                flops=2 * n * c * f,
                tolerance=5e-5,
            )
        )
        found.append(
            TapeCase(
                "NormMLP",
                lambda x, *p: norms.NormMLP(x, p, EPS),
                [(n, c)],
                name_of([(n, c, f)]),
                norm_mlp,
                parameters=[*p, (c, f), (c,)],
                flops=4 * n * c * f,
                tolerance=5e-5,
            )
        )
    around = lambda x, *p: x * 1.0 + norms.NormLinear(x, p, EPS)  # noqa: E731
    found.append(
        TapeCase(
            "NormLinear",
            around,
            [(5, 4)],
            "in a sum",
            lambda x, g, b, w, v: x + twin.linear(twin.layer_norm(x, g, b, eps=EPS), w, v),
            parameters=[above(0.5, 4), (4,), (4, 4), (4,)],
            flops=2 * 5 * 4 * 4,
            tolerance=5e-5,
        )
    )
    return found


# ---- images -------------------------------------------------------------------------------------


def image_cases() -> list[TapeCase]:
    found = []
    for x, window, stride, padding in (
        ((2, 6, 5, 3), (2, 2), (2, 2), (0, 0)),
        ((2, 6, 5, 3), (3, 2), (2, 1), (1, 0)),
        ((0, 4, 4, 2), (2, 2), (2, 2), (0, 0)),
        ((1, 2, 3, 1), (2, 3), (1, 1), (0, 0)),
        ((5, 13, 11, 17), (3, 3), (1, 2), (1, 1)),
    ):
        how = {"stride": stride, "padding": padding}
        found.append(
            TapeCase(
                "MaxPool2d",
                lambda x, w=window, how=how: pooling.MaxPool2d(x, w, **how),
                [x],
                f"{name_of([x])},{window}",
                lambda x, w=window, how=how: twin.max_pool2d(x, w, **how),
            )
        )
    for x, factor in (((2, 3, 2, 4), (2, 3)), ((0, 2, 2, 1), (2, 2)), ((3, 1, 5, 17), (1, 4))):
        found.append(
            TapeCase(
                "Upsample2d",
                lambda x, f=factor: pooling.Upsample2d(x, f),
                [x],
                f"{name_of([x])},{factor}",
                lambda x, f=factor: twin.upsample2d(x, f),
            )
        )
    for x, factor in (((2, 3, 2, 4), (2, 3)), ((0, 2, 2, 1), (2, 2)), ((3, 1, 5, 17), (1, 4))):
        found.append(
            TapeCase(
                "Upsample2d",
                lambda x, f=factor: pooling.Upsample2d(x, f, True),
                [x],
                f"bilinear,{name_of([x])},{factor}",
                lambda x, f=factor: twin.upsample2d(x, f, mode="bilinear"),
            )
        )
    for x, m in (((2, 3, 5, 2), 4), ((1, 1, 1, 3), 7), ((0, 3, 2, 1), 2), ((3, 4, 8, 2), 4)):

        def extended(x: Any, m: int = m) -> Any:
            places = (resizing.mirrored(n, -(-n // m) * m) for n in x.shape[1:3])
            rows, columns = places
            return x[:, rows][:, :, columns]

        found.append(
            TapeCase(
                "Mirror",
                lambda x, m=m: resizing.Mirror(x, m),
                [x],
                f"{name_of([x])},{m}",
                extended,
            )
        )
    for x, size in (((2, 3, 5, 2), (2, 3)), ((1, 1, 1, 3), (1, 1)), ((0, 3, 2, 1), (1, 2))):
        found.append(
            TapeCase(
                "Crop",
                lambda x, size=size: resizing.Crop(x, size, False),
                [x],
                f"{name_of([x])},{size}",
                lambda x, size=size: x[:, : size[0], : size[1]],
            )
        )
    for x, r in (((2, 3, 2, 8), 2), ((0, 2, 2, 9), 3), ((3, 1, 5, 4), 1), ((1, 2, 3, 32), 4)):
        n, h, w, c = x
        large = n, h * r, w * r, c // r**2
        found.append(
            TapeCase(
                "PixelShuffle",
                lambda x, r=r: pooling.PixelShuffle(x, r),
                [x],
                f"{name_of([x])},{r}",
                lambda x, r=r: twin.pixel_shuffle(x, r),
            )
        )
        found.append(
            TapeCase(
                "PixelUnshuffle",
                lambda x, r=r: pooling.PixelUnshuffle(x, r),
                [large],
                f"{name_of([large])},{r}",
                lambda x, r=r: twin.pixel_unshuffle(x, r),
            )
        )
    for x, bias in (
        ((3, 5, 4, 8), True),
        ((3, 7, 6), True),
        ((3, 8), False),
        ((0, 5, 4), True),
        ((7, 1, 34), True),
        ((5, 3, 1, 2), False),
    ):
        inputs = [x, (x[0], x[-1])] if bias else [x]
        found.append(
            TapeCase(
                "GatedTanh",
                lambda x, b=None: GatedTanh(x, b),
                inputs,
                name_of(inputs),
                twin.gated_tanh,
            )
        )
    for x, y in (((3, 5), (3, 2)), ((2, 3, 4, 1), (2, 5)), ((0, 4), (0, 1)), ((7, 5, 3), (7, 1))):

        def beside(x: Any, y: Any) -> Any:
            wide = y.reshape(len(y), *[1] * (x.ndim - 2), y.shape[1])
            return np.concatenate([x, np.broadcast_to(wide, (*x.shape[:-1], y.shape[1]))], -1)

        found.append(TapeCase("ConcatCondition", ConcatCondition, [x, y], name_of([x, y]), beside))
    return found


# ---- tables -------------------------------------------------------------------------------------


def cells(rng: np.random.Generator) -> np.ndarray:
    """Two numbers and categories of 3 and 2 levels; some cells are missing, one level is new."""
    x = rng.standard_normal((7, 4)).astype(np.float32)
    x[:, 1], x[:, 3] = rng.integers(0, 3, 7), rng.integers(0, 2, 7)
    x[0, 0] = x[1, 1] = x[2, 3] = np.nan
    x[3, 3] = 2
    return x


def columns_of(weights: Sequence[Any]) -> Columns:
    """Return the layer with the rows of these parameters or arrays."""
    layer = Columns((0, 3, 0, 2))
    for one, weight in zip(layer.embeddings, weights, strict=True):
        one.weight = weight
    return layer


def columns_twin(x: Any, *tables: Any) -> Any:
    numbers = np.nan_to_num(x[:, [0, 2]])
    parts = [numbers, np.isnan(x[:, [0, 2]])]
    layer = Columns((0, 3, 0, 2))
    for one, table in zip(layer.embeddings, tables, strict=True):
        at = 0
        for j in one.places:
            levels = int(layer.levels[j])
            row = np.where(np.isnan(x[:, j]), levels + 1, np.nan_to_num(x[:, j])).astype(int)
            parts.append(table[at + row])
            at += levels + 2
    return np.concatenate(parts, 1)


def table_cases() -> list[TapeCase]:
    found = [
        TapeCase(
            "Embedding",
            lambda rows, table: Embedding(current(), rows, table),
            label=name_of([rows]),
            reference=twin.embedding,
            constants=[integers(7, *rows)],
            parameters=[(7, 5)],
        )
        for rows in ((3, 5), (0,), (), (2, 1, 4), (67,))
    ]
    shapes = [one.weight.shape for one in Columns((0, 3, 0, 2)).embeddings]
    found.append(
        TapeCase(
            "Columns",
            lambda x, *tables: columns_of(tables)(x),
            [cells],
            "",
            columns_twin,
            parameters=shapes,
            differentiable=tuple(range(1, 1 + len(shapes))),
        )
    )
    return found


# ---- sequences ----------------------------------------------------------------------------------


def attention(heads: int, lengths: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def apply(qkv: Any) -> Any:
        n, t, width = qkv.shape
        y = sequences.SelfAttention(np.reshape(qkv, (n * t, width)), n, heads)
        if lengths is None:
            return y
        return y * (np.arange(t) < np.array(lengths)[:, None]).reshape(-1, 1)

    def reference(qkv: Any) -> Any:
        n, t, width = qkv.shape
        q, k, v = (part.reshape(n, t, heads, width // 3 // heads) for part in np.split(qkv, 3, 2))
        y = twin.attention(q, k, v, lengths=None if lengths is None else np.array(lengths))
        return y.reshape(n * t, width // 3)

    return apply, reference


def recurrent(
    kind: str, reverse: tuple[bool, ...], steps: int, last: bool, lengths: Any
) -> tuple[Any, Any]:
    def apply(x: Any, *p: Any) -> Any:
        weights = [p[3 * i : 3 * i + 3] for i in range(len(reverse))]
        return getattr(sequences, kind)(x, weights, reverse, steps, last)

    def reference(x: Any, *p: Any) -> Any:
        how = {"lengths": None if lengths is None else np.array(lengths)}
        if x.shape[1] != steps:
            how["steps"] = steps
        weights = [p[3 * i : 3 * i + 3] for i in range(len(reverse))]
        one = getattr(twin, kind.lower())
        runs = [one(x, *w, reverse=r, **how)[:2] for w, r in zip(weights, reverse, strict=True)]
        return np.concatenate([h if last else y for y, h in runs], -1)

    return apply, reference


def unrolled(reverse: bool, link: str | None, lengths: Any) -> tuple[Any, Any]:
    steps = 4

    def apply(z: Any, *p: Any) -> Any:
        y = sequences.Unrolled(z, [p[:3], p[3:6]], p[6:], steps, reverse, link)
        if lengths is None:
            return y
        return y * (np.arange(steps) < np.array(lengths)[:, None])[..., None]

    def reference(z: Any, *p: Any) -> Any:
        n, features = len(z), p[6].shape[0]
        out = np.zeros((n, steps, features))
        for i in range(n):
            order = range(steps if lengths is None else lengths[i])
            before, states = np.zeros(features), [(None, None), (None, None)]
            for t in order[::-1] if reverse else order:
                x = np.concatenate([z[i, t] if z.ndim == 3 else z[i], before])[None, None]
                for j in range(2):
                    x, *states[j] = twin.lstm(x, *p[3 * j : 3 * j + 3], *states[j])
                out[i, t] = before = p[6] @ x[0, 0] + p[7]
                if link == "sigmoid":
                    before = 1 / (1 + np.exp(-before))
                elif link == "softmax":
                    before = np.exp(before) / np.exp(before).sum()
        return out

    return apply, reference


def sequence_cases() -> list[TapeCase]:
    found = []
    for shape in ((3, 5, 4), (3, 4), (0, 5, 4), (17, 5, 4)):
        found.append(
            TapeCase(
                "Positions",
                sequences.Positions,
                [shape],
                name_of([shape]),
                lambda x, w: (x[:, None] if x.ndim == 2 else x) + w,
                parameters=[(5, 4)],
            )
        )
    for shape, lengths in (
        ((3, 5, 4), None),
        ((4, 5, 3), (5, 2, 1, 3)),
        ((4, 5, 3), (5, 0, 1, 3)),
        ((0, 5, 2), None),
    ):
        found.append(
            TapeCase(
                "MeanSteps",
                sequences.MeanSteps,
                [shape],
                f"{name_of([shape])},{lengths}",
                lambda x, n=lengths: (
                    x.mean(1)
                    if n is None
                    else np.stack([s[:e].sum(0) / max(1, e) for s, e in zip(x, n, strict=True)])
                ),
                lengths=lengths,
                exported=None if lengths and 0 in lengths else 0,
            )
        )
    for (n, t, width), heads, lengths in (
        ((2, 5, 4), 2, None),
        ((3, 1, 3), 1, None),
        ((4, 6, 6), 3, (6, 1, 3, 2)),
        ((0, 5, 4), 2, None),
        ((3, 37, 8), 2, None),
    ):
        apply, reference = attention(heads, lengths)
        found.append(
            TapeCase(
                "SelfAttention",
                apply,
                [(n, t, 3 * width)],
                f"{name_of([(n, t, width)])},{lengths}",
                reference,
                lengths=lengths,
                flops=4 * n * t * t * width,
            )
        )
    for label, (n, t, i), units, reverse, steps, last, lengths in (
        ("plain", (3, 4, 2), 5, (False,), 4, False, None),
        ("reverse", (3, 4, 2), 5, (True,), 4, False, None),
        ("both", (3, 4, 2), 5, (False, True), 4, False, None),
        ("last", (3, 4, 2), 5, (False,), 4, True, None),
        ("last of both", (3, 4, 2), 5, (False, True), 4, True, None),
        ("lengths", (4, 4, 2), 5, (False, True), 4, False, (4, 1, 3, 2)),
        ("last, lengths", (4, 4, 2), 3, (False, True), 4, True, (4, 1, 3, 2)),
        ("repeated", (3, 1, 2), 5, (False, True), 4, False, None),
        ("nothing", (0, 4, 2), 5, (False,), 4, False, None),
        ("large", (19, 7, 9), 18, (False, True), 7, False, None),
    ):
        for kind, gates in (("LSTM", 4), ("GRU", 3)):
            apply, reference = recurrent(kind, reverse, steps, last, lengths)
            rows = gates * units
            one: list[Draw] = [scaled(0.7, rows, i), scaled(0.5, rows, units), (4 * units,)]
            found.append(
                TapeCase(
                    kind,
                    apply,
                    [(n, t, i)],
                    label,
                    reference,
                    parameters=one * len(reverse),
                    lengths=lengths,
                    flops=2 * n * rows * len(reverse) * (t * i + steps * units),
                )
            )
    for label, z, reverse, link, lengths in (
        ("plain", (3, 2), False, None, None),
        ("sigmoid", (3, 2), True, "sigmoid", None),
        ("softmax", (3, 4, 2), False, "softmax", None),
        ("lengths", (3, 4, 2), True, None, (4, 1, 3)),
        ("nothing", (0, 2), False, None, None),
    ):
        apply, reference = unrolled(reverse, link, lengths)
        shapes = [(12, 5), (12, 3), (12,), (8, 3), (8, 2), (8,), (3, 2), (3,)]
        found.append(
            TapeCase(
                "Unrolled",
                apply,
                [z],
                label,
                reference,
                parameters=shapes,
                differentiable=(),  # there is no way back
                lengths=lengths,
                flops=2 * z[0] * 4 * (12 * 8 + 8 * 5 + 3 * 2),
            )
        )
    return found


# ---- codes --------------------------------------------------------------------------------------


def halves(h: Any) -> tuple[Any, Any]:
    op = latent.SplitLatent(h)
    return op.mu, op.logvar


def free_bits(mean: Any, logvar: Any) -> Any:
    each = (0.5 * (mean**2 + np.expm1(logvar) - logvar)).mean(0)
    return np.full(len(mean), np.maximum(each, 0.6).sum())


def importance(recon: Any, ratio: Any) -> Any:
    log_w = ratio * 0.7 - recon
    grid = log_w.reshape(-1, 3)
    top = grid.max(1)
    return -(top + np.log(np.exp(grid - top[:, None]).mean(1)))


def latent_cases() -> list[TapeCase]:
    found = []
    for shape in ((5, 6), (0, 4), (1, 2), (67, 34)):
        wide = scaled(6.0, *shape)  # some are bounded
        found.append(TapeCase("SplitLatent", halves, [wide], name_of([shape]), twin.split_latent))
    for shape in ((5, 3), (0, 3), (1, 1), (67, 17)):
        label, both = name_of([shape]), [shape, shape]
        found.append(
            TapeCase(
                "Reparameterize",
                latent.Reparameterize,
                both,
                label,
                twin.reparameterize,
                constants=[shape],
            )
        )
        found.append(TapeCase("GaussianKL", latent.GaussianKL, both, label, twin.gaussian_kl))
        found.append(
            TapeCase("MatchKL", latent.MatchKL, both, label, twin.match_kl, constants=both)
        )
        if shape[0]:
            free = lambda m, v: latent.FreeBitsKL(m, v, 0.6)  # noqa: E731
            found.append(TapeCase("FreeBitsKL", free, both, label, free_bits))
    for n, d in ((4, 2), (1, 1), (23, 7)):
        found.append(
            TapeCase(
                "ImportanceBound",
                lambda recon, ratio: latent.ImportanceBound(recon, ratio, 3, 0.7),
                [(3 * n,), (3 * n,)],
                name_of([(n,)]),
                importance,
                dtype=np.float64,  # in which weights add up
            )
        )
        found.append(
            TapeCase(
                "LogRatio",
                lambda z, v, eps: latent.LogRatio(z, eps, v),
                [(n, d), (n, d)],
                name_of([(n, d)]),
                lambda z, v, eps: 0.5 * (eps**2 + v - z**2).sum(1),
                constants=[(n, d)],
                dtype=np.float64,
            )
        )
        found.append(
            TapeCase(
                "LogPosterior",
                latent.LogPosterior,
                [(n, d)],
                name_of([(n, d)]),
                lambda v, eps: -0.5 * (eps**2 + v + np.log(2 * np.pi)).sum(1),
                constants=[(n, d)],
            )
        )
        found.append(
            TapeCase(
                "LogPosterior",
                latent.LogPosterior,
                [(n, d)],
                f"mean {name_of([(n, d)])}",
                lambda v: -0.5 * (1 + v + np.log(2 * np.pi)).sum(1),
            )
        )
        found.append(
            TapeCase(
                "StandardNormal",
                latent.StandardNormal,
                [(n, d)],
                name_of([(n, d)]),
                lambda z: -0.5 * (z**2 + np.log(2 * np.pi)).sum(1),
            )
        )
    return found


def mixture_twin(full: bool, mean: bool) -> Callable[..., Any]:
    """Return ln sum_k w_k exp(mean of ln N(z | k)) with whole covariance matrices."""

    def twin_of(z: Any, logits: Any, means: Any, logvars: Any, *rest: Any) -> Any:
        d, found = z.shape[1], []
        skew = rest[0] if full else np.zeros((*means.shape, d))
        spread = np.exp(rest[-1]) if mean else np.zeros_like(z)
        for k in range(len(means)):
            root = np.exp(-logvars[k] / 2)[:, None] * (np.eye(d) + np.tril(skew[k], -1))
            covariance = np.linalg.inv(root.T @ root)
            gap = z - means[k]
            square = np.einsum("nd,de,ne->n", gap, np.linalg.inv(covariance), gap)
            square = square + (spread * np.diag(np.linalg.inv(covariance))).sum(1)
            constant = d * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1]
            found.append(logits[k] - np.log(np.exp(logits).sum()) - (square + constant) / 2)
        return np.log(np.exp(found).sum(0))

    return twin_of


def mixture_cases() -> list[TapeCase]:
    found = []
    for n, k, d in ((5, 3, 2), (1, 1, 1), (0, 2, 3), (17, 4, 6)):
        for full in (False, True):
            for mean in (False, True):

                def apply(z, w, m, v, *rest, full=full, mean=mean):  # type: ignore[no-untyped-def]
                    skew = rest[0] if full else None
                    return MixtureDensity(z, w, m, v, skew, rest[-1] if mean else None)

                inputs = [(n, d), (k,), (k, d), scaled(0.5, k, d)]
                inputs += [scaled(0.5, k, d, d)] * full + [(n, d)] * mean
                label = f"{'full ' * full}{'mean ' * mean}{name_of([(n, k, d)])}"
                case = mixture_twin(full, mean)
                found.append(TapeCase("MixtureDensity", apply, inputs, label, case))
    return found


SHARE = np.array([0.5, 0.2, 0.3])


def soft_assignments(z: Any, centers: Any, scale: float) -> Any:
    t = 1 / (1 + ((z[:, None] - centers) ** 2).sum(2) / scale**2)
    return t / t.sum(1, keepdims=True)


def cluster_target(z: Any, centers: Any) -> Any:
    p = soft_assignments(z, centers, 0.7) ** 2 / SHARE
    return p / p.sum(1, keepdims=True)


def cluster_divergence(z: Any, centers: Any, target: Any = None) -> Any:
    p = cluster_target(z, centers) if target is None else target
    return (p * np.log(p / soft_assignments(z, centers, 0.7))).sum(1)


def towards_clusters(z: Any, centers: Any, target: Any = None) -> Any:
    """Return the divergence as a function of codes and centers with the target that is here."""
    p = cluster_target(z, centers) if target is None else target
    return lambda z, c, *_: (p * np.log(p / soft_assignments(z, c, 0.7))).sum(1)


def cluster_cases() -> list[TapeCase]:
    found = []
    for n, d in ((5, 2), (0, 3), (1, 1), (67, 17)):
        how = {"reference": cluster_divergence, "surrogate": towards_clusters}
        found.append(
            TapeCase(
                "ClusterDivergence",
                lambda z, c: clusters.ClusterDivergence(z, c, np.float32(SHARE), 0.7),
                [(n, d), (3, d)],
                name_of([(n, d)]),
                **how,
            )
        )
    found.append(
        TapeCase(
            "ClusterDivergence",
            lambda z, c, target: clusters.ClusterDivergence(z, c, np.float32(SHARE), 0.7, target),
            [(6, 4), (3, 4)],
            "target",
            constants=[lambda rng: rng.dirichlet(np.ones(3), 6)],
            **how,
        )
    )
    return found


def vector_quantize(z: Any, entries: Any) -> tuple[Any, ...]:
    op = quantize.VectorQuantize(z, entries, 0.3, "VectorQuantizer")
    return op.y, op.vq, op.commitment


def vector_quantize_twin(z: Any, entries: Any) -> tuple[Any, ...]:
    y, _ = twin.vector_quantize(z, entries)
    apart = ((z - y) ** 2).sum(tuple(range(1, z.ndim)))
    return y, apart, 0.3 * apart


def vector_quantize_surrogate(z0: Any, entries0: Any) -> Callable[..., Any]:
    y0, index = twin.vector_quantize(z0, entries0)

    def surrogate(z: Any, entries: Any) -> tuple[Any, ...]:
        rest = tuple(range(1, z.ndim))
        pull, draw = (z0 - entries[index]) ** 2, (z - y0) ** 2
        return z, pull.sum(rest), 0.3 * draw.sum(rest)

    return surrogate


def one_weight(rng: np.random.Generator, shapes: Sequence[Any]) -> list[np.ndarray]:
    """Random gradients of the first output, and one number for both distances."""
    first = rng.standard_normal(shapes[0]).astype(np.float32)
    return [first, *(np.full(s, 0.25, np.float32) for s in shapes[1:])]


def finite_scalar(x: Any) -> Any:
    half = (np.array([3, 4, 2]) - 1) / 2
    return np.rint((np.tanh(x) + 1) * half) / half - 1


def residual(z: Any, first: Any, second: Any) -> Any:
    layer = nn.ResidualQuantizer(2, 5, 3, codebook="loss")
    for one, entries in zip(layer.layers, (first, second), strict=True):
        one.entries = entries
    return layer(z)


def residual_twin(z: Any, *books: Any) -> Any:
    total = np.zeros_like(z)
    for book in books:
        total = total + twin.vector_quantize(z - total, book)[0]
    return total


def finite_scalars(x: Any) -> Any:
    """Three digits of a number, by the nearest of all values that have as many."""
    found = np.empty_like(x)
    for j, n in enumerate((3, 4, 2)):
        digit = np.linspace(-1, 1, n)
        total = np.zeros(x.shape[:-1])
        for i in range(3):
            left = np.tanh(x[..., j]) - total
            total = total + digit[np.abs(left[..., None] - digit / n**i).argmin(-1)] / n**i
        found[..., j] = total
    return found


def rotation(x0: Any, q0: Any) -> Callable[..., Any]:
    """Return the function that takes the rotation and the scale as they are for x0 and q0."""
    maps = twin.rotation(x0.reshape(-1, x0.shape[-1]), q0.reshape(-1, x0.shape[-1]))
    return lambda x, q: np.einsum("mij,mj->mi", maps, x.reshape(len(maps), -1)).reshape(x.shape)


def there(shape: tuple[int, ...]) -> np.ndarray:
    """Return which vectors of a batch count: not the first of every three."""
    return np.arange(int(np.prod(shape[:-1]))).reshape(shape[:-1]) % 3 > 0


def places(x: Any) -> Any:
    return quantize.Places(quantize.Rows(x), x)


def keep_largest(x: Any) -> Any:
    rank = np.argsort(np.argsort(-x, axis=1), axis=1)
    return np.where(rank < 3, x, 0)


def quantizer_cases() -> list[TapeCase]:
    def unit(x: Any) -> Any:
        return x / np.sqrt((x**2).sum(-1, keepdims=True))

    found = [
        TapeCase("L2Normalize", quantize.L2Normalize, [shape], name_of([shape]), unit)
        for shape in ((5, 3), (0, 3), (2, 1, 7), (3, 1))
    ]
    for shape in ((5, 3), (2, 4, 3), (0, 3), (67, 3)):
        for label, weights in (("", None), (",one weight", one_weight)):
            found.append(
                TapeCase(
                    "VectorQuantize",
                    vector_quantize,
                    [shape, (7, 3)],
                    name_of([shape]) + label,
                    vector_quantize_twin,
                    surrogate=vector_quantize_surrogate,
                    weights=weights,
                    onnx_constants=(1,),
                    flops=2 * int(np.prod(shape)) * 7,
                )
            )
    found.append(
        TapeCase(
            "StraightThrough",
            quantize.StraightThrough,
            [(3, 5), (3, 5)],
            "",
            lambda x, other: other,
            surrogate=lambda *_: lambda x, other: x,
            differentiable=(0,),
        )
    )
    for shape in ((5, 3), (2, 4, 3), (0, 3), (3, 1), (2, 1, 2, 7)):
        found.append(
            TapeCase(
                "Rotation",
                quantize.Rotation,
                [shape, shape],
                name_of([shape]),
                lambda x, other: other,
                surrogate=rotation,
                differentiable=(0,),
            )
        )
        found.append(
            TapeCase(
                "Sign",
                signs.Sign,
                [shape],
                name_of([shape]),
                lambda x: np.where(x < 0, -1.0, 1.0),
                surrogate=lambda *_: lambda x: x,
            )
        )
        found.append(TapeCase("Places", places, [shape], name_of([shape]), lambda x: x))
    for shape in ((5, 3), (2, 4, 3), (0, 3), (3, 1), (2, 2, 2, 14)):
        found.append(
            TapeCase(
                "SignEntropy",
                lambda x: signs.SignEntropy(x, 1.5),
                [shape],
                name_of([shape]),
                lambda x: twin.sign_entropy(x, 1.5),
                exported=None,
            )
        )
        found.append(
            TapeCase(
                "SignEntropy",
                lambda x: signs.SignEntropy(x, 0.7, there(x.shape)),
                [shape],
                f"{name_of([shape])},some",
                lambda x: twin.sign_entropy(x, 0.7, there(x.shape)),
                exported=None,
            )
        )
    found.append(
        TapeCase(
            "ResidualQuantizer",
            residual,
            [(6, 3)],
            "",
            residual_twin,
            parameters=[(5, 3), (5, 3)],
            surrogate=lambda *_: lambda z, *books: z,
            differentiable=(0,),
            flops=2 * 2 * 6 * 3 * 5,
        )
    )
    for shape in ((5, 3), (2, 4, 3), (0, 3)):
        found.append(
            TapeCase(
                "FiniteScalar",
                lambda x: quantize.FiniteScalar(x, (3, 4, 2)),
                [shape],
                name_of([shape]),
                finite_scalar,
                surrogate=lambda *_: np.tanh,
            )
        )
        found.append(
            TapeCase(
                "FiniteScalar",
                lambda x: quantize.FiniteScalar(x, (3, 4, 2), 3),
                [shape],
                f"{name_of([shape])},three",
                finite_scalars,
                surrogate=lambda *_: np.tanh,
            )
        )
    for shape in ((5, 7), (1, 3), (0, 4)):
        apply = lambda x: KeepLargest(x, 3)  # noqa: E731
        found.append(TapeCase("KeepLargest", apply, [shape], name_of([shape]), keep_largest))
    return found


# ---- losses -------------------------------------------------------------------------------------


def late(kind: str) -> Callable[..., Any]:
    return lambda x, target, mask=None: losses.Elementwise(x, kind, target, mask)


def flat(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a twin that takes outputs of any shape beside targets (N, F)."""
    return lambda x, target, mask=None: function(x.reshape(target.shape), target, mask)


def cross_entropy(x: Any, labels: Any, mask: Any = None) -> Any:
    classes = int(np.prod(x.shape[1:])) // labels.shape[1]
    return twin.cross_entropy(x.reshape(*labels.shape, classes), labels, mask)


def negative_binomial(x: Any, target: Any, *rest: Any) -> Any:
    *mask, log_theta = rest
    n, features = target.shape
    each = np.tile(log_theta, (n, features // log_theta.size))
    return twin.negative_binomial(x.reshape(target.shape), target, each, *mask)


def multinomial(x: Any, target: Any, mask: Any = None) -> Any:
    seen = None if mask is None else mask.reshape(x.shape)
    return twin.multinomial(x, target.reshape(x.shape), seen)


def gaussian(x: Any, target: Any, *rest: Any) -> Any:
    *mask, log_sigma = rest
    counted = mask[0] if mask else np.ones_like(target)
    each = (x.reshape(target.shape) - target) ** 2 / (2 * np.exp(2 * log_sigma[0]))
    return ((each + log_sigma[0] + np.log(2 * np.pi) / 2) * counted).sum(1)


def mixed_loss(x: Any, target: Any, log_sigma: Any) -> Any:
    scales = Scales(1)
    scales.log_sigma = log_sigma
    loss = Mixed((0, 3, 2), np.array([1.0, 2.0, 3.0]), scales)
    return loss.term(x, _Batch(target))


class _Batch:
    def __init__(self, target: np.ndarray) -> None:
        self.target = target


def mixed_twin(x: Any, target: Any, log_sigma: Any) -> Any:
    """A numeric column, one of two levels, whose logit comes next, and one of three."""
    number, levels, two = target.astype(np.float64).T
    numeric = (x[:, 0] - number) ** 2 / (2 * np.exp(2 * log_sigma[0])) + log_sigma[0]
    numeric = np.where(np.isnan(number), 0, numeric + np.log(2 * np.pi) / 2)
    binary = np.where(two == 2, 3.0, np.logaddexp(0, x[:, 1]) - two * x[:, 1])
    logits = x[:, 2:]
    picked = np.take_along_axis(logits, np.nan_to_num(levels).astype(int)[:, None] % 3, 1)[:, 0]
    three = np.where(np.isnan(levels), 0, np.log(np.exp(logits).sum(1)) - picked)
    return numeric + binary + three


def mixed_target(rng: np.random.Generator) -> np.ndarray:
    found = np.stack(
        [rng.standard_normal(9), rng.integers(0, 3, 9), rng.integers(0, 2, 9)], 1
    ).astype(np.float32)
    found[0, 0] = found[1, 1] = np.nan
    found[2, 2] = 2  # a level that nobody has seen
    return found


def loss_cases() -> list[TapeCase]:
    found = []
    for kind in ("mse", "l1", "huber", "bce_with_logits", "poisson"):
        reference = flat(getattr(twin, kind))
        for x, masked in (
            ((5, 7), False),
            ((5, 7), True),
            ((3, 2, 4, 1), False),
            ((0, 3), False),
            ((1, 1), True),
            ((33, 65), True),
        ):
            table = x[0], int(np.prod(x[1:]))
            target = above(0, *table) if kind in ("bce_with_logits", "poisson") else table
            constants = [target, bits(*table)] if masked else [target]
            label = f"{kind},{name_of([x])},{masked}"
            how = {"constants": constants, "reference": reference}
            found.append(TapeCase("Elementwise", late(kind), [x], label, **how))
    for x, labels, masked in (
        ((5, 4), (5, 1), False),
        ((5, 3, 4), (5, 3), True),
        ((2, 2, 3, 5), (2, 6), False),
        ((0, 3), (0, 1), False),
        ((17, 3, 33), (17, 3), True),
    ):
        constants: list[Draw] = [integers(x[-1], *labels)]
        found.append(
            TapeCase(
                "CrossEntropy",
                losses.CrossEntropy,
                [x],
                f"{name_of([x])},{masked}",
                cross_entropy,
                constants=constants + [bits(*labels)] * masked,
            )
        )
    for x, masked in (((5, 7), False), ((5, 2, 3), True), ((0, 3), False), ((1, 1), False)):
        table = x[0], int(np.prod(x[1:]))
        apply = losses.Gaussian if masked else lambda x, t, s: losses.Gaussian(x, t, None, s)
        found.append(
            TapeCase(
                "Gaussian",
                apply,
                [x],
                f"{name_of([x])},{masked}",
                gaussian,
                constants=[table] + [bits(*table)] * masked,
                parameters=[scaled(0.3, 1)],
            )
        )
    for x, masked in (((5, 7), False), ((5, 2, 3), True), ((0, 3), False), ((1, 1), False)):
        table = above(0, x[0], int(np.prod(x[1:])))
        constants = [table] + [bits(x[0], int(np.prod(x[1:])))] * masked
        how = {"constants": constants, "parameters": [scaled(0.3, x[-1])]}
        label, late_theta = f"{name_of([x])},{masked}", losses.NegativeBinomial
        apply = late_theta if masked else lambda x, t, p: losses.NegativeBinomial(x, t, None, p)
        found.append(TapeCase("NegativeBinomial", apply, [x], label, negative_binomial, **how))
        how = {"constants": constants}
        found.append(TapeCase("Multinomial", losses.Multinomial, [x], label, multinomial, **how))
    found.append(
        TapeCase(
            "Mixed",
            mixed_loss,
            [(9, 5)],
            "",
            mixed_twin,
            constants=[mixed_target],
            parameters=[scaled(0.3, 1)],
        )
    )
    return found


# ---- estimates ----------------------------------------------------------------------------------


def estimated(divergence: Any) -> Callable[..., Any]:
    def apply(z: Any, mean: Any, logvar: Any, prior: Any) -> tuple[Any, ...]:
        return tuple(divergences.Estimated(divergence, z, mean, logvar, prior, 40).terms.values())

    return apply


def mmd(kernel: str) -> Callable[..., Any]:
    def pairs(a: Any, b: Any) -> Any:
        square = ((a[:, None] - b) ** 2).sum(-1)
        scales = [2 * a.shape[1] * s for s in (0.5, 2.0)]
        if kernel == "imq":
            return sum(c / (c + square) for c in scales) / 2
        return sum(np.exp(-square / c) for c in scales) / 2

    def reference(z: Any, mean: Any, logvar: Any, prior: Any) -> Any:
        n = len(z)
        apart = ~np.eye(n, dtype=bool)
        own = (pairs(z, z) + pairs(prior, prior))[apart].sum() / max(1, n * (n - 1))
        found = own - 2 * pairs(z, prior).mean()
        return np.full(n, found if n > 1 else 0.0)

    return reference


def total_correlation(z: Any, mean: Any, logvar: Any, prior: Any) -> tuple[Any, ...]:
    n, total = len(z), 40
    gap = z[:, None] - mean  # i, j, k
    density = -0.5 * (gap**2 / np.exp(logvar) + logvar + np.log(2 * np.pi))
    shares = np.where(np.eye(n), 1 / total, (total - 1) / (total * max(1, n - 1)))
    shares = np.ones((1, 1)) if n == 1 else shares
    own = density.sum(2)[np.arange(n), np.arange(n)]
    whole = np.log((np.exp(density.sum(2)) * shares).sum(1))
    single = np.log((np.exp(density) * shares[..., None]).sum(1)).sum(1)
    normal = -0.5 * (z**2 + np.log(2 * np.pi)).sum(1)
    parts = own - whole, whole - single, single - normal
    return tuple(np.full(n, part.mean()) for part in parts)


def jacobian(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    h = products.Linear(x, w1, b1, "tanh")
    y = elementwise.activation(products.Linear(h, w2, b2), "softplus")
    return JacobianNorm(x, y, 2, 0.7, lambda g: g)


def jacobian_twin(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    h = np.tanh(x @ w1.T + b1)
    slope = 1 / (1 + np.exp(-(h @ w2.T + b2)))
    j = np.einsum("nk,kh,nh,hf->nkf", slope, w2, 1 - h**2, w1)
    return 0.7 * (j[:, :2] ** 2).sum((1, 2))


class OldScale(Module):
    """A layer of 0.1.0."""

    def __init__(self, weight: Any) -> None:
        self.weight = weight

    def output_shape(self, shape: Any) -> Any:
        return shape

    def forward(self, x: Any, training: bool = False) -> Any:
        self._kept = x
        return x * self.weight.value

    def backward(self, grad: Any) -> Any:
        if self.weight.learns:
            self.weight.grad += (grad * self._kept).sum(0)
        return grad * self.weight.value


def other_cases() -> list[TapeCase]:
    found = []
    for n, d in ((7, 2), (1, 3), (23, 4)):
        inputs = [(n, d), (n, d), scaled(0.5, n, d)]
        for kernel in ("imq", "rbf"):
            chosen = divergences.MMD(1.0, kernel, (0.5, 2.0))
            how = {"constants": [(n, d)], "reference": mmd(kernel)}
            label = f"MMD,{kernel},{n}x{d}"
            found.append(TapeCase("Estimated", estimated(chosen), inputs, label, **how))
        how = {"constants": [(n, d)], "reference": total_correlation}
        chosen, label = divergences.TotalCorrelation(), f"TotalCorrelation,{n}x{d}"
        found.append(TapeCase("Estimated", estimated(chosen), inputs, label, **how))
    for n in (5, 1, 0):
        found.append(
            TapeCase(
                "JacobianNorm",
                jacobian,
                [(n, 4)],
                f"{n}x4",
                jacobian_twin,
                parameters=[(3, 4), (3,), (3, 3), (3,)],
                differentiable=(1, 2, 3, 4),
                records=True,
                flops=2 * n * (4 * 3 + 3 * 3),
            )
        )
    for kind in sorted(_core.ACTIVATIONS):
        for shape in ((3, 5), (0, 4), (2, 3, 1), (67, 33)):
            found.append(
                TapeCase(
                    "Activation",
                    lambda x, k=kind: elementwise.activation(x, k),
                    [shape],
                    f"{kind},{name_of([shape])}",
                    lambda x, k=kind: twin.activate(x, k),
                )
            )
    for shape in ((5, 7), (0, 3), (33, 65)):

        def dropout(x: Any) -> Any:
            kept = twin.random_uniform(x.shape, 5, 11, DROPOUT) >= np.float32(0.3)
            return np.where(kept, x / (1 - 0.3), 0.0)

        apply = lambda x: elementwise.Dropout(x, 0.3, 5, 11)  # noqa: E731
        how = {"reference": dropout, "training": True}
        found.append(TapeCase("Dropout", apply, [shape], name_of([shape]), **how))
    times = lambda x, w: x * w  # noqa: E731
    found.append(TapeCase("Parameter", times, [(3, 5)], "", times, parameters=[(5,)]))
    found.append(
        TapeCase(
            "Parameter", operator.matmul, [(3, 5)], "@", parameters=[(5, 4)], flops=2 * 3 * 5 * 4
        )
    )
    old = lambda x, w: OldScale(w)(x)  # noqa: E731
    found.append(TapeCase("OldLayer", old, [(3, 5)], "", times, parameters=[(5,)]))
    return found


CASES: list[TapeCase] = [
    *NUMPY,
    *linear_cases(),
    *conv_cases(),
    *norm_cases(),
    *image_cases(),
    *table_cases(),
    *sequence_cases(),
    *latent_cases(),
    *mixture_cases(),
    *cluster_cases(),
    *quantizer_cases(),
    *loss_cases(),
    *other_cases(),
]
