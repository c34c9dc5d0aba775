"""Models as ONNX files."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from ..arch.base import beside
from ..base import checks
from ..losses import LINKS
from ..models import (
    CVAE,
    GAN,
    VAE,
    VQVAE,
    AdversarialAutoencoder,
    Autoencoder,
    Recirculation,
    SoftmaxClassifier,
    StackedAutoencoder,
)
from ..models.base.estimator import BaseModel
from ..models.variational.posterior import Posterior
from ..nn.containers import starts_flat
from ..nn.module import Shape
from ..penalties import KLSparsity, TopK
from ._graph import IR_VERSION, LABELS, LABELS_OPSET, OPSET, Body, Graph, to_proto
from ._layers import LAYERS
from ._parts import conditioner, latent_shape
from ._quantizers import QUANTIZERS, lookup, quantize
from ._sequences import SEQUENCES, link

AUTOENCODERS = (
    Autoencoder,
    StackedAutoencoder,
    Recirculation,
    VAE,
    CVAE,
    VQVAE,
    AdversarialAutoencoder,
)
PARTS: dict[type[BaseModel], tuple[str, ...]] = {
    **dict.fromkeys(AUTOENCODERS, ("reconstruct", "encode", "decode")),
    GAN: ("decode",),
    SoftmaxClassifier: ("predict_proba",),
}


def to_onnx(model: Any, path: Any, part: str = "reconstruct", *, lengths: bool = False) -> None:
    """Write a part of a fitted model as an ONNX file, which many programs can run.

    =============  ==========================  ==============================  =================
    part           inputs                      output                          method
    =============  ==========================  ==============================  =================
    reconstruct    ``x`` (N, ...)              ``reconstruction`` (N, ...)     reconstruct
    encode         ``x`` (N, ...)              ``codes`` (N, latent_dim)       transform
    decode         ``codes`` (N, latent_dim)   ``reconstruction`` (N, ...)     inverse_transform
    predict_proba  ``x`` (N, ...)              ``probabilities`` (N, K)        predict_proba
    =============  ==========================  ==============================  =================

    What comes out is what the method gives, without noise: means for a `VAE`, codes as int64 for a
    `VQVAE`, and data as aecore has them, for images with channels last, for bce and cross_entropy
    as probabilities. Where the codes are told of conditions there is a second input ``y``: labels
    (N,) as `fit` had them, as int64, bool or strings, or properties (N, p) as float64. A `GAN` has
    the part decode alone, a `SoftmaxClassifier` predict_proba, which no other has.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models
    path : str or path-like
    part : {"reconstruct", "encode", "decode", "predict_proba"}
    lengths : bool
        Whether sequences may have different lengths, for the architectures `LSTM` and
        `Transformer`, encode and reconstruct: the last input is then ``lengths`` (N,), int64 from
        1. What stands in x behind a sequence's end counts for nothing but must be finite, and is 0
        in the reconstruction. Without it all are as long as the longest in `fit`.

    Raises
    ------
    ImportError
        Without the package `onnx` (``pip install aecore[onnx]``), which checks what is written.
    NotImplementedError
        For a model or a layer that has no form in ONNX here: a `PixelCNN`, whose samples are drawn
        one position after another, and classes of the user's own.
    ValueError
        For a model that isn't fitted, lacks the part, or takes no sequences of different lengths.

    Notes
    -----
    The opset is 17. N is free. x is float32, so bytes are to be divided by 255 first. Labels that
    `fit` hasn't seen are an error to aecore; a graph can't raise one, and takes them for no class.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20), dtype=np.float32)
    >>> model = ae.Autoencoder(ae.Dense((16,)), latent_dim=2, epochs=2, random_state=0).fit(X)
    >>> ae.to_onnx(model, "encoder.onnx", "encode")  # doctest: +SKIP
    >>> import onnxruntime  # doctest: +SKIP
    >>> onnxruntime.InferenceSession("encoder.onnx").run(None, {"x": X})[0].shape  # doctest: +SKIP
    (100, 2)
    """
    parts = PARTS.get(type(model))
    if parts is None:
        raise NotImplementedError(f"{type(model).__name__} has no form in ONNX here")
    checks.choice("part", part, parts)
    checks.boolean("lengths", lengths)
    network = model._fitted()
    if lengths and not _takes_lengths(model, part):
        raise ValueError(
            f"lengths: expected False, since {part} of this {type(model).__name__} takes no "
            "sequences of different lengths"
        )
    with network.lock:
        body = _Export(model, lengths).part(part)
    data = _checked(body, f"{type(model).__name__}.{part}")
    with open(os.fspath(path), "wb") as file:
        file.write(data)


def _takes_lengths(model: Any, part: str) -> bool:
    if part not in ("encode", "reconstruct") or not model._takes_lengths:
        return False
    return bool(model._network.encoder.takes_lengths)


def _checked(body: Body, name: str) -> bytes:
    """Return the file of a graph, once `onnx` has nothing against it."""
    try:
        import onnx
    except ImportError:
        raise ImportError("to_onnx takes the package onnx: pip install aecore[onnx]") from None
    from .. import __version__

    helper = onnx.helper
    opsets = [helper.make_opsetid("", OPSET)]
    if any(node.domain for node in body.graph.nodes):
        opsets.append(helper.make_opsetid(LABELS, LABELS_OPSET))
    made = helper.make_model(
        to_proto(body, name, body.graph.constants),
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="aecore",
        producer_version=__version__,
    )
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


class _Export:
    """A model's parts as a graph."""

    def __init__(self, model: Any, lengths: bool = False) -> None:
        self.model, self.network, self.lengths = model, model._network, lengths
        self.graph = Graph(LAYERS | SEQUENCES | QUANTIZERS)
        self.inputs: list[tuple[str, list[Any]]] = []
        self.conditioner = conditioner(model)

    def part(self, part: str) -> Body:
        name, form = "reconstruction", ["FLOAT", "n", *self.network.input_shape]
        if part == "decode":
            made = self._decoded(self._looked_up(), self._condition())
        else:
            self.inputs.append(("x", ["FLOAT", "n", *self.network.input_shape]))
            y = self._condition()
            if self.lengths:
                self.graph.lengths = "lengths"
                self.inputs.append(("lengths", ["INT64", "n"]))
            codes, latent = self._encoded(y)
            if part == "encode":
                made, name, form = codes, "codes", self._codes_form()
            else:
                made = self._decoded(latent, y)
            if part == "predict_proba":
                name, form = "probabilities", ["FLOAT", "n", len(self.model.classes_)]
        self.graph.finish(made, name)
        return Body(self.graph, self.inputs, [(name, form)])

    def _condition(self) -> str | None:
        """Append what makes vectors (N, P) of y; None if there are no conditions."""
        found, graph = self.conditioner, self.graph
        if found is None:
            return None
        if found.classes is None:
            assert found.mean is not None and found.scale is not None
            self.inputs.append(("y", ["DOUBLE", "n", len(found.mean)]))
            standard = graph.add("Div", graph.add("Sub", "y", found.mean), found.scale)
            return graph.add("Cast", standard, to=1)
        dtype, y, classes = _labels(graph, found.classes)
        self.inputs.append(("y", [dtype, "n"]))
        return graph.add("Cast", graph.add("Equal", graph.column(y), classes), to=1)

    def _encoded(self, y: str | None) -> tuple[str, str]:
        """Append the encoder; return the codes, and what the decoder is given."""
        graph, model, encoder = self.graph, self.model, self.network.encoder
        shape, x = self.network.input_shape, "x"
        if y is not None:
            x, shape = self._told(x, y, shape)
        z = graph.layer(encoder, x, shape)
        if isinstance(model, VQVAE):
            vectors, codes = quantize(graph, self.network.quantizer, z)
            return graph.reshape(codes, 0, *model._grid()), vectors
        if isinstance(model, Posterior):
            z = graph.columns(z, 0, model.latent_dim)
        z = self._shaped(z)
        return z, z

    def _told(self, x: str, y: str, shape: Shape) -> tuple[str, Shape]:
        """Return what the encoder sees beside the condition, and its shape."""
        assert self.conditioner is not None
        if starts_flat(self.network.encoder):
            shape = (math.prod(shape),)
            x = self.graph.reshape(x, 0, *shape)
        wider = beside(self.network.encoder, shape, self.conditioner.width)
        return self.graph.beside(x, y, shape), wider

    def _shaped(self, z: str) -> str:
        """Append what the penalty makes of codes."""
        graph, penalty = self.graph, self.model.penalty
        if isinstance(penalty, KLSparsity):
            logit = np.float32(math.log(penalty.rho / (1 - penalty.rho)))
            return graph.add("Sigmoid", graph.add("Add", z, logit))
        if isinstance(penalty, TopK):
            values, which = graph.several(2, "TopK", z, np.array([penalty.k], np.int64))
            zeros = graph.add("ConstantOfShape", graph.add("Shape", z))
            return graph.add("ScatterElements", zeros, which, values, axis=1)
        if penalty is not None and penalty.shapes:
            raise NotImplementedError(f"{type(penalty).__name__} has no form in ONNX here")
        return z

    def _codes_form(self) -> list[Any]:
        if isinstance(self.model, VQVAE):
            return ["INT64", "n", *self.model._grid()]
        return ["FLOAT", "n", self.model.latent_dim]

    def _looked_up(self) -> str:
        """Append what the decoder is given for codes."""
        self.inputs.append(("codes", self._codes_form()))
        if not isinstance(self.model, VQVAE):
            return "codes"
        quantizer = self.network.quantizer
        grid = (*self.model._map(), *quantizer.code_shape)
        return lookup(self.graph, quantizer, self.graph.reshape("codes", 0, *grid))

    def _decoded(self, z: str, y: str | None) -> str:
        """Append the decoder, to data space."""
        graph, shape = self.graph, latent_shape(self.model)
        if y is not None:
            assert self.conditioner is not None
            z = graph.beside(z, y, shape)
            shape = (*shape[:-1], shape[-1] + self.conditioner.width)
        x = graph.layer(self.network.decoder, z, shape)
        if isinstance(self.model, SoftmaxClassifier):
            return link(graph, "softmax", x)
        x = link(graph, LINKS.get(self.model._loss.name), x)
        return self._cut(x) if self.lengths else x

    def _cut(self, x: str) -> str:
        """Append what makes steps behind a sequence's end 0."""
        steps, _ = self.network.input_shape
        there = self.graph.add("Unsqueeze", self.graph.there(steps), np.array([2], np.int64))
        return self.graph.add("Where", there, x, np.float32(0))


def _labels(graph: Graph, classes: np.ndarray) -> tuple[str, str, np.ndarray]:
    """Return the type that labels have, and the name and the classes that are to be compared."""
    if classes.dtype.kind == "U":
        keys = {"keys_strings": classes.tolist(), "values_int64s": list(range(len(classes)))}
        y = graph.add("LabelEncoder", "y", domain=LABELS, default_int64=-1, **keys)
        return "STRING", y, np.arange(len(classes))
    if classes.dtype.kind == "b":
        return "BOOL", graph.add("Cast", "y", to=7), classes.astype(np.int64)
    if classes.dtype.kind == "S" or classes.max() > np.iinfo(np.int64).max:
        raise NotImplementedError(f"labels of dtype {classes.dtype} have no form in ONNX here")
    return "INT64", "y", classes.astype(np.int64)
