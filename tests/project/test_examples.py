"""The examples in docstrings give what they say, and what users choose from has one."""

import doctest
import importlib
import inspect
import pkgutil

import aecore as ae
import pytest

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ae.__path__, "aecore.")
    if module.name not in ("aecore.__main__", "aecore._core", "aecore.datasets")
    and not module.name.startswith(("aecore.plot", "aecore.demo"))  # these need extras
)
# What training takes, which speaks for itself, and what callbacks are given.
PLAIN = {"SGD", "Adam", "AdamW", "Constant", "Cosine", "Step", "Warmup", "TrainingState"}


@pytest.mark.parametrize("name", MODULES)
def test_module(name):
    result = doctest.testmod(importlib.import_module(name))
    assert not result.failed


def test_there_are_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) > 150


@pytest.mark.parametrize("name", [n for n in ae.__all__ if inspect.isclass(getattr(ae, n))])
def test_public_class(name):
    text = inspect.getdoc(getattr(ae, name))
    assert name in PLAIN or ("Examples\n-----" in text and ">>>" in text)
