"""A packed R-tree answers as one grown row by row would, and SQLite takes it for its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.formats.rtree import pack, write_tree

#: Boxes on a page of a file with pages of 4,096 bytes.
CAPACITY = 51


def some_boxes(count: int, seed: int, *, kind: str = "scattered") -> np.ndarray:
    """Boxes [m] as in EPSG:5070: minx, maxx, miny, maxy."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-2.4e6, 3.2e6, (count, 2))
    size = rng.uniform(0, 5e4, (count, 2))
    if kind == "points":
        size[:] = 0
    elif kind == "line":
        corner[:, 1] = 1e6
    elif kind == "same":
        corner[:], size[:] = corner[:1], size[:1]
    return np.column_stack([corner[:, 0], corner[:, 0] + size[:, 0], corner[:, 1], corner[:, 1] + size[:, 1]])


def tree_of(ids: np.ndarray, boxes: np.ndarray, page: int = 4096) -> sqlite3.Connection:
    """A file in memory with the R-tree of the boxes; its name asks for quoting."""
    file = sqlite3.connect(":memory:", isolation_level=None)
    file.execute(f"PRAGMA page_size = {page}")
    write_tree(file, 'rtree_"a b"-c_geom', ids, boxes)
    return file


def found(file: sqlite3.Connection, box: tuple[float, float, float, float]) -> list[int]:
    """Rows whose box in the R-tree meets *box*, ascending."""
    query = (
        'SELECT id FROM "rtree_""a b""-c_geom" WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ? ORDER BY id'
    )
    return [row for (row,) in file.execute(query, box)]


def meeting(boxes: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Which boxes meet *box*, by looking at each."""
    minx, maxx, miny, maxy = box
    return (boxes[:, 1] >= minx) & (boxes[:, 0] <= maxx) & (boxes[:, 3] >= miny) & (boxes[:, 2] <= maxy)


@pytest.mark.parametrize("kind", ["scattered", "points", "line", "same"])
@pytest.mark.parametrize("count", [0, 1, 2, 50, 51, 52, 102, 103, CAPACITY**2, CAPACITY**2 + 1, 7000])
def test_sqlite_finds_nothing_wrong_with_a_packed_tree(count, kind):
    with closing(
        tree_of(np.arange(count) * 3 + 5, some_boxes(count, 1, kind=kind) if count else np.empty((0, 4)))
    ) as file:
        assert file.execute("SELECT rtreecheck('rtree_\"a b\"-c_geom')").fetchone() == ("ok",)
        assert found(file, (-1e9, 1e9, -1e9, 1e9)) == (np.arange(count) * 3 + 5).tolist()


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 1500) | st.sampled_from([CAPACITY - 1, CAPACITY, CAPACITY + 1, CAPACITY**2 + 1]),
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["scattered", "points", "line", "same"]),
    page=st.sampled_from([512, 1024, 4096, 65536]),
    width=st.floats(0, 6e6),
)
def test_a_query_finds_what_a_look_at_each_box_finds(count, seed, kind, page, width):
    boxes = some_boxes(count, seed, kind=kind)
    ids = np.sort(np.random.default_rng(seed).choice(10 * count, count, replace=False))
    rounded = np.column_stack([boxes[:, 0] - 1, boxes[:, 1] + 1, boxes[:, 2] - 1, boxes[:, 3] + 1])
    with closing(tree_of(ids, boxes, page)) as file:
        assert file.execute("SELECT rtreecheck('rtree_\"a b\"-c_geom')").fetchone() == ("ok",)
        for at in boxes[:: max(1, count // 5)]:
            box = (at[0] - width, at[0] + width / 2, at[2] - width / 3, at[2] + width)
            answer = found(file, box)
            assert set(ids[meeting(boxes, box)]) <= set(answer), "no row is missed"
            assert set(answer) <= set(ids[meeting(rounded, box)]), "only single precision adds any, within a metre"


def test_boxes_are_rounded_outwards_by_at_most_a_step():
    boxes = np.array([[0.1, 0.1, -0.1, -0.1], [1 / 3, 1e9 + 1, -1e9 - 1, 2.0]])
    packed = pack(np.array([1, 2]), boxes)
    held = packed.pages[0, 4:].view([("id", ">i8"), ("box", ">f4", (4,))])[:2]
    assert sorted(held["id"].tolist()) == [1, 2]
    for cell in held:
        box, single = boxes[int(cell["id"]) - 1], cell["box"].astype(np.float32)
        assert (single[[0, 2]].astype(float) <= box[[0, 2]]).all()
        assert (single[[1, 3]].astype(float) >= box[[1, 3]]).all()
        assert (np.abs(single.astype(float) - box) <= np.spacing(np.abs(single)).astype(float)).all()


def test_pages_are_equally_full():
    packed = pack(np.arange(CAPACITY + 1), some_boxes(CAPACITY + 1, 3))
    counts = packed.pages[:, 2:4].view(">u2")[:, 0]
    assert counts.tolist() == [2, 26, 26]  # the root, then two leaves
    assert packed.parents.tolist() == [1, 1]


def test_rows_come_and_go_afterwards():
    boxes = some_boxes(5000, 4)
    with closing(tree_of(np.arange(5000), boxes)) as file:
        file.executemany('DELETE FROM "rtree_""a b""-c_geom" WHERE id = ?', [(row,) for row in range(0, 5000, 2)])
        more = some_boxes(3000, 5)
        rows = [(10_000 + row, *box) for row, box in enumerate(more.tolist())]
        file.executemany('INSERT INTO "rtree_""a b""-c_geom" VALUES (?, ?, ?, ?, ?)', rows)
        assert file.execute("SELECT rtreecheck('rtree_\"a b\"-c_geom')").fetchone() == ("ok",)
        assert found(file, (-1e9, 1e9, -1e9, 1e9)) == [*range(1, 5000, 2), *range(10_000, 13_000)]


def test_where_the_tables_are_closed_rows_are_inserted():
    class Guarded(sqlite3.Connection):
        """A build of SQLite that keeps shadow tables to itself."""

        def execute(self, sql, *given):
            if sql.startswith("DELETE FROM"):
                raise sqlite3.OperationalError("table rtree_a_node may not be modified")
            return super().execute(sql, *given)

    ids, boxes = np.arange(300) + 1, some_boxes(300, 6)
    with closing(sqlite3.connect(":memory:", isolation_level=None, factory=Guarded)) as file:
        write_tree(file, "rtree_a", ids, boxes)
        assert file.execute("SELECT rtreecheck('rtree_a')").fetchone() == ("ok",)
        box = tuple(boxes[7].tolist())
        query = "SELECT id FROM rtree_a WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?"
        assert {row for (row,) in file.execute(query, box)} == set(ids[meeting(boxes, box)].tolist())


def test_boxes_must_be_as_many_as_rows():
    with pytest.raises(ValueError, match="3 rows need as many boxes"):
        pack(np.arange(3), np.zeros((2, 4)))
