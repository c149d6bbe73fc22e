"""Figures for paper: the hydrograph of an evaluation, a small map of a domain, and how they are written.

A figure is a `matplotlib.figure.Figure` that no global state knows: it is drawn without a
display, from any thread, and shows itself in a notebook as the last value of a cell.
Nothing is scored here; numbers come from the `Evaluation`. Colours are told apart by
people who see red and green alike, and in grey.
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.errors import OutputError
from dmod.view.evaluation_axes import decimate
from dmod.view.evaluation_hydrograph import hydrograph
from dmod.view.maps import domain_map
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["decimate", "domain_map", "hydrograph", "picture", "save_figure"]

#: A drawing larger than this is put into a page as a picture of dots instead.
_LARGEST_SVG = 1_500_000


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 160) -> Path:
    """Write *figure* as PNG, SVG or PDF, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : str or path-like
        Where; the suffix is ``.png``, ``.svg`` or ``.pdf``.
    dpi : int
        Dots per inch of a PNG.

    Returns
    -------
    pathlib.Path
        *path*.

    Raises
    ------
    OutputError
        If the suffix is none of these or the file cannot be written.
    """
    where = Path(path)
    kind = where.suffix.lower().removeprefix(".")
    if kind not in {"png", "svg", "pdf"}:
        raise OutputError(
            f"a figure cannot be written as {where.name}", has=where.suffix, hint="use .png, .svg or .pdf"
        )
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, dpi=dpi)
    write_atomically(where, drawn.getvalue())
    return where


def picture(figure: Figure, *, largest: int = _LARGEST_SVG) -> str:
    """The figure as a ``data:`` address: a drawing, or dots where the drawing would be larger than *largest* bytes."""
    # As an image of its own: the ids inside two drawings on one page would clash.
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    kind = "svg+xml"
    if drawn.tell() > largest:
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=180)
        kind = "png"
    return f"data:image/{kind};base64,{base64.b64encode(drawn.getvalue()).decode('ascii')}"
