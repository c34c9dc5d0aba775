"""An `AnomalyDetector`'s scores in an ONNX graph: those of all members, standardised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..models.detection.labels import FAR, FAR_FOLDED
from ..models.detection.score import OutlierScore, neighbour_rank, parts
from ..models.tabular.model import TableModel
from ._graph import Graph

DOUBLE = 11  # ONNX's number of the type

Run = Callable[[Any, str], tuple[str, str]]  # codes and reconstructions of a member for samples


def check(detector: Any) -> None:
    """Raise NotImplementedError for a detector without a form in ONNX."""
    if detector.measure not in ("manifold", "codes"):
        raise NotImplementedError(
            "measure: expected 'manifold' or 'codes' of a detector in ONNX, got "
            f"{detector.measure!r}: 'loss' needs the loss itself, which has no form there"
        )
    if isinstance(detector.model, TableModel):
        raise NotImplementedError(
            "model: expected None or a model of arrays for a detector in ONNX, got a "
            f"{type(detector.model).__name__}"
        )


def scores(graph: Graph, detector: Any, x: str, run: Run) -> str:
    """Append the scores (N,) of samples as members take them, NaN for missing numbers of tables."""
    state, one = detector._state, np.float64
    target, there = x, ""
    if state.robust is not None:
        there = graph.add("Not", graph.add("IsNaN", x))
        target = graph.add("Where", there, x, np.float32(0))
    total = ""
    for member, median, spread in zip(state.members, state.location, state.scale, strict=True):
        codes, points = run(member.model, target)
        (part,) = parts(detector.measure)
        if part == "manifold":
            found = _manifold(graph, member, target, points, there)
        else:
            found = _codes(graph, detector, member, codes, x)
        standard = graph.add("Div", graph.add("Sub", found, one(median[0])), one(spread[0]))
        total = graph.add("Add", total, standard) if total else standard
    score = graph.add("Div", graph.add("Neg", total), one(len(state.members)))
    return score if state.evidence is None else _with_evidence(graph, state, score, target, there)


def _with_evidence(graph: Graph, state: Any, score: str, target: str, there: str) -> str:
    """Append what labels add to scores."""
    one, known = np.float64, state.evidence
    center, spread, folded_center, folded_spread = known.moments
    values = graph.add("Cast", graph.reshape(target, 0, len(center)), to=DOUBLE)

    def standard(x: str, middle: np.ndarray, width: np.ndarray, most: float) -> str:
        away = graph.add("Div", graph.add("Sub", x, middle), width)
        return graph.add("Max", graph.add("Min", away, one(most)), one(-most))

    u = standard(values, center, spread, FAR)
    a = standard(graph.add("Abs", u), folded_center, folded_spread, FAR_FOLDED)
    adds = graph.add(
        "Add", graph.add("Mul", u, known.weights[0]), graph.add("Mul", a, known.weights[1])
    )
    if there:
        adds = graph.add("Where", there, adds, one(0))
    total = graph.add("ReduceSum", adds, np.array([1]), keepdims=0)
    size = graph.add("Abs", score)  # arsinh has no form for float64
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", size, size), one(1)))
    log = graph.add("Log", graph.add("Add", size, root))
    squeezed = graph.add("Mul", graph.add("Sign", score), log)
    return graph.add("Add", graph.add("Sub", squeezed, total), one(known.offset))


def _squares(graph: Graph, away: str) -> str:
    """Append the sums (N,) of the squares of float32 (N, D), in float64."""
    wide = graph.add("Cast", away, to=DOUBLE)
    return graph.add("ReduceSum", graph.add("Mul", wide, wide), np.array([1]), keepdims=0)


def _manifold(graph: Graph, member: OutlierScore, target: str, points: str, there: str) -> str:
    """Append the distance from the manifold, and on it from the k-th nearest reference."""
    references = member.state["references"]
    width = references.shape[1]
    target, points = (graph.reshape(v, 0, width) for v in (target, points))
    errors = graph.add("Sub", target, points)
    if there:
        errors = graph.add("Where", there, errors, np.float32(0))
    found = _squares(graph, errors)
    if there:
        observed = graph.add("Cast", there, to=DOUBLE)
        count = graph.add("ReduceSum", observed, np.array([1]), keepdims=0)
        count = graph.add("Max", count, np.float64(1))
        found = graph.add("Mul", found, graph.add("Div", np.float64(width), count))
    r = references - references[0]
    x = graph.add("Sub", points, references[0])
    products = graph.add("MatMul", x, np.float32(-2) * r.T)
    order = graph.add("Add", products, np.einsum("ij,ij->i", r, r))
    k = min(neighbour_rank(member.share, len(r)), len(r))
    _, nearest = graph.several(2, "TopK", order, np.array([k]), axis=1, largest=0, sorted=1)
    chosen = graph.add("Gather", r, graph.add("Gather", nearest, np.int64(k - 1), axis=1), axis=0)
    return graph.add("Sqrt", graph.add("Add", found, _squares(graph, graph.add("Sub", x, chosen))))


def _codes(graph: Graph, detector: Any, member: OutlierScore, codes: str, x: str) -> str:
    """Append the robust Mahalanobis distance of codes."""
    away = graph.add("Sub", codes, member.state["center"])
    found = _squares(graph, graph.add("MatMul", away, member.state["whitening"].T))
    robust = detector._state.robust
    for at, nats in [] if robust is None else robust.unseen():
        column = graph.add("Gather", x, np.int64(at), axis=1)
        seen = graph.add("Greater", column, np.float32(0))
        found = graph.add(
            "Add", found, graph.add("Where", seen, np.float64(2 * nats), np.float64(0))
        )
    return graph.add("Sqrt", found)
