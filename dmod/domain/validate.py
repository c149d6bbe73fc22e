"""Whether a domain makes sense, as a table of what was found.

`validate` asks the links of the river first, then the attributes of its catchments and
flowpaths, then, if wanted, their shapes. It says what is wrong, of which ids, and what to
do; nothing is ever mended. The checks themselves are in `problems`, `validate_links`,
`validate_attributes` and `validate_shapes`.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import pandas as pd

from dmod.domain import problems, validate_links
from dmod.domain.problems import Links, Problem, Severity, made, ranked
from dmod.errors import InputError
from dmod.formats.names import Names

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["PURPOSES", "Purpose", "Validation", "validate"]

Purpose = Literal["ngen", "troute", "export"]

#: What a domain may be wanted for, and what is then asked beside or more strictly.
PURPOSES: dict[Purpose, str] = {
    "ngen": "a run of ngen",
    "troute": "routing with t-route, which needs numbered ids and the attributes of channels",
    "export": "writing a file for others, which wants the GeoPackage standard kept",
}


#: Catchments up to which attributes are read without being asked for.
_MANY = 100_000
#: Files smaller than this are read whole when their standard is checked [bytes].
_MANY_BYTES = 200_000_000


@dataclass(frozen=True, eq=False)
class Validation:
    """What the checks of a domain found."""

    #: What the domain is called.
    name: str
    #: What it is wanted for, None for nothing in particular.
    purpose: Purpose | None
    #: Everything that was found, the worst first.
    problems: tuple[Problem, ...]
    #: What was asked: ``links``, ``attributes``, ``shapes`` (and of how many), ``file``.
    asked: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What makes a run, or what the domain is wanted for, impossible or wrong."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What may make it wrong."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What is legal, but good to know."""
        return self._of("info")

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each problem: ``check``, ``severity``, ``n``, ``what``, ``examples``, ``remedy``."""
        rows = [(p.check, p.severity, len(p.which), p.what, p.examples, p.remedy) for p in self.problems]
        return pd.DataFrame(rows, columns=["check", "severity", "n", "what", "examples", "remedy"])

    def __repr__(self) -> str:
        return f"Validation({self.name!r}, {self._summary()})"

    def __str__(self) -> str:
        lines = []
        for problem in self.problems:
            lines += [str(problem), f"  ->  {problem.remedy}"] if problem.remedy else [str(problem)]
        return "\n".join([*lines, f"{self.name}: {self._summary()} ({self._extent()})"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr class="dmod-{p.severity}"><td><b>{p.severity}</b></td><td>{len(p.which):,}</td>'
            f"<td>{html.escape(p.message)}<br><small>{html.escape(p.remedy)}</small></td></tr>"
            for p in self.problems
        )
        asked = html.escape(f"{self.name}: {self._summary()} ({self._extent()})")
        return f'<div class="dmod-validation"><p>{asked}</p><table><tbody>{rows}</tbody></table></div>'

    def _of(self, severity: Severity) -> tuple[Problem, ...]:
        """The problems of one severity."""
        return tuple(problem for problem in self.problems if problem.severity == severity)

    def _extent(self) -> str:
        """``asked: links; not asked: attributes, shapes``."""
        left = [what for what in ("attributes", "shapes") if not any(each.startswith(what) for each in self.asked)]
        return f"asked: {', '.join(self.asked)}" + (f"; not asked: {', '.join(left)}" if left else "")

    def _summary(self) -> str:
        """``1 error, 2 warnings``."""
        counts = [(len(self.errors), "error"), (len(self.warnings), "warning"), (len(self.notes), "note")]
        return ", ".join(f"{n} {name}{'s' if n > 1 else ''}" for n, name in counts if n) or "nothing to report"


def validate(
    domain: Domain, for_: Purpose | None = None, *, attributes: bool | None = None, geometry: bool = False
) -> Validation:
    """Check a domain.

    Parameters
    ----------
    domain : Domain
        What to check.
    for_ : {"ngen", "troute", "export"}, optional
        What it is wanted for: some findings are then worse, and more is asked.
    attributes : bool, optional
        Also read the tables of the file that say what catchments and channels are like: half a minute
        for a continent. If not given they are read up to 100,000 catchments, and always for ``troute``.
    geometry : bool
        Also read shapes: whether they are valid, fit their areas, and leave neither gap nor
        overlap. Of a large domain some pieces of river are looked at.

    Returns
    -------
    Validation
        Of what was found, and of how much was asked. Nothing of the domain is changed.

    Raises
    ------
    InputError
        If *for_* is unknown.
    HydrofabricError
        If a table cannot be read.
    """
    if for_ is not None and for_ not in PURPOSES:
        raise InputError(
            "a domain is validated for a purpose that is known",
            needed=", ".join(map(repr, PURPOSES)),
            has=repr(for_),
            hint="leave for_ out to check it for nothing in particular",
        )
    links = Links(domain)
    found = made((*problems.CHECKS, *validate_links.CHECKS), links, for_)
    asked = ["links"]
    if attributes or (attributes is None and (for_ == "troute" or len(domain) <= _MANY)):
        from dmod.domain.validate_attributes import attribute_problems

        found += attribute_problems(domain, for_)
        asked.append("attributes")
    if geometry:
        from dmod.domain.validate_shapes import shape_problems

        wrong, looked_at = shape_problems(domain)
        found += wrong
        asked.append(looked_at)
    if for_ == "export" and (broken := _broken(domain)) is not None:
        found += broken
        asked.append("file")
    return Validation(domain.name, for_, tuple(ranked(found)), tuple(asked))


def _broken(domain: Domain) -> list[Problem] | None:
    """What in the domain's file is not as the GeoPackage standard wants it; None for another kind of file."""
    from dmod.formats.geopackage_conformance import conformance

    path = domain.hydrofabric.path
    if domain.hydrofabric.version == "geojson" or not path.is_file():
        return None
    # The whole of a large file is not read for this: its pages are SQLite's to keep.
    said = conformance(path, integrity=path.stat().st_size < _MANY_BYTES)
    what = "the file does not keep the GeoPackage standard"
    return [Problem("warning", "geopackage", what, Names.of(said), "write it again with to_gpkg")] if said else []
