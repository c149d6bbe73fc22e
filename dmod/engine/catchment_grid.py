"""The grid of a native module, in the words of BMI 2.0: one point per catchment.

Grid 0 is the only one. Catchments are points here: what BMI asks of regular or meshed
grids is refused, plainly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import InputError

__all__ = ["CatchmentGrid"]


class CatchmentGrid:
    """What BMI asks about grids, for a model that has `size` catchments."""

    #: Number of catchments.
    size: int

    def get_grid_rank(self, grid: int) -> int:
        """One dimension."""
        self._grid(grid)
        return 1

    def get_grid_size(self, grid: int) -> int:
        """Number of catchments."""
        self._grid(grid)
        return self.size

    def get_grid_type(self, grid: int) -> str:
        """``points``: catchments have neither shape nor spacing here."""
        self._grid(grid)
        return "points"

    def _grid(self, grid: int) -> None:
        if grid != 0:
            raise InputError(f"there is no grid {grid}", has="grid 0, the catchments")

    def _not_regular(self, grid: int) -> NDArray[Any]:
        self._grid(grid)
        raise InputError("catchments are points: they have no spacing, origin, edges or faces")

    def get_grid_shape(self, grid: int, shape: NDArray[np.int_]) -> NDArray[np.int_]:
        """Number of catchments, in *shape*."""
        self._grid(grid)
        shape[:] = self.size
        return shape

    def get_grid_spacing(self, grid: int, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
        """Refused: points have no spacing."""
        del spacing
        return self._not_regular(grid)

    def get_grid_origin(self, grid: int, origin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Refused: points have no origin."""
        del origin
        return self._not_regular(grid)

    def _positions(self, grid: int, out: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        self._grid(grid)
        out[:] = values
        return out

    def get_grid_x(self, grid: int, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The catchment's place in the list, in *x*."""
        return self._positions(grid, x, np.arange(self.size, dtype=np.float64))

    def get_grid_y(self, grid: int, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zero, in *y*."""
        return self._positions(grid, y, np.zeros(self.size))

    def get_grid_z(self, grid: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zero, in *z*."""
        return self._positions(grid, z, np.zeros(self.size))

    def get_grid_node_count(self, grid: int) -> int:
        """Number of catchments."""
        return self.get_grid_size(grid)

    def get_grid_edge_count(self, grid: int) -> int:
        """None."""
        self._grid(grid)
        return 0

    def get_grid_face_count(self, grid: int) -> int:
        """None."""
        self._grid(grid)
        return 0

    def get_grid_edge_nodes(self, grid: int, edge_nodes: NDArray[np.int_]) -> NDArray[np.int_]:
        """Refused: points have no edges."""
        del edge_nodes
        return self._not_regular(grid)

    def get_grid_face_edges(self, grid: int, face_edges: NDArray[np.int_]) -> NDArray[np.int_]:
        """Refused: points have no faces."""
        del face_edges
        return self._not_regular(grid)

    def get_grid_face_nodes(self, grid: int, face_nodes: NDArray[np.int_]) -> NDArray[np.int_]:
        """Refused: points have no faces."""
        del face_nodes
        return self._not_regular(grid)

    def get_grid_nodes_per_face(self, grid: int, nodes_per_face: NDArray[np.int_]) -> NDArray[np.int_]:
        """Refused: points have no faces."""
        del nodes_per_face
        return self._not_regular(grid)
