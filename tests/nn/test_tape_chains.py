"""Random programs of a few ops: the tape's gradients beside differences and PyTorch's."""

import numpy as np
import pytest
import twin
from aecore import _core, nn
from aecore.nn.ops.elementwise import activation
from aecore.nn.ops.products import FUSED, Linear
from aecore.nn.tape import Value

PROGRAMS = 150
KINDS = sorted(set(_core.ACTIVATIONS) - {"linear"})


# ---- what a program may do ----------------------------------------------------------------------


class Numpy:
    """Functions of values, and of float64 arrays."""

    exp, tanh, sin, cos, sqrt, log1p, log, expm1 = (
        np.exp, np.tanh, np.sin, np.cos, np.sqrt, np.log1p, np.log, np.expm1
    )  # fmt: skip
    where, maximum, minimum, transpose, stack = (
        np.where, np.maximum, np.minimum, np.transpose, np.stack
    )  # fmt: skip
    reshape, broadcast_to, concatenate = np.reshape, np.broadcast_to, np.concatenate
    sum, mean, max, min, var = np.sum, np.mean, np.max, np.min, np.var

    @staticmethod
    def clip(x, low, high):
        return np.clip(x, low, high)

    @staticmethod
    def repeat(x, times):
        return np.repeat(x, times, axis=0)

    @staticmethod
    def act(x, kind):
        return activation(x, kind) if isinstance(x, Value) else twin.activate(x, kind)

    @staticmethod
    def linear(x, w, b, kind):
        if isinstance(x, Value):
            return Linear(x, w, b, kind)
        return twin.activate(twin.linear(x, w, b), kind)


def torchs(torch):
    """Return the same functions of PyTorch's."""
    f = torch.nn.functional
    acts = {"relu": torch.relu, "leaky_relu": f.leaky_relu, "elu": f.elu, "tanh": torch.tanh,
            "sigmoid": torch.sigmoid, "softplus": f.softplus, "gelu": f.gelu, "silu": f.silu,
            None: lambda x: x}  # fmt: skip

    class Torch:
        exp, tanh, sin, cos, sqrt, log1p, log, expm1 = (
            torch.exp, torch.tanh, torch.sin, torch.cos, torch.sqrt, torch.log1p, torch.log,
            torch.expm1,
        )  # fmt: skip
        maximum, minimum, reshape = torch.maximum, torch.minimum, torch.reshape
        broadcast_to, concatenate, stack = torch.broadcast_to, torch.cat, torch.stack
        sum, mean, max, min = torch.sum, torch.mean, torch.amax, torch.amin
        transpose = staticmethod(lambda x, axes: x.permute(axes))
        where = staticmethod(lambda c, a, b: torch.where(torch.from_numpy(c), a, b))
        clip = staticmethod(lambda x, low, high: torch.clip(x, low, high))
        repeat = staticmethod(lambda x, times: x.repeat_interleave(times, 0))
        act = staticmethod(lambda x, kind: acts[kind](x))
        linear = staticmethod(lambda x, w, b, kind: acts[kind](f.linear(x, w, b)))
        var = staticmethod(lambda x, axis, keepdims: x.var(axis, correction=0, keepdim=keepdims))

    return Torch


UNARY = {
    "tanh": lambda m, x: m.tanh(x),
    "sin": lambda m, x: m.sin(x),
    "cos": lambda m, x: m.cos(x),
    "exp": lambda m, x: m.exp(m.tanh(x)),
    "expm1": lambda m, x: m.expm1(m.sin(x)),
    "sqrt": lambda m, x: m.sqrt(x * x + 1),
    "log": lambda m, x: m.log(abs(x) + 0.5),
    "log1p": lambda m, x: m.log1p(x**2),
    "cube": lambda m, x: m.tanh(x) ** 3,
    "negative": lambda m, x: -x,
    "reverse": lambda m, x: 1.5 - x / 2,
    "over": lambda m, x: 2 / (x * x + 1),
    "clip": lambda m, x: m.clip(x, -0.8, 0.9),
    "softmax": lambda m, x: m.exp(x - m.max(x, 0)) / m.sum(m.exp(x - m.max(x, 0)), 0),
}
BINARY = {
    "add": lambda m, x, y: x + y,
    "subtract": lambda m, x, y: x - y,
    "multiply": lambda m, x, y: x * y,
    "divide": lambda m, x, y: x / (1 + y * y),
    "maximum": lambda m, x, y: m.maximum(x, y),
    "minimum": lambda m, x, y: m.minimum(x, y),
    "power": lambda m, x, y: (1 + x * x) ** m.tanh(y),
}


class Program:
    """Steps from leaves to values, made at random for shapes at hand.

    Attributes
    ----------
    leaves : list of ndarray of float64
    parameters : set of int
        Which leaves are parameters.
    steps : list of (function, tuple of int)
        Of a namespace and earlier values, by their places.
    """

    def __init__(self, rng):
        self.rng, self.leaves, self.parameters, self.steps = rng, [], set(), []
        self.values = []  # in float64
        for _ in range(rng.integers(1, 3)):
            self.leaf(tuple(rng.integers(1, 5, rng.integers(1, 4))))
        for _ in range(rng.integers(2, 9)):
            i = len(self.values) - 1 if rng.random() < 0.7 else self.any()
            getattr(self, rng.choice(MOVES))(i)
            if np.abs(self.values[-1]).max(initial=0) > 20:
                self.step(lambda m, x: m.tanh(x / 8), len(self.values) - 1)

    def any(self):
        return int(self.rng.integers(len(self.values)))

    def leaf(self, shape, *, parameter=False):
        """Add a leaf; return its place."""
        # numbers that float32 has
        array = self.rng.standard_normal(shape).astype(np.float32).astype(np.float64)
        if parameter:
            self.parameters.add(len(self.leaves))
        self.leaves.append(array)
        self.values.append(array)
        self.steps.append((None, (len(self.leaves) - 1,)))
        return len(self.values) - 1

    def step(self, function, *places):
        self.steps.append((function, places))
        self.values.append(function(Numpy, *(self.values[i] for i in places)))

    def run(self, m, leaves):
        """Return all values from the leaves'."""
        values = []
        for function, places in self.steps:
            if function is None:
                values.append(leaves[places[0]])
            else:
                values.append(function(m, *(values[i] for i in places)))
        return values

    # ---- moves --------------------------------------------------------------------------------

    def unary(self, i):
        kinds = [k for k in UNARY if k != "softmax" or self.values[i].ndim]
        self.step(UNARY[self.rng.choice(kinds)], i)

    def act(self, i):
        kind = str(self.rng.choice(KINDS))
        self.step(lambda m, x: m.act(x, kind), i)

    def binary(self, i):
        """With an earlier value that broadcasts, or with a new leaf."""
        shape = self.values[i].shape
        fit = [j for j, v in enumerate(self.values) if broadcasts(v.shape, shape)]
        if self.rng.random() < 0.2 or not fit:
            thin = tuple(n if self.rng.random() < 0.6 else 1 for n in shape)
            fit = [self.leaf(thin[self.rng.integers(0, len(thin) + 1) :])]
        j = int(self.rng.choice(fit))
        pair = (i, j) if self.rng.random() < 0.5 else (j, i)
        self.step(BINARY[self.rng.choice(list(BINARY))], *pair)

    def where(self, i):
        shape = self.values[i].shape
        flags = self.rng.random(shape) < 0.5
        self.step(lambda m, x: m.where(flags, x, m.tanh(x)), i)

    def reduce(self, i):
        ndim, rng = self.values[i].ndim, self.rng
        if ndim == 0:
            return self.unary(i)
        name = str(rng.choice(["sum", "mean", "max", "min", "var"]))
        axes = tuple(int(a) for a in rng.permutation(ndim)[: rng.integers(1, ndim + 1)])
        keepdims = bool(rng.random() < 0.5)
        return self.step(lambda m, x: getattr(m, name)(x, axis=axes, keepdims=keepdims), i)

    def reshape(self, i):
        size, rng = self.values[i].size, self.rng
        divisors = [d for d in range(1, size + 1) if size % d == 0] or [1]
        first = int(rng.choice(divisors))
        self.step(lambda m, x: m.reshape(x, (first, -1)), i)

    def transpose(self, i):
        axes = tuple(int(a) for a in self.rng.permutation(self.values[i].ndim))
        self.step(lambda m, x: m.transpose(x, axes), i)

    def part(self, i):
        shape, rng = self.values[i].shape, self.rng
        if not shape:
            return self.unary(i)
        choices = [slice(None), slice(0, -1), slice(None, None, 2), slice(1, None)]
        index = []
        for n in shape:
            some = [0, n - 1] if len(shape) > 1 else []
            some += [c for c in choices if len(range(n)[c])]
            index.append(some[rng.integers(len(some))])
        return self.step(lambda m, x: x[tuple(index)], i)

    def rows(self, i):
        shape = self.values[i].shape
        if not shape:
            return self.unary(i)
        index = self.rng.integers(0, shape[0], self.rng.integers(1, 6))
        return self.step(lambda m, x: x[index], i)

    def beside(self, i):
        shape = self.values[i].shape
        if not shape:
            return self.unary(i)
        axis = int(self.rng.integers(len(shape)))
        rest = lambda s: s[:axis] + s[axis + 1 :]  # noqa: E731
        same = [
            j for j, v in enumerate(self.values)
            if v.ndim == len(shape) and rest(v.shape) == rest(shape)
        ]  # fmt: skip
        j = int(self.rng.choice(same))
        if self.values[j].shape == shape and self.rng.random() < 0.5:
            return self.step(lambda m, x, y: m.stack([x, y], axis), i, j)
        return self.step(lambda m, x, y: m.concatenate([x, y, x], axis), i, j)

    def wider(self, i):
        shape, times = self.values[i].shape, int(self.rng.integers(1, 4))
        if shape and self.rng.random() < 0.5:
            return self.step(lambda m, x: m.repeat(x, times), i)
        return self.step(lambda m, x: m.broadcast_to(x, (times, *shape)), i)

    def matmul(self, i):
        shape = self.values[i].shape
        if not shape:
            return self.unary(i)
        fit = [j for j, v in enumerate(self.values) if v.ndim == 2 and v.shape[0] == shape[-1]]
        if not fit or self.rng.random() < 0.3:
            new = shape[-1], int(self.rng.integers(1, 4))
            fit = [self.leaf(new, parameter=self.rng.random() < 0.5)]
        return self.step(lambda m, x, y: x @ y, i, int(self.rng.choice(fit)))

    def linear(self, i):
        """A layer, perhaps with a sum that it takes along."""
        value, rng = self.values[i], self.rng
        if value.ndim != 2:
            self.step(lambda m, x: m.reshape(x, (1, -1)), i)
            i, value = len(self.values) - 1, self.values[-1]
        width = value.shape[1] if rng.random() < 0.5 else int(rng.integers(1, 5))
        w = self.leaf((width, value.shape[1]), parameter=True)
        b = self.leaf((width,), parameter=True)
        kind = str(rng.choice(sorted(FUSED))) if rng.random() < 0.6 else None
        if width == value.shape[1] and rng.random() < 0.6:
            self.step(lambda m, x, w, b: x + m.linear(x, w, b, kind), i, w, b)
        else:
            self.step(lambda m, x, w, b: m.linear(x, w, b, kind), i, w, b)


MOVES = ["unary", "act", "binary", "binary", "where", "reduce", "reshape", "transpose", "part",
         "rows", "beside", "wider", "matmul", "linear", "linear"]  # fmt: skip


def broadcasts(a, b):
    try:
        return np.prod(np.broadcast_shapes(a, b)) <= 200
    except ValueError:
        return False


# ---- the tests ----------------------------------------------------------------------------------


@pytest.fixture(params=range(PROGRAMS))
def program(request):
    return Program(np.random.default_rng([7, request.param]))


def ends_of(program):
    """Return where the walk back begins, the last value and an earlier one, and the gradients."""
    rng = np.random.default_rng(0)
    places = [len(program.values) - 1, program.any()]
    return [(i, rng.standard_normal(program.values[i].shape).astype("f4")) for i in places]


def on_a_tape(program, ends, tape):
    """Return all values and the gradients of leaves."""
    tape.start(records=True)
    leaves = []
    for i, leaf in enumerate(program.leaves):
        if i in program.parameters:
            leaves.append(nn.Parameter(leaf.shape))
            leaves[-1].value[...] = leaf
        else:
            leaves.append(tape.variable(leaf.astype(np.float32)))
    with tape:
        values = program.run(Numpy, leaves)
        found = [np.array(values[i]) for i, _ in ends]
        tape.backward(*((values[i], w) for i, w in ends if isinstance(values[i], Value)))
    for i, w in ends:
        if isinstance(values[i], nn.Parameter):
            values[i].grad += w
    zeros = [np.zeros(leaf.shape, np.float32) for leaf in program.leaves]
    grads = [z if x.grad is None else x.grad.copy() for x, z in zip(leaves, zeros, strict=True)]
    return found, grads


def test_against_differences(program, rng):
    ends, tape = ends_of(program), nn.Tape()
    found, grads = on_a_tape(program, ends, tape)
    for y, (i, _) in zip(found, ends, strict=True):
        want = program.values[i]
        assert y.shape == want.shape
        np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5 * max(1, np.abs(want).max()))
    for i, grad in enumerate(grads):
        for _ in range(3):
            way, sums = rng.standard_normal(grad.shape), []
            for sign in (1, -1):
                leaves = list(program.leaves)
                leaves[i] = leaves[i] + sign * 1e-6 * way
                values = program.run(Numpy, leaves)
                sums.append(sum((w * values[j]).sum() for j, w in ends))
            slope = (sums[0] - sums[1]) / 2e-6
            size = max(np.linalg.norm(grad), abs(slope), 1e-2)
            assert abs((grad * way).sum() - slope) <= 1e-4 * size
    nbytes = tape.nbytes
    again = on_a_tape(program, ends, tape)
    for a, b in zip(found + grads, again[0] + again[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert tape.nbytes == nbytes


@pytest.mark.parity
def test_against_pytorch(program):
    torch = pytest.importorskip("torch")
    ends = ends_of(program)
    found, grads = on_a_tape(program, ends, nn.Tape())
    leaves = [torch.from_numpy(leaf).requires_grad_() for leaf in program.leaves]
    values = program.run(torchs(torch), leaves)
    sum((torch.from_numpy(w.astype("f8")) * values[i]).sum() for i, w in ends).backward()
    for y, (i, _) in zip(found, ends, strict=True):
        want = values[i].detach().numpy()
        np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5 * max(1, np.abs(want).max()))
    for grad, leaf in zip(grads, leaves, strict=True):
        want = np.zeros(grad.shape) if leaf.grad is None else leaf.grad.numpy()
        atol = 1e-4 * max(1e-2, np.abs(want).max(initial=0))
        np.testing.assert_allclose(grad, want, rtol=1e-3, atol=atol)
