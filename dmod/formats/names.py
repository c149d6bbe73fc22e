"""Many ids, such as those of all catchments of a continent, held as numbers.

An id like ``cat-27`` is a prefix and a number: two small arrays hold a million of them in
9 MB, and finding one is a comparison of integers. Whatever is not of that form is kept as
it stands. A value: indexing gives strings, and nothing changes one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["MISSING", "ODD", "PREFIXES", "Names"]

#: Prefixes held as a code, the place here; the order never changes, as files hold the codes.
PREFIXES = ("cat", "wb", "nex", "tnx", "cnx", "inx", "tnex", "agg", "fp", "wat", "lnd", "div", "dnx")
#: Code of an id that is not there, and of one that is kept as text.
MISSING, ODD = 255, 254

_CODE = {prefix: code for code, prefix in enumerate(PREFIXES)}
_SHIFT = 54  # numbers are below 2**54, codes above them
_FEW = 64


class Names(Sequence[str]):
    """A sequence of ids; a missing one reads as the empty string.

    Parameters
    ----------
    codes : array of uint8, shape (n,)
        Place of each prefix in `PREFIXES`, `MISSING`, or `ODD`.
    numbers : array of int, shape (n,)
        The number of each id, in [0, 2**54); the place among *odd* for one kept as text.
    odd : tuple of str
        Ids that are not a known prefix and a plain number.
    """

    __slots__ = ("__dict__", "codes", "numbers", "odd")

    def __init__(self, codes: NDArray[np.uint8], numbers: NDArray[np.int64], odd: tuple[str, ...] = ()) -> None:
        self.codes, self.numbers, self.odd = codes, numbers, odd

    @classmethod
    def of(cls, ids: Iterable[object]) -> Names:
        """Ids from strings; None and the empty string are missing, anything else is read as text.

        Examples
        --------
        >>> Names.of(["cat-27", None, "outlet"])
        Names('cat-27', '', 'outlet')
        """
        if isinstance(ids, Names):
            return ids
        values = list(ids)
        codes = np.full(len(values), MISSING, dtype=np.uint8)
        numbers = np.zeros(len(values), dtype=np.int64)
        odd: dict[str, int] = {}
        for place, value in enumerate(values):
            if value is None or value == "":
                continue
            codes[place], numbers[place] = _parts(str(value), odd)
        return cls(codes, numbers, tuple(odd))

    @classmethod
    def numbered(cls, prefix: str, numbers: NDArray[np.integer[Any]]) -> Names:
        """Ids of one prefix."""
        return cls(np.full(len(numbers), _CODE[prefix], dtype=np.uint8), np.asarray(numbers, dtype=np.int64))

    @classmethod
    def joined(cls, parts: Sequence[Names]) -> Names:
        """Ids of several sequences, one after the other."""
        odd = {name: place for place, name in enumerate(dict.fromkeys(name for part in parts for name in part.odd))}
        numbers = []
        for part in parts:
            here = part.numbers.astype(np.int64, copy=True)
            which = part.codes == ODD
            here[which] = [odd[part.odd[n]] for n in here[which].tolist()]
            numbers.append(here)
        none = np.zeros(0, dtype=np.int64)
        codes = np.concatenate([*(part.codes for part in parts), none.astype(np.uint8)])
        return cls(codes, np.concatenate([*numbers, none]), tuple(odd))

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Names: ...
    def __getitem__(self, place: int | slice) -> str | Names:
        if isinstance(place, slice):
            return Names(self.codes[place], self.numbers[place], self.odd)
        code, number = int(self.codes[place]), int(self.numbers[place])
        if code < len(PREFIXES):
            return f"{PREFIXES[code]}-{number}"
        return self.odd[number] if code == ODD else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.to_list())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name != "" and self.place(name) >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return len(self) == len(other) and bool(np.array_equal(self.keys, other._foreign_keys(self)))
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and self.to_list() == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as other sequences that hold arrays

    def __repr__(self) -> str:
        shown = ", ".join(repr(name) for name in self[:5].to_list())
        return f"Names({shown}{f', ... {len(self):,} in all' if len(self) > 5 else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Names, (np.asarray(self.codes), np.asarray(self.numbers), self.odd)

    def to_list(self) -> list[str]:
        """All ids as strings; a missing one is empty."""
        if len(self) and (self.codes == self.codes[0]).all() and self.codes[0] < len(PREFIXES):
            prefix = PREFIXES[int(self.codes[0])] + "-"
            return [prefix + str(number) for number in self.numbers.tolist()]
        heads = {code: prefix + "-" for code, prefix in enumerate(PREFIXES)}
        pairs = zip(self.codes.tolist(), self.numbers.tolist(), strict=True)
        odd = self.odd
        return [
            heads[code] + str(number) if code in heads else (odd[number] if code == ODD else "")
            for code, number in pairs
        ]

    def to_objects(self) -> NDArray[np.object_]:
        """All ids as an array of objects, None where one is missing."""
        array = np.array([*self.to_list(), ""], dtype=object)[:-1]
        array[self.codes == MISSING] = None
        return array

    def take(self, places: NDArray[np.integer[Any]]) -> Names:
        """The ids at some places, in [0, n), in their order."""
        return Names(self.codes[places], self.numbers[places], self.odd)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Where there is an id."""
        present: NDArray[np.bool_] = self.codes != MISSING
        return present

    @property
    def prefixes(self) -> list[str]:
        """The known prefixes that occur."""
        found = np.flatnonzero(np.bincount(self.codes, minlength=256)[: len(PREFIXES)])
        return [PREFIXES[code] for code in found.tolist()]

    def having(self, prefixes: Iterable[str]) -> NDArray[np.bool_]:
        """Where the prefix is one of *prefixes*, each a known one."""
        return np.isin(self.codes, [_CODE[prefix] for prefix in prefixes])

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """An integer per id, equal for equal ids of this sequence; negative where one is missing."""
        keys = (self.codes.astype(np.int64) << _SHIFT) | self.numbers
        return np.where(self.codes == MISSING, -1, keys)

    def place(self, name: str) -> int:
        """Where *name* first stands; -1 if it does not."""
        key = self._key(name)
        if key < 0:
            return -1
        found = np.flatnonzero(self.keys == key) if "_sorter" not in self.__dict__ else None
        if found is None:
            return int(self._look_up(np.array([key]))[0])
        return int(found[0]) if found.size else -1

    def find(self, names: Iterable[str | None]) -> NDArray[np.intp]:
        """Where each of *names* first stands; -1 for those that do not, and for missing ones.

        Parameters
        ----------
        names : iterable of str, or Names
            What to look for.

        Returns
        -------
        array of int, shape (names,)
        """
        if isinstance(names, Names):
            return self._look_up(names._foreign_keys(self))
        wanted = list(names)
        if len(wanted) <= _FEW:
            return np.array([self.place(name) if name else -1 for name in wanted], dtype=np.intp)
        return self._look_up(np.array([self._key(name) if name else -1 for name in wanted], dtype=np.int64))

    @cached_property
    def _sorter(self) -> NDArray[np.intp] | None:
        """Places in the order of keys; None where they stand so."""
        return None if (np.diff(self.keys) >= 0).all() else np.argsort(self.keys, kind="stable")

    @cached_property
    def _sorted(self) -> NDArray[np.int64]:
        """Keys in order."""
        return self.keys if self._sorter is None else self.keys[self._sorter]

    def _look_up(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where each key first stands, -1 for none."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.intp)
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self) - 1)
        found = at if self._sorter is None else self._sorter[at]
        return np.where((self._sorted[at] == keys) & (keys >= 0), found, -1)

    def _key(self, name: str) -> int:
        """The key of a name; -1 if it cannot be here."""
        code, number = _parts(name, None)
        if code == ODD:
            if name not in self._odd_places:
                return -1
            number = self._odd_places[name]
        return (code << _SHIFT) | number

    @cached_property
    def _odd_places(self) -> dict[str, int]:
        """Place of each id that is kept as text."""
        return {name: place for place, name in enumerate(self.odd)}

    def _foreign_keys(self, other: Names) -> NDArray[np.int64]:
        """Keys of these ids as *other* has them; -1 for those it cannot have."""
        which = self.codes == ODD
        if not which.any():
            return self.keys
        keys = self.keys.copy()
        known = np.array([(ODD << _SHIFT) | other._odd_places.get(name, -1) for name in self.odd], dtype=np.int64)
        known[[name not in other._odd_places for name in self.odd]] = -2
        keys[which] = known[self.numbers[which]]
        return keys


def _parts(name: str, odd: dict[str, int] | None) -> tuple[int, int]:
    """Code and number of an id; one that is text gets a place among *odd*."""
    head, _, digits = name.partition("-")
    code = _CODE.get(head)
    plain = digits.isascii() and digits.isdigit() and (digits[0] != "0" or digits == "0") and len(digits) <= 15
    if code is not None and plain:
        return code, int(digits)
    return ODD, odd.setdefault(name, len(odd)) if odd is not None else 0
