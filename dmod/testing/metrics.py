"""What a metric must hold, as a class of tests to inherit.

An author subclasses `MetricContract` and names the metric; pytest does the rest. Where made-up
rivers make no sense for it, ``make`` says which ones do.
"""

from __future__ import annotations

import functools
import re
from typing import ClassVar, Final, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dmod.evaluation.metric import METRICS, Metric, Takes, find_metric

__all__ = ["MetricContract", "Pairs"]

Floats = NDArray[np.float64]

#: How a value in these units grows with the flow.
_POWERS: Final = {"1": 0, "%": 0, "h": 0, "h-1": 0, "obs": 1, "obs2": 2, "obs h": 1}
_PLACES, _MEMBERS, _STEPS, _STEP_H = 2, 5, 400, 12
#: A power of two: nothing is rounded.
_FACTOR: Final = 4.0
_CLOSE: Final = 1e-9


class Pairs(NamedTuple):
    """What a metric is tried on."""

    #: Simulated flow, shape (place, time), or (place, member, time) of an ensemble.
    sim: Floats
    #: Observed flow, shape (place, time).
    obs: Floats
    #: Instants, shape (time,), in equal steps.
    times: NDArray[np.datetime64]
    #: Thresholds, shape (k,).
    thresholds: Floats


class MetricContract:
    """Tests of a metric; subclass it as ``class TestMine(MetricContract)``.

    Examples
    --------
    >>> class TestBias(MetricContract):
    ...     metric = METRICS["me"]
    >>> TestBias().test_a_perfect_simulation_is_ideal()
    """

    #: The metric under test.
    metric: ClassVar[Metric]
    #: Whether its value changes with the units of flow as its own units say.
    follows_units: ClassVar[bool] = True
    #: Whether a perfect simulation has a value.
    values_perfection: ClassVar[bool] = True

    def make(self) -> Pairs:
        """Rivers that vary, with events above a baseflow, over the turn of a water year; the same at every call."""
        obs, members = _rivers()
        times = np.datetime64("2015-06-01", "ns") + np.arange(_STEPS) * np.timedelta64(_STEP_H, "h")
        sim = members if self.metric.takes is Takes.ENSEMBLE else members[:, 0]
        return Pairs(sim.copy(), obs.copy(), times, np.quantile(obs, [0.5, 0.9]))

    def value(self, pairs: Pairs) -> Floats:
        """The metric of *pairs*."""
        return self.metric(pairs.sim, pairs.obs, times=pairs.times, thresholds=pairs.thresholds)

    def perfect(self, obs: Floats) -> Floats:
        """*obs* as a simulation."""
        if self.metric.takes is not Takes.ENSEMBLE:
            return obs.copy()
        return np.repeat(obs[..., None, :], _MEMBERS, axis=-2)

    # -- what it says --------------------------------------------------------------------

    def test_it_says_what_it_means(self) -> None:
        """Name, title, formula, source and an example; an ideal between its bounds; units that are known."""
        it = self.metric
        assert re.fullmatch(r"[a-z][a-z0-9_]*", it.name), f"{it.name!r} is no name for a variable"
        assert it.title, "a metric has a title"
        assert it.formula, "a metric has a formula"
        assert it.source, "a metric has a source"
        lowest, highest = it.bounds
        assert lowest < highest, f"bounds {it.bounds} hold nothing"
        assert np.isnan(it.ideal) or lowest <= it.ideal <= highest, f"ideal {it.ideal} is outside {it.bounds}"
        assert it.units in _POWERS, f"units {it.units!r} are none of {', '.join(_POWERS)}"

    def test_it_is_found_by_all_its_names(self) -> None:
        """Case, spaces, hyphens and underscores do not matter."""
        for name in (self.metric.name, self.metric.title, *self.metric.aliases):
            for spelling in (name, name.upper(), name.replace("_", " "), name.replace(" ", "-")):
                assert find_metric(spelling) is METRICS[self.metric.name], f"{spelling!r} finds another metric"

    # -- values --------------------------------------------------------------------------

    def test_a_perfect_simulation_is_ideal(self) -> None:
        """The ideal is what a perfect simulation has, where there is a finite one."""
        pairs = self.make()
        value = self.value(pairs._replace(sim=self.perfect(pairs.obs)))
        if np.isfinite(self.metric.ideal) and self.values_perfection:
            np.testing.assert_allclose(value, self.metric.ideal, atol=_CLOSE)
        assert not np.isinf(value).any(), "a value is finite or NaN"

    def test_values_lie_within_the_bounds(self) -> None:
        """However good or bad a simulation is; and there are values."""
        pairs = self.make()
        chance = np.random.default_rng(2)
        shuffled = chance.permuted(pairs.sim, axis=-1)
        lowest, highest = self.metric.bounds
        for sim in (pairs.sim, shuffled, 10.0 * pairs.sim, 0.1 * shuffled, pairs.sim.max() - pairs.sim):
            value = self.value(pairs._replace(sim=sim))
            value = value[~np.isnan(value)]
            assert ((value >= lowest - _CLOSE) & (value <= highest + _CLOSE)).all(), (
                f"{value} is outside {lowest, highest}"
            )
            assert np.isfinite(value).all(), "a value is finite or NaN"
        assert np.isfinite(self.value(pairs)).all(), "pairs of rivers that vary have a value"

    def test_order_in_time_does_not_matter_unless_it_asks_when(self) -> None:
        """A metric of pairs sees them in any order."""
        if self.metric.when:
            return
        pairs = self.make()
        order = np.random.default_rng(3).permutation(pairs.obs.shape[-1])
        mixed = pairs._replace(sim=pairs.sim[..., order], obs=pairs.obs[..., order])
        np.testing.assert_allclose(self.value(mixed), self.value(pairs), rtol=_CLOSE, atol=_CLOSE)

    def test_it_follows_the_units_of_flow(self) -> None:
        """Flow in other units gives the value in these units."""
        if not self.follows_units:
            return
        pairs = self.make()
        larger = Pairs(_FACTOR * pairs.sim, _FACTOR * pairs.obs, pairs.times, _FACTOR * pairs.thresholds)
        expected = self.value(pairs) * _FACTOR ** _POWERS[self.metric.units]
        np.testing.assert_allclose(self.value(larger), expected, rtol=_CLOSE, atol=_CLOSE)

    def test_only_pairs_count(self) -> None:
        """A value that is missing on one side is missing on both."""
        pairs = self.make()
        holes = np.random.default_rng(4).random(pairs.obs.shape) < 0.05
        sim_holes = holes if pairs.sim.ndim == 2 else holes[:, None, :]
        one = self.value(pairs._replace(sim=np.where(sim_holes, np.nan, pairs.sim)))
        other = self.value(pairs._replace(obs=np.where(holes, np.inf, pairs.obs)))
        np.testing.assert_allclose(one, other, rtol=_CLOSE, atol=_CLOSE)
        if not self.metric.when:
            for place, hole in enumerate(holes):
                kept = Pairs(
                    pairs.sim[place][..., ~hole], pairs.obs[place][~hole], pairs.times[~hole], pairs.thresholds
                )
                np.testing.assert_allclose(self.value(kept), one[place], rtol=_CLOSE, atol=_CLOSE)

    def test_places_do_not_see_each_other(self) -> None:
        """A place alone has the value it has among others, in any shape."""
        pairs = self.make()
        together = self.value(pairs)
        for place in range(_PLACES):
            alone = self.value(pairs._replace(sim=pairs.sim[place], obs=pairs.obs[place]))
            np.testing.assert_allclose(alone, together[place], rtol=_CLOSE, atol=_CLOSE)
        deeper = self.value(pairs._replace(sim=pairs.sim[None], obs=pairs.obs[None]))
        np.testing.assert_allclose(deeper, together[None], rtol=_CLOSE, atol=_CLOSE)

    def test_single_precision_is_summed_in_double(self) -> None:
        """float32 input has the value of the same numbers as float64."""
        pairs = self.make()
        single = pairs._replace(sim=pairs.sim.astype(np.float32), obs=pairs.obs.astype(np.float32))
        double = pairs._replace(sim=single.sim.astype(np.float64), obs=single.obs.astype(np.float64))
        np.testing.assert_allclose(self.value(single), self.value(double), rtol=1e-12)

    # -- where there is little to say ----------------------------------------------------

    def test_little_to_say_is_never_infinite(self) -> None:
        """Rivers that never vary or are dry, series without or with hardly any pairs: a number or NaN."""
        pairs = self.poor()
        assert not np.isinf(self.value(pairs)).any(), "a value is finite or NaN"
        empty = Pairs(pairs.sim[..., :0], pairs.obs[..., :0], pairs.times[:0], pairs.thresholds)
        assert not np.isinf(self.value(empty)).any(), "a value is finite or NaN"

    def test_no_value_has_a_reason(self) -> None:
        """`compute` says why wherever there is no value, and only there."""
        pairs = self.poor()
        scores = self.computed(pairs)
        value, reason = scores[self.metric.name], scores[f"{self.metric.name}_reason"]
        assert not np.isinf(value).any(), "a value is finite or NaN"
        np.testing.assert_array_equal(
            np.isnan(value.values), reason.values != 0, err_msg="NaN, and no other, has a reason"
        )

    def test_it_is_lazy_on_dask(self) -> None:
        """Chunks along places and time give the values that whole arrays give, and only when asked."""
        pairs = self.make()
        whole = self.computed(pairs)
        lazy = self.computed(pairs, chunks={"place": 1, "time": _STEPS // 3})
        assert lazy[self.metric.name].chunks is not None, "nothing is computed before it is asked for"
        np.testing.assert_allclose(lazy[self.metric.name], whole[self.metric.name], rtol=_CLOSE, atol=_CLOSE)

    def poor(self) -> Pairs:
        """Pairs of which there is little to say, a place for each kind."""
        pairs = self.make()
        obs = pairs.obs[0]
        none, dry, level = np.full_like(obs, np.nan), np.zeros_like(obs), np.full_like(obs, 0.1)
        one, two = none.copy(), none.copy()
        one[7], two[7:9] = obs[7], obs[7:9]
        sims = [level, obs, level, dry, obs, dry, obs, obs, obs, none, -obs, obs]
        obses = [obs, level, level, obs, dry, dry, none, one, two, none, -obs, obs - obs.mean()]
        sim = np.stack(sims) if pairs.sim.ndim == 2 else np.stack([self.perfect(row) for row in sims])
        return Pairs(sim, np.stack(obses), pairs.times, np.array([*pairs.thresholds, np.nan, -1e9]))

    def computed(self, pairs: Pairs, chunks: dict[str, int] | None = None) -> xr.Dataset:
        """What `compute` makes of *pairs*."""
        from dmod.evaluation.compute import compute

        dims = ("place", "member", "time") if pairs.sim.ndim == 3 else ("place", "time")
        attrs = {"units": "m3 s-1"}
        sim = xr.DataArray(pairs.sim, dims=dims, coords={"time": pairs.times}, attrs=attrs)
        obs = xr.DataArray(pairs.obs, dims=("place", "time"), coords={"time": pairs.times}, attrs=attrs)
        thresholds = xr.DataArray(
            pairs.thresholds, {"threshold": [str(k) for k in range(len(pairs.thresholds))]}, ("threshold",), attrs=attrs
        )
        if chunks is not None:
            sim, obs = sim.chunk(chunks), obs.chunk(chunks)
        return compute(sim, obs, [self.metric], thresholds=thresholds)


@functools.cache
def _rivers() -> tuple[Floats, Floats]:
    """Observed flow, shape (place, time), and members of an ensemble, a step late and a fifth too high."""
    chance = np.random.default_rng(1)
    storms = np.where(chance.random((_PLACES, _STEPS)) < 0.03, chance.gamma(2.0, 20.0, (_PLACES, _STEPS)), 0.0)
    obs = 1.0 + np.cumsum(chance.random((_PLACES, _STEPS)), axis=-1) / _STEPS
    stored = np.zeros(_PLACES)
    for step in range(_STEPS):
        stored = 0.9 * stored + storms[:, step]
        obs[:, step] += stored
    noise = np.exp(0.1 * chance.standard_normal((_PLACES, _MEMBERS, _STEPS)))
    return obs, 1.2 * np.roll(obs, 1, axis=-1)[:, None, :] * noise
