"""What an index gives is what the file gives, whoever builds it and whatever happens to it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from dmod.domain.domain import Domain
from dmod.domain.index import open_indexed
from dmod.domain.river import River
from dmod.errors import HydrofabricError
from dmod.formats import geopackage_columns
from dmod.formats.hydrofabric import open_hydrofabric
from dmod.formats.layer_rows import read_members
from dmod.formats.names import Names
from dmod.formats.sidecar import sidecar_path

FILES = [
    "v2.2/gage-10109001_subset.gpkg",
    "v2.2/cat-1555522_subset.gpkg",
    "v2.0/gauge_01073000.gpkg",
    "v1.2/gauge_01069700.gpkg",
    "v1.2/dmod_example_hydrofabric_2.gpkg",
    "v1.2/dmod_lib_test_hydrofabric.gpkg",
]
BENCHMARKS = Path(__file__).parents[1] / "benchmarks" / "continent.py"


def indexed(path, cache, **more):
    """Opened through an index, however small it is."""
    return open_indexed(path, cache=cache, large=0, **more)


@pytest.fixture
def golden(data, tmp_path):
    """A copy of the larger real file, to be changed at will."""
    path = tmp_path / "source" / "river.gpkg"
    path.parent.mkdir()
    shutil.copy(data / "hydrofabric" / FILES[0], path)
    with closing(sqlite3.connect(path)) as file:
        # Those of the R-tree need functions that only GDAL has.
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f'DROP TRIGGER "{name}"')
        file.commit()
    return path


@pytest.fixture(scope="module")
def continent(tmp_path_factory):
    """A made river of three thousand catchments."""
    if not BENCHMARKS.is_file():
        pytest.skip("the generator of large files is part of the repository, not of the package")
    spec = importlib.util.spec_from_file_location("continent", BENCHMARKS)
    generator = importlib.util.module_from_spec(spec)
    sys.modules["continent"] = generator
    spec.loader.exec_module(generator)
    return generator.make_continent(tmp_path_factory.mktemp("continent") / "c3k.gpkg", 3000)


def assert_same(one, other, name=""):
    """Two values hold the same, whatever their arrays are held in."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{name}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), name
    elif isinstance(one, dict):
        assert list(one) == list(other), name
        for key in one:
            assert_same(one[key], other[key], f"{name}.{key}")
    else:
        assert one == other, name


def assert_as_read(path, found):
    """A hydrofabric and river are those that are read without an index."""
    fabric, river = found
    direct = open_hydrofabric(path)
    expected = River.of(direct.topology)
    assert fabric.version == direct.version
    assert_same(direct.topology, fabric.topology)
    assert_same(expected, river)
    assert_same(expected.downstream, river.downstream)
    assert_same(expected.walk, river.walk)
    assert_same(expected.place_of_flowpath, river.place_of_flowpath)
    rows, crosswalk = read_members(path, direct.topology)
    assert_same(rows, fabric.rows)
    assert_same(crosswalk, fabric.crosswalk)
    assert fabric.gages == direct.gages


@pytest.mark.parametrize("file", FILES)
def test_an_index_of_a_real_file_holds_what_the_file_does(data, tmp_path, file):
    path = data / "hydrofabric" / file
    for _ in ("built", "opened again"):
        assert_as_read(path, indexed(path, tmp_path))
    assert len(list((tmp_path / "hydrofabric").iterdir())) == 1


def test_an_index_of_a_made_continent_holds_what_the_file_does(continent, tmp_path, monkeypatch):
    monkeypatch.setattr(geopackage_columns, "LARGE", 0)
    built = indexed(continent, tmp_path)
    monkeypatch.undo()
    assert_as_read(continent, built)
    assert_as_read(continent, indexed(continent, tmp_path))


def test_a_domain_of_an_index_answers_as_one_that_was_read(continent, tmp_path):
    indexed(continent, tmp_path)
    fabric, river = indexed(continent, tmp_path)
    mapped, direct = Domain(fabric, river, None, "c3k"), Domain.open(continent)
    names = direct.catchments.to_list()
    assert [river.topology.catchments.ids.place(name) for name in names[::97]] == list(range(0, len(names), 97))
    assert river.topology.catchments.ids.find([*names, "cat-0"]).tolist() == [*range(len(names)), -1]
    assert mapped.gages == direct.gages
    assert len(mapped.gages) > 5
    marks = river.topology.marks
    gage = next(iter(direct.gages))
    (row,) = marks.uri.find(f"GAGES-{gage}")
    assert marks.uri[int(row)] == f"gages-{gage}"
    (place,) = river.place_of(marks.flowpath.take(np.array([row])))
    assert river.name(int(place)) == direct.gages[gage][0]
    some = mapped.part(river.walk.upstream(int(place)), "above a gage")
    assert some.network.catchments == direct.part(direct.river.walk.upstream(int(place)), "").network.catchments
    assert mapped.area_km2 == direct.area_km2


def test_small_files_are_read_without_an_index(golden, tmp_path):
    assert_as_read_topology(golden, open_indexed(golden, cache=tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def assert_as_read_topology(path, found):
    """The river is the one that is read."""
    assert_same(River.of(open_hydrofabric(path).topology), found[1])


def test_building_tells_how_far_it_is(golden, tmp_path):
    told = []
    indexed(golden, tmp_path / "cache", progress=lambda part, what: told.append((part, what)))
    parts = [part for part, _ in told]
    assert parts == sorted(parts)
    assert parts[0] == 0.0
    assert parts[-1] == 1.0
    assert any("divide-attributes" in what for _, what in told)
    told.clear()
    indexed(golden, tmp_path / "cache", progress=lambda part, what: told.append((part, what)))
    assert told == []


def test_a_changed_file_is_read_again(golden, tmp_path):
    indexed(golden, tmp_path / "cache")
    with closing(sqlite3.connect(golden)) as file:
        file.execute("UPDATE nexus SET toid = 'wb-0' WHERE id = 'nex-2861381'")
        file.commit()
    found = indexed(golden, tmp_path / "cache")
    assert_as_read(golden, found)
    assert "wb-0" in found[0].topology.nexuses.toid.to_list()


def test_what_is_still_in_a_log_counts(golden, tmp_path):
    indexed(golden, tmp_path / "cache")
    with closing(sqlite3.connect(golden)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("UPDATE nexus SET toid = 'wb-0' WHERE id = 'nex-2861381'")
        file.commit()
        assert golden.with_name("river.gpkg-wal").stat().st_size > 0
        for _ in ("built", "opened again"):
            fabric, _ = indexed(golden, tmp_path / "cache")
            assert fabric.topology.nexuses.toid[fabric.topology.nexuses.ids.place("nex-2861381")] == "wb-0"


def test_the_source_and_its_folder_stay_as_they_were(golden, tmp_path, monkeypatch):
    monkeypatch.setattr(geopackage_columns, "LARGE", 0)
    before = golden.stat(), hashlib.sha256(golden.read_bytes()).digest()
    for _ in ("built", "opened again"):
        fabric, _ = indexed(golden, tmp_path / "cache")
        fabric.rows.all("network")
    after = golden.stat(), hashlib.sha256(golden.read_bytes()).digest()
    assert (after[0].st_mtime_ns, after[0].st_size, after[1]) == (before[0].st_mtime_ns, before[0].st_size, before[1])
    assert [path.name for path in golden.parent.iterdir()] == ["river.gpkg"]


def test_a_damaged_index_and_a_cache_that_cannot_be_written_change_nothing(golden, tmp_path, caplog):
    indexed(golden, tmp_path / "cache")
    path = sidecar_path(golden, tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:5000])
    assert_as_read(golden, indexed(golden, tmp_path / "cache"))
    assert path.stat().st_size > 5000
    (tmp_path / "file").touch()
    assert_as_read(golden, indexed(golden, tmp_path / "file"))
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_two_processes_that_open_it_first_agree(golden, tmp_path):
    script = (
        "import sys; from pathlib import Path; from dmod.domain.index import open_indexed;"
        "print('ready', flush=True); sys.stdin.readline();"
        "fabric, river = open_indexed(Path(sys.argv[1]), cache=Path(sys.argv[2]), large=0);"
        "print(len(river), int(river.walk.size.max()), len(fabric.crosswalk))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(golden), str(tmp_path / "cache")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "error"},
        )
        for _ in range(2)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert told[0] == told[1] == "88 88 212\n"
    assert [path.suffix for path in (tmp_path / "cache" / "hydrofabric").iterdir()] == [".index"]
    assert_as_read(golden, indexed(golden, tmp_path / "cache"))


def test_a_river_that_runs_in_a_circle_is_opened_and_refused_when_walked(golden, tmp_path):
    with closing(sqlite3.connect(golden)) as file:
        mouth = Domain.open(golden).river
        last = int(np.flatnonzero(mouth.downstream < 0)[0])
        nexus, first = mouth.nexuses[int(mouth.nexus_of[last])], mouth.topology.catchments.flowpath[0]
        file.execute("UPDATE nexus SET toid = ? WHERE id = ?", (first, nexus))
        file.commit()
    for _ in ("built", "opened again"):
        _, river = indexed(golden, tmp_path / "cache")
        with pytest.raises(HydrofabricError, match="in a circle"):
            river.walk.upstream(0)


def test_a_file_that_is_no_hydrofabric_is_refused_before_anything_is_kept(golden, tmp_path):
    with closing(sqlite3.connect(golden)) as file:
        file.executescript("DROP TABLE nexus")
    with pytest.raises(HydrofabricError, match="no layer 'nexus'"):
        indexed(golden, tmp_path / "cache")
    with pytest.raises(HydrofabricError, match="cannot be opened"):
        indexed(tmp_path / "absent.gpkg", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_flowpaths_name_their_places_in_a_mapped_river(golden, tmp_path):
    indexed(golden, tmp_path / "cache")
    _, river = indexed(golden, tmp_path / "cache")
    held = river.topology.catchments
    places = river.place_of(Names.of(held.flowpath.to_list()))
    assert places.tolist() == list(range(river.count))
