"""Flows: where codes go, how densities change with them, gradients, and the way back."""

import copy

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.nn.flows import (
    MADE,
    AffineCoupling,
    Chain,
    Flow,
    InverseAutoregressive,
    MaskedLinear,
    Planar,
)
from aecore.nn.ops.shapes import Concatenate
from twin import flows as twin

N, H = 6, 4


def shaken(flow, seed=0):
    """Give all parameters values that do something, the ones that begin at 0 too."""
    rng = np.random.default_rng(seed)
    for _, p in flow.parameters():
        p.value[...] = rng.standard_normal(p.shape) * 0.5
    return flow


def values(*layers):
    return [None if m is None else _values(m) for m in layers]


def _values(m):
    bias = None if m.bias is None else m.bias.value.astype(np.float64)
    return m.weight.value.astype(np.float64), bias


def made_layers(m):
    return values(m.hidden, m.context, m.first, m.second)


def by_twin(flow, z, context):
    """Return what a flow gives in float64."""
    z = np.asarray(z, np.float64)
    if isinstance(flow, Planar):
        return twin.planar(z, *(p.value.astype(np.float64) for _, p in flow.parameters()))
    if isinstance(flow, InverseAutoregressive):
        reverse = bool(flow.made.hidden._mask[0, 0] < flow.made.hidden._mask[0, -1])
        return twin.inverse_autoregressive(z, context, made_layers(flow.made), reverse)
    if isinstance(flow, AffineCoupling):
        parts = values(flow.hidden1, flow.hidden2, flow.scale, flow.shift)
        return twin.coupling(z, parts, bool(flow._kept[0]))
    total = 0.0
    for step in flow.steps:
        z, log_det = by_twin(step, z, context)
        total = total + log_det
    return z, total


FLOWS = {
    "planar": lambda d: Planar(d),
    "autoregressive": lambda d: InverseAutoregressive(d, 9, H),
    "autoregressive-alone": lambda d: InverseAutoregressive(d, 7, reverse=d > 1),
    "coupling": lambda d: AffineCoupling(d, 7),
    "coupling-odd": lambda d: AffineCoupling(d, 7, odd=True),
    "chain": lambda d: Chain(
        [InverseAutoregressive(d, 9, H), Planar(d), AffineCoupling(d, 5, odd=True)]
    ),
}


def run(flow, z, context):
    with nn.Tape(records=False) as tape:
        given = tape.constant(np.asarray(context, np.float32))
        out, log_det = flow.forward(tape.constant(np.asarray(z, np.float32)), given)
        return out.data.copy(), log_det.data.copy()


@pytest.fixture(params=FLOWS)
def flow(request):
    return lambda d, seed=0: shaken(FLOWS[request.param](d), seed)


@pytest.mark.parametrize("d", [1, 2, 5, 16])
def test_flows_agree_with_their_twins(flow, d, rng):
    one, z, context = flow(d), rng.standard_normal((N, d)), rng.standard_normal((N, H))
    got, log_det = run(one, z, context)
    want, wanted = by_twin(one, z, context)
    assert got.shape == (N, d) and log_det.shape == (N,)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_det, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_determinants_are_those_of_the_jacobian(flow, d, rng):
    one, z, context = flow(d, 1), rng.standard_normal((N, d)), rng.standard_normal((N, H))
    _, log_det = run(one, z, context)
    step, columns = 1e-6, []
    for i in range(d):
        way = step * np.eye(d)[i]
        ends = [by_twin(one, z + sign * way, context)[0] for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * step))
    want = np.linalg.slogdet(np.stack(columns, -1))[1]
    np.testing.assert_allclose(log_det, want, rtol=1e-3, atol=1e-4)


class Both(nn.Module):
    """A flow as a layer: what it gives side by side, of codes and a context side by side."""

    def __init__(self, flow, d):
        self.flow, self.d = flow, d

    def forward(self, x):
        z, log_det = self.flow.forward(x[:, : self.d], x[:, self.d :])
        return Concatenate([z, log_det.reshape(-1, 1)], 1)


@pytest.mark.parametrize("d", [1, 5])
def test_gradients_agree_with_differences(flow, d):
    one = flow(d, 3)
    for _, p in one.parameters():
        p.value *= 0.5
    assert nn.check_gradients(Both(one, d), (d + H,), samples=4) < 2e-2


@pytest.mark.parametrize("d", [1, 2, 7])
def test_flows_go_back(flow, d, rng):
    one, context = flow(d, 1), rng.standard_normal((N, H)).astype(np.float32)
    for _, p in one.parameters():
        p.value *= 0.5  # what is squeezed to nothing can't be told apart any more
    z = rng.standard_normal((N, d)).astype(np.float32)
    there, _ = run(one, z, context)
    assert d == 1 or np.abs(there - z).max() > 0.05
    back = one.inverse(there, context)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, z, rtol=1e-3, atol=1e-4)


def test_fresh_flows_are_near_the_identity(rng):
    z, context = rng.standard_normal((N, 5)), rng.standard_normal((N, H))
    for one in (Planar(5), AffineCoupling(5, 7)):
        got, log_det = run(one, z, context)
        np.testing.assert_allclose(got, z, rtol=1e-6)
        np.testing.assert_allclose(log_det, 0, atol=1e-6)
    _, log_det = run(InverseAutoregressive(5, 9, H), z, context)
    assert np.abs(log_det - 5 * np.log(1 / (1 + np.exp(-2)))).max() < 0.5


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("d", "width"), [(1, 3), (2, 1), (5, 3), (6, 11)])
def test_made_looks_back_alone(d, width, reverse, rng):
    made = shaken(MADE(d, width, H, reverse))
    context = rng.standard_normal((1, H)).astype(np.float32)

    def numbers(z):
        with nn.Tape(records=False) as tape:
            out = made.forward(tape.constant(z), tape.constant(context))
            return np.stack([v.data[0] for v in out])

    z = rng.standard_normal((1, d)).astype(np.float32)
    before = numbers(z)
    for i in range(d):
        other = z.copy()
        other[0, i] += 3
        changed = (numbers(other) != before).any(0)
        later = np.arange(d) < i if reverse else np.arange(d) > i
        assert not changed[~later].any()
        if width >= d:
            assert changed[later].all()


def test_what_a_mask_takes_out_has_no_part(rng):
    layer = MaskedLinear(np.array([1, 2, 3]), np.array([1, 2]), strict=True)
    assert layer._mask.tolist() == [[0, 0, 0], [1, 0, 0]]
    x, before = rng.standard_normal((4, 3)).astype(np.float32), layer.weight.value.copy()
    want = layer(x)
    layer.weight.value[0] = 1e6
    layer.weight.value[1, 1:] = -1e6
    np.testing.assert_array_equal(layer(x), want)
    layer.weight.value[...] = before
    layer.freeze()
    for _ in range(2):
        np.testing.assert_array_equal(layer(x), want)
    layer.thaw()
    assert nn.check_gradients(layer, (3,)) < 1e-3
    np.testing.assert_array_equal(layer.weight.grad * (1 - layer._mask), 0)


def test_copies_and_bits(flow, rng):
    one, z, context = flow(5), rng.standard_normal((400, 5)), rng.standard_normal((400, H))
    want = run(one, z, context)
    for other in (copy.deepcopy(one), one):
        ae.set_num_threads(2)
        got = run(other, z, context)
        ae.set_num_threads(1)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_interface_alone(rng):
    with pytest.raises(NotImplementedError):
        Flow().inverse(np.zeros((1, 2), np.float32))
    with pytest.raises(NotImplementedError):
        Flow().forward(nn.Tape().constant(np.zeros((1, 2), np.float32)))


def test_pytorch_agrees(rng):
    torch = pytest.importorskip("torch")
    d, one = 5, shaken(InverseAutoregressive(5, 9, H))
    z, context = (rng.standard_normal((N, k)).astype(np.float32) for k in (d, H))
    weights = rng.standard_normal((N, d)).astype(np.float32)
    tape = nn.Tape()
    with tape:
        given = tape.variable(z)
        out, log_det = one.forward(given, tape.constant(context))
        for _, p in one.parameters():
            p.forget_grad()
        tape.backward((out, weights), log_det)
    made = one.made
    leaves = {n: torch.tensor(p.value, requires_grad=True) for n, p in made.parameters()}
    x = torch.tensor(z, requires_grad=True)

    def masked(name, layer, value):
        weight = leaves[f"{name}.weight"] * torch.tensor(layer._mask)
        return torch.nn.functional.linear(value, weight, leaves[f"{name}.bias"])

    h = masked("hidden", made.hidden, x) + torch.tensor(context) @ leaves["context.weight"].T
    h = torch.nn.functional.elu(h)
    m, s = masked("first", made.first, h), masked("second", made.second, h) + 2
    y = torch.sigmoid(s) * x + (1 - torch.sigmoid(s)) * m
    total = (y * torch.tensor(weights)).sum() + torch.nn.functional.logsigmoid(s).sum()
    total.backward()
    np.testing.assert_allclose(out.data, y.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given.grad, x.grad.numpy(), rtol=1e-3, atol=1e-4)
    for name, p in made.parameters():
        np.testing.assert_allclose(p.grad, leaves[name].grad.numpy(), rtol=1e-3, atol=1e-4)
