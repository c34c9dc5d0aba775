"""Twins of the latent terms."""

import numpy as np


def reparameterize(mean, logvar, eps):
    return mean + np.exp(logvar / 2) * eps


def reparameterize_backward(grad, mean, logvar, eps):
    sigma = np.exp(logvar / 2)
    return grad, 0.5 * grad * sigma * eps, grad * sigma


def gaussian_kl(mean, logvar):
    return 0.5 * (mean**2 + np.expm1(logvar) - logvar).sum(1)


def gaussian_kl_backward(grad, mean, logvar):
    return grad[:, None] * mean, 0.5 * grad[:, None] * np.expm1(logvar)


def match_kl(mean, logvar, fixed_mean, fixed_logvar):
    share = (np.exp(fixed_logvar) + (mean - fixed_mean) ** 2) / np.exp(logvar)
    return 0.5 * (logvar - fixed_logvar + share - 1).sum(1)


def split_latent(h):
    mean, x = np.split(h, 2, axis=1)
    over = np.maximum(np.abs(x) - 10, 0) / 5
    return mean, np.where(over > 0, np.sign(x) * (10 + 5 * np.tanh(over)), x)


def split_latent_backward(dmean, dlogvar, h):
    over = np.maximum(np.abs(np.split(h, 2, axis=1)[1]) - 10, 0) / 5
    return np.concatenate([dmean, dlogvar / np.cosh(over) ** 2], axis=1)
