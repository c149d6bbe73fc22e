"""Commands about jobs that last: ``dmod serve | submit | jobs | status | logs | cancel | restart | delete``."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from dmod.cli.answer import Json, Quiet, answer, app
from dmod.cli.options import (
    Catchments,
    End,
    Hosts,
    Image,
    Memory,
    On,
    Output,
    OutputFormat,
    Overwrite,
    Ranks,
    Start,
    Workers,
    place,
)
from dmod.errors import InputError, RunError

__all__ = ["cancel", "delete", "jobs", "logs", "restart", "serve", "status", "submit"]

_STOP_S = 30
_NOBODY = "nobody conducts jobs here yet: start `dmod serve`, and this one begins"

JobId = Annotated[str, typer.Argument(help="Id of the job, or a beginning of it that is clear.", show_default=False)]


@app.command()
def serve(
    cores: Annotated[int | None, typer.Option(min=1, help="Cores to give to jobs; all otherwise.")] = None,
    http: Annotated[bool, typer.Option("--http", help="Answer over HTTP too, to whoever has a token.")] = False,
    ip: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 8787,
    root: Annotated[
        str, typer.Option(help="Directory that run directories are in; {user} in it stands for who asks.")
    ] = ".",
    tokens: Annotated[
        Path | None, typer.Option(help="File of users and tokens; otherwise one token, for you alone.")
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="Be a service of the JupyterHub that starts this.")] = False,
    quiet: Quiet = False,
) -> None:
    """Conduct jobs until stopped, so that they outlive notebooks and terminals."""

    def act() -> dict[str, Any]:
        def say(text: str) -> None:
            if not quiet:
                typer.echo(text)

        if http or hub:
            from dmod.gateway.serving import serve_over_http

            serve_over_http(cores=cores, ip=ip, port=port, root=root, tokens=tokens, hub=hub, say=say)
        else:
            from dmod.gateway.serve import serve_until_stopped

            serve_until_stopped(cores=cores, say=say)
        return {}

    answer(act, as_json=False)


@app.command()
def submit(
    request: Annotated[
        Any,
        typer.Argument(
            help="Run directory or its address, job request or provenance.json.",
            show_default=False,
            parser=place,
            metavar="REQUEST",
        ),
    ],
    output: Output = None,
    output_format: OutputFormat = "netcdf",
    catchments: Catchments = None,
    start: Start = None,
    end: End = None,
    workers: Workers = None,
    memory: Memory = None,
    on: On = "dask",
    ranks: Ranks = None,
    image: Image = None,
    hosts: Hosts = "",
    priority: Annotated[int, typer.Option(min=0, max=100, help="The higher, the sooner.")] = 50,
    overwrite: Overwrite = False,
    print_request: Annotated[bool, typer.Option("--print-request", help="Print the request, submit nothing.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Hand a run over to `dmod serve`; prints the id of its job."""

    def act() -> dict[str, Any]:
        from dmod.session import Session, request_from

        asked = request_from(
            request, output=output, output_format=output_format, catchments=catchments, start=start, end=end,
            workers=workers, memory=memory, priority=priority, overwrite=overwrite, on=on, ranks=ranks, image=image,
            hosts=hosts,
        )  # fmt: skip
        if print_request:
            typer.echo(asked.to_json())
            raise typer.Exit
        with Session() as session:
            served = session.service.served()
            job = session.service.submit(asked, attend=False)
        if not as_json:
            typer.echo(job)
        if not served and not quiet:
            typer.echo(_NOBODY, err=True)
        return {"id": job, "served": served}

    answer(act, as_json=as_json)


@app.command()
def jobs(
    active: Annotated[bool, typer.Option("--active", help="Only jobs that have not ended.")] = False,
    as_json: Json = False,
) -> None:
    """List jobs, newest first."""

    def act() -> dict[str, Any]:
        from dmod.session import Session

        with Session() as session:
            found = session.jobs
            if active:
                found = type(found)(job for job in found if not job.state.is_final)
            rows = found.rows()
            if not as_json:
                typer.echo(repr(found))
        return {"jobs": rows}

    answer(act, as_json=as_json)


@app.command()
def status(job: JobId, as_json: Json = False) -> None:
    """Say where a job stands."""

    def act() -> dict[str, Any]:
        from dmod.session import Session

        with Session() as session:
            found = session.job(job)
            told = found.status()
            if not as_json:
                _tell(told, [f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(e.time_s))}  {e.state:<12} {e.message}"
                             for e in found.events])  # fmt: skip
        return told

    answer(act, as_json=as_json)


def _tell(told: dict[str, Any], history: list[str]) -> None:
    """A status, as people read it."""
    typer.echo(f"{told['id']}: {told['state']}, {told['fraction']:.0%}")
    for name in ("catchments", "steps", "simulated_time", "workers", "rate", "remaining_s", "output", "partial"):
        if told.get(name) is not None:
            value = f"{told[name]:,.0f}" if isinstance(told[name], float) else told[name]
            typer.echo(f"  {name:<15} {value}")
    for line in history:
        typer.echo(f"  {line}")


@app.command()
def logs(
    job: JobId, follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until it ends.")] = False
) -> None:
    """Print what was said while a job was conducted."""

    def act() -> dict[str, Any]:
        from dmod.session import Session

        with Session() as session:
            for line in session.job(job).logs(follow=follow):
                typer.echo(line, nl=not line.endswith("\n"))
        return {}

    answer(act, as_json=False)


@app.command()
def cancel(job: JobId, quiet: Quiet = False, as_json: Json = False) -> None:
    """Have a job stop; what it wrote stays, marked as partial."""
    _do(job, "cancel", "will stop", quiet=quiet, as_json=as_json)


@app.command()
def restart(job: JobId, quiet: Quiet = False, as_json: Json = False) -> None:
    """Have a job that failed or was cancelled run again, from where it can."""
    _do(job, "restart", "will run again", quiet=quiet, as_json=as_json)


@app.command()
def delete(job: JobId, quiet: Quiet = False, as_json: Json = False) -> None:
    """Forget a job that has ended; its outputs stay."""
    _do(job, "delete", "is forgotten", quiet=quiet, as_json=as_json)


def _do(job: str, verb: str, said: str, *, quiet: bool, as_json: bool) -> None:
    """Do one thing to one job."""

    def act() -> dict[str, Any]:
        from dmod.job.lifecycle import Goal
        from dmod.session import Session

        with Session() as session:
            service, name = session.service, session.job(job).id
            if verb == "cancel":
                service.set_goal(name, Goal.CANCELLED, attend=False)
                if not service.conducted(name):
                    service.attend(name)  # nobody else would see it to its end
                    with contextlib.suppress(RunError, TimeoutError):
                        session.job(name).wait(_STOP_S)
            elif verb == "restart":
                service.restart(name, attend=False)
                if not quiet and not service.served():
                    typer.echo(_NOBODY, err=True)
            elif verb == "delete":
                service.delete(name)
            else:
                raise InputError(f"there is no {verb}")
            if not quiet and not as_json:
                typer.echo(f"{name} {said}")
        return {"id": name}

    answer(act, as_json=as_json)
