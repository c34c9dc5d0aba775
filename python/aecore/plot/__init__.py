"""Pictures of models and data, drawn with matplotlib (``pip install 'aecore[plot]'``).

Every function draws on one axes. With ``ax=None`` it makes a figure and returns it; with ``ax=`` it
draws there and returns that Axes. Figures are made without pyplot, so nothing has to be closed and
nothing needs a display. In a notebook a returned figure shows itself. ``title=`` takes the place of
a picture's title, and ``""`` draws none; ``figure.axes[0].set_title("...")`` replaces it later.

No rcParams are changed, but those that you have changed are obeyed: font sizes (larger type makes
larger figures), colours, lines, grids, ``axes.prop_cycle``, ``image.cmap`` and ``savefig.dpi``. All
others have the library's look. A figure keeps the style that it was drawn in. For dark pages::

    import matplotlib.pyplot as plt

    with plt.style.context("dark_background"):
        figure = ae.plot.history(model)
    figure.savefig("history.png")  # 300 dots an inch, with the figure's background

or, in colours of your own, ``with matplotlib.rc_context({"figure.facecolor": "#131416",
"text.color": "#e0e0e0"})``: inks and greys follow from these two. Images have transparent gaps.

Axes of your own keep their size of type and their title, and get two spines and a legend without a
frame where nothing was drawn before. Unless the figure has a layout engine, they shrink to make
room for legends and labels beside them.

Samples are images (N, H, W, 1) or (N, H, W, 3), drawn as one tiled image; sequences (N, T, F),
drawn as lines; or tables (N, F), drawn as strips of colour with a row for each sample. In tables of
at most 20 columns that aren't all of numbers the values are written, numbers with three digits;
cells that are missing are hatched. uint8 is taken as 0..1 in 255 steps, as models do.

Integer labels are classes: ``class_names=`` gives them names, by a sequence or a dict, and labels
may be strings to begin with. ``feature_names=`` names the features of sequences and tables; data
frames bring their own.

A `model` is any fitted object with the methods named in a function's text. Where it is conditional,
that is where its method takes ``y``, the function's `y` is passed on.
"""

from typing import TYPE_CHECKING

from ..base.hints import PLOTS, attribute
from ._codebook import codebook
from ._codes import latent_space
from ._curves import history, roc
from ._decode import interpolation, manifold, traversal
from ._errors import errors
from ._explore import explore
from ._explorer import Explorer
from ._grid import tile
from ._rates import learning_rates
from ._reasons import reasons
from ._reconstruct import reconstructions
from ._samples import samples
from ._scores import scores
from ._series import series
from ._sizes import code_sizes
from ._snapshots import Snapshots, progress
from ._synthetic import synthetic_report

__all__ = [
    "Explorer",
    "Snapshots",
    "code_sizes",
    "codebook",
    "errors",
    "explore",
    "history",
    "interpolation",
    "latent_space",
    "learning_rates",
    "manifold",
    "progress",
    "reasons",
    "reconstructions",
    "roc",
    "samples",
    "scores",
    "series",
    "synthetic_report",
    "tile",
    "traversal",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # for whom there are no other attributes
    __getattr__ = attribute(__name__, __all__, PLOTS)
