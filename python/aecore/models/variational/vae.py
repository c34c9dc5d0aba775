"""The variational autoencoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import divergences
from ...base import checks
from ...data.batches import Batch, Input
from ...data.readers import Reader
from ...divergences import Divergence
from ...flows import PosteriorFlow
from ...losses import COUNTS
from ...nn.module import Module
from ...nn.ops.latent import FreeBitsKL, GaussianKL, LogRatio, SplitLatent
from ...nn.ops.shapes import Reshape
from ...nn.tape import Value
from ...priors import Prior
from ...training.checkpoint import Saver
from ...training.network import Network
from ..base.coding import BaseAutoencoder
from ..base.options import Coding, Unpack
from . import annealed, components, flowed, pretraining
from . import posterior as posteriors
from . import prior as priors
from .components import OfMixture
from .importance import weighted_terms
from .posterior import Draw


class VAE(BaseAutoencoder, options=Coding):
    r"""A decoder with a normal prior on its codes, and an encoder that gives their posterior.

    Minimises, as a sum over features and latent dimensions and a mean over samples, in nats,

    .. math::
        E_{q(z | x)}[-\ln p(x | z)] + \beta\,\mathrm{KL}(q(z | x) \,\|\, N(0, I)),
        \quad q(z | x) = N(\mu(x), \mathrm{diag}(\sigma^2(x)))

    with one draw :math:`z = \mu + \sigma \epsilon` a sample. Log-likelihoods of mse, l1 and huber
    leave out a constant, see `aecore.losses`; loss="gaussian" learns the scale of the errors, which
    for mse is fixed.

    With ``importance_samples=S`` above 1 the decoder sees S draws a sample, and what is minimised
    is the importance-weighted bound

    .. math:: -\ln \frac{1}{S} \sum_s p(x | z_s)
        \Big(\frac{p(z_s)}{q(z_s | x)}\Big)^\beta, \quad z_s \sim q(z | x)

    which is closer to -ln p(x) the larger S is, and asks less of the posterior's form.

    Parameters
    ----------
    beta : float
        The weight of the KL term, or of the divergence. 1 is the evidence lower bound.
    kl_warmup : float
        Epochs over which the weight rises from 0 in a straight line, batch by batch.
    free_bits : float
        Nats of KL that each latent dimension has for free: where its mean over a batch is less,
        it isn't minimised.
    importance_samples : int
        S. The encoder runs once, the decoder on S times the batch.
    divergence : "kl", MMD or TotalCorrelation
        What takes the place of the KL term, see `aecore.divergences`.
    prior : None, GaussianMixture, VampPrior, RealNVP, Normal or another prior
        What codes are drawn from. None is N(0, I). A `GaussianMixture`, a `VampPrior` or a
        `RealNVP` is learned with the model: its parameters are the network's, and ``prior_`` is
        what it has become. A mixture whose ``means`` are given stays as it is, as a `Normal` does.
        The KL term is then :math:`E[\ln q(z | x)] - \ln p(z)` at the draw; where nothing is drawn,
        in scores, the mean of ln p(z) over the posterior is bounded as `predict_proba` weighs
        components, and of a `RealNVP` its value at the mean stands for it.
    posterior : None, PlanarFlow or InverseAutoregressiveFlow
        An invertible map behind the normal draw, which is learned with the model, see
        `aecore.flows`: q(z | x) is then what the map makes of the normal distribution. `transform`
        gives what it makes of the mean, while `encode_distribution`, a penalty, and what is said of
        collapse in ``history_`` are about the normal distribution in front of it. The KL term is by
        the draw, as with a prior.
    pretrain_epochs : int
        With a prior: for so many epochs encoder and decoder are first trained as an autoencoder, on
        the posteriors' means and at a rate that falls to 0, and then a mixture that is learned is
        fitted to the codes. Their records have a ``level``. 0 without a prior.

    Attributes
    ----------
    prior_ : GaussianMixture or another prior
        What was learned of ``prior``, to draw codes from and to score them by.
    history_ : list of dict
        Beside what `Autoencoder` has: ``kl`` in nats, ``kl_weight``, and for loss="bce",
        "cross_entropy" and those of counts ``bits_per_dim`` of the bound (a one-hot vector is one
        dimension). With several samples ``recon`` and ``kl`` are means over the draws, ``loss`` is
        less than recon + kl_weight kl, as the bound is tighter, and ``iwae`` is the loss with a
        weight of 1: a bound on -ln p(x). A divergence adds terms of its own. val_* are of draws as
        well, the same ones in every epoch, with the whole of beta.

        Two figures tell whether codes have collapsed to the prior: ``active_units``, how many
        latent dimensions have a mean whose variance is above 0.01, and ``information_bound``, an
        upper bound in nats of the mutual information of samples and codes, :math:`\frac{1}{2}
        \sum_k \ln v_k - E \ln \sigma_k^2` with v the variance of all codes together. It is at most
        ``kl``.

    References
    ----------
    D. Kingma and M. Welling, "Auto-encoding variational Bayes", ICLR 2014. I. Higgins et al.,
    "beta-VAE", ICLR 2017. D. Kingma et al., "Improved variational inference with inverse
    autoregressive flow", NeurIPS 2016 (free bits). Y. Burda, R. Grosse and R. Salakhutdinov,
    "Importance weighted autoencoders", ICLR 2016 (also active units, `log_likelihood`). Z. Jiang et
    al., "Variational deep embedding: an unsupervised and generative approach to clustering", IJCAI
    2017 (a mixture as the prior). J. Tomczak and M. Welling, "VAE with a VampPrior", AISTATS 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> model = ae.VAE(ae.Dense((16,)), latent_dim=2, epochs=5, random_state=0).fit(X)
    >>> mean, logvar = model.encode_distribution(X)
    >>> mean.shape, model.sample(3, random_state=0).shape
    ((100, 2), (3, 20))

    With a mixture for a prior it finds clusters, and draws from one of them:

    >>> prior = ae.GaussianMixture(3)
    >>> model = ae.VAE(ae.Dense((16,)), 2, prior=prior, pretrain_epochs=5, epochs=5).fit(X)
    >>> model.predict(X).shape, model.sample(4, y=1).shape
    ((100,), (4, 20))
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        beta: float = 1.0,
        kl_warmup: float = 0,
        free_bits: float = 0.0,
        importance_samples: int = 1,
        divergence: Any = "kl",
        prior: Prior | None = None,
        posterior: PosteriorFlow | None = None,
        **options: Unpack[Coding],
    ) -> None:
        self._store(VAE, locals())

    beta: float
    kl_warmup: float
    free_bits: float
    importance_samples: int
    divergence: Any
    prior: Any
    posterior: Any

    _ragged = _takes_maps = True
    _no_penalty = ""
    _heads = 2  # mean and log-variance

    encode_distribution = posteriors.encode_distribution
    elbo = posteriors.elbo
    log_likelihood = posteriors.log_likelihood
    annealed_log_likelihood = annealed.annealed_log_likelihood
    predict = OfMixture(components.predict)
    predict_proba = OfMixture(components.predict_proba)

    @property
    def _no_weights(self) -> str:
        if self.free_bits:
            return "whose free_bits are about means over a batch"
        if isinstance(self.divergence, Divergence):
            return "whose divergence is estimated from the codes of a whole batch"
        return super()._no_weights

    def _check_params(self) -> None:
        checks.integer("latent_dim", self.latent_dim, 1)
        checks.real("beta", self.beta)
        checks.real("kl_warmup", self.kl_warmup)
        checks.real("free_bits", self.free_bits)
        checks.integer("importance_samples", self.importance_samples, 1)
        divergences.check(self)
        priors.check(self)
        flowed.check(self)
        super()._check_params()

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        mean, logvar = self._posterior(batch)
        if self.importance_samples > 1 and batch.noise != "off":
            return weighted_terms(self, batch, mean, logvar, self._kl_weight(batch))
        return self._bound(batch, mean, logvar)

    def _bound(self, batch: Batch, mean: Value, logvar: Value) -> dict[str, Value]:
        """Return the terms for one draw of each code."""
        drawn = self._draw(batch, mean, logvar)
        batch.output = self._decode(drawn.z, batch)
        recon = self._loss.term(batch.output, batch)
        return {"recon": recon} | self._divergence(batch, drawn)

    # What is drawn, ln q(z | x) and ln p(z): all that is said of codes goes through these.

    @property
    def _is_normal(self) -> bool:
        """Whether posteriors are normal, and the prior N(0, I)."""
        return priors.module_of(self) is None and flowed.flow_of(self) is None

    def _draw(self, batch: Batch, mean: Value, logvar: Value) -> Draw:
        """Return codes drawn from posteriors; of the normal ones' means where nothing is drawn."""
        drawn, flow = posteriors.draw(batch, mean, logvar), flowed.flow_of(self)
        return drawn if flow is None else flowed.flowed(flow, batch, drawn)

    def _log_prior(self, batch: Batch, z: Value) -> Value:
        """Return ln p(z) of a batch's codes."""
        return priors.log_prior(self, batch, z)

    def _log_ratio(self, batch: Batch, drawn: Draw) -> Value:
        """Return ln p(z) - ln q(z | x) of draws."""
        if self._is_normal:
            assert drawn.eps is not None
            return LogRatio(drawn.z, drawn.eps, drawn.logvar)
        return self._log_prior(batch, drawn.z) - drawn.log_posterior()

    def _kl(self, batch: Batch, drawn: Draw) -> Value:
        """Return the KL of each posterior and the prior: as it is known, or by the draw."""
        if self._is_normal:
            return GaussianKL(drawn.mean, drawn.logvar)
        density = priors.density_of(self, batch)
        if flowed.flow_of(self) is None and density and (drawn.eps is None or density.is_exact):
            expected = priors.mean_log_prior(self, batch, drawn.mean, drawn.logvar)
        else:
            expected = self._log_prior(batch, drawn.z)
        return drawn.mean_log_posterior() - expected

    def _posterior(self, batch: Batch) -> tuple[Value, Value]:
        """Return means and log-variances of the codes: those of a map as one vector (n, h w d)."""
        h = self._encode(batch)
        batch.room = h.shape[1:-1]
        batch.context, width = None, self._heads * int(self.latent_dim)
        if h.shape[-1] > width:
            batch.context = h[..., width:].reshape(batch.n, -1)
            h = h[..., :width]
        halves = SplitLatent(Reshape(h, (-1, h.shape[-1])) if batch.room else h)
        mean, logvar = halves.mu, halves.logvar
        if batch.room:
            mean, logvar = (Reshape(v, (batch.n, -1)) for v in (mean, logvar))
        batch.code = self._shaped(mean)
        if batch.noise == "on":
            batch.noted["moments"] = posteriors.moments(batch.code.data, logvar.data, batch.weight)
        return batch.code, logvar

    def _latent(self, batch: Batch) -> Value:
        """Return the codes of samples, without noise: the means, or what the flow makes of them."""
        return self._behind(batch, self._posterior(batch)[0])

    def _behind(self, batch: Batch, mean: Value) -> Value:
        """Return the codes that the means of a batch's posteriors stand for."""
        flow = flowed.flow_of(self)
        return mean if flow is None else flowed.through(flow, batch, mean, batch.context)[0]

    def _nearby(self, batch: Batch, points: np.ndarray) -> np.ndarray:
        flow = flowed.flow_of(self)
        return points if flow is None else flowed.nearby(flow, batch, points)

    def _mapped(self, batch: Batch, codes: np.ndarray) -> np.ndarray:
        return codes.reshape(len(codes), *batch.room, -1) if batch.room else codes

    def _decode(self, z: Value, batch: Batch) -> Value:
        if batch.room:
            z = Reshape(z, (z.shape[0], *batch.room, int(self.latent_dim)))
        return super()._decode(z, batch)

    def _decode_latent(self, z: Value, batch: Batch) -> Value:
        return self._decode(z, batch)

    def _divergence(self, batch: Batch, drawn: Draw) -> dict[str, Value]:
        """Return the KL term, or the divergence that takes its place."""
        batch.weights["kl"] = weight = self._kl_weight(batch)
        if self.free_bits and batch.noise == "on":
            free = FreeBitsKL(drawn.mean, drawn.logvar, float(self.free_bits))
            batch.reported["kl"] = batch.n * float(free.per_dimension.sum())
            kl: Value = free
        else:
            kl = self._kl(batch, drawn)
        if batch.noise == "off" or not isinstance(self.divergence, Divergence):
            return {"kl": kl}
        batch.weights["kl"] *= self.divergence.kl
        for name, share in self.divergence.weights().items():
            batch.weights[name] = weight * share
        found = posteriors.estimated(self.divergence, batch, drawn.z, drawn.mean, drawn.logvar)
        return {"kl": kl} | found

    def _kl_weight(self, batch: Batch) -> float:
        """Return the weight of the KL term: 1 in scores, as in the bound."""
        if batch.noise == "off":
            return 1.0
        if batch.noise == "fixed":
            return self.beta
        weight = self.beta * (min(batch.epoch / self.kl_warmup, 1.0) if self.kl_warmup else 1.0)
        batch.reported["kl_weight"] = weight * batch.counted
        return weight

    def _log_scale(self, batch: Batch) -> Any:
        """Return what turns the targets' density into that of the samples as they were given."""
        return 0.0

    def _epoch_terms(
        self, means: dict[str, float], noted: dict[str, np.ndarray], n: float, observed: float
    ) -> dict[str, float]:
        known = super()._epoch_terms(means, noted, n, observed)
        if not noted:
            return known
        extra = posteriors.activity(noted["moments"] / n)
        if self.loss in ("bce", "cross_entropy", *COUNTS):
            bound = means.get("iwae", means["recon"] + means["kl"])
            entries = self._loss.classes if self.loss == "cross_entropy" else 1  # of one variable
            extra["bits_per_dim"] = bound / (observed / n / entries * math.log(2))
        return known | extra

    # ---- the prior -------------------------------------------------------------------------------

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        return super()._modules(reader, condition) | self._distributions(reader)

    def _distributions(self, reader: Reader) -> dict[str, Module]:
        """Return the parts of the network for a prior and posterior that aren't plain normal."""
        found: dict[str, Module] = {}
        if self.prior is not None:
            found["prior"] = self.prior.module(int(self.latent_dim), reader.shape)
        if self.posterior is not None:
            found["posterior"] = self.posterior.module(int(self.latent_dim))
        return found

    @property
    def _encoder_outputs(self) -> int:
        context = 0 if self.posterior is None else int(self.posterior.context)
        return super()._encoder_outputs + context

    def _prepare(self, network: Network, given: Input) -> None:
        priors.start(self, network, given)

    @property
    def _pretrains(self) -> bool:
        """Whether there is a prior that encoder and decoder are pretrained for."""
        return self.prior is not None

    def _pretrain(self, given: Input, rows: np.ndarray | None, saver: Saver) -> None:
        pretraining.pretrain(self, given, rows, saver)

    def _is_pretraining(self, saver: Saver) -> bool:
        return super()._is_pretraining(saver) or pretraining.is_begun(self)

    @property
    def prior_(self) -> Prior:
        """The prior as it was learned, an object to draw codes from and to score them by."""
        self._fitted()
        if self.prior is None:
            raise AttributeError(
                f"{type(self).__name__}: expected a prior that was learned, got None, N(0, I)"
            )
        return priors.fitted_prior(self)

    def _own_prior(self) -> Prior:
        return priors.fitted_prior(self)
