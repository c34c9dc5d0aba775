"""What completion offers behind a dot: what is public, and nothing else."""

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import aecore as ae
import pytest

ROOT = Path(__file__).parents[2]
INTERNAL = {"base", "cli", "files"}  # of the top-level modules: nothing of them is for users
PUBLIC = sorted(
    f"aecore.{module.name}"
    for module in pkgutil.iter_modules(ae.__path__)
    if not module.name.startswith("_") and module.name not in INTERNAL
)


def documented():
    """Return the modules that pages and lessons name."""
    texts = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("notebooks/*.ipynb")]
    found = set()
    for path in texts:
        for name in re.findall(r"\b(?:ae|aecore)((?:\.[a-z_]+)+)", path.read_text()):
            module = ae
            for part in name.strip(".").split("."):
                module = getattr(module, part, None)
                if not isinstance(module, ModuleType) or part.startswith("_"):
                    break
                found.add(module.__name__)
    return sorted(n for n in found if n.startswith("aecore.") and n.split(".")[1] not in INTERNAL)


def with_all():
    """Return the modules that say what is public."""
    found = []
    for path in Path(ae.__file__).parent.rglob("*.py"):
        if "\n__all__ = " in path.read_text():
            parts = path.relative_to(Path(ae.__file__).parent).with_suffix("").parts
            found.append(".".join(["aecore", *parts]).removesuffix(".__init__"))
    return sorted(name for name in found if name != "aecore")


@pytest.mark.parametrize("name", sorted({*PUBLIC, *documented(), *with_all()}))
def test_a_module_lists_what_is_public(name):
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


def test_the_package_lists_what_is_public_and_its_version():
    assert dir(ae) == sorted([*ae.__all__, "__version__"])


def completed(line, namespace, use_jedi):
    completers = pytest.importorskip("IPython.core.completer")
    completer = completers.IPCompleter(namespace=namespace, use_jedi=use_jedi)
    completer.use_jedi = use_jedi
    with completers.provisionalcompleter():
        found = completer.completions(line, len(line))
        return {c.text.rpartition(".")[2].rstrip("(") for c in found} - {
            "_ipython_key_completions_"
        }


LINES = {
    "ae.": ae,
    "ae.datasets.": "datasets",
    "ae.metrics.": "metrics",
    "ae.plot.": "plot",
    "ae.callbacks.": "callbacks",
    "ae.tuning.": "tuning",
    "ae.losses.": "losses",
    "ae.data.": "data",
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("use_jedi", [False, True], ids=["plain", "jedi"])
@pytest.mark.parametrize("line", LINES)
def test_notebooks_offer_what_is_public(line, use_jedi):
    if use_jedi:
        pytest.importorskip("jedi")
    name = LINES[line]
    module = ae if name is ae else importlib.import_module(f"aecore.{name}")
    found = completed(line, {"ae": ae}, use_jedi)
    assert {n for n in found if not n.startswith("_")} == {*module.__all__}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("use_jedi", [False, True], ids=["plain", "jedi"])
@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ae.pl", "plot"),
        ("ae.da", "datasets"),
        ("ae.met", "metrics"),
        ("ae.datasets.load_f", "load_fashion_small"),
    ],
)
def test_notebooks_complete_a_beginning(line, name, use_jedi):
    if use_jedi:
        pytest.importorskip("jedi")
    assert name in completed(line, {"ae": ae}, use_jedi)


@pytest.mark.parametrize(
    "made", [ae.Autoencoder, ae.VAE, ae.AnomalyDetector, ae.SeriesDetector, ae.TabularAutoencoder]
)
def test_models_offer_parameters_and_methods_with_a_text(made):
    """A method without a docstring would be a helper."""
    model = made()
    for name in dir(model):
        if name.startswith("_") or name in model.get_params(deep=False):
            continue
        what = getattr(type(model), name)
        text = what.__doc__ if isinstance(what, property) else getattr(what, "__doc__", None)
        assert text, name
