"""Values taken apart into arrays and JSON, and put together again.

A frozen dataclass of arrays, ids and texts, with whatever such values it holds, becomes a
list of arrays and one structure that JSON can hold, so that the arrays may lie in a file and
be mapped. Only classes that the reader names are ever made. What lies where in the file is
`dmod.formats.sidecar`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.formats.names import Names
from dmod.formats.texts import Texts

__all__ = ["pack", "unpack"]

_Arrays = list[NDArray[Any]]


def pack(value: object, arrays: _Arrays) -> object:
    """A value as what JSON can hold; its arrays are put behind those in *arrays*.

    Parameters
    ----------
    value : object
        None, a bool, number, text, range, array, `Names`, `Texts`, a frozen dataclass, or a mapping
        from texts or a sequence of such values.
    arrays : list of array
        Where arrays go; each is an entry of the structure by its place here.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, range):
        return {"range": [value.start, value.stop]}
    if isinstance(value, Names):
        return {"names": pack(_names_apart(value), arrays)}
    if isinstance(value, Texts):
        return {"texts": pack([value.block, value.edges, value.order], arrays)}
    if is_dataclass(value) and not isinstance(value, type):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        return {"value": type(value).__name__, "of": pack(held, arrays)}
    if isinstance(value, Mapping):
        return {"mapping": [[str(key), pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, Sequence):
        return [pack(item, arrays) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be packed")


def unpack(packed: object, arrays: Sequence[NDArray[Any]], classes: Iterable[type]) -> Any:
    """The value that `pack` took apart.

    Parameters
    ----------
    packed : object
        The structure.
    arrays : sequence of array
        The arrays of it, in the order in which they were put.
    classes : iterable of type
        Dataclasses that it may hold.

    Raises
    ------
    ValueError, TypeError, LookupError
        If the structure is of another kind than `pack` makes, or holds values of other classes.
    """
    known = {kind.__name__: kind for kind in classes}

    def made(item: Any) -> Any:
        """The value of one entry."""
        if isinstance(item, list):
            return tuple(map(made, item))
        if not isinstance(item, dict):
            return item
        if "array" in item:
            return arrays[item["array"]]
        if "range" in item:
            return range(*item["range"])
        if "names" in item:
            return _names_together(made(item["names"]))
        if "texts" in item:
            return Texts(*made(item["texts"]))
        if "value" in item:
            return known[item["value"]](**made(item["of"]))
        return {key: made(inner) for key, inner in item["mapping"]}

    return made(packed)


def _names_apart(names: Names) -> dict[str, object]:
    """What ids are made of; with their order where it is known, so that nobody has to find it again."""
    small = len(names) > 0 and int(names.numbers.max()) < 2**31 and int(names.numbers.min()) >= -(2**31)
    apart: dict[str, object] = {
        "codes": names.codes,
        "numbers": names.numbers.astype(np.int32, copy=False) if small else names.numbers,
        "odd": names.odd,
    }
    if "_sorter" in names.__dict__:
        sorter = names.__dict__["_sorter"]
        apart["sorter"] = (
            None if sorter is None else sorter.astype(np.int32, copy=False) if len(names) < 2**31 else sorter
        )
        known = names.__dict__.get("_sorted")
        apart["sorted"] = known if known is not None else names.keys if sorter is None else names.keys[sorter]
    return apart


def _names_together(apart: Mapping[str, Any]) -> Names:
    """The ids again."""
    names = Names(apart["codes"], apart["numbers"], tuple(apart["odd"]))
    if "sorter" in apart:
        names.__dict__["_sorter"], names.__dict__["_sorted"] = apart["sorter"], apart["sorted"]
        if apart["sorter"] is None:
            names.__dict__["keys"] = apart["sorted"]
    return names
