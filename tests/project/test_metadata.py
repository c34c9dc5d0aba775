"""What tells others about aecore: its metadata, citation, addresses, versions and size."""

import importlib.metadata
import re
import sys
from pathlib import Path

import aecore as ae
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Source"]
SITE = PROJECT["urls"]["Documentation"]
PACKAGE = Path(ae.__file__).parent


def read(*parts):
    """Return the text of a file that a copy of the sources may lack."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} isn't part of this copy of the sources")
    return path.read_text()


def fields(text):
    """Return the plain fields of the first level of YAML."""
    return dict(re.findall(r'^([\w-]+): "?([^\n"]+)"?$', text, re.MULTILINE))


def test_installed_metadata():
    try:
        found = importlib.metadata.metadata("aecore")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("aecore is not installed here, but found by a path")
    assert found["Version"] == ae.__version__
    licences = {Path(name).name for name in found.get_all("License-File", [])}
    if found["Metadata-Version"] >= "2.4":
        assert found["License-Expression"] == "BSD-3-Clause AND MIT" and licences == {"LICENSE"}
        assert len(found.get_all("License-File")) == 2


def test_package_has_its_data_and_their_licence():
    folder = PACKAGE / "datasets" / "fashion_small"
    assert "MIT" in (folder / "LICENSE").read_text()
    assert (folder / "fashion_small.npz").stat().st_size < 1_500_000


def test_package_is_small():
    """6 MB installed, of which the core and its OpenMP take 1.5."""
    files = [f for f in PACKAGE.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    size = sum(f.stat().st_size for f in files if f.suffix not in (".so", ".pyd"))
    assert size < 4_500_000


def test_citation():
    found = fields(read("CITATION.cff"))
    assert found["cff-version"] == "1.2.0" and found["type"] == "software"
    assert found["version"] == ae.__version__
    assert found["repository-code"] == REPOSITORY and found["url"] == SITE
    assert found["license"] == "BSD-3-Clause"


def test_addresses_are_those_of_the_metadata():
    """The repository and the site have one address each, wherever they are named."""
    assert all(url.startswith((REPOSITORY, SITE)) for url in PROJECT["urls"].values())
    pages = [p for p in ROOT.glob("*.md")] + [p for p in (ROOT / "docs").rglob("*.md")]
    for page in [*pages, *(ROOT / "packaging").rglob("*.yaml")]:
        text = page.read_text()
        for found in re.findall(r"https://github\.com/[\w-]+/aecore\b", text):
            assert found == REPOSITORY, page
        for found in re.findall(r"https://[\w-]+\.readthedocs\.io", text):
            assert found == SITE or "aecore" not in found, page


def test_recipe_of_conda_is_of_this_version():
    text = read("packaging", "conda", "recipe.yaml")
    assert f'version: "{ae.__version__}"' in text
    needed = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    run = re.search(r"\n  run:\n(.*?)\n\n", text, re.DOTALL)[1]
    assert needed <= set(re.findall(r"^    - ([\w-]+)", run, re.MULTILINE))
    for name in re.findall(r"^    - (\S*LICENSE)$", text, re.MULTILINE):
        assert name in PROJECT["license-files"]


def test_supported_versions_are_written_down():
    text = read("docs", "support.md")
    oldest = re.search(r">=3\.(\d+)", PROJECT["requires-python"])[1]
    named = {int(v) for v in re.findall(r"3\.(\d+)", "\n".join(PROJECT["classifiers"]))}
    assert min(named) == int(oldest)
    for version in named:
        assert re.search(rf"Python .*3\.{version}\b", text), version
    for extra, package, least in re.findall(
        r"^\| `(\w+)` \| (\w[\w-]*) \| ([\d.]*) \|", text, re.M
    ):
        wanted = PROJECT["optional-dependencies"][extra]
        assert any(one.startswith(package) for one in wanted), package
        if least:
            assert any(f"{package}>={least.removesuffix('.0')}" in one for one in wanted), package


def test_workflows_have_no_permissions_that_no_job_names():
    for name in ("wheels.yml", "tests.yml"):
        text = read(".github", "workflows", name)
        assert "\npermissions: {}\n" in text
        checkouts = len(re.findall(r"uses: actions/checkout@", text))
        assert checkouts == text.count("persist-credentials: false") > 0
        assert "secrets." not in text
