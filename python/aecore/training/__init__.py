"""Training: batches, the loop, optimisers, schedules and what happens between epochs."""

from .callbacks import TrainingState
from .checkpoint import Checkpoint
from .optim import SGD, Adam, AdamW
from .schedules import Constant, Cosine, Plateau, Step, Warmup

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoint",
    "Constant",
    "Cosine",
    "Plateau",
    "Step",
    "TrainingState",
    "Warmup",
]


def __dir__() -> list[str]:
    return __all__
