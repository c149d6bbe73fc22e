"""Ids of catchments and nexuses, such as ``cat-27`` and ``nex-26``.

What stands before the hyphen says what a thing is; the number after it ties things
together: ``cat-27`` and ``wb-27`` are the area and the channel of one catchment. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CATCHMENTS",
    "NEXUSES",
    "TERMINALS",
    "is_catchment",
    "is_nexus",
    "is_terminal",
    "nearest",
    "number",
    "prefix",
]

#: Prefixes of catchments: a divide, an aggregate of divides, a flowpath in its stead.
CATCHMENTS = frozenset({"cat", "agg", "wb"})
#: Prefixes of nexuses: inner, terminal, coastal, inland, and terminal in old files.
NEXUSES = frozenset({"nex", "tnx", "cnx", "inx", "tnex"})
#: Prefixes of nexuses where water leaves the network for good.
TERMINALS = NEXUSES - {"nex"}


def prefix(name: str) -> str:
    """What stands before the first hyphen: ``cat`` for ``cat-27``; empty without a hyphen."""
    head, hyphen, _ = name.partition("-")
    return head if hyphen else ""


def number(name: str) -> int:
    """The number of an id: 27 for ``cat-27``; -1 where there is none."""
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else -1


def is_catchment(name: str) -> bool:
    """Whether *name* has the prefix of a catchment."""
    return prefix(name) in CATCHMENTS


def is_nexus(name: str) -> bool:
    """Whether *name* has the prefix of a nexus."""
    return prefix(name) in NEXUSES


def is_terminal(name: str) -> bool:
    """Whether *name* has the prefix of a nexus that nothing flows on from."""
    return prefix(name) in TERMINALS


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to *count* known ids most like *name*: first those with its number, then by spelling.

    Parameters
    ----------
    name : str
        An id that is not known.
    known : iterable of str
        The ids to choose from.
    count : int
        How many to give at most.

    Returns
    -------
    list of str
        Best first.

    Examples
    --------
    >>> nearest("wb-27", ["cat-26", "cat-27", "cat-270"])
    ['cat-27', 'cat-270']
    """
    names, wanted = list(known), number(name)
    same = [other for other in names if wanted >= 0 and number(other) == wanted]
    # Spelling is compared with a bounded number of names: difflib takes 10 us for each.
    like = difflib.get_close_matches(name, _neighbours(wanted, names), n=count, cutoff=0.5)
    return list(dict.fromkeys(same + like))[:count]


def _neighbours(wanted: int, names: list[str], most: int = 500) -> list[str]:
    """The *most* names whose numbers are closest to *wanted*, all if there are fewer."""
    if len(names) <= most:
        return names
    return sorted(names, key=lambda other: abs(number(other) - wanted))[:most]
