"""Models as ONNX files."""

from __future__ import annotations

import contextlib
import json
from importlib.metadata import version
from typing import Any

import numpy as np

from ..base import atomic, checks
from ..data.arrays import PIXEL
from ..data.batches import Batch
from ..data.conditions import MixedConditioner
from ..losses import LINKS
from ..models import GAN, VQVAE, AnomalyDetector, SoftmaxClassifier
from ..models.base.coding import BaseAutoencoder
from ..models.tabular.model import TableModel
from ..nn.tape import Shape, Tape, Value
from . import _detector, _tables
from ._graph import IR_VERSION, LABELS, LABELS_OPSET, OPSET, SAMPLES, Body, Graph, to_proto
from ._parts import conditioner, latent_shape

FLOAT, INT64 = 1, 7  # ONNX's numbers of types


def parts_of(model: Any) -> tuple[str, ...]:
    """Return the names of the parts that a model has as ONNX."""
    if isinstance(model, TableModel):
        return ("encode",)
    if isinstance(model, BaseAutoencoder):
        network = vars(model).get("_network")
        if network is not None and not network.has_code:
            return ("reconstruct",)
        return ("reconstruct", "encode", "decode")
    if isinstance(model, AnomalyDetector):
        return ("score",)
    if isinstance(model, GAN):
        return ("decode",)
    return ("predict_proba",) if isinstance(model, SoftmaxClassifier) else ()


def to_onnx(
    model: Any,
    path: Any,
    part: str = "reconstruct",
    *,
    lengths: bool = False,
    uint8: bool = False,
) -> None:
    """Write a part of a fitted model as an ONNX file, which many programs can run.

    =============  ==========================  ==============================  =================
    part           inputs                      output                          method
    =============  ==========================  ==============================  =================
    reconstruct    ``x`` (N, ...)              ``reconstruction`` (N, ...)     reconstruct
    encode         ``x`` (N, ...)              ``codes`` (N, latent_dim)       transform
    decode         ``codes`` (N, latent_dim)   ``reconstruction`` (N, ...)     inverse_transform
    predict_proba  ``x`` (N, ...)              ``probabilities`` (N, K)        predict_proba
    score          ``x`` (N, ...)              ``scores`` (N,)                 score_samples
    =============  ==========================  ==============================  =================

    What comes out is what the method gives, without noise: means for a `VAE`, codes as int64 for a
    `VQVAE`, and data as aecore has them, for images with channels last, for bce and cross_entropy
    as probabilities, for losses of counts as expected counts (decode of multinomial:
    probabilities). Where the model is conditional there is a second input ``y``: labels (N,) as
    `fit` had them, as int64, bool or strings, or properties (N, p) as float64. A `GAN` has the part
    decode alone, a `SoftmaxClassifier` predict_proba, and an `AnomalyDetector` score.

    A `TabularAutoencoder` or `TabularVAE` has the part encode, with an input (N,) for each column
    under its name, in place of x: numbers, and levels that are numbers or booleans, as double with
    NaN for a missing cell, times as seconds since 1970 in UTC, levels that are strings as strings
    with "" for a missing cell. A detector of tables has such inputs too, and one of numbers alone
    an x (N, F) of double. What a column takes stands beside it as its documentation.

    Parameters
    ----------
    model : Autoencoder, VAE or another of aecore's models
    path : str or path-like
    part : {"reconstruct", "encode", "decode", "predict_proba", "score"}
    lengths : bool
        Whether sequences may have different lengths, for the architectures `Conv`, `LSTM`, `GRU`
        and `Transformer`, encode and reconstruct: the last input is then ``lengths`` (N,), int64
        from 1. What stands in x behind a sequence's end counts for nothing but must be finite, and
        is 0 in the reconstruction. Without it all are as long as the longest in `fit`.
    uint8 : bool
        Whether x is uint8, 0 to 255: the first node makes the model's 0 to 1 of it. Without it x is
        float32, and whoever feeds pixels divides them by 255.

    Raises
    ------
    ImportError
        Without the package `onnx` (``pip install aecore[onnx]``), which checks what is written.
    NotImplementedError
        For a model or an op that has no form in ONNX here: a `PixelCNN`, whose samples are drawn
        one position after another, layers with a backward pass of their own, a detector by other
        measures than "manifold" and "codes" or of tabular models, and levels of several types.
    ValueError
        For a model that isn't fitted, lacks the part, takes no sequences of different lengths, or
        no bytes.

    Notes
    -----
    The opset is 17. N is free and may be 0. Where a model takes images of any size, height and
    width are free too, and codes are maps; decode, which isn't told the size of the image, gives
    one of a whole multiple for each place of a map. A `UNet` has reconstruct alone.
    Labels that `fit` hasn't seen are an error to aecore; a graph can't raise one, and takes them
    for no class. The file's metadata have the model's class as ``aecore.model``, the part as
    ``aecore.part``, what an uint8 is multiplied by before it goes into a float32 x as
    ``aecore.uint8_scale``, the labels in order, where there are any, as ``aecore.classes``, and
    names of columns as ``aecore.feature_names``; the last two are JSON. Labels are those of a
    classifier's columns, or of a condition. ``aecore.threshold`` is the score of a detector below
    which a sample is an outlier. What a table's methods refuse, a graph can't: a level that `fit`
    hasn't seen is one in any type, and infinity is far away.

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
    parts = parts_of(model)
    if not parts:
        raise NotImplementedError(
            f"model: expected one that has a form in ONNX, got {type(model).__name__}"
        )
    checks.choice("part", part, parts)
    checks.boolean("lengths", lengths)
    networks = _networks(model)
    if checks.boolean("uint8", uint8):
        _check_bytes(model, part)
    if lengths and not _heeds(model, part):
        raise ValueError(
            f"lengths: expected False for {part} of this {type(model).__name__}, which takes no "
            "sequences of different lengths, got True"
        )
    with contextlib.ExitStack() as locks:
        for network in networks:
            locks.enter_context(network.lock)
        export = _Export(model, Graph(), lengths, uint8)
        body = export.part(part)
        if body.has("LSTM") or body.has("GRU"):
            export = _Export(model, Graph(), lengths, uint8, never_empty=True)
            body = export.part(part)
    title = f"{type(model).__name__}.{part}"
    data = _checked(body, title, _notes(model, part), export.words)
    with atomic.replacing(path) as file:
        file.write(data)


def _networks(model: Any) -> list[Any]:
    """Return a fitted model's network, or those of a detector's members."""
    if not isinstance(model, AnomalyDetector):
        return [model._fitted()]
    members = model._fitted_state().members
    _detector.check(model)
    return [member.model._fitted() for member in members]


def _byte_scale(model: Any) -> float | None:
    """Return what bytes of 0 to 255 are multiplied by; None for a model that takes no pixels."""
    if isinstance(model, TableModel):
        return None
    if isinstance(model, AnomalyDetector) and model._state.robust is not None:
        return None
    span = _networks(model)[0].reader.span  # None in files of 0.1.0
    pixels = _networks(model)[0].reader.pixels or span is None or (0 <= span[0] and span[1] <= 1)
    return PIXEL if pixels else None


def _check_bytes(model: Any, part: str) -> None:
    """Raise ValueError where no input is pixels."""
    if part == "decode":
        raise ValueError("uint8: expected False for decode, which takes codes, got True")
    if _byte_scale(model) is None:
        raise ValueError(
            "uint8: expected False for a model that was fitted to other numbers than pixels or "
            "0..1, got True"
        )


def _heeds(model: Any, part: str) -> bool:
    takes: bool = part in ("encode", "reconstruct") and model._allows_ragged(model._network)
    return takes


def _notes(model: Any, part: str) -> dict[str, str]:
    """Return what a file says of the model beside its graph."""
    notes = {"aecore.model": type(model).__name__, "aecore.part": part}
    if part != "decode":
        if (scale := _byte_scale(model)) is not None:
            notes["aecore.uint8_scale"] = repr(scale)
        if (names := vars(model).get("feature_names_in_")) is not None:
            notes["aecore.feature_names"] = json.dumps(names.tolist())
    if isinstance(model, AnomalyDetector):
        return notes | {"aecore.threshold": repr(model.threshold_)}
    classifies = isinstance(model, SoftmaxClassifier)
    known = model._network.conditioner if classifies else conditioner(model)
    if known is not None and known.classes is not None and known.classes.dtype.kind != "S":
        notes["aecore.classes"] = json.dumps(known.classes.tolist())
    return notes


def _checked(
    body: Body, name: str, notes: dict[str, str] | None = None, words: dict[str, str] | None = None
) -> bytes:
    """Return the file of a graph, once `onnx` has nothing against it."""
    try:
        import onnx
    except ImportError:
        raise ImportError(
            "to_onnx: expected onnx to be installed: pip install 'aecore[onnx]'"
        ) from None

    helper = onnx.helper
    opsets = [helper.make_opsetid("", OPSET)]
    if any(node.domain for node in body.graph.nodes):
        opsets.append(helper.make_opsetid(LABELS, LABELS_OPSET))
    made = helper.make_model(
        to_proto(body, name, body.graph.constants),
        opset_imports=opsets,
        ir_version=IR_VERSION,
        producer_name="aecore",
        producer_version=version(__name__.partition(".")[0]),
    )
    helper.set_model_props(made, notes or {})
    for value in made.graph.input:
        value.doc_string = (words or {}).get(value.name, "")
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


class _Export:
    """A model's parts as a graph: what its passes record, op by op.

    ONNX Runtime ends the process where an LSTM or a GRU gets no samples. With `never_empty` the
    network gets one then, which is cut off behind it.
    """

    def __init__(
        self,
        model: Any,
        graph: Graph,
        lengths: bool = False,
        uint8: bool = False,
        never_empty: bool = False,
    ) -> None:
        self.model, self.graph, self.lengths, self.uint8 = model, graph, lengths, uint8
        self.never_empty, self._count = never_empty, ""
        self.inputs: list[tuple[str, list[Any]]] = []
        self.words: dict[str, str] = {}
        if not isinstance(model, AnomalyDetector):
            self.network, self.conditioner = model._network, conditioner(model)
            self.graph.is_sized = bool(getattr(model, "_takes_other_sizes", False))

    def _free(self, shape: Shape) -> list[Any]:
        """Return the form of samples of a shape: height and width of images may be free."""
        return ["h", "w", shape[2]] if self.graph.is_sized else list(shape)

    def part(self, part: str) -> Body:
        if part == "score":
            return self._score()
        restored = self.network.reader.of_output.shape
        name, form = "reconstruction", ["FLOAT", "n", *self._free(restored)]
        with Tape(abstract=True) as tape:
            self.tape = tape
            if part == "decode":
                made = self._decoded(self._looked_up(), self._condition())
            else:
                x = self._samples(self.network.input_shape)
                y = self._condition()
                if self.lengths:
                    self.inputs.append(("lengths", ["INT64", "n"]))
                    self.graph.lengths = self._some("lengths", 1, np.int64(1))
                codes, latent = self._encoded(x, y)
                if part == "encode":
                    made, name, form = codes, "codes", self._codes_form()
                else:
                    if not self.network.reader.keeps_form:
                        self.graph.lengths = ""
                    made = self._decoded(latent, y, x)
                if part == "predict_proba":
                    name, form = "probabilities", ["FLOAT", "n", self.model.classes_.size]
        self.graph.finish(self._all(made), name)
        return Body(self.graph, self.inputs, [(name, form)])

    def _some(self, x: str, axes: int, fill: np.generic) -> str:
        """Append what makes one sample of none; return the name of the samples."""
        if not self.never_empty:
            return x
        if not self._count:
            self._count = self.graph.add("Shape", self.inputs[0][0], end=1)
        none = self.graph.add("Equal", self._count, np.array([0]))
        around = np.zeros(axes, np.int64), self.graph.add("Cast", none, to=INT64)
        pads = self.graph.add("Concat", *around, np.zeros(axes - 1, np.int64), axis=0)
        return self.graph.add("Pad", x, pads, fill)

    def _all(self, y: str) -> str:
        """Append what takes away the sample of `_some`."""
        if not self.never_empty:
            return y
        first = np.array([0])
        return self.graph.add("Slice", y, first, self._count, first)

    def _score(self) -> Body:
        """Return the graph of a detector's scores."""
        x = self._samples(self.model._state.shape)
        found = _detector.scores(self.graph, self.model, x, self._member)
        self.graph.finish(self._all(found), "scores")
        return Body(self.graph, self.inputs, [("scores", ["DOUBLE", "n"])])

    def _member(self, model: Any, x: str) -> tuple[str, str]:
        """Append another model's codes, as they are before `transform`, and reconstructions."""
        inner, graph = _Export(model, self.graph), self.graph
        with Tape(abstract=True) as inner.tape:
            z = inner._latent(x, None)
            codes = inner._name(z)
            if len(z.shape) > 2:  # a map: the mean over its places
                codes = graph.reshape(codes, 0, -1, z.shape[-1])
                codes = graph.add("ReduceMean", codes, axes=[1], keepdims=0)
            if isinstance(model, VQVAE):
                z = model._network.quantizer.quantize(z).y
            return codes, inner._decoded(z, None, x)

    def _samples(self, shape: Shape) -> str:
        """Add the inputs of samples; return the name of what the network takes."""
        model, graph = self.model, self.graph
        robust = model._state.robust if isinstance(model, AnomalyDetector) else None
        if isinstance(model, TableModel) or robust is not None:
            columns = _tables.Inputs(graph, model._names_in, model.n_features_in_)
            scaled = robust is not None and _tables.scaled(columns, robust)
            made = scaled or _tables.encoded(columns, model._layout)
            self.inputs, self.words = columns.found, columns.words
            return made
        form = self._free(shape) if len(shape) == 3 else shape
        self.inputs.append(("x", ["UINT8" if self.uint8 else "FLOAT", "n", *form]))
        x, zero = "x", np.float32(0)
        if self.uint8:
            self.words["x"] = "samples of bytes, which the first node divides by 255"
            x = graph.add("Mul", graph.add("Cast", "x", to=FLOAT), np.float32(PIXEL))
        else:
            pixels = "; uint8 is divided by 255" if _byte_scale(model) is not None else ""
            self.words["x"] = f"samples as aecore has them{pixels}"
        return self._some(x, 1 + len(shape), zero)

    def _placeholder(self, name: str, shape: Shape) -> Value:
        """Return a value for samples of a shape, which has a name in the graph."""
        value = self.tape.placeholder((SAMPLES, *shape))
        self.graph.call(value, name)
        return value

    def _name(self, value: Value) -> str:
        """Append what the pass has recorded so far; return a value's name."""
        self.graph.walk(self.tape)
        self.tape.record.clear()
        found: str = self.graph.of(value)
        return found

    def _condition(self) -> Value | None:
        """Append what makes vectors (N, P) of y; None if there are no conditions."""
        found, graph = self.conditioner, self.graph
        if found is None:
            return None
        if isinstance(found, MixedConditioner):
            raise NotImplementedError(
                "y: expected labels or properties in ONNX, got a table of words and numbers"
            )
        if found.classes is None:
            assert found.mean is not None and found.scale is not None
            self.inputs.append(("y", ["DOUBLE", "n", len(found.mean)]))
            standard = graph.add("Div", graph.add("Sub", "y", found.mean), found.scale)
        else:
            dtype, y, classes = _labels(graph, found.classes)
            self.inputs.append(("y", [dtype, "n"]))
            standard = graph.add("Equal", graph.column(y), classes)
        vectors = self._some(graph.add("Cast", standard, to=FLOAT), 2, np.float32(0))
        return self._placeholder(vectors, (found.width,))

    def _encoded(self, name: str, y: Value | None) -> tuple[str, Value]:
        """Append the encoder; return the codes, and what the decoder is given."""
        model = self.model
        if isinstance(model, SoftmaxClassifier):
            x = self._placeholder(name, self.network.input_shape)
            return "", self.network.encode(x, y)
        z = self._latent(name, y)
        if isinstance(model, VQVAE):
            found = self.network.quantizer.quantize(z)
            self._name(found.y)
            if self.graph.is_sized:
                return found.index, found.y
            return self.graph.reshape(found.index, 0, *model._code_space.shape), found.y
        return self._name(z), z

    def _latent(self, name: str, y: Value | None) -> Value:
        """Append the encoder; return what it gives."""
        batch = Batch(SAMPLES)
        batch.samples = self._placeholder(name, self.network.input_shape)
        self.tape.padded = self.network.input_shape[0]
        batch.tape, batch.condition_value = self.tape, y
        if self.graph.is_sized and not isinstance(self.model, VQVAE) and self.network.has_code:
            encoded: Value = self.model._encode(batch)  # of a VAE the first half are means
            return encoded[..., : int(self.model.latent_dim)]
        latent: Value = self.model._latent(batch)
        return latent

    def _codes_form(self) -> list[Any]:
        if not isinstance(self.model, BaseAutoencoder):
            return ["FLOAT", "n", self.model.latent_dim]
        shape: tuple[Any, ...] = self.model._code_space.shape
        if self.graph.is_sized:
            shape = ("rows", "columns", *shape[2:])
        return ["INT64" if isinstance(self.model, VQVAE) else "FLOAT", "n", *shape]

    def _looked_up(self) -> Value:
        """Append what the decoder is given for codes."""
        self.inputs.append(("codes", self._codes_form()))
        shape = latent_shape(self.model)
        if not isinstance(self.model, VQVAE):
            return self._placeholder(self._some("codes", 1 + len(shape), np.float32(0)), shape)
        quantizer, space = self.network.quantizer, self.model._code_space
        codes = self._some("codes", 1 + len(space.shape), np.int64(0))
        if not self.graph.is_sized:
            codes = self.graph.reshape(codes, 0, *space.map, *quantizer.code_shape)
        return self._placeholder(quantizer.lookup_onnx(self.graph, codes), shape)

    def _decoded(self, z: Value, y: Value | None, x: str = "") -> str:
        """Append the decoder, to data space, where the samples x may say what their totals are."""
        graph, made = self.graph, self._name(self.network.decode(z, y))
        if isinstance(self.model, SoftmaxClassifier):
            return graph.link("softmax", made)
        loss = self.model._loss.name
        made = graph.link(LINKS.get(loss), made)
        if loss == "multinomial" and x and self.network.reader.target is None:
            total = graph.add("ReduceSum", x, np.array([-1], np.int64), keepdims=1)
            made = graph.add("Mul", made, total)
        return self._cut(made) if self.lengths and self.network.reader.keeps_form else made

    def _cut(self, x: str) -> str:
        """Append what makes steps behind a sequence's end 0."""
        return self.graph.cut(x, self.network.input_shape[0], self.graph.lengths)


def _labels(graph: Graph, classes: np.ndarray) -> tuple[str, str, np.ndarray]:
    """Return the type that labels have, and the name and the classes that are to be compared."""
    if classes.dtype.kind == "U":
        keys = {"keys_strings": classes.tolist(), "values_int64s": list(range(len(classes)))}
        y = graph.add("LabelEncoder", "y", domain=LABELS, default_int64=-1, **keys)
        return "STRING", y, np.arange(len(classes))
    if classes.dtype.kind == "b":
        return "BOOL", graph.add("Cast", "y", to=7), classes.astype(np.int64)
    if classes.dtype.kind == "S" or classes.max() > np.iinfo(np.int64).max:
        raise NotImplementedError(
            f"y: expected labels that are int64, bool or strings in ONNX, got {classes.dtype}"
        )
    return "INT64", "y", classes.astype(np.int64)
