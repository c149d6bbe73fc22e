"""Values that vary smoothly over a map: sums of a few waves in random directions.

A field is made once and asked anywhere, so neighbours agree and nothing depends on how
many places are asked at a time. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SmoothField"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothField:
    """One or more random fields of mean 0 and variance 1."""

    #: Wave numbers [m-1], shape (fields, waves).
    across: Floats
    along: Floats
    #: Phases [rad], shape (fields, waves).
    phase: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, wavelength_m: float, *, fields: int = 1, waves: int = 6) -> SmoothField:
        """Draw fields whose waves are about *wavelength_m* long, from half to twice.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where chance comes from.
        wavelength_m : float
            Middle wavelength [m].
        fields, waves : int
            How many fields, and waves in each.

        Returns
        -------
        SmoothField
            The fields.
        """
        shape = (fields, waves)
        length = wavelength_m * 2.0 ** rng.uniform(-1.0, 1.0, shape)
        heading = rng.uniform(0.0, 2 * np.pi, shape)
        number = 2 * np.pi / length
        return cls(number * np.cos(heading), number * np.sin(heading), rng.uniform(0.0, 2 * np.pi, shape))

    def at(self, x: Floats | float, y: Floats | float) -> Floats:
        """Values at places.

        Parameters
        ----------
        x, y : array of float or float, shape (places,)
            Where [m].

        Returns
        -------
        array of float, shape (fields, places)
            Values [1]; places is 1 for a single place.
        """
        east, north = np.atleast_1d(x)[:, None, None], np.atleast_1d(y)[:, None, None]
        angle = self.across * east + self.along * north + self.phase
        values: Floats = np.cos(angle).sum(axis=-1).T * np.sqrt(2.0 / self.phase.shape[1])
        return values
