"""How every command answers: to people, or as one JSON object, and with an honest exit code."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Annotated, Any

import typer

from dmod.errors import CheckError, DmodError

__all__ = ["Json", "Quiet", "answer", "app", "main"]

app = typer.Typer(
    help="Run NextGen models: check a run directory, run it, see how good it is.",
    no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def main() -> None:
    """Run the command line; the entry point of the ``dmod`` script."""
    # Dask leaves futures behind that nobody asks for when a cluster closes; asyncio would tell of them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    app()


def _version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        from dmod import __version__

        typer.echo(f"dmod {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Run NextGen models: check a run directory, run it, see how good it is."""


def answer(act: Callable[[], dict[str, Any]], *, as_json: bool) -> None:
    """Do something and end with an honest exit code."""
    try:
        answer = act()
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(1) from None
    except DmodError as problem:
        if as_json:
            facts = {key: str(value) for key, value in problem.facts.items()}
            more = problem.report.to_dict() if isinstance(problem, CheckError) else {}
            typer.echo(
                json.dumps(
                    {
                        "error": type(problem).__name__,
                        "message": problem.headline,
                        "hint": problem.hint,
                        "facts": facts,
                        **more,
                    }
                )
            )
        else:
            typer.echo(f"{problem}" if isinstance(problem, CheckError) else f"error: {problem}", err=True)
        raise typer.Exit(problem.exit_code) from None
    if as_json:
        typer.echo(json.dumps(answer))
