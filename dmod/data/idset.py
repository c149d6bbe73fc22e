"""Sets of ids, such as those of all catchments of a continent.

An id like ``cat-27`` is a stem, ``cat-``, and a number; a set keeps the sorted numbers of
each stem, so that the 832,000 catchments of a continent take 7 MB and are compared in
milliseconds. Ids that end in no number are kept as text. A value: nothing changes one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import CoverageError

__all__ = ["IdSet"]

Numbers = NDArray[np.int64]

#: A stem, zeros in front of a number among it, and a number below 10**18.
_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]{0,17})", re.DOTALL)
#: What comes before a number: an ending of digits other than 0 would be part of the number.
_STEM = re.compile(r"(?:.*[^0-9])?0*", re.DOTALL)
_BEYOND = 10**18
#: More ids than any river has; a damaged file must not fill the memory.
_MOST = 5 * 10**7
_SHOWN = 3
#: Where a table of numbers would be mostly empty, they are searched for instead.
_SPARSE = 16


class IdSet:
    """A set of ids.

    Parameters
    ----------
    numbers : mapping of str to array of int
        Numbers in [0, 10**18) after each stem, in any order.
    others : iterable of str
        Ids that end in no number.

    Examples
    --------
    >>> some = IdSet.of(["cat-2", "cat-1", "outlet"])
    >>> len(some), some.to_list()
    (3, ['cat-1', 'cat-2', 'outlet'])
    >>> IdSet.of(["cat-2"]) <= some
    True
    """

    def __init__(self, numbers: Mapping[str, NDArray[np.integer[Any]]], others: Iterable[str] = ()) -> None:
        sound = {stem: _sorted(stem, numbers[stem]) for stem in sorted(numbers)}
        if wrong := [stem for stem in sound if not _STEM.fullmatch(stem)]:
            raise CoverageError(
                f"{wrong[0]!r} cannot stand before a number", needed="a stem that ends in no digit", hint="use IdSet.of"
            )
        self.__dict__["numbers"] = MappingProxyType({stem: held for stem, held in sound.items() if held.size})
        self.__dict__["others"] = frozenset(others)

    #: Sorted numbers by stem, read-only; stems sorted.
    numbers: Mapping[str, Numbers]
    #: Ids that end in no number.
    others: frozenset[str]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an IdSet does not change: {name} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        """Without its hash, which another process would not agree with."""
        return IdSet, (dict(self.numbers), self.others)

    @classmethod
    def of(cls, ids: Iterable[str]) -> IdSet:
        """A set of ids given as text.

        Parameters
        ----------
        ids : iterable of str
            None empty; one that comes twice counts once.

        Returns
        -------
        IdSet

        Raises
        ------
        CoverageError
            If an id is empty or no text, or a single text is given.
        """
        if isinstance(ids, IdSet):
            return ids
        if isinstance(ids, str):
            raise CoverageError(f"{ids!r} is one id, and a set of ids is needed", hint=f"write [{ids!r}]")
        found: defaultdict[str, list[int]] = defaultdict(list)
        others: set[str] = set()
        given: Iterable[object] = ids
        for text in given:
            if not isinstance(text, str) or not text:
                raise CoverageError(f"{text!r} is no id", needed="text such as cat-27", hint="leave it out")
            stem, dash, digits = text.rpartition("-")
            # The usual case without a pattern: half the time.
            if dash and digits.isdigit() and digits[0] != "0" and digits.isascii() and len(digits) <= 18:
                found[stem + dash].append(int(digits))
            elif whole := _parted(text):
                found[whole[0]].append(whole[1])
            else:
                others.add(text)
        return cls({stem: np.array(held, dtype=np.int64) for stem, held in found.items()}, others)

    @classmethod
    def numbered(cls, stem: str, numbers: NDArray[np.integer[Any]]) -> IdSet:
        """The ids of one stem, dash included.

        Examples
        --------
        >>> IdSet.numbered("cat-", np.arange(1, 4)).to_list()
        ['cat-1', 'cat-2', 'cat-3']
        """
        return cls({stem: numbers})

    def __or__(self, other: IdSet) -> IdSet:
        return self._each(other, lambda a, b: _once(np.concatenate([a, b])), self.others | other.others)

    def __and__(self, other: IdSet) -> IdSet:
        return self._each(other, lambda a, b: a[_held(a, b)], self.others & other.others)

    def __sub__(self, other: IdSet) -> IdSet:
        return self._each(other, lambda a, b: a[~_held(a, b)], self.others - other.others)

    def __le__(self, other: IdSet) -> bool:
        return (
            len(self) <= len(other)
            and self.others <= other.others
            and self.numbers.keys() <= other.numbers.keys()
            and all(_inside(held, other.numbers[stem]) for stem, held in self.numbers.items())
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdSet):
            return NotImplemented
        return (
            self.others == other.others
            and self.numbers.keys() == other.numbers.keys()
            and all(np.array_equal(held, other.numbers[stem]) for stem, held in self.numbers.items())
        )

    def __hash__(self) -> int:
        return self._hash

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_list())

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        whole = _parted(name)
        if whole is None:
            return name in self.others
        return whole[0] in self.numbers and bool(_held(np.array([whole[1]]), self.numbers[whole[0]])[0])

    def __str__(self) -> str:
        if len(self) <= _SHOWN + 1:
            return ", ".join(self)
        return f"{', '.join(self._first(_SHOWN))}, … {self._last()} ({len(self):,} ids)"

    def __repr__(self) -> str:
        return f"IdSet({str(self) or 'of none'})"

    @property
    def low(self) -> int | None:
        """The least number of any id, None where none has a number; that of a subset is never lower."""
        return min((int(held[0]) for held in self.numbers.values()), default=None)

    @property
    def high(self) -> int | None:
        """The greatest number of any id, None where none has a number; that of a subset is never higher."""
        return max((int(held[-1]) for held in self.numbers.values()), default=None)

    @property
    def least(self) -> tuple[int, str, int]:
        """What sets that are apart are ordered by; of a set that is not empty."""
        for stem, held in self.numbers.items():
            return 0, stem, int(held[0])
        return 1, min(self.others), 0

    def to_list(self) -> list[str]:
        """All ids as text: by stem and number, then those without."""
        return [f"{stem}{n}" for stem, held in self.numbers.items() for n in held.tolist()] + sorted(self.others)

    def to_dict(self) -> dict[str, Any]:
        """In types that JSON has: for each stem how many numbers to skip, to take, and so on.

        Examples
        --------
        >>> IdSet.of(["cat-5", "cat-6", "cat-9"]).to_dict()
        {'numbers': {'cat-': [5, 2, 2, 1]}, 'others': []}
        """
        return {
            "numbers": {stem: _runs(held) for stem, held in self.numbers.items()},
            "others": sorted(self.others),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> IdSet:
        """A set again, from what `to_dict` gave.

        Raises
        ------
        CoverageError
            If it is not of that form.
        """
        try:
            held = cls({str(stem): _numbers(pairs) for stem, pairs in dict(plain["numbers"]).items()})
            others = [str(name) for name in plain["others"]]
            return held | cls.of(others) if others else held
        except (KeyError, TypeError, ValueError, OverflowError) as problem:
            raise CoverageError(
                "a set of ids cannot be read", reason=str(problem), hint="it is damaged, or of another version"
            ) from problem

    def _each(self, other: IdSet, act: Callable[[Numbers, Numbers], Numbers], others: frozenset[str]) -> IdSet:
        """*act* on the numbers of each stem of either."""
        none = np.empty(0, dtype=np.int64)
        stems = self.numbers.keys() | other.numbers.keys()
        return IdSet({stem: act(self.numbers.get(stem, none), other.numbers.get(stem, none)) for stem in stems}, others)

    def _first(self, count: int) -> list[str]:
        """The first few, without making text of them all."""
        some = [f"{stem}{n}" for stem, held in self.numbers.items() for n in held[:count].tolist()]
        return (some + sorted(self.others))[:count]

    def _last(self) -> str:
        """The last one."""
        if self.others:
            return max(self.others)
        stem = max(self.numbers)
        return f"{stem}{self.numbers[stem][-1]}"

    @cached_property
    def _length(self) -> int:
        """How many."""
        return sum(held.size for held in self.numbers.values()) + len(self.others)

    @cached_property
    def _hash(self) -> int:
        """The same for equal sets."""
        return hash((tuple((stem, held.tobytes()) for stem, held in self.numbers.items()), self.others))


def _parted(text: str) -> tuple[str, int] | None:
    """A stem and a number; None where there is no number at the end."""
    found = _NUMBERED.fullmatch(text)
    # A run of more digits than a number can have is no number.
    if found is None or not _STEM.fullmatch(found[1]):
        return None
    return found[1], int(found[2])


def _sorted(stem: str, given: NDArray[np.integer[Any]]) -> Numbers:
    """Numbers sorted, each once, in an array nobody writes to."""
    plain = np.asarray(given)
    if plain.ndim != 1 or plain.dtype.kind not in "iu":
        raise CoverageError(
            f"what is to follow {stem!r} is no list of whole numbers", has=f"{plain.dtype}, shape {plain.shape}"
        )
    held: Numbers = plain.astype(np.int64, copy=False)
    if held.size > 1 and not bool((held[1:] > held[:-1]).all()):
        held = _once(held)
    if held.size and (held[0] < 0 or held[-1] >= _BEYOND):
        wrong = int(held[0] if held[0] < 0 else held[-1])
        raise CoverageError(f"{stem}{wrong} is no id", needed="a number from 0 to 10^18 after the stem")
    if held.flags.writeable or held.base is not None:
        held = held.copy()  # nobody else may hold an array that can be written to
        held.flags.writeable = False
    return held


def _once(numbers: Numbers) -> Numbers:
    """Numbers sorted, each once; for whole numbers faster than numpy's own."""
    ordered = np.sort(numbers)
    once: Numbers = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])[: ordered.size]]
    return once


def _held(some: Numbers, others: Numbers) -> NDArray[np.bool_]:
    """Which of *some* are among *others*; both sorted, each once."""
    if not some.size or not others.size:
        return np.zeros(some.size, dtype=np.bool_)
    low, room = int(others[0]), int(others[-1] - others[0]) + 1
    if some.size * _SPARSE < others.size or room > (some.size + others.size) * _SPARSE:
        place = np.minimum(np.searchsorted(others, some), others.size - 1)
        return np.asarray(others[place] == some)
    # A table of every number between the least and the greatest: no comparison at all.
    table = np.zeros(room, dtype=np.bool_)
    table[others - low] = True
    shifted = some - low
    if shifted[0] >= 0 and shifted[-1] < room:
        return table[shifted]
    return np.asarray(table[np.clip(shifted, 0, room - 1)] & (shifted >= 0) & (shifted < room))


def _inside(some: Numbers, others: Numbers) -> bool:
    """Whether all of *some* are among *others*; neither empty, both sorted, each once."""
    if some.size > others.size or some[0] < others[0] or some[-1] > others[-1]:
        return False
    if some is others or int(others[-1] - others[0]) == others.size - 1:
        return True  # the others have no gap
    return bool(_held(some, others).all())


def _runs(held: Numbers) -> list[int]:
    """How many numbers to skip, to take, to skip, …, from 0."""
    breaks = np.flatnonzero(np.diff(held) != 1)
    starts = held[np.concatenate([[0], breaks + 1])]
    stops = held[np.concatenate([breaks, [held.size - 1]])] + 1
    edges = np.column_stack([starts, stops]).ravel()
    return [int(n) for n in np.diff(edges, prepend=0).tolist()]


def _numbers(pairs: Iterable[int]) -> Numbers:
    """The numbers again, from what `_runs` gave."""
    steps = np.array(list(pairs), dtype=np.int64)
    if steps.size % 2 or (steps[1:] < 1).any() or (steps[:1] < 0).any() or (steps >= _BEYOND).any():
        raise ValueError("its numbers are not skipped and taken in turn")
    takes = steps[1::2]
    if float(takes.sum(dtype=np.float64)) > _MOST or float(steps.sum(dtype=np.float64)) > _BEYOND:
        raise ValueError(f"it has more than {_MOST:,} ids, or larger numbers than ids have")
    starts = np.cumsum(steps)[0::2]
    before = np.cumsum(takes) - takes
    numbers: Numbers = np.arange(int(takes.sum()), dtype=np.int64) + np.repeat(starts - before, takes)
    return numbers
