"""Formulations that come with dmod, as a realization has them.

Libraries, aliases and paths are those of NextGen In A Box, so that ngen runs the same file.
What they say of configuration files is for whoever writes these. Data only;
`dmod.model.formulation` makes values of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["NAMED", "Named"]

_LIBRARIES = "/dmod/shared_libs"
_RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"
_EVAPORATION = "water_potential_evaporation_flux"


@dataclass(frozen=True)
class Named:
    """One formulation that has a name."""

    #: What it is, in one line.
    about: str
    #: The entry of ``formulations``.
    entry: Mapping[str, Any]
    #: What configuration files must say: module, then key, to text.
    configured: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def _module(kind: str, title: str, library: str, config: str, output: str, **more: Any) -> dict[str, Any]:
    """One module, with the keys that all have."""
    params = {
        "model_type_name": title,
        "library_file": f"{_LIBRARIES}/{library}",
        "init_config": config,
        "allow_exceed_end_time": True,
        "main_output_variable": output,
        "uses_forcing_file": False,
    }
    return {"name": kind, "params": params | more}


def _coupled(output: str, *modules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Modules in the order they run; *output* becomes flow [m per step]."""
    params = {
        "model_type_name": "bmi_multi",
        "init_config": "",
        "forcing_file": "",
        "allow_exceed_end_time": True,
        "main_output_variable": output,
        "modules": list(modules),
        "uses_forcing_file": False,
    }
    return {"name": "bmi_multi", "params": params | more}


def _sloth(*variables: str) -> dict[str, Any]:
    """SLoTH with constants of 0."""
    return _module(
        "bmi_c++", "SLOTH", "libslothmodel.so", "/dev/null", "z", fixed_time_step=False, registration_function="none",
        model_params=dict.fromkeys(variables, 0.0),
    )  # fmt: skip


_PET = _module(
    "bmi_c", "PET", "libpetbmi.so", "./config/cat_config/PET/{{id}}.ini", _EVAPORATION,
    registration_function="register_bmi_pet",
)  # fmt: skip
_CFE = _module(
    "bmi_c", "CFE", "libcfebmi.so.1.0.0", "./config/cat_config/CFE/{{id}}.ini", "Q_OUT",
    fixed_time_step=False, registration_function="register_bmi_cfe",
    variables_names_map={
        _RAIN: "precip_rate",
        _EVAPORATION: _EVAPORATION,
        "ice_fraction_schaake": "sloth_ice_fraction_schaake",
        "ice_fraction_xinanjiang": "sloth_ice_fraction_xinanjiang",
        "soil_moisture_profile": "sloth_soil_moisture_profile",
    },
)  # fmt: skip
_RUNOFF = _coupled(
    "Q_OUT",
    _sloth(
        "sloth_ice_fraction_schaake(1,double,m,node)",
        "sloth_ice_fraction_xinanjiang(1,double,1,node)",
        "sloth_soil_moisture_profile(1,double,1,node)",
    ),
    _PET,
    _CFE,
)

#: Name to formulation.
NAMED: Mapping[str, Named] = {
    "cfe": Named(
        "rainfall-runoff: SLoTH, PET and CFE with Schaake's infiltration",
        _RUNOFF,
    ),
    "cfe-x": Named(
        "rainfall-runoff: SLoTH, PET and CFE with the infiltration of the Xinanjiang model",
        _RUNOFF,
        {"cfe": {"surface_partitioning_scheme": "Xinanjiang"}},
    ),
    # Flow is a depth, and PET gives a rate: a constant stands for the flow that there is not.
    "pet": Named(
        "potential evapotranspiration alone: SLoTH and PET; nothing flows",
        _coupled("sloth_no_flow", _sloth("sloth_no_flow(1,double,m,node)"), _PET, output_variables=[_EVAPORATION]),
    ),
}
