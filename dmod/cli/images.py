"""Commands about images that runs are started in: ``dmod image build | list | check``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmod.cli.answer import Json, Quiet, answer
from dmod.cli.answer import app as top

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["app"]

app = typer.Typer(help="Images: build ours, see what there is, check any before a run.", no_args_is_help=True)
top.add_typer(app, name="image")

Engine = Annotated[
    str | None, typer.Option(help="Address of a Docker engine, unix:///… or tcp://host:port; the usual one otherwise.")
]


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="Which of those that `dmod image list` shows.")] = "worker",
    tag: Annotated[str | None, typer.Option(help="What it is called; dmod-worker:VERSION otherwise.")] = None,
    base: Annotated[str | None, typer.Option(help="The image to build on; a python:3.N-slim otherwise.")] = None,
    engine: Engine = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Build an image with this dmod inside."""

    def act() -> dict[str, Any]:
        from dmod.execution.image_build import build_image, folder_named

        def say(line: str) -> None:
            if not quiet and not as_json:
                typer.echo(line, err=True)

        folder = folder_named(name)
        with _client(engine) as client:
            made = build_image(client, folder, tag=tag, base=base, say=say)
        if not quiet and not as_json:
            typer.echo(f"{', '.join(made.tags)}  {made.size_bytes / 1e6:,.0f} MB")
        return {"tags": list(made.tags), "digest": made.digest, "engine": made.engine, "size": made.size_bytes}

    answer(act, as_json=as_json)


@app.command("list")
def list_(engine: Engine = None, as_json: Json = False) -> None:
    """List images that can be built, and which of them are."""

    def act() -> dict[str, Any]:
        from dmod.execution.image_build import built_images, image_folders

        rows = []
        with _client(engine) as client:
            for name, folder in image_folders().items():
                found = built_images(client, folder)
                rows.append(
                    {
                        "name": name, "image": folder.name, "title": folder.title,
                        "built": [
                            {"tags": list(one.tags), "digest": one.digest, "engine": one.engine,
                             "size": one.size_bytes, "created": one.created}
                            for one in found
                        ],
                    }
                )  # fmt: skip
                if not as_json:
                    typer.echo(f"{name}  {folder.title}")
                    for one in found:
                        size = f"{one.size_bytes / 1e6:,.0f} MB"
                        typer.echo(f"  {', '.join(one.tags)}  dmod {one.engine}  {size}  {one.created}")
                    if not found:
                        typer.echo(f"  not built: dmod image build {name}")
        return {"images": rows}

    answer(act, as_json=as_json)


@app.command()
def check(
    image: Annotated[str, typer.Argument(help="Name of an image.", show_default=False)],
    pull: Annotated[bool, typer.Option("--pull", help="Fetch it where the engine does not have it.")] = False,
    engine: Engine = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """See whether a run can be started in an image, and what is in it."""

    def act() -> dict[str, Any]:
        from dmod.execution.docker_image import image_facts

        with _client(engine) as client:
            found = image_facts(client, image, pull=pull)
        told = {
            "image": found.name, "digest": found.digest, "architecture": found.architecture,
            "ngen-parallel": found.parallel, "ngen-serial": found.serial, "mpirun": found.mpirun, "mpi": found.mpi,
            "engine": "dmod" if found.ours else "ngen", "versions": dict(found.versions), "info": found.info,
        }  # fmt: skip
        if not quiet and not as_json:
            _tell(told)
        return told

    answer(act, as_json=as_json)


def _tell(told: dict[str, Any]) -> None:
    """What was found, as people read it."""
    rows = {key: value for key, value in told.items() if key not in ("versions", "info")} | told["versions"]
    width = max(map(len, rows))
    for key, value in rows.items():
        typer.echo(f"{key:<{width}}  {'none' if value is None else value}")
    if told["info"]:
        typer.echo("\n" + told["info"])


@contextmanager
def _client(address: str | None) -> Iterator[DockerClient]:
    """A client of an engine."""
    from dmod.execution.docker_engine import connect

    client = connect(address)
    try:
        yield client
    finally:
        client.close()
