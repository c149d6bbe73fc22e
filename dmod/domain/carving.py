"""Carving a river into pieces from its headwaters down, and packing pieces into parts.

Where few large groups keep a walk from being cut evenly, pieces of a fraction of a part
can still be put together evenly. Pure.
"""

from __future__ import annotations

import heapq
from collections import Counter

import numpy as np

from dmod.domain.network import Indices
from dmod.domain.partition_tree import Floats, GroupTree, mouths, subtree_sums

__all__ = ["carve", "pack"]


def carve(tree: GroupTree, load: float) -> Indices:
    """Pieces of connected groups of about one load.

    A tributary that carries more than *load* is cut off where it joins; along each main
    stem, with its small tributaries, a cut is made after every *load*.

    Parameters
    ----------
    tree : GroupTree
        What to carve.
    load : float
        Of a piece, in (0, inf), in the unit of the tree's loads.

    Returns
    -------
    array of int, shape (groups,)
        Piece of each group, counted from 0.
    """
    below, upstream = tree.below, tree.upstream[0]
    kept = (below >= 0) & ~tree.heavy & (upstream < load)
    joined = tree.load + np.bincount(below[kept], upstream[kept], minlength=len(tree))
    stem = np.where(tree.heavy, below, -1)
    (along,) = subtree_sums(stem, joined)
    # What is left over at the lower end of a stem stays with its last piece.
    last = np.maximum(np.floor(along[mouths(stem)] / load) - 1, 0)
    turn = np.minimum(np.floor(along / load), last)
    whole = tree.heavy & (turn == turn[below])
    root = mouths(np.where(kept | whole, below, -1))
    # Rivers smaller than a piece are bundled, or a coast of creeks would be thousands of pieces.
    creeks = np.flatnonzero((below < 0) & (upstream < load))
    _, first, bundle = np.unique(np.floor(np.cumsum(upstream[creeks]) / load), return_index=True, return_inverse=True)
    gathered = np.arange(len(tree))
    gathered[creeks] = creeks[first[bundle]]
    _, piece = np.unique(gathered[root], return_inverse=True)
    return piece


def pack(load: Floats, below: Indices, parts: int, *, most: float) -> Indices:
    """Put pieces into parts, the heaviest first.

    Each goes to the part that holds most of its neighbours if there is room, else to the
    lightest part.

    Parameters
    ----------
    load : array of float, shape (pieces,)
        Of each piece.
    below : array of int, shape (pieces,)
        Piece that each flows into, -1 for none.
    parts : int
        How many parts, in [1, pieces].
    most : float
        Load up to which neighbours are put together; 0 never puts them together.

    Returns
    -------
    array of int, shape (pieces,)
        Part of each piece.
    """
    beside: list[list[int]] = [[] for _ in load]
    for piece in np.flatnonzero(below >= 0).tolist():
        beside[piece].append(int(below[piece]))
        beside[int(below[piece])].append(piece)
    part_of = np.full(load.size, -1, dtype=np.intp)
    total, count = [0.0] * parts, [0] * parts
    lightest = [(0.0, 0, part) for part in range(parts)]
    for piece in np.argsort(-load, kind="stable").tolist():
        own = float(load[piece])
        near = Counter(int(part_of[other]) for other in beside[piece] if part_of[other] >= 0)
        fitting = [(-links, total[part], part) for part, links in near.items() if total[part] + own <= most]
        if fitting:
            part = min(fitting)[2]
        else:
            while (top := lightest[0])[:2] != (total[top[2]], count[top[2]]):
                heapq.heappop(lightest)
            part = top[2]
        part_of[piece] = part
        total[part] += own
        count[part] += 1
        heapq.heappush(lightest, (total[part], count[part], part))
    return part_of
