"""Many short texts in one block of bytes, such as a column of ids or the names of all gages.

A million ids as Python strings take 60 MB and a second; as one block and the places where
each begins they take 15 MB, can be mapped from a file, and `Texts.names` reads all of them as
numbers at once, eight letters in one step. A missing text is an empty one. A value: nothing
changes one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.formats.names import MISSING, ODD, PREFIXES, Names

__all__ = ["Texts"]

_Bytes = NDArray[np.uint8]
_Edges = NDArray[np.integer[Any]]
_Words = NDArray[np.uint64]

#: Bytes before and behind a block, so that a word of eight may be read at either end.
_MARGIN = 24
#: Texts read in one go: what is made of them stays in the processor's own memory.
_PIECE = 1 << 15
#: Digits that `Names` takes for a number.
_MOST_DIGITS = 15
_BELOW_TEN = np.uint64(0x7676767676767676)
_TOP_BITS = np.uint64(0x8080808080808080)
_ZEROS = np.uint64(0x3030303030303030)
_PAIRS = np.uint64(0x000000FF000000FF)
_BYTE, _ZERO = np.uint64(0xFF), np.uint64(ord("0"))
#: Each prefix with its hyphen as the lowest bytes of a word, and which bytes those are.
_HEADS = [int.from_bytes(f"{prefix}-".encode(), "little") for prefix in PREFIXES]
_MASKS = [(1 << 8 * (len(prefix) + 1)) - 1 for prefix in PREFIXES]


class Texts(Sequence[str]):
    """A sequence of texts; a missing one reads as the empty string.

    Parameters
    ----------
    block : array of uint8, shape (bytes,)
        The texts in UTF-8, one behind the other.
    edges : array of int, shape (n + 1,)
        Where each text begins in *block*, and where the last one ends; ascending.
    order : array of int, shape (n,), optional
        Places in the order of the texts without regard to case; found when it is needed otherwise.
    """

    __slots__ = ("__dict__", "block", "edges")

    def __init__(self, block: _Bytes, edges: _Edges, order: NDArray[np.integer[Any]] | None = None) -> None:
        self.block, self.edges = block, edges
        if order is not None:
            self.__dict__["order"] = order

    @classmethod
    def of(cls, values: Iterable[object]) -> Texts:
        """Texts from values; None is missing, anything else is read as text.

        Examples
        --------
        >>> Texts.of(["gages-01073000", None, 7])
        Texts('gages-01073000', '', '7')
        """
        if isinstance(values, Texts):
            return values
        listed = [value if isinstance(value, str) else "" if value is None else str(value) for value in values]
        whole = "".join(listed).encode()
        lengths = np.fromiter(map(len, listed), dtype=np.int64, count=len(listed))
        if len(whole) != int(lengths.sum()):
            lengths = np.fromiter((len(text.encode()) for text in listed), dtype=np.int64, count=len(listed))
        edges: NDArray[np.int64] = np.zeros(len(listed) + 1, dtype=np.int64)
        np.cumsum(lengths, out=edges[1:])
        return cls(np.frombuffer(whole, dtype=np.uint8), edges)

    @classmethod
    def joined(cls, parts: Sequence[Texts]) -> Texts:
        """Texts of several sequences, one after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.of([])
        blocks = [part.block[int(part.edges[0]) : int(part.edges[-1])] for part in parts]
        lengths = [np.diff(part.edges) for part in parts]
        edges: _Edges = np.zeros(
            1 + sum(map(len, lengths)), dtype=np.int32 if sum(map(len, blocks)) < 2**31 else np.int64
        )
        np.cumsum(np.concatenate(lengths), out=edges[1:])
        return cls(np.concatenate(blocks), edges)

    def __len__(self) -> int:
        return len(self.edges) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Texts: ...
    def __getitem__(self, place: int | slice) -> str | Texts:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step == 1:
                return Texts(self.block, self.edges[start : max(start, stop) + 1])
            return self.take(np.arange(len(self))[place])
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise IndexError(f"there are {len(self)} texts, and none at {place}")
        return self.block[int(self.edges[at]) : int(self.edges[at + 1])].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        first = int(self.edges[0])
        whole, edges = self.block[first : int(self.edges[-1])].tobytes(), (self.edges - first).tolist()
        text = whole.decode()
        if len(text) == len(whole):
            return (text[a:b] for a, b in pairwise(edges))
        return (whole[a:b].decode() for a, b in pairwise(edges))

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and any(self[int(place)] == text for place in self.find(text))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as other sequences that hold arrays

    def __repr__(self) -> str:
        shown = ", ".join(repr(self[place]) for place in range(min(5, len(self))))
        return f"Texts({shown}{f', ... {len(self):,} in all' if len(self) > 5 else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Texts, (np.array(self.block), np.array(self.edges))

    def to_list(self) -> list[str]:
        """All of them as strings."""
        return list(self)

    def take(self, places: NDArray[np.integer[Any]]) -> Texts:
        """The texts at some places, in [0, n), in their order."""
        begin, lengths = self.edges[places], np.diff(self.edges)[places]
        edges = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        where = np.repeat(begin - edges[:-1], lengths) + np.arange(int(edges[-1]))
        return Texts(self.block[where], edges)

    @cached_property
    def order(self) -> NDArray[np.integer[Any]]:
        """Places in the order of the texts without regard to case; of equal ones the first comes first."""
        lowered = [text.lower() for text in self]
        return np.array(sorted(range(len(lowered)), key=lowered.__getitem__), dtype=np.int32)

    @property
    def ordered(self) -> Sequence[str]:
        """The texts in lower case, in the order of `order`."""
        return _Lowered(self)

    def find(self, text: str) -> NDArray[np.intp]:
        """Places that hold *text*, whatever the case of its letters; ascending, empty for none."""
        return self._between(text.lower(), text.lower() + "\0")

    def starting(self, head: str) -> NDArray[np.intp]:
        """Places of the texts that begin with *head*, whatever the case of its letters; ascending."""
        return self._between(head.lower(), head.lower() + chr(0x10FFFF))

    def _between(self, first: str, last: str) -> NDArray[np.intp]:
        """Places of the texts from *first* on and before *last*, in lower case."""
        start = bisect_left(self.ordered, first)
        stop = bisect_left(self.ordered, last, lo=start)
        return np.sort(self.order[start:stop]).astype(np.intp)

    def names(self) -> Names:
        """These texts as ids; empty ones and ``NA``, the missing value of R, are missing.

        Examples
        --------
        >>> Texts.of(["cat-27", "NA", "outlet", "tnx-1000000001"]).names()
        Names('cat-27', '', 'outlet', 'tnx-1000000001')
        """
        if not len(self):
            return Names.of([])
        if len(self) <= _PIECE:
            return self._few_names()
        return Names.joined([self[at : at + _PIECE]._few_names() for at in range(0, len(self), _PIECE)])

    def _few_names(self) -> Names:
        """These texts as ids, all in one go."""
        first = int(self.edges[0])
        edges = self.edges.astype(np.int64) - (first - _MARGIN)
        begin, end = edges[:-1], edges[1:]
        margin = np.zeros(_MARGIN, dtype=np.uint8)
        padded = np.concatenate([margin, self.block[first : int(self.edges[-1])], margin])
        # Words of eight letters from every letter on, the first one lowest.
        words = np.ndarray(len(padded) - 7, dtype="<u8", buffer=padded, strides=(1,))
        heads, lengths = words[begin], end - begin
        codes, skipped = _codes(heads, lengths)
        digits = lengths - skipped
        numbers, plain = _numbers(words, end, digits)
        # A number that starts with 0 is kept as text, as it would be written without.
        heads >>= (skipped << 3).view(np.uint64)
        heads &= _BYTE
        zero = heads == _ZERO
        fit = plain & (codes != ODD) & (digits >= 1) & (digits <= _MOST_DIGITS) & ~(zero & (digits > 1))
        if fit.all():
            return Names(codes, numbers)
        numbers[~fit] = 0
        codes[~fit] = ODD
        codes[lengths == 0] = MISSING
        return self._with_odd(codes, numbers)

    def kinds(self) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Which of the distinct texts each one is, -1 for a missing one; and those, as they first appear.

        Examples
        --------
        >>> Texts.of(["03N", None, "16", "03N"]).kinds()
        (array([ 0, -1,  1,  0]), ('03N', '16'))
        """
        lengths = np.diff(self.edges)
        if not len(self) or int(lengths.max()) > 8:
            listed = pd.Series(self.to_list(), dtype=object)
            places, distinct = pd.factorize(listed.where(listed != "", None))
            return places, tuple(distinct)
        padded = np.concatenate([self.block, np.zeros(8, dtype=np.uint8)])
        words = np.ndarray(len(padded) - 7, dtype="<u8", buffer=padded, strides=(1,))[self.edges[:-1]]
        skipped = (8 * (8 - np.maximum(lengths, 1))).astype(np.uint64)
        places, first = pd.factorize(np.where(lengths > 0, (words << skipped) >> skipped, 0).astype(np.uint64))
        texts = [int(word).to_bytes(8, "little").rstrip(b"\0").decode() for word in first]
        place_of = {text: place for place, text in enumerate(filter(None, texts))}
        return np.array([place_of.get(text, -1) for text in texts], dtype=np.intp)[places], tuple(place_of)

    def _with_odd(self, codes: NDArray[np.uint8], numbers: NDArray[np.int64]) -> Names:
        """Names of these codes, after those that are no numbers got a place among the odd ones."""
        odd: dict[str, int] = {}
        for place in np.flatnonzero(codes == ODD).tolist():
            text = self[place]
            if text == "NA":
                codes[place] = MISSING
            else:
                numbers[place] = odd.setdefault(text, len(odd))
        return Names(codes, numbers, tuple(odd))


class _Lowered(Sequence[str]):
    """Texts in lower case and in order, each made when it is asked for."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, rank: int) -> str: ...
    @overload
    def __getitem__(self, rank: slice) -> list[str]: ...
    def __getitem__(self, rank: int | slice) -> str | list[str]:
        if isinstance(rank, slice):
            return [self._texts[int(place)].lower() for place in self._texts.order[rank]]
        return self._texts[int(self._texts.order[rank])].lower()


def _codes(heads: _Words, lengths: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The code of each text's prefix, `ODD` for none known, and how many letters it has with its hyphen."""
    codes = np.full(len(heads), ODD, dtype=np.uint8)
    skipped = np.zeros(len(heads), dtype=np.int64)
    left = int(np.count_nonzero(lengths))
    # Most columns hold one prefix, that of their first id.
    likely = sorted(range(len(PREFIXES)), key=lambda code: int(heads[0]) & _MASKS[code] != _HEADS[code])
    for code in likely:
        size = len(PREFIXES[code]) + 1
        # Letters behind a short text belong to the next one.
        found = (heads & np.uint64(_MASKS[code]) == np.uint64(_HEADS[code])) & (lengths > size)
        count = int(np.count_nonzero(found))
        if count == len(heads):
            codes[:], skipped[:] = code, size
        elif count:
            codes[found], skipped[found] = code, size
        left -= count
        if left <= 0:
            break
    return codes, skipped


def _numbers(words: _Words, end: _Edges, digits: _Edges) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The numbers that so many letters before each end are, and whether those are digits alone."""
    low, plain = _eight(words[end - 8], np.minimum(np.maximum(digits, 1), 8))
    numbers = low.view(np.int64)
    if (long := np.flatnonzero((digits > 8) & (digits <= 16))).size:
        high, both = _eight(words[end[long] - 16], np.asarray(digits[long] - 8, dtype=np.int64))
        numbers[long] += high.astype(np.int64) * 100_000_000
        plain[long] &= both
    return numbers, plain


def _eight(words: _Words, digits: NDArray[np.int64]) -> tuple[_Words, NDArray[np.bool_]]:
    """The number that the last so many letters of each word are, in [1, 8], and whether those are digits alone."""
    # Digits become 0 .. 9, and letters before them 0; then neighbours are added up: 2, 4, 8 at a time.
    # D. Lemire (2022), https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/
    # In place wherever it can be: a fresh array for each step takes longer than the step.
    skipped = ((8 - digits) << 3).view(np.uint64)
    value = words ^ _ZEROS
    value >>= skipped
    value <<= skipped
    letters = value + _BELOW_TEN
    letters |= value
    letters &= _TOP_BITS
    plain = letters == 0
    np.right_shift(value, np.uint64(8), out=letters)
    value *= np.uint64(10)
    value += letters
    np.right_shift(value, np.uint64(16), out=letters)
    letters &= _PAIRS
    letters *= np.uint64(0x0000271000000001)
    value &= _PAIRS
    value *= np.uint64(0x000F424000000064)
    value += letters
    value >>= np.uint64(32)
    return value, plain
