"""What to do after each epoch: callbacks for ``callbacks=[...]``, beside your own functions.

A callback is anything that can be called with a `TrainingState`. Returning True stops training; a
method ``close`` is called when training ends. `aecore.Checkpoint` is a parameter of models rather
than a callback, because training goes on from it.

These callbacks have in mind that a training which goes on from a checkpoint does some epochs again:
what they have written of those, they write anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import atomic, checks
from .base.hints import CALLBACKS, attribute
from .base.text import printable
from .training.callbacks import TrainingState

Record = dict[str, Any]


class _Placed:
    """What is written at a path: the same while training goes on, whatever the program's folder."""

    _place = ""

    def _given(self) -> Any:
        """Return the path that the user gave."""
        raise NotImplementedError

    def _start_training(self) -> None:
        self._place = os.path.abspath(os.fspath(self._given()))

    def _where(self) -> str:
        """Return the path that was found when training began, or else now."""
        if not self._place:
            self._start_training()
        return self._place


class _HistoryFile(_Placed):
    """A model's history as lines of a file, one for each epoch."""

    def __init__(self, path: Any) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"path: expected a path, got {path!r}")
        self.path = path
        self._names: list[str] = []
        self._written = -1  # epochs, or that the file isn't known

    def _given(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.path)!r})"

    def __call__(self, state: TrainingState) -> None:
        """Add the epoch's record, or write all of them if the file has others."""
        history = state.model.history_
        names = list(dict.fromkeys(name for record in history for name in record))
        known = self._written == len(history) - 1 and names == self._names
        if not known or not atomic.append(self._where(), self._line(history[-1]).encode()):
            self._names = names
            lines = self._head() + "".join(map(self._line, history))
            with atomic.replacing(self._where()) as file:
                file.write(lines.encode())
        self._written = len(history)

    def close(self) -> None:
        """Forget the file: the next training is of another."""
        self._written, self._place = -1, ""

    def _head(self) -> str:
        return ""

    def _line(self, record: Record) -> str:
        raise NotImplementedError


class CSVLogger(_HistoryFile):
    """Keeps ``history_`` as a table of comma-separated values, a row for each epoch.

    The file has what the model's history has, and is written anew where that begins anew.

    Parameters
    ----------
    path : str or path-like

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "history.csv")
    ...     log = ae.callbacks.CSVLogger(path)
    ...     model = ae.Autoencoder(ae.Dense((16,)), 2, epochs=2, callbacks=[log]).fit(X)
    ...     with open(path) as file:
    ...         lines = file.read().split()
    >>> lines[0], len(lines)
    ('epoch,loss,recon,mse,learning_rate,seconds', 3)
    """

    def _head(self) -> str:
        return self._row(self._names)

    def _line(self, record: Record) -> str:
        return self._row([record.get(name, "") for name in self._names])

    @staticmethod
    def _row(values: list[Any]) -> str:
        import csv
        import io

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(map(_cell, values))
        return text.getvalue()


def _cell(value: Any) -> Any:
    """Return what stands for a value in a table; no spreadsheet takes text for a formula."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


class JSONLinesLogger(_HistoryFile):
    """Keeps ``history_`` as a file with an object of JSON on each line, one for each epoch.

    The file has what the model's history has, and is written anew where that begins anew. What
    isn't finite is null.

    Parameters
    ----------
    path : str or path-like

    Examples
    --------
    >>> import json, os, tempfile
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((100, 20))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "history.jsonl")
    ...     log = ae.callbacks.JSONLinesLogger(path)
    ...     model = ae.Autoencoder(ae.Dense((16,)), 2, epochs=2, callbacks=[log]).fit(X)
    ...     with open(path) as file:
    ...         records = [json.loads(line) for line in file]
    >>> records == model.history_
    True
    """

    def _line(self, record: Record) -> str:
        import json

        plain = {}
        for name, value in record.items():
            value = value.item() if isinstance(value, np.generic) else value
            finite = not isinstance(value, float) or np.isfinite(value)
            plain[name] = value if finite else None
        return json.dumps(plain, allow_nan=False) + "\n"


class TensorBoard(_Placed):
    """Shows the numbers of each epoch in TensorBoard (``pip install 'aecore[tensorboard]'``).

    Parameters
    ----------
    folder : str or path-like
        Of the run, for ``tensorboard --logdir``.

    Examples
    --------
    >>> import aecore as ae
    >>> ae.callbacks.TensorBoard("runs/first")
    TensorBoard('runs/first')
    """

    def __init__(self, folder: Any) -> None:
        if not isinstance(folder, (str, os.PathLike)):
            raise TypeError(f"folder: expected a path, got {folder!r}")
        self.folder = folder
        self._writer: Any = None

    def __repr__(self) -> str:
        return f"TensorBoard({os.fspath(self.folder)!r})"

    def _given(self) -> Any:
        return self.folder

    def __call__(self, state: TrainingState) -> None:
        """Add the epoch's numbers."""
        if self._writer is None:
            try:
                from tensorboardX import SummaryWriter
            except ImportError:
                raise ImportError(
                    "TensorBoard: expected tensorboardX to be installed: "
                    "pip install 'aecore[tensorboard]'"
                ) from None
            # what a training that was resumed had seen of later epochs is hidden
            self._writer = SummaryWriter(self._where(), purge_step=state.epoch)
        for name, value in _numbers(state.record).items():
            self._writer.add_scalar(name, value, state.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        self._place = ""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class MLflow:
    """Logs parameters and the numbers of each epoch to MLflow (``pip install 'aecore[mlflow]'``).

    They go to the active run, if there is one, or to one of their own that ends with training.

    Parameters
    ----------
    run_id : str or None
        Of the run to go on with, where training is resumed and no run is active.

    Examples
    --------
    >>> import aecore as ae
    >>> ae.callbacks.MLflow()
    MLflow()
    """

    def __init__(self, run_id: str | None = None) -> None:
        if not (run_id is None or isinstance(run_id, str)):
            raise TypeError(f"run_id: expected None or a string, got {run_id!r}")
        self.run_id = run_id
        self._end: Callable[[], Any] | None = None

    def __repr__(self) -> str:
        return "MLflow()" if self.run_id is None else f"MLflow({self.run_id!r})"

    def __call__(self, state: TrainingState) -> None:
        """Log the epoch's numbers, and the parameters with the first ones."""
        try:
            import mlflow
        except ImportError:
            raise ImportError(
                "MLflow: expected mlflow to be installed: pip install 'aecore[mlflow]'"
            ) from None
        if mlflow.active_run() is None:
            mlflow.start_run(run_id=self.run_id)
            self._end = mlflow.end_run
        if state.epoch == 1:
            params = state.model.get_params(deep=False)
            shown = {k: v for k, v in params.items() if k not in ("callbacks", "checkpoint")}
            mlflow.log_params({"model": type(state.model).__name__, **shown})
        mlflow.log_metrics(_numbers(state.record), step=state.epoch)

    def close(self) -> None:
        """End the run, if it is the callback's own."""
        if self._end is not None:
            self._end()
            self._end = None


def _numbers(record: Record) -> dict[str, float]:
    """Return what of an epoch's record can be drawn over the epochs."""
    kinds = (int, float, np.integer, np.floating)
    return {k: float(v) for k, v in record.items() if k != "epoch" and isinstance(v, kinds)}


class ImageGrid(_Placed):
    """Writes pictures of what the model makes: ``epoch-0001.png``, ``epoch-0002.png``, ...

    Parameters
    ----------
    folder : str or path-like
        Made if there is none.
    X : array-like, shape (N, H, W, 1) or (N, H, W, 3), optional
        Images, shown above their reconstructions. None shows samples that the model draws, each
        time with the same random numbers.
    y : array-like, optional
        The conditions of the images, or of what is drawn, for a conditional model.
    every : int
        Epochs from one picture to the next.
    n : int
        How many samples are drawn.
    columns : int
        Images in a row.
    limits : tuple of float
        The values shown as black and white.
    random_state : int
        Of the samples.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import aecore as ae
    >>> X = np.random.default_rng(0).random((20, 8, 8, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw = ae.callbacks.ImageGrid(folder, X[:5], every=2)
    ...     model = ae.VAE(latent_dim=2, epochs=4, callbacks=[draw]).fit(X)
    ...     sorted(os.listdir(folder))
    ['epoch-0002.png', 'epoch-0004.png']
    """

    def __init__(
        self,
        folder: Any,
        X: Any = None,
        *,
        y: Any = None,
        every: int = 1,
        n: int = 64,
        columns: int = 8,
        limits: tuple[float, float] = (0.0, 1.0),
        random_state: int = 0,
    ) -> None:
        if not isinstance(folder, (str, os.PathLike)):
            raise TypeError(f"folder: expected a path, got {folder!r}")
        if X is not None and (np.ndim(X) != 4 or np.shape(X)[3] not in (1, 3) or 0 in np.shape(X)):
            raise ValueError(f"X: expected images (N, H, W, 1 or 3), got {np.shape(X)}")
        low, high = (checks.real("limits", value, -np.inf) for value in limits)
        if not low < high:
            raise ValueError(f"limits: expected black below white, got {limits}")
        self.folder, self.X, self.y, self.limits = folder, X, y, (low, high)
        self.every = checks.integer("every", every, 1)
        self.n = checks.integer("n", n, 1)
        self.columns = checks.integer("columns", columns, 1)
        self.random_state = checks.integer("random_state", random_state)

    def __repr__(self) -> str:
        return f"ImageGrid({os.fspath(self.folder)!r})"

    def _given(self) -> Any:
        return self.folder

    def close(self) -> None:
        """Forget the folder: the next training is of another."""
        self._place = ""

    def __call__(self, state: TrainingState) -> None:
        """Write a picture, if it is time."""
        if state.epoch % self.every:
            return
        from .plot import _png
        from .plot._grid import tile

        os.makedirs(self._where(), exist_ok=True)
        picture = _png.encode(tile(self._images(state.model), self.columns))
        path = os.path.join(self._where(), f"epoch-{state.epoch:04d}.png")
        with atomic.replacing(path) as file:
            file.write(picture)

    def _images(self, model: Any) -> np.ndarray:
        """Return the images in the order of their cells."""
        beside = {} if self.y is None else {"y": self.y}
        if self.X is None:
            drawn = model.sample(self.n, **beside, random_state=self.random_state)
            return self._shades(np.asarray(drawn))
        given, made = np.asarray(self.X), model.reconstruct(self.X, **beside)
        scale = np.float32(1 / 255 if given.dtype == np.uint8 else 1)
        pairs = [self._shades(a) for a in (given * scale, made)]
        rows = []
        for start in range(0, len(given), self.columns):
            for images in pairs:
                row = np.full((self.columns, *images.shape[1:]), 255, np.uint8)
                part = images[start : start + self.columns]
                row[: len(part)] = part
                rows.append(row)
        return np.concatenate(rows)

    def _shades(self, images: np.ndarray) -> np.ndarray:
        if images.ndim != 4 or images.shape[3] not in (1, 3):
            raise ValueError(
                "ImageGrid: expected a model of images (H, W, 1 or 3), got one of samples of shape "
                f"{images.shape[1:]}"
            )
        low, high = self.limits
        return np.round(np.clip((images - low) / (high - low), 0, 1) * 255).astype(np.uint8)


__all__ = ["CSVLogger", "ImageGrid", "JSONLinesLogger", "MLflow", "TensorBoard"]


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # for whom there are no other attributes
    __getattr__ = attribute(__name__, __all__, CALLBACKS)
