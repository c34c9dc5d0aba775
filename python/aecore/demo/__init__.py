"""``aecore demo``: train six autoencoders and show what they do.

recipes
    The models, the data sets and the epochs.
training
    Trains all models under one progress bar.
scores
    The table of results, beside PCA's.
chapters
    The pictures and their texts.
page
    The HTML page, with code in colours (code) and pictures for dark pages (dark).
browser
    Opens it.
"""

from ._run import DemoError, run

__all__ = ["DemoError", "run"]


def __dir__() -> list[str]:
    return __all__
