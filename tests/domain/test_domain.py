"""A domain as its users meet it: opened from anywhere, taken apart, written, opened again."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dmod.domain.domain import Domain
from dmod.domain.tables import require_not_source
from dmod.errors import HydrofabricError, InputError, OutputError, SelectionError

GOLDEN = "v2.2/gage-10109001_subset.gpkg"
FILES = (
    GOLDEN,
    "v2.2/cat-1555522_subset.gpkg",
    "v2.0/gauge_01073000.gpkg",
    "v1.2/gauge_01069700.gpkg",
    "v1.2/dmod_example_hydrofabric_2.gpkg",
    "v0-geojson/dmod_example_hydrofabric_1/catchment_data.geojson",
    "v0-geojson/ngen_cal/catchment_data.geojson",
)
#: 1 leaves; 2 and 5 flow into 1, 3 and 4 into 2, 6 into 4; 7 leaves elsewhere.
DOWN = (-1, 0, 1, 1, 0, 3, -1)


def frames(down, bare=()):
    """Tables of version 2.2: flowpath i flows into flowpath down[i], or leaves; those in *bare* have no catchment.

    Catchments are squares of 1 km2 in a row; even ones are of VPU 01, odd ones of 02; every third ends at a gage.
    """
    count = len(down)
    place = np.arange(count)
    wb, cat = [f"wb-{i + 1}" for i in place], [f"cat-{i + 1}" for i in place]
    toid = [f"nex-{d + 1}" if d >= 0 else f"tnx-{1_000_000_001 + i}" for i, d in enumerate(down)]
    vpu = [f"{1 + i % 2:02d}" for i in place]
    owned = [i for i in place.tolist() if i not in bare]
    above = [0.0] * count
    for i in reversed(range(count)):  # water flows to lower numbers
        above[i] += 1.0 if i in owned else 0.0
        if down[i] >= 0:
            above[down[i]] += above[i]
    x = 1000.0 * place
    lines = shapely.linestrings(np.stack([np.stack([x + 500, x * 0 + 900], 1), np.stack([x + 500, x * 0 + 100], 1)], 1))
    flowpaths = gpd.GeoDataFrame(
        {
            "id": wb, "toid": toid, "lengthkm": 0.8, "areasqkm": [1.0 if i in owned else 0.0 for i in place],
            "tot_drainage_areasqkm": above, "has_divide": [i in owned for i in place],
            "divide_id": [cat[i] if i in owned else None for i in place], "vpuid": vpu,
        },
        geometry=lines, crs="EPSG:5070",
    )  # fmt: skip
    divides = gpd.GeoDataFrame(
        {
            "divide_id": cat, "toid": toid, "type": "network", "areasqkm": 1.0, "vpuid": vpu, "id": wb,
            "tot_drainage_areasqkm": above,
        },
        geometry=shapely.box(x, 0, x + 1000, 1000), crs="EPSG:5070",
    ).iloc[owned]  # fmt: skip
    ends = list(dict.fromkeys(toid))
    nexus = gpd.GeoDataFrame(
        {
            "id": ends, "toid": ["wb-" + name[4:] if name[0] == "n" else "wb-0" for name in ends], "type": "nexus",
            "vpuid": "01",
        },
        geometry=shapely.points(1000.0 * np.arange(len(ends)), 50), crs="EPSG:5070",
    )  # fmt: skip
    slope = pd.DataFrame({"divide_id": cat, "mean.slope": 0.5 * place, "kind": ["a", None][:1] * count}).iloc[owned]
    marked = [i for i in owned if i % 3 == 0]
    marks = pd.DataFrame({"poi_id": marked, "id": [wb[i] for i in marked], "nex_id": [toid[i] for i in marked]})
    marks["hl_uri"] = [f"gages-{i + 1:08d}" for i in marked]
    return {
        "divides": divides, "nexus": nexus, "flowpaths": flowpaths,
        "tables": {"divide-attributes": slope, "hydrolocations": marks},
    }  # fmt: skip


#: Rivers in which water flows to lower numbers, and flowpaths of them that have no catchment.
rivers = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.tuples(*(st.integers(-1, i - 1) for i in range(n))), st.sets(st.integers(0, n - 1), max_size=n // 4)
    )
)


def links(domain):
    """All that a run is told of the river, by name: of each catchment its nexus, the next one and its area; gages."""
    network = domain.network
    ids, nexuses = list(network.catchments), list(network.nexuses)
    rows = zip(network.nexus_of.tolist(), network.downstream.tolist(), network.area_km2.tolist(), strict=True)
    held = {
        name: (nexuses[nexus] if nexus >= 0 else None, ids[down] if down >= 0 else None, round(area, 9))
        for name, (nexus, down, area) in zip(ids, rows, strict=True)
    }
    return held, set(domain.nexus_ids), dict(domain.gages)


def written(domain, folder):
    """The domain opened again from a file of each kind."""
    yield "gpkg", Domain.open(domain.to_gpkg(folder / "piece.gpkg"))
    yield "parquet", Domain.open(domain.to_parquet(folder / "parquet"))
    yield "hive", Domain.open(domain.to_parquet(folder / "hive", hive="vpuid"))
    yield "geojson", Domain.open(domain.to_geojson(folder / "json"))


def wrong(domain, purpose):
    """What is wrong with a domain for a purpose."""
    return [p.check for p in domain.validate(purpose, geometry=True).problems if p.severity != "info"]


@pytest.fixture(scope="module")
def hand(tmp_path_factory):
    """The river drawn above, in a GeoPackage."""
    path = tmp_path_factory.mktemp("hand") / "river.gpkg"
    Domain.from_frames(**frames(DOWN), name="river").to_gpkg(path)
    return Domain.open(path)


@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(rivers, st.data())
def test_any_piece_of_any_river_comes_back_from_any_kind_of_file(made, data):
    down, bare = made
    if len(bare) == len(down):
        bare = set()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = Domain.open(Domain.from_frames(**frames(down, bare)).to_gpkg(folder / "whole.gpkg"))
        start = data.draw(st.sampled_from(list(whole.catchments)))
        piece = whole.subset(start, at=data.draw(st.sampled_from(["outlet", "nexus"])))
        inside = set(piece.flowpath_ids)
        assert {f"wb-{i + 1}" for i, d in enumerate(down) if f"wb-{d + 1}" in inside} <= inside, "closed upstream"
        for kind, again in written(piece, folder):
            assert links(again) == links(piece), kind
            assert set(again.flowpath_ids) == inside, kind
            if kind != "geojson":  # of a file for each region, the first comes first
                ours, theirs = (domain.attributes().sort_index() for domain in (again, piece))
                pd.testing.assert_frame_equal(ours, theirs, check_dtype=False)
            # A nexus to which only a flowpath without a catchment drains is dry, which ngen may not like.
            assert set(wrong(again, "ngen")) <= ({"nexus-dry"} if bare else set()), kind
            assert wrong(again, "export") == [], kind
        # What was written is written again byte for byte, but for what it says it was taken from.
        first = Domain.open(folder / "piece.gpkg")
        first.to_gpkg(folder / "one.gpkg")
        first.to_gpkg(folder / "two.gpkg")
        assert (folder / "one.gpkg").read_bytes() == (folder / "two.gpkg").read_bytes()
        parts = data.draw(st.integers(1, 4))
        assert first.partition(parts).assign.equals(piece.partition(parts).assign)


def test_water_passes_a_flowpath_without_a_catchment_in_any_kind_of_file(tmp_path):
    whole = Domain.from_frames(**frames((-1, 0, 1, 1), bare={1}))
    assert links(whole)[0]["cat-3"] == ("nex-2", "cat-1", 1.0)
    for kind, again in written(whole, tmp_path):
        assert links(again) == links(whole), kind


@settings(max_examples=40, deadline=None)
@given(rivers, st.data())
def test_pieces_join_meet_and_part_as_sets_do(made, data):
    down, bare = made
    whole = Domain.from_frames(**frames(down, bare if len(bare) < len(down) else ()))
    a, b = (whole.subset(f"wb-{data.draw(st.integers(1, len(down)))}") for _ in "ab")
    one, other = set(a.flowpath_ids), set(b.flowpath_ids)
    assert set((a | b).flowpath_ids) == one | other
    assert set(whole.subset([a, b]).flowpath_ids) == one | other
    for verb, result in (("__and__", one & other), ("__sub__", one - other)):
        if result:
            assert set(getattr(a, verb)(b).flowpath_ids) == result
        else:
            with pytest.raises(SelectionError, match="nothing is left"):
                getattr(a, verb)(b)


@pytest.mark.parametrize("file", FILES)
def test_real_files_come_back_from_any_kind_of_file(data, tmp_path, file):
    whole = Domain.open(data / "hydrofabric" / file)
    for place, piece in (("whole", whole), ("first", whole.subset(whole.catchments[0]))):
        (tmp_path / place).mkdir()
        for kind, again in written(piece, tmp_path / place):
            assert links(again) == links(piece), kind
            errors = [p.check for p in again.validate("ngen").errors]
            assert errors == [p.check for p in piece.validate("ngen").errors], kind


@pytest.mark.parametrize("file", FILES)
def test_real_files_of_every_release_are_shown(data, file):
    domain = Domain.open(data / "hydrofabric" / file)
    assert "<svg" in domain._repr_html_()
    assert f"{len(domain):,} catchments" in domain.plot().get_label()
    assert domain.explore() is not None


def test_a_map_needs_no_flowpaths_and_no_point_for_each_nexus(hand, tmp_path):
    bare = frames(DOWN)
    del bare["flowpaths"]
    bare["nexus"].loc[1, "geometry"] = None
    domain = Domain.from_frames(**bare)
    assert "<svg" in domain._repr_html_()
    assert domain.plot() is not None
    assert domain.explore() is not None
    assert "<svg" in hand._repr_html_()


def test_one_river_by_any_address_is_the_same(hand, tmp_path, monkeypatch):
    folder = tmp_path / "with a blank"
    folder.mkdir()
    path = Path(shutil.copy(hand.hydrofabric.path, folder / "river.gpkg"))
    monkeypatch.setenv("HOME", str(folder))
    for address in (path, str(path), path.as_uri(), f"file://{path}", "~/river.gpkg"):
        assert links(Domain.open(address)) == links(hand), address
    json = hand.to_geojson(folder / "pair")
    nexuses = json.with_name("nexus_data.geojson").rename(folder / "elsewhere.json")
    with pytest.raises(HydrofabricError, match="nexuses is not known"):
        Domain.open(json)
    for address in (nexuses, str(nexuses), nexuses.as_uri()):
        assert links(Domain.open(json.as_uri(), address)) == links(hand)


def test_a_run_directory_names_the_geopackage_in_it(hand, tmp_path):
    (tmp_path / "config").mkdir()
    with pytest.raises(HydrofabricError, match="no hydrofabric") as caught:
        Domain.open(tmp_path)
    assert caught.value.facts["has"] == "neither, and no GeoPackage"
    shutil.copy(hand.hydrofabric.path, tmp_path / "config" / "river.gpkg")
    # A tree is not searched for Parquet files: this one would be another river.
    hand.subset("cat-2").to_parquet(tmp_path / "config" / "parquet")
    with pytest.raises(HydrofabricError, match="no hydrofabric") as caught:
        Domain.open(tmp_path)
    assert caught.value.facts["has"] == "config/river.gpkg"


def test_an_address_of_another_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"makes no sense|not installed"):
        Domain.open("gopher://river/of.gpkg")


def test_a_domain_is_never_written_over_its_source(hand, tmp_path):
    gpkg = Path(shutil.copy(hand.hydrofabric.path, tmp_path / "river.gpkg"))
    parquet, json = hand.to_parquet(tmp_path / "parquet"), hand.to_geojson(tmp_path / "json").parent
    (tmp_path / "link").symlink_to(parquet)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for source, write, target in (
        (gpkg, "to_gpkg", gpkg),
        (parquet, "to_parquet", parquet),
        (parquet, "to_parquet", tmp_path / "link"),
        (parquet, "to_parquet", parquet / "within"),
        (parquet, "to_gpkg", parquet / "within.gpkg"),
        (parquet, "to_parquet", tmp_path),
        (json, "to_geojson", json),
        (json, "to_gpkg", json / "catchment_data.geojson"),
        (json, "to_gpkg", json / "flowpath_data.geojson"),
    ):
        with pytest.raises(OutputError, match="source it is read from"):
            getattr(Domain.open(source).subset("cat-2"), write)(target, overwrite=True)
    with pytest.raises(OutputError, match="is a hydrofabric"):
        hand.partition(2).to_json(gpkg, overwrite=True)
    with pytest.raises(OutputError, match="is a hydrofabric"):
        hand.partition(2).to_json(json / "nexus_data.geojson", overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    require_not_source(hand, tmp_path / "another.gpkg")
    Domain.open(json).subset("cat-2").to_gpkg(json / "piece.gpkg")


def test_what_was_there_comes_back_where_the_last_step_fails(hand, tmp_path, monkeypatch):
    target = hand.to_parquet(tmp_path / "parquet")
    replace = Path.replace

    def failing(self, to):
        if self.name.endswith(".partial"):
            raise OSError(28, "No space left on device")
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match="cannot be written"):
        hand.subset("cat-2").to_parquet(target, overwrite=True)
    monkeypatch.undo()
    assert links(Domain.open(target)) == links(hand)
    assert [item.name for item in tmp_path.iterdir()] == ["parquet"]


def test_lines_that_no_nexus_links_are_not_passed_off_as_flowpaths(data, tmp_path):
    whole = Domain.open(data / "hydrofabric/v0-geojson/dmod_example_hydrofabric_1")
    assert "flowpaths" in whole.layers()
    again = Domain.open(whole.to_gpkg(tmp_path / "river.gpkg"))
    assert "flowpaths" not in again.layers()
    assert again.validate("ngen").ok


def test_no_area_is_stated_where_no_flowpath_is_known(hand):
    bare = frames(DOWN)
    del bare["flowpaths"]
    assert Domain.from_frames(**bare).facts()["Area"] == hand.facts()["Area"] == "7.0 km²"


def test_a_domain_whose_file_has_gone_still_shows_what_it_knows(hand, tmp_path):
    path = Path(shutil.copy(hand.hydrofabric.path, tmp_path / "river.gpkg"))
    domain = Domain.open(path)
    path.unlink()
    card = domain._repr_html_()
    assert "7.0 km²" in card
    assert "the source cannot be read" in card
    assert len(domain.subset("cat-2")) == 4
    with pytest.raises(HydrofabricError, match="cannot be read"):
        domain.divides()
    with pytest.raises(HydrofabricError, match="cannot be read"):
        domain.subset("cat-2").to_gpkg(tmp_path / "piece.gpkg")
    assert list(tmp_path.iterdir()) == []


def test_a_river_without_catchments_or_links_is_flagged(hand, tmp_path):
    path = Path(shutil.copy(hand.hydrofabric.path, tmp_path / "river.gpkg"))
    changed = tmp_path / "changed.gpkg"

    def change(sql):
        shutil.copy(path, changed)
        with closing(sqlite3.connect(changed)) as file:
            file.execute("PRAGMA synchronous = OFF")
            for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                file.execute(f'DROP TRIGGER "{name}"')
            file.execute(sql)
            file.commit()
        return changed

    empty = Domain.open(change("DELETE FROM divides"))
    assert [p.check for p in empty.validate().errors] == ["empty"]
    assert empty._repr_html_()
    with pytest.raises(SelectionError):
        empty.subset("cat-1")
    with pytest.raises(HydrofabricError, match="no column 'toid'") as caught:
        Domain.open(change("ALTER TABLE divides DROP COLUMN toid"))
    assert "links" in caught.value.hint
    circle = Domain.open(change("UPDATE nexus SET toid = 'wb-6' WHERE id = 'nex-2'"))
    assert "none: catchments flow in a circle" in circle._repr_html_()
    with pytest.raises(HydrofabricError, match="circle") as caught:
        circle.partition(2)
    assert "--validate" in caught.value.hint
    assert [p.check for p in circle.validate().errors] == ["circle"]


@pytest.mark.parametrize(
    "polygon",
    [
        pytest.param(3, id="a number"),
        pytest.param([shapely.box(0, 0, 1, 1)], id="a list"),
    ],
)
@pytest.mark.parametrize("crs", [None, "EPSG:5070"])
def test_what_is_no_polygon_is_said_to_be_none(hand, polygon, crs):
    with pytest.raises(SelectionError, match="this is no shape"):
        hand.subset(polygon=polygon, crs=crs)


def test_a_plain_table_of_shapes_needs_a_reference_system(hand):
    table = pd.DataFrame({"geometry": [shapely.box(1100, 100, 1900, 900)]})
    with pytest.raises(SelectionError, match="does not say what its coordinates are in"):
        hand.subset(polygon=table)
    assert hand.subset(polygon=table, crs="EPSG:5070").catchments == ["cat-2"]
