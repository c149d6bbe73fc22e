"""A domain as one labelled xarray Dataset: its links, sizes, places on the ground and attributes.

Dimensions are ``catchment-id`` and ``nexus-id``, as those of forcing and outputs, so that
all of them align. Every number says its unit where that is known; where the file's maker
states none, none is made up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.domain.facts import licence
from dmod.domain.tables import attributes, centres, crs
from dmod.domain.traverse import drainage_km2

if TYPE_CHECKING:
    import xarray as xr

    from dmod.domain.domain import Domain

__all__ = ["to_xarray", "unit_of"]

#: Names of attributes, and the unit that the hydrofabric has them in; the first that fits.
_UNITS = (
    (r"areasqkm|area_sqkm|tot_drainage_areasqkm|.*_km2", "km2"),
    (r"lengthkm|length_km", "km"),
    (r"mean\.elevation", "cm"),
    (r"centroid_[xy]|[XY]", "m"),
    (r"(geom_mean\.)?(dksat).*", "m s-1"),
    (r"(geom_mean\.)?(psisat).*", "m"),
    (r"(mean\.)?(smcmax|smcwlt).*", "m3 m-3"),
    (r"(mode\.)?bexp.*|(mean\.)?refkdt|(mode\.)?(ISLTYP|IVGTYP)|.*Expon", "1"),
    (r"circ_mean\.aspect|.*cent?roid_l(at|on)", "degrees"),
    (r".*Zmax", "mm"),
)


def unit_of(attribute: str) -> str | None:
    """Unit of an attribute of catchments by its name; None where nobody states one.

    Examples
    --------
    >>> unit_of("mean.elevation"), unit_of("mean.impervious")
    ('cm', None)
    """
    return next((unit for pattern, unit in _UNITS if re.fullmatch(pattern, attribute)), None)


def to_xarray(domain: Domain, columns: Sequence[str] | None = None) -> xr.Dataset:
    """A domain as a Dataset.

    Parameters
    ----------
    domain : Domain
        Which one.
    columns : sequence of str, optional
        Attributes of the catchments to add; all if not given, none if empty.

    Returns
    -------
    Dataset
        Over ``catchment-id``: ``area`` and ``drainage_area`` along ``toid`` within the domain [km2],
        ``reported_drainage_area`` [km2], ``length`` of the flowpath [km], ``order`` [1], ``flowpath``,
        ``region``, the places ``nexus`` and ``downstream`` of the nexus and the catchment below, -1 for
        none, and attributes. Over ``nexus-id``: ``receiver``, the place of the catchment below,
        -1 for none. Coordinates ``x``, ``y`` in the file's system and ``lon``, ``lat`` [degrees]: of a
        catchment the middle of its bounding box.

    Raises
    ------
    HydrofabricError
        If a column is nowhere.
    """
    import xarray as xr

    network = domain.network
    data = {
        "catchment-id": ("catchment-id", np.array(network.catchments.to_list(), dtype=str), {}),
        "nexus-id": ("nexus-id", np.array(network.nexuses.to_list(), dtype=str), {}),
        "nexus": ("catchment-id", network.nexus_of, {"long_name": "place of the nexus it drains to, -1 for none"}),
        "downstream": ("catchment-id", network.downstream, {"long_name": "place of the catchment below, -1 for none"}),
        "receiver": ("nexus-id", network.receiver, {"long_name": "place of the catchment below, -1 for none"}),
    }
    data |= _sizes(domain) | _attributes(domain, columns) | _ground(domain)
    made = xr.Dataset(
        {name: xr.Variable(dim, values, attrs) for name, (dim, values, attrs) in data.items()},
        attrs={
            "title": domain.name,
            "hydrofabric_version": domain.version,
            "crs": crs(domain),
            "source": str(domain.hydrofabric.path),
            "license": licence(domain),
            "history": "; ".join(domain.story),
        },
    )
    return made.set_coords([name for name in made if str(name).rpartition("_")[2] in {"x", "y", "lon", "lat"}])


_Variables = dict[str, tuple[str, NDArray[Any], dict[str, str]]]


def _sizes(domain: Domain) -> _Variables:
    """Areas, lengths, orders, and what belongs to each catchment."""
    held, places = domain.river.topology, domain.catchment_places
    rows = domain.river.flowpath[places]
    numbers = {
        "area": (held.catchments.area_km2[places], "km2", "area"),
        "drainage_area": (drainage_km2(domain)[: len(places)], "km2", "area that drains through it along toid"),
        "reported_drainage_area": (
            np.append(held.flowpaths.total_km2, np.nan)[rows],
            "km2",
            "drainage area as the hydrofabric states it",
        ),
        "length": (np.append(held.flowpaths.length_km, np.nan)[rows], "km", "length of the flowpath"),
        "order": (np.append(held.flowpaths.order, np.nan)[rows], "1", "Strahler order in the source network"),
    }
    regions = np.array([*held.regions, ""], dtype=str)[held.catchments.region[places]]
    found: _Variables = {
        name: ("catchment-id", values, {"units": unit, "long_name": label})
        for name, (values, unit, label) in numbers.items()
    }
    found["flowpath"] = ("catchment-id", np.array(held.catchments.flowpath.take(places).to_list(), dtype=str), {})
    found["region"] = ("catchment-id", regions, {"long_name": "vector processing unit (VPU)"})
    return found


def _attributes(domain: Domain, columns: Sequence[str] | None) -> _Variables:
    """Attributes of the catchments under the names the file has; text where they are no numbers."""
    if columns is not None and not len(columns):
        return {}
    frame = attributes(domain, columns)
    found: _Variables = {}
    for name in frame:
        column = frame[name]
        unit = unit_of(str(name))
        plain = column.to_numpy() if pd.api.types.is_numeric_dtype(column) else column.fillna("").to_numpy(dtype=str)
        found[str(name)] = ("catchment-id", plain, {} if unit is None else {"units": unit})
    return found


def _ground(domain: Domain) -> _Variables:
    """Where catchments and nexuses are; nothing where the file has no shapes."""
    found: _Variables = {}
    system = crs(domain)
    layers = (("divides", "catchment-id", domain.network.catchments), ("nexus", "nexus-id", domain.network.nexuses))
    for layer, dim, names in layers:
        frame = centres(domain, layer)
        frame = frame[~frame.index.duplicated()].reindex(names.to_list())
        x, y = frame["x"].to_numpy(), frame["y"].to_numpy()
        if np.isnan(x).all():
            continue
        start = "" if layer == "divides" else "nexus_"
        found |= {f"{start}x": (dim, x, {}), f"{start}y": (dim, y, {})}
        if system:
            lon, lat = _on_globe(system, x, y)
            found[f"{start}lon"] = (dim, lon, {"units": "degrees_east", "standard_name": "longitude"})
            found[f"{start}lat"] = (dim, lat, {"units": "degrees_north", "standard_name": "latitude"})
    return found


def _on_globe(system: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Longitude and latitude of points [degrees]; NaN where a point is missing."""
    from pyproj import Transformer

    lon, lat = Transformer.from_crs(system, "EPSG:4326", always_xy=True).transform(x, y)
    return np.where(np.isnan(x), np.nan, lon), np.where(np.isnan(x), np.nan, lat)
