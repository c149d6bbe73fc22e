"""Configurations of a made-up basin: the files that ngen reads.

`write_configs` writes one CFE and one PET file per catchment, `realization` puts SLoTH, PET and CFE
together, and `perturbed` changes the parameters of a CFE file a little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_soils import DEPTH_M, Soils
from dmod.prepare.basin_weather import Sites

__all__ = [
    "perturbed",
    "realization",
    "shared_factors",
    "unit_hydrograph",
    "write_configs",
]

Floats = NDArray[np.float64]

_LIBRARIES = "/dmod/shared_libs"
_CFE = "./config/cat_config/CFE/{{id}}.ini"
_PET = "./config/cat_config/PET/{{id}}.ini"

#: What `perturbed` changes: spread of the logarithm, common and single parts together, and bounds.
_PERTURBED: Mapping[str, tuple[float, float, float]] = {
    "soil_params.satdk": (0.35, 3e-7, 5e-5),
    "soil_params.slop": (0.25, 0.01, 1.0),
    "refkdt": (0.30, 0.3, 6.0),
    "max_gw_storage": (0.25, 0.01, 0.5),
    "Cgw": (0.35, 2e-6, 1e-3),
    "K_lf": (0.30, 1e-3, 0.1),
    "K_nash": (0.25, 5e-3, 0.5),
}


def unit_hydrograph(area_km2: float) -> list[float]:
    """Ordinates of a catchment's hourly unit hydrograph.

    Parameters
    ----------
    area_km2 : float
        Area of the catchment [km2].

    Returns
    -------
    list of float
        Shares of the runoff by hour [1], four decimals, summing to 1; more of them for
        larger catchments.

    Examples
    --------
    >>> unit_hydrograph(8.0)
    [0.1353, 0.2939, 0.3058, 0.2074, 0.0576]
    """
    hours = float(np.clip(2.5 * area_km2**0.33, 2.0, 14.0))
    edges = np.append(np.arange(0.0, hours), hours) / hours
    shares = np.diff(1 - (1 - edges) ** 2.4 * (1 + 2.4 * edges))
    whole = np.rint(shares * 10_000).astype(int)
    whole[whole.argmax()] += 10_000 - whole.sum()
    return [int(share) / 10_000 for share in whole if share]


def write_configs(
    folder: Path, ids: Sequence[str], soils: Soils, *, sites: Sites, area_km2: Floats, hours: int
) -> None:
    """Write ``CFE/<id>.ini`` and ``PET/<id>.ini`` for every catchment.

    Parameters
    ----------
    folder : Path
        Where; made if missing.
    ids : sequence of str
        Ids of the catchments.
    soils, sites : Soils, Sites
        Their parameters and places.
    area_km2 : array of float, shape (catchments,)
        Their areas [km2].
    hours : int
        How many steps a run has.
    """
    for name in ("CFE", "PET"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i, catchment in enumerate(ids):
        (folder / "CFE" / f"{catchment}.ini").write_text(_cfe(soils, i, float(area_km2[i])))
        (folder / "PET" / f"{catchment}.ini").write_text(_pet(soils, sites, i, hours))


def realization(*, start_s: int, hours: int, forcing: str = "./forcings/forcings.nc") -> dict[str, Any]:
    """The realization: SLoTH, PET and CFE for every catchment.

    Parameters
    ----------
    start_s : int
        First hour, seconds since 1970-01-01T00:00Z.
    hours : int
        How many steps; ``end_time`` is the start of the last.
    forcing : str
        Path of the forcing file, as seen from the run directory.

    Returns
    -------
    dict
        What goes into ``realization.json``.
    """
    return {
        "global": {
            "formulations": [{"name": "bmi_multi", "params": _formulation()}],
            "forcing": {"path": forcing, "provider": "NetCDF"},
        },
        "time": {
            "start_time": _moment(start_s),
            "end_time": _moment(start_s + 3600 * (hours - 1)),
            "output_interval": 3600,
        },
        "output_root": "./outputs/ngen/",
    }


def shared_factors(rng: np.random.Generator) -> dict[str, float]:
    """Factors by which a whole basin differs from another, for `perturbed`: key to factor [1]."""
    draws = rng.standard_normal(len(_PERTURBED))
    spreads = [spread for spread, _, _ in _PERTURBED.values()]
    factors = np.exp(0.8 * np.array(spreads) * draws)
    return dict(zip(_PERTURBED, factors.tolist(), strict=True))


def perturbed(text: str, rng: np.random.Generator, shared: Mapping[str, float]) -> str:
    """A CFE configuration with some parameters changed by chance, within plausible bounds.

    Parameters
    ----------
    text : str
        The file.
    rng : numpy.random.Generator
        Where chance comes from; the same number of draws for every file.
    shared : mapping of str to float
        Factors that all files of a basin share; see `shared_factors`.

    Returns
    -------
    str
        The file with other numbers, units and order kept.
    """
    for key, (spread, low, high) in _PERTURBED.items():
        factor = shared[key] * float(np.exp(0.6 * spread * rng.standard_normal()))

        found = re.search(rf"(?m)^{re.escape(key)}=([^\[\n]+)", text)
        if found is not None:
            value = min(max(float(found[1]) * factor, low), high)
            text = f"{text[: found.start(1)]}{value:.6g}{text[found.end(1) :]}"
    return text


def _formulation() -> dict[str, Any]:
    """SLoTH, PET and CFE, in the order they run."""
    sloth = {
        "sloth_ice_fraction_schaake(1,double,m,node)": 0.0,
        "sloth_ice_fraction_xinanjiang(1,double,1,node)": 0.0,
        "sloth_smp(1,double,1,node)": 0.0,
    }
    names = {
        "atmosphere_water__liquid_equivalent_precipitation_rate": "precip_rate",
        "water_potential_evaporation_flux": "water_potential_evaporation_flux",
        "ice_fraction_schaake": "sloth_ice_fraction_schaake",
        "ice_fraction_xinanjiang": "sloth_ice_fraction_xinanjiang",
        "soil_moisture_profile": "sloth_smp",
    }
    modules = [
        _module(
            "bmi_c++",
            "SLOTH",
            "libslothmodel.so",
            "/dev/null",
            "z",
            fixed_time_step=False,
            model_params=sloth,
        ),
        _module(
            "bmi_c",
            "PET",
            "libpetbmi.so",
            _PET,
            "water_potential_evaporation_flux",
            registration_function="register_bmi_pet",
        ),
        _module(
            "bmi_c",
            "CFE",
            "libcfebmi.so",
            _CFE,
            "Q_OUT",
            registration_function="register_bmi_cfe",
            variables_names_map=names,
        ),
    ]
    return {
        "model_type_name": "bmi_multi_pet_cfe",
        "init_config": "",
        "forcing_file": "",
        "allow_exceed_end_time": True,
        "main_output_variable": "Q_OUT",
        "modules": modules,
        "uses_forcing_file": False,
    }


def _module(kind: str, model: str, library: str, config: str, output: str, **more: Any) -> dict[str, Any]:
    """One module of the formulation."""
    params = {
        "model_type_name": model,
        "library_file": f"{_LIBRARIES}/{library}",
        "init_config": config,
        "allow_exceed_end_time": True,
        "main_output_variable": output,
        "uses_forcing_file": False,
    }
    return {"name": kind, "params": params | more}


def _cfe(s: Soils, i: int, area_km2: float) -> str:
    """CFE's file for one catchment."""
    lines = [
        "forcing_file=BMI",
        f"surface_partitioning_scheme={('Schaake', 'Xinanjiang')[int(s.scheme[i]) - 1]}",
        f"soil_params.depth={DEPTH_M}[m]",
        f"soil_params.b={s.b[i]:.4f}[]",
        f"soil_params.satdk={s.satdk[i]:.6e}[m s-1]",
        f"soil_params.satpsi={s.satpsi[i]:.5f}[m]",
        f"soil_params.slop={s.slop[i]:.5f}[m/m]",
        f"soil_params.smcmax={s.smcmax[i]:.5f}[m/m]",
        f"soil_params.wltsmc={s.wltsmc[i]:.5f}[m/m]",
        "soil_params.expon=1.0[]",
        "soil_params.expon_secondary=1.0[]",
        f"refkdt={s.refkdt[i]:.4f}",
        f"max_gw_storage={s.max_gw_storage[i]:.5f}[m]",
        f"Cgw={s.Cgw[i]:.6e}[m h-1]",
        f"expon={s.expon[i]:.3f}[]",
        f"gw_storage={s.gw_storage[i]:.4f}[m/m]",
        "alpha_fc=0.33",
        f"soil_storage={s.soil_storage[i]:.4f}[m/m]",
        f"K_nash={s.K_nash[i]:.4f}[]",
        f"K_lf={s.K_lf[i]:.5f}[]",
        "nash_storage=0.0,0.0",
        "num_timesteps=1",
        "verbosity=0",
        "DEBUG=0",
        f"giuh_ordinates={','.join(map(str, unit_hydrograph(area_km2)))}",
    ]
    if s.scheme[i] == 2:
        keys = (
            "a_Xinanjiang_inflection_point_parameter",
            "b_Xinanjiang_shape_parameter",
            "x_Xinanjiang_shape_parameter",
            "urban_decimal_fraction",
        )
        lines += [f"{key}={value:.4f}" for key, value in zip(keys, s.xinanjiang[i], strict=True)]
    return "\n".join(lines) + "\n"


def _pet(s: Soils, sites: Sites, i: int, hours: int) -> str:
    """PET's file for one catchment."""
    lines = [
        "verbose=0",
        f"pet_method={s.pet_method[i]}",
        "forcing_file=BMI",
        "run_unit_tests=0",
        "yes_aorc=1",
        "yes_wrf=0",
        "wind_speed_measurement_height_m=10.0",
        "humidity_measurement_height_m=2.0",
        f"vegetation_height_m={s.vegetation[i]:.3f}",
        "zero_plane_displacement_height_m=0.0003",
        "momentum_transfer_roughness_length_m=0.0",
        "heat_transfer_roughness_length_m=0.0",
        "surface_longwave_emissivity=1.0",
        f"surface_shortwave_albedo={s.albedo[i]:.4f}",
        "cloud_base_height_known=FALSE",
        f"latitude_degrees={sites.latitude[i]:.6f}",
        f"longitude_degrees={sites.longitude[i]:.6f}",
        f"site_elevation_m={sites.elevation[i]:.2f}",
        "time_step_size_s=3600",
        f"num_timesteps={hours}",
        "shortwave_radiation_provided=1",
    ]
    return "\n".join(lines) + "\n"


def _moment(instant_s: int) -> str:
    """A time as realizations have it."""
    return f"{datetime.fromtimestamp(instant_s, tz=UTC):%Y-%m-%d %H:%M:%S}"
