"""aecore.functional refuses what it can't take by a TypeError or ValueError that says why."""

import inspect
import re

import aecore.functional as F
import numpy as np
import pytest

f32 = np.float32


def ones(*shape):
    return np.ones(shape, f32)


def indices(*shape):
    return np.zeros(shape, np.int64)


IMAGE, KERNEL = ones(2, 5, 4, 3), ones(6, 3, 2, 3)
LSTM = dict(
    x=ones(2, 3, 5), w_ih=ones(8, 5), w_hh=ones(8, 2), bias=ones(8), h0=ones(2, 2), c0=ones(2, 2),
    lengths=np.array([3, 1]), recurrent_mask=ones(2, 2), reverse=False,
)  # fmt: skip
GRU = dict(
    x=ones(2, 3, 5), w_ih=ones(6, 5), w_hh=ones(6, 2), bias=ones(8), h0=ones(2, 2),
    lengths=np.array([3, 1]), recurrent_mask=ones(2, 2), reverse=False,
)  # fmt: skip
NORM = dict(x=ones(2, 3, 4), weight=ones(4), bias=ones(4), eps=1e-5)
BATCH = dict(NORM, running_mean=ones(4), running_var=ones(4), training=True, momentum=0.1)
ATTENTION = dict(
    q=ones(2, 3, 2, 4), k=ones(2, 3, 2, 4), v=ones(2, 3, 2, 4), lengths=np.array([3, 0]),
    causal=False, scale=0.5,
)  # fmt: skip
CONV = dict(x=IMAGE, weight=KERNEL, bias=ones(6), stride=(2, 1), padding=(1, 0), dilation=(1, 1))
UP = dict(CONV, output_padding=(1, 0))
LOSS = dict(x=ones(2, 3, 4), target=ones(2, 3, 4), mask=ones(2, 3, 4))
OUTCOMES = dict(logits=ones(2, 3), counts=ones(2, 3), mask=ones(2, 3))
ENTROPY = dict(logits=ones(2, 3, 4), labels=indices(2, 3), mask=ones(2, 3))
POOL = dict(x=IMAGE, kernel_size=(2, 2), stride=(1, 2), padding=(1, 0))
LATENT = dict(mean=ones(2, 3), logvar=ones(2, 3))
VQ = dict(z=ones(2, 3, 4), codebook=ones(5, 4))
SGD = dict(
    param=ones(3), m=ones(3), grad=ones(3), step=1, learning_rate=0.1, momentum=0.5,
    weight_decay=0.1, nesterov=True, grad_scale=1.0,
)  # fmt: skip
ADAM = dict(
    param=ones(3), m=ones(3), v=ones(3), grad=ones(3), step=1, learning_rate=0.1, beta1=0.9,
    beta2=0.99, eps=1e-8, weight_decay=0.1, decoupled=True, grad_scale=1.0,
)  # fmt: skip
EMBEDDING = dict(indices=indices(2, 3), weight=ones(5, 4))

# Each function with arguments that it takes.
VALID = {
    "activation": dict(x=ones(2, 3), kind="relu", out=ones(2, 3)),
    "activation_backward": dict(grad=ones(2, 3), y=ones(2, 3), kind="relu", out=ones(2, 3)),
    "adam_step": ADAM,
    "attention": dict(ATTENTION, out=ones(2, 3, 2, 4)),
    "attention_backward": dict(ATTENTION, grad=ones(2, 3, 2, 4)),
    "batch_norm2d": dict(BATCH, out=ones(2, 3, 4)),
    "batch_norm2d_backward": dict(BATCH, grad=ones(2, 3, 4)),
    "bce_with_logits": dict(LOSS, out=ones(2)),
    "bce_with_logits_backward": dict(LOSS, grad=ones(2)),
    "conv2d": dict(CONV, groups=1, activation="relu", winograd=True, out=ones(2, 3, 3, 6)),
    "conv2d_backward": dict(CONV, groups=1, grad=ones(2, 3, 3, 6)),
    "conv_transpose2d": dict(UP, activation="relu", winograd=True, out=ones(2, 10, 5, 6)),
    "conv_transpose2d_backward": dict(UP, grad=ones(2, 10, 5, 6)),
    "cross_entropy": dict(ENTROPY, out=ones(2)),
    "cross_entropy_backward": dict(ENTROPY, grad=ones(2)),
    "dropout": dict(x=ones(2, 3), rate=0.5, seed=1, offset=2, out=ones(2, 3)),
    "dropout_backward": dict(grad=ones(2, 3), x=ones(2, 3), rate=0.5, seed=1, offset=2),
    "embedding": dict(EMBEDDING, out=ones(2, 3, 4)),
    "embedding_backward": dict(EMBEDDING, grad=ones(2, 3, 4)),
    "gated_tanh": dict(x=ones(2, 3, 8), bias=ones(2, 8), out=ones(2, 3, 4)),
    "gated_tanh_backward": dict(x=ones(2, 3, 8), bias=ones(2, 8), grad=ones(2, 3, 4)),
    "gaussian_kl": dict(LATENT, out=ones(2)),
    "gaussian_kl_backward": dict(LATENT, grad=ones(2)),
    "group_norm": dict(NORM, groups=2, out=ones(2, 3, 4)),
    "group_norm_backward": dict(NORM, groups=2, grad=ones(2, 3, 4)),
    "gru": dict(GRU, steps=None),
    "gru_backward": dict(GRU, steps=None, grad=ones(2, 3, 2), dh=ones(2, 2)),
    "huber": dict(LOSS, delta=1.0, out=ones(2)),
    "huber_backward": dict(LOSS, delta=1.0, grad=ones(2)),
    "l1": dict(LOSS, out=ones(2)),
    "l1_backward": dict(LOSS, grad=ones(2)),
    "layer_norm": dict(NORM, out=ones(2, 3, 4)),
    "layer_norm_backward": dict(NORM, grad=ones(2, 3, 4)),
    "linear": dict(x=ones(2, 3), weight=ones(4, 3), bias=ones(4), activation="elu", out=ones(2, 4)),
    "linear_backward": dict(x=ones(2, 3), weight=ones(4, 3), bias=ones(4), grad=ones(2, 4)),
    "lstm": dict(LSTM, steps=None),
    "lstm_backward": dict(LSTM, steps=None, grad=ones(2, 3, 2), dh=ones(2, 2), dc=ones(2, 2)),
    "max_pool2d": dict(POOL, out=ones(2, 6, 2, 3), return_index=True),
    "max_pool2d_backward": dict(
        POOL, grad=ones(2, 6, 2, 3), index=np.zeros((2, 6, 2, 3), np.int32)
    ),
    "mse": dict(LOSS, out=ones(2)),
    "mse_backward": dict(LOSS, grad=ones(2)),
    "multinomial": dict(OUTCOMES, out=ones(2)),
    "multinomial_backward": dict(OUTCOMES, grad=ones(2)),
    "negative_binomial": dict(LOSS, log_theta=ones(3, 4), out=ones(2)),
    "negative_binomial_backward": dict(LOSS, log_theta=ones(3, 4), grad=ones(2)),
    "poisson": dict(LOSS, out=ones(2)),
    "poisson_backward": dict(LOSS, grad=ones(2)),
    "random_normal": dict(shape=(2, 3), seed=1, offset=2, out=ones(2, 3)),
    "random_uniform": dict(shape=(2, 3), seed=1, offset=2, out=ones(2, 3)),
    "reparameterize": dict(LATENT, eps=ones(2, 3), out=ones(2, 3)),
    "reparameterize_backward": dict(LATENT, eps=ones(2, 3), grad=ones(2, 3)),
    "sgd_step": SGD,
    "upsample2d": dict(x=IMAGE, factor=(2, 3), mode="bilinear", out=ones(2, 10, 12, 3)),
    "upsample2d_backward": dict(x=IMAGE, factor=(2, 3), mode="nearest", grad=ones(2, 10, 12, 3)),
    "vector_quantize": VQ,
    "vector_quantize_backward": dict(
        VQ, grad=ones(2, 3, 4), indices=indices(2, 3), commitment=0.25, scale=1.0
    ),
}  # fmt: skip

HOSTILE_NUMBERS = [
    2**31, 2**63 - 1, 2**63, 2**64, 2**2000, -1, -(2**63), -(2**63) - 1, 1.5, 1e300,
    float("inf"), float("-inf"), float("nan"), 1j, "1", b"1", [1], (1,), (1, 2, 3), (2**70, 1),
    (1, -1), ("a", 1), {}, object(), np.float64("inf"), np.int64(-1), np.zeros(2), np.ones((2, 2)),
    ((1, 2), 3), ((2**70, 1), (1, 1)),
]  # fmt: skip
HOSTILE_ARRAYS = [7, 2**70, "text", [1.0], (), object(), slice(None), np.float32(1)]


def others_of(array):
    """Yield arrays that can't stand for a C-contiguous one of this shape and dtype."""
    yield array[None]
    yield array[..., None]
    yield np.concatenate([array, array])
    yield np.concatenate([array, array], axis=-1)
    yield array.reshape(-1)[:0]
    yield array[(0,) * array.ndim]
    yield np.array(array[(0,) * array.ndim])
    yield array.reshape((1,) * (9 - array.ndim) + array.shape)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    yield array[::-1]
    if array.ndim > 1:
        yield array[:, None]
        yield array.reshape(*array.shape[:-1], 1, -1)
        yield np.asfortranarray(array)
        yield array.T
        yield array.reshape(-1)
    for dtype in (np.float64, np.float16, np.int64, np.int32, np.bool_, np.complex64, object, "U3"):
        if np.dtype(dtype) != array.dtype:
            yield array.astype(dtype)
    yield array.astype(array.dtype.newbyteorder())
    yield (
        np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    )
    yield np.zeros(array.shape, [("a", array.dtype)])
    yield np.full_like(array, -1)
    if array.dtype == np.int64:
        yield np.full_like(array, 2**62)
        yield np.full_like(array, 5)


# What a message may be about, but for arguments.
OTHER_SUBJECTS = {"result", "images", "height", "width", "activation", "weight_ih", "weight_hh"}


def hostile(value):
    if isinstance(value, np.ndarray):
        return [None, *HOSTILE_ARRAYS, *others_of(value)]
    return [None, *HOSTILE_NUMBERS, ones(1), *HOSTILE_ARRAYS]


def copied(arguments):
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arguments.items()}


def shown(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape} of strides {value.strides}"
    return repr(value)[:40]


def test_every_function_is_in_the_table():
    assert set(VALID) == set(F.__all__)
    for name, arguments in VALID.items():
        assert set(arguments) >= set(inspect.signature(getattr(F, name)).parameters) - {"out"}, name
        getattr(F, name)(**copied(arguments))


@pytest.mark.parametrize("name", sorted(VALID))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_function_cannot_take_is_a_type_or_value_error(name):
    function, faults = getattr(F, name), []
    for argument, value in VALID[name].items():
        for wrong in hostile(value):
            try:
                function(**{**copied(VALID[name]), argument: wrong})
            except (TypeError, ValueError) as error:
                said = str(error)
                subject, colon, rest = said.partition(":")
                words = re.findall(r"\w+", subject)
                words += [word.removeprefix("d") for word in words]  # dbias is as wrong as bias
                named = set(words) & (set(VALID[name]) | OTHER_SUBJECTS)
                if not colon or not named or "expected" not in rest:
                    faults.append(f"{argument}={shown(wrong)}: {type(error).__name__}: {said}")
            except MemoryError as error:
                if isinstance(value, np.ndarray):
                    faults.append(f"{argument}={shown(wrong)}: MemoryError: {error}")
            except Exception as error:
                faults.append(f"{argument}={shown(wrong)}: {type(error).__name__}: {error}")
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)


# What has a size of its own, or any leading axes.
FREE = {
    ("cross_entropy", "logits"), ("cross_entropy_backward", "logits"),
    ("embedding", "weight"), ("embedding_backward", "weight"),
    ("vector_quantize", "z"), ("vector_quantize", "codebook"),
    ("vector_quantize_backward", "codebook"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(VALID))
def test_an_array_of_another_shape_is_refused(name):
    function, faults = getattr(F, name), []
    for argument, value in VALID[name].items():
        if not isinstance(value, np.ndarray) or (name, argument) in FREE:
            continue
        for wrong in others_of(value):
            if wrong.dtype != value.dtype or wrong.shape == value.shape:
                continue
            try:
                function(**{**copied(VALID[name]), argument: wrong})
            except (TypeError, ValueError):
                continue
            faults.append(f"{argument}={shown(wrong)} for {shown(value)}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_statistics_are_named(name):
    """They go to the core where training is False, which calls them mean and var."""
    apart = np.repeat(ones(4), 2)[::2]
    call = dict(BATCH, training=False)
    for arguments in (call, dict(call, grad=ones(2, 3, 4))):
        function = F.batch_norm2d_backward if "grad" in arguments else F.batch_norm2d
        with pytest.raises(ValueError, match=f"{name}: expected a C-contiguous"):
            function(**{k: v for k, v in {**arguments, name: apart}.items() if k != "momentum"})
    F.batch_norm2d(**{**BATCH, name: apart})


@pytest.mark.parametrize("argument", ["out", "grad"])
def test_the_output_padding_that_is_asked_for_is_had(argument):
    """Several sizes are of one stride, and the core takes any of them."""
    function = F.conv_transpose2d if argument == "out" else F.conv_transpose2d_backward
    call = dict(UP, stride=(3, 3), output_padding=(1, 2))
    shape = F.conv_transpose2d(**call).shape
    assert shape == (2, 14, 13, 6)
    function(**call, **{argument: ones(*shape)})
    for other in ((2, 13, 13, 6), (2, 14, 12, 6), (2, 14, 11, 6), (2, 15, 13, 6)):
        with pytest.raises(ValueError, match=f"{argument}: expected shape"):
            function(**call, **{argument: ones(*other)})
    if argument == "grad":
        with pytest.raises(ValueError, match="output_padding: expected less than the stride"):
            function(**dict(call, output_padding=3), grad=ones(*shape))
