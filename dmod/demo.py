"""The demo: a river basin out of nothing, run, compared with its gage, and drawn.

Everything is made here, nothing is downloaded, and the same seed gives the same result.
The "observed" flow is the flow of a twin of the basin with other soils, made a little
noisy as gages are; so the scores say how far the parameters are off, as they would in
the field.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dmod.errors import OutputError
from dmod.prepare.basin import Basin, make_basin, perturb_configs
from dmod.session import Job, Session

if TYPE_CHECKING:
    import xarray as xr

    from dmod.evaluation.evaluate import Evaluation

__all__ = ["Demo", "run_demo"]

_MARK = "dmod-demo.json"
#: Spread of the gage's error, and how much of it stays from one hour to the next.
_NOISE, _MEMORY = 0.06, 0.9


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    #: The basin, an ordinary run directory.
    basin: Basin
    #: The run.
    job: Job
    #: How it compares with the gage.
    evaluation: Evaluation
    #: Observations, picture and page.
    observations: Path
    picture: Path
    page: Path

    @property
    def scores(self) -> dict[str, float]:
        """Scores by name."""
        held = self.evaluation
        return {name: float(held.scores[name]) for name in (*held.metrics, "sample_size")}

    def to_dict(self) -> dict[str, Any]:
        """Everything in types that JSON has."""
        return {
            "directory": str(self.basin.directory), "outputs": str(self.job.request.target), "gage": self.basin.gage,
            "nexus": self.basin.gage_nexus, "observations": str(self.observations), "picture": str(self.picture),
            "page": str(self.page), "scores": self.scores,
        }  # fmt: skip

    def summary(self) -> str:
        """Where everything is and what to type next."""
        where = self.basin.directory
        scores = self.scores
        told = f"KGE {scores['kge']:.2f}, NSE {scores['nse']:.2f}, bias {scores['pbias']:+.1f} %"
        return "\n".join(
            [
                "",
                f"gage {self.basin.gage} at {self.basin.gage_nexus}: " + told,
                "",
                f"page          {self.page}",
                f"hydrograph    {self.picture}",
                f"run directory {where}",
                f"outputs       {self.job.request.target}",
                f"observations  {self.observations}",
                "",
                "next:",
                f"  dmod check {where}",
                f"  dmod run {where} --overwrite",
                f"  python -i -c \"import dmod; flows = dmod.open_outputs('{where}'); print(flows)\"",
            ]
        )


def run_demo(
    directory: Path,
    *,
    catchments: int = 60,
    days: int = 120,
    seed: int = 42,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
    watch: Callable[[Job], object] | None = None,
) -> Demo:
    """Make a basin, run it, compare it with its gage, and draw the result.

    Parameters
    ----------
    directory : Path
        Where; made if missing.
    catchments, days : int
        Size of the basin, and of its hourly weather.
    seed : int
        The same seed gives the same result.
    overwrite : bool
        Whether an earlier demo there may be replaced.
    say : callable
        Told what is done, line by line.
    watch : callable, optional
        Given the run, to wait for it and show its progress; it is waited for anyhow.

    Returns
    -------
    Demo
        What was made.

    Raises
    ------
    OutputError
        If the directory holds something else than an earlier demo.
    DmodError
        If a run fails.
    """
    _clear(directory, overwrite=overwrite)
    say(f"making a river basin of {catchments} catchments with {days} days of hourly weather")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _MARK).write_text(json.dumps({"catchments": catchments, "days": days, "seed": seed}) + "\n")
    basin = make_basin(directory, catchments=catchments, days=days, seed=seed)
    say("observing its gage: running a twin with other soils (the first time, models are compiled)")
    observations = _observe(basin, seed=seed)
    say("running it")
    job = Session().run(directory)
    if watch is not None:
        watch(job)
    job.wait()
    evaluation = job.evaluate(observations, gage=basin.gage)
    picture, page = _draw(basin, job, evaluation)
    return Demo(basin, job, evaluation, observations, picture, page)


def _clear(directory: Path, *, overwrite: bool) -> None:
    """Make way, if what is there is an earlier demo and may go."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise OutputError("the demo's directory is a file", path=directory, hint="name another directory")
    held = sorted(item.name for item in directory.iterdir())
    if not held:
        return
    if _MARK not in held:
        raise OutputError(
            "the demo's directory holds other things",
            directory=directory,
            has=", ".join(held[:5]),
            hint="name an empty or new directory: dmod demo DIRECTORY",
        )
    if not overwrite:
        raise OutputError(
            "there is an earlier demo",
            directory=directory,
            hint="look at its report.html, pass --overwrite to make it again, or name another directory",
        )
    shutil.rmtree(directory)


def _observe(basin: Basin, *, seed: int) -> Path:
    """Observations at the gage, as a CSV file in the run directory."""
    with tempfile.TemporaryDirectory(prefix="dmod-demo-") as scratch:
        perturb_configs(basin, Path(scratch), seed=seed + 1)
        twin = Session().run(Path(scratch)).wait()
        flow = twin.outputs["nexus_flow"].sel({"nexus-id": basin.gage_nexus}).load()
    seen = _noisy(flow, np.random.default_rng(seed))
    path = basin.directory / "observations" / f"{basin.gage}.csv"
    path.parent.mkdir(exist_ok=True)
    table = seen.to_series().round(4).rename("flow [m3 s-1]")
    table.to_csv(path, index_label="time", date_format="%Y-%m-%dT%H:%M:%SZ")
    return path


def _noisy(flow: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
    """Flow as a gage would see it: a few percent off, and off by alike from hour to hour."""
    shocks = rng.normal(0.0, _NOISE * np.sqrt(1.0 - _MEMORY**2), flow.size)
    error = np.empty(flow.size)
    last = rng.normal(0.0, _NOISE)
    for i, shock in enumerate(shocks):
        last = _MEMORY * last + shock
        error[i] = last
    return flow * np.exp(error)


def _draw(basin: Basin, job: Job, evaluation: Evaluation) -> tuple[Path, Path]:
    """The hydrograph as a picture, and the summary as a page."""
    from dmod.view.maps import domain_map
    from dmod.view.plots import hydrograph, save_figure
    from dmod.view.report import write_report

    rain = job.outputs["RAIN_RATE"].sel({"catchment-id": list(basin.gage_ids)}).mean("catchment-id", keep_attrs=True)
    title = f"Flow at gage {basin.gage} ({basin.gage_area_km2:.0f} km²)"
    figure = hydrograph(evaluation, rain=rain.load(), title=title)
    picture = save_figure(figure, basin.directory / "hydrograph.png")
    fabric = job.domain.hydrofabric
    chart = domain_map(
        fabric.geometry("divides"),
        fabric.geometry("flowpaths"),
        fabric.geometry("nexus"),
        gage=basin.gage_nexus,
    )
    page = write_report(
        basin.directory / "report.html", title=f"A made-up river basin of {len(basin.ids)} catchments",
        status=job.status(), evaluation=evaluation, figures={title: figure, "The basin and its gage": chart},
        facts={
            "area": f"{basin.area_km2:.0f} km²", "gage": f"{basin.gage} at {basin.gage_nexus}",
            "models": "SLoTH, PET and CFE, as ngen runs them", "run directory": str(basin.directory),
            "outputs": str(job.request.target),
        },
        next_steps=[f"`dmod check {basin.directory}`", f"`dmod run {basin.directory} --overwrite`",
                    f"in Python: `dmod.open_outputs('{basin.directory}')`"],
    )  # fmt: skip
    return picture, page
