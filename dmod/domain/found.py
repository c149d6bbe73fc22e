"""What was found for what was asked: places, and what each input was taken for.

A `Found` answers one input, a `Located` all of a question. Values: nothing is looked up here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dmod.domain.spread import PlaceArray, ascending
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.names import Names

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["AREAS", "ENDS", "Found", "Located", "kept", "within"]

#: Kinds of inputs that mean the area named and nothing upstream of it, unless asked for.
AREAS = frozenset({"vpu", "huc", "box", "polygon", "domain"})
#: Kinds of inputs that are a point at the end of a place, so that the place lies above it.
ENDS = frozenset({"gage", "mark", "nexus"})

_Made = TypeVar("_Made")


@dataclass(frozen=True, eq=False)
class Found:
    """What one input was taken for, and where it is."""

    #: The input, as text.
    asked: str
    #: What it was taken for: catchment, flowpath, nexus, gage, comid, vpu, huc, mark, point, box, polygon, domain.
    kind: str
    #: What was found, for people, such as ``gage 10109001, at the end of wb-2861391``.
    name: str
    #: Places in the river, ascending, at least one.
    places: PlaceArray
    #: What people should know of the choice.
    notes: tuple[str, ...] = ()

    @property
    def is_area(self) -> bool:
        """Whether it means an area, and nothing upstream of it unless asked for."""
        return self.kind in AREAS


@dataclass(frozen=True, eq=False, repr=False)
class Located:
    """Where on the river what was asked for is; nothing upstream of it is added yet."""

    #: The domain that was asked.
    domain: Domain
    #: One for each input, or for each group of alike ones.
    found: tuple[Found, ...]
    #: Places of all of them, ascending, each once.
    places: PlaceArray = field(init=False)

    def __post_init__(self) -> None:
        river = self.domain.river
        places = [found.places for found in self.found]
        object.__setattr__(self, "places", ascending(river, np.concatenate(places)) if places[1:] else places[0])

    @cached_property
    def catchments(self) -> Names:
        """Ids of the catchments found, in file order."""
        inside = self.places[: int(np.searchsorted(self.places, self.domain.river.count))]
        return self.domain.river.topology.catchments.ids.take(inside)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of the choices made, each once."""
        return tuple(dict.fromkeys(note for found in self.found for note in found.notes))

    def __len__(self) -> int:
        """How many places were found."""
        return len(self.places)

    def __str__(self) -> str:
        lines = [f"{found.asked} -> {found.name}" for found in self.found]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return f"Located({'; '.join(found.name for found in self.found[:3])}{'; ...' if self.found[3:] else ''})"


def within(domain: Domain, places: PlaceArray) -> PlaceArray:
    """Those of *places* that the domain has."""
    if domain.chosen is None or not len(places):
        return places
    at = np.minimum(np.searchsorted(domain.chosen, places), len(domain.chosen) - 1)
    inside: PlaceArray = places[domain.chosen[at] == places]
    return inside


def kept(hydrofabric: Hydrofabric, name: str, make: Callable[[Hydrofabric], _Made]) -> _Made:
    """What *make* makes of a hydrofabric, made once and kept with it."""
    held: dict[str, _Made] = vars(hydrofabric)
    if name not in held:
        held[name] = make(hydrofabric)
    return held[name]
