"""Outlines and courses as one array of vertices, coarsened for the eye.

A map on a screen needs far fewer vertices than a hydrofabric has. `Shapes.snapped` puts
them on a grid, so that neighbours which share a border still share it afterwards. Numpy
throughout, never a loop over features; nothing here draws or reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Grid", "Shapes", "round_length"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

#: Length of a degree of latitude [m].
_DEGREE_M = 111_195.0


@dataclass(frozen=True)
class Grid:
    """Where whole numbers lie on the map: ``whole = (point - centre) * stretch / step``."""

    #: The middle of the map, in the units of its coordinates.
    centre: tuple[float, float]
    #: Distance of neighbouring whole numbers, in the units of the coordinates; > 0.
    step: float
    #: East-west shrinking [1], in (0, 1]: the cosine of the latitude where coordinates are degrees.
    stretch: float = 1.0

    @classmethod
    def over(cls, bounds: tuple[float, ...], cells: int, *, crs: Any = None) -> Grid:
        """The grid with *cells* along the longer side of *bounds* (xmin, ymin, xmax, ymax)."""
        west, south, east, north = bounds
        stretch = 1.0
        if crs is not None and crs.is_geographic:
            stretch = max(float(np.cos(np.radians((south + north) / 2))), 0.1)
        size = max((east - west) * stretch, north - south)
        # A single point has no size, but is a map all the same.
        return cls(((west + east) / 2, (south + north) / 2), size / cells if size > 0 else 1.0, stretch)

    def metres(self, crs: Any) -> float | None:
        """Length of a step on the ground [m]; None where *crs* does not tell."""
        if crs is None:
            return None
        if crs.is_geographic:
            return self.step * _DEGREE_M
        return self.step * float(crs.axis_info[0].unit_conversion_factor)

    def whole(self, points: Floats) -> NDArray[np.int32]:
        """*points*, shape (points, 2), as whole numbers."""
        moved = (points - np.asarray(self.centre)) * (self.stretch, 1.0) / self.step
        whole: NDArray[np.int32] = np.rint(moved).astype(np.int32)
        return whole


@dataclass(frozen=True, eq=False)
class Shapes:
    """The rings of many polygons, or the courses of many lines, part after part."""

    #: Vertices, shape (vertices, 2): coordinates of the map, or whole numbers on a grid.
    points: NDArray[Any]
    #: Index of the first vertex of each part, and after the last part the number of vertices.
    starts: Places
    #: Which feature each part belongs to, ascending.
    owner: Places
    #: Number of features, with or without a part.
    count: int

    @classmethod
    def of(cls, geometry: Iterable[Any]) -> Shapes:
        """The shapes of some geometries; whatever is empty, missing or not finite has no part.

        Polygons give their rings, holes among them; lines and points their vertices.
        """
        import shapely

        features = np.asarray(geometry, dtype=object)
        parts, owner = shapely.get_parts(features, return_index=True)
        filled = np.isin(shapely.get_type_id(parts), (3, 6))
        rings, ring_of = shapely.get_rings(parts[filled], return_index=True)
        pieces = np.concatenate([rings, parts[~filled]])
        owner = np.concatenate([owner[filled][ring_of], owner[~filled]]).astype(np.intp)
        order = np.argsort(owner, kind="stable")
        points, piece_of = shapely.get_coordinates(pieces[order], return_index=True)
        return cls._kept(points, piece_of, owner[order], np.isfinite(points).all(axis=1), len(features))

    @classmethod
    def _kept(cls, points: NDArray[Any], part_of: Places, owner: Places, keep: NDArray[np.bool_], count: int) -> Shapes:
        """The shapes of the vertices that are kept; parts without any go."""
        sizes = np.bincount(part_of[keep], minlength=len(owner))
        starts = np.concatenate([[0], np.cumsum(sizes[sizes > 0])]).astype(np.intp)
        return cls(points[keep], starts, owner[sizes > 0], count)

    @property
    def part_of(self) -> Places:
        """Which part each vertex belongs to, shape (vertices,)."""
        return np.repeat(np.arange(len(self.owner)), np.diff(self.starts))

    def boxes(self) -> Floats:
        """West, south, east and north of each feature, shape (features, 4); NaN without a part."""
        found = np.full((self.count, 4), np.nan)
        if not len(self.owner):
            return found
        heads = np.flatnonzero(np.diff(self.owner, prepend=-1))
        first = self.starts[heads]
        low, high = np.minimum.reduceat(self.points, first), np.maximum.reduceat(self.points, first)
        found[self.owner[heads]] = np.concatenate([low, high], axis=1)
        return found

    def centres(self) -> Floats:
        """The middle of each feature's box, shape (features, 2); NaN without a part."""
        boxes = self.boxes()
        middle: Floats = (boxes[:, :2] + boxes[:, 2:]) / 2
        return middle

    def pieces(self) -> list[NDArray[Any]]:
        """The vertices of each part."""
        return np.split(self.points, self.starts[1:-1]) if len(self.owner) else []

    def first_parts(self) -> Places:
        """Index of the first part of each feature, and after the last the number of parts."""
        return np.searchsorted(self.owner, np.arange(self.count + 1)).astype(np.intp)

    def take(self, features: NDArray[np.bool_]) -> Shapes:
        """The features marked True of shape (features,), numbered anew."""
        anew = np.cumsum(features) - 1
        chosen = features[self.owner]
        part_of = self.part_of
        kept = self._kept(self.points, part_of, self.owner, chosen[part_of], int(features.sum()))
        return Shapes(kept.points, kept.starts, anew[kept.owner], kept.count)

    def snapped(self, grid: Grid, *, closed: bool) -> Shapes:
        """The same on *grid*, without vertices that no longer matter.

        Parameters
        ----------
        grid : Grid
            Vertices move to the nearest whole number of it.
        closed : bool
            Whether the parts are rings. A ring that is smaller than the grid goes, but a feature
            whose rings all go stays as a square of one step.

        Returns
        -------
        Shapes
            With ``points`` of int32.
        """
        moved = Shapes(grid.whole(self.points), self.starts, self.owner, self.count)
        thin = moved._without(_same_as_before)._without(_on_a_straight)
        size = np.diff(thin.starts)
        # The ends of a part always stay, be they in one place.
        apart = (thin.points[thin.starts[:-1]] != thin.points[thin.starts[1:] - 1]).any(axis=1)
        whole = size >= 4 if closed else (size >= 3) | ((size == 2) & apart)
        part_of = thin.part_of
        kept = self._kept(thin.points, part_of, thin.owner, whole[part_of], self.count)
        return kept._with_squares(self, grid) if closed else kept

    def _without(self, drop: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> Shapes:
        """The same without the vertices that *drop* marks; the ends of a part always stay."""
        if not len(self.points):
            return self
        keep = ~drop(self.points)
        keep[self.starts[:-1]] = keep[self.starts[1:] - 1] = True
        return self._kept(self.points, self.part_of, self.owner, keep, self.count)

    def _with_squares(self, before: Shapes, grid: Grid) -> Shapes:
        """The same, and a square for each feature of *before* that has lost all its rings."""
        lost = np.setdiff1d(before.owner, self.owner)
        if not len(lost):
            return self
        corner = grid.whole(before.centres()[lost])
        turn = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.int32)
        squares = (corner[:, None, :] + turn).reshape(-1, 2)
        owner = np.concatenate([self.owner, lost])
        sizes = np.concatenate([np.diff(self.starts), np.full(len(lost), 5)])
        order = np.argsort(owner, kind="stable")
        starts = np.concatenate([self.starts[:-1], len(self.points) + 5 * np.arange(len(lost))])
        every = np.concatenate([[0], np.cumsum(sizes[order])]).astype(np.intp)
        pick = np.repeat(starts[order] - every[:-1], sizes[order]) + np.arange(every[-1])
        return Shapes(np.concatenate([self.points, squares])[pick], every, owner[order], self.count)


def _same_as_before(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Vertices that are where the one before them is, shape (vertices,)."""
    same = np.zeros(len(points), dtype=bool)
    same[1:] = (points[1:] == points[:-1]).all(axis=1)
    return same


def _on_a_straight(points: NDArray[Any]) -> NDArray[np.bool_]:
    """Vertices on the straight way from the one before to the one after, shape (vertices,)."""
    straight = np.zeros(len(points), dtype=bool)
    east, north = (points[1:].astype(np.int64) - points[:-1]).T.astype(np.int64)
    turn = east[:-1] * north[1:] - north[:-1] * east[1:]
    ahead = east[:-1] * east[1:] + north[:-1] * north[1:] > 0
    straight[1:-1] = (turn == 0) & ahead
    return straight


def round_length(about: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not above *about* > 0, in its unit.

    Examples
    --------
    >>> round_length(7_300.0)
    5000.0
    """
    power = 10.0 ** np.floor(np.log10(about))
    return float(next(step * power for step in (5, 2, 1) if step * power <= about * (1 + 1e-9)))
