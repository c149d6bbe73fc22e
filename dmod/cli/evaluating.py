"""How good a run is: ``dmod evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmod.cli.answer import Json, Quiet, answer, app
from dmod.cli.evaluation_told import table, told, written
from dmod.cli.telling import progress_bar
from dmod.errors import InputError

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["evaluate"]

_SPECIFICATIONS = (".json", ".yaml", ".yml")
_WRITTEN = (".nc", ".csv", ".json")

Against = Annotated[str | None, typer.Option(help="Observations: a file, in any format that dmod reads, or a URL.")]
Gage = Annotated[str | None, typer.Option(help="Gage of the hydrofabric, where one of several is meant.")]
Metrics = Annotated[str | None, typer.Option(help="Names, separated by commas; 'standard' and 'all' are known.")]
Thresholds = Annotated[str | None, typer.Option(help="'q90', '100 m3 s-1', '5 years', separated by commas, or a file.")]
Target = Annotated[
    str | None, typer.Argument(help="Specification (JSON, YAML), job, run directory, or outputs.", show_default=False)
]
Output = Annotated[Path | None, typer.Option(help="Save it as NetCDF, or its scores as .csv or .json.")]
Page = Annotated[Path | None, typer.Option(help="Write a page of scores and figures, .html.")]
Groups = Annotated[str | None, typer.Option(help="season, month, year, water_year, hour or flow_class.")]
Sure = Annotated[
    str | None, typer.Option("--confidence", help="Intervals: '0.9', or '0.9 30D' with blocks of 30 days.")
]
ScoringAs = Annotated[
    str | None, typer.Option("--scoring", help="corrected, or dmod for grades as the original gives them.")
]
Templates = Annotated[Path | None, typer.Option(help="Manifest of templates, its directory, or a zip file.")]
Folder = Annotated[Path | None, typer.Option(help="What a specification's addresses are relative to.")]


@app.command()
def evaluate(
    target: Target = None,
    against: Against = None,
    gage: Gage = None,
    metrics: Metrics = None,
    thresholds: Thresholds = None,
    groups: Groups = None,
    confidence: Sure = None,
    output: Output = None,
    report: Page = None,
    scoring: ScoringAs = None,
    templates: Templates = None,
    folder: Folder = None,
    check: Annotated[bool, typer.Option("--check", help="Say all that is wrong; run nothing.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of specifications.")] = False,
    list_metrics: Annotated[bool, typer.Option("--list-metrics", help="List the metrics.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say how good a run is: by a specification, or against observations."""
    of_runs = {
        "gage": gage, "metrics": metrics, "thresholds": thresholds, "groups": groups, "confidence": confidence,
    }  # fmt: skip
    of_specifications = {"templates": templates, "folder": folder, "scoring": scoring}
    read = {**of_specifications, "scoring": scoring or "corrected"}

    def act() -> dict[str, Any]:
        if schema:
            return _schema(as_json=as_json)
        if scoring not in (None, "corrected", "dmod"):
            raise InputError(f"there is no scoring {scoring!r}", known="corrected, dmod")
        if list_metrics:
            return _listed(scoring or "corrected", as_json=as_json)
        if target is None:
            raise InputError("nothing to evaluate", hint="name a specification, a job, a run directory or outputs")
        _refuse_together(target, against, of_runs, of_specifications, check=check)
        if check:
            return _checked(target, read, quiet=quiet, as_json=as_json)
        _refuse_early(target, against, output, report)
        with progress_bar("evaluating", show=not quiet and not as_json) as tell:
            if against is None:
                from dmod.evaluation.spec_run import run_specification

                made = run_specification(target, **read, progress=tell)  # type: ignore[arg-type]
            else:
                made = _compared(target, against, gage, _asked(metrics, thresholds, groups, confidence))
        lines = [table(made), *written(made, output, report)]
        if not as_json and not quiet:
            typer.echo("\n".join(lines))
        return told(made)

    answer(act, as_json=as_json)


def _schema(*, as_json: bool) -> dict[str, Any]:
    from dmod.evaluation.specification import json_schema

    made = json_schema()
    if not as_json:
        typer.echo(json.dumps(made, indent=2))
    return made


def _listed(scoring: str, *, as_json: bool) -> dict[str, Any]:
    """The metrics there are, or those of the original."""
    if scoring == "dmod":
        from dmod.evaluation.original import ORIGINAL

        rows = [{"name": m.name, "ideal": m.ideal, "scaled_between": m.bounds} for m in ORIGINAL.values()]
        lines = [m.name for m in ORIGINAL.values()]
    else:
        from dmod.evaluation.metric import METRICS

        found = sorted(METRICS.values(), key=lambda m: m.name)
        rows = [{"name": m.name, "title": m.title, "units": m.units, "formula": m.formula} for m in found]
        width = max(len(m.name) for m in found)
        lines = [f"{m.name:<{width}}  {m.title} [{m.units}]" for m in found]
    if not as_json:
        typer.echo("\n".join(lines))
    return {"metrics": [{k: v if v != float("inf") else None for k, v in row.items()} for row in rows]}


def _checked(target: str, read: dict[str, Any], *, quiet: bool, as_json: bool) -> dict[str, Any]:
    """Everything that is wrong with a specification; exit code 2 if something is."""
    from dmod.evaluation.spec_reading import check_specification

    found = check_specification(target, **read)
    if not as_json and not (quiet and found.ok):
        typer.echo(str(found), err=not found.ok)
    if not found.ok:
        if as_json:
            typer.echo(json.dumps(found.to_dict()))
        raise typer.Exit(2)
    return found.to_dict()


def _refuse_early(target: str, against: str | None, output: Path | None, report: Path | None) -> None:
    """Before work starts: whether there is something to compare, and results could be written."""
    if against is None and not _is_specification(target):
        raise InputError(
            "there is nothing to compare it with", target=target,
            hint="name observations with --against, or a specification that ends in .json or .yaml",
        )  # fmt: skip
    for path in (output, report):
        if path is not None and not path.expanduser().resolve().parent.is_dir():
            raise InputError("there is no such directory", path=path, hint="make it first, or choose another place")
    if output is not None and output.suffix.lower() not in _WRITTEN:
        raise InputError(f"{output.name} does not say what to write", known=", ".join(_WRITTEN))
    if report is not None and report.suffix.lower() not in (".html", ".htm"):
        raise InputError("a report is a page of HTML", path=report, hint="let its name end in .html")


def _refuse_together(
    target: str, against: str | None, of_runs: dict[str, Any], of_specifications: dict[str, Any], *, check: bool
) -> None:
    """Options that do not go together, or not with what is evaluated."""
    if _is_specification(target):
        said = [f"--{name}" for name, value in {"against": against, **of_runs}.items() if value is not None]
        if said:
            raise InputError(
                f"{' and '.join(said)} do{'es' * (len(said) == 1)} not go with a specification", specification=target,
                hint="the specification itself says what is compared and how: write it there",
            )  # fmt: skip
        return
    said = [f"--{name}" for name, value in of_specifications.items() if value is not None]
    if check:
        said.append("--check")
    if said:
        raise InputError(
            f"{' and '.join(said)} go{'es' * (len(said) == 1)} with a specification only", target=target,
            hint="name a file that ends in .json, .yaml or .yml, or leave it away",
        )  # fmt: skip


def _is_specification(target: str) -> bool:
    """Whether *target* is called as a specification is."""
    return Path(target).suffix.lower() in _SPECIFICATIONS


def _asked(metrics: str | None, thresholds: str | None, groups: str | None, confidence: str | None) -> dict[str, Any]:
    """What was asked for, as `dmod.evaluate` takes it."""
    from dmod.evaluation.bootstrap import Confidence
    from dmod.evaluation.grouping import GROUPINGS

    asked: dict[str, Any] = {}
    if groups is not None:
        named = [name.strip() for name in groups.split(",") if name.strip()]
        if wrong := [name for name in named if name not in GROUPINGS]:
            raise InputError(f"there is no grouping {wrong[0]!r}", known=", ".join(GROUPINGS))
        asked["groups"] = named[0] if len(named) == 1 else named
    if confidence is not None:
        level, *block = confidence.replace(",", " ").split(maxsplit=1) or [""]
        if not _is_number(level):
            raise InputError(f"{confidence!r} is no level of confidence", hint="such as 0.9, or '0.9 30D'")
        asked["confidence"] = Confidence(float(level), block=block[0].strip()) if block else Confidence(float(level))
    if metrics is not None:
        named = [name.strip() for name in metrics.split(",") if name.strip()]
        asked["metrics"] = named[0] if named in (["standard"], ["all"]) else named
    if thresholds is not None:
        levels = [t.strip() for t in thresholds.split(",") if t.strip()]
        if not Path(thresholds).is_file() and (bare := [t for t in levels if _is_number(t)]):
            raise InputError(
                f"the threshold {bare[0]} has no units", hint=f"write '{bare[0]} m3 s-1', or 'q90' for a quantile"
            )
        asked["thresholds"] = thresholds if Path(thresholds).is_file() else levels
    return asked


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _compared(target: str, against: str, gage: str | None, asked: dict[str, Any]) -> Evaluation:
    """A job, a run directory or outputs against observations."""
    from dmod.evaluation.evaluate import evaluate as compare

    if not Path(target).exists():
        from dmod.session import Session

        with Session() as session:
            return session.job(target).evaluate(against, gage=gage, **asked)
    sim: Any = Path(target)
    if sim.is_dir() and (domain := _domain(sim)) is not None:
        return _at_gages(sim, domain, against, gage, asked)
    if gage is not None:
        raise InputError(
            "these outputs have no hydrofabric that knows gages", path=target, hint="name the run directory or the job"
        )
    return compare(sim, against, **asked)


def _domain(directory: Path) -> Any:
    """The domain of a run directory; None where it is one of outputs only."""
    from dmod.domain.domain import Domain
    from dmod.errors import DmodError
    from dmod.model.run_directory import find_run_directory

    try:
        found = find_run_directory(directory)
    except DmodError:
        return None
    return Domain.open(found.hydrofabric, found.nexus)


def _at_gages(directory: Path, domain: Any, against: str, gage: str | None, asked: dict[str, Any]) -> Evaluation:
    """Flow at the nexuses of gages against observations."""
    from dmod.evaluation.evaluate import evaluate as compare
    from dmod.evaluation.observations import read_observations
    from dmod.formats.outputs import open_outputs

    flow = open_outputs(directory)["nexus_flow"]
    gages = domain.gages
    if gage is None and len(gages) != 1:
        return compare(flow, against, crosswalk=domain, **asked)
    chosen = next(iter(gages)) if gage is None else gage
    if chosen not in gages:
        raise InputError(f"gage {chosen} is not in the domain", has=", ".join(list(gages)[:8]) or "no gages")
    nexus = gages[chosen][1]
    obs = read_observations(against)
    sites = [str(name) for name in obs["site"].values] if "site" in obs.dims else []
    if len(sites) > 1 and chosen in sites:
        obs = obs.sel(site=chosen)
    return compare(flow.sel({"nexus-id": nexus}).load(), obs, name=f"{nexus} against gage {chosen}", **asked)
