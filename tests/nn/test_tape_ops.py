"""Every op of the tape, and all of NumPy that works on values, from one table: cases/tape.py."""

import contextlib
import importlib
import pkgutil

import aecore
import numpy as np
import pytest
from aecore import nn
from aecore.nn.columns import Columns
from aecore.nn.module import _Old
from aecore.nn.ops import (
    clusters,
    latent,
    losses,
    norms,
    pooling,
    products,
    products1d,
    quantize,
    sequences,
)
from aecore.nn.ops import sizes as resizing
from aecore.nn.ops.elementwise import Binary, Unary, activation
from aecore.nn.ops.embedding import Embedding
from aecore.nn.ops.gated import GatedTanh
from aecore.nn.ops.kept import KeepLargest
from aecore.nn.ops.mixture import MixtureDensity
from aecore.nn.ops.reductions import Reduction
from aecore.nn.ops.shapes import ConcatCondition, _One
from aecore.nn.tape import FUNCTIONS, UFUNCS, Op, current, flops
from cases.tape import CASES, draw
from conftest import ISAS

THREADS = (1, 2, 3)
ABSTRACT = {
    Op, Binary, Unary, Reduction, resizing._Resized, _One, sequences._Recurrent,
    losses.Late, norms._Norm, norms._Whole, products.Product,
}  # fmt: skip


class Given:
    """What a case is run with."""

    def __init__(self, case, rng):
        self.case = case
        specs = case.inputs, case.constants, case.parameters
        self.inputs, self.constants, self.arrays = ([draw(s, rng) for s in each] for each in specs)
        self.parameters = []
        for array in self.arrays:
            made = nn.Parameter(array.shape)
            made.value[...] = array
            self.parameters.append(made)
        self.lengths = None if case.lengths is None else np.array(case.lengths)

    def doubles(self):
        """Return all in float64: values, then constants, then parameters."""
        return [
            a.astype(np.float64) if a.dtype == np.float32 else a
            for a in (*self.inputs, *self.constants, *self.arrays)
        ]

    def place(self, i):
        """Return where in `doubles` a value or parameter is."""
        return i if i < len(self.inputs) else i + len(self.constants)

    def tape(self, **options):
        tape = nn.Tape(training=self.case.training, lengths=self.lengths, **options)
        return tape

    def apply(self, values):
        return several(self.case.apply(*values, *self.constants, *self.parameters))

    def run(self, weights=None, *, wanted=None, records=True):
        """Return the outputs and all gradients, None for those that there aren't."""
        tape, n = self.tape(records=records), len(self.inputs)
        with tape:
            values = [
                tape.variable(x) if wanted is None or i in wanted else tape.constant(x)
                for i, x in enumerate(self.inputs)
            ]
            for i, p in enumerate(self.parameters):
                p.grad = np.zeros_like(p.value)
                p.learns = wanted is None or i + n in wanted
            outputs = self.apply(values)
            seen = [y.data.copy() for y in outputs]
            if weights is not None:
                tape.backward(*zip(outputs, weights, strict=True))
        return seen, [v.grad for v in values] + [p.grad.copy() for p in self.parameters]

    def outputs(self, arrays, function=None):
        function = function or self.case.reference or self.case.apply
        return [np.asarray(y, np.float64) for y in several(function(*arrays))]

    def slopes(self, weights, rng):
        """Yield (position, direction, slope) by differences of the float64 reference."""
        base = self.doubles()
        function = self.case.surrogate(*base) if self.case.surrogate else None
        step = 1e-6
        for i in self.case.which:
            shape = base[self.place(i)].shape
            size = int(np.prod(shape))
            ways = [rng.standard_normal(shape) for _ in range(2)]
            ways += [np.eye(1, size, k).reshape(shape) for k in rng.permutation(size)[:4]]
            for way in ways if size else []:
                ends = []
                for sign in (1, -1):
                    moved = list(base)
                    moved[self.place(i)] = base[self.place(i)] + sign * step * way
                    ys = self.outputs(moved, function)
                    ends.append(sum((w * y).sum() for w, y in zip(weights, ys, strict=True)))
                yield i, way, (ends[0] - ends[1]) / (2 * step)


def several(found):
    return list(found) if isinstance(found, (tuple, list)) else [found]


def largest(a):
    return float(np.abs(a).max(initial=0))


def weights_of(case, outputs, rng):
    shapes = [y.shape for y in outputs]
    if case.weights is not None:
        return case.weights(rng, shapes)
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def compare(got, want, case, what):
    assert got.dtype == case.dtype and got.shape == want.shape, what
    atol = case.tolerance * max(1.0, largest(want))
    np.testing.assert_allclose(got, want, rtol=case.tolerance, atol=atol, err_msg=what)


def same_bits(a, b):
    return all(
        (x is None) == (y is None) and (x is None or x.tobytes() == y.tobytes())
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case, rng, workspace):
    """In all instruction sets against float64, with the same bits for all numbers of threads."""
    given = Given(case, rng)
    before = [a.copy() for a in given.inputs]
    want = given.outputs(given.doubles())
    weights = weights_of(case, want, rng)
    slopes = list(given.slopes(weights, rng))
    for isa in ISAS:
        workspace(1, isa)
        ys, grads = given.run(weights)
        assert len(ys) == len(want)
        for i, (y, w) in enumerate(zip(ys, want, strict=True)):
            compare(y, w, case, f"output {i}, {isa}")
        shapes = [a.shape for a in (*given.inputs, *given.arrays)]
        for i in case.which:
            if grads[i] is None:  # nothing was added
                grads[i] = np.zeros(shapes[i], np.float32)
            assert grads[i].shape == shapes[i] and grads[i].dtype == np.float32
        for i, way, slope in slopes:
            got = (grads[i].astype(np.float64) * way).sum()
            size = max(np.linalg.norm(grads[i]), 1e-3)
            assert abs(got - slope) <= case.tolerance * max(size, abs(slope)), (isa, i, got, slope)
        for threads in THREADS[1:]:
            workspace(threads, isa)
            again = given.run(weights)
            assert same_bits(ys, again[0]), f"output, {threads} threads, {isa}"
            known = [g for i, g in enumerate(again[1]) if g is not None]
            assert same_bits([g for i, g in enumerate(grads) if again[1][i] is not None], known)
    for a, b in zip(given.inputs, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_one_at_a_time(case, rng):
    """Where only one is wanted it is the same, and nothing else gets any."""
    given = Given(case, rng)
    ys, _ = given.run()
    weights = weights_of(case, ys, rng)
    _, together = given.run(weights)
    for i in case.which:
        _, alone = given.run(weights, wanted=(i,))
        for j, grad in enumerate(alone):
            if j == i and together[i] is not None:
                assert grad is not None, f"gradient {i} is lost when it is wanted alone"
                size = largest(together[i])
                np.testing.assert_allclose(grad, together[i], rtol=1e-5, atol=1e-6 * size)
            elif j != i:
                assert grad is None or not grad.any(), f"{j} has a gradient that nobody wants"


@pytest.mark.parametrize("case", [c for c in CASES if not c.records], ids=str)
def test_without_a_way_back(case, rng):
    given = Given(case, rng)
    assert same_bits(given.run()[0], given.run(records=False)[0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_and_cost_without_numbers(case, rng):
    given = Given(case, rng)
    ys, _ = given.run()
    with given.tape(abstract=True) as tape:
        outputs = given.apply([tape.placeholder(x.shape) for x in given.inputs])
    assert [y.shape for y in outputs] == [y.shape for y in ys]
    for op in tape.record:
        assert type(op.flops()) is int and op.flops() >= 0
    assert flops(tape.record) == case.flops


def v(*shape):
    """Return a value on the test's tape."""
    return current().variable(np.ones(shape, np.float32))


def p(*shape):
    return nn.Parameter(shape)


def a(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


# ---- where there is a choice --------------------------------------------------------------------


def slopes_at(function, *arrays):
    """Return the gradients of the sum of a function's values."""
    tape = nn.Tape()
    values = [tape.variable(np.array(x, np.float32)) for x in arrays]
    tape.backward(function(*values).sum())
    return [v.grad.tolist() for v in values]


def test_equal_numbers_give_their_gradient_as_is_said():
    for larger in (np.maximum, np.minimum):  # to the first
        assert slopes_at(larger, [1, 2], [1, 2]) == [[1, 1], [0, 0]]
    for largest_of in (np.max, np.min):  # to each the same share
        assert slopes_at(lambda x, f=largest_of: f(x, 1), [[3, 3], [5, 5]]) == [[[0.5, 0.5]] * 2]
        assert slopes_at(largest_of, [3, 3, 3, 3]) == [[0.25] * 4]
    assert slopes_at(lambda x: np.clip(x, -1, 1), [-1, 1, -2, 2]) == [[1, 1, 0, 0]]


def test_slopes_at_zero():
    assert slopes_at(abs, [0, -2, 2]) == [[0, -1, 1]]
    assert slopes_at(np.power, [0, 0, 0, 2], [0, 1, 2, 0]) == [
        [0, 1, 0, 0],
        [0, 0, 0, np.float32(np.log(2))],
    ]
    assert slopes_at(lambda x: x**0, [0, -3]) == [[0, 0]]
    assert slopes_at(lambda x: x**2, [0, -3]) == [[0, -6]]
    assert slopes_at(lambda x: x**3, [0, -1]) == [[0, 3]]
    for kind, slope in (("relu", 0), ("leaky_relu", np.float32(0.01)), ("elu", 1), ("tanh", 1)):
        assert slopes_at(lambda x, k=kind: activation(x, k), [0]) == [[slope]]


def test_an_activation_that_is_none():
    tape = nn.Tape()
    x = tape.variable(a(2, 3))
    assert activation(x, "linear") is x


# ---- as ONNX ------------------------------------------------------------------------------------

NO_FORM = {  # of ops that have one otherwise
    "getitem": {"an array", "a list", "two arrays", "an array and a slice", "a mask",
                "a list of bool"},
}  # fmt: skip


def has_form(op):
    return type(op).onnx not in (Op.onnx, _Old.onnx)


def exported(given):
    """Return a case as an ONNX file, and its inputs by name."""
    from aecore.exchange._graph import Body, Graph
    from aecore.exchange._onnx import _checked

    graph, inputs, values = Graph(), {}, []
    with given.tape(abstract=True) as tape:
        for i, x in enumerate(given.inputs):
            if i in given.case.onnx_constants:
                values.append(tape.constant(x))
                continue
            values.append(tape.placeholder(x.shape))
            graph.call(values[-1], f"x{i}")
            inputs[f"x{i}"] = x
        forms = [(name, ["FLOAT", *x.shape]) for name, x in inputs.items()]
        if given.lengths is not None:
            graph.lengths, inputs["lengths"] = "lengths", given.lengths
            forms.append(("lengths", ["INT64", len(given.lengths)]))
        y = given.apply(values)[given.case.exported]
        graph.walk(tape)
        graph.finish(graph.of(y), "y")
    return _checked(Body(graph, forms, [("y", ["FLOAT", *y.shape])]), "case"), inputs


def may_be_exported(case):
    if case.training or case.exported is None:
        return False
    draws = np.random.default_rng(0)  # ONNX and its runtime stumble over what is empty
    return all(draw(s, draws).size for s in (*case.inputs, *case.parameters))


@pytest.mark.parametrize("case", [c for c in CASES if may_be_exported(c)], ids=str)
def test_in_onnx(case, rng):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    given = Given(case, rng)
    with given.tape(abstract=True) as tape:
        given.apply([tape.placeholder(x.shape) for x in given.inputs])
    formless = case.label in NO_FORM.get(case.name, ())
    if formless or not all(map(has_form, tape.record)):
        with pytest.raises(NotImplementedError, match="form in ONNX"):
            exported(given)
        return
    file, inputs = exported(given)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    there = {one.name for one in session.get_inputs()}
    (got,) = session.run(None, {name: x for name, x in inputs.items() if name in there})
    want = given.run()[0][case.exported]
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * max(1.0, largest(want)))


def test_what_is_made_of_samples_has_no_form_in_onnx():
    """Without samples a comparison has no result that a graph could have."""
    from aecore.exchange._graph import SAMPLES, Graph

    for compare_with in (lambda x: x * (x > 0), lambda x: np.round(1.5) + np.sign(x) * x):
        with nn.Tape(abstract=True) as tape:
            x = tape.placeholder((SAMPLES, 3))
            compare_with(x)
        graph = Graph()
        graph.call(x, "x")
        with pytest.raises(NotImplementedError, match="expected no comparison or rounding"):
            graph.walk(tape)


# ---- what is refused ----------------------------------------------------------------------------


WRONG = {
    "add": [(lambda: v(3, 4) + v(3, 5), "broadcast")],
    "where": [(lambda: np.where(a(2) > 0, v(3), 0), "broadcast")],
    "reshape": [
        (lambda: np.reshape(v(3, 4), (5, 2)), r"expected 12 values, as \(3, 4\) has, got \(5, 2\)"),
        (lambda: v(3, 4).reshape(5, -1), r"got \(5, -1\)"),
        (lambda: v(3, 4).reshape(-1, -1), r"got \(-1, -1\)"),
        (lambda: v(0, 4).reshape(0, -1), r"got \(0, -1\)"),
        (lambda: v(4).reshape(-2, -2), r"shape: expected 4 values, .*, got \(-2, -2\)"),
    ],
    "transpose": [
        (lambda: np.transpose(v(3, 4), (0, 0)), r"expected one of 2 axes, each once, got \(0, 0\)"),
        (lambda: np.transpose(v(3, 4), (0, 3)), "expected one of 2 axes"),
        (lambda: np.transpose(v(3, 4, 5), (0, 1)), r"expected an order of 3 axes, got \(0, 1\)"),
    ],
    "concatenate": [
        (lambda: np.concatenate([v(3, 4), v(3, 5)]),
         "concatenate: expected shapes that differ in axis 0"),
        (lambda: np.concatenate([v(3, 4), v(3)], 1), "shapes that differ in axis 1 alone"),
        (lambda: np.concatenate([v(3, 4), v(3, 4)], 2), "axis: expected one of 2 axes"),
    ],
    "stack": [
        (lambda: np.stack([v(3, 4), v(3, 5)]), "shapes that differ in axis 0 alone"),
        (lambda: np.stack([v(3, 4), v(3, 4)], 3), "axis: expected one of 3 axes, each once, got 3"),
    ],
    "expand_dims": [
        (lambda: np.expand_dims(v(3, 4), 3), "axis: expected one of 3 axes"),
        (lambda: np.expand_dims(v(3, 4), (0, -4)), "axis: expected one of 4 axes, each once"),
    ],
    "squeeze": [
        (lambda: np.squeeze(v(1, 3), 1), r"axis: expected axes of size 1 of the shape \(1, 3\)"),
        (lambda: np.squeeze(v(1, 3), 2), "axis: expected one of 2 axes"),
    ],
    "swapaxes": [(lambda: np.swapaxes(v(1, 3), 0, 2), "axis: expected one of 2 axes, .* got 2")],
    "moveaxis": [(lambda: np.moveaxis(v(1, 3), -3, 0), "axis: expected one of 2 axes, .* got -3")],
    "broadcast_to": [
        (lambda: np.broadcast_to(v(3), (3, 4)), "broadcast"),
        (lambda: np.broadcast_to(v(2, 3), (3,)), r"one that \(2, 3\) broadcasts to, got \(3,\)"),
    ],
    "repeat": [
        (lambda: np.repeat(v(3, 4), 2, axis=1), "expected a number of times along axis 0"),
        (lambda: np.repeat(v(3, 4), [1, 2, 1], axis=0), "expected a number of times"),
        (lambda: np.repeat(v(3, 4), 2), "expected a number of times along axis 0"),
        (lambda: np.repeat(v(3, 4), -1, axis=0), "expected a number of times"),
    ],
    "matmul": [
        (lambda: v(3, 4) @ v(3, 4), r"expected shapes \(..., M, K\) .* got \(3, 4\) and \(3, 4\)"),
        (lambda: v(3) @ v(4), "expected shapes"),
        (lambda: v(2, 3, 4) @ v(3, 4, 5), "broadcast"),
        (lambda: v(3, 4) @ v(), "expected shapes"),
    ],
    "dot": [(lambda: np.dot(v(3, 4), v(2, 4, 5)), r"np.dot: expected a matrix b, or a @ b, got")],
    "sum": [
        (lambda: v(3, 4).sum(2), "axis: expected one of 2 axes, each once, got 2"),
        (lambda: v(3, 4).sum((0, -2)), "each once"),
        (lambda: np.max(v(3), 1), "axis: expected one of 1 axes"),
        (lambda: np.var(v(3), -2), "axis: expected one of 1 axes"),
    ],
    "max": [(lambda: np.max(v(0, 3)), "zero-size")],
    "Linear": [
        (lambda: products.Linear(v(2, 3), p(4, 5)), "expected samples of 5 features, got"),
        (lambda: products.Linear(v(2, 3, 5), p(4, 5)), "expected samples of 5 features"),
    ],
    "Conv2d": [
        (lambda: products.Conv2d(v(2, 5, 5, 2), p(4, 3, 3, 3)), r"expected images \(H, W, 3\)"),
        (lambda: products.Conv2d(v(2, 5, 3), p(4, 3, 3, 3)), "expected images"),
        (lambda: products.Conv2d(v(2, 2, 5, 3), p(4, 3, 3, 3)),
         "expected images large enough for kernel"),
    ],
    "ConvTranspose2d": [
        (lambda: products.ConvTranspose2d(v(2, 5, 5, 2), p(4, 3, 3, 3)), "expected images"),
        (lambda: products.ConvTranspose2d(v(2, 0, 5, 3), p(4, 3, 3, 3)),
         "expected images large enough for kernel"),
    ],
    "Conv1d": [
        (lambda: products1d.Conv1d(v(2, 5, 2), p(4, 3, 3)), r"expected sequences \(T, 3\)"),
        (lambda: products1d.Conv1d(v(2, 5, 5, 3), p(4, 3, 3)), "expected sequences"),
        (lambda: products1d.Conv1d(v(2, 2, 3), p(4, 3, 3)), "long enough for kernel 3"),
    ],
    "ConvTranspose1d": [
        (lambda: products1d.ConvTranspose1d(v(2, 5, 2), p(4, 3, 3)), "expected sequences"),
        (lambda: products1d.ConvTranspose1d(v(2, 0, 3), p(4, 3, 3)), "long enough for kernel"),
    ],
    "PixelShuffle": [
        (lambda: pooling.PixelShuffle(v(2, 5, 5, 6), 2), "a multiple of 4 channels"),
        (lambda: pooling.PixelShuffle(v(2, 5, 4), 2), "expected images"),
    ],
    "PixelUnshuffle": [
        (lambda: pooling.PixelUnshuffle(v(2, 4, 5, 6), 2), "whose height and width 2 divides"),
    ],
    "LayerNorm": [
        (lambda: norms.LayerNorm(v(2, 3), 4, None, None, 1e-5), "expected 4 channels in the last"),
        (lambda: norms.LayerNorm(v(4), 4, None, None, 1e-5), "expected 4 channels"),
    ],
    "GroupNorm": [(lambda: norms.GroupNorm(v(2, 3), 4, 2, None, None, 1e-5), "4 channels in")],
    "BatchNorm": [
        (
            lambda: norms.BatchNorm(v(2, 3), None, None, (a(4), a(4)), lambda *batch: None, 1e-5),
            "expected 4 channels",
        ),
    ],
    "NormLinear": [
        (lambda: norms.NormLinear(v(2, 3), (p(4), p(4), p(5, 4), p(5)), 1e-5), r"rows \(N, 4\)"),
    ],
    "NormMLP": [
        (
            lambda: norms.NormMLP(v(2, 3), (p(3), p(3), p(5, 3), p(5), p(4, 5), p(4)), 1e-5).data,
            "weight2: expected",
        ),
    ],
    "MaxPool2d": [
        (lambda: pooling.MaxPool2d(v(2, 3, 3), (2, 2), (1, 1), (0, 0)), "expected images"),
        (lambda: pooling.MaxPool2d(v(2, 3, 1, 1), (2, 2), (1, 1), (0, 0)),
         "expected images of at least the window"),
    ],
    "Upsample2d": [(lambda: pooling.Upsample2d(v(2, 3), (2, 2)), "expected images")],
    "Mirror": [(lambda: resizing.Mirror(v(2, 3), 2), "PadToMultiple: expected images")],
    "Crop": [
        (lambda: resizing.Crop(v(2, 3), (1, 1), False), "CropToInput: expected images"),
        (lambda: resizing.Crop(v(2, 3, 3, 1), (4, 1), False), "at least"),
    ],
    "GatedTanh": [
        (lambda: GatedTanh(v(2, 3, 5), None), r"x: expected shape \(N=2, T=3, E=4\), got"),
        (lambda: GatedTanh(v(2, 3, 6), v(2, 4)), "bias: expected"),
    ],
    "ConcatCondition": [
        (lambda: ConcatCondition(v(3, 4), v(2, 4)), "expected"),
        (lambda: ConcatCondition(v(3, 4), v(3, 4, 1)), r"cond: expected shape \(N=3, D\)"),
    ],
    "Embedding": [
        (lambda: Embedding(current(), np.array([0, 7]), p(7, 2)), "expected 0 to 6, got 7"),
        (lambda: Embedding(current(), np.array([-1]), p(7, 2)), "expected 0 to 6, got -1"),
    ],
    "Columns": [(lambda: Columns((0, 2))(v(3, 3)), "expected tables of 2 columns")],
    "Positions": [
        (lambda: sequences.Positions(v(2, 4, 3), p(5, 3)), r"sequences \(5, 3\) or vectors"),
    ],
    "MeanSteps": [(lambda: sequences.MeanSteps(v(2, 4)), r"expected sequences \(T, C\)")],
    "SelfAttention": [
        (lambda: sequences.SelfAttention(v(6, 8), 2, 2), "expected .* queries, keys and"),
        (lambda: sequences.SelfAttention(v(6, 15), 2, 2), "expected .* queries, keys and"),
        (lambda: sequences.SelfAttention(v(7, 12), 2, 2), "expected rows of 2 samples"),
    ],
    "LSTM": [
        (
            lambda: sequences.LSTM(v(2, 3, 4), [(p(8, 3), p(8, 2), p(8))], (False,), 3, False),
            "weight_ih: expected shape",
        ),
        (
            lambda: sequences.LSTM(v(2, 3, 4), [(p(8, 4), p(8, 2), p(8))], (False,), 5, False),
            "expected",
        ),
    ],
    "GRU": [
        (
            lambda: sequences.GRU(v(2, 3, 4), [(p(6, 3), p(6, 2), p(8))], (False,), 3, False),
            "weight_ih: expected shape",
        ),
        (
            lambda: sequences.GRU(v(2, 3, 4), [(p(8, 4), p(8, 2), p(8))], (False,), 3, False),
            "expected shape",
        ),
    ],
    "Unrolled": [
        (
            lambda: sequences.Unrolled(
                v(2, 3), [(p(8, 4), p(8, 2), p(8))], (p(3, 2), p(3)), 4, False, None
            ),
            "weight_ih: expected shape",
        ),
    ],
    "SplitLatent": [(lambda: latent.SplitLatent(v(2, 3)), "expected")],
    "Reparameterize": [
        (lambda: latent.Reparameterize(v(2, 3), v(2, 4), a(2, 3)), "logvar: expected shape"),
        (lambda: latent.Reparameterize(v(2, 3), v(2, 3), a(3, 3)), "eps: expected shape"),
    ],
    "GaussianKL": [(lambda: latent.GaussianKL(v(2, 3), v(2, 4)), "logvar: expected shape")],
    "FreeBitsKL": [(lambda: latent.FreeBitsKL(v(2, 3), v(2, 4), 0.1), "expected")],
    "ImportanceBound": [
        (lambda: latent.ImportanceBound(v(5), v(6), 3, 1.0), "expected .* draws"),
        (lambda: latent.ImportanceBound(v(7), v(7), 3, 1.0), "expected .* draws"),
    ],
    "LogRatio": [(lambda: latent.LogRatio(v(5, 2), a(5, 2), v(5, 3)), "broadcast")],
    "LogPosterior": [(lambda: latent.LogPosterior(v(5, 2), a(5, 3)), "broadcast")],
    "MixtureDensity": [
        (
            lambda: MixtureDensity(v(5, 2), v(3), v(3, 4), v(3, 4)),
            r"expected means .*\(K, 2\), got \(3, 4\)",
        ),
        (lambda: MixtureDensity(v(5, 2), v(3), v(3, 2), v(4, 2)), "expected means"),
    ],
    "ClusterDivergence": [
        (lambda: clusters.ClusterDivergence(v(2, 3), v(4, 2), a(4), 1.0), r"expected codes \(N, 2"),
        (
            lambda: clusters.ClusterDivergence(v(2, 3), v(4, 3), a(4), 1.0, a(3, 4)),
            r"target: expected the shape \(2, 4\), got \(3, 4\)",
        ),
    ],
    "VectorQuantize": [
        (lambda: quantize.VectorQuantize(v(2, 3), v(5, 4), 0.1, "Q"), "Q: expected vectors of 4"),
    ],
    "FiniteScalar": [(lambda: quantize.FiniteScalar(v(2, 3), (4, 4)), "expected vectors of 2")],
    "StraightThrough": [
        (lambda: quantize.StraightThrough(v(2, 3), v(2, 4)), r"expected .*\(2, 3\), got \(2, 4\)"),
    ],
    "KeepLargest": [(lambda: KeepLargest(v(2, 3), 4), "expected rows of at least 4 values")],
    "Elementwise": [
        (lambda: losses.Elementwise(v(2, 3), "mse", a(2, 4)).data, "target: expected"),
        (lambda: losses.Elementwise(v(2, 3), "mse", a(2, 3), a(2, 2)).data, "mask: expected"),
    ],
    "CrossEntropy": [
        (lambda: losses.CrossEntropy(v(2, 6), a(3, 2, dtype=np.int64)).data, "expected"),
        (lambda: losses.CrossEntropy(v(2, 5), a(2, 2, dtype=np.int64)).data, "expected"),
        (lambda: losses.CrossEntropy(v(2, 6), a(2, 2, dtype=np.int64), a(2, 3)).data, "expected"),
        (lambda: losses.CrossEntropy(v(2, 2), a(2, 1, dtype=np.int64) + 2).data, "expected 0 to 1"),
    ],
    "Gaussian": [(lambda: losses.Gaussian(v(2, 3), a(2, 4), None, p(1)).data, "target: expected")],
}  # fmt: skip


@pytest.mark.parametrize(
    "call, words",
    [pytest.param(*line, id=f"{name}-{i}") for name, some in WRONG.items()
     for i, line in enumerate(some)],
)  # fmt: skip
def test_wrong_shapes_are_refused(call, words):
    with nn.Tape(), pytest.raises(ValueError, match=words):
        call()


# ---- what the table has -------------------------------------------------------------------------


def all_ops():
    """Return all classes of ops that the package has."""
    for found in pkgutil.walk_packages(aecore.__path__, "aecore."):
        if not found.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # of a package that isn't installed
                importlib.import_module(found.name)
    waiting, ops = [Op], set()
    while waiting:
        cls = waiting.pop()
        if cls not in ops:
            ops.add(cls)
            waiting += cls.__subclasses__()
    return {op for op in ops if op.__module__.startswith("aecore.")}


def test_the_table_has_every_op(rng):
    seen = set()
    for case in CASES:
        given = Given(case, rng)
        with given.tape(abstract=True) as tape:
            given.apply([tape.placeholder(x.shape) for x in given.inputs])
        seen |= {type(op) for op in tape.record}
    missing = all_ops() - seen - ABSTRACT
    assert not missing, f"no line in cases/tape.py for {sorted(op.__name__ for op in missing)}"
    assert not ABSTRACT & seen
    assert _Old in seen


def test_the_table_has_all_of_numpy():
    known = {case.function for case in CASES}
    missing = [f for table in (UFUNCS, FUNCTIONS) for f in table if f not in known]
    assert not missing, f"no line in cases/tape.py for {missing}"
