"""Observations as a source has them, and what is asked of it.

A reader gives `Records`, one row for each value, or an array. `Asked` is what the caller
wants of them: sites, period, units and the rules. What becomes of the rows is settled in
`dmod.evaluation.settling`. Pure: nothing here opens a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import ObservationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Asked", "Records", "bare_site", "counted", "joined", "labels", "one_label", "qualifier_codes"]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
#: Agencies that are written before the number of a site.
_AGENCY = re.compile(r"(?:usgs|nwis)[-:](?=.)", re.IGNORECASE)
#: Which of several values of an instant may count.
_DUPLICATES = ("error", "first", "last", "mean")
#: What is written out in full, as the code for it.
_SHORT = {"approved": "A", "provisional": "P", "nan": "", "none": "", "null": "", "<na>": ""}


@dataclass(frozen=True, slots=True)
class Records:
    """Observations as a source has them, one row for each value; all of one length."""

    #: Site of each row; the label is empty where the source names none.
    sites: pd.Categorical
    #: Instant of each row, datetime64[ns], UTC.
    times: NDArray[np.datetime64]
    #: Value of each row in the units beside it; NaN where the source has none.
    values: NDArray[np.float64]
    #: Units of each row; the label is empty where the source does not tell.
    units: pd.Categorical
    #: What is said of each value, codes such as ``P`` joined with commas; None where nothing is.
    qualifiers: pd.Categorical | None = None
    #: By which sensor or method each value came about; None where there is one for each site.
    methods: pd.Categorical | None = None
    #: What was assumed while reading.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants of a source of observations."""

    #: Units of the values where the source does not tell.
    units: str | None = None
    #: Column or variable to read, if not the one found by name.
    variable: str | None = None
    #: Sites wanted; None for all.
    sites: tuple[str, ...] | None = None
    #: First and last instant wanted, datetime64[ns] in UTC, both included; None for no bound.
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    #: Qualifiers, in small letters, whose values count as missing.
    drop: frozenset[str] = frozenset()
    #: Which method of a site with several: ``most``, ``first``, ``error``, or its name.
    method: str = "most"
    #: Which of several values of an instant counts: ``error``, ``first``, ``last`` or ``mean``.
    duplicates: str = "error"

    @classmethod
    def of(
        cls,
        *,
        units: str | None = None,
        variable: str | None = None,
        sites: str | int | Iterable[str | int] | None = None,
        start: object = None,
        end: object = None,
        drop: str | Collection[str] = (),
        method: str = "most",
        duplicates: str = "error",
    ) -> Asked:
        """What is asked, of what callers write.

        Parameters
        ----------
        units, variable, method, duplicates : str, optional
            As the fields of this class.
        sites : str, int or iterable of them, optional
            One site or several.
        start, end : str, datetime or datetime64, optional
            Without a zone, UTC. An *end* that is a day is that whole day.
        drop : str or collection of str
            Qualifiers whose values count as missing.

        Returns
        -------
        Asked
            With all made plain.

        Raises
        ------
        ObservationError
            If a time cannot be read, the end is before the start, or no site is asked for.
        """
        first, last = _instant(start, "start"), _instant(end, "end")
        if last is not None and isinstance(end, str) and _DAY.fullmatch(end.strip()):
            last = last + np.timedelta64(1, "D") - np.timedelta64(1, "ns")
        if first is not None and last is not None and last < first:
            raise ObservationError(
                "the end of the period is before its start", start=start, end=end, hint="exchange start and end"
            )
        wanted = None
        if sites is not None:
            several = [sites] if isinstance(sites, (str, int)) else list(sites)
            wanted = tuple(dict.fromkeys(str(site).strip() for site in several))
            if not wanted:
                raise ObservationError(
                    "no site is asked for", sites="[]", hint="name sites, or leave sites out for all"
                )
        if duplicates not in _DUPLICATES:
            raise ObservationError(
                f"there is no rule {duplicates!r} for duplicates",
                known=", ".join(_DUPLICATES),
                hint="choose one of 'known'",
            )
        codes = [drop] if isinstance(drop, str) else drop
        return cls(units, variable, wanted, first, last, frozenset(code.lower() for code in codes), method, duplicates)

    def within(self, times: NDArray[np.datetime64]) -> NDArray[np.bool_] | None:
        """Which of *times* are in the period; None for all of them."""
        if self.start is None and self.end is None:
            return None
        inside = np.ones(times.shape, dtype=bool)
        if self.start is not None:
            inside &= times >= self.start
        if self.end is not None:
            inside &= times <= self.end
        return None if inside.all() else inside

    def period(self) -> str:
        """The period, for people."""
        ends = [".." if edge is None else f"{pd.Timestamp(edge):%Y-%m-%dT%H:%MZ}" for edge in (self.start, self.end)]
        return f"{ends[0]} to {ends[1]}"

    def found(self, names: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
        """Where the sites wanted stand among *names*, and those that are not there.

        A site may be written with or without its agency, ``USGS-01073000`` or ``01073000``.
        """
        if self.sites is None:
            return list(range(len(names))), ()
        exact = {name: at for at, name in enumerate(names)}
        bare = {bare_site(name): at for at, name in enumerate(names)}
        places = {site: exact.get(site, bare.get(bare_site(site))) for site in self.sites}
        found = dict.fromkeys(at for at in places.values() if at is not None)
        return list(found), tuple(site for site, at in places.items() if at is None)


def _instant(given: object, what: str) -> np.datetime64 | None:
    """A time as a caller writes it, in UTC."""
    if given is None:
        return None
    try:
        stamp: Any = pd.Timestamp(given)  # type: ignore[arg-type]
    except (ValueError, TypeError) as problem:
        stamp, reason = pd.NaT, str(problem)
    else:
        reason = "it is no time"
    if stamp is pd.NaT:
        raise ObservationError(
            f"the {what} of the period cannot be read",
            has=repr(given),
            reason=reason,
            hint="write 2016-09-01 or 2016-09-01T06:00",
        )
    naive = stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)
    instant: np.datetime64 = naive.to_datetime64().astype("datetime64[ns]")
    return instant


def bare_site(site: str) -> str:
    """A site without its agency.

    >>> bare_site("USGS-01073000"), bare_site("gage-A")
    ('01073000', 'gage-A')
    """
    return _AGENCY.sub("", site, count=1)


def labels(texts: Any) -> pd.Categorical:
    """Text of each row, kept once for each that differs.

    Parameters
    ----------
    texts : array or series of str

    Returns
    -------
    pandas.Categorical
        In the order in which they come; missing text is the empty one.
    """
    held = texts.array if isinstance(texts, pd.Series) else texts
    if isinstance(held, pd.Categorical):
        codes, found = np.asarray(held.codes), list(held.categories)
    else:
        codes, unique = pd.factorize(np.asarray(held, dtype=object))
        found = list(unique)
    names = [str(name).strip() for name in found]
    if len(set(names)) < len(names) or (codes < 0).any():
        known = list(dict.fromkeys([*names, ""]))
        place = np.array([*(known.index(name) for name in names), known.index("")], dtype=np.int32)
        return pd.Categorical.from_codes(place[codes], categories=pd.Index(known, dtype=object))
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype=object))


def one_label(text: str, count: int) -> pd.Categorical:
    """The same text for each of *count* rows."""
    return pd.Categorical.from_codes(np.zeros(count, dtype=np.int8), categories=pd.Index([text], dtype=object))


def joined(parts: Sequence[Records]) -> Records:
    """All rows of several, one after the other; there is at least one."""
    if len(parts) == 1:
        return parts[0]
    fields: dict[str, Any] = {}
    for name in ("sites", "units", "qualifiers", "methods"):
        held = [getattr(part, name) for part in parts]
        if all(one is None for one in held):
            continue
        whole = [one_label("", len(part.values)) if one is None else one for one, part in zip(held, parts, strict=True)]
        fields[name] = _all_labels(whole)
    return Records(
        times=np.concatenate([part.times for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        **fields,
    )


def _all_labels(several: Sequence[pd.Categorical]) -> pd.Categorical:
    """Labels one after the other."""
    names = list(dict.fromkeys(str(name) for one in several for name in one.categories))
    place = {name: at for at, name in enumerate(names)}
    codes = [np.array([place[str(n)] for n in one.categories], dtype=np.int32)[one.codes] for one in several]
    return pd.Categorical.from_codes(np.concatenate(codes), categories=pd.Index(names, dtype=object))


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "site"), counted(1200, "value")
    ('1 site', '1,200 values')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def qualifier_codes(text: str) -> str:
    """Codes out of what is written of a value, joined with commas.

    >>> qualifier_codes("A:e"), qualifier_codes("Provisional ['ICE', 'ESTIMATED']")
    ('A,e', 'P,ICE,ESTIMATED')
    """
    codes = re.split(r"[\s,:;\[\]'\"{}]+", text)
    return ",".join(dict.fromkeys(filter(None, (_SHORT.get(code.lower(), code) for code in codes))))
