"""What a dataset holds, and what a job needs: a stretch of time × ids × variables.

A `Coverage` is one box and never empty; "all" of a dimension is said with `ALL`. Unions and
differences of boxes need not be boxes, so every operator gives a `CoverageSet`: boxes that
are apart, the same for the same contents, possibly none; ``.box`` is the coverage where it
is one. Names of variables and ids are compared as text: whoever describes data says them in
one vocabulary. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dmod.data.boxes import Box, canonical, less_boxes, meet_boxes, within_box
from dmod.data.extent import ALL, Everything
from dmod.data.idset import IdSet
from dmod.data.span import Span, settled
from dmod.data.wire import CoverageWire, read_json, write_json
from dmod.errors import CoverageError

__all__ = ["ALL", "Coverage", "CoverageSet", "Everything", "IdSet", "Span"]

#: What "all" counts for where sizes are compared: more than anything that is listed.
_ALL_SECONDS = 315_537_897_599
_ALL_IDS = 2**53
_ALL_VARIABLES = 2**20
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """A box of time × ids × variables; none of them empty.

    Examples
    --------
    >>> day = Span.of("2016-09-01", "2016-09-02")
    >>> has = Coverage.of(spans=day, ids=["cat-1", "cat-2"], variables=["T2D", "RAINRATE"])
    >>> has.covers(Coverage.of(spans=day, ids=["cat-1"], variables=["T2D"]))
    True
    >>> print(*has.missing(Coverage.of(spans=day, ids=["cat-2", "cat-3"], variables=["T2D"])))
    2016-09-01T00:00Z .. 2016-09-02T00:00Z × cat-3 × T2D
    """

    #: Sorted and apart; spans that touch are made one, those that overlap are refused.
    spans: tuple[Span, ...] | Everything
    #: Ids of catchments, nexuses, flowpaths, gages: whatever the data are about.
    ids: IdSet | Everything
    #: Names of variables.
    variables: frozenset[str] | Everything

    def __post_init__(self) -> None:
        for name, refine in (("spans", _spans), ("ids", _ids), ("variables", _variables)):
            given = getattr(self, name)
            if not isinstance(given, Everything):
                object.__setattr__(self, name, refine(given))
            elif given is not ALL:
                object.__setattr__(self, name, Everything(refine(given.but)) if given.but else ALL)

    @classmethod
    def of(
        cls,
        *,
        spans: Span | Iterable[Span | tuple[int, int]] | Everything,
        ids: Iterable[str] | Everything,
        variables: Iterable[str] | Everything,
    ) -> Coverage:
        """A coverage from whatever lists there are.

        Parameters
        ----------
        spans : Span, iterable of Span or of (start, stop), or ALL
            Times [s since 1970].
        ids : iterable of str, or ALL
            At least one.
        variables : iterable of str, or ALL
            At least one.

        Returns
        -------
        Coverage

        Raises
        ------
        CoverageError
            If one of them is empty, or spans overlap.
        """
        if isinstance(variables, str):
            raise CoverageError(f"{variables!r} is one name, and a list is needed", hint=f"write [{variables!r}]")
        return cls(
            spans if isinstance(spans, Everything) else _listed(spans),
            ids if isinstance(ids, Everything) else IdSet.of(ids),
            variables if isinstance(variables, Everything) else frozenset(variables),
        )

    def covers(self, other: Coverage | CoverageSet) -> bool:
        """Whether all of *other* is held; what lists its contents never covers `ALL`."""
        return all(within_box(box, _box(self)) for box in _boxes(other))

    def missing(self, other: Coverage | CoverageSet) -> tuple[Coverage, ...]:
        """What of *other* is not held, in boxes that are apart; none where it is covered."""
        return (other - self).boxes

    def require(self, needed: Coverage | CoverageSet, *, of: str) -> None:
        """Raise unless all of *needed* is held.

        Parameters
        ----------
        needed : Coverage or CoverageSet
            What is needed.
        of : str
            Whose coverage this is: ``"dataset 'aorc-2016'"``.

        Raises
        ------
        CoverageError
            With what is needed, what there is and what is missing.
        """
        if gaps := self.missing(needed):
            raise CoverageError(
                f"{of} does not hold all that is needed",
                needed=needed,
                has=self,
                missing="; ".join(map(str, gaps)),
                hint="ask for less, or derive the missing part",
            )

    def excess(self, needed: Coverage) -> float:
        """How much more than *needed* it holds, in units of what is needed; for ranking.

        Parameters
        ----------
        needed : Coverage
            What is needed.

        Returns
        -------
        float
            In [0, inf) [1]: 0 where it holds nothing else, 1 where it holds as much again. ``ALL``
            counts for more than anything listed.

        Examples
        --------
        >>> needed = Coverage.of(spans=Span(0, 3600), ids=["cat-1"], variables=ALL)
        >>> Coverage.of(spans=Span(0, 7200), ids=["cat-1", "cat-2"], variables=ALL).excess(needed)
        3.0
        """
        shared = meet_boxes(_box(self), _box(needed))
        return (_measure(_box(self)) - _measure(shared)) / _measure(_box(needed))

    @property
    def measure(self) -> float:
        """Its size [seconds × ids × variables]; what covers it is never smaller, see `excess`."""
        return float(_measure(_box(self)))

    def lacks(self, needed: Coverage) -> float:
        """The share of *needed* that it does not hold, in [0, 1] [1]; for ranking."""
        shared = meet_boxes(_box(self), _box(needed))
        size = _measure(_box(needed))
        return (size - _measure(shared)) / size

    def __and__(self, other: Coverage | CoverageSet) -> CoverageSet:
        return CoverageSet((self,)) & other

    def __or__(self, other: Coverage | CoverageSet) -> CoverageSet:
        return CoverageSet((self,)) | other

    def __sub__(self, other: Coverage | CoverageSet) -> CoverageSet:
        return CoverageSet((self,)) - other

    def __str__(self) -> str:
        return f"{_said(self.spans, 'times')} × {_said(self.ids, 'ids')} × {_said(self.variables, 'variables')}"

    def to_dict(self) -> dict[str, Any]:
        """In types that JSON has.

        Examples
        --------
        >>> Coverage.of(spans=Span(0, 3600), ids=["cat-7"], variables=ALL).to_dict()
        {'spans': [[0, 3600]], 'ids': {'numbers': {'cat-': [7, 1]}, 'others': []}, 'variables': 'all'}
        """
        return {
            "spans": _plain(self.spans, lambda spans: [[span.start_s, span.stop_s] for span in spans]),
            "ids": _plain(self.ids, IdSet.to_dict),
            "variables": _plain(self.variables, sorted),
        }

    def to_json(self) -> str:
        """As JSON, in one line."""
        return write_json(Coverage, self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Coverage:
        """A coverage again.

        Raises
        ------
        CoverageError
            If the text is none.
        """
        return read_json(cls, text, what="coverage", error=CoverageError)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """How pydantic reads and writes one, wherever it stands."""
        from pydantic_core import core_schema

        read = core_schema.no_info_after_validator_function(_from_wire, handler.generate_schema(CoverageWire))
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict),
        )


@dataclass(frozen=True, slots=True)
class CoverageSet:
    """Boxes that are apart, possibly none; equal where their contents are.

    Examples
    --------
    >>> first = Coverage.of(spans=Span(0, 10), ids=["cat-1"], variables=ALL)
    >>> later = Coverage.of(spans=Span(10, 20), ids=["cat-1"], variables=ALL)
    >>> print((first | later).box)
    1970-01-01T00:00Z .. 1970-01-01T00:00:20Z × cat-1 × all variables
    >>> bool(first & later), (first | later) - later == CoverageSet((first,))
    (False, True)
    """

    #: Sorted by time, then ids, then variables; any boxes may be given.
    boxes: tuple[Coverage, ...] = ()

    def __post_init__(self) -> None:
        boxes = tuple(self.boxes)
        if len(boxes) > 1:
            boxes = tuple(Coverage(*box) for box in canonical([_box(one) for one in boxes]))
        object.__setattr__(self, "boxes", boxes)

    @property
    def box(self) -> Coverage | None:
        """The coverage that it is; None where it is empty, or takes more than one box."""
        return self.boxes[0] if len(self.boxes) == 1 else None

    def covers(self, other: Coverage | CoverageSet) -> bool:
        """Whether all of *other* is held."""
        return not self.missing(other)

    def missing(self, other: Coverage | CoverageSet) -> tuple[Coverage, ...]:
        """What of *other* is not held, in boxes that are apart."""
        return (other - self).boxes

    def __bool__(self) -> bool:
        return bool(self.boxes)

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Coverage]:
        return iter(self.boxes)

    def __and__(self, other: Coverage | CoverageSet) -> CoverageSet:
        return _set(shared for a in _boxes(self) for b in _boxes(other) if (shared := meet_boxes(a, b)))

    def __or__(self, other: Coverage | CoverageSet) -> CoverageSet:
        return _set([*_boxes(self), *_boxes(other)])

    def __sub__(self, other: Coverage | CoverageSet) -> CoverageSet:
        return _set(less_boxes(_boxes(self), _boxes(other)))

    def __str__(self) -> str:
        return "; ".join(map(str, self.boxes)) or "nothing"


def _box(coverage: Coverage) -> Box:
    """The extents alone."""
    return coverage.spans, coverage.ids, coverage.variables


def _boxes(of: Coverage | CoverageSet) -> list[Box]:
    """The boxes of either."""
    return [_box(of)] if isinstance(of, Coverage) else [_box(box) for box in of.boxes]


def _set(boxes: Iterable[Box]) -> CoverageSet:
    """Boxes as a set."""
    return CoverageSet(tuple(Coverage(*box) for box in boxes))


def _measure(box: Box | None) -> int:
    """Seconds × ids × variables; exact, as all but one must differ from all."""
    if box is None:
        return 0
    seconds, ids, variables = box
    return (
        _count(seconds, _ALL_SECONDS, lambda spans: sum(span.seconds for span in spans))
        * _count(ids, _ALL_IDS, len)
        * _count(variables, _ALL_VARIABLES, len)
    )


def _count(extent: Any, of_all: int, size: Any) -> int:
    """The size of an extent."""
    if not isinstance(extent, Everything):
        return int(size(extent))
    return of_all if extent.but is None else max(1, of_all - int(size(extent.but)))


def _spans(given: Any) -> tuple[Span, ...]:
    """Spans, settled."""
    if not isinstance(given, tuple) or not all(isinstance(span, Span) for span in given):
        raise CoverageError(
            "the spans of a coverage are a tuple of Span, or ALL", has=repr(given)[:80], hint="use Coverage.of"
        )
    return settled(given) or _refuse_empty("times", "spans")


def _ids(given: Any) -> IdSet:
    """A set of ids with something in it."""
    if not isinstance(given, IdSet):
        raise CoverageError("the ids of a coverage are an IdSet, or ALL", has=repr(given)[:80], hint="use Coverage.of")
    return given or _refuse_empty("ids", "ids")


def _variables(given: Any) -> frozenset[str]:
    """Names of variables, at least one."""
    if not isinstance(given, frozenset) or not all(isinstance(name, str) and name for name in given):
        raise CoverageError(
            "the variables of a coverage are a frozenset of names, or ALL", has=repr(given)[:80], hint="use Coverage.of"
        )
    return given or _refuse_empty("variables", "variables")


def _refuse_empty(what: str, field: str) -> Any:
    """An empty list never stands for all."""
    raise CoverageError(
        f"a coverage of no {what} is none",
        needed=f"at least one of the {field}",
        hint=f"say {field}=ALL if all is meant",
    )


def _listed(spans: Any) -> Any:
    """Spans from one, or from pairs."""
    if isinstance(spans, Span):
        return (spans,)
    return tuple(span if isinstance(span, Span) else Span(*span) for span in spans)


def _said(extent: Any, what: str) -> str:
    """One dimension in words."""
    if isinstance(extent, Everything):
        return f"all {what}" if extent.but is None else f"all {what} but {_said(extent.but, what)}"
    if isinstance(extent, IdSet):
        return str(extent)
    listed = [str(one) for one in sorted(extent)]
    shown = ", ".join(listed[: _SHOWN * 3] if what == "variables" else listed[:_SHOWN])
    return shown if len(listed) <= shown.count(", ") + 1 else f"{shown}, … ({len(listed):,} {what})"


def _plain(extent: Any, write: Any) -> Any:
    """One dimension in types that JSON has."""
    if not isinstance(extent, Everything):
        return write(extent)
    return "all" if extent.but is None else {"all_but": write(extent.but)}


def _from_wire(wire: CoverageWire) -> Coverage:
    """A coverage from what was read."""
    return Coverage(
        _extent(wire.spans, _listed),
        _extent(wire.ids, lambda ids: IdSet.from_dict({"numbers": ids.numbers, "others": ids.others})),
        _extent(wire.variables, frozenset),
    )


def _extent(given: Any, read: Any) -> Any:
    """One dimension from what was read."""
    if given == "all":
        return ALL
    if isinstance(given, dict):
        return Everything(read(given["all_but"]))
    return read(given)
