"""Pictures of models and data, drawn with matplotlib (``pip install 'aecore[plot]'``).

Every function draws on one axes. With ``ax=None`` it makes a figure and returns it; with ``ax=`` it
draws there and returns that Axes. Figures are made without pyplot, so nothing has to be closed,
nothing needs a display, and the style is the figure's own: no rcParams are changed. In a notebook a
returned figure shows itself.

Samples are images (N, H, W, 1) or (N, H, W, 3), drawn as one tiled image; sequences (N, T, F),
drawn as lines; or tables (N, F), drawn as strips of colour with a row for each sample. In tables of
at most 20 columns that aren't all of numbers the values are written, numbers with three digits;
cells that are missing are hatched. uint8 is taken as 0..1 in 255 steps, as models do.

A `model` is any fitted object with the methods named in a function's text. Where it is conditional,
that is where its method takes ``y``, the function's `y` is passed on.
"""

from typing import TYPE_CHECKING

from ..base.hints import PLOTS, attribute
from ._codebook import codebook
from ._codes import latent_space
from ._curves import history, roc
from ._decode import interpolation, manifold, samples, traversal
from ._explore import explore
from ._explorer import Explorer
from ._grid import tile
from ._rates import learning_rates
from ._reasons import reasons
from ._reconstruct import errors, reconstructions
from ._scores import scores
from ._series import series
from ._sizes import code_sizes
from ._snapshots import Snapshots, progress

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
    "tile",
    "traversal",
]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # for whom there are no other attributes
    __getattr__ = attribute(__name__, __all__, PLOTS)
