"""The commands about where on the river: what they print, write and refuse, and how they end."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest

from dmod.cli.commands import app
from dmod.domain import domain as domain_module
from dmod.domain.domain import Domain
from dmod.domain.index import open_indexed
from dmod.prepare.basin import make_basin


class Said(NamedTuple):
    """What the command line printed."""

    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """A run directory of 30 catchments; its river ends in cat-30, cat-17 drains 6 of them, a gage lies at nex-8."""
    return make_basin(tmp_path_factory.mktemp("basin") / "run", catchments=30, days=2)


@pytest.fixture(scope="module")
def river(basin):
    """Its hydrofabric."""
    return Domain.open(basin.geopackage)


@pytest.fixture
def here(basin, tmp_path, monkeypatch):
    """A folder to work in, with the hydrofabric in it as ``river.gpkg``."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(basin.geopackage, "river.gpkg")
    return tmp_path


@pytest.fixture
def dmod(capsys):
    """The command line in this process; it must end with *code*, and say errors in our words."""

    def call(*words, code=0):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app([str(word) for word in words], prog_name="dmod")
        said = Said(*capsys.readouterr())
        assert (ended.value.code or 0) == code, said
        return said

    return call


def held(folder):
    """Every file below a folder, and what is in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(dmod, words, *says):
    """The error of some words, said to people and to programs; nothing is written or changed."""
    before = held(Path())
    said = dmod(*words, code=2)
    assert said.stdout == ""
    assert said.stderr.startswith("error: ")
    for text in says:
        assert text in said.stderr
    told = json.loads(dmod(*words, "--json", code=2).stdout)
    assert told["message"] in said.stderr
    assert held(Path()) == before
    return said.stderr


def changed(path, *statements):
    """A copy of the hydrofabric, changed."""
    shutil.copy("river.gpkg", path)
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA synchronous = OFF")
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            file.execute(statement)
        file.commit()
    return path


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("domain", ["--validate", "--for", "ngen, troute or export", "--geometry", "--quiet", "--json"]),
        ("subset", ["--output", "--lon", "--bbox", "--polygon", "--no-upstream", "--downstream-to", "--exclude"]),
        ("subset", ["--format", "--overwrite", "--at", "--predicate", "--crs", "--quiet", "--json"]),
        ("partition", ["--parts", "--weights", "--report", "--tolerance", "--output", "--overwrite"]),
    ],
)
def test_every_command_has_help(dmod, command, words):
    said = dmod(command, "--help").stdout
    for word in words:
        assert word in said


def test_the_shell_is_told_what_may_stand_there():
    script = Path(sys.executable).with_name("dmod")
    if not script.exists():
        pytest.skip("dmod is not installed beside this Python")
    asked = {"_DMOD_COMPLETE": "complete_bash", "COMP_WORDS": "dmod subset f --predicate ", "COMP_CWORD": "4"}
    done = subprocess.run([script], env=os.environ | asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["intersects", "within", "centroid"]


def test_a_domain_says_what_it_is(dmod, here):
    said = dmod("domain", "river.gpkg")
    assert said.stderr == ""
    facts = dict(line.split(maxsplit=1) for line in said.stdout.splitlines() if "path" not in line)
    assert (facts["Catchments"], facts["Gages"], facts["CRS"]) == ("30", "09990001", "EPSG:5070")
    told = json.loads(dmod("domain", "river.gpkg", "--json").stdout)
    assert told["facts"]["Outlet"] == "cat-30 → tnx-1000000001"
    assert dmod("domain", "river.gpkg", "-q") == ("", "")
    assert list(held(here)) == ["river.gpkg"]


def test_a_sound_domain_is_found_to_be_so(dmod, here):
    for purpose in ("ngen", "troute", "export"):
        assert dmod("domain", "river.gpkg", "--for", purpose, "--geometry", "-q") == ("", "")
    assert "nothing to report" in dmod("domain", "river.gpkg", "--validate").stdout
    told = json.loads(dmod("domain", "river.gpkg", "--validate", "--json").stdout)
    assert (told["ok"], told["findings"]) == (True, [])
    refused(dmod, ["domain", "river.gpkg", "--for", "fun", "-q"], "'ngen', 'troute', 'export'")


def test_a_circle_is_named_by_every_command(dmod, here):
    changed("circle.gpkg", "UPDATE nexus SET toid = 'wb-13' WHERE id = 'nex-17'")
    said = dmod("domain", "circle.gpkg", "--validate", code=2)
    assert "none: catchments flow in a circle" in said.stdout
    assert "error: catchments flow in a circle: cat-13, cat-16" in said.stderr
    assert "circle" in dmod("domain", "circle.gpkg", "--validate", "-q", code=2).stderr
    told = json.loads(dmod("domain", "circle.gpkg", "--validate", "--json", code=2).stdout)
    assert (told["ok"], told["findings"][0]["check"]) == (False, "circle")
    refused(dmod, ["subset", "circle.gpkg", "cat-17"], "cat-13 -> cat-16 -> cat-13")
    refused(dmod, ["partition", "circle.gpkg", "-n", "2"], "flows in a circle", "--validate")


def test_a_piece_is_written_and_said_how_it_was_understood(dmod, here, river):
    said = dmod("subset", "river.gpkg", "cat-17")
    assert said.stdout.splitlines() == [
        "catchment cat-17, with all upstream: 6 catchments, 50.0 km2",
        "6 catchments, 50.0 km² in subset.gpkg",
    ]
    assert said.stderr == ""
    assert Domain.open("subset.gpkg").catchments == river.subset("cat-17").catchments
    assert dmod("subset", "river.gpkg", "gage-9990001", "--output", "quiet.gpkg", "--quiet") == ("", "")
    told = json.loads(dmod("subset", "river.gpkg", "cat-1", "--output", "j.gpkg", "--json").stdout)
    assert (told["output"], told["catchments"], told["flowpaths"], told["nexuses"]) == ("j.gpkg", 1, 1, 1)
    assert "1 catchment, " in dmod("subset", "river.gpkg", "cat-1", "--output", "one.gpkg").stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["gage-09990001"], {"gage": "09990001"}),
        (["wb-9", "nex-16"], {"what": ["wb-9", "nex-16"]}),
        (["wb-9,nex-16,"], {"what": ["wb-9", "nex-16"]}),
        (["vpu-06"], {"vpu": "06"}),
        (["cat-17", "--no-upstream"], {"what": "cat-17", "upstream": False}),
        (["cat-17", "--at", "nexus"], {"what": "cat-17", "at": "nexus"}),
        (["cat-17", "--exclude", "cat-15, cat-12"], {"what": "cat-17", "exclude": ["cat-15", "cat-12"]}),
        (["cat-17", "--exclude", "cat-15", "--exclude", "cat-12"], {"what": "cat-17", "exclude": ["cat-15", "cat-12"]}),
        (["cat-17", "--downstream-to", "end"], {"what": "cat-17", "downstream_to": True}),
        (["cat-17", "--downstream-to", "cat-29"], {"what": "cat-17", "downstream_to": "cat-29"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_mean_what_the_library_means(dmod, here, river, words, asked):
    dmod("subset", "river.gpkg", *words, "--output", "piece.gpkg", "-q")
    expected = river.subset(**asked)
    assert Domain.open("piece.gpkg").catchments == expected.catchments
    expected.to_gpkg("same.gpkg")
    assert Path("piece.gpkg").read_bytes() == Path("same.gpkg").read_bytes()


def test_places_are_given_in_numbers_or_as_shapes(dmod, here, river):
    from pyproj import Transformer

    shapes = river.divides(columns=[])
    middle = shapes.geometry.loc["cat-12"].representative_point()
    lon, lat = Transformer.from_crs(river.crs, "EPSG:4326", always_xy=True).transform(middle.x, middle.y)
    dmod("subset", "river.gpkg", "--lon", lon, "--lat", lat, "--output", "point.gpkg")
    edges = shapes.geometry.loc["cat-12"].bounds
    dmod("subset", "river.gpkg", f"--bbox={','.join(map(str, edges))}", "--crs", "EPSG:5070", "--output", "box.gpkg")
    shapes.loc[["cat-12"]].buffer(10).to_crs("EPSG:4326").to_file("cat.geojson")
    dmod("subset", "river.gpkg", "--polygon", "cat.geojson", "--predicate", "within", "--output", "polygon.gpkg")
    assert Domain.open("point.gpkg").catchments == Domain.open("polygon.gpkg").catchments == ["cat-12"]
    assert Domain.open("box.gpkg").catchments == river.subset(bbox=edges, crs="EPSG:5070").catchments


def test_a_piece_may_be_parquet_or_geojson(dmod, here, river):
    dmod("subset", "river.gpkg", "cat-17", "--format", "parquet")
    dmod("subset", "river.gpkg", "cat-17", "--format", "geojson", "--output", "pair")
    for name in ("subset", "pair"):
        found = Domain.open(name)
        assert found.network.catchments == river.subset("cat-17").network.catchments
        assert "6" in dmod("domain", name, "--for", "ngen").stdout
        dmod("partition", name, "-n", "2", "--output", f"{name}.json")
    assert Path("subset.json").read_text() == Path("pair.json").read_text()
    for words, says in (
        (["--output", "x.geojson"], "add --format geojson"),
        (["--output", "x.parquet"], "add --format parquet"),
        (["--output", "x.gpkg", "--format", "parquet"], "leave --format out"),
        (["--format", "papyrus"], "gpkg, parquet, geojson"),
    ):
        refused(dmod, ["subset", "river.gpkg", "cat-17", *words], says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing was asked for"),
        ([" , "], "nothing was asked for"),
        (["cat-3000"], "'cat-3000' is not in the hydrofabric"),
        (["17"], "'17' may mean several things"),
        (["cat-17", "cat-1555522"], "'cat-1555522' is not in the hydrofabric"),
        (["gage-01073000"], "09990001"),
        (["comid-99"], "COMIDs are those of NHDPlus"),
        (["vpu-03"], "give one of 'regions'"),
        (["--lon", "-80"], "give both"),
        (["--lon", "40", "--lat", "-80"], "no catchment holds the point"),
        (["--lon", "40", "--lat", "-100"], "exchange them"),
        (["--bbox", "1,2,3"], "this is no box"),
        (["--bbox", "a,b,c,d"], "numbers separated by commas"),
        (["--bbox", "1,2,3,4"], "no catchment meets the box"),
        (["--bbox", "1000000,1,1000001,2"], "does not say what its coordinates are in"),
        (["--bbox", "1,2,3,4", "--crs", "EPSG:99999"], "is not known"),
        (["--polygon", "none.geojson"], "there is no such file of shapes"),
        (["cat-17", "--at", "home"], "outlet, nexus"),
        (["cat-17", "--predicate", "near", "--bbox", "1,2,3,4"], "intersects, within, centroid"),
        (["cat-17", "--exclude", "cat-30"], "nothing is left"),
        (["cat-17", "--downstream-to", "cat-1"], "flows to catchment cat-1"),
        (["cat-17", "--output", "nowhere/piece.gpkg"], "the folder of the file to write is missing"),
        (["cat-17", "--output", "."], "is a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_is_refused_and_nothing_written(dmod, here, words, says):
    refused(dmod, ["subset", "river.gpkg", *words], says)


def test_what_is_there_stays_unless_it_may_be_replaced(dmod, here):
    Path("piece.gpkg").write_text("years of work")
    Path("partitions_2.json").write_text("years of work")
    refused(dmod, ["subset", "river.gpkg", "cat-17", "--output", "piece.gpkg"], "exists already")
    refused(dmod, ["partition", "river.gpkg", "-n", "2"], "exists")
    dmod("subset", "river.gpkg", "cat-17", "--output", "piece.gpkg", "--overwrite")
    dmod("partition", "river.gpkg", "-n", "2", "--overwrite")
    assert len(Domain.open("piece.gpkg")) == 6
    assert len(json.loads(Path("partitions_2.json").read_text())["partitions"]) == 2


def test_no_command_writes_over_what_it_reads(dmod, here):
    dmod("subset", "river.gpkg", "cat-17", "--format", "parquet", "--output", "parquet")
    dmod("subset", "river.gpkg", "cat-17", "--format", "geojson", "--output", "pair")
    for source, kind in (("river.gpkg", "gpkg"), ("parquet", "parquet"), ("pair", "geojson")):
        words = ["subset", source, "cat-12", "--format", kind, "--output", source, "--overwrite"]
        refused(dmod, words, "over the source it is read from")
    for target in ("river.gpkg", "pair/catchment_data.geojson"):
        refused(dmod, ["partition", "river.gpkg", "-n", "2", "--output", target, "--overwrite"], "is a hydrofabric")


def test_a_river_is_cut_for_ngen(dmod, here, river):
    said = dmod("partition", "river.gpkg", "-n", "4", "--report")
    assert said.stdout.splitlines()[-1] == "4 parts of 30 catchments in partitions_4.json"
    assert "split nexuses  0" in said.stdout
    parts = json.loads(Path("partitions_4.json").read_text())["partitions"]
    assert [part["id"] for part in parts] == [0, 1, 2, 3]
    assert sorted(name for part in parts for name in part["cat-ids"]) == sorted(river.catchments)
    told = json.loads(dmod("partition", "river.gpkg", "-n", "4", "--output", "p.json", "--json").stdout)
    assert (told["parts"], told["report"]["split nexuses"]) == (4, "0")
    assert Path("p.json").read_bytes() == Path("partitions_4.json").read_bytes()
    assert "1 part of 30" in dmod("partition", "river.gpkg", "-n", "1").stdout


def test_weights_come_from_areas_or_a_table(dmod, here, river):
    river.drainage_area().rename("w").to_csv("weights.csv")
    for weights in ("area", "weights.csv"):
        dmod("partition", "river.gpkg", "-n", "3", "--weights", weights, "--output", f"{weights}.json")
    Path("short.csv").write_text("id,w\ncat-1,2\n")
    Path("wide.csv").write_text("id,w,v\ncat-1,2,3\n")
    for weights, says in (
        ("none.csv", "cannot be read"),
        ("short.csv", "29 of 30 catchments have no weight"),
        ("wide.csv", "one column"),
    ):
        refused(dmod, ["partition", "river.gpkg", "-n", "3", "--weights", weights], says)


def test_more_parts_than_there_can_be_are_capped_and_said_so(dmod, here, river):
    said = dmod("partition", "river.gpkg", "-n", "1000")
    assert said.stderr == "1,000 parts were asked for, but there are 15: catchments of one nexus stay together\n"
    assert Path("partitions_15.json").exists()
    assert dmod("partition", "river.gpkg", "-n", "1000", "-q", "--overwrite") == ("", "")
    assert "1,000" in json.loads(dmod("partition", "river.gpkg", "-n", "1000", "--json", "--overwrite").stdout)["note"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-n", "0"], "1 part or more"),
        (["-n", "-3"], "1 part or more"),
        (["-n", "2", "--method", "magic"], "auto, contiguous, metis"),
        (["-n", "2", "--tolerance", "-1"], "a number in (0, 1]"),
        (["-n", "2", "--output", "nowhere/p.json"], "cannot be written"),
        (["-n", "2", "--output", "."], "is a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_cut_that_cannot_be_made_is_refused(dmod, here, words, says):
    refused(dmod, ["partition", "river.gpkg", *words], says)


def test_a_number_of_parts_is_a_number(dmod, here):
    dmod("partition", "river.gpkg", "-n", "two", code=2)
    dmod("partition", "river.gpkg", code=2)
    dmod("domain", code=2)


def spoilt(name):
    """A file of some name that is no hydrofabric, or is one no more."""
    path = Path(name)
    match path.stem:
        case "text":
            path.write_text("404 not found")
        case "empty":
            path.touch()
        case "cut":
            path.write_bytes(Path("river.gpkg").read_bytes()[:60_000])
        case "folder":
            path.mkdir()
        case "other":
            path.write_text("{}")
        case "table":
            with closing(sqlite3.connect(path)) as file:
                file.execute("CREATE TABLE gpkg_contents (table_name TEXT)")
                file.commit()
        case "topology":
            changed(path, "ALTER TABLE divides DROP COLUMN toid")
        case "nexus":
            changed(path, "DROP TABLE nexus")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.gpkg", "No such file or directory"),
        ("text.gpkg", "b'404 not found'"),
        ("empty.gpkg", "0 bytes"),
        ("cut.gpkg", "malformed"),
        ("folder", "it holds no hydrofabric"),
        ("other.json", "no GeoJSON FeatureCollection"),
        ("table.gpkg", "no layer 'divides'"),
        ("topology.gpkg", "no column 'toid'"),
        ("nexus.gpkg", "no layer 'nexus'"),
    ],
)
def test_files_that_are_no_hydrofabric_are_refused_by_every_command(dmod, here, name, says):
    spoilt(name)
    for words in (["domain", name], ["subset", name, "cat-1"], ["partition", name, "-n", "2"]):
        refused(dmod, words, says)


def test_without_a_place_for_the_index_work_goes_on(dmod, here, monkeypatch, caplog):
    monkeypatch.setattr(domain_module, "open_indexed", functools.partial(open_indexed, large=0))
    (here / "file").touch()
    monkeypatch.setenv("DMOD_CACHE", str(here / "cache"))
    for output in ("built.gpkg", "mapped.gpkg"):
        dmod("subset", "river.gpkg", "cat-17", "--output", output)
    assert len(list((here / "cache").rglob("*.index"))) == 1
    monkeypatch.setenv("DMOD_CACHE", str(here / "file"))
    dmod("subset", "river.gpkg", "cat-17", "--output", "without.gpkg")
    assert "set DMOD_CACHE" in caplog.text
    assert (here / "file").read_bytes() == b""
    index = next((here / "cache").rglob("*.index"))
    index.write_bytes(index.read_bytes()[:1000])
    monkeypatch.setenv("DMOD_CACHE", str(here / "cache"))
    dmod("subset", "river.gpkg", "cat-17", "--output", "mended.gpkg")
    files = [Path(f"{name}.gpkg").read_bytes() for name in ("built", "mapped", "without", "mended")]
    assert files.count(files[0]) == 4


@pytest.fixture
def server(here):
    """The folder as a web server gives it; its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(here))
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def test_a_hydrofabric_may_lie_on_a_server(dmod, here, river, server, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("DMOD_CACHE", str(here / "cache"))
    dmod("subset", "river.gpkg", "cat-17", "--format", "geojson", "--output", "pair")
    dmod("subset", "river.gpkg", "cat-17", "--output", "local.gpkg")
    for source, output in ((f"{server}/river.gpkg", "web.gpkg"), ((here / "river.gpkg").as_uri(), "file.gpkg")):
        dmod("subset", source, "cat-17", "--output", output)
        assert Path(output).read_bytes() == Path("local.gpkg").read_bytes()
    # The nexuses are fetched with their catchments.
    dmod("partition", f"{server}/pair/catchment_data.geojson", "-n", "2")
    assert len(json.loads(Path("partitions_2.json").read_text())["partitions"]) == 2
    said = dmod("domain", f"{server}/none.gpkg", code=2).stderr
    assert "there is no such file" in said


def test_a_piece_runs_as_it_does_within_the_whole(dmod, here, basin, river):
    run, whole, piece = here / "run", here / "whole", here / "piece"
    shutil.copytree(basin.directory, run)
    chosen = river.subset("cat-17")
    dmod("run", run, "--catchments", ",".join(chosen.catchments), "--output", whole, "-q")
    (run / "config" / basin.geopackage.name).unlink()
    dmod("subset", "river.gpkg", "cat-17", "--output", run / "config" / basin.geopackage.name, "-q")
    assert dmod("check", run).stdout == "nothing to report\n"
    dmod("run", run, "--output", piece, "-q")
    with h5py.File(whole / "run.nc") as one, h5py.File(piece / "run.nc") as other:
        assert one["Q_OUT"].shape == (6, 48)
        assert set(one) == set(other)
        for name in one:
            assert np.array_equal(one[name][...], other[name][...]), name
