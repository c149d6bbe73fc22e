"""How much of one dimension is held: some of it, all of it, or all but some.

"All" is said with `ALL`, never with an empty list. What is left when some is taken from
all is ``Everything(but=some)``, so that every difference can be written down. An `Algebra`
lifts the operations of finite sets to those. Pure.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from dmod.data.idset import IdSet
from dmod.data.span import Spans, join_spans, less_spans, meet_spans, spans_inside

__all__ = ["ALL", "IDS", "NAMES", "TIME", "Algebra", "Everything", "all_but"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Everything:
    """All there is of a dimension, or all but what is named; ask ``isinstance(x, Everything)``.

    Examples
    --------
    >>> str(ALL)
    'all'
    """

    #: What is left out: spans, ids or names, never empty; None for nothing.
    but: Any = None

    def __str__(self) -> str:
        if self.but is None:
            return "all"
        return f"all but {self.but if isinstance(self.but, IdSet) else ', '.join(sorted(map(str, self.but)))}"

    def __repr__(self) -> str:
        return "ALL" if self.but is None else f"Everything(but={self.but!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """``ALL`` stays ``ALL`` on its way to a worker and back."""
        return all_but, (self.but,)


#: All of a dimension.
ALL: Final = Everything()


def all_but(left_out: Any) -> Everything:
    """Everything but *left_out*; `ALL` itself where that is nothing.

    Examples
    --------
    >>> str(all_but(frozenset({"T2D"}))), all_but(()) is ALL
    ('all but T2D', True)
    """
    return Everything(left_out) if left_out else ALL


@dataclass(frozen=True, slots=True)
class Algebra(Generic[T]):
    """The operations of a kind of finite set, for what may also be everything, or all but some."""

    #: The empty set of the kind.
    nothing: T
    #: What is in both; in either; in the first and not in the second.
    both: Callable[[T, T], T]
    either: Callable[[T, T], T]
    only: Callable[[T, T], T]
    #: Whether all of the first is in the second.
    inside: Callable[[T, T], bool]

    def meet(self, a: T | Everything, b: T | Everything) -> T | Everything:
        """What is in both; empty, and so false, where that is nothing."""
        if isinstance(a, Everything):
            if isinstance(b, Everything):
                return all_but(b.but if a.but is None else a.but if b.but is None else self.either(a.but, b.but))
            return b if a.but is None else self.only(b, a.but)
        if isinstance(b, Everything):
            return a if b.but is None else self.only(a, b.but)
        return self.both(a, b)

    def join(self, a: T | Everything, b: T | Everything) -> T | Everything:
        """What is in either."""
        if isinstance(a, Everything):
            if isinstance(b, Everything):
                return ALL if a.but is None or b.but is None else all_but(self.both(a.but, b.but))
            return ALL if a.but is None else all_but(self.only(a.but, b))
        if isinstance(b, Everything):
            return ALL if b.but is None else all_but(self.only(b.but, a))
        return self.either(a, b)

    def less(self, a: T | Everything, b: T | Everything) -> T | Everything:
        """What is in *a* and not in *b*."""
        if isinstance(b, Everything):
            # Taking away all but some leaves that some.
            return self.nothing if b.but is None else self.meet(a, b.but)
        if isinstance(a, Everything):
            return all_but(b if a.but is None else self.either(a.but, b))
        return self.only(a, b)

    def within(self, a: T | Everything, b: T | Everything) -> bool:
        """Whether all of *a* is in *b*; what is finite never holds all."""
        if isinstance(b, Everything):
            if b.but is None:
                return True
            if isinstance(a, Everything):
                return a.but is not None and self.inside(b.but, a.but)
            return not self.both(a, b.but)
        return not isinstance(a, Everything) and self.inside(a, b)


#: Of time, of ids, and of the names of variables.
TIME: Final[Algebra[Spans]] = Algebra((), meet_spans, join_spans, less_spans, spans_inside)
IDS: Final[Algebra[IdSet]] = Algebra(IdSet({}), operator.and_, operator.or_, operator.sub, operator.le)
NAMES: Final[Algebra[frozenset[str]]] = Algebra(frozenset(), operator.and_, operator.or_, operator.sub, operator.le)
