"""What output variables mean: names, units and long names, the same whatever file they came from.

A run's outputs are one Dataset with the dimensions ``catchment-id``, ``nexus-id`` and
``time`` (the start of each step, UTC), and ``flowpath-id`` and ``routed-time`` (the
instant a value is valid at) for what routing adds. ngen's files state no units, so
those that are known stand in `KNOWN`; any other variable has the units ``unknown``.
Pure: nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

__all__ = [
    "CATCHMENT",
    "FLOWPATH",
    "KNOWN",
    "NEXUS",
    "TIME_ENCODING",
    "UNKNOWN",
    "Meaning",
    "by_number",
    "described",
]

#: Names of the dimensions of features.
CATCHMENT, NEXUS, FLOWPATH = "catchment-id", "nexus-id", "flowpath-id"
#: Units of a variable nobody has described.
UNKNOWN = "unknown"
#: How instants are written in files: int64 [s] since 1970, UTC.
TIME_ENCODING: Mapping[str, str] = {
    "units": "seconds since 1970-01-01 00:00:00",
    "calendar": "proleptic_gregorian",
    "dtype": "int64",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the numbers of one variable are."""

    #: Units, as UDUNITS spells them.
    units: str
    #: One line for axis labels and tables.
    long_name: str


#: Variable name to meaning; the first thirteen are CFE's and say what our CFE says of itself.
#: Depths are per time step and over the catchment's area.
KNOWN: Mapping[str, Meaning] = {
    "RAIN_RATE": Meaning("mm h-1", "precipitation as given (ngen declares m)"),
    "DIRECT_RUNOFF": Meaning("m", "surface runoff made in the step"),
    "GIUH_RUNOFF": Meaning("m", "surface runoff reaching the channel in the step"),
    "NASH_LATERAL_RUNOFF": Meaning("m", "lateral flow reaching the channel in the step"),
    "DEEP_GW_TO_CHANNEL_FLUX": Meaning("m", "base flow in the step"),
    "SOIL_TO_GW_FLUX": Meaning("m", "percolation in the step"),
    "Q_OUT": Meaning("m", "flow leaving the catchment in the step"),
    "POTENTIAL_ET": Meaning("m", "potential evapotranspiration in the step"),
    "ACTUAL_ET": Meaning("m", "actual evapotranspiration in the step"),
    "GW_STORAGE": Meaning("m", "groundwater at the end of the step"),
    "SOIL_STORAGE": Meaning("m", "soil water at the end of the step"),
    "SOIL_STORAGE_CHANGE": Meaning("m", "soil water gained in the step"),
    "SURF_RUNOFF_SCHEME": Meaning("none", "1 Schaake, 2 Xinanjiang"),
    "nexus_flow": Meaning("m3 s-1", "flow from the catchments that drain into the nexus, not routed"),
    "routed_flow": Meaning("m3 s-1", "routed streamflow at the end of the flowpath"),
    "velocity": Meaning("m s-1", "mean flow velocity in the flowpath"),
    "depth": Meaning("m", "water depth in the flowpath"),
}


def described(dataset: xr.Dataset) -> xr.Dataset:
    """*dataset* with units and a long name on every variable; what is stated already stays.

    Parameters
    ----------
    dataset : xarray.Dataset
        Outputs of a run; attributes are set in place.

    Returns
    -------
    xarray.Dataset
        The same object.

    Examples
    --------
    >>> described(xr.Dataset({"Q_OUT": ("time", [0.1])})).Q_OUT.units
    'm'
    >>> described(xr.Dataset({"snow": ("time", [0.1])})).snow.units
    'unknown'
    """
    for name, variable in dataset.data_vars.items():
        meaning = KNOWN.get(str(name), Meaning(UNKNOWN, str(name)))
        variable.attrs.setdefault("units", meaning.units)
        variable.attrs.setdefault("long_name", meaning.long_name)
    return dataset


def by_number(feature_id: str) -> tuple[int, str]:
    """A key that sorts ids by their number, then by their prefix.

    >>> sorted(["cat-10", "cat-9"], key=by_number)
    ['cat-9', 'cat-10']
    """
    found = re.search(r"\d+$", feature_id)
    return (int(found[0]) if found else -1, feature_id)
