"""A formulation as people choose and change it: a chain of modules, without time and place.

`Formulation.load` gives one that comes with dmod, `from_realization` takes one from a file;
`with_parameters`, `with_configs` and `for_catchments` give changed ones, and
`to_realization` binds one to a time and a forcing. A value: equal ones say the same.
Nothing is written here; configuration files are the matter of `dmod.prepare`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from dmod.errors import RealizationError
from dmod.model.formulation_named import NAMED
from dmod.model.formulation_names import ModuleNames, bare, meant
from dmod.model.module import ModuleSpec, Variable
from dmod.model.realization import ForcingEntry, read_realization
from dmod.model.realization import Formulation as Chain
from dmod.model.realization_writing import forcing_entry, time_entry

__all__ = ["Formulation", "Parameters"]

#: What ``with_parameters`` takes: ``{"satdk": 1e-6}``, ``{"cfe.satdk": 1e-6}`` or ``{"cfe": {"satdk": 1e-6}}``.
Parameters = Mapping[str, Any]

_ID = re.compile(r"[A-Za-z]+-[0-9]+")
_SHOWN = 8
#: How a module names the kind of its configuration files where it reads none.
_NOTHING = ("", "/dev/null")


@dataclass(frozen=True, repr=False)
class Formulation:
    """A chain of modules, its parameters, and what differs in single catchments.

    Examples
    --------
    >>> cfe = Formulation.load("cfe")
    >>> cfe
    <Formulation 'cfe': SLOTH + PET + CFE>
    >>> wetter = cfe.with_parameters({"satdk": 2e-6}).for_catchments({"cat-7": {"cfe.slope": 0.1}})
    >>> wetter.parameters, wetter.of("cat-7").parameters
    ({'cfe.satdk': 2e-06}, {'cfe.satdk': 2e-06, 'cfe.slope': 0.1})
    """

    #: What people call it.
    name: str
    #: The entry of ``formulations`` in a realization, as JSON in one line.
    entry: str
    #: What the configuration files of modules must say: module, key, text; sorted.
    configured: tuple[tuple[str, str, str], ...] = ()
    #: Formulations of single catchments, which have none of their own; by id, none twice.
    own: tuple[tuple[str, Formulation], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "entry", json.dumps(self.chain_entry, separators=(",", ":")))

    @classmethod
    def load(cls, name: str) -> Formulation:
        """One that comes with dmod: ``cfe``, ``cfe-x`` or ``pet``.

        Parameters
        ----------
        name : str
            Capitals do not matter.

        Raises
        ------
        RealizationError
            If there is none of that name; the message has those that there are.
        """
        found = NAMED.get(str(name).lower())
        if found is None:
            raise RealizationError(
                f"there is no formulation {str(name)!r}",
                has="; ".join(f"{key}: {one.about}" for key, one in NAMED.items()),
                hint=meant(str(name).lower(), NAMED) or "read one from a file with Formulation.from_realization",
            )
        return cls(str(name).lower(), json.dumps(found.entry)).with_configs(found.configured)

    @classmethod
    def from_realization(cls, path: str | Path) -> Formulation:
        """The formulation of a realization, with those of single catchments; its time and forcing are left.

        Parameters
        ----------
        path : path
            A ``realization.json``.

        Raises
        ------
        RealizationError
            If it cannot be read, or has no formulation for all catchments.
        """
        path = Path(path).expanduser()
        realization, report = read_realization(path)
        if realization is None:
            raise RealizationError(
                f"{path.name} cannot be used", path=path, reason=report, hint="see all with `dmod check`"
            )
        listed = realization.raw.get("global", {}).get("formulations")
        if not listed:
            raise RealizationError(
                f"{path.name} has no formulation for catchments that it does not list",
                path=path,
                needed="global.formulations",
                hint="add one to the file",
            )
        texts: dict[str, Formulation] = {}
        own: list[tuple[str, Formulation]] = []
        for cat_id, block in (realization.raw.get("catchments") or {}).items():
            if block.get("formulations"):
                text = json.dumps(block["formulations"][0])
                own.append((cat_id, texts.get(text) or texts.setdefault(text, cls(path.stem, text))))
        return cls(path.stem, json.dumps(listed[0]), own=tuple(own))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Formulation:
        """The formulation that `to_dict` told of."""
        try:
            own = tuple((cat_id, cls.from_dict(one)) for cat_id, one in told.get("own", {}).items())
            return cls(str(told["name"]), json.dumps(told["entry"]), _rows(told.get("configured", {})), own)
        except (KeyError, TypeError, AttributeError) as problem:
            raise RealizationError("this is no formulation", reason=f"{type(problem).__name__}: {problem}") from problem

    def to_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        told: dict[str, Any] = {"name": self.name, "entry": json.loads(self.entry)}
        if self.configured:
            told["configured"] = self.configs
        if self.own:
            told["own"] = {cat_id: one.to_dict() for cat_id, one in self.own}
        return told

    @cached_property
    def chain_entry(self) -> dict[str, Any]:
        """The entry as a dict, once found to be one that can be understood."""
        from pydantic import TypeAdapter, ValidationError

        from dmod.model.formulation_schema import FormulationEntry
        from dmod.model.realization_findings import broken

        try:
            entry = json.loads(self.entry)
            TypeAdapter(FormulationEntry).validate_python(entry)
        except ValidationError as problem:
            found = broken(problem, "")
            raise RealizationError(
                f"the formulation {self.name!r} cannot be understood",
                reason="; ".join(f"{one.key}: {one.message}" for one in found[:_SHOWN]),
                hint=found[0].remedy if found else "",
            ) from problem
        except ValueError as problem:
            raise RealizationError(f"the formulation {self.name!r} is no JSON", reason=problem) from problem
        return dict(entry)

    @cached_property
    def modules(self) -> tuple[ModuleSpec, ...]:
        """Its modules, in the order they run; one for a formulation that is a single module."""
        return self.chain.modules

    @cached_property
    def chain(self) -> Chain:
        """What it means, as the engine takes it."""
        from pydantic import TypeAdapter

        from dmod.model.formulation_schema import FormulationEntry
        from dmod.model.realization_reading import formulation_of

        return formulation_of(TypeAdapter(FormulationEntry).validate_python(self.chain_entry))

    @cached_property
    def names(self) -> ModuleNames:
        """What its modules and parameters are called."""
        return ModuleNames(self.modules)

    @property
    def titles(self) -> tuple[str, ...]:
        """What each module is called, in small letters: by what computes it, else by its own title."""
        return self.names.titles

    @cached_property
    def config_modules(self) -> tuple[str, ...]:
        """Modules that read a configuration file for each catchment, by their titles."""
        return tuple(
            title
            for title, spec in zip(self.titles, self.modules, strict=True)
            if spec.init_config.strip() not in _NOTHING
        )

    @property
    def configs(self) -> dict[str, dict[str, str]]:
        """What configuration files must say: module, then key, to text."""
        told: dict[str, dict[str, str]] = {}
        for module, key, text in self.configured:
            told.setdefault(module, {})[key] = text
        return told

    @property
    def parameters(self) -> dict[str, Any]:
        """Values that ``model_params`` set, by ``module.parameter``; those of single catchments are left out."""
        return {
            f"{title}.{bare(name)}": value
            for title, spec in zip(self.titles, self.modules, strict=True)
            for name, value in spec.params.items()
            if title != "sloth" or value
        }

    @property
    def settable(self) -> dict[str, tuple[Variable, ...]]:
        """What `with_parameters` may set: module to its parameters, with units; empty where nobody here knows them."""
        return {title: self.names.settable(place) for place, title in enumerate(self.titles)}

    def of(self, cat_id: str) -> Formulation:
        """The formulation of one catchment."""
        return dict(self.own).get(cat_id) or replace(self, own=())

    def with_parameters(self, parameters: Parameters) -> Formulation:
        """The same with parameters set by ``model_params``, also where catchments differ.

        Parameters
        ----------
        parameters : mapping
            ``parameter`` or ``module.parameter`` to a number, a list of numbers, or
            ``{"source": "hydrofabric", "from": <column of divides>}``; or module to such a mapping.

        Raises
        ------
        RealizationError
            If there is no such module or parameter, or two modules have it; the message has
            the nearest names.
        """
        entry = json.loads(self.entry)
        changes: dict[str, dict[str, Any]] = {}
        for place, name, value in self.names.placed(parameters):
            given = _params(entry)[place].get("model_params") or {}
            _params(entry)[place]["model_params"] = {**given, name: value}
            changes.setdefault(self.titles[place], {})[name] = value
        own = tuple((cat_id, one.with_parameters(one._having(changes))) for cat_id, one in self.own)
        return Formulation(self.name, json.dumps(entry), self.configured, own)

    def with_configs(self, configs: Mapping[str, Mapping[str, Any]]) -> Formulation:
        """The same with keys that configuration files must have: ``{"cfe": {"soil_storage": 0.4}}``.

        They hold also where catchments differ, as far as these have the module.

        Raises
        ------
        RealizationError
            If there is no such module, or it has no such key; the message has the nearest names.
        """
        changes: dict[str, dict[str, str]] = {}
        for module, keys in configs.items():
            place = self.names.place(module)
            if not isinstance(keys, Mapping):
                raise RealizationError(
                    f"keys of the configuration of {module} are a mapping", has=repr(keys)[:60], hint='{"key": value}'
                )
            told = {self.names.config_key(place, key): str(text) for key, text in keys.items()}
            changes.setdefault(self.titles[place], {}).update(told)
        own = tuple((cat_id, one.with_configs(one._having(changes))) for cat_id, one in self.own)
        merged = {module: {**self.configs.get(module, {}), **changes.get(module, {})} for module in self.titles}
        return Formulation(self.name, self.entry, _rows(merged), own)

    def for_catchments(self, differing: Mapping[str, Parameters | Formulation]) -> Formulation:
        """The same, but for some catchments.

        Parameters
        ----------
        differing : mapping
            Id of a catchment to parameters as for `with_parameters`, which are added to what it
            has, or to a formulation of its own.

        Raises
        ------
        RealizationError
            If an id is none, or a parameter is not known.
        """
        own = dict(self.own)
        made: dict[str, Formulation] = {}
        for cat_id, given in differing.items():
            if not _ID.fullmatch(str(cat_id)):
                raise RealizationError(
                    f"{cat_id!r} is no catchment",
                    needed="an id such as 'cat-27'",
                    hint="name catchments, then parameters",
                )
            if isinstance(given, Formulation):
                own[cat_id] = replace(given, own=())
                continue
            before = own.get(cat_id)
            key = json.dumps([before and before.entry, given], default=repr)
            own[cat_id] = made.get(key) or made.setdefault(
                key, (before or replace(self, own=())).with_parameters(given)
            )
        return replace(self, own=tuple(own.items()))

    def to_realization(
        self,
        start: str | datetime,
        end: str | datetime,
        *,
        forcing: str | Path | ForcingEntry = "./forcings/forcings.nc",
        configs: str | None = None,
        outputs: str = "./outputs/ngen",
        routing: str | None = None,
    ) -> dict[str, Any]:
        """What goes into ``realization.json``.

        Parameters
        ----------
        start, end : str or datetime
            Start of the first step and of the last one, UTC where no zone is given; a whole number of
            hours apart.
        forcing : path or ForcingEntry
            As seen from the run directory; what it is, is told by its name: ``.nc``, ``.zarr``, else a CSV
            file or a directory of them.
        configs : str, optional
            Folder of the configuration files, which then are ``<folder>/<MODULE>/<id>.ini``; as written if not
            given.
        outputs : str
            Folder of what ngen writes.
        routing : str, optional
            The configuration of t-route; nothing is routed if not given.

        Returns
        -------
        dict
            In types that JSON has.

        Raises
        ------
        RealizationError
            If a time cannot be read, or the end lies before the start or between two steps.
        """
        weather = forcing_entry(forcing)
        everywhere = {"formulations": [self._bound(configs)], "forcing": weather}
        own = {cat_id: {"formulations": [one._bound(configs)], "forcing": weather} for cat_id, one in self.own}
        made: dict[str, Any] = {
            "global": everywhere,
            "time": time_entry(start, end),
        }
        if own:
            made["catchments"] = own
        if routing:
            made["routing"] = {"t_route_config_file_with_path": routing}
        return made | {"output_root": outputs}

    def __str__(self) -> str:
        return " + ".join(spec.title for spec in self.modules)

    def __repr__(self) -> str:
        own = f", {len(self.own):,} catchments differ" if self.own else ""
        return f"<Formulation {self.name!r}: {self}{own}>"

    def _repr_html_(self) -> str:
        """A row for each module."""
        rows = []
        for title, spec in zip(self.titles, self.modules, strict=True):
            values = [f"{bare(name)} = {value}" for name, value in spec.params.items()]
            values += [f"{key}={text}" for key, text in self.configs.get(title, {}).items()]
            cells = (spec.title, spec.library or spec.python_type, spec.main_output, "; ".join(values))
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        heads = "".join(f"<th>{head}</th>" for head in ("module", "library", "gives", "parameters"))
        differ = f"<p>{len(self.own):,} catchments differ</p>" if self.own else ""
        caption = f"<caption>{escape(self.name)}</caption>"
        return f'<table class="dmod-formulation">{caption}<tr>{heads}</tr>{"".join(rows)}</table>{differ}'

    def _having(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Those changes that are to modules it has."""
        return {module: change for module, change in changes.items() if module in self.titles}

    def _bound(self, configs: str | None) -> dict[str, Any]:
        """The entry, with configuration files in a folder."""
        entry: dict[str, Any] = json.loads(self.entry)
        if configs is not None:
            for params, title in zip(_params(entry), self.titles, strict=True):
                if title in self.config_modules:
                    params["init_config"] = f"{configs.rstrip('/')}/{title.upper()}/{{{{id}}}}.ini"
        return entry


def _rows(configs: Mapping[str, Mapping[str, str]]) -> tuple[tuple[str, str, str], ...]:
    """Keys of configuration files, sorted."""
    return tuple(sorted((module, key, str(text)) for module, keys in configs.items() for key, text in keys.items()))


def _params(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``params`` of each module, to be changed in place."""
    inner = entry["params"].get("modules") if entry["name"] == "bmi_multi" else [entry]
    return [module["params"] for module in inner]
