"""What is said of a run's whole output file: attributes, written when it is complete.

Saying two dozen things through HDF5 takes longer than a small run. Files of one frame that
are told texts of the same lengths differ in nothing but those texts; where they lie is
found out once, by telling a second file other texts, and later files are written directly.
The file is the same either way.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dmod.formats.run_layout import Frame, Remembered, put, recognise

__all__ = ["tell"]

#: How many kinds of files are remembered, and how large they may be without their values [bytes].
_KINDS, _LARGEST_BYTES = 16, 2**18
#: Characters that texts here never hold: one for each text while it is looked for.
_MARKS = bytes(code for code in range(1, 32) if code not in b"\t\n\r")

_Key = tuple[Frame, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Files that differ in their texts alone."""

    #: Position and bytes of everything that is not a place for values.
    pieces: tuple[tuple[int, bytes], ...]
    #: Attribute to the piece its text is in, and where it begins there.
    places: Mapping[str, tuple[int, int]]


#: What is remembered; None for what was met once, or cannot be written directly.
_known: OrderedDict[_Key, _Kind | None] = OrderedDict()
_hopeless: set[_Key] = set()
_turn = threading.Lock()


def tell(path: Path, offsets: Mapping[str, int], attributes: Mapping[str, str]) -> None:
    """Write attributes of the whole file.

    Parameters
    ----------
    path : Path
        A file that is laid out; one that was told something before may be told more.
    offsets : mapping of str to int
        Variable to the position of its first byte.
    attributes : mapping of str to str
        What is said; what was said before under the same names is replaced, and what is no letter by ``?``.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    texts = {name: text.encode("utf-8", "replace") for name, text in attributes.items()}
    found = recognise(path, offsets)
    if found is None or found[1].small > _LARGEST_BYTES or not _may_be_marked(texts):
        _write(path, texts)
        return
    key = found[0], tuple((name, len(text)) for name, text in texts.items())
    with _turn:
        is_met, kind = key in _known, _known.get(key)
        if is_met:
            _known.move_to_end(key)
    if kind is not None:
        _stamp(path, kind, texts)
        return
    _write(path, texts)
    if is_met and key not in _hopeless:
        kind = _learn(path, found[1], texts)
    with _turn:
        _known[key] = kind
        if is_met and kind is None:
            _hopeless.add(key)
        while len(_known) > _KINDS:
            _hopeless.discard(_known.popitem(last=False)[0])


def _may_be_marked(texts: Mapping[str, bytes]) -> bool:
    """Whether texts could be told apart by marks that none of them holds."""
    return len(texts) <= len(_MARKS) and not any(mark in text for text in texts.values() for mark in _MARKS + b"\0")


def _write(path: Path, texts: Mapping[str, bytes]) -> None:
    """Do what ``file.attrs[name] = text`` does, at a third of the cost."""
    import h5py

    kind = h5py.string_dtype()
    made, alone = h5py.h5t.py_create(kind, logical=True), h5py.h5s.create(h5py.h5s.SCALAR)
    with h5py.File(path, "r+", locking=False) as file:
        for name, text in texts.items():
            key = name.encode()
            if h5py.h5a.exists(file.id, key):
                h5py.h5a.delete(file.id, key)
            h5py.h5a.create(file.id, key, made, alone).write(np.array(text.decode(), dtype=kind))


def _stamp(path: Path, kind: _Kind, texts: Mapping[str, bytes]) -> None:
    """Write everything but values, with these texts."""
    pieces = [bytearray(piece) for _, piece in kind.pieces]
    for name, (number, start) in kind.places.items():
        pieces[number][start : start + len(texts[name])] = texts[name]
    with path.open("r+b") as file:
        for (position, _), piece in zip(kind.pieces, pieces, strict=True):
            _put(file.fileno(), piece, position)


def _put(file: int, piece: bytes | bytearray, position: int) -> None:
    """All bytes of *piece* at *position*."""
    view = memoryview(piece)
    while len(view):
        done = os.pwrite(file, view, position)
        view, position = view[done:], position + done


def _learn(path: Path, laid_out: Remembered, texts: Mapping[str, bytes]) -> _Kind | None:
    """Where texts lie in a file that was just told them; None where that is not clear."""
    marks = {name: _MARKS[number : number + 1] for number, name in enumerate(texts)}
    beside = path.with_name(f".{path.name}.marked")
    try:
        beside.touch()
        put(beside, laid_out)
        _write(beside, {name: len(text) * marks[name] for name, text in texts.items()})
        if beside.stat().st_size != path.stat().st_size:
            return None
        spans = [(start, len(piece)) for start, piece in laid_out.pieces]
        spans.append((laid_out.size, path.stat().st_size - laid_out.size))
        told, marked = _read(path, spans), _read(beside, spans)
    except OSError:
        return None  # what is told is told; there may be no room for a second file
    finally:
        beside.unlink(missing_ok=True)
    places: dict[str, tuple[int, int]] = {}
    left = sum(map(len, texts.values()))
    for number, (here, there) in enumerate(zip(told, marked, strict=True)):
        differ = np.frombuffer(here, np.uint8) != np.frombuffer(there, np.uint8)
        left -= int(differ.sum())
        for name, text in texts.items():
            start = there.find(len(text) * marks[name]) if text else -1
            while start >= 0 and not differ[start : start + len(text)].all():
                start = there.find(len(text) * marks[name], start + 1)
            if start >= 0 and here[start : start + len(text)] == text:
                places[name] = number, start
    is_clear = not left and set(places) == {name for name, text in texts.items() if text}
    return _Kind(tuple(zip([start for start, _ in spans], told, strict=True)), places) if is_clear else None


def _read(path: Path, spans: list[tuple[int, int]]) -> list[bytes]:
    """Parts of a file."""
    with path.open("rb") as file:
        return [os.pread(file.fileno(), length, start) for start, length in spans]
