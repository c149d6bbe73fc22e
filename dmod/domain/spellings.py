"""What people write for a place on the river, and what it may mean.

``USGS-01073000``, ``gage 1073000``, ``cat-27``, ``comid-101``, ``vpu-03W``, ``huc12-...``:
`meanings` turns a text into what to look for. Where a text may mean several things, all
are given, and what is in the file decides. Pure: no file is looked at here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from dmod.errors import SelectionError

__all__ = ["KINDS", "Kind", "Meaning", "kind_named", "meanings", "plain"]

#: What a text may name.
Kind = Literal["catchment", "flowpath", "nexus", "gage", "comid", "vpu", "huc", "mark"]
KINDS: tuple[str, ...] = get_args(Kind)

_BY_PREFIX: dict[str, Kind] = {
    **dict.fromkeys(("cat", "agg", "lnd", "div"), "catchment"),
    **dict.fromkeys(("wb", "fp", "wat"), "flowpath"),
    **dict.fromkeys(("nex", "tnx", "cnx", "inx", "tnex", "dnx"), "nexus"),
    **dict.fromkeys(("usgs", "nwis", "gage", "gages", "gauge", "gauges"), "gage"),
    **dict.fromkeys(("comid", "nhdplus"), "comid"),
    **dict.fromkeys(("vpu", "vpuid"), "vpu"),
    **dict.fromkeys(("huc", "huc2", "huc4", "huc6", "huc8", "huc10"), "huc"),
}
#: Other words for a kind, as `subset` takes them.
_ALIASES: dict[str, Kind] = {
    **_BY_PREFIX,
    **dict.fromkeys(("divide", "catchments", "divides"), "catchment"),
    **dict.fromkeys(("flowpaths", "waterbody"), "flowpath"),
    **dict.fromkeys(("nexuses",), "nexus"),
    **dict.fromkeys(("hl_uri", "poi", "marks"), "mark"),
}
_HUC_DIGITS = (2, 4, 6, 8, 10, 12)
#: Lengths of the numbers of gages of the USGS.
_GAGE_DIGITS = (8, 15)
_PARTED = re.compile(r"([A-Za-z]+\d{0,2})[-_:\s]+(\S.*)")
_JOINED = re.compile(r"([A-Za-z]+)(\d+[A-Za-z]?)")
_REGION = re.compile(r"\d{2}[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Meaning:
    """One thing that a text may mean."""

    #: What kind of thing.
    kind: Kind
    #: Its name as a file has it, or its number alone: ``cat-27``, ``01073000``, ``03W``, ``nid-UT00310``.
    value: str

    def __str__(self) -> str:
        named = {"gage": "gages-", "comid": "comid-", "vpu": "vpu-", "huc": "huc-"}.get(self.kind, "")
        return f"{self.kind} {named}{self.value}"


def plain(value: object) -> str | None:
    """A text or whole number as text; None for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__int__"):
        return None
    try:
        return str(int(value)) if int(value) == value else None
    except (ValueError, OverflowError, TypeError):
        return None


def kind_named(name: str) -> Kind:
    """The kind that *name* stands for.

    Raises
    ------
    SelectionError
        If it is none; the message lists them.
    """
    found: Kind | None = next((kind for kind in get_args(Kind) if kind == name), None)
    found = found or _ALIASES.get(str(name).lower())
    if found is None:
        raise SelectionError(
            f"there is no kind {name!r} of place on the river", needed=", ".join(KINDS), hint="give one of 'needed'"
        )
    return found


def meanings(text: str, kind: Kind | None = None) -> tuple[Meaning, ...]:
    """What a text may mean, the surest first.

    Parameters
    ----------
    text : str
        What somebody wrote, free of blanks around it.
    kind : str, optional
        What is meant, where that is known.

    Returns
    -------
    tuple of Meaning
        At least one. A text of 8 or 15 digits means a gage before anything else, and one with a
        prefix has a single meaning.

    Raises
    ------
    SelectionError
        If the text is empty, or names something of another kind.

    Examples
    --------
    >>> meanings("USGS 01073000")
    (Meaning(kind='gage', value='01073000'),)
    >>> [meaning.kind for meaning in meanings("27")]
    ['catchment', 'flowpath', 'nexus', 'gage', 'comid', 'vpu', 'huc']
    """
    if not text:
        raise SelectionError("the text given is empty", needed="the name of a place on the river", hint="name one")
    found = _of_digits(text) if text.isascii() and text.isdigit() else _of_words(text)
    if kind is None:
        return found
    if kind == "mark" and found[0].kind != "mark":
        return (Meaning("mark", text),)
    if named := [meaning for meaning in found if meaning.kind == kind]:
        return tuple(named)
    if found[0].kind == "mark" and kind != "huc":
        # A word without a prefix that is known: the id of a file with ids of its own.
        return (Meaning(kind, text),)
    if text.isdigit():
        return (Meaning(kind, text),)
    raise SelectionError(
        f"{text!r} is no {kind}",
        needed=f"a {kind}",
        has=" or ".join(map(str, found)),
        hint=f"leave kind= out, or give the {kind} itself",
    )


def _of_digits(text: str) -> tuple[Meaning, ...]:
    """What a number without a prefix may mean."""
    short = str(int(text))
    if len(text) in _GAGE_DIGITS:
        kinds: list[Meaning] = [Meaning("gage", text)]
        number = [Meaning(kind, short) for kind in ("catchment", "flowpath", "nexus", "comid")]
    else:
        kinds = []
        number = [Meaning(kind, short) for kind in ("catchment", "flowpath", "nexus")]
        number += [Meaning("gage", text), Meaning("comid", short)]
    if len(text) <= 2:
        number.append(Meaning("vpu", text.zfill(2)))
    if len(text) in _HUC_DIGITS:
        number.append(Meaning("huc", text))
    return (*kinds, *number)


def _of_words(text: str) -> tuple[Meaning, ...]:
    """What a text with letters in it means."""
    if _REGION.fullmatch(text):
        return (Meaning("vpu", text.upper()),)
    parted = _PARTED.fullmatch(text) or _JOINED.fullmatch(text)
    if parted is None:
        return (Meaning("mark", text),)
    head, rest = parted[1].lower(), parted[2].strip()
    kind = _BY_PREFIX.get(head)
    whole = rest.isascii() and rest.isdigit()
    if head == "huc12":
        # A whole huc12 is a mark at the outlet of that unit; the beginning of one is an area.
        return (Meaning("mark", f"huc12-{rest}") if len(rest) == 12 else Meaning("huc", rest),)
    if kind is None or (kind != "gage" and kind != "vpu" and not whole):
        return (Meaning("mark", text),)
    if kind in ("catchment", "flowpath", "nexus"):
        return (Meaning(kind, f"{head}-{int(rest)}"),)
    if kind == "vpu":
        return (Meaning("vpu", (rest.zfill(2) if whole else rest.zfill(3)).upper()),)
    return (Meaning(kind, str(int(rest)) if kind == "comid" else rest),)
