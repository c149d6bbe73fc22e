"""Made-up rain: fronts that cross the whole basin and showers that wander through it.

Storms are drawn once from a seed; what falls at a place is then a matter of geometry, so
neighbours get related hyetographs and the numbers do not depend on who else is asked.
Rain is in mm per hour. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_fields import SmoothField

__all__ = ["Fronts", "Showers"]

Floats = NDArray[np.float64]

#: Knots of a front's hyetograph.
_KNOTS = 64
#: Longest front [h], and how many quarters of an hour a shower may last.
_LONGEST = 40
_QUARTERS = 20


@dataclass(frozen=True)
class Fronts:
    """Frontal storms."""

    #: When each reaches the origin [h since the start], shape (fronts,).
    arrival: Floats
    #: How long each rains at one place [h], shape (fronts,).
    duration: Floats
    #: Mean rain of each [mm], shape (fronts,).
    depth: Floats
    #: Delay per distance to the east and to the north [h m-1], shape (fronts,).
    slowness_x: Floats
    slowness_y: Floats
    #: Share of the rain fallen by each 64th of the duration, shape (fronts, 65).
    fallen: Floats
    #: Where each rains more and less.
    pattern: SmoothField

    @classmethod
    def draw(cls, rng: np.random.Generator, hours: int) -> Fronts:
        """Fronts of *hours* hours: one in four or five days, most of them modest."""
        gaps = 20.0 + 24.0 * rng.gamma(2.0, 1.75, size=int(hours / 40) + 8)
        arrival = np.cumsum(gaps) - 60.0
        arrival = arrival[arrival < hours]
        count = len(arrival)
        duration = np.clip(np.exp(rng.normal(2.4, 0.5, count)), 3.0, _LONGEST - 2.0)
        depth = np.clip(np.exp(rng.normal(2.3, 0.85, count)) * (duration / 11.0) ** 0.5, 0.8, 100.0)
        heading = rng.normal(-0.25, 0.5, count)  # most move east, a little to the south
        speed = rng.uniform(25e3, 55e3, count)
        when = (np.arange(_KNOTS) + 0.5) / _KNOTS
        lean = rng.uniform(0.8, 2.0, (count, 1))
        rate = when**lean * (1 - when) ** (2.8 - lean) * np.exp(0.75 * rng.standard_normal((count, _KNOTS)))
        fallen = np.concatenate([np.zeros((count, 1)), np.cumsum(rate, axis=1)], axis=1)
        return cls(
            arrival=arrival,
            duration=duration,
            depth=depth,
            slowness_x=np.cos(heading) / speed,
            slowness_y=np.sin(heading) / speed,
            fallen=fallen / fallen[:, -1:],
            pattern=SmoothField.draw(rng, 60e3, fields=count, waves=4),
        )

    def at(self, x: float, y: float, lift: float, hours: int) -> Floats:
        """Rain at one place.

        Parameters
        ----------
        x, y : float
            Where, from the middle of the basin [m].
        lift : float
            Factor by height of the ground [1].
        hours : int
            How many.

        Returns
        -------
        array of float, shape (hours,)
            Mean of each hour [mm h-1].
        """
        arrival = self.arrival + self.slowness_x * x + self.slowness_y * y
        edges: Floats = np.floor(arrival)[:, None] + np.arange(_LONGEST + 1)
        knot = np.clip((edges - arrival[:, None]) / self.duration[:, None], 0.0, 1.0) * _KNOTS
        low = np.minimum(knot.astype(np.intp), _KNOTS - 1)
        storm = np.arange(len(arrival))[:, None]
        part = knot - low
        fallen = self.fallen[storm, low] * (1 - part) + self.fallen[storm, low + 1] * part
        depth = self.depth * lift * np.exp(0.3 * self.pattern.at(x, y)[:, 0] - 0.045)
        rain = np.diff(fallen, axis=1) * depth[:, None]
        return _placed(edges[:, :-1], rain, hours)


@dataclass(frozen=True)
class Showers:
    """Convective cells: round, short and heavy, on warm afternoons."""

    #: When each begins [h since the start] and how long it lives [h], shape (showers,).
    begin: Floats
    life: Floats
    #: Where each is halfway through its life [m], shape (showers,).
    x: Floats
    y: Floats
    #: Velocity [m h-1], shape (showers,).
    east: Floats
    north: Floats
    #: Size of the bell it has the shape of [m], shape (showers,).
    radius: Floats
    #: Rain at its heart [mm h-1], shape (showers,).
    peak: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator, *, warmth: Floats, noon: float, box: tuple[float, float]) -> Showers:
        """Showers of as many days as *warmth* has.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where chance comes from.
        warmth : array of float, shape (days,)
            Season of each day, from -1 in the depth of winter to 1 at the height of summer.
        noon : float
            Hour at which the sun stands highest [h after the start of a day].
        box : tuple of float
            Half width and half height of what they may touch [m].
        """
        wide, high = box[0] + 25e3, box[1] + 25e3
        chance = 0.03 + 0.32 * np.clip(warmth, 0.0, 1.0)
        many = rng.poisson(4e-6 * wide * high / 3000.0, len(warmth))
        number = np.where(rng.random(len(warmth)) < chance, many, 0)
        count = int(number.sum())
        day = np.repeat(np.arange(len(warmth)), number)
        begin = 24.0 * day + noon + rng.uniform(1.0, 7.0, count)
        toward = np.repeat(rng.normal(0.1, 0.6, len(warmth)), number) + rng.normal(0.0, 0.2, count)
        speed = rng.uniform(10e3, 30e3, count)
        life, radius = rng.uniform(1.0, 4.0, count), rng.uniform(3.5e3, 9e3, count)
        return cls(
            begin=begin,
            life=life,
            x=rng.uniform(-wide, wide, count),
            y=rng.uniform(-high, high, count),
            east=speed * np.cos(toward),
            north=speed * np.sin(toward),
            radius=radius,
            peak=np.clip(np.exp(rng.normal(2.9, 0.5, count)), 5.0, 70.0),
        )

    def at(self, x: float, y: float, hours: int) -> Floats:
        """Rain at one place, as `Fronts.at` gives it."""
        reach = 3.0 * self.radius + 0.5 * self.life * np.hypot(self.east, self.north)
        near = np.flatnonzero(np.hypot(self.x - x, self.y - y) < reach)
        since = (np.arange(_QUARTERS) + 0.5) / 4.0
        first = np.floor(self.begin[near])
        age = first[:, None] + since - self.begin[near, None]
        life = self.life[near, None]
        alive = np.clip(np.minimum(age, life - age) / 0.25, 0.0, 1.0)
        away = (self.x[near, None] + self.east[near, None] * (age - life / 2) - x) ** 2
        away += (self.y[near, None] + self.north[near, None] * (age - life / 2) - y) ** 2
        rain = self.peak[near, None] * alive * np.exp(-0.5 * away / self.radius[near, None] ** 2)
        return _placed(first[:, None] + np.floor(since), rain / 4.0, hours)


def _placed(hour: Floats, rain: Floats, hours: int) -> Floats:
    """Rain of many storms added up by hour; what falls before or after is left out."""
    inside = (hour >= 0) & (hour < hours) & (rain > 0)
    total = np.bincount(hour[inside].astype(np.intp), rain[inside], minlength=hours)
    return total.astype(np.float64)
