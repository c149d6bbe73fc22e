"""Tiny rivers with known answers: run directories of three catchments, made in a moment.

Two headwaters meet at ``nex-3`` and flow into a third catchment, which ends in ``tnx-4``:
``cat-1`` + ``cat-2`` → ``nex-3`` → ``cat-3`` → ``tnx-4``. On 3.6, 7.2 and 36 km2, one
millimetre in an hour is 1, 2 and 10 m3/s. Unless told otherwise the land is paved and
the sky dark, so all rain runs off, half at once and half an hour later (`paved_flow`).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dmod.errors import CheckError
from dmod.formats.forcing import TimeAxis
from dmod.formats.forcing_write import AORC, write_forcing

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "AREAS_KM2",
    "CATCHMENTS",
    "MODULES",
    "NEXUSES",
    "START",
    "multi",
    "paved_flow",
    "run_here",
    "tiny_run_directory",
]

#: Catchments, in the order of every file.
CATCHMENTS = ("cat-1", "cat-2", "cat-3")
#: Their areas [km2].
AREAS_KM2 = (3.6, 7.2, 36.0)
#: Nexuses: the first gathers ``cat-1`` and ``cat-2``, the second ``cat-3``.
NEXUSES = ("nex-3", "tnx-4")
#: Start of every run.
START = datetime(2016, 9, 1, tzinfo=UTC)

_STEP_S = 3600
_TIME = "%Y-%m-%d %H:%M:%S"
#: Weather of every hour, in the units of `dmod.formats.forcing_write.AORC`; rain falls in hour 1 only.
_WEATHER = {
    "precip_rate": 0.0,
    "TMP_2maboveground": 285.0,
    "SPFH_2maboveground": 0.00390625,
    "UGRD_10maboveground": 3.0,
    "VGRD_10maboveground": 4.0,
    "PRES_surface": 100000.0,
    "DSWRF_surface": 0.0,
    "DLWRF_surface": 256.0,
}
#: Rain of hour 1 [mm s-1], the same in single precision: 14.0625 mm.
_SHOWER = 2.0**-8
_CFE = {
    "forcing_file": "BMI", "surface_partitioning_scheme": "Schaake", "verbosity": "0",
    "soil_params.depth": "2.0", "soil_params.b": "4.0", "soil_params.satdk": "0.0",
    "soil_params.satpsi": "0.1", "soil_params.slop": "0.5", "soil_params.smcmax": "0.4",
    "soil_params.wltsmc": "0.05", "refkdt": "3.0", "max_gw_storage": "0.1", "Cgw": "0.0", "expon": "1.0",
    "gw_storage": "0.5", "alpha_fc": "0.33", "soil_storage": "0.25", "K_nash": "0.5", "K_lf": "0.0",
    "nash_storage": "0.0,0.0", "giuh_ordinates": "0.5,0.5",
}  # fmt: skip
_PET = {
    "pet_method": "1", "forcing_file": "BMI", "yes_aorc": "1", "shortwave_radiation_provided": "1",
    "wind_speed_measurement_height_m": "10.0", "humidity_measurement_height_m": "2.0",
    "zero_plane_displacement_height_m": "0.0003", "momentum_transfer_roughness_length_m": "0.0",
    "heat_transfer_roughness_length_m": "0.0", "surface_longwave_emissivity": "1.0",
    "surface_shortwave_albedo": "0.25",
}  # fmt: skip
#: Entries of ``modules`` in a realization: SLoTH, PET and CFE as `tiny_run_directory` couples them.
MODULES: Mapping[str, Mapping[str, Any]] = {
    "sloth": {
        "name": "bmi_c++",
        "params": {
            "model_type_name": "SLOTH",
            "library_file": "libslothmodel.so",
            "init_config": "/dev/null",
            "main_output_variable": "z",
            "model_params": {
                "ice_fraction_schaake(1,double,m,node)": 0.0,
                "ice_fraction_xinanjiang(1,double,1,node)": 0.0,
                "soil_moisture_profile(1,double,1,node)": 0.0,
            },
        },
    },
    "pet": {
        "name": "bmi_c",
        "params": {
            "model_type_name": "PET",
            "library_file": "libpetbmi.so",
            "registration_function": "register_bmi_pet",
            "init_config": "config/PET/{{id}}.ini",
            "main_output_variable": "water_potential_evaporation_flux",
        },
    },
    "cfe": {
        "name": "bmi_c",
        "params": {
            "model_type_name": "CFE",
            "library_file": "libcfebmi.so",
            "registration_function": "register_bmi_cfe",
            "init_config": "config/CFE/{{id}}.ini",
            "main_output_variable": "Q_OUT",
            "variables_names_map": {"atmosphere_water__liquid_equivalent_precipitation_rate": "precip_rate"},
        },
    },
}


def multi(*modules: Mapping[str, Any], **params: Any) -> dict[str, Any]:
    """A ``bmi_multi`` formulation.

    Parameters
    ----------
    *modules : mapping
        Entries as in `MODULES`, in the order they run.
    **params : object
        Further ``params``, such as ``output_variables``; ``main_output_variable`` is ``Q_OUT`` by default.

    Examples
    --------
    >>> multi(MODULES["cfe"], output_variables=["Q_OUT"])["params"]["main_output_variable"]
    'Q_OUT'
    """
    given = {"model_type_name": "tiny", "init_config": "", "main_output_variable": "Q_OUT", **params}
    return {"name": "bmi_multi", "params": {**given, "modules": list(modules)}}


def paved_flow(hours: int) -> NDArray[np.float64]:
    """What flows into each nexus of the river as it is by default [m3 s-1], shape (2, hours).

    Examples
    --------
    >>> paved_flow(4).tolist()
    [[0.0, 21.09375, 21.09375, 0.0], [0.0, 70.3125, 70.3125, 0.0]]
    """
    flow = np.zeros((2, hours))
    flow[:, 1:3] = np.array([[3.0], [10.0]]) * 14.0625 / 2.0
    return flow


def tiny_run_directory(
    path: Path,
    *,
    hours: int = 6,
    formulation: Mapping[str, Any] | None = None,
    catchments: Mapping[str, Any] | None = None,
    weather: Mapping[str, ArrayLike] | None = None,
    weather_hours: int | None = None,
    forcing: Literal["netcdf", "csv"] = "netcdf",
    cfe: Mapping[str, str] | None = None,
    pet: Mapping[str, str] | None = None,
) -> Path:
    """Write a run directory of three catchments: hydrofabric, forcing, configurations, realization.

    Parameters
    ----------
    path : Path
        The directory; made if absent.
    hours : int
        Steps of the run, at least 1.
    formulation : mapping, optional
        The realization's formulation; SLoTH, PET and CFE if not given.
    catchments : mapping of str to mapping, optional
        The realization's ``catchments``: formulations of single ones.
    weather : mapping of str to array, shape broadcastable to (3, weather_hours)
        Forcing that differs from the default, in the units of `dmod.formats.forcing_write.AORC`;
        it is rounded to single precision.
    weather_hours : int, optional
        Hours of forcing, if more than *hours*.
    forcing : {"netcdf", "csv"}
        One NetCDF file, or one CSV file per catchment; the values are the same.
    cfe, pet : mapping of str to str, optional
        Keys of the configuration files that differ from the default.

    Returns
    -------
    Path
        *path*.
    """
    for name in ("CFE", "PET"):
        (path / "config" / name).mkdir(parents=True, exist_ok=True)
    (path / "forcings").mkdir(exist_ok=True)
    for name in CATCHMENTS:
        _config(path / "config" / "CFE" / f"{name}.ini", {**_CFE, **(cfe or {})})
        _config(path / "config" / "PET" / f"{name}.ini", {**_PET, **(pet or {})})
    _hydrofabric(path / "config" / "tiny.gpkg")
    values = _weather(weather or {}, weather_hours or hours)
    entry = _write_netcdf(path, values) if forcing == "netcdf" else _write_csv(path, values)
    realization = {
        "global": {"formulations": [formulation or multi(*MODULES.values())], "forcing": entry},
        "time": {
            "start_time": START.strftime(_TIME),
            "end_time": (START + timedelta(hours=hours - 1)).strftime(_TIME),
            "output_interval": _STEP_S,
        },
        "catchments": {name: {"forcing": entry, **given} for name, given in (catchments or {}).items()},
    }
    (path / "config" / "realization.json").write_text(json.dumps(realization, indent=1))
    return path


def run_here(directory: Path, *, parts: int = 1, budget_bytes: int | None = None, units: str = "strict") -> xr.Dataset:
    """Run a directory in this process, without a cluster; `dmod.run` is for everything else.

    Parameters
    ----------
    directory : Path
        The run directory; what it writes goes to ``outputs/dmod/run.nc``, replacing what is there.
    parts : int
        Tasks to cut it into, run one after the other, last first.
    budget_bytes : int, optional
        Memory of a part; small budgets make many blocks of time.
    units : {"strict", "ngen"}
        As for `dmod.Session.run`.

    Returns
    -------
    xarray.Dataset
        The outputs, in memory.

    Raises
    ------
    CheckError
        If the pre-flight check finds errors.
    """
    from dmod.conductor.question import question_of
    from dmod.engine.part_run import run_part
    from dmod.execution.plan import parts_of, plan_run, variables_of
    from dmod.formats import run_output
    from dmod.formats.outputs import open_outputs
    from dmod.model.check import examine
    from dmod.schedule.sizing import Sizing
    from dmod.session import request_of

    target = directory / "outputs" / "dmod" / "run.nc"
    target.parent.mkdir(parents=True, exist_ok=True)
    case, report = examine(question_of(request_of(directory, units=units), every_value=True))
    if case is None:
        raise CheckError(report)
    plan = plan_run(case, Sizing(1, parts, processes=False), target.parent)
    network = case.domain.network
    layout = run_output.create(
        target, catchments=network.catchments, nexuses=network.nexuses, start_s=case.start_s, step_s=_STEP_S,
        steps=case.steps, variables=variables_of(case), attributes={},
    )  # fmt: skip
    for part in reversed(parts_of(plan, layout, target.parent / "STOP")):
        run_part(part if budget_bytes is None else replace(part, budget_bytes=budget_bytes))
    run_output.seal(layout, target)
    with open_outputs(target, chunks=None) as dataset:
        return dataset.load()


def _config(path: Path, keys: Mapping[str, str]) -> None:
    """A configuration file, ``key=value`` on each line."""
    path.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))


def _hydrofabric(path: Path) -> None:
    """Three squares in a row, and their nexuses."""
    from dmod.formats.geopackage_write import GEOMETRY, write_geopackage

    divides = {
        "divide_id": CATCHMENTS,
        "toid": ("nex-3", "nex-3", "tnx-4"),
        "id": ("wb-1", "wb-2", "wb-3"),
        "areasqkm": AREAS_KM2,
        GEOMETRY: [_square(x) for x in (1, 2, 3)],
    }
    nexus = {"id": NEXUSES, "toid": ("wb-3", "wb-0"), GEOMETRY: [_point(x) for x in (3, 4)]}
    write_geopackage(path, {"divides": pd.DataFrame(divides), "nexus": pd.DataFrame(nexus)})


def _point(x: int) -> bytes:
    """The point (x, 0), as well-known binary."""
    return struct.pack("<BI2d", 1, 1, x, 0)


def _square(x: int) -> bytes:
    """The square of side 1 whose lower left corner is (x, 0), as well-known binary."""
    return struct.pack("<B3I10d", 1, 3, 1, 5, x, 0, x + 1, 0, x + 1, 1, x, 1, x, 0)


def _weather(given: Mapping[str, ArrayLike], hours: int) -> dict[str, NDArray[np.float32]]:
    """Every variable, shape (3, hours)."""
    shower = np.zeros(hours)
    shower[1:2] = _SHOWER
    values = {**_WEATHER, "precip_rate": shower, **given}
    shape = (len(CATCHMENTS), hours)
    return {name: np.broadcast_to(np.asarray(values[name], dtype=np.float32), shape) for name in AORC}


def _write_netcdf(path: Path, values: Mapping[str, NDArray[np.float32]]) -> dict[str, str]:
    """Forcing in one file; gives the realization's entry."""
    axis = TimeAxis(int(START.timestamp()), _STEP_S, values["precip_rate"].shape[1])
    write_forcing(
        path / "forcings" / "forcings.nc",
        CATCHMENTS,
        axis=axis,
        blocks=lambda start, stop: {name: block[start:stop] for name, block in values.items()},
    )
    return {"path": "forcings/forcings.nc", "provider": "NetCDF"}


def _write_csv(path: Path, values: Mapping[str, NDArray[np.float32]]) -> dict[str, str]:
    """Forcing in one file per catchment; gives the realization's entry."""
    hours = pd.date_range(START.replace(tzinfo=None), periods=values["precip_rate"].shape[1], freq="h")
    for row, name in enumerate(CATCHMENTS):
        # In double precision the text holds all digits of the single one, so it is the same number.
        columns = {one: block[row].astype(np.float64) for one, block in values.items()}
        table = pd.DataFrame(columns, index=hours)
        table.to_csv(path / "forcings" / f"{name}.csv", index_label="time", date_format=_TIME)
    return {"path": "forcings", "file_pattern": "{{id}}.csv", "provider": "CsvPerFeature"}
