"""Configurations of a made-up basin: soils that vary over the map, and the files for ngen.

`draw_soils` makes parameters within the ranges the NextGen community uses, `write_configs`
writes one CFE and one PET file per catchment, `realization` puts SLoTH, PET and CFE
together, and `perturbed` changes the parameters of a CFE file a little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_fields import SmoothField
from dmod.prepare.basin_weather import Sites

__all__ = ["Soils", "draw_soils", "perturbed", "realization", "shared_factors", "unit_hydrograph", "write_configs"]

Floats = NDArray[np.float64]

_LIBRARIES = "/dmod/shared_libs"
_CFE = "./config/cat_config/CFE/{{id}}.ini"
_PET = "./config/cat_config/PET/{{id}}.ini"
#: Depth of soil [m].
_DEPTH = 2.0

#: What `perturbed` changes: spread of the logarithm, common and single parts together, and bounds.
_PERTURBED: Mapping[str, tuple[float, float, float]] = {
    "soil_params.satdk": (0.30, 3e-7, 5e-5),
    "soil_params.slop": (0.20, 0.01, 1.0),
    "refkdt": (0.20, 0.3, 6.0),
    "max_gw_storage": (0.20, 0.01, 0.5),
    "Cgw": (0.30, 2e-6, 1e-3),
    "K_lf": (0.25, 1e-3, 0.1),
    "K_nash": (0.15, 5e-3, 0.5),
}


@dataclass(frozen=True)
class Soils:
    """Parameters of the catchments, each of shape (catchments,)."""

    #: Clapp-Hornberger exponent [1].
    b: Floats
    #: Conductivity [m s-1] and suction [m] of saturated soil.
    satdk: Floats
    satpsi: Floats
    #: Factor on drainage [m m-1], in (0, 1).
    slop: Floats
    #: Porosity and wilting point [m m-1].
    smcmax: Floats
    wltsmc: Floats
    #: Schaake's infiltration parameter [1].
    refkdt: Floats
    #: Groundwater: most it holds [m], coefficient [m h-1], exponent [1].
    max_gw_storage: Floats
    Cgw: Floats
    expon: Floats
    #: Coefficients of the Nash cascade [h-1] and of lateral flow [m h-1].
    K_nash: Floats
    K_lf: Floats
    #: Initial soil and groundwater storage, as fractions of what they hold [1].
    soil_storage: Floats
    gw_storage: Floats
    #: Inflection, shapes and urban share for Xinanjiang [1]; the scheme's names are 1 and 2.
    xinanjiang: Floats
    scheme: NDArray[np.intp]
    #: PET method, 1 to 5, vegetation height [m] and albedo [1].
    pet_method: NDArray[np.intp]
    vegetation: Floats
    albedo: Floats


def draw_soils(sites: Sites, slope: Floats, rng: np.random.Generator) -> Soils:
    """Soils that vary smoothly over the basin.

    Parameters
    ----------
    sites : Sites
        Where the catchments lie.
    slope : array of float, shape (catchments,)
        Steepness of the ground [m m-1].
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    Soils
        The parameters.
    """
    extent = max(float(np.ptp(sites.x)), float(np.ptp(sites.y)), 10e3)
    f = SmoothField.draw(rng, min(0.6 * extent, 60e3), fields=18).at(sites.x, sites.y)
    f = f + 0.15 * rng.standard_normal(f.shape)

    def about(middle: float, spread: float, field: int, low: float, high: float) -> Floats:
        values: Floats = np.clip(middle * np.exp(spread * f[field]), low, high)
        return values

    b, smcmax, satpsi = about(5.0, 0.17, 0, 3.2, 8.0), about(0.44, 0.07, 1, 0.36, 0.52), about(0.2, 0.35, 2, 0.05, 0.5)
    cgw, expon = about(3e-5, 0.5, 3, 5e-6, 2e-4), about(4.5, 0.22, 4, 2.5, 7.0)
    capacity = _field_capacity(b, satpsi, smcmax)
    curves = np.stack(
        [np.clip(0.15 * f[5], -0.4, 0.4), about(0.7, 0.35, 6, 0.2, 1.6), about(0.4, 0.3, 7, 0.1, 0.9),
         about(0.025, 0.6, 8, 0.0, 0.1)], axis=1,
    )
    return Soils(
        b=b,
        satdk=about(2.6e-6, 0.5, 9, 5e-7, 2e-5),
        satpsi=satpsi,
        slop=np.clip(1.3 * slope * np.exp(0.2 * f[10]), 0.03, 0.6),
        smcmax=smcmax,
        wltsmc=about(0.085, 0.22, 11, 0.04, 0.14),
        refkdt=about(1.9, 0.3, 12, 0.7, 4.0),
        max_gw_storage=about(0.09, 0.4, 13, 0.03, 0.25),
        Cgw=cgw,
        expon=expon,
        K_nash=about(0.035, 0.3, 14, 0.012, 0.1),
        K_lf=about(0.005, 0.35, 15, 0.0015, 0.02),
        # A little drier than field capacity after the summer; base flow of almost a millimetre a day.
        soil_storage=np.clip(capacity * (0.96 + 0.02 * f[16]), 0.3, 0.9),
        gw_storage=np.clip(np.log1p(3.5e-5 / cgw) / expon, 0.01, 0.8),
        xinanjiang=curves,
        scheme=np.where(rng.random(len(b)) < 0.15, 2, 1),
        pet_method=rng.choice(np.arange(1, 6), size=len(b), p=[0.05, 0.05, 0.75, 0.1, 0.05]),
        vegetation=about(8.0, 0.4, 17, 1.5, 20.0),
        albedo=np.clip(0.2 + 0.02 * f[0], 0.14, 0.26),
    )


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


def write_configs(folder: Path, ids: Sequence[str], soils: Soils, *, sites: Sites, area_km2: Floats, hours: int) -> None:
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
        _module("bmi_c++", "SLOTH", "libslothmodel.so", "/dev/null", "z", fixed_time_step=False, model_params=sloth),
        _module("bmi_c", "PET", "libpetbmi.so", _PET, "water_potential_evaporation_flux",
                registration_function="register_bmi_pet"),
        _module("bmi_c", "CFE", "libcfebmi.so", _CFE, "Q_OUT",
                registration_function="register_bmi_cfe", variables_names_map=names),
    ]
    multi = {
        "model_type_name": "bmi_multi_pet_cfe", "init_config": "", "forcing_file": "", "allow_exceed_end_time": True,
        "main_output_variable": "Q_OUT", "modules": modules, "uses_forcing_file": False,
    }
    return {
        "global": {
            "formulations": [{"name": "bmi_multi", "params": multi}],
            "forcing": {"path": forcing, "provider": "NetCDF"},
        },
        "time": {
            "start_time": _moment(start_s), "end_time": _moment(start_s + 3600 * (hours - 1)), "output_interval": 3600,
        },
        "output_root": "./outputs/ngen/",
    }


def shared_factors(rng: np.random.Generator) -> dict[str, float]:
    """Factors by which a whole basin differs from another, for `perturbed`: key to factor [1]."""
    return {key: float(np.exp(0.8 * spread * rng.standard_normal())) for key, (spread, _, _) in _PERTURBED.items()}


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

        def changed(found: re.Match[str], factor: float = factor, low: float = low, high: float = high) -> str:
            return f"{found[1]}{min(max(float(found[2]) * factor, low), high):.6g}"

        text = re.sub(rf"(?m)^({re.escape(key)}=)([^\[\n]+)", changed, text)
    return text


def _module(kind: str, model: str, library: str, config: str, output: str, **more: Any) -> dict[str, Any]:
    """One module of the formulation."""
    params = {
        "model_type_name": model, "library_file": f"{_LIBRARIES}/{library}", "init_config": config,
        "allow_exceed_end_time": True, "main_output_variable": output, "uses_forcing_file": False,
    }
    return {"name": kind, "params": params | more}


def _field_capacity(b: Floats, satpsi: Floats, smcmax: Floats) -> Floats:
    """Storage at which CFE's soil begins to drain, as a fraction of all it holds [1]."""
    omega, power = 0.33 * 101325.0 / 9810.0 - 0.5, 1 - 1 / b
    water = smcmax * satpsi ** (1 / b) * ((omega + _DEPTH) ** power - omega**power) / power
    fraction: Floats = water / (smcmax * _DEPTH)
    return fraction


def _cfe(s: Soils, i: int, area_km2: float) -> str:
    """CFE's file for one catchment."""
    lines = [
        "forcing_file=BMI", f"surface_partitioning_scheme={('Schaake', 'Xinanjiang')[int(s.scheme[i]) - 1]}",
        f"soil_params.depth={_DEPTH}[m]", f"soil_params.b={s.b[i]:.4f}[]", f"soil_params.satdk={s.satdk[i]:.6e}[m s-1]",
        f"soil_params.satpsi={s.satpsi[i]:.5f}[m]", f"soil_params.slop={s.slop[i]:.5f}[m/m]",
        f"soil_params.smcmax={s.smcmax[i]:.5f}[m/m]", f"soil_params.wltsmc={s.wltsmc[i]:.5f}[m/m]",
        "soil_params.expon=1.0[]", "soil_params.expon_secondary=1.0[]", f"refkdt={s.refkdt[i]:.4f}",
        f"max_gw_storage={s.max_gw_storage[i]:.5f}[m]", f"Cgw={s.Cgw[i]:.6e}[m h-1]", f"expon={s.expon[i]:.3f}[]",
        f"gw_storage={s.gw_storage[i]:.4f}[m/m]", "alpha_fc=0.33", f"soil_storage={s.soil_storage[i]:.4f}[m/m]",
        f"K_nash={s.K_nash[i]:.4f}[]", f"K_lf={s.K_lf[i]:.5f}[]", "nash_storage=0.0,0.0",
        "num_timesteps=1", "verbosity=0", "DEBUG=0",
        f"giuh_ordinates={','.join(map(str, unit_hydrograph(area_km2)))}",
    ]
    if s.scheme[i] == 2:
        keys = (
            "a_Xinanjiang_inflection_point_parameter", "b_Xinanjiang_shape_parameter",
            "x_Xinanjiang_shape_parameter", "urban_decimal_fraction",
        )
        lines += [f"{key}={value:.4f}" for key, value in zip(keys, s.xinanjiang[i], strict=True)]
    return "\n".join(lines) + "\n"


def _pet(s: Soils, sites: Sites, i: int, hours: int) -> str:
    """PET's file for one catchment."""
    lines = [
        "verbose=0", f"pet_method={s.pet_method[i]}", "forcing_file=BMI", "run_unit_tests=0", "yes_aorc=1", "yes_wrf=0",
        "wind_speed_measurement_height_m=10.0", "humidity_measurement_height_m=2.0",
        f"vegetation_height_m={s.vegetation[i]:.3f}", "zero_plane_displacement_height_m=0.0003",
        "momentum_transfer_roughness_length_m=0.0", "heat_transfer_roughness_length_m=0.0",
        "surface_longwave_emissivity=1.0", f"surface_shortwave_albedo={s.albedo[i]:.4f}",
        "cloud_base_height_known=FALSE", f"latitude_degrees={sites.latitude[i]:.6f}",
        f"longitude_degrees={sites.longitude[i]:.6f}", f"site_elevation_m={sites.elevation[i]:.2f}",
        "time_step_size_s=3600", f"num_timesteps={hours}", "shortwave_radiation_provided=1",
    ]
    return "\n".join(lines) + "\n"


def _moment(instant_s: int) -> str:
    """A time as realizations have it."""
    return f"{datetime.fromtimestamp(instant_s, tz=UTC):%Y-%m-%d %H:%M:%S}"
