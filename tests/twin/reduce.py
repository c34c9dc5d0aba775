"""Twins of the reductions."""

import math

import numpy as np


def array_sum(x):
    """The exact sum, rounded once."""
    values = np.asarray(x, np.float64).reshape(-1)
    if not np.isfinite(values).all():
        return float(values.sum())
    return math.fsum(values)


def span(x):
    return float(x.min()), float(x.max())


def latent_moments(mean, logvar):
    mean, logvar = mean.astype(np.float64), logvar.astype(np.float64)
    return np.array([v.sum(0) for v in (mean, mean**2, np.exp(logvar), logvar)])
