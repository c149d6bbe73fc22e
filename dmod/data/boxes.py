"""Boxes of time × ids × variables, and the one way in which a union of them is written down.

A box is a tuple of one extent per dimension, see `dmod.data.extent`; none is empty. A union
of boxes is cut along time first, then along ids, then along variables, and no further than
needed: whatever it was made of, the same union gives the same boxes. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from dmod.data.extent import IDS, NAMES, TIME, Algebra, Everything
from dmod.data.idset import IdSet

__all__ = ["DIMENSIONS", "Box", "canonical", "less_boxes", "meet_boxes", "within_box"]

#: What a box is: spans, ids, variables.
Box = tuple[Any, ...]
#: The algebra of each dimension.
DIMENSIONS: Final[tuple[Algebra[Any], ...]] = (TIME, IDS, NAMES)


def within_box(some: Box, other: Box) -> bool:
    """Whether all of *some* is in *other*."""
    return all(kind.within(a, b) for kind, a, b in zip(DIMENSIONS, some, other, strict=True))


def meet_boxes(some: Box, other: Box) -> Box | None:
    """What is in both; None for nothing."""
    shared = tuple(kind.meet(a, b) for kind, a, b in zip(DIMENSIONS, some, other, strict=True))
    return shared if all(shared) else None


def less_boxes(some: Sequence[Box], others: Iterable[Box]) -> list[Box]:
    """What is in *some* and in none of *others*, in boxes that are apart if those of *some* are."""
    left = list(some)
    for other in others:
        left = [piece for box in left for piece in _less(box, other)]
    return left


def canonical(boxes: Sequence[Box], kinds: Sequence[Algebra[Any]] = DIMENSIONS) -> tuple[Box, ...]:
    """The boxes of a union, apart from each other, and the same for the same union.

    Parameters
    ----------
    boxes : sequence of Box
        They may overlap.
    kinds : sequence of Algebra
        Of the dimensions that the boxes have.

    Returns
    -------
    tuple of Box
        By time, then ids, then variables; what is unbounded comes last.
    """
    if not kinds:
        return ((),) if boxes else ()
    if len(boxes) == 1:
        return (boxes[0],)
    first, rest = kinds[0], kinds[1:]
    # Parts of this dimension that look alike across the others become one.
    alike: dict[tuple[Box, ...], Any] = {}
    for part, tails in _parts(boxes, first):
        across = canonical(tails, rest)
        alike[across] = first.join(alike[across], part) if across in alike else part
    ordered = sorted(alike.items(), key=lambda item: _place(item[1]))
    return tuple((part, *tail) for across, part in ordered for tail in across)


def _parts(boxes: Sequence[Box], kind: Algebra[Any]) -> list[tuple[Any, list[Box]]]:
    """The first dimension cut where any box begins or ends, each part with the rest of its boxes."""
    parts: list[tuple[Any, list[Box]]] = []
    for left, *tail in boxes:
        refined: list[tuple[Any, list[Box]]] = []
        for part, tails in parts:
            shared = kind.meet(part, left)
            if not shared:
                refined.append((part, tails))
                continue
            refined.append((shared, [*tails, tuple(tail)]))
            if outside := kind.less(part, left):
                refined.append((outside, tails))
            left = kind.less(left, shared)
        if left:
            refined.append((left, [tuple(tail)]))
        parts = refined
    return parts


def _less(box: Box, other: Box) -> list[Box]:
    """What is in *box* and not in *other*: what sticks out in time, then in ids, then in variables."""
    found: list[Box] = []
    left = list(box)
    for place, kind in enumerate(DIMENSIONS):
        if outside := kind.less(left[place], other[place]):
            found.append((*left[:place], outside, *left[place + 1 :]))
        left[place] = kind.meet(left[place], other[place])
        if not left[place]:
            break
    return found


def _place(extent: Any) -> tuple[Any, ...]:
    """What extents that are apart are ordered by; two unbounded ones are never apart."""
    if isinstance(extent, Everything):
        return (1,)
    return (0, extent.least if isinstance(extent, IdSet) else min(extent))
