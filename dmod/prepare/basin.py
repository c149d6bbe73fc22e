"""A small river basin out of nothing: an ordinary run directory of NextGen, ready to run.

`make_basin` writes hydrofabric, realization, configurations and forcing; nothing in them
is real, and the same seed gives the same files. The gage stands where headwaters meet, so
the flow of its nexus is the whole flow there without any routing. `perturb_configs` writes
a twin with other parameters, whose flow can stand for observations. Both stream, and
serve sixty catchments as well as ten thousand.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmod.errors import InputError
from dmod.formats.forcing import TimeAxis
from dmod.formats.forcing_write import write_forcing
from dmod.formats.geopackage_write import write_geopackage
from dmod.prepare.basin_configs import perturbed, realization, shared_factors, write_configs
from dmod.prepare.basin_layers import TERMINAL, BasinMap, layers
from dmod.prepare.basin_map import draw_map
from dmod.prepare.basin_soils import draw_soils
from dmod.prepare.basin_weather import Sites, Weather

__all__ = ["Basin", "make_basin", "perturb_configs"]

Floats = NDArray[np.float64]

#: Told the fraction done, in [0, 1], and what is being made.
Progress = Callable[[float, str], None]

_GAGE = "09990001"


@dataclass(frozen=True)
class Basin:
    """A made-up basin on disk."""

    #: The run directory: ``config/``, ``forcings/``, ``outputs/``.
    directory: Path
    #: The hydrofabric.
    geopackage: Path
    #: The realization.
    realization: Path
    #: The forcing.
    forcing: Path
    #: Ids of the catchments, in the order of every file.
    ids: tuple[str, ...]
    #: The gage's number.
    gage: str
    #: The nexus it stands at.
    gage_nexus: str
    #: The catchments that drain to it, all headwaters.
    gage_ids: tuple[str, ...]
    #: The nexus where the basin's water leaves.
    outlet: str
    #: Area of the basin, and of what drains to the gage [km2].
    area_km2: float
    gage_area_km2: float
    #: The instants of the forcing.
    axis: TimeAxis


def make_basin(
    directory: Path | str,
    *,
    catchments: int = 60,
    days: int = 120,
    seed: int = 42,
    start: str = "2015-10-01",
    progress: Progress | None = None,
) -> Basin:
    """Make a basin and write it as a run directory.

    Parameters
    ----------
    directory : Path or str
        The run directory; made if missing. Files of an earlier basin are replaced.
    catchments : int
        How many, from 3.
    days : int
        Days of hourly weather, from 1.
    seed : int
        The same seed gives the same basin.
    start : str
        First day, UTC, such as ``2015-10-01``.
    progress : callable, optional
        Told the fraction done and what is being made.

    Returns
    -------
    Basin
        What was written, and where.

    Raises
    ------
    InputError
        If there are too few catchments or days, or *start* is no date.
    """
    axis = _axis(catchments, days, start)
    tell = progress or (lambda _done, _what: None)
    network, land, weather = np.random.SeedSequence(seed).spawn(3)
    tell(0.0, "river network")
    drawn = draw_map(catchments, np.random.default_rng(network), gage=_GAGE)
    longitude, latitude = _geographic(drawn.x, drawn.y)
    sites = Sites(drawn.x, drawn.y, latitude, longitude, drawn.elevation)
    basin = _described(Path(directory), drawn, axis)
    _write_config(basin, drawn, sites, rng=np.random.default_rng(land), tell=tell)
    tell(0.4, "weather")
    made = Weather(sites, start_s=axis.start_s, hours=axis.count, seed=int(weather.generate_state(1)[0]))

    def written(part: float) -> None:
        tell(0.4 + 0.6 * part, "weather")

    write_forcing(basin.forcing, basin.ids, axis=axis, blocks=made.block, progress=written)
    return basin


def perturb_configs(basin: Basin, directory: Path, *, seed: int) -> Path:
    """Write a twin of a basin whose CFE parameters differ a little.

    Its run directory has its own configurations and shares the basin's forcing. What it
    gives can stand for observations of the basin.

    Parameters
    ----------
    basin : Basin
        The basin.
    directory : Path
        The twin's run directory; made if missing, and not the basin's own.
    seed : int
        The same seed gives the same twin.

    Returns
    -------
    Path
        The twin's realization; its relative paths hold when *directory* is the working
        directory.

    Raises
    ------
    InputError
        If *directory* is the basin's own.
    """
    if directory.resolve() == basin.directory.resolve():
        raise InputError("a twin needs a directory of its own", directory=directory)
    source, target = basin.geopackage.parent, directory / "config"
    for name in ("CFE", "PET"):
        (target / "cat_config" / name).mkdir(parents=True, exist_ok=True)
    (directory / "outputs" / "ngen").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(basin.geopackage, target / basin.geopackage.name)
    rng = np.random.default_rng(seed)
    shared = shared_factors(rng)
    for catchment in basin.ids:
        pet, cfe = (Path("cat_config", module, f"{catchment}.ini") for module in ("PET", "CFE"))
        shutil.copyfile(source / pet, target / pet)
        (target / cfe).write_text(perturbed((source / cfe).read_text(), rng, shared))
    forcing = Path(os.path.relpath(basin.forcing.resolve(), directory.resolve())).as_posix()
    twin = target / basin.realization.name
    _write_json(twin, realization(start_s=basin.axis.start_s, hours=basin.axis.count, forcing=forcing))
    return twin


def _axis(catchments: int, days: int, start: str) -> TimeAxis:
    """The hours of the forcing, once the request is found possible."""
    if catchments < 3 or days < 1:
        raise InputError(
            "the basin is too small",
            has=f"{catchments} catchments, {days} days",
            needed="3 catchments and 1 day",
        )
    try:
        first = datetime.fromisoformat(start)
    except ValueError:
        raise InputError("start is no date", start=start, hint="write it like 2015-10-01") from None
    first = first.replace(tzinfo=UTC) if first.tzinfo is None else first.astimezone(UTC)
    return TimeAxis(int(first.timestamp()) // 3600 * 3600, 3600, 24 * days)


def _described(directory: Path, drawn: BasinMap, axis: TimeAxis) -> Basin:
    """The basin as it is going to be on disk."""
    above = np.flatnonzero(drawn.down == drawn.down[drawn.gaged])
    ids = tuple(drawn.divide(i) for i in range(len(drawn.down)))
    return Basin(
        directory=directory,
        geopackage=directory / "config" / "basin.gpkg",
        realization=directory / "config" / "realization.json",
        forcing=directory / "forcings" / "forcings.nc",
        ids=ids,
        gage=drawn.gage,
        gage_nexus=drawn.nexus(drawn.gaged),
        gage_ids=tuple(ids[i] for i in above),
        outlet=TERMINAL,
        area_km2=float(drawn.area_km2.sum()),
        gage_area_km2=float(drawn.area_km2[above].sum()),
        axis=axis,
    )


def _write_config(basin: Basin, drawn: BasinMap, sites: Sites, *, rng: np.random.Generator, tell: Progress) -> None:
    """Write all but the forcing, and make the folders of a run directory."""
    config, hours = basin.geopackage.parent, basin.axis.count
    for folder in (config, basin.forcing.parent, basin.directory / "outputs" / "ngen"):
        folder.mkdir(parents=True, exist_ok=True)
    soils = draw_soils(sites, drawn.slope, rng)
    tell(0.2, "hydrofabric")
    write_geopackage(basin.geopackage, layers(drawn, soils), kinds={"lakes": "Point"})
    tell(0.3, "configurations")
    write_configs(config / "cat_config", basin.ids, soils, sites=sites, area_km2=drawn.area_km2, hours=hours)
    _write_json(basin.realization, realization(start_s=basin.axis.start_s, hours=hours))


def _geographic(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Longitude and latitude [degrees] of places on the hydrofabric's projection."""
    from pyproj import Transformer

    longitude, latitude = Transformer.from_crs(5070, 4326, always_xy=True).transform(x, y)
    return np.asarray(longitude), np.asarray(latitude)


def _write_json(path: Path, content: object) -> None:
    """Write JSON for people to read as well."""
    path.write_text(json.dumps(content, indent=1) + "\n")
