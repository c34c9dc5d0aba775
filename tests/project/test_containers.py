"""The table of docs/guides/containers.md: each cell is what the model does with the container."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from support.containers import CONTAINERS, MODELS, TYPED, labels, numbers

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "containers.md"
if not PAGE.exists():
    pytest.skip("the pages aren't part of this copy of the sources", allow_module_level=True)


def table():
    """Return the page's table: for each container what stands under each model."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


CELLS = table()


def test_the_page_has_all_containers_and_models():
    assert list(CELLS) == list(CONTAINERS)
    for cells in CELLS.values():
        assert list(cells) == list(MODELS) and set(cells.values()) <= {"yes", "no"}


def needs(row):
    """Skip where a container's library isn't installed."""
    for words, library in (
        ("pandas", "pandas"),
        ("Arrow|interchange", "pyarrow"),
        ("nullable|data frame|stream", "pandas"),
        ("polars", "polars"),
        ("SciPy", "scipy"),
        ("PyTorch (tensor|DataLoader)", "torch"),
    ):
        if re.search(words, row, re.IGNORECASE):
            pytest.importorskip(library)


class Case:
    """A model and a container."""

    def __init__(self, row, model):
        self.container, self.name = CONTAINERS[row], model
        self.values = numbers(integers=model == "PixelCNN")

        self.plain, self.mask = (
            f(self.values) for f in (self.container.plain, self.container.mask)
        )
        self.y = (labels(len(self.plain)),) if model == "CVAE" else ()
        if model == "AnomalyDetector" and self.mask is not None:  # it takes no masks
            self.plain, self.mask = np.array(self.given, dtype=object), None

    @property
    def given(self):
        return self.container.make(self.values)

    def fit(self, X, *y, mask=None):
        options = {} if mask is None else {"sample_mask": mask}
        return MODELS[self.name](self.container.arch()).fit(X, *y, **options)

    def results(self, model, make, mask=None):
        """Return scores, and codes where there are some, of what `make` gives anew for each."""
        options = {} if mask is None else {"sample_mask": mask}
        names = [n for n in ("score_samples", "log_likelihood", "transform") if hasattr(model, n)]
        names = [n for n in names if n != "log_likelihood" or self.name == "PixelCNN"]
        return [np.asarray(getattr(model, n)(make(), *self.y, **options)) for n in names]


def weights(model):
    model = model.estimators_[0] if hasattr(model, "estimators_") else model
    return model.parameters_


def same(a, b):
    assert len(a) == len(b) > 0
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("row", CONTAINERS)
def test_cell(row, model):
    needs(row)
    case = Case(row, model)
    y = () if case.container.streams else case.y
    if CELLS[row][model] == "no":
        with pytest.raises((TypeError, ValueError), match=case.container.remedy or "^$"):
            case.fit(case.given, *y)
        return
    fitted, reference = case.fit(case.given, *y), case.fit(case.plain, *case.y, mask=case.mask)
    same(weights(fitted).values(), weights(reference).values())
    if case.container.streams:
        return
    want = case.results(reference, lambda: case.plain, case.mask)
    same(case.results(fitted, lambda: case.given), want)
    if "zone" in row:  # times with a zone aren't those without
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that fit didn't see
        same(case.results(reference, lambda: case.given), want)
        same(case.results(fitted, lambda: case.plain, case.mask), want)


def test_typed_models_are_the_ones_that_take_types():
    typed = {m for row in CELLS if "categories" in row for m, c in CELLS[row].items() if c == "yes"}
    assert typed == set(TYPED)
