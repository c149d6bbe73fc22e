"""Writing a piece of river to a GeoPackage of its own.

A piece of a GeoPackage is copied row by row as it stands, ids, order and all; a domain that
comes from elsewhere is written from its tables. Either way the file says what it is a
piece of and under which licence.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dmod.domain import tables
from dmod.domain.facts import LICENCE
from dmod.formats.geopackage_copy import copy_rows
from dmod.formats.geopackage_tables import GeopackageTables
from dmod.formats.geopackage_write import write_geopackage

if TYPE_CHECKING:
    from collections.abc import Callable

    from dmod.domain.domain import Domain

__all__ = ["to_gpkg"]


def to_gpkg(
    domain: Domain,
    path: str | Path,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write a domain to a GeoPackage.

    Parameters
    ----------
    domain : Domain
        What to write.
    path : path
        The file; its folder must exist.
    overwrite : bool
        Whether a file that is there may be replaced; never the one the domain comes from.
    progress : callable, optional
        Told the share that is done, in [0, 1].

    Returns
    -------
    Path
        *path*. The same domain always gives the same bytes.

    Raises
    ------
    OutputError
        If the file is there already, is the domain's own source, or cannot be written.
    """
    target = Path(path).expanduser()
    if not target.is_dir():  # which is refused for what it is
        tables.require_not_source(domain, target)
    stamp = {"version": domain.version, "selection": "; ".join(domain.story) or "all of it"}
    if domain.version.startswith(("v2", "v3")):
        stamp["license"] = LICENCE
    source = domain.hydrofabric.source
    if isinstance(source, GeopackageTables):
        rows = {layer: _rows(domain, source, layer) for layer in source.layers}
        return copy_rows(source.path, target, rows, stamp=stamp, overwrite=overwrite, progress=progress)
    with tempfile.TemporaryDirectory(prefix="dmod-") as scratch:
        layers = {layer: tables.table(domain, layer).reset_index() for layer in tables.linked_layers(domain)}
        made = write_geopackage(
            Path(scratch) / "made.gpkg", {name: table for name, table in layers.items() if len(table)}, crs=domain.crs
        )
        whole = GeopackageTables(made)
        rows = {layer: whole.numbers(layer) for layer in whole.layers}
        return copy_rows(made, target, rows, stamp=stamp, overwrite=overwrite, progress=progress)


def _rows(domain: Domain, source: GeopackageTables, layer: str) -> NDArray[np.int64]:
    """Rows of a layer that belong to the domain."""
    found = tables.rows_of(domain, layer)
    return source.numbers(layer) if found is None else found
