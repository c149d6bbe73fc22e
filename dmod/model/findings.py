"""Findings: what is wrong with a run before it starts, said so that a person can act on it.

A `Finding` is one thing in one place; a `Report` is many of them. Findings that say the
same of many places are folded into one when a report is shown, never when it is kept:
``findings`` and `Report.to_dict` hold them all. Pure: nothing here reads a file.
"""

from __future__ import annotations

import html
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dmod.errors import DmodError, listed

__all__ = ["Finding", "Report", "Severity"]

#: How bad: an error stops the run, a warning may make it mean something else, a note does neither.
Severity = Literal["error", "warning", "note"]

_ORDER: tuple[Severity, ...] = ("error", "warning", "note")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth saying about the inputs of a run."""

    #: How bad it is.
    severity: Severity
    #: What kind of thing it is, short, with hyphens, for programs: ``missing-key``.
    code: str
    #: What is wrong, in plain words and without the place, so that like findings fold.
    message: str
    #: The file it is in; empty where there is none.
    file: str = ""
    #: Where in the file: a key, a JSON path, ``line 3, column 7``.
    key: str = ""
    #: The catchments or nexuses it concerns; empty for all or none.
    ids: tuple[str, ...] = ()
    #: What to do.
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.severity not in _ORDER:
            raise ValueError(f"a finding is one of {', '.join(_ORDER)}, not {self.severity!r}")

    @classmethod
    def of(cls, problem: DmodError, code: str, *, file: str, without: Container[str] = ()) -> Finding:
        """An error that was raised, as a finding; facts named in *without* are left out."""
        facts = "; ".join(f"{key} {value}" for key, value in problem.facts.items() if key not in without)
        message = problem.headline + (f" ({facts})" if facts else "")
        return cls("error", code, message, file=file, remedy=problem.hint)


@dataclass(frozen=True, slots=True)
class _Fold:
    """Findings with one severity, code and message, and the places they name."""

    severity: Severity
    message: str
    remedy: str
    files: tuple[str, ...]
    keys: tuple[str, ...]
    ids: tuple[str, ...]
    count: int

    def lines(self) -> list[tuple[str, str]]:
        """Label and text of each line below the message."""
        places = (("in", self.files), ("at", self.keys), ("for", self.ids))
        rows = [*((label, listed(names, _SHOWN)) for label, names in places), ("->", self.remedy)]
        return [(label, text) for label, text in rows if text]

    @property
    def times(self) -> str:
        """`` (10,000 times)``, or nothing for one."""
        return f" ({self.count:,} times)" if self.count > 1 else ""


@dataclass(frozen=True)
class Report:
    """Everything that was found, in the order it was found.

    Examples
    --------
    >>> print(Report((Finding("error", "no-file", "there is no such file", "a.txt", remedy="make it"),)))
    error: there is no such file
      in   a.txt
      ->   make it
    1 error
    """

    #: All findings, unfolded.
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(self.findings))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those that stop the run."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Those that may make the run mean something else than was meant."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Those that are only good to know."""
        return self._of("note")

    @property
    def ok(self) -> bool:
        """Whether the run may start: there is no error."""
        return not self.errors

    def __add__(self, other: Report) -> Report:
        if not isinstance(other, Report):
            return NotImplemented
        return Report(self.findings + other.findings)

    def __str__(self) -> str:
        lines = []
        for fold in self._folds():
            lines.append(f"{fold.severity}: {fold.message}{fold.times}")
            lines.extend(f"  {label:<3}  {text}" for label, text in fold.lines())
        return "\n".join([*lines, self._summary()])

    def to_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has.

        Returns
        -------
        dict
            ``ok``, the three counts, and ``findings``: every one of them, unfolded.
        """
        rows = [
            {
                "severity": f.severity,
                "code": f.code,
                "message": f.message,
                "file": f.file,
                "key": f.key,
                "ids": list(f.ids),
                "remedy": f.remedy,
            }
            for f in self.findings
        ]
        return {
            "ok": self.ok,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "notes": len(self.notes),
            "findings": rows,
        }

    def to_json(self) -> str:
        """All of it as JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Report:
        """The report that `to_dict` told of."""
        return cls(tuple(Finding(**{**one, "ids": tuple(one["ids"])}) for one in told["findings"]))

    def _repr_html_(self) -> str:
        items = []
        for fold in self._folds():
            what = f"<b>{fold.severity}</b>: {html.escape(fold.message + fold.times)}"
            rest = "".join(f"<br>{html.escape(f'{label} {text}')}" for label, text in fold.lines())
            items.append(f'<li class="dmod-{fold.severity}">{what}<small>{rest}</small></li>')
        return f'<div class="dmod-report"><ul>{"".join(items)}</ul><p>{self._summary()}</p></div>'

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(f for f in self.findings if f.severity == severity)

    def _folds(self) -> list[_Fold]:
        """What is shown: like findings as one, errors first, else in the order found."""
        alike: dict[tuple[Severity, str, str], list[Finding]] = {}
        for finding in self.findings:
            alike.setdefault((finding.severity, finding.code, finding.message), []).append(finding)
        folds = [_fold(group) for group in alike.values()]
        return sorted(folds, key=lambda fold: _ORDER.index(fold.severity))

    def _summary(self) -> str:
        """``2 errors, 1 warning``."""
        if not self.findings:
            return "nothing to report"
        counts = [(len(self._of(severity)), severity) for severity in _ORDER]
        return ", ".join(f"{n:,} {name}{'s' if n > 1 else ''}" for n, name in counts if n)


def _fold(group: Sequence[Finding]) -> _Fold:
    """One of many that say the same."""
    first = group[0]
    remedy = next((f.remedy for f in group if f.remedy), "")
    return _Fold(
        severity=first.severity,
        message=first.message,
        remedy=remedy,
        files=_distinct(f.file for f in group),
        keys=_distinct(f.key for f in group),
        ids=_distinct(name for f in group for name in f.ids),
        count=len(group),
    )


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order, without empty ones."""
    return tuple(dict.fromkeys(name for name in names if name))
