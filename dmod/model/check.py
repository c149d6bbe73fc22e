"""The pre-flight check: everything a run needs must exist and fit together.

`examine` joins hydrofabric, realization, configuration files, forcing and modules, and
lists everything wrong at once. A `Case` comes out where nothing is: all parts read and
joined, ready to be planned.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from dmod import plugins
from dmod.domain.domain import Domain
from dmod.errors import DmodError
from dmod.formats.forcing import ForcingRef
from dmod.formats.forcing_zarr import is_zarr
from dmod.model.case import Case, CaseGroup, Outline, Question
from dmod.model.check_forcing import ForcingAnswer, examine_forcing, scan_forcing
from dmod.model.check_formulations import Setting, examine_formulation
from dmod.model.findings import Finding, Report
from dmod.model.realization import ForcingEntry, Formulation, Realization, read_realization

if TYPE_CHECKING:
    from dmod.model.coupling import Column

__all__ = ["domain_of", "examine", "outline"]

_STEP_S = 3600


def examine(question: Question) -> tuple[Case | None, Report]:
    """Check a run before it starts.

    Parameters
    ----------
    question : Question
        What to check.

    Returns
    -------
    case : Case or None
        All parts, joined; None where there are errors.
    report : Report
        Everything that was found.
    """
    realization, report = read_realization(question.directory.realization)
    domain, findings = _domain(question)
    report += Report(tuple(findings))
    if realization is None or domain is None:
        return None, report
    span, findings = _span(question, realization)
    report += Report((*findings, *_notes(realization, domain)))
    setting = Setting(question.directory, domain, plugins.load("dmod.modules").found, question.units)
    groups, refs, answers, more = _groups(question, realization, setting, span)
    report += more
    if span is None or not report.ok:
        return None, report
    columns, findings = _columns(groups)
    report += Report(tuple(findings))
    if not report.ok:
        return None, report
    chunks = [answer.row_chunk for answer in answers]
    case = Case(
        question.directory, domain, realization, tuple(groups), tuple(refs), *span, tuple(columns),
        row_chunk=0 if 0 in chunks else max(chunks, default=1), config_digests=tuple(setting.digests),
        config_files=tuple(setting.files),
    )  # fmt: skip
    return case, report


def outline(question: Question) -> tuple[Outline | None, Report]:
    """Check of a run what any engine needs, and leave modules to the one that runs them.

    Parameters
    ----------
    question : Question
        What to check.

    Returns
    -------
    outline : Outline or None
        Domain, realization and time; None where there are errors.
    report : Report
        Everything that was found.
    """
    realization, report = read_realization(question.directory.realization)
    domain, findings = _domain(question)
    report += Report(tuple(findings))
    if realization is None or domain is None:
        return None, report
    span, findings = _span(question, realization)
    report += Report(tuple(findings)) + _weather(question, realization, domain, span)
    if span is None or not report.ok:
        return None, report
    return Outline(question.directory, domain, realization, *span), report


def domain_of(question: Question) -> Domain:
    """The catchments that a question is about.

    Raises
    ------
    InputError
        If the hydrofabric cannot be read, or does not have them.
    """
    domain = Domain.open(question.directory.hydrofabric, question.directory.nexus)
    return domain if question.catchments is None else domain.select(question.catchments)


def _domain(question: Question) -> tuple[Domain | None, list[Finding]]:
    """The catchments asked for, and what is wrong with their network."""
    file = str(question.directory.hydrofabric)
    try:
        domain = domain_of(question)
    except DmodError as problem:
        return None, [Finding.of(problem, "hydrofabric", file=file)]
    found = [
        Finding("error" if p.severity == "error" else "warning" if p.severity == "warning" else "note",
                "hydrofabric", p.message, file=file, ids=p.ids)
        for p in domain.problems()
    ]  # fmt: skip
    return domain, found


def _span(question: Question, realization: Realization) -> tuple[tuple[int, int] | None, list[Finding]]:
    """First instant and number of steps, the question's own edges first; None where they cannot be told."""
    file = str(realization.path)
    if not realization.timed and (question.start_s is None or question.end_s is None):
        return None, []
    start_s = realization.span.start_s if question.start_s is None else question.start_s
    end_s = realization.span.end_s if question.end_s is None else question.end_s
    found = []
    if realization.span.interval_s != _STEP_S:
        found.append(
            Finding(
                "error",
                "interval",
                f"output_interval is {realization.span.interval_s} s, but models step {_STEP_S} s",
                file=file,
                key="time.output_interval",
                remedy=f"set it to {_STEP_S}",
            )
        )
    if end_s < start_s:
        found.append(
            Finding(
                "error",
                "time",
                "the end lies before the start",
                file=file,
                key="time.end_time",
                remedy="end_time is the start of the last step: set it at or after start_time",
            )
        )
    return None if found else (start_s, (end_s - start_s) // _STEP_S + 1), found


def _notes(realization: Realization, domain: Domain) -> list[Finding]:
    """What is said once about the realization as a whole."""
    file = str(realization.path)
    found = []
    have = set(domain.network.catchments)
    if stray := tuple(name for name in realization.overridden if name not in have):
        found.append(
            Finding(
                "warning",
                "stray-catchments",
                "the realization names catchments that are not run",
                file=file,
                key="catchments",
                ids=stray,
                remedy="remove them, or check their ids",
            )
        )
    if realization.routing_config:
        found.append(
            Finding(
                "note",
                "routing",
                "routing is recorded, not run: flow at a nexus is what its own catchments give",
                file=file,
                key="routing",
                remedy="run t-route on the nexus outputs",
            )
        )
    return found


def _groups(
    question: Question, realization: Realization, setting: Setting, span: tuple[int, int] | None
) -> tuple[list[CaseGroup], list[ForcingRef], list[ForcingAnswer], Report]:
    """Catchments by structure of formulation and by forcing, each checked."""
    ids = setting.domain.network.catchments
    members: dict[tuple[Any, ForcingRef], list[int]] = defaultdict(list)
    formulations: list[Formulation] = []
    structures: dict[str, Any] = {}
    known: dict[ForcingEntry | None, ForcingRef] = {}
    for place, name in enumerate(ids):
        try:
            formulation = realization.formulation(name)
            entry = None if question.forcing is not None else realization.forcing(name)
        except DmodError as problem:
            finding = Finding("error", "realization", problem.headline, file=str(realization.path), remedy=problem.hint)
            return [], [], [], Report((finding,))
        if (ref := known.get(entry)) is None:
            ref = known[entry] = _ref(question, entry)
        formulations.append(formulation)
        structure = structures.get(formulation.key) or structures.setdefault(formulation.key, _structure(formulation))
        members[structure, ref].append(place)
    readers: dict[ForcingRef, list[int]] = defaultdict(list)
    for (_, ref), places in members.items():
        readers[ref] += places
    answers = {ref: examine_forcing(ref, [ids[p] for p in places], span) for ref, places in readers.items()}
    report = Report(tuple(f for answer in answers.values() for f in answer.report.findings))
    groups: list[CaseGroup] = []
    refs = list(answers)
    for (_, ref), places in members.items():
        names = [ids[p] for p in places]
        chain, parameters, more = examine_formulation(
            setting, [formulations[p] for p in places], names, answers[ref].names
        )
        if not answers[ref].names:
            # With no forcing every input is missing: saying so again for each helps nobody.
            more = Report(tuple(f for f in more.findings if f.code != "input-missing"))
        report += more
        if answers[ref].names:
            wanted = None if chain is None else chain.forcing
            report += scan_forcing(ref, names, wanted, span, every_value=question.every_value)
        if chain is None:
            continue
        groups.append(CaseGroup(chain, parameters, refs.index(ref), np.array(places, dtype=np.intp)))
    return groups, refs, list(answers.values()), report


def _weather(question: Question, realization: Realization, domain: Domain, span: tuple[int, int] | None) -> Report:
    """Whether there is weather for every catchment and all of the time, whatever reads it."""
    readers: dict[ForcingRef, list[str]] = defaultdict(list)
    for name in domain.network.catchments:
        try:
            entry = None if question.forcing is not None else realization.forcing(name)
        except DmodError as problem:
            finding = Finding("error", "realization", problem.headline, file=str(realization.path), remedy=problem.hint)
            return Report((finding,))
        if entry is None or entry.provider != "NullForcingProvider":
            readers[_ref(question, entry)].append(name)
    answers = [examine_forcing(ref, names, span) for ref, names in readers.items()]
    return Report(tuple(finding for answer in answers for finding in answer.report.findings))


def _ref(question: Question, entry: ForcingEntry | None) -> ForcingRef:
    """Where weather lies: as the realization says, or as named by hand."""
    if entry is None:
        assert question.forcing is not None
        path = question.forcing
        if is_zarr(path):
            return ForcingRef(path, "Zarr")
        if path.is_dir():
            return ForcingRef(path, "CsvPerFeature", r"(.*[^0-9])?{{id}}([^0-9].*)?\.csv")
        return ForcingRef(path, "CsvPerFeature" if path.suffix.lower() == ".csv" else "NetCDF")
    path = question.directory.resolve(entry.path)
    # As in ngen, a pattern is meant for a folder and its first {{id}} is the catchment.
    return ForcingRef(path, entry.provider or "CsvPerFeature", entry.pattern)


def _structure(formulation: Formulation) -> Any:
    """What must be equal for catchments to share a chain: everything but values and file names."""
    return (
        tuple(
            (m.kind, m.title, m.library, m.registration, m.python_type, *sorted(m.aliases.items()), tuple(m.params))
            for m in formulation.modules
        ),
        formulation.main_output, formulation.outputs, formulation.headers,
        tuple(sorted(formulation.defaults.items())),
    )  # fmt: skip


def _columns(groups: list[CaseGroup]) -> tuple[list[Column], list[Finding]]:
    """All output variables, each name once; one name with two units is an error."""
    seen: dict[str, Column] = {}
    found = []
    for group in groups:
        for column in group.chain.columns:
            other = seen.setdefault(column.header, column)
            if other.units != column.units:
                found.append(
                    Finding(
                        "error",
                        "output-units",
                        f"output {column.header!r} is in {other.units} for some "
                        f"catchments and in {column.units} for others",
                        key="output_variables",
                        remedy="name one of them differently in output_header_fields",
                    )
                )
    return list(seen.values()), found
