"""Made-up weather for a basin, hour by hour, as a forcing file has it.

What all places share is drawn once: the passing of air masses, storms, the sun. A place
then follows from where and how high it lies. Each place is worked out by itself, so its
numbers are the same whatever block it is asked in. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_fields import SmoothField
from dmod.prepare.basin_rain import Fronts, Showers

__all__ = ["Sites", "Weather"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

#: Stefan-Boltzmann constant [W m-2 K-4].
_SIGMA = 5.67e-8
#: Rain below this is none [mm h-1].
_DRIZZLE = 0.02


@dataclass(frozen=True)
class Sites:
    """Where the catchments lie."""

    #: Middle of each catchment [m], on the map's projection, shape (catchments,).
    x: Floats
    y: Floats
    #: Geographic position [degrees], shape (catchments,).
    latitude: Floats
    longitude: Floats
    #: Mean height above the sea [m], shape (catchments,).
    elevation: Floats


class Weather:
    """Hourly weather of a temperate, humid basin.

    Parameters
    ----------
    sites : Sites
        Where it is wanted.
    start_s : int
        First hour, seconds since 1970-01-01T00:00Z.
    hours : int
        How many hours.
    seed : int
        The same seed gives the same weather.
    """

    def __init__(self, sites: Sites, *, start_s: int, hours: int, seed: int) -> None:
        self.sites, self.hours = sites, hours
        air, fronts, showers, land = np.random.SeedSequence(seed).spawn(4)
        self._middle = float(sites.x.mean()), float(sites.y.mean())
        self._height = float(sites.elevation.mean())
        longitude = float(sites.longitude.mean())
        begin = datetime.fromtimestamp(start_s, tz=UTC)
        hour = np.arange(hours, dtype=np.float64) + (begin.hour + 0.5)
        day = begin.timetuple().tm_yday + hour / 24.0
        self._sun(day, hour)
        season = np.cos(2 * np.pi * (day - 202.0) / 365.25)
        clock = 2 * np.pi * (hour + longitude / 15.0 - 15.0) / 24.0
        self._daily = _single((np.cos(clock) + 0.22 * np.cos(2 * clock)) / 1.1)
        self._season = _single(season)
        self._states = _states(np.random.default_rng(air), hours)
        # Each place feels the first states a little more or less than the middle does.
        self._feel = SmoothField.draw(np.random.default_rng(land), 150e3, fields=4).at(sites.x, sites.y)
        self._fronts = Fronts.draw(np.random.default_rng(fronts), hours)
        self._showers = Showers.draw(
            np.random.default_rng(showers),
            warmth=season[::24],
            noon=12.0 - longitude / 15.0 - begin.hour,
            box=(float(np.ptp(sites.x)) / 2, float(np.ptp(sites.y)) / 2),
        )

    def block(self, start: int, stop: int) -> dict[str, Singles]:
        """Weather of some places.

        Parameters
        ----------
        start, stop : int
            First place, and first no longer wanted.

        Returns
        -------
        dict of str to array of float32, shape (stop - start, hours)
            The eight variables of `dmod.formats.forcing_write.AORC`, in its units.
        """
        block: dict[str, Singles] = {}
        for place in range(start, stop):
            for name, values in self._at(place).items():
                if place == start:
                    block[name] = np.empty((stop - start, self.hours), dtype=np.float32)
                block[name][place - start] = values
        return block

    def _sun(self, day: Floats, hour: Floats) -> None:
        """The sun's position, as far as all places share it."""
        tilt = np.deg2rad(23.45) * np.sin(2 * np.pi * (284.0 + day) / 365.0)
        turn = np.pi * (hour - 12.0) / 12.0
        self._polar = _single(np.sin(tilt))
        self._east = _single(np.cos(tilt) * np.cos(turn))
        self._west = _single(np.cos(tilt) * np.sin(turn))
        self._beam = _single(1361.0 * (1 + 0.033 * np.cos(2 * np.pi * day / 365.0)))

    def _at(self, place: int) -> dict[str, Singles]:
        """Weather of one place, arrays of shape (hours,)."""
        sites, one = self.sites, np.float32(1.0)
        above = float(sites.elevation[place]) - self._height
        feel = self._feel[:, place]
        warm, moist, zonal, meridional, pressure = self._states
        rain = self._rain(place, above)
        wet = _spread(rain)
        wet /= wet + np.float32(0.25)
        cloud = np.clip(np.float32(0.5) + np.float32(0.27 + 0.03 * feel[0]) * moist, 0.0, 1.0)
        cloud += (one - cloud) * wet
        daily = self._daily * (one - np.float32(0.6) * cloud)
        kelvin = np.float32(286.4 - 0.006 * above + 0.3 * feel[1]) + np.float32(9.2) * self._season
        kelvin += np.float32(3.2 + 0.15 * feel[2]) * warm + np.float32(5.2) * daily - np.float32(1.0) * wet
        humid = np.float32(0.69) + np.float32(0.07) * moist - np.float32(0.17) * daily
        humid += np.float32(0.28) * wet
        np.clip(humid, 0.2, 0.975, out=humid)
        celsius = kelvin - np.float32(273.15)
        vapour = humid * np.float32(611.0)
        vapour *= np.exp(np.float32(17.27) * celsius / (np.float32(237.3) + celsius))
        pascal = np.float32(101325.0 * np.exp(-float(sites.elevation[place]) / 8430.0)) * pressure
        wind = np.float32(1.0 + 0.00025 * above + 0.06 * feel[3]) * (one + np.float32(0.28) * self._daily)
        sky = np.float32(0.5) + np.float32(0.0065) * np.sqrt(vapour)
        sky *= one + np.float32(0.2) * cloud * cloud
        return {
            "precip_rate": rain / np.float32(3600.0),
            "TMP_2maboveground": kelvin,
            "SPFH_2maboveground": np.float32(0.622) * vapour / (pascal - np.float32(0.378) * vapour),
            "UGRD_10maboveground": zonal * wind,
            "VGRD_10maboveground": meridional * wind,
            "PRES_surface": pascal,
            "DSWRF_surface": self._shine(place, cloud),
            "DLWRF_surface": np.minimum(sky, one) * np.float32(_SIGMA) * (kelvin * kelvin) ** 2,
        }

    def _rain(self, place: int, above: float) -> Singles:
        """Rain of one place [mm h-1]."""
        x, y = float(self.sites.x[place]) - self._middle[0], float(self.sites.y[place]) - self._middle[1]
        lift = float(np.clip(1.0 + 0.0005 * above, 0.7, 1.5))
        rain = self._fronts.at(x, y, lift, self.hours) + self._showers.at(x, y, self.hours)
        rain[rain < _DRIZZLE] = 0.0
        return _single(rain)

    def _shine(self, place: int, cloud: Singles) -> Singles:
        """Sunshine on level ground [W m-2]."""
        north, east = np.deg2rad(self.sites.latitude[place]), np.deg2rad(self.sites.longitude[place])
        high = np.float32(np.sin(north)) * self._polar
        high += np.float32(np.cos(north) * np.cos(east)) * self._east
        high -= np.float32(np.cos(north) * np.sin(east)) * self._west
        np.maximum(high, 0.0, out=high)
        clear = np.float32(0.67 + 2e-5 * float(self.sites.elevation[place])) * self._beam * high
        result: Singles = clear * (np.float32(1.0) - np.float32(0.75) * cloud * cloud * cloud)
        return result


def _states(rng: np.random.Generator, hours: int) -> tuple[Singles, Singles, Singles, Singles, Singles]:
    """What passing air masses do: warmth and moisture [1], wind [m s-1], pressure as a factor [1]."""
    keep = np.exp(-1.0 / np.array([70.0, 40.0, 30.0, 30.0, 60.0]))
    shock = rng.standard_normal((hours + 200, 5)) * np.sqrt(1 - keep**2)
    state, states = np.zeros(5), np.empty((hours + 200, 5))
    for hour in range(hours + 200):
        state = keep * state + shock[hour]
        states[hour] = state
    warm, moist, zonal, meridional, pressure = states[200:].T
    return (
        _single(warm),
        _single(moist),
        _single(1.9 + 1.5 * zonal),
        _single(0.4 + 1.3 * meridional),
        _single(1.0 + 0.006 * pressure - 0.002 * moist),
    )


def _spread(rain: Singles) -> Singles:
    """Mean over five hours, for the clouds around the rain."""
    padded = np.pad(rain, 2)
    total = padded[:-4] + padded[1:-3] + padded[2:-2] + padded[3:-1] + padded[4:]
    mean: Singles = total / np.float32(5.0)
    return mean


def _single(values: Floats) -> Singles:
    """Half the bytes, as forcing files have them."""
    return values.astype(np.float32)
