"""Looking up points of interest by name: gages, dams, lakes, outlets of hydrologic units.

A file of a continent has hundreds of thousands. Their names are kept as one block in order,
whatever case they are in, so that one is found by halving, and those that begin alike too.
"""

from __future__ import annotations

import difflib

import numpy as np
from numpy.typing import NDArray

from dmod.domain.found import kept
from dmod.domain.river import River
from dmod.domain.spread import PlaceArray
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.texts import Texts

__all__ = ["marks_like", "marks_named", "marks_starting", "places_of_marks"]

#: Among so many names at most the nearest is looked for by spelling.
_MOST = 2_000


def marks_named(hydrofabric: Hydrofabric, name: str) -> NDArray[np.intp]:
    """Rows of the marks of a name, in whatever case; empty for none."""
    return _names(hydrofabric).find(name)


def marks_starting(hydrofabric: Hydrofabric, head: str) -> NDArray[np.intp]:
    """Rows of the marks whose names begin with *head*, in whatever case."""
    return _names(hydrofabric).starting(head)


def marks_like(hydrofabric: Hydrofabric, name: str, count: int = 3) -> list[str]:
    """Up to *count* names most like one that is not there, of those that begin as much alike as any do."""
    names, head = _names(hydrofabric), name.partition("-")[0] + "-"
    for length in range(len(name) - 1, len(head) - 1, -1):
        rows = names.starting(name[:length])
        if len(rows) >= count or length == len(head):
            found = names.take(rows[:_MOST]).to_list()
            return difflib.get_close_matches(name, found, n=count, cutoff=0.6)
    return []


def places_of_marks(river: River, rows: NDArray[np.intp]) -> tuple[PlaceArray, NDArray[np.intp]]:
    """The places that end at each mark: that of its flowpath, else all that drain to its nexus.

    Returns
    -------
    tuple of (array of int, array of int)
        The places, and which of *rows* each belongs to; both of one shape.
    """
    marks = river.topology.marks
    place = river.place_of(marks.flowpath.take(rows))
    bare = np.flatnonzero(place < 0)
    nexuses = river.nexuses.find(marks.nexus.take(rows[bare])).tolist()
    above = {int(row): river.contributors(nexus) for row, nexus in zip(bare, nexuses, strict=True) if nexus >= 0}
    places = [place[place >= 0], *above.values()]
    of = [np.flatnonzero(place >= 0), *(np.full(len(found), row) for row, found in above.items())]
    return np.concatenate(places).astype(np.intp), np.concatenate(of)


def _names(hydrofabric: Hydrofabric) -> Texts:
    """The names of a file's marks."""
    return kept(hydrofabric, "_mark_names", lambda fabric: Texts.of(fabric.topology.marks.uri))
