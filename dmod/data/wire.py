"""How values of this room look as JSON, and how JSON becomes values again.

Reading is left to pydantic, which is imported when something is read: a wrong text is
refused with every place that is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from dmod.errors import DatasetError

__all__ = ["CoverageWire", "IdSetWire", "read_json", "write_json"]

T = TypeVar("T")

_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}
_SHOWN = 5


@dataclass(slots=True)
class IdSetWire:
    """A set of ids, as `dmod.data.idset.IdSet.to_dict` gives it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    #: How many numbers to skip, to take, to skip, … for each stem.
    numbers: dict[str, list[int]]
    #: Ids without a number.
    others: list[str]


@dataclass(slots=True)
class CoverageWire:
    """A coverage, as `dmod.data.coverage.Coverage.to_dict` gives it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    #: Pairs of start and stop, in seconds since 1970.
    spans: Literal["all"] | list[tuple[int, int]] | dict[Literal["all_but"], list[tuple[int, int]]]
    #: Which ids.
    ids: Literal["all"] | IdSetWire | dict[Literal["all_but"], IdSetWire]
    #: Names of variables.
    variables: Literal["all"] | list[str] | dict[Literal["all_but"], list[str]]


def read_json(kind: type[T], text: str | bytes, *, what: str, error: type[DatasetError] = DatasetError) -> T:
    """A value of *kind* from JSON.

    Parameters
    ----------
    kind : type
        A dataclass.
    text : str or bytes
        JSON.
    what : str
        What it is, for the error: ``"dataset"``.
    error : type of DatasetError
        What to raise.

    Returns
    -------
    kind

    Raises
    ------
    DatasetError
        If the text is no JSON, or not of that kind; the facts list what is wrong where.
    """
    try:
        found: T = _adapter(kind).validate_json(text)
    except ValueError as problem:
        listed = problem.errors() if hasattr(problem, "errors") else []
        wrong = [f"{'.'.join(map(str, one['loc'])) or 'text'}: {one['msg']}" for one in listed]
        shown = "; ".join(wrong[:_SHOWN]) + (f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
        raise error(
            f"this is no {what}",
            reason=shown or str(problem),
            hint="it is damaged, or was written by another version of dmod",
        ) from problem
    return found


def write_json(kind: type[T], value: T) -> str:
    """A value of *kind* as JSON, in one line."""
    text: bytes = _adapter(kind).dump_json(value)
    return text.decode()


def _make_adapter(kind: Any) -> Any:
    """What reads and writes a kind."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


#: The same, made when first needed.
_adapter: Callable[[Any], Any] = functools.cache(_make_adapter)
