"""The generative adversarial network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ...arch.build import default_arch
from ...base import checks
from ...base.sklearn import new_seed
from ...base.streams import LATENT
from ...data.arrays import Data
from ...data.batches import Batch
from ...data.conditions import conditions, shared
from ...data.readers import Reader
from ...losses import Loss
from ...nn.module import Module
from ...nn.ops.elementwise import activation
from ...nn.tape import Value
from ...priors import Normal
from ...training import optim
from ...training.network import is_teacher_forced
from ..base.codes import read_codes
from ..base.model import fitted
from ..base.options import Running, Unpack
from .base import Adversarial


class GAN(Adversarial, options=Running, defaults={"optimizer": None}):
    r"""A generator G of samples from noise, and a discriminator D that tells them from data.

    Each batch gives both a step. The discriminator minimises, as a mean over samples,

    .. math:: -E_x[\ln D(x)] - E_z[\ln(1 - D(G(z)))], \quad z \sim N(0, I)

    and the generator :math:`-E_z[\ln D(G(z))]`, or with loss="minimax"
    :math:`E_z[\ln(1 - D(G(z)))]`, whose gradient vanishes where the discriminator is sure. At the
    optimum of both, the samples have the data's distribution and D is one half: the
    discriminator's loss is 2 ln 2 = 1.386.

    A loss says nothing about how good samples are, so nothing is validated and nothing stops early:
    look at samples (a callback may draw some after each epoch), or measure them with
    `aecore.metrics.mmd`.

    Parameters
    ----------
    arch : Dense, Conv, ResNet, LSTM, GRU, Transformer, (discriminator, generator) or None
        The generator is the architecture's decoder, from a code to a sample; the discriminator is
        its encoder, to one logit. None is as in `Autoencoder`, but with elu where that has relu:
        the generator learns through the discriminator, of which relu switches parts off.
    latent_dim : int
        The length of z.
    loss : {"non-saturating", "minimax"}
        The generator's.
    output : {"linear", "sigmoid"}
        What the generator ends with. sigmoid is for data in [0, 1], such as images.
    conditional : bool
        Whether `fit` is given a condition y for each sample, as a `CVAE` is. It stands beside the
        generator's code and the discriminator's input.
    optimizer : None, {"adam", "adamw", "sgd"}, Adam, AdamW or SGD
        Of both. None is ``Adam(beta1=0.5)``: with more momentum the two oscillate.
    learning_rate : float
        The generator's.
    discriminator_learning_rate : float or None
        None is the generator's. The schedule is a factor of both.
    clip_norm : float or None
        The largest norm that the gradient of all parameters of either may have.

    Attributes
    ----------
    history_ : list of dict
        For each epoch its number, means of ``loss`` (the generator's) and ``discriminator`` (its
        loss), ``real_accuracy`` and ``fake_accuracy`` (the shares of data and of generated samples
        that the discriminator was right about), ``learning_rate`` and ``seconds``.
    classes_ : ndarray, shape (K,)
        The labels in order, where conditions are labels.
    n_features_in_, feature_names_in_, n_parameters_, parameters_
        As in `Autoencoder`. The generator's parameters are called decoder.

    Notes
    -----
    Where `sample_mask` says that values are missing, the same values of the generated samples are
    set to 0 before the discriminator sees them, so that the mask can't tell the two apart.

    References
    ----------
    I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014. M. Mirza and S. Osindero,
    "Conditional generative adversarial nets", 2014. A. Radford, L. Metz and S. Chintala,
    "Unsupervised representation learning with deep convolutional generative adversarial networks",
    ICLR 2016 (beta1). A. Bora, E. Price and A. Dimakis, "AmbientGAN", ICLR
    2018 (missing values).

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).normal(5, 1, (200, 3))
    >>> model = ae.GAN(ae.Dense((16,)), latent_dim=2, epochs=2, random_state=0).fit(X)
    >>> model.sample(4, random_state=0).shape, sorted(model.history_[0])[:3]
    ((4, 3), ['discriminator', 'epoch', 'fake_accuracy'])
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 64,
        *,
        loss: str = "non-saturating",
        output: str = "linear",
        conditional: bool = False,
        discriminator_learning_rate: float | None = None,
        **options: Unpack[Running],
    ) -> None:
        self._store(GAN, locals())

    output: str

    # the parameters of other models that a GAN doesn't have
    init = "uniform"
    tied = False
    corruption = None
    penalty = None
    validation_fraction = 0.0
    _no_validation = "whose losses don't say how good its samples are"
    _own_optimizer = optim.Adam(beta1=0.5)

    def _check_params(self) -> None:
        checks.choice("loss", self.loss, ("non-saturating", "minimax"))
        checks.choice("output", self.output, ("linear", "sigmoid"))
        self._check_adversarial_params()
        self._check_training_params()

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        arch = self.arch
        if arch is None:
            arch = default_arch(reader.shape, recurrent=True)
            if "activation" in arch.get_params():
                arch.set_params(activation="elu")
        parts = self._coders(reader, 1, self.latent_dim, condition, arch=arch)
        if is_teacher_forced(parts["decoder"]):
            raise ValueError(
                "arch: expected teacher_forcing=False for a GAN, whose generator has no true "
                "sequences to follow, got True"
            )
        return {"decoder": parts["decoder"], "discriminator": parts["encoder"]}

    _of_draws = frozenset({"fake", "loss"})
    _no_target = "which draws samples out of nothing"

    @property
    def _loss(self) -> Loss:
        """What the generator's output means."""
        return Loss("bce" if self.output == "sigmoid" else "mse", self._fitted().input_shape)

    def _check_data(self, data: Data, name: str) -> None:
        if self.output == "sigmoid" and (data.low < 0 or data.high > 1):
            raise ValueError(
                f"{name}: expected values in [0, 1] for output='sigmoid', got {data.low:g} to "
                f"{data.high:g}; scale them, or use output='linear'"
            )

    # ---- training -------------------------------------------------------------------------------

    def _pair(self, batch: Batch) -> tuple[Value, Value]:
        tape, width = batch.tape, int(self.latent_dim)
        z, start = tape.take((batch.n, width)), batch.position * width
        _core.random_normal(z, batch.seed, LATENT, start, tape.workspace)
        fake = self._network.decode(tape.constant(z), self._condition(batch))
        if self.output == "sigmoid":
            fake = activation(fake, "sigmoid")
        if batch.mask is not None:
            fake = fake * batch.mask.reshape(fake.shape)
        return tape.constant(batch.x), fake

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what the generator minimises; see `BaseModel.terms`."""
        if self.loss == "minimax":  # the cross-entropy of being classified as fake, maximised
            batch.weights["loss"] = -1.0
            return {"loss": self._generator_loss(batch, target=0.0)}
        return {"loss": self._generator_loss(batch)}

    # ---- fitted models --------------------------------------------------------------------------

    @fitted
    def sample(self, n: int, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Generate samples.

        Parameters
        ----------
        n : int
        y : optional
            The condition of a conditional model: one for all samples, or one for each.
        random_state : int, Generator, RandomState or None

        Returns
        -------
        ndarray of float32, shape (n, ...)
        """
        n, seed = checks.integer("n", n, 0), new_seed(random_state)
        condition = shared(self._network.conditioner, y, n)
        z = Normal().draw(n, self.latent_dim, seed)
        return self._generated(z, condition, self._network.decode)

    @fitted
    def inverse_transform(self, Z: Any, y: Any = None) -> np.ndarray:
        """Generate the samples of certain codes, such as those on the way from one to another.

        Parameters
        ----------
        Z : array-like, shape (N, latent_dim)
            Those that `sample` takes are drawn from N(0, I).
        y : array-like, optional
            The condition of a conditional model.

        Returns
        -------
        ndarray of float32, shape (N, ...)
        """
        z = read_codes(Z, self.latent_dim)
        condition = conditions(self._network.conditioner, y, len(z))
        return self._generated(z, condition, self._network.decode)

    @fitted
    def score_samples(self, X: Any, y: Any = None, *, sample_mask: Any = None) -> np.ndarray:
        r"""Return the discriminator's logit of each sample: :math:`\ln D(x) / (1 - D(x))`.

        It is more than 0 where the discriminator takes a sample for data. A perfect discriminator
        gives the logarithm of how much more often the data have the sample than the generator makes
        it, which isn't a likelihood: it is near 0 for everything once the generator is good.

        Parameters
        ----------
        X : array-like, shape (N, ...)
        y : array-like, optional
            The condition of a conditional model.
        sample_mask : array-like of bool, the shape of X, optional
            True where a value is observed; the others are 0 to the discriminator.

        Returns
        -------
        ndarray of float32, shape (N,)
        """
        given, network = self._input(X, y, sample_mask), self._network

        def logits(batch: Batch) -> np.ndarray:
            x, condition = batch.tape.constant(batch.x), self._condition(batch)
            return network.discriminate(x, condition).data[:, 0]

        return self._collected(given, logits)
