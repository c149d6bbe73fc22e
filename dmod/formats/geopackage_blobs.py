"""Geometry as GeoPackages hold it: blobs with a head, then WKB.

A head is 8 bytes and mostly the bounding box, so that boxes need no parsing. Some published
files hold blobs of SpatiaLite instead, as tools that write through it leave them: the same
numbers in another order. Both are read here, many at a time; nothing is written.
Sources: OGC 12-128 clause 2.1.3; https://www.gaia-gis.it/gaia-sins/BLOB-Geometry.html.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEAD_BYTES", "Boxes", "boxes_of", "shapes_of"]

#: Bounding boxes, a row each: xmin, ymin, xmax, ymax in the layer's units; NaN for nothing on the ground.
Boxes = NDArray[np.float64]

#: How much of a blob `boxes_of` looks at.
HEAD_BYTES = 40
#: Length of a head in bytes by its kind of envelope; 0 for kinds that are not.
_HEADS = (8, 40, 56, 56, 72, 0, 0, 0)
#: Where SpatiaLite's bounding box begins, and where the shape does.
_BOX_AT, _SHAPE_AT = 6, 39


def shapes_of(blobs: Sequence[bytes | None]) -> NDArray[np.object_]:
    """Shapes from blobs, None where there is none.

    Raises
    ------
    ValueError
        If one is not such a blob, or its shape is broken.
    """
    import shapely
    from shapely.errors import ShapelyError

    wkb = np.empty(len(blobs), dtype=object)
    try:
        wkb[:] = [None if b is None else b[_HEADS[b[3] >> 1 & 7] :] if b[:2] == b"GP" else _plain(b) for b in blobs]
        shapes: NDArray[np.object_] = shapely.from_wkb(wkb)
    except (ShapelyError, IndexError, TypeError, struct.error) as error:
        raise ValueError(str(error)) from error
    return shapes


def boxes_of(heads: Sequence[bytes | None]) -> tuple[Boxes, NDArray[np.bool_]]:
    """Bounding boxes by the first 40 bytes of blobs, and where those do not tell."""
    raw = np.frombuffer(b"".join((h or b"").ljust(HEAD_BYTES, b"\0") for h in heads), dtype=np.uint8)
    raw = raw.reshape(-1, HEAD_BYTES)
    flags = raw[:, 3]
    ours = (raw[:, 0] == ord("G")) & (raw[:, 1] == ord("P"))
    theirs = (raw[:, 0] == 0) & (raw[:, 38] == 0x7C)
    boxed, bare = ours & (flags & 30 > 0) & (flags & 16 == 0), ours & (flags & 30 == 0)
    boxes = np.full((len(raw), 4), np.nan)
    for order, little in (("<", 1), (">", 0)):
        here = boxed & (flags & 1 == little)
        boxes[here] = _numbers(raw[here, 8:40], f"{order}f8")[:, [0, 2, 1, 3]]
        here = theirs & (raw[:, 1] == little)
        boxes[here] = _numbers(raw[here, _BOX_AT : _BOX_AT + 32], f"{order}f8")
        # A point has no envelope: byte order, kind and coordinates stand where one would be.
        here = np.flatnonzero(bare & (raw[:, 8] == little))
        points = here[_numbers(raw[here, 9:13], f"{order}u4")[:, 0] % 1000 == 1]
        boxes[points] = _numbers(raw[points, 13:29], f"{order}f8")[:, [0, 1, 0, 1]]
    return boxes, bare & np.isnan(boxes[:, 0])


def _numbers(raw: NDArray[np.uint8], kind: str) -> NDArray[np.generic]:
    """Bytes of each row as numbers."""
    return np.ascontiguousarray(raw).view(kind)


def _plain(blob: bytes) -> bytes:
    """The WKB of a blob of SpatiaLite."""
    if len(blob) < 60 or blob[0] != 0 or blob[38] != 0x7C or blob[-1] != 0xFE:
        raise ValueError("a blob is neither as GeoPackage nor as SpatiaLite has it")
    order = "<" if blob[1] else ">"
    (kind,) = struct.unpack_from(order + "I", blob, _SHAPE_AT)
    if kind <= 3:
        return blob[1:2] + blob[_SHAPE_AT:-1]
    # Members of a collection begin with a mark where WKB has the byte order.
    body, at = bytearray(blob[1:2] + blob[_SHAPE_AT:-1]), 9
    for _ in range(struct.unpack_from(order + "I", body, 5)[0]):
        body[at] = blob[1]
        (kind,) = struct.unpack_from(order + "I", body, at + 1)
        at = _end_of(body, at + 5, kind, order)
    return bytes(body)


def _end_of(body: bytearray, at: int, kind: int, order: str) -> int:
    """Where the coordinates of a point, line or polygon end."""
    if kind == 1:
        return at + 16
    if kind not in {2, 3}:
        raise ValueError(f"a shape of SpatiaLite holds a member of kind {kind}")
    (count,) = struct.unpack_from(order + "I", body, at)
    at += 4
    if kind == 2:
        return at + int(16 * count)
    for _ in range(count):
        at += 4 + int(16 * struct.unpack_from(order + "I", body, at)[0])
    return at
