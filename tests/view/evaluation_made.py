"""Small evaluations by hand: waves against waves, with scores that can be checked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from dmod.evaluation.evaluation import Evaluation

#: Title, units, ideal, lowest and highest of the metrics in use.
ABOUT = {
    "kge": ("Kling-Gupta efficiency", "1", 1.0, -np.inf, 1.0),
    "nse": ("Nash-Sutcliffe efficiency", "1", 1.0, -np.inf, 1.0),
    "pbias": ("percent bias", "%", 0.0, -np.inf, np.inf),
    "rmse": ("root mean square error", "m3 s-1", 0.0, 0.0, np.inf),
    "pod": ("probability of detection", "1", 1.0, 0.0, 1.0),
    "far": ("false alarm ratio", "1", 0.0, 0.0, 1.0),
}


def score(name, values, dims=()):
    title, units, ideal, low, high = ABOUT[name]
    attrs = {"long_name": title, "units": units, "ideal": ideal, "lowest": low, "highest": high}
    return xr.DataArray(values, dims=dims, attrs=attrs)


def wave(n=240, period=60.0):
    """Flow from 1 to 3 [m3 s-1] with peaks every *period* steps."""
    return 2.0 + np.sin(2 * np.pi * np.arange(n) / period)


def series(sim, obs, *, start="2016-09-01", step="h", units="m3 s-1", **coords):
    """Pairs over time, or over nexus and time."""
    sim, obs = np.asarray(sim, float), np.asarray(obs, float)
    times = pd.date_range(start, periods=sim.shape[-1], freq=step, unit="ns")
    dims = ("nexus-id", "time")[2 - sim.ndim :]
    pairs = xr.Dataset({"sim": (dims, sim), "obs": (dims, obs)}, {"time": times})
    for name in pairs:
        pairs[name].attrs = {"units": units}
    return pairs.assign_coords(coords)


def one(name="Mad River", *, sim=None, obs=None, units="m3 s-1", kge=0.8, thresholds=None, **more):
    """An evaluation of one place."""
    obs = wave() if obs is None else obs
    sim = 1.1 * wave() if sim is None else sim
    scores = xr.Dataset({"kge": score("kge", kge), "pbias": score("pbias", 10.0), "sample_size": 240.0})
    if thresholds is not None:
        named = xr.DataArray(list(thresholds.values()), {"threshold": list(thresholds)}, attrs={"units": units})
        count = len(thresholds)
        scores["pod"] = score("pod", np.linspace(1, 0.5, count), ("threshold",))
        scores["far"] = score("far", [*np.linspace(0, 0.5, count - 1), np.nan], ("threshold",))
        scores = scores.assign_coords(threshold=list(thresholds))
        thresholds = named
    return Evaluation(scores, series(sim, obs, units=units), name, thresholds=thresholds, **more)


def many(name="nine gages", *, kge=None, places=None, units="m3 s-1", **more):
    """An evaluation of several places; simulation *k* is (1 + k / 10) times the observations."""
    kge = np.linspace(-0.8, 0.9, 9) if kge is None else np.asarray(kge, float)
    places = [f"nex-{n + 1}" for n in range(len(kge))] if places is None else places
    obs = np.stack([wave(period=40 + n) for n in range(len(kge))])
    sim = obs * (1 + np.arange(len(kge)) / 10)[:, None]
    scores = xr.Dataset(
        {"kge": score("kge", kge, ("nexus-id",)), "pbias": score("pbias", 10.0 * np.arange(len(kge)), ("nexus-id",))},
        {"nexus-id": places},
    )
    scores["sample_size"] = ("nexus-id", np.full(len(kge), 240.0))
    return Evaluation(scores, series(sim, obs, units=units, **{"nexus-id": places}), name, **more)


def words(figure):
    """All that is written in a figure."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [text.get_text() for text in figure.texts]
    found += [axes.get_title(loc="left") for axes in figure.axes]
    return "\n".join([*found, figure.get_suptitle()])
