"""The search for a good cut: several are made, scored, and the best is kept.

A cut whose heaviest part is within the tolerance beats one that is not; then fewer cut
nexuses win. No nexus is ever split, because groups of contributors are what is cut. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np

from dmod.domain.carving import carve, pack
from dmod.domain.network import Indices
from dmod.domain.partition_chunks import chunks
from dmod.domain.partition_tree import GroupTree, mouths
from dmod.errors import SelectionError

__all__ = ["METHODS", "Method", "search"]

Method = Literal["auto", "contiguous", "metis"]

METHODS: tuple[str, ...] = get_args(Method)

#: Up to this many groups every size of piece is tried.
_FEW_GROUPS = 5_000
#: More pieces than this are not packed: each takes a few microseconds.
_MANY_PIECES = 50_000


def search(tree: GroupTree, parts: int, *, method: Method = "auto", tolerance: float = 0.02) -> Indices:
    """Find the best cut of a river.

    Parameters
    ----------
    tree : GroupTree
        What to cut.
    parts : int
        How many parts, in [1, groups].
    method : {"auto", "contiguous", "metis"}
        ``contiguous`` cuts a walk along the river into runs; ``auto`` also packs carved
        pieces and keeps what is best; ``metis`` asks the METIS library.
    tolerance : float
        How much heavier than the mean the heaviest part may be before cut nexuses count [1], in (0, inf).

    Returns
    -------
    array of int, shape (groups,)
        Part of each group; every part has one group at least, except that METIS may leave parts out.

    Raises
    ------
    SelectionError
        If METIS is wanted but not installed.
    HydrofabricError
        If the river flows in a circle.
    """
    mouths(tree.below)  # refuses a circle
    if parts in (1, len(tree)):
        return np.arange(len(tree)) % parts
    if method == "metis":
        return _metis(tree, parts, tolerance)
    found = [chunks(tree, parts, tolerance)]
    if method == "auto":
        found.extend(_packed(tree, parts, tolerance))
    return min(found, key=lambda part: _score(tree, part, parts, tolerance))


def _score(tree: GroupTree, part: Indices, parts: int, tolerance: float) -> tuple[float, int, float]:
    """What a cut is judged by, less is better: imbalance beyond the tolerance, cut nexuses, imbalance [1]."""
    load = np.bincount(part, tree.load, minlength=parts)
    imbalance = float(load.max() / load.mean() - 1)
    # No cut can be better than its largest group, so what that costs is not held against any.
    tolerance = max(tolerance, float(tree.load.max() / load.mean() - 1))
    cut = int(((tree.below >= 0) & (part != part[tree.below])).sum())
    # Rounded, so that two cuts that differ by a rounding error are judged by what they cut.
    return round(max(imbalance - tolerance, 0.0), 9), cut, imbalance


def _packed(tree: GroupTree, parts: int, tolerance: float) -> Iterator[Indices]:
    """Packings of pieces of several sizes."""
    mean = float(tree.load.sum()) / parts
    full = max(mean, float(tree.load.max()))
    few = len(tree) <= _FEW_GROUPS
    for share in (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, np.inf) if few else (4,):
        piece = np.arange(len(tree)) if share == np.inf else carve(tree, mean / share)
        count = int(piece.max()) + 1
        if not parts <= count <= _MANY_PIECES:
            continue
        load = np.bincount(piece, tree.load, minlength=count).astype(np.float64)
        outlet = np.flatnonzero((tree.below >= 0) & (piece != piece[tree.below]))
        below = np.full(count, -1, dtype=np.intp)
        below[piece[outlet]] = piece[tree.below[outlet]]
        for most in (0.0, full, max(full, mean * (1 + tolerance))):
            part = pack(load, below, parts, most=most)[piece]
            if np.bincount(part, minlength=parts).all():
                yield part


def _metis(tree: GroupTree, parts: int, tolerance: float) -> Indices:
    """What METIS makes of the groups, parts that it leaves empty left out."""
    try:
        import pymetis
    except ImportError as error:
        raise SelectionError(
            'method="metis" needs the library pymetis, which is not installed',
            hint='pip install "dmod[metis]", or leave method at "auto"',
        ) from error
    upper = np.flatnonzero(tree.below >= 0)
    ends = np.concatenate((upper, tree.below[upper]))
    order = np.argsort(ends, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(ends, minlength=len(tree)))))
    # METIS counts in whole numbers of 32 bits: loads are scaled so that their sum fits.
    scale = 1e9 / float(tree.load.sum())
    _, part = pymetis.part_graph(
        parts,
        pymetis.CSRAdjacency(starts, np.concatenate((tree.below[upper], upper))[order]),
        vweights=np.maximum(np.round(tree.load * scale), 1).astype(np.int64),
        options=pymetis.Options(ufactor=max(1, round(tolerance * 1000)), seed=0),
    )
    _, number = np.unique(np.asarray(part), return_inverse=True)
    return number
