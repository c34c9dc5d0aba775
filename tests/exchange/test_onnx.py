"""Models as ONNX files: ONNX Runtime gives from them what the models give."""

import json
import sys

import aecore as ae
import numpy as np
import pytest
from aecore import nn
from aecore.losses import COUNTS
from cases.base import normal

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

KW = {"epochs": 1, "batch_size": 16, "random_state": 0}
METHODS = {"encode": "transform", "reconstruct": "reconstruct", "decode": "inverse_transform"}


def run(path, **feed):
    """Return what ONNX Runtime makes of a file; outputs stand alone and have their types."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == list(feed)
    (output,) = session.get_outputs()
    (found,) = session.run([output.name], feed)
    assert output.shape == ["n", *found.shape[1:]]  # what the file says of its output
    return found


def close(got, want):
    assert got.shape == want.shape and got.dtype == want.dtype
    if want.dtype.kind == "i":
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def check(model, X, tmp_path, y=None, fed=None):
    """Compare every part, for batches of two sizes."""
    told, codes = () if y is None else (y,), model.transform(X, *([] if y is None else [y]))
    for part, method in METHODS.items():
        path = str(tmp_path / f"{part}.onnx")
        ae.to_onnx(model, path, part)
        name, data = ("codes", codes) if part == "decode" else ("x", X)
        for n in (len(X), 1):
            feed = {name: data[:n], **({} if fed is None else {"y": fed[:n]})}
            want = getattr(model, method)(data[:n], *(v[:n] for v in told))
            close(run(path, **feed), want)


def table(rng, *shape):
    return rng.random(shape or (40, 12), dtype=np.float32)


def shaken(model, rng, X, y=None):
    """Return a model with weights such that outputs differ from each other and from 0."""
    model.initialize(X, y)
    for value in model.parameters_.values():
        value += normal(rng, *value.shape) * np.float32(0.2)
    return model


# ---- models -------------------------------------------------------------------------------------

ARCHS = {
    "dense": (ae.Dense((16, 8)), (12,)),
    "dense of images": (ae.Dense((16,), "gelu"), (5, 4, 3)),
    "linear": (ae.Dense(()), (12,)),
    "conv": (ae.Conv((4, 6)), (13, 10, 3)),
    "conv silu": (ae.Conv((4, 6), 3, 2, "silu"), (9, 9, 1)),
    "resnet": (ae.ResNet(8, 4), (11, 8, 2)),
    "conv of sequences": (ae.Conv((4, 6), activation="softplus"), (7, 3)),
    "conv of sequences, silu": (ae.Conv((4,), 3, 3, "silu"), (7, 3)),
    "lstm": (ae.LSTM(5), (7, 3)),
    "lstm both ways": (ae.LSTM(5, 2, bidirectional=True), (7, 3)),
    "lstm backwards": (ae.LSTM(5, 2, reverse=True), (7, 3)),
    "gru": (ae.GRU(5), (7, 3)),
    "gru both ways": (ae.GRU(5, 2, bidirectional=True), (7, 3)),
    "gru backwards": (ae.GRU(5, 2, reverse=True), (7, 3)),
    "lstm fed back": (ae.LSTM(5, 2, teacher_forcing=True), (7, 3)),
    "lstm fed back, backwards": (ae.LSTM(5, teacher_forcing=True, reverse=True), (7, 3)),
    "transformer": (ae.Transformer(8, 2, 2, 16), (7, 3)),
}


@pytest.mark.parametrize("arch, shape", ARCHS.values(), ids=ARCHS)
@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE, ae.CVAE, ae.AdversarialAutoencoder])
def test_every_architecture(cls, arch, shape, rng, tmp_path):
    X, conditional = table(rng, 5, *shape), cls is ae.CVAE
    y = np.array([3, -1, 3, 70, 70]) if conditional else None
    model = shaken(cls(arch, latent_dim=4, loss="bce", **KW), rng, X, y)
    check(model, X, tmp_path, y, y)


@pytest.mark.parametrize("arch, shape", ARCHS.values(), ids=ARCHS)
def test_the_reference_implementation_agrees(arch, shape, rng, tmp_path):
    """What ONNX's own evaluator makes of a file: not a program that is forgiving by chance."""
    from onnx.reference import ReferenceEvaluator

    X = table(rng, 3, *shape)
    model = shaken(ae.VQVAE(arch, 4, 3, **KW), rng, X)
    ae.to_onnx(model, tmp_path / "m.onnx")
    (got,) = ReferenceEvaluator(str(tmp_path / "m.onnx")).run(None, {"x": X})
    close(got, model.reconstruct(X))


@pytest.mark.parametrize("arch, shape", ARCHS.values(), ids=ARCHS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quantizers": 3},
        {"distance": "cosine"},
        {"levels": (3, 4, 5)},
        {"gradient": "rotation", "projection_dim": 2},
        {"quantizers": 2, "projection_dim": 2, "distance": "cosine"},
        {"groups": 3, "quantizers": 2, "gradient": "rotation"},
        {"levels": (3, 4, 5), "quantizers": 2, "groups": 2},
        {"code_bits": 4, "groups": 2},
    ],
    ids=repr,
)
def test_vqvae(arch, shape, options, rng, tmp_path):
    X = table(rng, 5, *shape)
    sizes = {"codebook_size": 4, "code_dim": 3}
    sizes = {} if {"levels", "code_bits"} & options.keys() else sizes
    model = shaken(ae.VQVAE(arch, **sizes, **options, **KW), rng, X)
    network = model._network
    if sizes:  # entries among the vectors, so that several are the nearest to some
        z = network.encode(X)
        network.quantizer.start_kmeans(z.reshape(-1, 3).copy())
        assert len(np.unique(model.transform(X))) > 1
    check(model, X, tmp_path)


SIZED = {
    "conv": lambda: ae.Autoencoder(ae.Conv((4, 6), flatten=False), 3, loss="bce", **KW),
    "conv of any stride": lambda: ae.Autoencoder(ae.Conv((4,), 5, 3, flatten=False), 3, **KW),
    "tied": lambda: ae.Autoencoder(ae.Conv((4, 6), flatten=False), 3, tied=True, **KW),
    "resnet": lambda: ae.VAE(ae.ResNet(8, 4, flatten=False), 3, **KW),
    "vae": lambda: ae.VAE(ae.Conv((4, 6), flatten=False), 3, **KW),
    "cvae": lambda: ae.CVAE(ae.Conv((4, 6), flatten=False), 3, **KW),
    "vqvae": lambda: ae.VQVAE(ae.Conv((4, 6), flatten=False), 4, 3, **KW),
    "residual": lambda: ae.VQVAE(ae.Conv((4, 6), flatten=False), 4, 3, quantizers=2, **KW),
    "levels": lambda: ae.VQVAE(ae.Conv((4, 6), flatten=False), levels=(3, 4), **KW),
    "projections": lambda: ae.VQVAE(
        ae.Conv((4, 6), flatten=False), 4, 4, projection_dim=2, groups=2, **KW
    ),
    "bits": lambda: ae.VQVAE(ae.Conv((4, 6), flatten=False), code_bits=3, groups=2, **KW),
    "unet": lambda: ae.Autoencoder(ae.UNet((4, 5, 6)), corruption=ae.Masking(), **KW),
    "unet, whole": lambda: ae.Autoencoder(
        ae.UNet((4, 5), residual=False), corruption=ae.Masking(), **KW
    ),
}


@pytest.mark.parametrize("shape", [(12, 8, 3), (13, 10, 3)], ids=str)
@pytest.mark.parametrize("name", SIZED)
def test_height_and_width_are_free(name, shape, rng, tmp_path):
    X, y = table(rng, 5, *shape), np.arange(5) % 3
    told = (y,) if name == "cvae" else ()
    model = shaken(SIZED[name](), rng, X, *told)
    for part in ("reconstruct",) if name.startswith("unet") else METHODS:
        ae.to_onnx(model, tmp_path / "m.onnx", part)
        session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
        for size in (shape[:2], (1, 1), (17, 3), (32, 40)):
            x = table(rng, 2, *size, 3)
            feed = {"y": y[:2]} if told else {}
            given = model.transform(x, *(v[:2] for v in told)) if part == "decode" else x
            feed["codes" if part == "decode" else "x"] = given
            (got,) = session.run(None, feed)
            want = getattr(model, METHODS[part])(given, *(v[:2] for v in told))
            if part == "decode":  # which isn't told the size in fit
                got = got[:, : want.shape[1], : want.shape[2]]
            if want.dtype.kind == "i":  # but for ties
                assert got.shape == want.shape and (got == want).mean() > 0.9
            elif "codebook" in model.get_params() and part == "reconstruct":
                assert got.shape == want.shape and np.isclose(got, want, atol=1e-4).mean() > 0.8
            else:
                np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


LOSSES = "mse", "l1", "huber", "bce", "gaussian", "cross_entropy", *COUNTS


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("feedback", [False, True])
def test_outputs_are_data(loss, feedback, rng, tmp_path):
    if feedback and loss == "multinomial":
        pytest.skip("a decoder that gives no counts for the next step to see")
    X = np.eye(4, dtype=np.float32)[rng.integers(4, size=(6, 5))]
    model = ae.Autoencoder(ae.LSTM(5, teacher_forcing=feedback), 3, loss=loss, **KW)
    model = shaken(model, rng, X)
    check(model, X, tmp_path)
    if loss == "cross_entropy":
        path = str(tmp_path / "reconstruct.onnx")
        np.testing.assert_allclose(run(path, x=X).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("loss", COUNTS)
def test_counts(loss, rng, tmp_path):
    X = rng.poisson(np.exp(2 * rng.standard_normal((6, 9)))).astype(np.float32)
    check(shaken(ae.VAE(ae.Dense((8,)), 3, loss=loss, **KW), rng, X), X, tmp_path)
    detector = ae.AnomalyDetector(ae.Autoencoder(ae.Dense((8,)), 3, loss=loss, **KW)).fit(X)
    ae.to_onnx(detector, tmp_path / "score.onnx", "score")
    got = run(str(tmp_path / "score.onnx"), x=X)
    np.testing.assert_allclose(got, detector.score_samples(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "penalty", [ae.KLSparsity(0.1), ae.TopK(3), ae.L1Sparsity(), ae.Contractive()]
)
@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.VAE])
def test_penalties_that_make_the_code(cls, penalty, rng, tmp_path):
    X = table(rng)
    arch = ae.Dense((16,), "sigmoid")
    check(shaken(cls(arch, 8, penalty=penalty, **KW), rng, X), X, tmp_path)


def test_top_k_keeps_the_first_of_equal_values(rng, tmp_path):
    X = table(rng)
    model = ae.Autoencoder(ae.Dense(()), 6, penalty=ae.TopK(2), **KW).initialize(X)
    model.parameters_["encoder.0.weight"][...] = 0
    model.parameters_["encoder.0.bias"][...] = [1, 2, 1, 2, 2, 1]
    check(model, X, tmp_path)


@pytest.mark.parametrize("tied", ["dense", "conv", "resnet-like"])
def test_tied_weights(tied, rng, tmp_path):
    if tied == "dense":
        X, arch = table(rng), ae.Dense((16, 8))
    else:
        X, arch = table(rng, 4, 9, 7, 2), ae.Conv((4, 6), activation="tanh")
    cls = ae.VQVAE if tied == "resnet-like" else ae.Autoencoder
    sizes = {"codebook_size": 5, "code_dim": 3} if cls is ae.VQVAE else {"latent_dim": 3}
    check(shaken(cls(arch, tied=True, **sizes, **KW), rng, X), X, tmp_path)


CONDITIONS = {
    "int8": np.array([3, -1, 3, 70, 70], np.int8),
    "bool": np.array([True, False, True, True, False]),
    "str": np.array(["b", "b", "ä", "long label", "ä"]),
    "properties": np.array([[1e6, 2], [1e6 + 1, 2], [1e6 + 2, 2], [1e6, 2], [1e6 + 7, 2]]),
}


@pytest.mark.parametrize("arch, shape", [ARCHS["conv"], ARCHS["dense of images"], ARCHS["lstm"]])
@pytest.mark.parametrize("y", CONDITIONS.values(), ids=CONDITIONS)
def test_conditions(y, arch, shape, rng, tmp_path):
    X = table(rng, 5, *shape)
    model = shaken(ae.CVAE(arch, 3, **KW), rng, X, y)
    fed = y.astype({"i": np.int64, "U": object}.get(y.dtype.kind, y.dtype))
    check(model, X, tmp_path, y, fed)


LENGTHS = [name for name, (_, shape) in ARCHS.items() if len(shape) == 2]


@pytest.mark.parametrize("name", LENGTHS)
@pytest.mark.parametrize("cls", [ae.Autoencoder, ae.CVAE])
def test_sequences_of_different_lengths(cls, name, rng, tmp_path):
    arch, (steps, features) = ARCHS[name]
    lengths = np.array([7, 3, 1, 6, 7])
    X = [table(rng, n, features) for n in lengths]
    y, loss = np.array([3, -1, 3, 70, 70]), "cross_entropy" if cls is ae.CVAE else "bce"
    if loss == "cross_entropy":
        X = [np.eye(features, dtype=np.float32)[x.argmax(1)] for x in X]
    told = {"y": y} if cls is ae.CVAE else {}
    model = shaken(cls(arch, 4, loss=loss, **KW), rng, X, *told.values())
    padded = normal(rng, 5, steps, features) * 100  # what is behind the end doesn't matter
    for sample, x in zip(padded, X, strict=True):
        sample[: len(x)] = x
    for part in ("encode", "reconstruct"):
        path = str(tmp_path / f"{part}.onnx")
        ae.to_onnx(model, path, part, lengths=True)
        want = getattr(model, METHODS[part])(X, *told.values())
        got = run(path, x=padded, **told, lengths=lengths)
        if part == "encode":
            close(got, want)
            continue
        for rebuilt, sample in zip(got, want, strict=True):
            close(rebuilt[: len(sample)], sample)
            assert not rebuilt[len(sample) :].any()
    full = [np.resize(x, (steps, features)) for x in X]
    got = run(path, x=np.stack(full), **told, lengths=np.full(5, steps))
    close(got, np.stack(model.reconstruct(full, *told.values())))


def test_other_models(rng, tmp_path):
    X, y = table(rng), np.array(["a", "b"] * 20)
    check(ae.Recirculation(4, **KW).fit(X), X, tmp_path)
    stack = ae.StackedAutoencoder(ae.Dense((8, 6)), 3, pretrain_epochs=1, **KW).fit(X)
    check(stack, X, tmp_path)
    path = str(tmp_path / "m.onnx")
    for level in (None, 1, 2):
        model = ae.SoftmaxClassifier(stack, level=level, dropout=0.5, **KW).fit(X, y)
        ae.to_onnx(model, path, "predict_proba")
        close(run(path, x=X), model.predict_proba(X))
    codes = normal(rng, 7, 3)
    for options in ({"output": "sigmoid"}, {"output": "linear"}):
        model = shaken(ae.GAN(ae.Conv((4,)), 3, **options, **KW), rng, table(rng, 4, 8, 8, 2))
        ae.to_onnx(model, path, "decode")
        assert run(path, codes=codes).shape == (7, 8, 8, 2)
        close(run(path, codes=codes), model.inverse_transform(codes))
    told = shaken(ae.GAN(ae.Dense((4,)), 3, conditional=True, **KW), rng, X, y)
    ae.to_onnx(told, path, "decode")
    close(run(path, codes=codes, y=y[:7].astype(object)), told.inverse_transform(codes, y[:7]))


def test_a_loaded_model_gives_the_same_file(rng, tmp_path):
    X = table(rng, 6, 9, 9, 2)
    model = ae.VAE(ae.Conv((4,)), 3, **KW).fit(X)
    model.save(tmp_path / "m.safetensors")
    ae.to_onnx(model, tmp_path / "a.onnx")
    ae.to_onnx(ae.load(tmp_path / "m.safetensors"), tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


# ---- layers -------------------------------------------------------------------------------------

KINDS = [kind for kind in ae._core.ACTIVATIONS if kind != "linear"]
STACKS = {
    "masked": (
        (6, 5, 2),
        [nn.MaskedConv2d(2, 3, 3, "vertical"), nn.MaskedConv2d(3, 2, 5, "horizontal")],
    ),
    "masked, own": (
        (6, 5, 2),
        [nn.MaskedConv2d(2, 3, 3, "vertical", True), nn.MaskedConv2d(3, 2, 3, "horizontal", True)],
    ),
    "batch norm": ((6, 5, 2), [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Activation("relu")]),
    "batch norm of tables": ((4,), [nn.Linear(4, 3), nn.BatchNorm2d(3, affine=False)]),
    "batch norm of sequences": ((6, 4), [nn.TimeDistributed(nn.Linear(4, 3)), nn.BatchNorm2d(3)]),
    "layer norm": ((6, 5, 4), [nn.LayerNorm(4), nn.LayerNorm(4, affine=False)]),
    "group norm": ((6, 5, 4), [nn.GroupNorm(2, 4), nn.GroupNorm(4, 4, affine=False)]),
    "group norm of tables": ((4,), [nn.GroupNorm(2, 4)]),
    "pooling": ((9, 8, 2), [nn.MaxPool2d(3, 2, 1), nn.Upsample2d((2, 3)), nn.MaxPool2d((2, 1))]),
    "convolutions": (
        (9, 8, 2),
        [
            nn.Conv2d(2, 4, (3, 2), (2, 1), (1, 0), bias=False, activation="elu"),
            nn.ConvTranspose2d(4, 3, (3, 4), (2, 3), (1, 2), (1, 2), activation="softplus"),
            nn.Conv2d(3, 1, 1),
        ],
    ),
    "enlarging": (
        (3, 4, 8),
        [
            nn.PixelShuffle(2), nn.Upsample2d((3, 2), "bilinear"), nn.PixelUnshuffle(2),
            nn.Conv2d(8, 9, 1), nn.PixelShuffle(3),
        ],
    ),
    "spread convolutions": (
        (9, 8, 4),
        [
            nn.Conv2d(4, 6, 3, padding="same", dilation=(1, 2), groups=2, activation="elu"),
            nn.Conv2d(6, 6, 2, padding="same", groups=6),
            nn.ConvTranspose2d(6, 2, 3, 2, 1, dilation=2),
        ],
    ),
    "convolutions of sequences": (
        (9, 4),
        [
            nn.Conv1d(4, 6, 3, padding="same", dilation=2, groups=2, activation="elu"),
            nn.Conv1d(6, 5, 4, 2, 1, bias=False),
            nn.Conv1d(5, 5, 2, dilation=3, causal=True, activation="relu"),
            nn.ConvTranspose1d(5, 2, 4, 2, 1, 1, activation="tanh"),
            nn.TiedConvTranspose1d(nn.Conv1d(3, 2, 2)),
        ],
    ),
    "attention": (
        (5, 8),
        [nn.MultiHeadAttention(8, 2), nn.PositionalEmbedding(5, 8), nn.MeanPool1d()],
    ),
    "views": ((4, 3, 2), [nn.Flatten(), nn.Linear(24, 12), nn.Reshape((2, 2, 3)), nn.Dropout(0.5)]),
    "quantizers": (
        (4, 3),
        [nn.VectorQuantizer(5, 3), nn.FiniteScalarQuantizer((3, 4, 5)),
         nn.VectorQuantizer(5, 3, gradient="rotation", projection_dim=2),
         nn.LookupFreeQuantizer(3)],
    ),
    "nested": (
        (6, 6, 3),
        [nn.Sequential(nn.Residual(nn.Sequential(nn.Activation("gelu"), nn.Conv2d(3, 3, 3, 1, 1)))),
         nn.Residual(nn.BatchNorm2d(3))],
    ),
    "activations": ((7,), [nn.Activation(kind) for kind in KINDS]),
    **{kind: ((7,), [nn.Activation(kind)]) for kind in KINDS},
}  # fmt: skip


@pytest.mark.parametrize("shape, layers", STACKS.values(), ids=STACKS)
def test_layers_of_ones_own(shape, layers, rng, tmp_path):
    """A stack as an encoder, in front of what makes it fit."""
    inner = nn.Sequential(*layers)
    features = int(np.prod(inner.output_shape(shape)))
    encoder = nn.Sequential(inner, nn.Flatten(), nn.Linear(features, 3))
    decoder = nn.Sequential(nn.Linear(3, int(np.prod(shape))), nn.Reshape(shape))
    X = normal(rng, 6, *shape) * 2
    model = shaken(ae.Autoencoder((encoder, decoder), 3, **KW), rng, X)
    for name, buffer in model._network.buffers():
        if name.endswith(("_mean", "_var")):
            buffer += rng.random(buffer.shape, dtype=np.float32)
    check(model, X, tmp_path)


def test_nothing_is_turned_between_convolutions(rng, tmp_path):
    X = table(rng, 4, 16, 16, 3)
    model = shaken(ae.VQVAE(ae.ResNet(8, 4), 5, 3, **KW), rng, X)
    ae.to_onnx(model, tmp_path / "m.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert kinds.count("Transpose") == 4  # into and out of encoder and decoder
    assert kinds.count("Conv") == 2 + 1 + 4 + 1 + 1 + 4 and kinds.count("ConvTranspose") == 2


# ---- what a file says, and errors ----------------------------------------------------------------


def test_what_a_file_says(rng, tmp_path):
    X = table(rng, 4, 8, 8, 3)
    model = shaken(ae.VAE(ae.Conv((4,)), 3, **KW), rng, X)
    ae.to_onnx(model, tmp_path / "m.onnx", part="encode")
    made = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(made, full_check=True)
    assert [(o.domain, o.version) for o in made.opset_import] == [("", 17)]
    assert (made.producer_name, made.producer_version) == ("aecore", ae.__version__)
    dims = made.graph.input[0].type.tensor_type.shape.dim
    assert dims[0].dim_param == "n" and [d.dim_value for d in dims[1:]] == [8, 8, 3]
    used = {name for node in made.graph.node for name in node.input}
    assert {w.name for w in made.graph.initializer} <= used
    # the decoder isn't in it
    assert sum(np.prod(w.dims) for w in made.graph.initializer) < model.n_parameters_


def notes(path):
    made = onnx.load(path)
    return {p.key: p.value for p in made.metadata_props}, made.graph.input[0].doc_string


def test_metadata(rng, tmp_path):
    path, X, y = tmp_path / "m.onnx", table(rng), np.array(["gnu", "zebra"] * 20)
    pixels = rng.integers(0, 256, (30, 6, 6, 1), dtype=np.uint8)
    ae.to_onnx(ae.Autoencoder(ae.Conv((4,)), 3, **KW).fit(pixels), path, "encode")
    found, words = notes(path)
    assert found == {
        "aecore.model": "Autoencoder",
        "aecore.part": "encode",
        "aecore.uint8_scale": repr(1 / 255),
    }
    assert words == "samples as aecore has them; uint8 is divided by 255"
    classifier = ae.SoftmaxClassifier(ae.StackedAutoencoder(ae.Dense((4,)), 2, epochs=0), **KW)
    ae.to_onnx(classifier.fit(X, y), path, "predict_proba")
    assert json.loads(notes(path)[0]["aecore.classes"]) == classifier.classes_.tolist()
    for model in (
        ae.CVAE(ae.Dense((4,)), 2, **KW),
        ae.GAN(ae.Dense((4,)), 2, conditional=True, **KW),
    ):
        ae.to_onnx(model.fit(X, np.arange(40) % 3), path, "decode")
        assert json.loads(notes(path)[0]["aecore.classes"]) == [0, 1, 2]
        assert "aecore.uint8_scale" not in notes(path)[0]
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(12)])
    ae.to_onnx(ae.Autoencoder(ae.Dense((4,)), 2, **KW).fit(frame), path)
    assert json.loads(notes(path)[0]["aecore.feature_names"]) == list(frame.columns)


@pytest.mark.parametrize("part", ["encode", "reconstruct", "predict_proba"])
def test_bytes_in(part, rng, tmp_path):
    X, path = rng.integers(0, 256, (30, 6, 6, 1), dtype=np.uint8), str(tmp_path / "m.onnx")
    if part == "predict_proba":
        X = X.reshape(30, 36)
        stack = ae.StackedAutoencoder(ae.Dense((4,)), 2, epochs=0)
        model = ae.SoftmaxClassifier(stack, **KW).fit(X, np.arange(30) % 2)
    else:
        model = shaken(ae.Autoencoder(ae.Conv((4,)), 3, **KW), rng, X)
    ae.to_onnx(model, path, part, uint8=True)
    close(run(path, x=X), getattr(model, METHODS.get(part, part))(X))
    assert "bytes" in notes(path)[1]
    assert onnx.load(path).graph.node[0].op_type == "Cast"


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("cls", [ae.VAE, ae.CVAE, ae.VQVAE])
def test_no_samples(cls, name, rng, tmp_path):
    arch, shape = ARCHS[name]
    X, y, path = table(rng, 4, *shape), (), str(tmp_path / "m.onnx")
    if cls is ae.CVAE:
        y = (np.array(["a", "b"] * 2),)
    model = cls(arch, 3, **({"code_dim": 2} if cls is ae.VQVAE else {}), **KW).initialize(X, *y)
    told = {"y": y[0][:0].astype(object)} if y else {}
    codes = model.transform(X, *y)[:0]
    for part, given in (("encode", X[:0]), ("reconstruct", X[:0]), ("decode", codes)):
        ae.to_onnx(model, path, part)
        found = run(path, **{"codes" if part == "decode" else "x": given}, **told)
        assert found.shape == (codes.shape if part == "encode" else (0, *shape))
    if name in LENGTHS and cls is not ae.VQVAE:
        ae.to_onnx(model, path, "reconstruct", lengths=True)
        assert run(path, x=X[:0], **told, lengths=np.zeros(0, np.int64)).shape == (0, *shape)


def test_errors(rng, tmp_path, monkeypatch):
    X, path = table(rng), tmp_path / "m.onnx"
    model = ae.Autoencoder(ae.Dense((4,)), 2, **KW)
    with pytest.raises(ValueError, match="not fitted"):
        ae.to_onnx(model, path)
    model.fit(X)
    with pytest.raises(ValueError, match="part: expected"):
        ae.to_onnx(model, path, "encoder")
    with pytest.raises(ValueError, match="uint8: expected False for decode"):
        ae.to_onnx(model, path, "decode", uint8=True)
    gan = ae.GAN(ae.Dense((4,)), 2, **KW).fit(X)
    with pytest.raises(ValueError, match="part: expected one of 'decode'"):
        ae.to_onnx(gan, path)
    prior = ae.PixelCNN(4, layers=1, **KW).fit(np.zeros((20, 3, 3), int))
    with pytest.raises(
        NotImplementedError, match="model: expected one .* form in ONNX, got PixelCNN"
    ):
        ae.to_onnx(prior, path)

    class Twice(nn.Module):
        """A layer as 0.1.0 had them, of which nothing but numbers is known."""

        def forward(self, x, training=False):
            return 2 * x

        def backward(self, grad):
            return 2 * grad

        def output_shape(self, shape):
            return shape

    pair = nn.Sequential(Twice(), nn.Linear(12, 2)), nn.Sequential(nn.Linear(2, 12))
    with pytest.raises(NotImplementedError, match="Twice has a backward pass of its own"):
        ae.to_onnx(ae.Autoencoder(pair, 2, **KW).fit(X), path)
    told = ae.CVAE(ae.Dense((4,)), 2, **KW).fit(X, np.array([b"a", b"b"] * 20))
    with pytest.raises(
        NotImplementedError, match="y: expected labels that are int64, bool or strings in ONNX, got"
    ):
        ae.to_onnx(told, path)
    deep = ae.VQVAE(ae.LSTM(4), 4, 2, **KW).fit(rng.random((9, 5, 2)))
    for other, part in ((model, "encode"), (deep, "reconstruct"), (gan, "decode")):
        with pytest.raises(ValueError, match="lengths: expected False"):
            ae.to_onnx(other, path, part, lengths=True)
    with pytest.raises(TypeError, match="lengths"):
        ae.to_onnx(model, path, lengths="yes")
    assert not path.exists()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        ImportError, match="to_onnx: expected onnx to be installed: pip install 'aecore"
    ):
        ae.to_onnx(model, path)
