"""Forcing from CSV files, one per catchment.

A file has a column ``time`` (UTC) and one column per variable, whose header may end in
units: ``T2D [K]``. Opening reads the directory once and the edges of the first file;
a file is parsed when its catchment is read, and must have the times, variables and
units of the first. What stands in one file is the matter of `forcing_csv_file`.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmod.errors import ForcingError
from dmod.formats.forcing import ForcingRef
from dmod.formats.forcing_csv_file import Texts, check_times, header_of, no_number, parse, time_axis

__all__ = ["CsvForcing", "find_files"]

_ID = "{{id}}"
#: What ids begin with, for a directory of which all ids are wanted.
_STEMS = ("cat-", "agg-", "wb-")
#: Pattern of a directory for which none is given.
_ANY_CSV = rf".*{_ID}.*\.csv"
#: What makes a pattern more than a name; the dot does not, every name has one.
_REGEX = re.compile(r"[\\^$*+?()\[\]{}|]")
#: How much of parsed files is kept, so that a row's time blocks do not parse it again.
_CACHE_BYTES = 256 * 2**20


class CsvForcing:
    """Forcing in CSV files, opened: a `ForcingSource`. Not for several threads at once.

    Parameters
    ----------
    ref : ForcingRef
        A file, which then serves every id asked for, or a directory with a pattern.
    ids : sequence of str, optional
        The catchments wanted; all that are found if not given.

    Raises
    ------
    ForcingError
        If nothing is found, two files fit one id, or the first file cannot be read.
    """

    def __init__(self, ref: ForcingRef, ids: Sequence[str] | None = None) -> None:
        files = find_files(ref, ids)
        if not files:
            raise ForcingError(
                "no forcing file was found",
                path=ref.path,
                pattern=ref.pattern or _ANY_CSV,
                needed=", ".join(list(ids)[:3]) if ids else "a file for any catchment",
                hint="check 'path' and 'file_pattern' of the forcing in the realization",
            )
        self.ref = ref
        #: Ids for which a file was found, in the order asked for.
        self.ids: Sequence[str] = tuple(files)
        #: Every file is parsed alone: no neighbour makes it cheaper.
        self.row_chunk = 1
        self._paths = list(files.values())
        header = header_of(self._paths[0])
        self.variables: Mapping[str, str] = header.units
        self.axis = time_axis(self._paths[0], header.time)
        #: Bytes of one row of one variable as long as its file is kept parsed.
        self.resident = np.dtype(np.float64).itemsize * self.axis.count
        self._times: Texts | None = None
        self._cache: OrderedDict[Path, dict[str, NDArray[np.generic]]] = OrderedDict()
        self._held = 0

    def __repr__(self) -> str:
        return f"CsvForcing({str(self.ref.path)!r}, {len(self.ids)} catchments, {self.axis})"

    def read(self, variable: str, rows: NDArray[np.intp], start: int, stop: int) -> NDArray[np.float64]:
        """Values of *variable*, shape (rows, stop - start), in the file's units.

        Parameters
        ----------
        variable : str
            One of `variables`.
        rows : array of int, shape (rows,)
            Places in `ids`.
        start, stop : int
            Half-open range of the axis, in [0, axis.count].

        Raises
        ------
        ForcingError
            If the range is not in the files, or a file has other times, units or columns
            than the first, or a value that is no number.
        """
        if variable not in self.variables:
            raise self._absent(self.ref.path, variable, self.variables)
        if not 0 <= start <= stop <= self.axis.count:
            raise ForcingError(
                "the forcing does not hold these times",
                path=self.ref.path,
                needed=f"values {start} .. {stop}",
                has=f"{self.axis.count} values, {self.axis}",
                hint="choose start_time and end_time inside 'has'",
            )
        block = np.empty((len(rows), stop - start))
        for place, row in enumerate(rows):
            values = self._values(self._paths[row])[variable]
            if values.dtype == object:
                raise no_number(self._paths[row], variable, values)
            block[place] = values[start:stop]
        return block

    def close(self) -> None:
        """Let go of parsed values; no file is held open between reads."""
        self._cache.clear()
        self._held = 0

    def _values(self, path: Path) -> dict[str, NDArray[np.generic]]:
        """The values of a file by variable, kept as long as there is room."""
        if path in self._cache:
            self._cache.move_to_end(path)
            return self._cache[path]
        values = self._cache[path] = self._parsed(path)
        self._held += _bytes(values)
        while self._held > _CACHE_BYTES and len(self._cache) > 1:
            self._held -= _bytes(self._cache.popitem(last=False)[1])
        return values

    def _parsed(self, path: Path) -> dict[str, NDArray[np.generic]]:
        """The values of a file, which must be like the first."""
        header = header_of(path)
        for variable, units in self.variables.items():
            if variable not in header.units:
                raise self._absent(path, variable, header.units)
            if header.units[variable] != units:
                raise ForcingError(
                    "two forcing files have different units for one variable",
                    path=path,
                    column=variable,
                    needed=f"{units}, as in {self._paths[0].name}",
                    has=header.units[variable],
                    hint="make the headers of all files alike",
                )
        times, values = parse(path, header, list(self.variables))
        # Files of one source write their times alike: comparing texts spares parsing them.
        if self._times is None or not np.array_equal(times, self._times):
            check_times(path, times, self.axis)
            self._times = times
        return values

    def _absent(self, path: Path, variable: str, has: Iterable[str]) -> ForcingError:
        """The error for a variable that is not there."""
        return ForcingError(
            f"the forcing has no variable {variable!r}",
            path=path,
            needed=variable,
            has=", ".join(has),
            hint="all forcing files need the variables of the first one",
        )


def find_files(ref: ForcingRef, ids: Sequence[str] | None = None) -> dict[str, Path]:
    r"""Which file belongs to which catchment.

    As in ngen, the first ``{{id}}`` of the pattern stands for the id and the rest is a
    regular expression for the whole name. Unlike there, ``cat-1`` does not fit
    ``cat-10.csv``, and an id that two files fit is an error instead of a lottery.

    Parameters
    ----------
    ref : ForcingRef
        A directory with a pattern, listed once; or a file, which serves every id.
    ids : sequence of str, optional
        The catchments wanted. All of the directory, by number, if not given.

    Returns
    -------
    dict of str to Path
        In the order of *ids*, without those that no file fits.

    Raises
    ------
    ForcingError
        If the directory cannot be listed, the pattern is no regular expression, or two
        files fit one id.
    """
    if ref.path.is_file():
        stem = _token(_STEMS).search(ref.path.name)
        own = stem.group() if stem else ref.path.stem
        return dict.fromkeys(ids if ids is not None else [own], ref.path)
    names = _listed(ref.path)
    head, found, tail = (ref.pattern or _ANY_CSV).partition(_ID)
    plain = (head + found + tail).replace(r"\.", ".")
    if ids is not None and not _REGEX.search(plain.replace(_ID, "")):
        there = set(names)
        wanted = {i: plain.replace(_ID, i, 1) for i in ids}
        return {i: ref.path / name for i, name in wanted.items() if name in there}
    fitting = _fitting(ref, names, head, tail if found else None, ids)
    for name, files in fitting.items():
        if len(files) > 1:
            raise ForcingError(
                f"two forcing files fit {name}",
                path=ref.path,
                pattern=ref.pattern or _ANY_CSV,
                has=", ".join(files[:4]),
                hint="make 'file_pattern' say more, or move one of the files away",
            )
    order = ids if ids is not None else sorted(fitting, key=_by_number)
    return {i: ref.path / fitting[i][0] for i in order if i in fitting}


def _fitting(
    ref: ForcingRef, names: list[str], head: str, tail: str | None, ids: Sequence[str] | None
) -> dict[str, list[str]]:
    """Every id to the names that fit it; one regular expression serves all ids.

    Each whole id in a name is replaced by a character that no name has, and the name then
    matched with the pattern in which the id is replaced by it too.
    """
    mark = "\0"
    try:
        pattern = re.compile(head + mark + (tail or "") if tail is not None else head, re.ASCII)
    except re.error as error:
        raise ForcingError(
            "'file_pattern' is no regular expression",
            path=ref.path,
            pattern=ref.pattern,
            reason=error,
            hint=r"such as '.*{{id}}.*\.csv'",
        ) from error
    if tail is None:
        same = [name for name in names if pattern.fullmatch(name)]
        return {i: same for i in ids or () if same}
    wanted = None if ids is None else frozenset(ids)
    token = _token(_STEMS if ids is None else {i.rstrip("0123456789") for i in ids})
    fitting: dict[str, list[str]] = {}
    for name in names:
        for at in token.finditer(name):
            if wanted is not None and at.group() not in wanted:
                continue
            if pattern.fullmatch(name[: at.start()] + mark + name[at.end() :]):
                files = fitting.setdefault(at.group(), [])
                if name not in files:
                    files.append(name)
    return fitting


def _token(stems: Iterable[str]) -> re.Pattern[str]:
    """What finds whole ids with these beginnings in a file name."""
    either = "|".join(re.escape(stem) for stem in sorted(stems, key=len, reverse=True))
    return re.compile(rf"(?:{either})[0-9]*(?![0-9])")


def _listed(folder: Path) -> list[str]:
    """The names of the files of a directory, sorted."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.is_dir())
    except OSError as error:
        raise ForcingError(
            "the forcing cannot be opened",
            path=folder,
            reason=error.strerror or error,
            hint="check 'path' of the forcing in the realization; it is relative to where the run starts",
        ) from error


def _by_number(name: str) -> tuple[str, int]:
    """A sorting key that puts cat-9 before cat-10."""
    stem = name.rstrip("0123456789")
    return stem, int(name[len(stem) :] or -1)


def _bytes(values: Mapping[str, NDArray[np.generic]]) -> int:
    """What parsed values hold [bytes]."""
    return sum(array.nbytes for array in values.values())
