"""Which flowpaths a flowline of NHDPlus became part of, by its COMID.

A hydrofabric tells it in its table ``network``, one row for each flowline (``hf_id``) of each
flowpath. Numbers stand there as floating point; several flowpaths may share one flowline.
"""

from __future__ import annotations

from dmod.formats.geopackage_file import layout_of, opened, quoted
from dmod.formats.geopackage_spatial import is_geopackage
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.names import Names

__all__ = ["comids_like", "flowpaths_of_comid"]


def flowpaths_of_comid(hydrofabric: Hydrofabric, comid: int) -> Names:
    """Ids of the flowpaths that a flowline is part of; empty where there is none.

    Parameters
    ----------
    hydrofabric : Hydrofabric
        Where to look. Its index answers at once; without one the table is read.
    comid : int
        Number of the flowline in NHDPlus v2.
    """
    crosswalk = getattr(hydrofabric, "crosswalk", None)
    if crosswalk is not None:
        return hydrofabric.topology.flowpaths.ids.take(crosswalk.flowpaths_of(comid))
    if not is_geopackage(hydrofabric.path):
        return Names.of(())
    with opened(hydrofabric.path) as file:
        columns = layout_of(file).get("network", [])
        key = next((name for name in ("id", "flowpath_id") if name in columns), None)
        if key is None or "hf_id" not in columns:
            return Names.of(())
        found = file.execute(
            f"SELECT DISTINCT {quoted(key)} FROM network WHERE CAST(hf_id AS INTEGER) = ?", [comid]
        ).fetchall()
    return Names.of(name for (name,) in found)


def comids_like(hydrofabric: Hydrofabric, comid: int) -> list[int]:
    """The COMIDs nearest in number to one that is not there; none where there is no index to ask."""
    crosswalk = getattr(hydrofabric, "crosswalk", None)
    return [] if crosswalk is None else [int(near) for near in crosswalk.nearest(comid)]
