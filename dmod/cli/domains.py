"""Commands about where on the river: ``dmod domain | subset | partition``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmod.cli.answer import Json, Quiet, answer, app
from dmod.cli.telling import progress_bar
from dmod.errors import InputError

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["domain", "partition", "subset"]

_FORMATS = ("gpkg", "parquet", "geojson")
_METHODS = ("auto", "contiguous", "metis")


def _one_of(*words: str) -> Callable[[], list[str]]:
    """What a shell offers where one of some words is wanted."""
    return lambda: list(words)


File = Annotated[str, typer.Argument(help="Hydrofabric: GeoPackage, GeoJSON, GeoParquet directory or URL.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]
Format = Annotated[str, typer.Option("--format", help="gpkg, parquet or geojson.", autocompletion=_one_of(*_FORMATS))]
Method = Annotated[str, typer.Option(help="auto, contiguous or metis.", autocompletion=_one_of(*_METHODS))]
Purpose = Annotated[
    str | None,
    typer.Option(
        "--for",
        help="What it is wanted for: ngen, troute or export.",
        autocompletion=_one_of("ngen", "troute", "export"),
    ),
]
Predicate = Annotated[
    str,
    typer.Option(help="intersects, within or centroid.", autocompletion=_one_of("intersects", "within", "centroid")),
]
At = Annotated[
    str,
    typer.Option(
        help="outlet, or nexus to take brothers at the outlet's nexus too.", autocompletion=_one_of("outlet", "nexus")
    ),
]


@app.command()
def domain(
    file: File,
    validate: Annotated[bool, typer.Option("--validate", help="Also say what is wrong with it.")] = False,
    for_: Purpose = None,
    geometry: Annotated[bool, typer.Option("--geometry", help="Also look at shapes.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say what a hydrofabric is, and with --validate whether it is sound."""

    def act() -> dict[str, Any]:
        found = _opened(file, quiet=quiet or as_json)
        told: dict[str, Any] = {"facts": found.facts()}
        if not quiet and not as_json:
            width = max(map(len, told["facts"]))
            typer.echo("\n".join(f"{label:<{width}}  {text}" for label, text in told["facts"].items()))
        if validate or for_ is not None or geometry:
            report = found.validate(for_, geometry=geometry)  # type: ignore[arg-type]
            told |= {"ok": report.ok, "findings": json.loads(report.table.to_json(orient="records"))}
            if not as_json and not (quiet and report.ok):
                typer.echo(str(report), err=not report.ok)
            if not report.ok:
                if as_json:
                    typer.echo(json.dumps(told))
                raise typer.Exit(2)
        return told

    answer(act, as_json=as_json)


@app.command()
def subset(
    file: File,
    selection: Annotated[
        list[str] | None, typer.Argument(help="Gages, catchments, flowpaths, nexuses, comid-N, vpu-03W, HUCs.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="GeoPackage, or directory of Parquet or GeoJSON; subset.gpkg or subset otherwise."),
    ] = None,
    output_format: Format = "gpkg",
    lon: Annotated[float | None, typer.Option(help="Longitude of a point [degrees].")] = None,
    lat: Annotated[float | None, typer.Option(help="Latitude of a point [degrees].")] = None,
    bbox: Annotated[str | None, typer.Option(help="west,south,east,north; degrees without --crs.")] = None,
    polygon: Annotated[Path | None, typer.Option(help="File of polygons, with its CRS.")] = None,
    crs: Annotated[
        str | None, typer.Option(help="CRS of --bbox, such as EPSG:5070, and of --polygon if it says none.")
    ] = None,
    predicate: Predicate = "intersects",
    upstream: Annotated[
        bool | None, typer.Option("--upstream/--no-upstream", help="With all that drains to it.")
    ] = None,
    at: At = "outlet",
    downstream_to: Annotated[str | None, typer.Option(help="Add the way down to there, or to the sea: end.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out this, with all that drains to it.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a piece of river to a file of its own."""

    def act() -> dict[str, Any]:
        asked = _names(selection)
        if not any((asked, bbox, polygon, lon is not None, lat is not None)):
            raise InputError("nothing was asked for", hint="name a gage, ids, --lon and --lat, --bbox or --polygon")
        target = _target(output, output_format)
        whole = _opened(file, quiet=quiet or as_json)
        found = whole.subset(
            asked or None, lon=lon, lat=lat, bbox=None if bbox is None else _numbers(bbox), polygon=polygon,
            crs=crs, predicate=predicate, upstream=upstream, at=at,
            downstream_to=True if downstream_to == "end" else downstream_to, exclude=_names(exclude) or None,
        )  # fmt: skip
        if output_format == "gpkg":
            with progress_bar("writing", show=not quiet and not as_json) as tell:
                found.to_gpkg(target, overwrite=overwrite, progress=tell)
        elif output_format == "parquet":
            found.to_parquet(target, overwrite=overwrite)
        else:
            found.to_geojson(target, overwrite=overwrite)
        if not quiet and not as_json:
            size = f"{_count(len(found), 'catchment')}, {found.area_km2:,.1f} km²"
            typer.echo("\n".join([*found.story, f"{size} in {target}"]))
        return {
            "output": str(target), "catchments": len(found), "flowpaths": len(found.flowpath_ids),
            "nexuses": len(found.nexus_ids), "area_km2": found.area_km2, "story": list(found.story),
        }  # fmt: skip

    answer(act, as_json=as_json)


@app.command()
def partition(
    file: File,
    parts: Annotated[int, typer.Option("-n", "--parts", help="How many parts.")],
    output: Annotated[Path | None, typer.Option(help="Where to; partitions_N.json otherwise.")] = None,
    weights: Annotated[str | None, typer.Option(help="area, or a CSV file: catchment id, weight.")] = None,
    method: Method = "auto",
    tolerance: Annotated[float, typer.Option(help="How much larger than its share a part may be [1].")] = 0.02,
    report: Annotated[bool, typer.Option("--report", help="Say how good the cut is.")] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Cut a hydrofabric into parts for ngen-parallel."""

    def act() -> dict[str, Any]:
        if method not in _METHODS:
            raise InputError(f"there is no method {method!r}", has=", ".join(_METHODS), hint="give one of 'has'")
        found = _opened(file, quiet=quiet or as_json)
        cut = found.partition(parts, weights=_weights(weights), method=method, tolerance=tolerance)  # type: ignore[arg-type]
        made = cut.to_json(output or Path(f"partitions_{len(cut)}.json"), overwrite=overwrite)
        if not quiet and not as_json:
            if cut.note:
                typer.echo(cut.note, err=True)
            if report:
                typer.echo(str(cut.report))
            typer.echo(f"{_count(len(cut), 'part')} of {_count(len(found), 'catchment')} in {made}")
        return {"output": str(made), "parts": len(cut), "note": cut.note, "report": dict(cut.report.rows())}

    answer(act, as_json=as_json)


def _opened(file: str, *, quiet: bool) -> Domain:
    """A domain; the building of an index shows how far it is."""
    from dmod.domain.domain import Domain

    with progress_bar("reading", show=not quiet) as tell:
        return Domain.open(file, progress=lambda share, _what: tell(share))


def _names(words: list[str] | None) -> list[str]:
    """Names given one by one, or with commas between."""
    return [name.strip() for word in words or () for name in word.split(",") if name.strip()]


def _target(output: Path | None, output_format: str) -> Path:
    """Where to write; a name that promises another format is refused."""
    if output_format not in _FORMATS:
        raise InputError(
            f"there is no format {output_format!r}", has=", ".join(_FORMATS), hint="give one of 'has' with --format"
        )
    if output is None:
        return Path("subset.gpkg" if output_format == "gpkg" else "subset")
    promised = {".gpkg": "gpkg", ".parquet": "parquet", ".geojson": "geojson", ".json": "geojson"}
    suffix = output.suffix.lower()
    if promised.get(suffix, output_format) != output_format:
        raise InputError(
            f"the name to write to says another format than {output_format}",
            has=str(output),
            hint="leave --format out, or name a directory"
            if suffix == ".gpkg"
            else f"add --format {promised[suffix]}, which makes a directory, or end the name with .gpkg",
        )
    return output


def _count(number: int, one: str) -> str:
    """A number of things."""
    return f"{number:,} {one}" + ("" if number == 1 else "s")


def _numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas."""
    try:
        return tuple(float(one) for one in text.split(","))
    except ValueError:
        raise InputError(f"cannot read {text!r}", needed="numbers separated by commas") from None


def _weights(text: str | None) -> Any:
    """Weights of catchments: by name, or from a file."""
    if text is None or text == "area":
        return text
    import pandas as pd

    try:
        table = pd.read_csv(text, index_col=0)
    except (OSError, ValueError) as problem:
        raise InputError(
            "the weights cannot be read", file=text, reason=str(problem).splitlines()[0],
            hint="give 'area', or a CSV file of two columns: catchment id, weight",
        ) from None  # fmt: skip
    if table.shape[1] != 1:
        raise InputError("weights are one column beside the ids", file=text, has=", ".join(map(str, table.columns)))
    return table.iloc[:, 0]
