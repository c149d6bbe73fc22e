"""Tables of a made-up basin, as a hydrofabric of version 2.2 has them.

`BasinMap` holds what was drawn, in metres and square kilometres; `layers` writes it down
under the hydrofabric's names: ``cat-N`` drains into ``wb-N``, ``nex-N`` is the inlet of
``wb-N``, and the last flowpath ends in ``tnx-1000000001``. Pure: geometry is WKB.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.prepare.basin_soils import Soils

__all__ = ["TERMINAL", "BasinMap", "layers", "line_wkb", "point_wkb", "polygon_wkb"]

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]

#: The nexus where the basin's water leaves it.
TERMINAL = "tnx-1000000001"
_REGION = "06"
#: The gage's number among the points of interest.
_POI = 1001
_SOURCE = "made up by dmod"


#: Columns of the network, in the order of published files.
_NETWORK = (
    *(
        "id",
        "toid",
        "divide_id",
        "ds_id",
        "mainstem",
        "hydroseq",
        "hf_source",
        "hf_id",
        "lengthkm",
        "areasqkm",
    ),
    *("tot_drainage_areasqkm", "type", "vpuid", "hf_hydroseq", "hf_lengthkm", "hf_mainstem", "topo"),
    *("poi_id", "hl_uri"),
)
#: Columns of the lakes, which a made-up basin has none of.
_LAKES = (
    *("lake_id", "LkArea", "LkMxE", "WeirC", "WeirL", "OrificeC", "OrificeA", "OrificeE", "WeirE", "ifd"),
    *("Dam_Length", "domain", "poi_id", "hf_id", "reservoir_index_AnA", "reservoir_index_Extended_AnA"),
    *("reservoir_index_GDL_AK", "reservoir_index_Medium_Range", "reservoir_index_Short_Range"),
    *("res_id", "vpuid", "lake_x", "lake_y"),
)


@dataclass(frozen=True)
class BasinMap:
    """A basin on the map; catchment ``i`` has the number ``i + 1``."""

    #: Catchment below each one, shape (catchments,); -1 for the outlet.
    down: Ints
    #: Area of each catchment, and of all it drains [km2].
    area_km2: Floats
    total_km2: Floats
    #: Length of each flowpath [km] and its fall [m m-1].
    length_km: Floats
    fall: Floats
    #: Strahler order, shape (catchments,).
    order: Ints
    #: Middle of each catchment [m]; mean height above the sea [m]; steepness [m m-1].
    x: Floats
    y: Floats
    elevation: Floats
    slope: Floats
    #: Inlet of each catchment [m], NaN for headwaters, and where the basin's water leaves.
    inlets: Floats
    mouth: tuple[float, float]
    #: Outlines and courses, as WKB.
    outlines: tuple[bytes, ...]
    courses: tuple[bytes, ...]
    #: The gage's number, and the catchment whose course ends at it.
    gage: str
    gaged: int

    def divide(self, i: int) -> str:
        """Id of catchment *i*."""
        return f"cat-{i + 1}"

    def nexus(self, i: int) -> str:
        """Id of the nexus that catchment *i* drains to."""
        below = int(self.down[i])
        return f"nex-{below + 1}" if below >= 0 else TERMINAL


def layers(basin: BasinMap, soils: Soils) -> dict[str, pd.DataFrame]:
    """All layers of the hydrofabric, by name, in the order of published files."""
    count = len(basin.down)
    numbers = range(count)
    names = pd.DataFrame({"id": [f"wb-{i + 1}" for i in numbers], "toid": [basin.nexus(i) for i in numbers]})
    divides = [basin.divide(i) for i in numbers]
    hydroseq = np.arange(count, 0, -1)
    sizes = {
        "lengthkm": basin.length_km,
        "areasqkm": basin.area_km2,
        "tot_drainage_areasqkm": basin.total_km2,
    }
    flowpaths = names.assign(
        mainstem=_mainstems(basin, hydroseq),
        order=basin.order.astype(float),
        hydroseq=hydroseq,
        **sizes,
        has_divide=True,
        divide_id=divides,
        poi_id=_only(count, basin.gaged, str(_POI)),
        vpuid=_REGION,
        geom=list(basin.courses),
    )
    return {
        "flowpaths": flowpaths,
        "divides": _divides(basin, divides, names),
        "lakes": _lakes(),
        "nexus": _nexuses(basin),
        "pois": pd.DataFrame(_at_gage(basin, {"poi_id": _POI}) | {"vpuid": [_REGION]}),
        "hydrolocations": _hydrolocations(basin),
        "flowpath-attributes": _channels(basin, names),
        "network": _network(basin, flowpaths),
        "divide-attributes": _attributes(basin, soils, divides),
    }


def point_wkb(x: float, y: float) -> bytes:
    """A point."""
    return struct.pack("<BIdd", 1, 1, x, y)


def line_wkb(points: Floats) -> bytes:
    """A line through *points*, shape (points, 2)."""
    return struct.pack("<BII", 1, 2, len(points)) + points.astype("<f8").tobytes()


def polygon_wkb(rings: Sequence[Floats]) -> bytes:
    """A polygon: its outer ring, then its holes, each of shape (points, 2) and closed."""
    parts = [struct.pack("<BII", 1, 3, len(rings))]
    for ring in rings:
        parts += [struct.pack("<I", len(ring)), ring.astype("<f8").tobytes()]
    return b"".join(parts)


def _divides(basin: BasinMap, divides: list[str], names: pd.DataFrame) -> pd.DataFrame:
    """Catchments."""
    return pd.DataFrame(
        {
            "divide_id": divides,
            "toid": names["toid"],
            "type": "network",
            "ds_id": np.nan,
            "areasqkm": basin.area_km2,
            "vpuid": _REGION,
            "id": names["id"],
            "lengthkm": basin.length_km,
            "tot_drainage_areasqkm": basin.total_km2,
            "has_flowline": True,
            "geom": list(basin.outlines),
        }
    )


def _nexuses(basin: BasinMap) -> pd.DataFrame:
    """Nexuses: inlets of the flowpaths that have one, then the terminal."""
    inlets = np.unique(basin.down[basin.down >= 0]).tolist()
    gaged = int(basin.down[basin.gaged])
    return pd.DataFrame(
        {
            "id": [*(f"nex-{i + 1}" for i in inlets), TERMINAL],
            "toid": [*(f"wb-{i + 1}" for i in inlets), "wb-0"],
            "type": [*("nexus" for _ in inlets), "terminal"],
            "vpuid": _REGION,
            "poi_id": _only(len(inlets) + 1, inlets.index(gaged), _POI).astype("Int32"),
            "geom": [*(point_wkb(*basin.inlets[i].tolist()) for i in inlets), point_wkb(*basin.mouth)],
        }
    )


def _lakes() -> pd.DataFrame:
    """No lakes, with all their columns."""
    kinds = dict.fromkeys(_LAKES, "float64") | {"domain": "str", "res_id": "str", "vpuid": "str"}
    kinds |= {"poi_id": "int32", "geom": "object"}
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})


def _at_gage(basin: BasinMap, before: dict[str, object]) -> dict[str, list[object]]:
    """Columns that say where the gage is, for tables of one row."""
    where = before | {"id": f"wb-{basin.gaged + 1}", "nex_id": basin.nexus(basin.gaged)}
    return {name: [value] for name, value in where.items()}


def _hydrolocations(basin: BasinMap) -> pd.DataFrame:
    """The gage."""
    x, y = basin.inlets[basin.down[basin.gaged]].tolist()
    row: dict[str, object] = {
        "hf_id": float(basin.gaged + 1),
        "hl_link": basin.gage,
        "hl_reference": "gages",
        "hl_uri": f"gages-{basin.gage}",
        "hl_source": _SOURCE,
        "hl_x": x,
        "hl_y": y,
        "vpuid": _REGION,
        "geom": point_wkb(x, y),
    }
    return pd.DataFrame(_at_gage(basin, {"poi_id": _POI}) | {k: [v] for k, v in row.items()})


def _channels(basin: BasinMap, names: pd.DataFrame) -> pd.DataFrame:
    """Channel geometry, from the area drained."""
    count = len(names)
    bottom = 2.2 * basin.total_km2**0.42
    empty = pd.Series([None] * count, dtype="str")
    return pd.DataFrame(
        {
            "link": names["id"],
            "to": names["toid"],
            "Length_m": basin.length_km * 1000.0,
            "Y": 0.28 * basin.total_km2**0.2,
            "n": 0.06 - 0.004 * np.minimum(basin.order - 1, 5),
            "nCC": 0.12 - 0.008 * np.minimum(basin.order - 1, 5),
            "BtmWdth": bottom,
            "TopWdth": 1.2 * bottom,
            "TopWdthCC": 3.6 * bottom,
            "ChSlp": np.clip(1.2 / basin.total_km2**0.1, 0.05, 1.5),
            "alt": basin.elevation,
            "So": np.maximum(basin.fall, 1e-4),
            "MusX": 0.2,
            "MusK": 3600.0,
            "gage": _only(count, basin.gaged, basin.gage),
            "gage_nex_id": _only(count, basin.gaged, basin.nexus(basin.gaged)),
            "WaterbodyID": empty,
            "waterbody_nex_id": empty,
            "id": names["id"],
            "toid": names["toid"],
            "vpuid": _REGION,
        }
    )


def _network(basin: BasinMap, flowpaths: pd.DataFrame) -> pd.DataFrame:
    """One row per flowpath, for its one source flowline, and one per nexus."""
    count = len(flowpaths)
    same = ["id", "toid", "divide_id", "mainstem", "lengthkm", "areasqkm", "tot_drainage_areasqkm", "vpuid"]
    rivers = flowpaths[same].assign(
        ds_id=np.nan,
        hydroseq=flowpaths["hydroseq"].astype("Int32"),
        hf_source=_SOURCE,
        hf_id=np.arange(1.0, count + 1.0),
        type="nexus",
        hf_hydroseq=flowpaths["hydroseq"].astype(float),
        hf_lengthkm=flowpaths["lengthkm"],
        hf_mainstem=flowpaths["mainstem"],
        topo="fl-nex",
        poi_id=_only(count, basin.gaged, _POI).astype("Int32"),
        hl_uri=_only(count, basin.gaged, f"gages-{basin.gage}"),
    )[list(_NETWORK)]
    inlets = _nexuses(basin)[["id", "toid", "type", "vpuid", "poi_id"]].assign(hf_source=_SOURCE, topo="fl-nex")
    nexuses = inlets.reindex(columns=list(_NETWORK)).astype(rivers.dtypes.to_dict())
    return pd.concat([rivers, nexuses], ignore_index=True)


def _only(count: int, place: int, value: object) -> pd.Series[Any]:
    """A column that is empty but for one place."""
    column = pd.Series([None] * count, dtype=object)
    column.iloc[place] = value
    return column


def _attributes(basin: BasinMap, soils: Soils, divides: list[str]) -> pd.DataFrame:
    """Soils and terrain of the catchments."""
    columns: dict[str, object] = {"divide_id": divides}

    def layered(name: str, values: Floats) -> None:
        columns.update({f"{name}_soil_layers_stag={layer}": values for layer in range(1, 5)})

    count = len(divides)
    cover = np.where(basin.elevation > np.quantile(basin.elevation, 0.6), 11.0, 5.0)
    texture = np.where(soils.satdk < 2e-6, 6.0, np.where(soils.satdk < 5e-6, 4.0, 3.0))
    layered("mode.bexp", soils.b)
    columns |= {"mode.ISLTYP": texture, "mode.IVGTYP": cover}
    layered("geom_mean.dksat", soils.satdk)
    layered("geom_mean.psisat", soils.satpsi)
    columns |= {
        "mean.cwpvt": np.full(count, 0.18),
        "mean.mfsno": np.full(count, 2.5),
        "mean.mp": np.full(count, 9.0),
        "mean.refkdt": soils.refkdt,
        "mean.slope_1km": np.clip(soils.slop, 0.0, 1.0),
    }
    layered("mean.smcmax", soils.smcmax)
    layered("mean.smcwlt", soils.wltsmc)
    degrees = np.degrees(np.arctan(basin.slope))
    columns |= {
        "mean.vcmx25": np.full(count, 60.0),
        "mean.Coeff": soils.Cgw,
        "mean.Zmax": soils.max_gw_storage * 1000.0,
        "mode.Expon": np.rint(soils.expon),
        "centroid_x": basin.x,
        "centroid_y": basin.y,
        "mean.impervious": 100.0 * soils.xinanjiang[:, 3],
        "mean.elevation": basin.elevation * 100.0,
        "mean.slope": degrees,
        "circ_mean.aspect": _aspects(basin),
        "dist_4.twi": [_wetness(s) for s in basin.slope],
        "vpuid": [_REGION] * count,
    }
    return pd.DataFrame(columns)


def _aspects(basin: BasinMap) -> Floats:
    """Which way each catchment leans: towards the middle of the one below [degrees from north]."""
    below = np.where(basin.down < 0, np.arange(len(basin.down)), basin.down)
    aspect: Floats = np.degrees(np.arctan2(basin.x[below] - basin.x, basin.y[below] - basin.y)) % 360.0
    return aspect


def _wetness(slope: float) -> str:
    """Quarters of the topographic wetness index, as JSON."""
    middle = float(np.log(60.0 / max(slope, 0.005)))
    quarters = [{"v": round(middle + step, 3), "frequency": 0.25} for step in (-1.8, -0.4, 0.7, 3.2)]
    return json.dumps(quarters, separators=(",", ":"))


def _mainstems(basin: BasinMap, hydroseq: NDArray[np.int_]) -> Floats:
    """Name of the river each flowpath is part of: the largest tributary keeps the name of the river below."""
    largest = np.full(len(basin.down), -1)
    for i in np.argsort(basin.total_km2, kind="stable").tolist():
        if basin.down[i] >= 0:
            largest[basin.down[i]] = i
    stems = np.asarray(hydroseq, dtype=float) + 1_000_000.0
    for i in range(len(basin.down) - 1, -1, -1):
        if largest[i] >= 0:
            stems[largest[i]] = stems[i]
    return stems
