"""``aecore demo``: train autoencoders of five kinds, and show what they do.

recipes
    The models, the data sets and the epochs.
training
    Trains all models under one progress bar.
scores
    The table of results, beside PCA's.
chapters
    The pictures and their texts.
page
    The HTML page.
"""

from ._run import DemoError, run

__all__ = ["DemoError", "run"]


def __dir__() -> list[str]:
    return __all__
