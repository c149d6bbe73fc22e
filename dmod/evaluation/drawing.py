"""A figure as a method of the evaluation that it is of: its own signature, and errors that say what it takes."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from dmod.errors import InputError

__all__ = ["method_of"]

_OTHERS = inspect.Parameter.VAR_POSITIONAL
_ANY = inspect.Parameter.VAR_KEYWORD


def method_of(evaluation: Any, draw: Callable[..., Any], name: str) -> Callable[..., Any]:
    """*draw* with *evaluation* as its first argument.

    Parameters
    ----------
    evaluation : Evaluation
        What is drawn.
    draw : callable
        A plug-in: ``draw(evaluation, *others, **options)``.
    name : str
        What it is called.

    Returns
    -------
    callable
        With the signature and the docstring of *draw*, but for its first parameter. It raises an
        `InputError` if it is called with what *draw* does not take.
    """
    whole = inspect.signature(draw)
    own = whole.replace(parameters=list(whole.parameters.values())[1:])

    @functools.wraps(draw)
    def drawn(*others: Any, **options: Any) -> Any:
        _refuse(name, own, type(evaluation), others, options)
        return draw(evaluation, *others, **options)

    drawn.__name__ = name
    drawn.__doc__ = _without_first(inspect.getdoc(draw) or "")
    drawn.__signature__ = own  # type: ignore[attr-defined]
    return drawn


def _refuse(name: str, own: inspect.Signature, kind: type, others: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Others where one evaluation is shown, what is no evaluation, and options that it does not have."""
    kinds = {parameter.kind for parameter in own.parameters.values()}
    known = [parameter.name for parameter in own.parameters.values() if parameter.kind not in (_OTHERS, _ANY)]
    listed = ", ".join(known) or "none"
    if strange := [one for one in others if not isinstance(one, kind)]:
        raise InputError(
            f"{name} is given by name what it shows", has=type(strange[0]).__name__, options=listed,
            hint=f"write place={strange[0]!r}" if "place" in known and isinstance(strange[0], str)
            else "without a name there are other evaluations only",
        )  # fmt: skip
    if others and _OTHERS not in kinds:
        raise InputError(
            f"{name} shows one evaluation", has=f"{len(others) + 1}", needed="none beside it",
            hint="draw each by itself, or take a figure of several, such as comparison",
        )  # fmt: skip
    wrong = [key for key in options if key not in known]
    if wrong and _ANY not in kinds:
        near = difflib.get_close_matches(wrong[0], known, n=1)
        raise InputError(
            f"{name} has no option {' and '.join(map(repr, wrong))}", options=listed,
            hint=f"did you mean {near[0]}?" if near else "choose among 'options'",
        )  # fmt: skip


def _without_first(text: str) -> str:
    """A docstring whose parameters do not name the evaluation."""
    text = re.sub(r"^evaluation, others :", "*others :", text, count=1, flags=re.MULTILINE)
    return re.sub(r"^evaluation :.*\n(?:    .*\n)+", "", text, count=1, flags=re.MULTILINE)
