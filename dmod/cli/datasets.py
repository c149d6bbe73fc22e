"""Commands about datasets: ``dmod datasets list | add | show | find | get | remove | verify | sweep``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmod.cli.answer import Json, Quiet, answer
from dmod.cli.answer import app as top
from dmod.cli.telling import progress_bar

if TYPE_CHECKING:
    from dmod.catalog.catalog import Catalog
    from dmod.catalog.table import DatasetList
    from dmod.data.dataset import Dataset

__all__ = ["app"]

app = typer.Typer(help="Datasets: what there is, what it covers, where it lies.", no_args_is_help=True)
top.add_typer(app, name="datasets")

Ref = Annotated[str, typer.Argument(help="Name or id of the dataset.", show_default=False)]
Category = Annotated[str | None, typer.Option(help="config, forcing, hydrofabric, observation or output.")]
Limit = Annotated[int | None, typer.Option(min=1, help="How many at most.")]


@app.command("list")
def list_(
    category: Category = None,
    owner: Annotated[str | None, typer.Option(help="Whose; everybody's otherwise.")] = None,
    text: Annotated[str | None, typer.Option(help="What name or description holds.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """List datasets, newest first."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog:
            return _listed(catalog.list(category, owner=owner, text=text, limit=limit), as_json=as_json)

    answer(act, as_json=as_json)


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="File or directory.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="What it is called; made of the path otherwise.")] = None,
    description: Annotated[str, typer.Option(help="What it is, in words.")] = "",
    category: Category = None,
    format_: Annotated[str | None, typer.Option("--format", help="Found out otherwise; generic for any file.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Leave it where it is; copy nothing.")] = False,
    expires_in: Annotated[str | None, typer.Option(help="How long it is kept: '7 days', '12h'.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Add a file or directory; what it is and what it covers is found out."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog, _progress("adding", show=not quiet and not as_json) as progress:
            added = catalog.add(
                path, name=name, description=description, category=category, format=format_, in_place=in_place,
                expires_in=expires_in, progress=progress,
            )  # fmt: skip
        if not quiet and not as_json:
            typer.echo(str(added))
        return _told(added)

    answer(act, as_json=as_json)


@app.command()
def show(ref: Ref, as_json: Json = False) -> None:
    """Say what a dataset is."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog:
            found = catalog.show(ref)
            users = catalog.ledger.uses(found.id)
        if not as_json:
            typer.echo(str(found))
            if users:
                typer.echo(f"  used by  {', '.join(users)}")
        return {**_told(found), "used_by": users}

    answer(act, as_json=as_json)


@app.command()
def find(
    category: Category = None,
    ids: Annotated[str | None, typer.Option(help="Ids that must be there, separated by commas.")] = None,
    start: Annotated[str | None, typer.Option(help="From when on, UTC.")] = None,
    end: Annotated[str | None, typer.Option(help="Until when, UTC, not included.")] = None,
    variables: Annotated[str | None, typer.Option(help="Variables that must be there, separated by commas.")] = None,
    format_: Annotated[list[str] | None, typer.Option("--format", help="Formats that will do; any otherwise.")] = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Say what covers this, the best first; exit code 1 if nothing does."""
    empty = False

    def act() -> dict[str, Any]:
        nonlocal empty
        with _catalog() as catalog:
            found = catalog.find(
                category, ids=ids, start=start, end=end, variables=variables, formats=format_ or None, limit=limit
            )
        empty = not found
        return _listed(found, as_json=as_json)

    answer(act, as_json=as_json)
    if empty:
        raise typer.Exit(1)


@app.command()
def get(
    ref: Ref,
    target: Annotated[Path, typer.Argument(help="Directory to copy it to; empty, or not there.", show_default=False)],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Copy a dataset out, all of it or nothing."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog, _progress("copying", show=not quiet and not as_json) as progress:
            found = catalog.show(ref)
            folder = catalog.get(found.id, target, progress=progress)
        files = sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())
        if not quiet and not as_json:
            typer.echo(f"{len(files):,} file{'s' * (len(files) != 1)} in {folder}")
        return {"name": found.name, "target": str(folder), "files": files, "size": found.size}

    answer(act, as_json=as_json)


@app.command()
def remove(ref: Ref, quiet: Quiet = False, as_json: Json = False) -> None:
    """Take a dataset out of the catalog; its bytes go with the next sweep, those in place stay."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog:
            gone = catalog.remove(ref)
        if not quiet and not as_json:
            typer.echo(f"{gone.name} is removed")
        return _told(gone)

    answer(act, as_json=as_json)


@app.command()
def verify(
    ref: Ref,
    remove_damaged: Annotated[
        bool, typer.Option("--remove-damaged", help="Remove what changed in the store, so that adding it again mends.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Read all bytes of a dataset and check that they are what was added."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog, _progress("reading", show=not quiet and not as_json) as progress:
            found = catalog.verify(ref, remove_damaged=remove_damaged, progress=progress)
        if not quiet and not as_json:
            typer.echo(f"{found.name} is what was added")
        return {"name": found.name, "digest": found.digest, "ok": True}

    answer(act, as_json=as_json)


@app.command()
def sweep(quiet: Quiet = False, as_json: Json = False) -> None:
    """Take out what has expired, and remove bytes that no dataset needs."""

    def act() -> dict[str, Any]:
        with _catalog() as catalog:
            gone = catalog.sweep()
        if not quiet and not as_json:
            typer.echo(f"expired: {', '.join(gone.expired) or 'none'}; removed {gone.size:,} bytes of the store")
        return {"expired": list(gone.expired), "objects": gone.objects, "size": gone.size}

    answer(act, as_json=as_json)


@contextmanager
def _catalog() -> Iterator[Catalog]:
    """The catalog of this session."""
    from dmod.session import Session

    with Session() as session:
        yield session.datasets


@contextmanager
def _progress(what: str, *, show: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step of bytes."""
    with progress_bar(what, show=show) as tell:
        yield lambda _step, done, total: tell(done / total if total else 1.0)


def _listed(found: DatasetList, *, as_json: bool) -> dict[str, Any]:
    """Datasets, as people or programs read them."""
    if not as_json:
        typer.echo(str(found))
    rows = [
        {
            "name": one.name, "id": one.id, "category": str(one.category), "format": str(one.format),
            "coverage": str(one.coverage), "size": one.size, "owner": one.owner, "created_s": one.created_s,
            "expires_s": one.expires_s,
        }
        for one in found
    ]  # fmt: skip
    return {"datasets": rows}


def _told(dataset: Dataset) -> dict[str, Any]:
    """All that is known of a dataset."""
    told: dict[str, Any] = json.loads(dataset.to_json())
    return told
