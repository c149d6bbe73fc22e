"""CFE, the Conceptual Functional Equivalent: rainfall-runoff of NextGen.

The configuration keys, older and newer spellings alike, the constants made of them and
the BMI model. The step itself is in `dmod.engine.modules.cfe_kernel`. Equations and
oddities follow the CFE that ngen 0.3.0 runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmod.engine.modules.cfe_kernel import CONSTANTS, advance
from dmod.engine.native import Block, NativeModule
from dmod.model.configs import Config, ConfigSchema, Key, Parameters, Problem
from dmod.model.module import Description, Variable

__all__ = ["Cfe"]

_ATMOSPHERE_PA = 101325.0
_WATER_WEIGHT = 9810.0
_STEP_S = 3600.0
_REFERENCE_KS = 2.0e-06
_NONE = math.nan
_XINANJIANG = (
    "a_Xinanjiang_inflection_point_parameter",
    "b_Xinanjiang_shape_parameter",
    "x_Xinanjiang_shape_parameter",
    "urban_decimal_fraction",
)
_SCHEMES = {"Schaake": 1.0, "schaake": 1.0, "1": 1.0, "Xinanjiang": 2.0, "xinanjiang": 2.0, "2": 2.0}
_POSITIVE = (1e-300, math.inf)
_FRACTION = (0.0, 1.0)


def _inspect(config: Config) -> Iterator[Problem]:
    """What single keys cannot tell."""
    v = {name: value for name, value in config.values.items() if isinstance(value, float)}
    order = list(config.text)
    if config.text.get("forcing_file", "BMI").strip() != "BMI":
        yield Problem("forcing_file", "names a file, but forcing comes from the realization", "set forcing_file=BMI")
    scheme = v.get("surface_partitioning_scheme")
    if scheme == 2.0:
        for name in _XINANJIANG:
            if math.isnan(v.get(name, _NONE)) and name not in {p.key for p in config.problems}:
                yield Problem(name, "is missing and the Xinanjiang scheme requires it", f"add {name}=")
    if v.get("aet_rootzone") == 1.0:
        yield from _inspect_rootzone(config)
    if v.get("is_sft_coupled") == 1.0 and scheme == 1.0 and math.isnan(v.get("ice_content_threshold", _NONE)):
        yield Problem(
            "ice_content_threshold", "is missing and is_sft_coupled requires it", "add ice_content_threshold="
        )
    if (
        "gw_storage" in order
        and "max_gw_storage" in order
        and order.index("gw_storage") < order.index("max_gw_storage")
    ):
        yield Problem(
            "gw_storage",
            "stands before max_gw_storage: ngen multiplies it by a value not yet read",
            "write max_gw_storage above gw_storage",
        )
    ordinates = config.values.get("giuh_ordinates", ())
    total = float(np.sum(ordinates))
    if np.size(ordinates) and not math.isnan(total) and abs(total - 1.0) > 1e-3:
        yield Problem(
            "giuh_ordinates",
            f"sum to {total:g}, so {100 * abs(total - 1):.2g} % of surface runoff is {'lost' if total < 1 else 'made'}",
            "scale them to sum to 1",
            fatal=False,
        )
    yield from _inspect_storages(v, scheme)


def _inspect_rootzone(config: Config) -> Iterator[Problem]:
    """The root-zone option needs layers that end at the soil's depth."""
    depths = np.atleast_1d(np.asarray(config.values.get("soil_layer_depths", _NONE), dtype=float))
    layer = float(np.atleast_1d(config.values.get("max_rootzone_layer", _NONE))[0])
    depth = float(np.atleast_1d(config.values.get("depth", _NONE))[0])
    if np.isnan(depths).any() or math.isnan(layer):
        yield Problem("soil_layer_depths", "and max_rootzone_layer are required with aet_rootzone", "add both")
        return
    if depths[-1] != depth:
        yield Problem(
            "soil_layer_depths",
            f"end at {depths[-1]:g} m but soil_params.depth is {depth:g} m",
            "make the last depth equal to soil_params.depth",
        )
    if not 1 <= layer <= len(depths):
        yield Problem("max_rootzone_layer", f"is {layer:g}, but there are {len(depths)} layers", "name one of them")


def _inspect_storages(v: Mapping[str, float], scheme: float | None) -> Iterator[Problem]:
    """Field capacity must lie between nothing and all pores filled."""
    needed = ("depth", "b", "satpsi", "smcmax", "wltsmc", "alpha_fc")
    if any(math.isnan(v.get(name, _NONE)) for name in needed):
        return
    if v["b"] == 1.0:
        yield Problem("soil_params.b", "is 1, which makes field capacity undefined", "use a value other than 1")
        return
    field = float(_field_capacity(*(np.array([v[name]]) for name in ("smcmax", "satpsi", "b", "alpha_fc", "depth")))[0])
    full = v["smcmax"] * v["depth"]
    if not 0.0 < field < full:
        yield Problem(
            "soil_params.satpsi",
            f"gives a field capacity of {field:g} m in a soil that holds {full:g} m",
            "check satpsi, b, alpha_fc and smcmax",
            fatal=scheme == 2.0,
        )
    if v["wltsmc"] >= v["smcmax"]:
        yield Problem(
            "soil_params.wltsmc",
            f"is {v['wltsmc']:g}, not below smcmax {v['smcmax']:g}",
            "check wltsmc and smcmax",
        )


def _suspicious(p: Parameters) -> NDArray[np.bool_]:
    """Which files `_inspect` would say something about, coarsely."""
    with np.errstate(all="ignore"):
        total = np.nansum(p["giuh_ordinates"], axis=1)
        field = _field_capacity(p["smcmax"], p["satpsi"], p["b"], p["alpha_fc"], p["depth"])
        fine = (
            (np.abs(total - 1.0) <= 1e-3)
            & (p["b"] != 1.0)
            & (field > 0.0)
            & (field < p["smcmax"] * p["depth"])
            & (p["wltsmc"] < p["smcmax"])
            & (p["aet_rootzone"] == 0.0)
            & (p["is_sft_coupled"] == 0.0)
        )
        xinanjiang = np.column_stack([p[name] for name in _XINANJIANG])
        fine &= (p["surface_partitioning_scheme"] != 2.0) | ~np.isnan(xinanjiang).any(axis=1)
    odd: NDArray[np.bool_] = ~fine
    return odd


def _field_capacity(
    smcmax: NDArray[np.float64],
    satpsi: NDArray[np.float64],
    b: NDArray[np.float64],
    alpha_fc: NDArray[np.float64],
    depth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Water a soil column holds at field capacity [m], Clapp-Hornberger integrated over depth."""
    omega = alpha_fc * _ATMOSPHERE_PA / _WATER_WEIGHT - 0.5
    q = 1.0 - 1.0 / b
    upper, lower = (omega + depth) ** q / q, omega**q / q
    field: NDArray[np.float64] = smcmax * (1.0 / satpsi) ** (-1.0 / b) * (upper - lower)
    return field


def _soil(name: str, kind_unit: str, doc: str, *also: str, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Key:
    """A required soil key, ``soil_params.<name>`` first."""
    return Key(
        name,
        unit=kind_unit,
        doc=doc,
        spellings=(
            f"soil_params.{also[0] if also else name}",
            *(f"soil_params.{s}" for s in (name, *also[1:])),
        ),
        bounds=bounds,
    )


_SCHEMA = ConfigSchema(
    keys=(
        Key("forcing_file", "text", doc="BMI"),
        Key(
            "surface_partitioning_scheme",
            "choice",
            doc="Schaake or Xinanjiang",
            choices=_SCHEMES,
            spellings=("surface_partitioning_scheme", "surface_water_partitioning_scheme"),
        ),
        Key(
            "surface_runoff_scheme",
            "choice",
            doc="how surface runoff is routed",
            default=1.0,
            choices={"GIUH": 1.0, "1": 1.0},
        ),
        _soil("depth", "m", "depth of the soil", "depth", "D", bounds=_POSITIVE),
        _soil("b", "1", "Clapp-Hornberger exponent", "b", "bb", bounds=_POSITIVE),
        _soil("satdk", "m s-1", "saturated hydraulic conductivity", bounds=(0.0, math.inf)),
        _soil("satpsi", "m", "saturated capillary head", bounds=_POSITIVE),
        _soil("slope", "1", "factor on drainage from the soil", "slop", "slope"),
        _soil("smcmax", "1", "porosity", "smcmax", "maxsmc", bounds=(1e-300, 1.0)),
        _soil("wltsmc", "1", "water content at the wilting point", bounds=_FRACTION),
        Key("e_perc", doc="exponent of percolation", default=1.0, spellings=("soil_params.expon",)),
        Key("e_lat", doc="exponent of lateral flow", default=1.0, spellings=("soil_params.expon_secondary",)),
        Key("refkdt", doc="Schaake's reference", default=3.0, spellings=("refkdt", "soil_params.refkdt")),
        Key("max_gw_storage", unit="m", doc="capacity of groundwater", bounds=_POSITIVE),
        Key("Cgw", unit="m h-1", doc="groundwater coefficient"),
        Key("expon", doc="groundwater exponent"),
        Key("gw_storage", doc="groundwater at the start, as a fraction of max_gw_storage"),
        Key(
            "alpha_fc",
            doc="field capacity suction, in atmospheres",
            spellings=("alpha_fc", "soil_params.alpha_fc"),
        ),
        Key("soil_storage", doc="soil water at the start, as a fraction of depth * smcmax"),
        Key(
            "n_nash",
            "integer",
            doc="Nash reservoirs",
            default=2.0,
            bounds=(1, 100),
            spellings=("N_nash", "number_nash_reservoirs", "N_nash_subsurface"),
        ),
        Key("k_nash", doc="Nash coefficient [h-1]", spellings=("K_nash", "K_nash_subsurface")),
        Key("k_lf", doc="lateral flow coefficient [m h-1]", spellings=("K_lf",)),
        Key(
            "nash_storage",
            "numbers",
            "m",
            "water in the Nash reservoirs at the start",
            default=_NONE,
            spellings=("nash_storage", "nash_storage_subsurface"),
        ),
        Key("giuh_ordinates", "numbers", doc="unit hydrograph, one ordinate per hour"),
        Key("num_timesteps", doc="ignored with forcing_file=BMI", default=1.0),
        Key("verbosity", doc="how much ngen prints", default=None),
        *(Key(name, doc="Xinanjiang parameter", default=_NONE) for name in _XINANJIANG),
        Key("aet_rootzone", "flag", doc="root-zone evaporation", default=0.0),
        Key("soil_layer_depths", "numbers", "m", "bottoms of the soil layers", default=_NONE),
        Key("max_rootzone_layer", "integer", doc="deepest layer with roots", default=_NONE),
        Key("is_sft_coupled", "flag", doc="soil freezing is coupled", default=0.0),
        Key("ice_content_threshold", unit="m", doc="ice above which soil is impermeable", default=_NONE),
    ),
    inspect=_inspect,
    suspicious=_suspicious,
    ignored=frozenset({"DEBUG"}),
)

_INPUTS = (
    Variable("atmosphere_water__liquid_equivalent_precipitation_rate", "mm h-1", "precipitation"),
    Variable("water_potential_evaporation_flux", "m s-1", "potential evapotranspiration"),
    Variable("ice_fraction_schaake", "m", "ice in the soil, for the Schaake scheme"),
    Variable("ice_fraction_xinanjiang", "none", "frozen fraction of the top soil, for Xinanjiang"),
    Variable("soil_moisture_profile", "none", "water content of the deepest root-zone layer"),
)
_OUTPUTS = (
    Variable("RAIN_RATE", "mm h-1", "precipitation as given (ngen declares m)"),
    Variable("DIRECT_RUNOFF", "m", "surface runoff made in the step"),
    Variable("GIUH_RUNOFF", "m", "surface runoff reaching the channel in the step"),
    Variable("NASH_LATERAL_RUNOFF", "m", "lateral flow reaching the channel in the step"),
    Variable("DEEP_GW_TO_CHANNEL_FLUX", "m", "base flow in the step"),
    Variable("SOIL_TO_GW_FLUX", "m", "percolation in the step"),
    Variable("Q_OUT", "m", "flow leaving the catchment in the step"),
    Variable("POTENTIAL_ET", "m", "potential evapotranspiration in the step"),
    Variable("ACTUAL_ET", "m", "actual evapotranspiration in the step"),
    Variable("GW_STORAGE", "m", "groundwater at the end of the step"),
    Variable("SOIL_STORAGE", "m", "soil water at the end of the step"),
    Variable("SOIL_STORAGE_CHANGE", "m", "soil water gained in the step"),
    Variable("SURF_RUNOFF_SCHEME", "none", "1 Schaake, 2 Xinanjiang"),
)
#: BMI name of a parameter to the engine's name.
_SETTABLE = {
    "maxsmc": "smcmax", "satdk": "satdk", "slope": "slope", "b": "b", "Klf": "k_lf", "Kn": "k_nash", "Cgw": "Cgw",
    "expon": "expon", "max_gw_storage": "max_gw_storage", "satpsi": "satpsi", "wltsmc": "wltsmc",
    "alpha_fc": "alpha_fc", "refkdt": "refkdt", **{name: name for name in _XINANJIANG[:3]}, "N_nash": "n_nash",
}  # fmt: skip
#: Setting one of these makes CFE start its soil again.
_SOIL = frozenset({"maxsmc", "satdk", "slope", "b", "Klf", "satpsi", "wltsmc", "alpha_fc"})


class Cfe(NativeModule):
    """CFE for many catchments at once; see `dmod.engine.native.NativeModule`.

    Examples
    --------
    >>> Cfe.describe(None).outputs[6].name
    'Q_OUT'
    """

    name: ClassVar[str] = "cfe"
    registrations: ClassVar[tuple[str, ...]] = ("register_bmi_cfe",)
    libraries: ClassVar[tuple[str, ...]] = ("cfebmi",)
    schema: ClassVar[ConfigSchema | None] = _SCHEMA
    description: ClassVar[Description] = Description(
        "CFE", _INPUTS, _OUTPUTS, tuple(Variable(name) for name in _SETTABLE)
    )

    @classmethod
    def apply(cls, parameters: dict[str, NDArray[np.float64]], name: str, values: NDArray[np.float64]) -> bool:
        """Put ``model_params`` *name* into *parameters*; whether there is one of that name."""
        if name not in _SETTABLE:
            return False
        given = parameters[_SETTABLE[name]]
        if name in ("max_gw_storage", "N_nash"):
            # Groundwater at the start stays what the file gives; Nash reservoirs start empty.
            parameters.setdefault(f"{name}_in_file", given.copy())
        given[...] = values
        return True

    def parameter(self, name: str) -> NDArray[np.float64]:
        """Values of a parameter by its BMI name."""
        return self.parameters[_SETTABLE.get(name, name)]

    def _derive(self, changed: str = "") -> None:
        p = self.parameters
        table = np.zeros((self.size, len(CONSTANTS)))
        column = {name: table[:, k] for k, name in enumerate(CONSTANTS)}
        column["scheme"][:] = p["surface_partitioning_scheme"]
        column["soil_max"][:] = p["smcmax"] * p["depth"]
        column["wilting"][:] = p["wltsmc"] * p["depth"]
        column["field"][:] = _field_capacity(p["smcmax"], p["satpsi"], p["b"], p["alpha_fc"], p["depth"])
        column["k_perc"][:] = p["satdk"] * p["slope"] * _STEP_S
        column["k_lat"][:] = p["k_lf"]
        column["e_perc"][:], column["e_lat"][:] = p["e_perc"], p["e_lat"]
        column["capacity"][:] = 1.0 - np.exp(-(p["refkdt"] * p["satdk"] / _REFERENCE_KS) * (1.0 / 24.0))
        column["frozen"][:] = p["is_sft_coupled"]
        theta_fc = column["field"] / p["depth"]
        column["frzx"][:] = np.nan_to_num(p["ice_content_threshold"]) * (p["smcmax"] / theta_fc * (0.412 / 0.468))
        column["gw_max"][:], column["c_gw"][:], column["e_gw"][:] = p["max_gw_storage"], p["Cgw"], p["expon"]
        column["k_nash"][:] = p["k_nash"]
        for name, short in zip(_XINANJIANG, ("xin_a", "xin_b", "xin_x", "urban"), strict=True):
            column[short][:] = p[name]
        column["rootzone"][:] = p["aet_rootzone"]
        if p["aet_rootzone"].any():
            depths = np.hstack([np.zeros((self.size, 1)), p["soil_layer_depths"]])
            layer = np.nan_to_num(p["max_rootzone_layer"], nan=1.0).astype(np.intp)
            row = np.arange(self.size)
            column["layer_m"][:] = depths[row, layer] - depths[row, layer - 1]
        column["theta_wilt"][:] = p["wltsmc"]
        base = p["alpha_fc"] * _ATMOSPHERE_PA / (_WATER_WEIGHT * p["satpsi"])
        column["theta_field"][:] = p["smcmax"] * base ** (-1.0 / p["b"])
        self._ordinates = np.nan_to_num(p["giuh_ordinates"])
        self._n_ordinates = (~np.isnan(p["giuh_ordinates"])).sum(axis=1).astype(np.int64)
        # The sum of rounded ordinates counts as one within rounding, as people mean it.
        short = self._ordinates.sum(axis=1) - 1.0
        column["lost"][:] = np.where(np.abs(short) < 1e-12, 0.0, short)
        self._constants = table
        if not changed or changed in _SOIL:
            self._soil = np.maximum(p["soil_storage"], 0.0) * p["smcmax"] * p["depth"]
        if not changed or changed == "N_nash":
            self._start_nash(empty=bool(changed))
        if not changed:
            self._ground = p["gw_storage"] * p.get("max_gw_storage_in_file", p["max_gw_storage"])
            self._queue = np.zeros_like(self._ordinates)
            self._percolated, self._made = np.zeros(self.size), np.zeros(self.size)

    def _start_nash(self, *, empty: bool) -> None:
        """Fill the Nash reservoirs as the file says; *empty* where their number was set later."""
        given = self.parameters["nash_storage"]
        counted = (~np.isnan(given)).sum(axis=1)
        wanted = self.parameters["n_nash"].astype(np.int64)
        from_file = (counted >= 2) & (not empty) & ("N_nash_in_file" not in self.parameters)
        self._n_nash = np.where(from_file, counted, wanted).astype(np.int64)
        self._nash = np.zeros((self.size, max(int(self._n_nash.max(initial=1)), given.shape[1])))
        self._nash[:, : given.shape[1]] = np.where(from_file[:, None], np.nan_to_num(given), 0.0)

    def _advance(self, inputs: Mapping[str, Block], out: NDArray[np.float64], slots: NDArray[np.int64]) -> None:
        advance(
            self._constants, self._ordinates, self._n_ordinates, self._n_nash,
            tuple(inputs[v.name] for v in _INPUTS),
            (self._soil, self._ground, self._percolated, self._made), self._queue, self._nash, slots, out,
        )  # fmt: skip

    def set_value_at_indices(self, name: str, inds: NDArray[np.int_], src: NDArray[Any]) -> None:
        """Set values at catchments *inds*; as with one CFE for each, only these start anything again."""
        soil, nash, n_nash = self._soil, self._nash, self._n_nash
        super().set_value_at_indices(name, inds, src)
        others = np.setdiff1d(np.arange(self.size), inds)
        width = min(nash.shape[1], self._nash.shape[1])
        self._soil[others], self._n_nash[others] = soil[others], n_nash[others]
        self._nash[others, :width] = nash[others, :width]

    def stored(self) -> NDArray[np.float64]:
        """Water held now in soil, groundwater, unit hydrograph and cascade [m], shape (catchments,)."""
        held: NDArray[np.float64] = self._soil + self._ground + self._queue.sum(axis=1) + self._nash.sum(axis=1)
        return held

    def made(self) -> NDArray[np.float64]:
        """Water that CFE's own oddities have made so far [m], shape (catchments,); see the kernel."""
        return self._made
