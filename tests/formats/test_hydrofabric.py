"""Hydrofabrics are told apart by what is in them, read in file order, and refused with a reason."""

from __future__ import annotations

import hashlib
import json
import sqlite3

import numpy as np
import pytest

from dmod.domain.domain import Domain
from dmod.errors import HydrofabricError
from dmod.formats.hydrofabric import open_hydrofabric


def gpkg(path, divides, nexus=(), *, keys="divide_id, toid, areasqkm, id", extra=()):
    """A GeoPackage of the least that is read; *extra* are statements run on it too."""
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE gpkg_contents (table_name TEXT)")
        file.execute(f"CREATE TABLE divides (fid INTEGER PRIMARY KEY, geom BLOB, {keys})")
        marks = ", ".join("?" * len(keys.split(",")))
        file.executemany(f"INSERT INTO divides ({keys}) VALUES ({marks})", divides)
        if nexus is not None:
            file.execute("CREATE TABLE nexus (fid INTEGER PRIMARY KEY, geom BLOB, id TEXT, toid TEXT)")
            file.executemany("INSERT INTO nexus (id, toid) VALUES (?, ?)", nexus)
        for statement in extra:
            file.execute(statement)
    file.close()
    return path


THREE = [
    ("cat-3", "nex-1", 3.0, "wb-3"),
    ("cat-2", "nex-1", 2.0, "wb-2"),
    ("cat-1", "tnx-9", 1.0, "wb-1"),
]
TWO_NEXUSES = [("nex-1", "wb-1"), ("tnx-9", "wb-0")]


def pair(folder, catchments, nexuses):
    """A GeoJSON pair; each feature is (feature id, properties)."""
    for name, features in (("catchments.geojson", catchments), ("others.geojson", nexuses)):
        listed = [{"type": "Feature", "id": i, "properties": p, "geometry": None} for i, p in features]
        collection = {"type": "FeatureCollection", "features": listed}
        folder.joinpath(name).write_text(json.dumps(collection), encoding="utf-8")
    return folder / "catchments.geojson"


@pytest.mark.parametrize(
    ("file", "version"),
    [("v2.2/gage-10109001_subset.gpkg", "v2.2"), ("v2.0/gauge_01073000.gpkg", "v2.0")],
)
def test_real_files_have_the_counts_areas_and_gages_computed_for_them(data, file, version):
    facts = json.loads((data / "expected/expected_facts.json").read_text())[file]
    fabric = open_hydrofabric(data / "hydrofabric" / file)
    assert fabric.version == version
    assert len(fabric.catchments) == facts["n_divides"]
    assert len(fabric.nexuses) == facts["n_nexus"]
    assert fabric.catchments["area_km2"].sum() == pytest.approx(facts["total_area_sqkm"], rel=1e-12)
    assert fabric.gages == {gage: fact["flowpath"] for gage, fact in facts["gages"].items()}


@pytest.mark.parametrize("file", ["v2.2/gage-10109001_subset.gpkg", "v2.0/gauge_01073000.gpkg"])
def test_real_networks_flow_as_computed_for_them(data, file):
    facts = json.loads((data / "expected/expected_facts.json").read_text())[file]
    domain = Domain.open(data / "hydrofabric" / file)
    network = domain.network
    flowpaths = domain.hydrofabric.catchments["flowpath_id"].to_list()
    counts = {flowpath: len(network.upstream([place])) for place, flowpath in enumerate(flowpaths)}
    assert counts == facts["upstream_count_by_flowpath"]
    assert sorted(flowpaths[i] for i in network.headwaters) == facts["headwaters"]
    outlets = np.flatnonzero(network.downstream < 0)
    assert [flowpaths[i] for i in outlets] == facts["outlet_flowpaths"]
    assert {network.nexuses[network.nexus_of[i]] for i in outlets} == set(facts["outlet_nexus"])
    assert domain.gages == {
        gage: (fact["flowpath"].replace("wb", "cat"), fact["nexus"]) for gage, fact in facts["gages"].items()
    }
    assert domain.problems() == []


def test_version_1_2_finds_gage_flowpaths_and_attributes_by_id(data):
    domain = Domain.open(data / "hydrofabric/v1.2/gauge_01069700.gpkg")
    assert domain.hydrofabric.version == "v1.2"
    assert domain.network.catchments == ("cat-10236", "cat-10237", "cat-10245")
    assert domain.network.downstream.tolist() == [1, -1, 0]
    assert domain.gages == {"01069700": ("cat-10237", "nex-10238")}
    assert domain.hydrofabric.catchments["flowpath_id"].to_list() == ["wb-10236", "wb-10237", "wb-10245"]
    table = domain.hydrofabric.attributes(["refkdt", "gw_Zmax", "areasqkm"])
    assert table[["refkdt", "areasqkm"]].notna().all(axis=None)
    # This file has the column, but no value in it.
    assert table["gw_Zmax"].isna().all()
    assert table["gw_Zmax"].dtype == np.float64


def test_attributes_come_from_any_table_in_the_order_of_the_catchments(data):
    fabric = open_hydrofabric(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")
    table = fabric.attributes(["mode.ISLTYP", "areasqkm"])
    assert table.index.equals(fabric.catchments.index)
    assert np.array_equal(table["areasqkm"], fabric.catchments["area_km2"])
    with pytest.raises(HydrofabricError, match=r"mean\.slope") as caught:
        fabric.attributes(["slope"])
    assert "mean.slope" in str(caught.value.facts["has"])


def test_geometry_is_indexed_by_id(data):
    fabric = open_hydrofabric(data / "hydrofabric/v2.0/gauge_01073000.gpkg")
    divides = fabric.geometry("divides")
    assert divides.index.to_list() == fabric.catchments.index.to_list()
    assert divides.crs.to_epsg() == 5070
    assert fabric.geometry("flowpaths").index.str.startswith("wb-").all()
    assert fabric.geometry("nexus").index.to_list() == fabric.nexuses.index.to_list()


def test_a_geojson_pair_finds_its_nexuses_and_either_kind_of_id(data):
    own = open_hydrofabric(data / "hydrofabric/v0-geojson/ngen/catchment_data.geojson")
    assert own.version == "geojson"
    assert own.nexus_path.name == "nexus_data.geojson"
    assert own.catchments.index.to_list() == ["cat-67", "cat-27", "cat-52"]
    assert own.catchments["area_km2"].iloc[0] == pytest.approx(14.756535022220804)
    inside = Domain.open(data / "hydrofabric/v0-geojson/ngen_cal/catchment_data.geojson")
    assert inside.network.catchments[0] == "cat-88"
    assert inside.network.contributors(inside.network.nexuses.index("nex-92")).size == 2
    assert own.geometry("divides").index.to_list() == ["cat-67", "cat-27", "cat-52"]
    assert own.attributes(["areasqkm"]).shape == (3, 1)


def test_a_catchment_without_flowpath_in_a_broken_subset_is_flagged(data):
    domain = Domain.open(data / "hydrofabric/v1.2/dmod_lib_test_hydrofabric.gpkg")
    (problem,) = domain.problems()
    assert problem.severity == "warning"
    assert problem.ids == ("cat-1",)


def test_a_reference_fabric_is_not_runnable(data):
    for file in ("reference-v2.2/reference-comid-101-subset.gpkg", "misc/aggregate.gpkg"):
        with pytest.raises(HydrofabricError, match="not runnable"):
            open_hydrofabric(data / "hydrofabric" / file)


def test_reading_leaves_the_source_and_its_folder_as_they_were(tmp_path):
    path = gpkg(tmp_path / "a.gpkg", THREE, TWO_NEXUSES, extra=["PRAGMA journal_mode=DELETE"])
    before = hashlib.sha256(path.read_bytes()).digest()
    open_hydrofabric(path).attributes(["areasqkm"])
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]


def test_a_hand_made_geopackage_with_odd_characters_in_its_path(tmp_path):
    folder = tmp_path / "50% of #1?"
    folder.mkdir()
    fabric = open_hydrofabric(gpkg(folder / "a b.gpkg", THREE, TWO_NEXUSES))
    assert fabric.version == "v2.0"
    assert fabric.catchments.index.to_list() == ["cat-3", "cat-2", "cat-1"]
    assert fabric.catchments["area_km2"].to_list() == [3.0, 2.0, 1.0]
    assert fabric.nexuses["toid"].to_list() == ["wb-1", "wb-0"]


def test_coastal_divides_without_flowpath_or_nexus_are_kept(tmp_path):
    divides = [*THREE, ("cat-8", None, 4.0, None), ("cat-7", "cnx-5", 4.0, None)]
    fabric = open_hydrofabric(gpkg(tmp_path / "a.gpkg", divides, TWO_NEXUSES))
    assert fabric.catchments["toid"].to_list()[3:] == [None, "cnx-5"]
    assert fabric.catchments["flowpath_id"].to_list()[3:] == [None, None]


def test_several_gages_in_one_cell_are_told_apart_and_keep_their_zeros(tmp_path):
    path = gpkg(
        tmp_path / "a.gpkg",
        THREE,
        TWO_NEXUSES,
        extra=[
            'CREATE TABLE "flowpath-attributes" (id TEXT, toid TEXT, gage TEXT)',
            "INSERT INTO \"flowpath-attributes\" VALUES ('wb-2', 'nex-1', '01073000 01073001|02')",
            "INSERT INTO \"flowpath-attributes\" VALUES ('wb-1', 'tnx-9', NULL)",
            "CREATE TABLE hydrolocations (id TEXT, hl_uri TEXT)",
            "INSERT INTO hydrolocations VALUES ('wb-3', 'huc12-1|gages-03'), ('tnx-9', 'Gages-04')",
            "INSERT INTO hydrolocations VALUES ('nex-1', 'gages-05'), ('wb-1', NULL)",
        ],
    )
    fabric = open_hydrofabric(path)
    assert fabric.version == "v2.2"
    # Two catchments drain to nex-1, so which of them gage 05 ends is not known.
    assert fabric.gages == {"01073000": "wb-2", "01073001": "wb-2", "02": "wb-2", "03": "wb-3", "04": "wb-1"}


@pytest.mark.parametrize(
    ("divides", "nexus", "keys", "match"),
    [
        pytest.param([("cat-1", 1.0)], [], "divide_id, areasqkm", "no column 'toid'", id="no toid"),
        pytest.param([("cat-1", "nex-1")], [], "divide_id, toid", "no column 'areasqkm'", id="no area"),
        pytest.param([("nex-1", 1.0)], [], "toid, areasqkm", "no column 'divide_id'", id="no id"),
        pytest.param([("cat-1", "nex-1", 1.0)], None, "divide_id, toid, areasqkm", "no layer 'nexus'", id="no nexus"),
        pytest.param([("wb-1", "nex-1", 1.0)], [], "divide_id, toid, areasqkm", "flowpath ids", id="flowpath ids"),
        pytest.param([(None, "nex-1", 1.0)], [], "divide_id, toid, areasqkm", "no id", id="null id"),
        pytest.param([(101.0, "nex-1", 1.0)], [], "divide_id, toid, areasqkm", "not runnable", id="numeric"),
    ],
)
def test_a_geopackage_that_cannot_be_run_is_refused(tmp_path, divides, nexus, keys, match):
    with pytest.raises(HydrofabricError, match=match) as caught:
        open_hydrofabric(gpkg(tmp_path / "a.gpkg", divides, nexus, keys=keys))
    assert caught.value.hint


def test_a_file_without_divides_says_which_layers_it_has(data):
    with pytest.raises(HydrofabricError, match="no layer 'divides'") as caught:
        open_hydrofabric(data / "hydrofabric/v1.x-pre/hy_network.gpkg")
    assert caught.value.facts["has"] == "flowpath_edge_list, flowpaths, flowpath_attributes"


def test_files_that_are_no_hydrofabric_are_refused(tmp_path):
    with pytest.raises(HydrofabricError, match="cannot be opened"):
        open_hydrofabric(tmp_path / "absent.gpkg")
    with pytest.raises(HydrofabricError, match="cannot be opened"):
        open_hydrofabric(tmp_path)
    page = tmp_path / "page.gpkg"
    page.write_text("<html>404</html>")
    with pytest.raises(HydrofabricError, match="not a hydrofabric"):
        open_hydrofabric(page)
    half = tmp_path / "half.geojson"
    half.write_text('{"type": "FeatureCollection", "features": [')
    with pytest.raises(HydrofabricError, match="cannot be read"):
        open_hydrofabric(half)
    plain = tmp_path / "plain.json"
    plain.write_text('{"global": {}}')
    with pytest.raises(HydrofabricError, match="no GeoJSON FeatureCollection"):
        open_hydrofabric(plain)


@pytest.mark.parametrize("kept", [100, 5000, 20000])
def test_a_truncated_geopackage_is_refused(tmp_path, kept):
    whole = gpkg(tmp_path / "a.gpkg", [(f"cat-{n}", "nex-1", 1.0, None) for n in range(2000)], TWO_NEXUSES)
    assert whole.stat().st_size > 20000
    cut = tmp_path / "cut.gpkg"
    cut.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(HydrofabricError, match="cannot be read") as caught:
        open_hydrofabric(cut)
    assert caught.value.facts["has"] == f"{kept} bytes"


def test_a_geojson_pair_is_found_by_what_is_in_the_files(tmp_path):
    catchments = [(None, {"id": "cat-1", "toid": "nex-2", "area_sqkm": 2.5}), ("agg-1", {"areasqkm": 9})]
    path = pair(tmp_path, catchments, [("nex-2", {"toid": "cat-2"})])
    fabric = open_hydrofabric(path)
    assert fabric.nexus_path == tmp_path / "others.geojson"
    assert fabric.catchments.index.to_list() == ["cat-1", "agg-1"]
    assert fabric.catchments["area_km2"].to_list() == [2.5, 9.0]
    assert fabric.catchments["toid"].to_list() == ["nex-2", None]


def test_geojson_files_in_the_wrong_place_are_told_apart(tmp_path):
    path = pair(tmp_path, [("cat-1", {"toid": "nex-2", "areasqkm": 1})], [("nex-2", {"toid": "cat-2"})])
    with pytest.raises(HydrofabricError, match="holds nexuses"):
        open_hydrofabric(tmp_path / "others.geojson", path)
    (tmp_path / "others.geojson").unlink()
    with pytest.raises(HydrofabricError, match="nexuses is not known"):
        open_hydrofabric(path)
    path = pair(tmp_path, [("fp-1", {"toid": "fp-2"})], [("nex-2", {"toid": "cat-2"})])
    with pytest.raises(HydrofabricError, match="flowpath ids"):
        open_hydrofabric(path)
    path = pair(tmp_path, [("cat-1", {"to": "nex-2", "areasqkm": 1})], [("nex-2", {"toid": "cat-2"})])
    with pytest.raises(HydrofabricError, match="no column 'toid'"):
        open_hydrofabric(path)


def test_the_error_survives_a_layer_that_geojson_cannot_have(tmp_path):
    path = pair(tmp_path, [("cat-1", {"toid": "nex-2", "areasqkm": 1})], [("nex-2", {"toid": "cat-2"})])
    with pytest.raises(HydrofabricError, match="no layer 'flowpaths'"):
        open_hydrofabric(path).geometry("flowpaths")
