"""What random numbers are for: each purpose has a stream of its own under the same seed.

The numbers are part of what a seed means and of saved models. Never renumber; add at the end.
"""

from __future__ import annotations

from os import urandom

DIRECT = 0  # the functions of aecore.functional, called by the user
INIT = 1  # fresh parameters
SPLIT = 2  # which samples are held out for validation
SHUFFLE = 3  # the order of the samples in an epoch
CORRUPTION = 4  # noise on the input
LATENT = 5  # noise of the posterior while training
DROPOUT = 6  # which values a Dropout layer drops
RESTART = 7  # the rows that replace unused codebook entries
KMEANS = 8  # where k-means starts
SAMPLE = 9  # what sample() draws
ESTIMATE = 10  # Monte Carlo estimates of likelihoods and bounds
PROJECTION = 11  # the directions of an estimated penalty
PRIOR = 12  # draws of the prior that codes are compared with while training
SWAP = 13  # from which sample a swapped value comes
HIDING = 14  # which cells of a table are hidden
CELLS = 15  # what the cells of a sampled table are, given their probabilities
BLOCKS = 16  # the order of blocks of rows in an epoch
PATCHES = 17  # which patches or blocks of a sample are hidden
CROPS = 18  # where crops of images lie, and whether they are turned
LEVEL = 19  # how strong a sample's noise is
OWN = 1 << 16  # from here on: draws of users' own objectives


def fresh_seed() -> int:
    """Return a seed that nobody can foresee."""
    return int.from_bytes(urandom(8), "little") >> 1


def derived_seed(seed: int, number: int) -> int:
    """Return one of the seeds that are made of another: far apart, and the same every time."""
    return (seed + number * 0x9E3779B97F4A7C15) & (2**63 - 1)
