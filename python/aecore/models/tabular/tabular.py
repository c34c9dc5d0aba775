"""Autoencoders of tables: columns of different types, and missing values anywhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...base import checks
from ...base.sklearn import new_seed
from ...base.streams import derived_seed
from ...data.batches import Batch
from ...data.readers import Reader
from ...data.rows import Rows, joined
from ...data.tables import Table
from ...flows import PosteriorFlow
from ...nn.module import Module
from ...nn.ops.latent import MatchKL
from ...nn.tape import Value
from ...priors import Prior
from ..autoencoder import Autoencoder
from ..base.model import fitted
from ..base.options import Tables, Unpack
from ..variational.vae import VAE
from .given import Given
from .model import TableModel
from .posterior import chances, particles

FEWEST, MOST = 512, 20_000  # codes for a row, and for what is given of all rows
CODES, SHARE = 64, 0.1  # for a row with gaps; how many of them the prior gives
SEED = 0  # of the codes that expected cells are means over
WORTH = 20  # codes, below which a warning is due


class TabularAutoencoder(TableModel, Autoencoder, options=Tables):
    r"""An autoencoder of tables: numbers, categories and times, with missing cells anywhere.

    Minimises :math:`E\,[\sum_c \ell_c(x_c, g(f(\tilde x)))]` over the columns c whose cells are
    there: a normal log-likelihood for numbers, with a deviation that is learned for each column, a
    Bernoulli one for columns of two levels and a categorical one for those of more, see
    `aecore.losses.mixed`. The encoder sees which cells are missing. In training some more are
    hidden from it, so that the decoder learns to predict a cell from the others of its row, which
    is what `impute` and `score_cells` need.

    `fit` looks at the columns:

    - Numbers are centred at their median and divided by a robust deviation that is never 0; beyond
      3 of them they grow with the logarithm, so that heavy tails don't outweigh everything else.
      Times are numbers of seconds.
    - Strings, booleans, columns of a categorical type, numbers that are 0 and 1 alone and what
      ``categorical`` names have levels. The encoder has a vector for each level, one for levels
      that it hasn't seen in fit, and one for a missing cell; vectors are longer where there are
      more levels. Levels are equal in any type: 1, 1.0, True and "1".
    - A column without any cell is left out.

    Methods take a data frame's columns by name, in any order. Results that are tables come as what
    `fit` was given: a data frame, a structured array or a matrix, with its types: categories in
    their order, time zones, nullable types. `errors` and `score_cells` have
    the columns as in fit, (N, C); of a data frame `score_cells` is one.

    Parameters
    ----------
    latent_dim : int
        The length of a code.

    Attributes
    ----------
    history_ : list of dict
        As in `Autoencoder`, with ``numeric``, ``binary`` and ``categorical``, which together are
        ``recon``. ``mse`` is that of numbers, in their column's deviations, and of probabilities.
    n_features_in_ : int
        C, the number of columns.
    feature_names_in_ : ndarray of str
        Where the columns have names.

    References
    ----------
    A. Nazabal et al., "Handling incomplete heterogeneous data using VAEs", Pattern Recognition 107,
    2020. P. Vincent et al., "Extracting and composing robust features with denoising autoencoders",
    ICML 2008. C. Guo and F. Berkhahn, "Entity embeddings of categorical variables", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> X = np.zeros(100, [("size", float), ("shape", "U6")])
    >>> X["shape"] = rng.choice(["round", "square"], 100)
    >>> X["size"] = (X["shape"] == "round") * 5 + rng.random(100)
    >>> X["size"][0] = np.nan
    >>> model = ae.TabularAutoencoder(ae.Dense((16,)), 2, epochs=5, random_state=0).fit(X)
    >>> bool(np.isnan(model.impute(X)["size"]).any()), model.score_cells(X).shape
    (False, (100, 2))
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        categorical: Any = (),
        numbers: str = "normal",
        hidden: float = 0.3,
        **options: Unpack[Tables],
    ) -> None:
        self._store(TabularAutoencoder, locals())


class TabularVAE(TableModel, VAE, options=Tables):
    r"""A variational autoencoder of tables: what `TabularAutoencoder` is to `Autoencoder`.

    Minimises the bound that `VAE` has, with the likelihood of tables, in which missing cells have
    no part. `sample` draws cells too, and not only codes: levels and bins of numbers by their
    probabilities, numbers within a bin, or with the deviation of their column.

    Where cells are hidden (or there is a corruption) the encoder sees each row twice: as it is,
    which gives the bound, and with cells hidden. Its posterior of the latter, q(z | x̃), learns to
    be that of the whole row by :math:`\mathrm{KL}(q(z | x) \,\|\, q(z | \tilde x))`, ``match`` in
    ``history_``, whose gradient is that of the second alone. So the decoder and the prior of codes
    are those of a model that hides nothing.

    What is drawn is within the ranges of the columns in `fit`, and meets the ``constraints``, which
    have precedence: a sum may be beyond those in `fit`, and so may what isn't below such a number.
    `impute` meets them too, with what is there.

    Parameters
    ----------
    latent_dim : int
        The length of a code.
    constraints : list of SumTo and Ordered, or None
        What holds in every row, and is to hold in every one that is drawn or filled in. `fit`
        refuses rows that don't meet them. What a column is the sum of tells all about it, so that
        the model, its likelihoods and scores take no notice of the sum.

    Attributes
    ----------
    sampling_efficiency_ : float
        Of the last `sample` with ``given``.

    References
    ----------
    A. Nazabal et al., "Handling incomplete heterogeneous data using VAEs", Pattern Recognition 107,
    2020. R. Strauss and J. Oliva, "Posterior matching for arbitrary conditioning", NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import aecore as ae
    >>> rng = np.random.default_rng(0)
    >>> X = np.zeros(100, [("size", float), ("shape", "U6")])
    >>> X["shape"] = rng.choice(["round", "square"], 100)
    >>> X["size"] = (X["shape"] == "round") * 5 + rng.random(100)
    >>> model = ae.TabularVAE(ae.Dense((16,)), 2, epochs=5, random_state=0).fit(X)
    >>> model.sample(3, random_state=0).dtype.names
    ('size', 'shape')
    """

    def __init__(
        self,
        arch: Any = None,
        latent_dim: int = 32,
        *,
        categorical: Any = (),
        numbers: str = "histogram",
        constraints: Any = None,
        hidden: float = 0.3,
        beta: float = 1.0,
        kl_warmup: float = 0,
        free_bits: float = 0.0,
        importance_samples: int = 1,
        divergence: Any = "kl",
        prior: Prior | None = None,
        posterior: PosteriorFlow | None = None,
        pretrain_epochs: int = 0,
        **options: Unpack[Tables],
    ) -> None:
        self._store(TabularVAE, locals())

    def _modules(self, reader: Reader, condition: int) -> dict[str, Module]:
        return super()._modules(reader, condition) | self._distributions(reader)

    def terms(self, batch: Batch) -> dict[str, Value]:
        """Return what is minimised; see `BaseModel.terms`."""
        if batch.noise != "on" or self._corruptions()[0].is_nothing:
            return super().terms(batch)
        whole = copy.copy(batch)
        whole.x = batch.target
        whole.samples = batch.tape.constant(batch.target)
        terms = super().terms(whole)
        batch.given, batch.encoded = whole.given, whole.encoded
        batch.code, batch.output = whole.code, whole.output
        parts = copy.copy(batch)
        parts.noise = "off"  # its codes aren't those that are counted
        fixed = [half.data for half in whole.posterior]
        return terms | {"match": MatchKL(*self._posterior(parts), *fixed)}

    def _posterior(self, batch: Batch) -> tuple[Value, Value]:
        batch.posterior = super()._posterior(batch)
        return batch.posterior

    @fitted
    def sample(
        self,
        n: int,
        *,
        y: Any = None,
        given: Any = None,
        prior: Prior | None = None,
        near: Any = None,
        scale: float = 1.0,
        random_state: Any = None,
    ) -> Any:
        r"""Draw rows, all of which have some cells if these are given.

        Rows given cells follow :math:`\int p(x | z)\, p(z | \text{given})\, dz`. Codes are drawn
        from the prior and from the encoder's posterior of the given cells, and drawn again by their
        weights :math:`p(z)\, p(\text{given} | z) / q(z)`: the cells are exact, and what they say
        of the others is as good as the number of codes that carry weight. ``sampling_efficiency_``
        is then the share of codes that the weights are worth (the effective sample size over their
        number, a mean over rows); a warning says if they are worth less than 20 codes.

        Parameters
        ----------
        n : int
        y : optional
            The component of a mixture that the model has learned: one for all rows, or one for
            each. None where ``given`` is.
        given : dict, DataFrame, structured array or matrix, optional
            What is known of the rows. A dictionary is for all: by the name of a column (its place,
            in a table without names) a value, a range ``(low, high)`` of numbers or times, of which
            either may be None, or a list of levels. A table of n rows has some columns, and says
            which cells each row has; missing ones are drawn.
        prior, near, scale, random_state
            As in `VAE`.

        Returns
        -------
        The container that `fit` was given, with its columns and n rows

        Raises
        ------
        ValueError
            For columns, levels and numbers that `fit` hasn't seen, and for what has no probability,
            such as a range between the numbers of `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> import aecore as ae
        >>> rng = np.random.default_rng(0)
        >>> X = np.zeros(100, [("size", float), ("shape", "U6")])
        >>> X["shape"] = rng.choice(["round", "square"], 100)
        >>> X["size"] = (X["shape"] == "round") * 5 + rng.random(100)
        >>> model = ae.TabularVAE(ae.Dense((16,)), 2, epochs=5, random_state=0).fit(X)
        >>> rows = model.sample(4, given={"shape": "round", "size": (5, None)}, random_state=0)
        >>> rows["shape"].tolist(), bool((rows["size"] >= 5).all())
        (['round', 'round', 'round', 'round'], True)
        """
        how = {"prior": prior, "random_state": random_state}
        if given is None:
            return super().sample(n, y=y, near=near, scale=scale, **how)
        for name, there in (("y", y is not None), ("near", near is not None or scale != 1)):
            if there:
                raise ValueError(f"{name}: expected None where given is, got both")
        n, seed = checks.integer("n", n, 0), new_seed(random_state)
        checks.instance("prior", prior, Prior, "Normal()")
        known = Given(self._layout, given)
        if len(known) != n and not isinstance(given, Mapping):
            raise ValueError(f"given: expected a row for each of n={n}, got {len(known)}")
        return self._sample_given(n, known, prior or self._own_prior(), seed)

    def _sample_given(self, n: int, known: Given, prior: Prior, seed: int) -> Any:
        """Return n rows with what is known of all, or of each."""
        shared, loss = len(known) == 1, self._loss
        size = max(2 * FEWEST, min(4 * n, MOST)) if shared else FEWEST
        outputs, effective = [np.empty((0, loss.outputs), np.float32)], [np.full(1, float(size))]
        log_chance = partial(known.log_chance, loss)
        chance = chances(n, 1, seed, 1).reshape((1, n) if shared else (n, 1))
        for found in particles(self, known.cells, size, prior, seed, log_chance) if n else ():
            outputs.append(found.chosen(chance[found.rows]).reshape(-1, loss.outputs))
            effective.append(found.effective)
        worth = np.concatenate(effective[1:] or effective)
        self.sampling_efficiency_ = float(worth.mean() / size)
        if worth.min() < WORTH:
            row = "" if shared else f" for row {int(worth.argmin())}"
            checks.warn(
                "given: expected what the model draws now and then, got what is rare: "
                f"{size} codes are worth {worth.min():.1f}{row}, so that rows are alike",
                UserWarning,
            )
        output = np.concatenate(outputs)
        drawn = loss.draw(output, derived_seed(seed, 2))
        known.put(loss, output, drawn, chances(n, 2, seed, 3))
        return self._layout.table(drawn, known.numbers_of(drawn))

    @fitted
    def impute(
        self,
        X: Any,
        *,
        n_draws: int | None = None,
        sample_mask: Any = None,
        random_state: Any = None,
    ) -> Any:
        r"""Fill in what is missing, once or several times.

        Codes are weighed as in `sample` with ``given``, by
        :math:`p(z)\, p(\text{row} | z) / q(z | \text{row})` over the cells that are there.

        Parameters
        ----------
        X, sample_mask
            As in `TabularAutoencoder`.
        n_draws : int, optional
            How many tables to return, in a list, in which cells are drawn rather than expected. All
            of a row are drawn together. What differs between tables is what isn't known: an
            analysis is done with each, and the results are put together (multiple imputation).
        random_state : int, Generator, RandomState or None
            Of the draws.

        Returns
        -------
        The container of X, or a list of them
            As of `TabularAutoencoder`. Without draws numbers are expected ones and levels the
            likeliest, by means over 64 codes.

        References
        ----------
        P.-A. Mattei and J. Frellsen, "MIWAE: Deep generative modelling and imputation of incomplete
        data sets", ICML 2019. D. Rubin, "Multiple imputation for nonresponse in surveys", 1987.

        Examples
        --------
        >>> import numpy as np
        >>> import aecore as ae
        >>> X = np.repeat(np.random.default_rng(0).random((100, 1)), 3, axis=1)
        >>> model = ae.TabularVAE(ae.Dense((16,)), 2, epochs=5, random_state=0).fit(X)
        >>> X[:50, 0] = np.nan
        >>> tables = model.impute(X, n_draws=3, random_state=0)
        >>> len(tables), bool((tables[0][:, 1] == X[:, 1]).all())
        (3, True)
        """
        if n_draws is None:
            return super().impute(X, sample_mask=sample_mask)
        n_draws, seed = checks.integer("n_draws", n_draws, 1), new_seed(random_state)
        if isinstance(X, Rows):
            how = {"n_draws": n_draws, "sample_mask": sample_mask}
            parts = [
                self.impute(item.X, random_state=derived_seed(seed, i), **how)
                for i, item in enumerate(X)
            ]
            return [joined(list(one)) for one in zip(*parts, strict=True)]
        data, table = self._samples(X, sample_mask), Table(X, sample_mask)
        return [self._layout.filled(table, cells) for cells in self._draws(data, n_draws, seed)]

    def _expected_cells(self, data: Any) -> np.ndarray:
        rows, cells = _with_gaps(data)
        out, loss = cells.copy(), self._loss
        how: dict[str, Any] = {"share": SHARE, "alike": True}
        for found in particles(self, cells[rows], CODES, self._own_prior(), SEED, **how):
            out[rows[found.rows]] = loss.averaged(found.output, found.shares)
        return out

    def _draws(self, data: Any, n_draws: int, seed: int) -> Iterator[np.ndarray]:
        """Yield drawn cells of rows (N, C), several times."""
        rows, cells = _with_gaps(data)
        loss, streams = self._loss, range(1, 2 * n_draws, 2)
        chance = np.concatenate([chances(len(rows), 1, seed, k) for k in streams], axis=1)
        output = np.empty((n_draws, len(rows), loss.outputs), np.float32)
        for found in particles(self, cells[rows], CODES, self._own_prior(), seed, share=SHARE):
            output[:, found.rows] = found.chosen(chance[found.rows]).swapaxes(0, 1)
        for i, k in enumerate(streams):
            out = cells.copy()
            out[rows] = loss.draw(output[i], derived_seed(seed, k + 1))
            yield out

    def _log_scale(self, batch: Batch) -> np.ndarray:
        return self._layout.log_scale(batch.target)


def _with_gaps(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows of a table have missing cells, and the cells (N, C)."""
    cells = np.concatenate([block for _, block, _ in data.blocks()])
    return np.flatnonzero(np.isnan(cells).any(1)), cells
