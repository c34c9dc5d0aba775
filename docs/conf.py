"""Sphinx's settings: `make docs` builds these pages into build/docs."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import aecore  # noqa: E402
import inventories  # noqa: E402

project = "aecore"
author = "aecore developers"
copyright = author
version = release = aecore.__version__
repository = "https://github.com/aecore/aecore"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    # our own, in _ext
    "docstrings",
    "lessons",
    "mathml",
    "pictures",
    "search_summaries",
]
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_inventories", "_static", "_templates", "lessons/notebooks"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Lessons are shown as they were executed.
nb_execution_mode = "off"
nb_merge_streams = True

# `Name` in a docstring is a link where there is such a thing, and code where there isn't.
default_role = "py:obj"
autodoc_typehints = "none"  # the docstrings say what is what
autosummary_ignore_module_all = False
autosummary_imported_members = True
numpydoc_show_class_members = False  # autodoc's are there
numpydoc_xref_param_type = True
numpydoc_xref_aliases = inventories.aliases(aecore)
numpydoc_xref_ignore = "all"  # but for these names
intersphinx_mapping = inventories.mapping(HERE / "_inventories", HERE.parent / "build")

# What a copied example begins with isn't part of it.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_theme_options = {
    "source_repository": repository,
    "source_branch": "main",
    "source_directory": "docs/",
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_title = f"aecore {version}"
html_copy_source = False
html_show_sphinx = False
