"""Tables of a domain hold its rows and no others, whatever its source, and are read only when asked for."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pandas as pd
import pytest

from dmod.domain import tables
from dmod.domain.domain import Domain
from dmod.domain.facts import facts, longest_path, reported_km2
from dmod.domain.labelled import to_xarray
from dmod.errors import HydrofabricError, InputError
from dmod.formats.frames import from_frames
from dmod.formats.geoparquet import read_parquet_fabric

GAGE = "v2.2/gage-10109001_subset.gpkg"
FILES = (GAGE, "v2.0/gauge_01073000.gpkg", "v1.2/gauge_01069700.gpkg")


@pytest.fixture(scope="module")
def whole(data):
    """The larger real file of version 2.2."""
    return Domain.open(data / "hydrofabric" / GAGE)


@pytest.fixture(scope="module")
def part(whole):
    """The 28 catchments upstream of one whose reported area is larger than what flows there."""
    return whole.part(whole.river.walk.upstream(whole.catchments.place("cat-2861382")), "upstream of cat-2861382")


def sources(domain, folder):
    """The same domain from GeoParquet, from frames and from GeoJSON, tables and all."""
    frames = {layer: tables.table(domain, layer) for layer in tables.layers(domain)}
    first = {layer: frames.pop(layer) for layer in ("divides", "nexus", "flowpaths")}
    yield Domain.of(read_parquet_fabric(tables.to_parquet(domain, folder / "parquet")))
    yield Domain.of(from_frames(**first, tables=frames))
    yield Domain.open(tables.to_geojson(domain, folder / "json"))


def test_every_table_of_a_part_has_the_rows_of_the_part(part):
    numbers = set(part.catchments.numbers.tolist())
    assert tables.divides(part).index.to_list() == part.catchments.to_list()
    assert tables.flowpaths(part).index.to_list() == part.flowpath_ids.to_list()
    assert tables.nexus(part).index.to_list() == part.nexus_ids.to_list()
    for layer in ("flowpath-attributes", "flowpath-attributes-ml", "divide-attributes"):
        found = tables.table(part, layer)
        assert {int(name.partition("-")[2]) for name in found.index} == numbers
    network = tables.crosswalk_table(part)
    assert set(network.index) == {*part.flowpath_ids, *part.nexus_ids}
    assert network["hf_id"].dtype == "Int64"


def test_tables_of_the_whole_are_those_of_the_file(whole):
    assert {layer: len(tables.table(whole, layer, geometry=False)) for layer in tables.layers(whole)} == {
        "flowpaths": 88,
        "divides": 88,
        "lakes": 0,
        "pois": 8,
        "hydrolocations": 12,
        "flowpath-attributes": 88,
        "flowpath-attributes-ml": 88,
        "network": 280,
        "nexus": 38,
        "divide-attributes": 88,
    }
    assert len(tables.pois(whole)) == 12
    assert tables.lakes(whole).empty


def test_a_source_of_any_kind_gives_the_same_tables(part, tmp_path):
    for other in sources(part, tmp_path):
        some = other.part(other.catchment_places[::3], "a third")
        ours = tables.divides(some, columns=["toid", "areasqkm" if other.version == "v2.2" else "area_sqkm"])
        theirs = tables.divides(part.part(part.catchment_places[::3], "a third"), columns=["toid", "areasqkm"])
        assert ours.index.to_list() == theirs.index.to_list()
        assert ours.to_numpy()[:, :2].tolist() == theirs.to_numpy()[:, :2].tolist()
        if other.version == "v2.2":
            assert tables.attributes(some, ["mean.elevation"]).equals(
                tables.attributes(part, ["mean.elevation"]).iloc[::3]
            )
        moved = tables.divides(other, columns=[], crs="EPSG:5070")
        assert moved.total_bounds == pytest.approx(np.array(tables.bounds(part)), abs=0.01)
        assert facts(other)["Area"] == facts(part)["Area"]
        assert facts(other)["Longest path"] == facts(part)["Longest path"]


def test_nothing_is_read_before_it_is_asked_for(data, tmp_path, monkeypatch):
    path = tmp_path / "a.gpkg"
    path.write_bytes((data / "hydrofabric" / GAGE).read_bytes())
    domain = Domain.open(path)
    domain.part(domain.catchment_places[:3], "some")
    path.unlink()
    with pytest.raises(HydrofabricError, match="cannot be read"):
        tables.divides(domain)


def test_attributes_are_a_row_per_catchment_or_per_channel(part):
    found = tables.attributes(part, ["mean.elevation", "areasqkm"])
    assert found.index.to_list() == part.catchments.to_list()
    assert found["areasqkm"].sum() == pytest.approx(part.area_km2)
    assert tables.attributes(part).shape == (28, 39)
    assert tables.attributes(part, ["n"], model="nwm").index.to_list() == part.flowpath_ids.to_list()
    assert "YCC" in tables.attributes(part, model="ml")
    with pytest.raises(HydrofabricError, match=r"no column 'mean\.elevatio'") as caught:
        tables.attributes(part, ["mean.elevatio"])
    assert "mean.elevation" in caught.value.facts["has"]
    with pytest.raises(InputError, match="no model 'cfe'"):
        tables.attributes(part, model="cfe")


def test_attributes_of_older_versions_are_found_by_the_ids_in_their_tables(data):
    domain = Domain.open(data / "hydrofabric/v1.2/gauge_01069700.gpkg")
    found = tables.attributes(domain, ["refkdt", "areasqkm", "slope_m_km"])
    assert found.index.to_list() == ["cat-10236", "cat-10237", "cat-10245"]
    assert found.notna().all(axis=None)
    with pytest.raises(HydrofabricError, match="no column 'MusK'"):
        tables.attributes(domain, ["MusK"])


def test_unknown_layers_are_named_with_those_there_are(data, part):
    with pytest.raises(HydrofabricError, match="no layer 'rivers'") as caught:
        tables.table(part, "rivers")
    assert "flowpaths" in caught.value.facts["has"]
    domain = Domain.open(data / "hydrofabric/v1.2/gauge_01069700.gpkg")
    with pytest.raises(HydrofabricError, match="no layer 'hydrolocations'"):
        tables.pois(domain)
    frame = tables.nexus(domain, geometry=False)
    bare = Domain.of(from_frames(tables.divides(domain, geometry=False), frame))
    with pytest.raises(HydrofabricError, match="'divides' has no geometry"):
        tables.divides(bare)


@pytest.mark.parametrize("file", FILES[:2])
def test_gages_have_both_areas(data, file):
    expected = json.loads((data / "expected/expected_facts.json").read_text())[file]
    found = tables.gage_table(Domain.open(data / "hydrofabric" / file))
    assert found.index.to_list() == list(expected["gages"])
    assert found["flowpath"].to_list() == [gage["flowpath"] for gage in expected["gages"].values()]
    assert found["nexus"].to_list() == [gage["nexus"] for gage in expected["gages"].values()]
    assert found["area_km2"].iloc[0] == pytest.approx(expected["total_area_sqkm"])
    assert found["reported_km2"].iloc[0] == pytest.approx(expected["total_area_sqkm"])


def test_bounds_come_without_shapes(whole, part, data):
    expected = json.loads((data / "expected/expected_facts.json").read_text())[GAGE]
    assert tables.bounds(whole) == pytest.approx(expected["bbox_5070"], abs=0.5)
    assert tables.bounds(part) == pytest.approx(tables.divides(part).total_bounds, abs=1e-6)
    assert tables.crs(part) == "EPSG:5070"
    middle = tables.centres(part)
    shapes = tables.divides(part).geometry.bounds
    assert middle["x"].to_list() == ((shapes["minx"] + shapes["maxx"]) / 2).to_list()


def test_a_sample_is_even_and_within_the_domain(whole, part):
    for count in (1, 5, 27):
        some = tables.sample(part, count)
        assert len(some) == count
        assert set(some.catchments) <= set(part.catchments)
        assert f"{count} of 28" in some.story[-1]
    assert tables.sample(part, 28) is part
    spread = tables.sample(whole, 22)
    box, all_of_it = np.array(tables.bounds(spread)), np.array(tables.bounds(whole))
    assert ((box[2:] - box[:2]) > 0.8 * (all_of_it[2:] - all_of_it[:2])).all()
    with pytest.raises(InputError):
        tables.sample(part, 0)


def test_facts_of_the_real_file_are_those_computed_for_it(whole, data):
    expected = json.loads((data / "expected/expected_facts.json").read_text())[GAGE]
    told = facts(whole)
    assert told["Catchments"] == "88"
    assert told["Nexuses"] == "38"
    assert told["Area"] == "633.3 km²"
    assert told["Outlet"] == "cat-2861391 → nex-2861392"
    assert told["Gages"] == "10109001"
    assert told["Longest path"].startswith(f"{expected['longest_path_flowpaths']} flowpaths, ")
    assert told["CRS"] == "EPSG:5070"
    assert "ODbL-1.0" in told["Licence"]
    assert told["Source"].endswith("gage-10109001_subset.gpkg")
    assert all(isinstance(text, str) and text for text in told.values())


def test_an_area_that_is_reported_otherwise_is_said(part):
    assert facts(part)["Area"] == "212.6 km² along the flowpaths; 278.5 km² reported at the outlets"
    assert facts(part)["Chosen"] == "upstream of cat-2861382"


def test_what_enters_from_outside_is_not_the_domains(whole, part):
    rest = whole.part(np.setdiff1d(whole.places, part.places), "the rest")
    # wb-2861382 reports 278.5 km2, which the rest gets from outside.
    assert reported_km2(rest) == pytest.approx(633.3489 - 278.5117, abs=1e-3)


def test_domains_without_lengths_outlets_or_places_have_facts_too(tmp_path):
    divides = pd.DataFrame(
        {"divide_id": ["cat-1", "cat-2"], "toid": ["nex-2", "nex-1"], "areasqkm": [1.0, 2.0], "id": ["wb-1", "wb-2"]}
    )
    nexus = pd.DataFrame({"id": ["nex-2", "nex-1"], "toid": ["wb-2", "wb-1"]})
    circle = facts(Domain.of(from_frames(divides, nexus)))
    assert circle["Outlet"] == "none: catchments flow in a circle"
    assert circle["CRS"] == "not stated"
    straight = Domain.of(from_frames(divides.assign(toid=["nex-2", None]), nexus))
    assert longest_path(straight)[0] == 2
    assert facts(straight)["Longest path"] == "2 flowpaths"
    assert facts(straight)["Outlet"] == "cat-2"


def test_a_dataset_has_links_units_and_places(part):
    data = to_xarray(part)
    assert dict(data.sizes) == {"catchment-id": 28, "nexus-id": len(part.nexus_ids)}
    assert data["catchment-id"].to_numpy().tolist() == part.catchments.to_list()
    at = data.sel({"catchment-id": "cat-2861382"})
    assert int(at["downstream"]) == -1
    assert float(at["drainage_area"]) == pytest.approx(212.6353, abs=1e-3)
    assert float(at["reported_drainage_area"]) == pytest.approx(278.5117, abs=1e-3)
    below = data["catchment-id"].to_numpy()[data["downstream"]]
    inner = data["downstream"] >= 0
    toid = tables.divides(part, columns=["toid"], geometry=False)["toid"].to_numpy()
    assert (data["nexus-id"].to_numpy()[data["nexus"]] == toid).all()
    # nex-N is the inlet of wb-N.
    assert [name.replace("cat", "nex") for name in below[inner]] == toid[inner].tolist()
    assert data["mean.elevation"].attrs["units"] == "cm"
    assert data["area"].attrs["units"] == "km2"
    assert data["length"].attrs["units"] == "km"
    assert "units" not in data["mean.impervious"].attrs
    assert {"lon", "lat", "x", "y"} <= set(data.coords)
    assert float(data["lat"].mean()) == pytest.approx(41.9, abs=0.2)
    assert data.attrs["crs"] == "EPSG:5070"
    few = to_xarray(part, columns=["mean.slope"])
    assert "mean.slope" in few
    assert "mean.elevation" not in few


def test_a_dataset_survives_a_file(part, tmp_path):
    import xarray as xr

    to_xarray(part).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as again:
        assert again["area"].sum() == pytest.approx(part.area_km2)
        assert again["catchment-id"].to_numpy().tolist() == part.catchments.to_list()


def test_reading_leaves_the_source_as_it_was(data, tmp_path):
    path = tmp_path / "a.gpkg"
    path.write_bytes((data / "hydrofabric" / GAGE).read_bytes())
    before = path.read_bytes()
    domain = Domain.open(path)
    some = domain.part(domain.catchment_places[::2], "some")
    for layer in tables.layers(some):
        tables.table(some, layer)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.gpkg"]
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM sqlite_master WHERE name = 'runs'").fetchone() == (0,)
    file.close()
