"""The C core: strict functions on arrays, which write into the outputs given to them.

Made from the signatures in csrc/py; tests/project/test_stub.py compares the two.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
Pair = tuple[int, int]
Padding = Pair | tuple[int, int, int, int]
Adds = tuple[bool, bool]  # of dweight and of dbias: added to, not overwritten
ACTIVATIONS: tuple[str, ...]
FUSED: tuple[str, ...]  # those whose gradient the output determines, without linear

class Packed:
    def __init__(self, *, shared: bool = False, half: bool = False) -> None: ...
    @property
    def nbytes(self) -> int: ...

class Replay:
    def __init__(
        self, x: Array, calls: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...], out: Array, /
    ) -> None: ...
    def __call__(self, samples: Any, /) -> Array | None: ...

class Workspace:
    def __init__(self, n_threads: int = 0, isa: str | None = None, half: bool = False) -> None: ...
    half: bool
    @property
    def grown(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

def activation(out: Array, x: Array, kind: str | None, workspace: Workspace, /) -> None: ...
def activation_backward(
    dx: Array, grad: Array, y: Array, kind: str | None, workspace: Workspace, /
) -> None: ...
def adam_step(
    param: Array,
    m: Array,
    v: Array,
    grad: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    grad_scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def add(out: Array, a: Array, b: Array, workspace: Workspace, /) -> None: ...
def after_fork() -> None: ...
def attention(
    out: Array,
    lse: Array,
    q: Array,
    k: Array,
    v: Array,
    lengths: Array | None,
    causal: bool,
    scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def attention_backward(
    dq: Array | None,
    dk: Array | None,
    dv: Array | None,
    grad: Array,
    y: Array,
    lse: Array,
    q: Array,
    k: Array,
    v: Array,
    lengths: Array | None,
    causal: bool,
    scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def batch_norm2d(
    out: Array,
    mean: Array,
    var: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    training: bool,
    eps: float,
    workspace: Workspace,
    /,
) -> None: ...
def batch_norm2d_backward(
    dx: Array | None,
    dweight: Array | None,
    dbias: Array | None,
    grad: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None,
    training: bool,
    eps: float,
    adds: Adds,
    workspace: Workspace,
    /,
) -> None: ...
def build_info() -> dict[str, Any]: ...
def concat(out: Array, x: Array, cond: Array, workspace: Workspace, /) -> None: ...
def concat_backward(dx: Array, grad: Array, workspace: Workspace, /) -> None: ...
def conv2d(
    out: Array,
    x: Array,
    weight: Array,
    bias: Array | None,
    activation: str | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    winograd: bool,
    added: Array | None,
    packed: Packed | None,
    workspace: Workspace,
    /,
) -> None: ...
def conv2d_backward(
    dx: Array | None,
    dweight: Array | None,
    dbias: Array | None,
    grad: Array,
    x: Array,
    weight: Array,
    x_activation: str | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    groups: int,
    adds: Adds,
    workspace: Workspace,
    /,
) -> None: ...
def conv_transpose2d(
    out: Array,
    x: Array,
    weight: Array,
    bias: Array | None,
    activation: str | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    winograd: bool,
    added: Array | None,
    packed: Packed | None,
    workspace: Workspace,
    /,
) -> None: ...
def conv_transpose2d_backward(
    dx: Array | None,
    dweight: Array | None,
    dbias: Array | None,
    grad: Array,
    x: Array,
    weight: Array,
    x_activation: str | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    adds: Adds,
    workspace: Workspace,
    /,
) -> None: ...
def cross_entropy(
    out: Array | None,
    dx: Array | None,
    grad: Array | None,
    logits: Array,
    labels: Array,
    mask: Array | None,
    workspace: Workspace,
    /,
) -> None: ...
def dropout(
    out: Array, x: Array, rate: float, seed: int, purpose: int, offset: int, workspace: Workspace, /
) -> None: ...
def fma_peak(steps: int, workspace: Workspace, /) -> float: ...
def gated_tanh(out: Array, x: Array, bias: Array | None, workspace: Workspace, /) -> None: ...
def gated_tanh_backward(
    dx: Array,
    dbias: Array | None,
    grad: Array,
    x: Array,
    bias: Array | None,
    workspace: Workspace,
    /,
) -> None: ...
def gather(
    clean: Array,
    corrupted: Array | None,
    source: Array,
    index: Array,
    scale: float,
    corruption: str | None,
    amount: float,
    low: float,
    high: float,
    seed: int,
    purpose: int,
    offset: int,
    workspace: Workspace,
    /,
) -> None: ...
def gather_crops(
    clean: Array,
    corrupted: Array | None,
    pixels: Array,
    images: Array,
    places: Array,
    scale: float,
    corruption: str | None,
    amount: float,
    low: float,
    high: float,
    seed: int,
    purpose: int,
    offset: int,
    workspace: Workspace,
    /,
) -> None: ...
def gaussian_kl(out: Array, mean: Array, logvar: Array, workspace: Workspace, /) -> None: ...
def gaussian_kl_backward(
    dmean: Array, dlogvar: Array, grad: Array, mean: Array, logvar: Array, workspace: Workspace, /
) -> None: ...
def get_num_threads() -> int: ...
def group_norm(
    out: Array,
    mean: Array,
    rstd: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    workspace: Workspace,
    /,
) -> None: ...
def group_norm_backward(
    dx: Array | None,
    dweight: Array | None,
    dbias: Array | None,
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    adds: Adds,
    workspace: Workspace,
    /,
) -> None: ...
def gru(
    out: Array,
    h: Array,
    gates: Array,
    x: Array,
    h0: Array | None,
    lengths: Array | None,
    mask: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None,
    offset: int,
    reverse: bool,
    workspace: Workspace,
    /,
) -> None: ...
def gru_backward(
    dx: Array | None,
    dh0: Array | None,
    dweight_ih: Array | None,
    dweight_hh: Array | None,
    dbias: Array | None,
    grad: Array | None,
    dh: Array | None,
    out: Array,
    gates: Array,
    x: Array,
    h0: Array | None,
    lengths: Array | None,
    mask: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    offset: int,
    reverse: bool,
    adds: tuple[bool, bool, bool],
    workspace: Workspace,
    /,
) -> None: ...
def isa_names() -> list[str]: ...
def latent_moments(out: Array, mean: Array, logvar: Array, workspace: Workspace, /) -> None: ...
def layer_norm(
    out: Array,
    mean: Array,
    rstd: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    workspace: Workspace,
    /,
) -> None: ...
def layer_norm_backward(
    dx: Array | None,
    dweight: Array | None,
    dbias: Array | None,
    grad: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    adds: Adds,
    workspace: Workspace,
    /,
) -> None: ...
def linear(
    out: Array,
    x: Array,
    weight: Array,
    bias: Array | None,
    activation: str | None,
    transposed: bool,
    added: Array | None,
    packed: Packed | None,
    workspace: Workspace,
    /,
) -> None: ...
def linear_backward(
    dx: Array | None,
    dweight: Array | None,
    dbias: Array | None,
    grad: Array,
    x: Array,
    weight: Array,
    x_activation: str | None,
    transposed: bool,
    adds: Adds,
    workspace: Workspace,
    /,
) -> None: ...
def loss(
    kind: str | None,
    out: Array | None,
    dx: Array | None,
    grad: Array | None,
    x: Array,
    target: Array,
    mask: Array | None,
    delta: float,
    workspace: Workspace,
    /,
) -> None: ...
def lstm(
    out: Array,
    h: Array,
    c: Array,
    gates: Array,
    cells: Array,
    x: Array,
    h0: Array | None,
    c0: Array | None,
    lengths: Array | None,
    mask: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None,
    offset: int,
    reverse: bool,
    workspace: Workspace,
    /,
) -> None: ...
def lstm_backward(
    dx: Array | None,
    dh0: Array | None,
    dc0: Array | None,
    dweight_ih: Array | None,
    dweight_hh: Array | None,
    dbias: Array | None,
    grad: Array | None,
    dh: Array | None,
    dc: Array | None,
    out: Array,
    gates: Array,
    cells: Array,
    x: Array,
    h0: Array | None,
    c0: Array | None,
    lengths: Array | None,
    mask: Array | None,
    weight_ih: Array,
    weight_hh: Array,
    offset: int,
    reverse: bool,
    adds: tuple[bool, bool, bool],
    workspace: Workspace,
    /,
) -> None: ...
def max_pool2d(
    out: Array,
    index: Array,
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    workspace: Workspace,
    /,
) -> None: ...
def max_pool2d_backward(
    dx: Array,
    grad: Array,
    index: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    workspace: Workspace,
    /,
) -> None: ...
def mean_steps(out: Array, x: Array, lengths: Array | None, workspace: Workspace, /) -> None: ...
def mean_steps_backward(
    dx: Array, grad: Array, lengths: Array | None, workspace: Workspace, /
) -> None: ...
def multinomial(
    out: Array | None,
    dx: Array | None,
    grad: Array | None,
    logits: Array,
    counts: Array,
    mask: Array | None,
    workspace: Workspace,
    /,
) -> None: ...
def negative_binomial(
    out: Array | None,
    dx: Array | None,
    dlog_theta: Array | None,
    grad: Array | None,
    x: Array,
    target: Array,
    mask: Array | None,
    log_theta: Array,
    workspace: Workspace,
    /,
) -> None: ...
def norm_mlp(
    out: Array | None,
    hidden: Array,
    mean: Array,
    rstd: Array,
    x: Array,
    gamma: Array,
    beta: Array,
    weight1: Array,
    bias1: Array,
    weight2: Array | None,
    bias2: Array | None,
    eps: float,
    workspace: Workspace,
    /,
) -> None: ...
def norm_mlp_backward(
    dx: Array,
    dgamma: Array,
    dbeta: Array,
    dweight1: Array,
    dbias1: Array,
    dweight2: Array | None,
    dbias2: Array | None,
    grad: Array,
    dhidden: Array | None,
    hidden: Array | None,
    x: Array,
    mean: Array,
    rstd: Array,
    gamma: Array,
    beta: Array,
    weight1: Array,
    weight2: Array | None,
    adds: tuple[bool, bool, bool, bool, bool, bool],
    workspace: Workspace,
    /,
) -> None: ...
def philox4x32(
    counter: tuple[int, int, int, int], key: tuple[int, int], /
) -> tuple[int, int, int, int]: ...
def positions(out: Array, x: Array, positions: Array, workspace: Workspace, /) -> None: ...
def positions_backward(
    dx: Array | None, dpositions: Array | None, grad: Array, adds: bool, workspace: Workspace, /
) -> None: ...
def random_bits(
    out: Array, seed: int, purpose: int, offset: int, workspace: Workspace, /
) -> None: ...
def random_normal(
    out: Array, seed: int, purpose: int, offset: int, workspace: Workspace, /
) -> None: ...
def random_uniform(
    out: Array, seed: int, purpose: int, offset: int, workspace: Workspace, /
) -> None: ...
def range_decode(
    symbols: Array, data: Array, sizes: Array, learned: int, workspace: Workspace, /
) -> None: ...
def range_encode(
    out: Array, symbols: Array, sizes: Array, learned: int, workspace: Workspace, /
) -> int: ...
def reparameterize(
    out: Array, mean: Array, logvar: Array, eps: Array, workspace: Workspace, /
) -> None: ...
def reparameterize_backward(
    dmean: Array,
    dlogvar: Array,
    deps: Array | None,
    grad: Array,
    logvar: Array,
    eps: Array,
    workspace: Workspace,
    /,
) -> None: ...
def self_attention(
    out: Array,
    lse: Array,
    qkv: Array,
    lengths: Array | None,
    causal: bool,
    scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def self_attention_backward(
    dqkv: Array,
    grad: Array,
    y: Array,
    lse: Array,
    qkv: Array,
    lengths: Array | None,
    causal: bool,
    scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def set_num_threads(n: int, /) -> None: ...
def reuse(
    plan: list[Any], i: int, shape: tuple[int, ...], dtype: np.dtype[Any], /
) -> np.ndarray | None: ...
def sgd_step(
    param: Array,
    m: Array | None,
    grad: Array,
    lr: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
    step: int,
    grad_scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def span(x: Array, workspace: Workspace, /) -> tuple[float, float]: ...
def split_latent(mean: Array, logvar: Array, h: Array, workspace: Workspace, /) -> None: ...
def split_latent_backward(
    dh: Array, dmean: Array, dlogvar: Array, h: Array, workspace: Workspace, /
) -> None: ...
def sum(x: Array, workspace: Workspace, /) -> float: ...
def sum_squares(x: Array, workspace: Workspace, /) -> float: ...
def take_rows(out: Array, table: Array, rows: Array, workspace: Workspace, /) -> None: ...
def upsample2d(
    out: Array, x: Array, factor: Pair, bilinear: bool, workspace: Workspace, /
) -> None: ...
def upsample2d_backward(
    dx: Array, grad: Array, factor: Pair, bilinear: bool, workspace: Workspace, /
) -> None: ...
def vector_quantize(
    quantized: Array | None, indices: Array, z: Array, codebook: Array, workspace: Workspace, /
) -> None: ...
def vector_quantize_backward(
    dz: Array,
    dcodebook: Array | None,
    grad: Array,
    z: Array,
    codebook: Array,
    indices: Array,
    commitment: float,
    scale: float,
    workspace: Workspace,
    /,
) -> None: ...
def vq_statistics(
    count: Array, sum: Array, z: Array, indices: Array, workspace: Workspace, /
) -> None: ...
