"""Commands that run things: ``dmod run | check | demo | doctor``."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmod.cli.answer import Json, Quiet, answer, app
from dmod.cli.options import (
    Catchments,
    End,
    Forcing,
    Gpus,
    Hosts,
    Hydrofabric,
    Image,
    Memory,
    On,
    Output,
    OutputFormat,
    Overwrite,
    Partitions,
    Ranks,
    Realization,
    RunDir,
    Start,
    Units,
    Workers,
)
from dmod.errors import DmodError, RunError

if TYPE_CHECKING:
    from dmod.session import Job

__all__ = ["check", "demo", "doctor", "run"]

_STOP_S = 30


@app.command()
def run(
    run_dir: RunDir = Path(),
    hydrofabric: Hydrofabric = None,
    realization: Realization = None,
    forcing: Forcing = None,
    output: Output = None,
    output_format: OutputFormat = "netcdf",
    catchments: Catchments = None,
    start: Start = None,
    end: End = None,
    workers: Workers = None,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler that runs already, tcp://host:port.")] = None,
    memory: Memory = None,
    on: On = "dask",
    ranks: Ranks = None,
    image: Image = None,
    hosts: Hosts = "",
    gpus: Gpus = None,
    partitions: Partitions = None,
    overwrite: Overwrite = False,
    units: Units = "strict",
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and start nothing.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run an ngen or NGIAB run directory just as it is."""
    asked: dict[str, Any] = {
        "hydrofabric": hydrofabric, "realization": realization, "forcing": forcing, "output": output,
        "output_format": output_format, "catchments": catchments, "start": start, "end": end, "workers": workers,
        "scheduler": scheduler, "memory": memory, "on": on, "ranks": ranks, "image": image, "hosts": hosts,
        "gpus": gpus, "partitions": partitions, "overwrite": overwrite, "units": units,
    }  # fmt: skip

    def act() -> dict[str, Any]:
        from dmod.session import Session

        if plan:
            text = str(Session().plan(run_dir, **asked))
            if not as_json:
                typer.echo(text)
            return {"plan": text}
        job = Session().run(run_dir, **asked)
        _watch(job, show=not quiet and not as_json)
        if not quiet and not as_json:
            _tell_run(job)
        return job.status()

    answer(act, as_json=as_json)


@app.command()
def check(
    run_dir: RunDir = Path(),
    hydrofabric: Hydrofabric = None,
    realization: Realization = None,
    forcing: Forcing = None,
    catchments: Catchments = None,
    start: Start = None,
    end: End = None,
    units: Units = "strict",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """See whether a run could start, and everything that is wrong with it."""

    def act() -> dict[str, Any]:
        from dmod.session import Session

        report = Session().check(
            run_dir, hydrofabric=hydrofabric, realization=realization, forcing=forcing, catchments=catchments,
            start=start, end=end, units=units,
        )  # fmt: skip
        if not as_json and not (quiet and report.ok):
            typer.echo(str(report), err=not report.ok)
        if not report.ok:
            if as_json:
                typer.echo(json.dumps(report.to_dict()))
            raise typer.Exit(2)
        return report.to_dict()

    answer(act, as_json=as_json)


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="Where to make the demo.")] = Path("dmod-demo"),
    catchments: Annotated[int, typer.Option(min=8, max=5000, help="Catchments of the basin.")] = 60,
    days: Annotated[int, typer.Option(min=2, max=3660, help="Days of hourly weather.")] = 120,
    seed: Annotated[int, typer.Option(help="The same seed makes the same basin.")] = 42,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make a river basin, run it, compare it with its gage, and draw the result."""

    def act() -> dict[str, Any]:
        from dmod.demo import run_demo

        def say(text: str) -> None:
            if not quiet and not as_json:
                typer.echo(text)

        made = run_demo(
            directory, catchments=catchments, days=days, seed=seed, overwrite=overwrite, say=say,
            watch=lambda job: _watch(job, show=not quiet and not as_json),
        )  # fmt: skip
        say(made.summary())
        return made.to_dict()

    answer(act, as_json=as_json)


@app.command()
def doctor(quiet: Quiet = False, as_json: Json = False) -> None:
    """Say what is installed: versions, engines, plug-ins, cores and memory."""

    def act() -> dict[str, Any]:
        from dmod.doctor import examine_installation

        found = examine_installation()
        if not as_json and not quiet:
            typer.echo(str(found))
        if found.broken:
            if quiet:
                typer.echo(str(found), err=True)
            if as_json:
                typer.echo(json.dumps(found.to_dict()))
            raise typer.Exit(1)
        return found.to_dict()

    answer(act, as_json=as_json)


def _watch(job: Job, *, show: bool) -> None:
    """Wait for a job, showing how far it is; Ctrl-C stops it."""
    try:
        if show and sys.stderr.isatty():
            _bar(job)
        job.wait()
    except KeyboardInterrupt:
        # A second Ctrl-C would tear Python down under a thread that still writes.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        job.cancel()
        typer.echo("stopping …", err=True)
        try:
            job.wait(_STOP_S)
        except TimeoutError:
            typer.echo(f"error: it did not stop within {_STOP_S} s and is given up", err=True)
            os._exit(1)  # workers see that nobody is there any more and end
        except RunError as problem:
            partial = job.status().get("partial")
            raise RunError(
                "stopped before it was complete", hint=f"what was written is in {partial}; it may be removed" if partial
                else "nothing was written",
            ) from problem  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)


def _bar(job: Job) -> None:
    """A progress bar until the job ends."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("starting", total=1.0, rate="")
        while not job.state.is_final:
            seen = job.progress
            rate = f"{seen.rate / 1e6:.1f} million catchment-steps/s" if seen.done else ""
            bar.update(task, completed=seen.fraction, description=str(job.state), rate=rate)
            try:
                job.wait(0.1)
            except TimeoutError:
                continue
            except DmodError:
                return


def _tell_run(job: Job) -> None:
    """What was run, and where it is."""
    if job.report is not None and job.report.findings:
        typer.echo(str(job.report), err=True)
    seen = job.progress
    typer.echo(f"{seen.total:,} catchment-steps in {seen.elapsed_s:.1f} s ({seen.rate:,.0f} per second)")
    target = job.target
    if job.request.delivery is not None:
        typer.echo(f"taken to {job.request.delivery}")
    typer.echo(f"outputs  {target}")
    typer.echo(f"next     python -c \"import dmod; print(dmod.open_outputs('{target}'))\"")
