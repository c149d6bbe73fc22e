"""Coupling: which module gets which input from where, as ngen decides it.

`couple` resolves a formulation into a `Chain`: for each module its links, with the unit
conversion worked out once per link. An input is looked for by its alias, first among the
outputs of earlier modules and the forcing; failing that among later modules, whose value
of the step before is used. Pure: it asks nobody and computes no weather.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dmod.errors import UnitsError
from dmod.model.findings import Finding, Report
from dmod.units import Conversion, conversion

if TYPE_CHECKING:
    from dmod.model.module import Description, ModuleSpec, Variable
    from dmod.model.realization import Formulation

__all__ = ["Chain", "Column", "Link", "Source", "Stage", "UnitsPolicy", "couple"]

#: ``strict`` refuses a link whose units do not convert; ``ngen`` passes the raw value with a warning.
UnitsPolicy = Literal["strict", "ngen"]


#: Names that an output file has anyhow.
_TAKEN = frozenset({"catchment-id", "nexus-id", "nexus_flow", "time"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    #: ``forcing``, or ``module``.
    kind: Literal["forcing", "module"]
    #: Variable of the forcing file, or BMI output of the module.
    name: str
    #: Index of the module; -1 for forcing.
    stage: int = -1


@dataclass(frozen=True, slots=True)
class Link:
    """One input of one module."""

    #: BMI name of the input.
    input: str
    #: Where it comes from.
    source: Source
    #: From the source's units to the input's.
    convert: Conversion
    #: Whether the value is that of the step before (a later module gives it).
    lagged: bool = False
    #: Value in the first step of a lagged link, in the source's units; NaN for the module's own start value.
    default: float = float("nan")


@dataclass(frozen=True)
class Stage:
    """One module of a chain."""

    #: What the realization asks for.
    spec: ModuleSpec
    #: Name of the module type that computes it.
    module: str
    #: Its inputs.
    links: tuple[Link, ...]
    #: Outputs somebody needs.
    keep: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One output variable of the run."""

    #: Name in the outputs.
    header: str
    #: Where it comes from.
    source: Source
    #: Units.
    units: str
    #: What it is.
    doc: str


@dataclass(frozen=True)
class Chain:
    """A formulation, resolved."""

    #: Modules in the order they run.
    stages: tuple[Stage, ...]
    #: Outputs, in order.
    columns: tuple[Column, ...]
    #: What flows to the nexus.
    main: Source
    #: From the main output's units to m per step.
    main_convert: Conversion
    #: Variables of the forcing file that are read, in order.
    forcing: tuple[str, ...]

    @property
    def feedback(self) -> bool:
        """Whether a module needs a later one's value, so that steps must be taken one by one."""
        return any(link.lagged for stage in self.stages for link in stage.links)


@dataclass(frozen=True)
class _Known:
    """What the search looks in."""

    formulation: Formulation
    descriptions: Sequence[Description]
    #: Name or alias to (variable in the file, units).
    forcing: Mapping[str, tuple[str, str]]

    def given(self, alias: str, stages: range) -> tuple[int, Variable] | None:
        """The output of that alias among *stages*."""
        for i in stages:
            for output in self.descriptions[i].outputs:
                if self.formulation.modules[i].alias(output.name) == alias:
                    return i, output
        return None

    def wanted(self, name: str) -> tuple[Source, str, str] | None:
        """Source, units and description of an output somebody names; the last module is asked first."""
        for i in reversed(range(len(self.descriptions))):
            spec = self.formulation.modules[i]
            for output in self.descriptions[i].outputs:
                if name in (spec.alias(output.name), output.name):
                    return Source("module", output.name, i), output.units, output.doc
        if name in self.forcing:
            variable, units = self.forcing[name]
            return Source("forcing", variable), units, "forcing of the next step, as ngen gives it"
        return None


def couple(
    formulation: Formulation,
    modules: Sequence[tuple[str, Description]],
    forcing: Mapping[str, tuple[str, str]],
    *,
    units: UnitsPolicy = "strict",
    file: str = "",
) -> tuple[Chain | None, Report]:
    """Resolve a formulation.

    Parameters
    ----------
    formulation : Formulation
        What the realization asks for.
    modules : sequence of (str, Description)
        For each of its modules the type that computes it, and what it takes and gives.
    forcing : mapping of str to (str, str)
        Every name and alias the forcing answers to: the file's variable and its units.
    units : {"strict", "ngen"}
        What to do where units do not convert.
    file : str
        The realization, for messages.

    Returns
    -------
    chain : Chain or None
        None where something cannot be resolved.
    report : Report
        Everything that is wrong or odd.
    """
    known = _Known(formulation, [d for _, d in modules], forcing)
    found: list[Finding] = _doubles(known, file)
    stages = []
    for i in range(len(modules)):
        links, findings = _links(known, i, units, file)
        found += findings
        stages.append(links)
    columns, findings = _columns(known, file)
    found += findings
    main, main_convert, findings = _main(known, units, file)
    found += findings
    report = Report(tuple(found))
    if report.errors or main is None:
        return None, report
    sources = [link.source for links in stages for link in links] + [c.source for c in columns] + [main]
    kept = [tuple(dict.fromkeys(s.name for s in sources if s.stage == i)) for i in range(len(modules))]
    chain = Chain(
        stages=tuple(
            Stage(formulation.modules[i], modules[i][0], tuple(stages[i]), kept[i]) for i in range(len(modules))
        ),
        columns=tuple(columns),
        main=main,
        main_convert=main_convert,
        forcing=tuple(dict.fromkeys(s.name for s in sources if s.kind == "forcing")),
    )
    return chain, report


def _doubles(known: _Known, file: str) -> list[Finding]:
    """Two modules, or a module and the forcing, that give one name."""
    seen: dict[str, str] = {}
    found = []
    for spec, description in zip(known.formulation.modules, known.descriptions, strict=True):
        for output in description.outputs:
            alias = spec.alias(output.name)
            other = seen.get(alias) or ("the forcing" if alias in known.forcing else "")
            if other:
                found.append(
                    Finding(
                        "error",
                        "output-twice",
                        f"{spec.title} and {other} both give {alias!r}",
                        file=file,
                        key=f"variables_names_map.{output.name}",
                        remedy="map one of them to another name in variables_names_map",
                    )
                )
            seen[alias] = spec.title
    return found


def _convert(source: str, target: str, policy: UnitsPolicy, place: str, file: str) -> tuple[Conversion, list[Finding]]:
    """The conversion of one link, or what is wrong with it."""
    if not target.strip():
        return Conversion(), []
    try:
        return conversion(source, target), []
    except UnitsError as problem:
        severity: Literal["error", "warning"] = "error" if policy == "strict" else "warning"
        return Conversion(), [
            Finding(
                severity,
                "units",
                f"{place}: {problem.headline}; ngen warns and passes the raw value",
                file=file,
                key="variables_names_map",
                remedy="map a variable of the right kind, correct the units, or pass --units ngen to do as ngen does",
            )
        ]


def _links(known: _Known, i: int, policy: UnitsPolicy, file: str) -> tuple[list[Link], list[Finding]]:
    """The inputs of module *i*."""
    spec, count = known.formulation.modules[i], len(known.descriptions)
    links: list[Link] = []
    found: list[Finding] = []
    for needed in known.descriptions[i].inputs:
        alias = spec.alias(needed.name)
        earlier, later = known.given(alias, range(i)), known.given(alias, range(i, count))
        if earlier is not None:
            source, have, lagged = Source("module", earlier[1].name, earlier[0]), earlier[1].units, False
        elif alias in known.forcing:
            variable, have = known.forcing[alias]
            source, lagged = Source("forcing", variable), False
        elif later is not None:
            source, have, lagged = Source("module", later[1].name, later[0]), later[1].units, True
        else:
            found.append(_unresolved(known, spec, needed.name, alias, file))
            continue
        convert, problems = _convert(have, needed.units, policy, f"{spec.title} input {needed.name}", file)
        found += problems
        default = known.formulation.defaults.get(alias, float("nan"))
        links.append(Link(needed.name, source, convert, lagged, default))
    return links, found


def _unresolved(known: _Known, spec: ModuleSpec, name: str, alias: str, file: str) -> Finding:
    """Nobody gives an input; name what there is that is near."""
    import difflib

    there = [
        known.formulation.modules[i].alias(v.name) for i, d in enumerate(known.descriptions) for v in d.outputs
    ] + list(known.forcing)
    near = difflib.get_close_matches(alias, there, n=1, cutoff=0.6)
    called = f"{name} (mapped to {alias})" if alias != name else name
    remedy = f"did you mean {near[0]!r}? " if near else ""
    return Finding(
        "error", "input-missing", f"{spec.title} needs {called}, which neither the forcing nor a module gives",
        file=file, key=f"variables_names_map.{name}",
        remedy=f"{remedy}map it in variables_names_map, or add it to the forcing or to SLoTH's model_params",
    )  # fmt: skip


def _columns(known: _Known, file: str) -> tuple[list[Column], list[Finding]]:
    """The outputs of the run."""
    formulation = known.formulation
    spec = formulation.modules[-1]
    names = formulation.outputs or tuple(v.name for v in known.descriptions[-1].outputs)
    headers = formulation.headers if len(formulation.headers) == len(names) else names
    columns: list[Column] = []
    found: list[Finding] = []
    bad = sorted({h for h in headers if h in _TAKEN or "/" in h or not h.strip() or headers.count(h) > 1})
    if bad:
        found.append(
            Finding(
                "error",
                "output-name",
                f"outputs cannot be called {', '.join(map(repr, bad))}",
                file=file,
                key="output_header_fields",
                remedy=f"give each another name, without '/', and none of {', '.join(sorted(_TAKEN))}",
            )
        )
    for name, header in zip(names, headers, strict=True):
        wanted = known.wanted(name)
        if wanted is None:
            found.append(
                Finding(
                    "error",
                    "output-unknown",
                    f"no module of {spec.title} gives the output {name!r}",
                    file=file,
                    key="output_variables",
                    remedy="name outputs of the modules, or leave output_variables out",
                )
            )
            continue
        source, units, doc = wanted
        if source.kind == "forcing":
            found.append(
                Finding(
                    "warning",
                    "forcing-echo",
                    f"output {name!r} is forcing: as in ngen, each row holds the value of the next step",
                    file=file,
                    key="output_variables",
                    remedy="read forcing from the forcing file instead",
                )
            )
        columns.append(Column(header, source, units, doc))
    return columns, found


def _main(known: _Known, policy: UnitsPolicy, file: str) -> tuple[Source | None, Conversion, list[Finding]]:
    """What flows to the nexus, and its conversion to metres per step."""
    name = known.formulation.main_output
    wanted = known.wanted(name)
    if wanted is None or wanted[0].kind == "forcing":
        return None, Conversion(), [
            Finding("error", "main-output", f"main_output_variable {name!r} is no output of a module", file=file,
                    key="main_output_variable", remedy="name an output, for CFE it is Q_OUT")
        ]  # fmt: skip
    convert, found = _convert(wanted[1], "m", policy, f"main_output_variable {name}", file)
    return wanted[0], convert, found
