"""How fast pairs are scored: nine metrics of every site, beside what else there is.

``python tests/benchmarks/evaluate.py --alternatives PYTHON --teehr PYTHON`` makes sites × 8,760 hours
with 2 % missing in each series, scores them with NSE, KGE, RMSE, bias, r, log-NSE, POD, FAR and CSI,
and prints seconds, peak memory and ratios. Every contender runs in a process of its own, in turns, so
that all meet the same machine; *PYTHON* is an interpreter that has xskillscore, scores and
hydrotools.metrics, or teehr and Java. What cannot be imported is left out, and that is said. ``--large`` also scores
100,000 sites × 10 years of float32 that exist block by block only, 70 GB of pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("nse", "kge", "rmse", "me", "r", "log_nse", "pod", "far", "csi")
HERE = Path(__file__).resolve()


def make(folder: Path, sites: int, hours: int, kind: str) -> None:
    """Log-normal flows that remember, 2 % missing in each, 2 % of the sites dry at times."""
    rng = np.random.default_rng(1)
    obs = np.empty((sites, hours))
    state = rng.normal(size=sites)
    for hour in range(hours):
        state = 0.98 * state + 0.2 * rng.normal(size=sites)
        obs[:, hour] = np.exp(state)
    sim = obs * np.exp(0.3 * rng.normal(size=obs.shape))
    dry = np.arange(sites) % 50 == 0
    obs[dry] = np.where(obs[dry] < np.quantile(obs[dry], 0.3), 0.0, obs[dry])
    for series in (obs, sim):
        series[rng.random(series.shape) < 0.02] = np.nan
    np.save(folder / "thresholds.npy", np.nanquantile(obs, 0.9, axis=1))
    np.save(folder / "sim.npy", sim.astype(kind))
    np.save(folder / "obs.npy", obs.astype(kind))


class Case:
    """Sim, obs and a threshold for each site, as arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sim, self.obs = np.load(folder / "sim.npy"), np.load(folder / "obs.npy")
        self.at = np.load(folder / "thresholds.npy")

    def arrays(self, chunk: int | None = None) -> tuple[Any, Any, Any]:
        """The same as arrays of xarray, of Dask if a number of sites is given."""
        import xarray as xr

        sim, obs = (xr.DataArray(x, dims=("site", "time")) for x in (self.sim, self.obs))
        at = xr.DataArray(self.at, dims="site")
        return (sim, obs, at) if chunk is None else (sim.chunk(site=chunk), obs.chunk(site=chunk), at.chunk(site=chunk))


def dmod(case: Case, names: tuple[str, ...] = NAMES) -> Callable[[], Any]:
    """Ours, from arrays to a dataset."""
    import xarray as xr

    from dmod.evaluation.compute import compute
    from dmod.evaluation.metric import find_metric

    sim, obs, at = case.arrays()
    metrics = [find_metric(name) for name in names]
    thresholds = at.expand_dims(threshold=["p90"], axis=-1)

    def run() -> Any:
        scores: xr.Dataset = compute(sim, obs, metrics, thresholds=thresholds)
        return np.stack([scores[name].values.reshape(-1) for name in names])

    return run


def without_logarithm(case: Case) -> Callable[[], Any]:
    """Ours, the eight that need no logarithm."""
    return dmod(case, tuple(name for name in NAMES if name != "log_nse"))


def dask_blocks(case: Case) -> Callable[[], Any]:
    """Ours, on Dask, 125 sites in a block."""
    from dmod.evaluation.compute import compute
    from dmod.evaluation.metric import find_metric

    sim, obs, at = case.arrays(125)
    metrics = [find_metric(name) for name in NAMES]
    thresholds = at.expand_dims(threshold=["p90"], axis=-1)

    def run() -> Any:
        scores = compute(sim, obs, metrics, thresholds=thresholds).compute(scheduler="threads", num_workers=2)
        return np.stack([scores[name].values.reshape(-1) for name in NAMES])

    return run


def bandwidth(case: Case) -> Callable[[], Any]:
    """Both arrays read once, compiled, by two threads: what memory allows."""
    from concurrent.futures import ThreadPoolExecutor

    from numba import njit

    @njit(nogil=True, fastmath=True, error_model="numpy")
    def total(a: Any, b: Any) -> float:
        held = 0.0
        for site in range(a.shape[0]):
            x, y = a[site], b[site]
            for t in range(x.size):
                held += x[t] + y[t]
        return held

    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def run() -> Any:
        steps = range(0, len(case.sim), 30)
        return sum(pool.map(lambda at: total(case.sim[at : at + 30], case.obs[at : at + 30]), steps))

    return run


def numpy_sites(case: Case) -> Callable[[], Any]:
    """Plain numpy, one site after the other."""

    def one(s: Any, o: Any, at: float) -> list[float]:
        there = np.isfinite(s) & np.isfinite(o)
        s, o = s[there].astype(np.float64), o[there].astype(np.float64)
        ds, do = s - s.mean(), o - o.mean()
        ss, oo = ds @ ds, do @ do
        r = (ds @ do) / np.sqrt(ss * oo)
        kge = 1 - np.sqrt((r - 1) ** 2 + (np.sqrt(ss / oo) - 1) ** 2 + (s.mean() / o.mean() - 1) ** 2)
        eps = 0.01 * o.mean()
        u, v = np.log(s + eps), np.log(o + eps)
        dv = v - v.mean()
        p, q = s >= at, o >= at
        h, m, f = (p & q).sum(), (~p & q).sum(), (p & ~q).sum()
        e = s - o
        return [
            1 - (e @ e) / oo, kge, np.sqrt((e @ e) / s.size), e.mean(), r,
            1 - ((u - v) @ (u - v)) / (dv @ dv), h / (h + m), f / (h + f), h / (h + m + f),
        ]  # fmt: skip

    def run() -> Any:
        with np.errstate(all="ignore"):
            return np.array([one(*each) for each in zip(case.sim, case.obs, case.at, strict=True)]).T

    return run


def numba_logarithm(case: Case) -> Callable[[], Any]:
    """A numba kernel for the moments of logarithms, with numba's own logarithm: that alone."""
    from concurrent.futures import ThreadPoolExecutor

    from numba import njit

    @njit(nogil=True, error_model="numpy")
    def logs(a: Any, b: Any) -> float:
        held = 0.0
        for site in range(a.shape[0]):
            for x, y in zip(a[site], b[site]):  # noqa: B905
                if np.isfinite(x) and np.isfinite(y):
                    held += (np.log(x + 0.01) - np.log(y + 0.01)) ** 2
        return held

    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def run() -> Any:
        steps = range(0, len(case.sim), 30)
        return sum(pool.map(lambda at: logs(case.sim[at : at + 30], case.obs[at : at + 30]), steps))

    return run


def xskillscore(case: Case) -> Callable[[], Any]:
    """xskillscore on Dask, two threads."""
    import xarray as xr
    import xskillscore as xs

    def run() -> Any:
        sim, obs, at = case.arrays(125)
        there = np.isfinite(sim) & np.isfinite(obs)
        s, o = sim.where(there), obs.where(there)
        how = {"dim": "time", "skipna": True}
        r = xs.pearson_r(o, s, **how)
        alpha, beta = s.std("time") / o.std("time"), s.mean("time") / o.mean("time")
        eps = 0.01 * o.mean("time")
        edges = np.array([-np.inf, 1.0, np.inf])
        table = xs.Contingency(o / at, s / at, edges, edges, dim="time")
        found = xr.Dataset({
            "nse": xs.r2(o, s, **how), "kge": 1 - np.sqrt((r - 1) ** 2 + (alpha - 1) ** 2 + (beta - 1) ** 2),
            "rmse": xs.rmse(o, s, **how), "me": -xs.me(o, s, **how), "r": r,
            "log_nse": xs.r2(np.log(o + eps), np.log(s + eps), **how), "pod": table.hit_rate(),
            "far": table.false_alarm_ratio(), "csi": table.threat_score(),
        })  # fmt: skip
        found = found.compute(scheduler="threads", num_workers=2)
        return np.stack([found[name].values for name in NAMES])

    return run


def scores(case: Case) -> Callable[[], Any]:
    """Scores on Dask, two threads."""
    import scores.categorical as categorical
    import scores.continuous as continuous
    import xarray as xr

    def run() -> Any:
        sim, obs, at = case.arrays(125)
        there = np.isfinite(sim) & np.isfinite(obs)
        s, o = sim.where(there), obs.where(there)
        how = {"reduce_dims": "time"}
        eps = 0.01 * o.mean("time")
        events = [(x >= at).astype(float).where(there) for x in (s, o)]
        table = categorical.BinaryContingencyManager(*events).transform(**how)
        found = xr.Dataset({
            "nse": continuous.nse(s, o, **how), "kge": continuous.kge(s, o, **how),
            "rmse": continuous.rmse(s, o, **how),
            "me": continuous.mean_error(s, o, **how), "r": continuous.correlation.pearsonr(s, o, **how),
            "log_nse": continuous.nse(np.log(s + eps), np.log(o + eps), **how),
            "pod": table.probability_of_detection(), "far": table.false_alarm_ratio(),
            "csi": table.critical_success_index(),
        })  # fmt: skip
        found = found.compute(scheduler="threads", num_workers=2)
        return np.stack([found[name].values for name in NAMES])

    return run


def hydrotools(case: Case) -> Callable[[], Any]:
    """hydrotools.metrics, one site after the other."""
    from hydrotools.metrics import metrics as m

    def one(s: Any, o: Any, at: float) -> list[float]:
        there = np.isfinite(s) & np.isfinite(o)
        s, o = s[there], o[there]
        eps = 0.01 * o.mean()
        table = m.compute_contingency_table(o >= at, s >= at)
        return [
            m.nash_sutcliffe_efficiency(o, s), m.kling_gupta_efficiency(o, s), m.mean_error(o, s, power=2.0, root=True),
            (s - o).mean(), np.corrcoef(s, o)[0, 1], m.nash_sutcliffe_efficiency(o + eps, s + eps, log=True),
            m.probability_of_detection(table), m.probability_of_false_alarm(table), m.threat_score(table),
        ]  # fmt: skip

    def run() -> Any:
        return np.array([one(*each) for each in zip(case.sim, case.obs, case.at, strict=True)]).T

    return run


def teehr(case: Case) -> Callable[[], Any]:
    """TEEHR's Spark engine on long parquet without the missing pairs, warm; it has no log-NSE there."""
    import pandas as pd
    from pyspark.sql import SparkSession
    from teehr import DeterministicMetrics as D
    from teehr.metrics.engine import aggregate_metrics_with_engine

    there = np.isfinite(case.sim) & np.isfinite(case.obs)
    site, hour = np.nonzero(there)
    path = case.folder / "pairs.parquet"
    if not path.exists():
        pd.DataFrame({
            "primary_location_id": site.astype(np.int32), "value_time": hour.astype(np.int32),
            "primary_value": case.obs[there], "secondary_value": case.sim[there], "threshold": case.at[site],
        }).to_parquet(path)  # fmt: skip
    spark = SparkSession.builder.master("local[2]").config("spark.driver.memory", "4g").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    at = {"threshold_field_name": "threshold"}
    metrics = [
        D.NashSutcliffeEfficiency(), D.KlingGuptaEfficiency(), D.RootMeanSquareError(), D.MeanError(),
        D.PearsonCorrelation(), D.ProbabilityOfDetection(**at), D.FalseAlarmRatio(**at), D.CriticalSuccessIndex(**at),
    ]  # fmt: skip

    def run() -> Any:
        frame = aggregate_metrics_with_engine(spark.read.parquet(str(path)), ["primary_location_id"], metrics, "spark")
        found = frame.toPandas().sort_values("primary_location_id")
        values = found.drop(columns="primary_location_id").to_numpy(dtype=float).T
        return np.insert(values, 5, np.nan, axis=0)

    return run


OURS = (dmod, without_logarithm, dask_blocks, bandwidth, numba_logarithm, numpy_sites)
SLOW = (xskillscore, scores, hydrotools)


def one(name: str, folder: Path, repeat: int, at_least_s: float) -> dict[str, Any]:
    """Time a contender in this process; the first run is not counted."""
    case = Case(folder)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    run = {f.__name__: f for f in (*OURS, *SLOW, teehr)}[name](case)
    found, times = run(), []
    began = time.perf_counter()
    while len(times) < repeat or (time.perf_counter() - began < at_least_s and len(times) < 60):
        start = time.perf_counter()
        found = run()
        times.append(time.perf_counter() - start)
    if np.ndim(found) == 2:
        np.save(folder / f"{name}.npy", found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"times": times, "peak_mb": peak, "held_mb": held}


def asked(python: str, name: str, folder: Path, given: argparse.Namespace) -> dict[str, Any] | str:
    """The figures of a contender in a process of its own, or why there are none."""
    wanted = json.dumps([name, str(folder), 1 if name in {f.__name__ for f in (*SLOW, teehr)} else given.repeat])
    done = subprocess.run([python, "-W", "ignore", HERE, "--one", wanted], capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no word"])[-1][:110]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def beside(folder: Path, given: argparse.Namespace) -> None:
    """All contenders in turns, and what came of it."""
    plan = [(sys.executable, f.__name__) for f in OURS]
    plan += [(given.alternatives, f.__name__) for f in SLOW] if given.alternatives else []
    plan += [(given.teehr, "teehr")] if given.teehr else []
    got: dict[str, dict[str, Any]] = {}
    for turn in range(given.rounds):
        for python, name in plan:
            new = asked(python, name, folder, given)
            if isinstance(new, str):
                if turn == 0:
                    print(f"{name:<20} left out: {new}", flush=True)
                continue
            held = got.setdefault(name, {"times": [], "peak_mb": 0.0, "held_mb": 0.0})
            held["times"] += new["times"]
            held |= {key: max(held[key], new[key]) for key in ("peak_mb", "held_mb")}
    if not (given.alternatives and given.teehr):
        print("beside: only what --alternatives and --teehr name is run")
    tell(got, folder)


def tell(got: dict[str, dict[str, Any]], folder: Path) -> None:
    """One line for each contender."""
    ours = got["dmod"]
    low, mid = min(ours["times"]), statistics.median(ours["times"])
    right = np.load(folder / "dmod.npy")
    print(f"{'':<20} {'least s':>9} {'median s':>9} {'x least':>8} {'x median':>8} {'peak MB':>8}  largest difference")
    for name, held in got.items():
        least, median = min(held["times"]), statistics.median(held["times"])
        differs, path = "", folder / f"{name}.npy"
        if path.exists() and (theirs := np.load(path)).shape == right.shape:
            off = np.abs(theirs - right) / np.maximum(1.0, np.abs(right))
            differs = f"{np.nanmax(off):.1e}"
        print(
            f"{name:<20} {least:9.4f} {median:9.4f} {least / low:8.1f} {median / mid:8.1f} "
            f"{held['peak_mb']:8.0f}  {differs}"
        )


def cold(folder: Path, repeat: int) -> None:
    """Import and first metric in a fresh process, of little and of all."""
    script = (
        "import time; t = time.perf_counter(); import dmod, numpy as np; "
        "from dmod.evaluation.metric import find_metric; {}; print(time.perf_counter() - t)"
    )
    files = [f"np.load({str(folder / name)!r})" for name in ("sim.npy", "obs.npy")]
    dataset = (
        "import xarray as xr; from dmod.evaluation.compute import compute; "
        "x = xr.DataArray(np.arange(9e3), dims='time'); compute(x, x, [find_metric('kge')])"
    )
    for what, first in (
        ("one site", "find_metric('kge')(np.arange(9e3), np.arange(9e3))"),
        ("all sites", f"find_metric('kge')({', '.join(files)})"),
        ("one site, xarray", dataset),
    ):
        command = [sys.executable, "-c", script.format(first)]
        times = [float(subprocess.check_output(command, text=True)) for _ in range(repeat)]
        print(f"import dmod + first metric, {what:<17} {min(times):6.2f} s, median {statistics.median(times):.2f} s")


def memory(folder: Path) -> None:
    """Peak memory of one eager computation, as a multiple of the input; Linux tells."""
    script = (
        f"import sys; sys.path.insert(0, {str(HERE.parent)!r}); import evaluate as e; from pathlib import Path; "
        f"run = e.dmod(e.Case(Path({str(folder)!r}))); run(); Path('/proc/self/clear_refs').write_text('5'); "
        "held = lambda key: [x for x in Path('/proc/self/status').read_text().splitlines() if key in x][0].split()[1]; "
        "before = held('VmRSS'); run(); print(before, held('VmHWM'))"
    )
    done = subprocess.check_output([sys.executable, "-c", script], text=True)
    before, after = (int(kilobytes) / 1024 for kilobytes in done.split())
    size = 2 * (folder / "sim.npy").stat().st_size / 2**20
    print(f"peak memory: {after - before:.0f} MB beside {size:.0f} MB of input: {(size + after - before) / size:.2f} x")


def large(sites: int, years: int) -> None:
    """Pairs that exist block by block: by places, and by time with all places in a block."""
    import dask
    import dask.array as da
    import xarray as xr

    from dmod.evaluation.compute import compute
    from dmod.evaluation.metric import find_metric

    hours = 8760 * years

    def block(seed: int, block_info: Any = None) -> Any:
        at = block_info[None]
        rng = np.random.default_rng([seed, *at["chunk-location"]])
        drawn = rng.random(at["chunk-shape"], dtype=np.float32)
        drawn[drawn < 0.02] = np.nan
        return drawn

    for what, chunks in (("by places", (100, hours)), ("by time", (sites, 73))):
        parts = tuple(tuple([c] * (n // c)) for c, n in zip(chunks, (sites, hours), strict=True))
        sim, obs = (
            xr.DataArray(
                da.map_blocks(block, seed, chunks=parts, dtype=np.float32, meta=np.empty((0, 0), np.float32)),
                dims=("site", "time"),
            )
            for seed in (1, 2)
        )
        at = xr.DataArray([0.9], {"threshold": ["p90"]}, ("threshold",))
        began = time.perf_counter()
        lazy = compute(sim, obs, [find_metric(name) for name in NAMES], thresholds=at)
        tasks = len(lazy.__dask_graph__())
        with dask.config.set(scheduler="threads", num_workers=2):
            done = lazy.compute()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{sites:,} sites x {years} years {what}: {time.perf_counter() - began:.0f} s, {tasks:,} tasks, "
            f"peak {peak:.0f} MB of {2 * sites * hours * 4 / 2**20:,.0f} MB, NSE {done['nse'].median().item():.3f}",
            flush=True,
        )


def main() -> None:
    """Read the command line, make the pairs, measure."""
    if sys.argv[1:2] == ["--one"]:
        name, folder, repeat = json.loads(sys.argv[2])
        print(json.dumps(one(name, Path(folder), repeat, 0.0 if repeat == 1 else 1.5)))
        return
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sites", type=int, default=1000)
    ask.add_argument("--hours", type=int, default=8760)
    ask.add_argument("--kind", choices=["float64", "float32"], default="float64")
    ask.add_argument("--repeat", type=int, default=15, help="runs of ours in a process")
    ask.add_argument("--rounds", type=int, default=3, help="processes of each contender")
    ask.add_argument("--alternatives", help="an interpreter with xskillscore, scores and hydrotools.metrics")
    ask.add_argument("--teehr", help="an interpreter with teehr")
    ask.add_argument("--large", type=int, nargs="*", metavar=("SITES", "YEARS"), help="also, 100000 10 unless told")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="dmod-evaluate-") as scratch:
        folder = Path(scratch)
        make(folder, given.sites, given.hours, given.kind)
        print(
            f"{given.sites:,} sites x {given.hours:,} hours of {given.kind}; load {os.getloadavg()[0]:.1f}", flush=True
        )
        cold(folder, 3)
        memory(folder)
        beside(folder, given)
        print(f"load at the end {os.getloadavg()[0]:.1f}")
    if given.large is not None:
        large(*(given.large or (100_000, 10)))


if __name__ == "__main__":
    main()
