"""``aecore demo``: train autoencoders of five kinds, and show what they do.

recipes
    What is trained on which data, for how long.
training
    Training it all under one progress bar.
scores
    The table of results, beside PCA's.
chapters
    The pictures, and what they show.
page
    The HTML page that has it all.
"""

from ._run import DemoError, run

__all__ = ["DemoError", "run"]
