"""The documentation site: Markdown pages, an API reference made of docstrings, executed examples."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dmod

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))

project = "dmod"
author = "The dmod developers"
copyright = "2026, the dmod developers"
version = release = dmod.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]

# Docstrings: NumPy style; `name` means the thing of that name.
default_role = "py:obj"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
numpydoc_show_class_members = False
python_maximum_signature_line_length = 100

# Two rooms may each have a `Description`; a signature that says just that is not linked, and that is all.
suppress_warnings = ["ref.python"]

# Markdown, and the notebooks of examples/, executed as they are built.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
# A page has no kernel behind it: of a live card the still one is shown.
nb_mime_priority_overrides = [("html", "text/html", 0)]

html_theme = "pydata_sphinx_theme"
html_title = f"dmod {release}"
html_static_path = ["_static"]
html_css_files = ["dmod.css"]
html_show_sourcelink = False
# Only the reference is deep enough to need a sidebar of its own.
html_sidebars = {page: [] for page in ("*", "adr/*", "examples/*")}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["search-button", "theme-switcher"],
    "navbar_persistent": [],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}

# Sphinx reads nothing outside its own folder; seen from there, pages are one folder nearer.
shutil.rmtree(_HERE / "examples", ignore_errors=True)
(_HERE / "examples").mkdir()
for _notebook in sorted((_HERE.parent / "examples").glob("*.ipynb")):
    _text = _notebook.read_text(encoding="utf-8").replace("](../docs/", "](../")
    (_HERE / "examples" / _notebook.name).write_text(_text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Be asked for signatures before numpydoc, which finds one behind an alias of an array; put tables into pages."""
    app.connect("autodoc-process-signature", _signature, priority=400)
    app.connect("source-read", _metrics)


def _signature(app: object, what: str, *others: object) -> tuple[()] | None:
    """Data have no signature, and that is the answer; of anything else, no opinion."""
    del app, others
    return () if what == "data" else None


def _metrics(app: object, page: str, text: list[str]) -> None:
    """Put the tables of the registry into the page of metrics."""
    del app
    if page == "metrics":
        from metric_tables import PLACE, tables

        text[0] = text[0].replace(PLACE, tables())
