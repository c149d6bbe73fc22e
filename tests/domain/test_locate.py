"""What people write for a place on the river, and where it is found."""

from __future__ import annotations

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from dmod.domain.domain import Domain
from dmod.domain.locate import locate
from dmod.domain.spellings import KINDS, kind_named, meanings
from dmod.errors import SelectionError
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.topology import Topology

FILE = "hydrofabric/v2.2/gage-10109001_subset.gpkg"
GAGED = ["cat-2861391"]


@pytest.fixture(scope="module")
def logan(data):
    """The real basin of gage 10109001: 88 catchments."""
    return Domain.open(data / FILE)


def small(tmp_path, marks=(), numbers=(1, 2, 3, 4), times=1):
    """4 and 3 flow through nex-2 into 2, which flows through nex-1 into 1, which leaves at tnx-9."""
    a, b, c, e = numbers
    ids = [f"cat-{n}" for n in numbers]
    topology = Topology.of(
        {
            "id": ids,
            "toid": ["tnx-9", f"nex-{a}", f"nex-{b}", f"nex-{b}"],
            "flowpath": [f"wb-{n}" for n in numbers],
            "area_km2": [1.0 * times, 2.0 * times, 3.0 * times, 4.0 * times],
            "region": ["03N", "03S", "03W", "16"],
        },
        {"id": [f"nex-{a}", f"nex-{b}", "tnx-9"], "toid": [f"wb-{a}", f"wb-{b}", None]},
        {
            "id": [f"wb-{n}" for n in (a, b, c, e)],
            "toid": ["tnx-9", f"nex-{a}", f"nex-{b}", f"nex-{b}"],
            "total_km2": [10.0, 9.0, 3.0, 4.0],
        },
        list(marks),
    )
    return Domain.of(Hydrofabric(tmp_path / "small.gpkg", None, "v2.2", topology))


def error_of(domain, *args, **how):
    """The error that asking gives."""
    with pytest.raises(SelectionError) as caught:
        locate(domain, *args, **how)
    return caught.value


@pytest.mark.parametrize(
    "written",
    [
        "10109001",
        "gage-10109001",
        "Gages-10109001",
        "gages-10109001",
        "GAGE 10109001",
        "gauge-10109001",
        "USGS-10109001",
        "usgs 10109001",
        "USGS10109001",
        "usgs:10109001",
        "nwis-10109001",
        "  10109001 ",
    ],
)
def test_a_gage_is_found_in_every_spelling(logan, written):
    found = locate(logan, written)
    assert list(found.catchments) == GAGED
    assert found.found[0].kind == "gage"
    assert "gage 10109001, at the end of wb-2861391 (cat-2861391)" in str(found)


@pytest.mark.parametrize("number", [10109001, "10109001", np.int64(10109001), ["10109001"]])
def test_the_keyword_takes_numbers_and_lists(logan, number):
    assert list(locate(logan, gage=number).catchments) == GAGED


@pytest.mark.parametrize(
    ("written", "catchment", "kind"),
    [
        ("cat-2861384", "cat-2861384", "catchment"),
        ("CAT-2861384", "cat-2861384", "catchment"),
        ("wb-2861384", "cat-2861384", "flowpath"),
        ("nid-UT00310", "cat-2861389", "mark"),
        ("NID-ut00310", "cat-2861389", "mark"),
        ("nid UT00310", "cat-2861389", "mark"),
        ("wbin-663964", "cat-2861391", "mark"),
        ("huc12-160102030305", "cat-2861385", "mark"),
        ("comid-666206", "cat-2861457", "comid"),
    ],
)
def test_names_of_every_kind_are_found(logan, written, catchment, kind):
    found = locate(logan, written)
    assert (list(found.catchments), found.found[0].kind) == ([catchment], kind)


def test_a_nexus_means_all_that_drains_to_it(logan):
    assert sorted(locate(logan, "nex-2861391").catchments) == ["cat-2861390", "cat-2861416"]


def test_a_comid_is_the_flowpath_it_became_part_of(logan):
    assert list(locate(logan, comid=666206).catchments) == ["cat-2861457"]
    assert list(locate(logan, comid=666206.0).catchments) == ["cat-2861457"]
    assert "'101' is not in the hydrofabric" in str(error_of(logan, comid=101))


def test_a_number_with_more_than_one_meaning_is_refused_with_all_of_them(logan):
    error = error_of(logan, 2861391)
    assert error.facts["as catchment"] == "catchment cat-2861391"
    assert error.facts["as nexus"] == "nexus nex-2861391, to which cat-2861390, cat-2861416 drain"
    assert "kind='catchment'" in error.hint
    assert list(locate(logan, 2861391, kind="catchment").catchments) == GAGED
    assert len(locate(logan, 2861391, kind="nexus")) == 2


def test_a_number_with_one_meaning_is_taken_for_it_and_said_so(tmp_path):
    found = locate(small(tmp_path), 4)
    assert list(found.catchments) == ["cat-4"]
    assert found.notes == ("4 taken as catchment cat-4, the only thing of that number in the file",)


def test_eight_digits_are_a_gage_before_anything_else(tmp_path):
    domain = small(tmp_path, [("gages-10000002", "wb-10000004", None)], (10000001, 10000002, 10000003, 10000004))
    assert list(locate(domain, "10000002").catchments) == ["cat-10000004"]
    assert list(locate(domain, "10000003").catchments) == ["cat-10000003"]


def test_a_gage_that_lost_its_leading_zero_is_padded_and_said_so(tmp_path):
    domain = small(tmp_path, [("gages-01073000", "wb-2", None)])
    for written in ("1073000", 1073000, "USGS-1073000"):
        found = locate(domain, written)
        assert list(found.catchments) == ["cat-2"]
        assert found.notes == ("gage 1073000 taken as 01073000",)
    assert locate(domain, "01073000").notes == ()


def test_a_gage_of_fifteen_digits_is_one(tmp_path):
    domain = small(tmp_path, [("gages-394220106431500", "wb-3", None)])
    assert list(locate(domain, "394220106431500").catchments) == ["cat-3"]


def test_a_mark_that_only_names_a_nexus_means_all_above_it(tmp_path):
    found = locate(small(tmp_path, [("nid-X1", None, "nex-2")]), "nid-x1")
    assert sorted(found.catchments) == ["cat-3", "cat-4"]
    assert "tells only the nexus" in found.notes[0]


@pytest.mark.parametrize(
    ("written", "catchments"),
    [
        ("vpu-03", ["cat-1", "cat-2", "cat-3"]),
        ("vpu-03W", ["cat-3"]),
        ("VPU 03w", ["cat-3"]),
        ("03W", ["cat-3"]),
        ("vpu-3", ["cat-1", "cat-2", "cat-3"]),
        ("vpu-16", ["cat-4"]),
    ],
)
def test_a_vpu_in_short_means_all_its_parts(tmp_path, written, catchments):
    found = locate(small(tmp_path), written)
    assert list(found.catchments) == catchments
    assert bool(found.notes) == (len(catchments) > 1)


@pytest.mark.parametrize("vpu", ["03", 3, "3", ["03N", "03S", "03W"]])
def test_the_keyword_for_vpus_takes_them_in_any_form(tmp_path, vpu):
    assert list(locate(small(tmp_path), vpu=vpu).catchments) == ["cat-1", "cat-2", "cat-3"]


def test_an_unknown_vpu_names_those_of_the_file(tmp_path):
    assert error_of(small(tmp_path), vpu="18").facts["regions"] == "03N, 03S, 03W, 16"


def test_a_hydrologic_unit_is_what_passes_one_of_its_marks_first(tmp_path):
    marks = [
        ("huc12-030101010101", "wb-3", None),
        ("huc12-030101010102", "wb-2", None),
        ("huc12-040101010101", "wb-1", None),
    ]
    domain = small(tmp_path, marks)
    assert list(locate(domain, "huc-0301").catchments) == ["cat-2", "cat-3", "cat-4"]
    assert list(locate(domain, "huc-030101010102").catchments) == ["cat-2", "cat-4"]
    assert list(locate(domain, "huc4-0401").catchments) == ["cat-1"]
    assert list(locate(domain, "0401", kind="huc").catchments) == ["cat-1"]
    assert list(locate(domain, "huc12-030101010102").catchments) == ["cat-2"]
    assert "huc12 marks at its outlets" in locate(domain, "huc-0301").found[0].name


def test_the_units_of_the_real_file_cover_it_but_below_the_last_mark(logan):
    assert len(locate(logan, "huc-16").catchments) == 72
    parts = [locate(logan, huc).places for huc in ("huc-16010202", "huc-16010203")]
    assert not np.intersect1d(*parts).size
    assert sum(map(len, parts)) == 72


@pytest.mark.parametrize(
    "several",
    [
        ["cat-2861384", "cat-2861391"],
        ("cat-2861384", "wb-2861391"),
        pd.Series(["cat-2861384", "10109001"]),
        np.array(["cat-2861384", "cat-2861391"]),
        pd.Index(["cat-2861384", "cat-2861391", "cat-2861391"]),
        iter(["cat-2861384", "cat-2861391"]),
    ],
)
def test_a_list_of_any_kind_is_all_of_its_entries(logan, several):
    assert sorted(locate(logan, several).catchments) == ["cat-2861384", "cat-2861391"]


def test_a_long_list_is_looked_up_together_and_equals_one_by_one(logan):
    ids = logan.catchments.to_list()
    mixed = ids[:30] + [name.replace("cat", "wb") for name in ids[30:60]] + ["nex-2861391", "USGS-10109001"]
    found = locate(logan, mixed)
    alone = np.unique(np.concatenate([locate(logan, name).places for name in mixed]))
    assert found.places.tolist() == alone.tolist()
    assert [one.kind for one in found.found] == ["ids", "gage"]
    numbers = [int(name[4:]) for name in ids]
    assert len(locate(logan, numbers, kind="catchment")) == 88


def test_names_of_a_domain_are_a_list_too(logan):
    assert len(locate(logan, logan.catchments)) == 88


def test_several_keywords_are_taken_together(logan):
    found = locate(logan, "cat-2861384", gage="10109001", comid=666206)
    assert sorted(found.catchments) == ["cat-2861384", "cat-2861391", "cat-2861457"]
    assert [one.kind for one in found.found] == ["catchment", "gage", "comid"]


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("cat-2861390999", "cat-2861"),
        ("cat-1", "cat-2861"),
        ("wb-28613", "wb-2861"),
        ("nex-7", "nex-2861"),
        ("10109002", "gages-10109001"),
        ("USGS-10109", "gages-10109001"),
        ("10109001x", "gages-10109001"),
        ("nid-UT00311", "nid-ut00310"),
    ],
)
def test_an_unknown_name_comes_with_the_nearest_ones(logan, written, near):
    error = error_of(logan, written)
    assert near in str(error.facts["nearest"]).lower()
    assert error.hint


def test_an_unknown_gage_comes_with_those_of_the_file(logan):
    assert error_of(logan, gage="01073000").facts["gages"] == "10109001"


def test_unknown_ids_in_a_long_list_are_counted_and_named(logan):
    error = error_of(logan, [*logan.catchments.to_list(), "cat-1", "wb-2861391", "nex-1"])
    assert error.headline == "2 of the 91 ids asked for are not in the hydrofabric"
    assert error.facts["needed"] == "cat-1, nex-1"
    assert "cat-1: cat-2861" in str(error.facts["nearest"])


def test_what_is_in_the_file_but_not_in_the_domain_is_said_to_be_so(logan):
    part = logan.select(["cat-2861384"])
    assert "in the file, but not in this domain" in str(error_of(part, "10109001"))
    assert "are not in this domain" in str(error_of(part, logan.catchments))
    assert "the catchment that holds the point is not in the domain" in str(error_of(part, lon=-111.6, lat=41.95))
    assert "in this domain" in str(error_of(part, bbox=(-111.6, 41.9, -111.59, 41.95)))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (None, "nothing was asked for"),
        ([], "the list of what is asked for is empty"),
        (pd.Series([], dtype=object), "the list of what is asked for is empty"),
        ("", "the text given is empty"),
        ([""], "the text given is empty"),
        (True, "not understood"),
        (b"cat-1", "not understood"),
        ({"gage": "10109001"}, "not understood"),
        (3.5, "not understood"),
        ([None], "not understood"),
        (pd.DataFrame({"id": ["cat-1"]}), "give one of its columns"),
        ((-111.6, 41.9), "nothing says which is which"),
        ([-111.7, 41.9, -111.6, 42.0], "nothing says which is which"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_advice(logan, asked, says):
    error = error_of(logan, asked)
    assert says in str(error)
    assert error.hint


def test_a_kind_that_does_not_exist_or_does_not_fit_is_refused(logan):
    assert error_of(logan, 1, kind="reach").facts["needed"] == ", ".join(KINDS)
    assert error_of(logan, "cat-2861384", kind="gage").headline == "'cat-2861384' is no gage"
    assert kind_named("wb") == "flowpath"


def test_a_point_is_in_the_catchment_whose_shape_holds_it(logan):
    shapes = logan.hydrofabric.geometry("divides").to_crs("EPSG:4326")
    inside = shapes.geometry.representative_point()
    for name, point in list(inside.items())[:12]:
        assert list(locate(logan, lon=point.x, lat=point.y).catchments) == [name]
        assert list(locate(logan, point, crs="EPSG:4326").catchments) == [name]
    assert list(locate(logan, lon=inside.iloc[0].x + 360, lat=inside.iloc[0].y).catchments) == [inside.index[0]]


def test_a_table_of_points_is_each_of_them(logan):
    points = logan.hydrofabric.geometry("divides").geometry.representative_point().to_crs("EPSG:3857")
    found = locate(logan, points.iloc[:5])
    assert sorted(found.catchments) == sorted(points.index[:5])
    assert found.found[0].kind == "point"


def test_a_point_outside_names_the_nearest_catchment_and_how_far_it_is(logan):
    error = error_of(logan, lon=-111.7, lat=41.9)
    name, _, rest = str(error.facts["nearest"]).partition(", ")
    shapes = logan.hydrofabric.geometry("divides")
    point = geopandas.GeoSeries.from_xy([-111.7], [41.9], crs="EPSG:4326").to_crs(shapes.crs).iloc[0]
    apart = shapes.distance(point)
    assert name == apart.idxmin()
    assert float(rest.split(" km")[0]) == pytest.approx(apart.min() / 1000, rel=0.01)


@pytest.mark.parametrize(
    ("lon", "lat", "hint"),
    [
        (41.9, -111.6, "exchange them: lon=-111.6, lat=41.9"),
        (-111.6, None, "give both"),
        (None, 41.9, "give both"),
        (-111.6, float("nan"), "give both"),
        ("west", 41.9, "give both"),
        (-111.6, 95, "give both"),
    ],
)
def test_what_is_no_longitude_and_latitude_is_refused(logan, lon, lat, hint):
    assert hint in error_of(logan, lon=lon, lat=lat).hint


def test_a_point_that_would_fit_with_lon_and_lat_exchanged_says_so(tmp_path, data):
    frame = geopandas.GeoDataFrame(
        {"id": ["cat-1"], "toid": ["nex-1"], "areasqkm": [1.0]}, geometry=[shapely.box(10, 50, 11, 51)], crs="EPSG:4326"
    )
    frame.to_file(tmp_path / "catchment_data.geojson", driver="GeoJSON")
    nexus = geopandas.GeoDataFrame(
        {"id": ["nex-1"], "toid": ["wb-0"]}, geometry=[shapely.Point(10, 50)], crs="EPSG:4326"
    )
    nexus.to_file(tmp_path / "nexus_data.geojson", driver="GeoJSON")
    domain = Domain.open(tmp_path / "catchment_data.geojson")
    assert list(locate(domain, lon=10.5, lat=50.5).catchments) == ["cat-1"]
    assert "with lon and lat exchanged, cat-1 holds it" in error_of(domain, lon=50.5, lat=10.5).hint


def test_a_border_belongs_to_the_first_catchment_and_it_is_said(logan):
    shapes = logan.hydrofabric.geometry("divides")
    a, b = shapes.geometry.iloc[0], shapes.geometry.drop(shapes.index[0])
    beside = b[b.touches(a) & (b.intersection(a).length > 0)].iloc[:1]
    corner = shapely.get_coordinates(a.boundary.intersection(beside.iloc[0].boundary))[0]
    found = locate(logan, shapely.Point(corner), crs="EPSG:5070")
    assert list(found.catchments) == [shapes.index[0]]
    assert "on the border of" in found.notes[0]


@pytest.mark.parametrize(
    ("bbox", "says"),
    [
        ((1, 2, 3), "this is no box"),
        ((-111.6, 41.9, -111.7, 42.0), "this is no box"),
        ((-111.7, 42.0, -111.6, 41.9), "this is no box"),
        ((-111.7, 41.9, float("nan"), 42), "this is no box"),
        ("west", "this is no box"),
        ((-1290000, 2190000, -1280000, 2200000), "does not say what its coordinates are in"),
        ((41.9, -111.7, 42.0, -111.6), "does not say what its coordinates are in"),
        ((-1, 41.9, 0, 42), "no catchment meets the box"),
    ],
)
def test_what_is_no_box_here_is_refused_with_advice(logan, bbox, says):
    error = error_of(logan, bbox=bbox)
    assert error.headline.endswith(says) or says in error.headline
    assert error.hint


@pytest.mark.parametrize("predicate", ["intersects", "within", "centroid"])
def test_a_box_gives_what_geopandas_gives(logan, predicate):
    box = (-1290000.0, 2190000.0, -1275000.0, 2210000.0)
    shapes = logan.hydrofabric.geometry("divides").geometry
    of = shapes.centroid if predicate == "centroid" else shapes
    truth = of.within(shapely.box(*box)) if predicate != "intersects" else of.intersects(shapely.box(*box))
    found = locate(logan, bbox=box, crs="EPSG:5070", predicate=predicate)
    assert set(found.catchments) == set(shapes.index[truth])


def test_a_polygon_may_come_in_any_way_and_any_reference_system(logan, tmp_path):
    shapes = logan.hydrofabric.geometry("divides")
    around = shapes.geometry.iloc[:3].union_all().buffer(-50)
    truth = set(shapes.index[shapes.intersects(around)])
    series = geopandas.GeoSeries([around], crs=shapes.crs)
    far = series.to_crs("EPSG:4326")
    far.to_file(tmp_path / "area.geojson", driver="GeoJSON")
    series.to_file(tmp_path / "area.gpkg", driver="GPKG")
    ways = [
        locate(logan, around, crs="EPSG:5070"),
        locate(logan, polygon=around, crs=5070),
        locate(logan, series),
        locate(logan, far),
        locate(logan, geopandas.GeoDataFrame(geometry=far.to_crs("EPSG:3857"))),
        locate(logan, tmp_path / "area.geojson"),
        locate(logan, str(tmp_path / "area.geojson")),
        locate(logan, polygon=tmp_path / "area.gpkg"),
        locate(logan, far.iloc[0].__geo_interface__),
        locate(logan, polygon={"type": "Feature", "geometry": far.iloc[0].__geo_interface__, "properties": {}}),
    ]
    assert [set(way.catchments) == truth for way in ways] == [True] * len(ways)


@pytest.mark.parametrize(
    ("polygon", "crs", "says"),
    [
        (shapely.box(-111.7, 41.9, -111.6, 42), None, "does not say what its coordinates are in"),
        (geopandas.GeoSeries([shapely.box(0, 0, 1, 1)]), None, "does not say what its coordinates are in"),
        (geopandas.GeoSeries([shapely.box(0, 0, 1, 1)], crs=4326), "EPSG:5070", "another coordinate reference system"),
        (shapely.box(0, 0, 1, 1), "EPSG:99999", "is not known"),
        (shapely.Polygon(), "EPSG:4326", "the shape is empty"),
        (geopandas.GeoSeries([None], crs=4326), None, "the shape is empty"),
        (geopandas.GeoSeries([], crs=4326), None, "the shape is empty"),
        (shapely.box(2, 2, 3, 3), "EPSG:4326", "no catchment meets the polygon"),
        ("nowhere.geojson", None, "there is no such file"),
        ({"type": "Polygon", "coordinates": "x"}, None, "the GeoJSON is not understood"),
    ],
)
def test_a_polygon_that_cannot_be_used_is_refused_with_advice(logan, polygon, crs, says):
    error = error_of(logan, polygon=polygon, crs=crs)
    assert says in error.headline
    assert error.hint


def test_a_polygon_that_crosses_itself_is_mended_and_said_so(logan):
    bow = shapely.Polygon([(-111.7, 41.9), (-111.5, 42.0), (-111.5, 41.9), (-111.7, 42.0)])
    found = locate(logan, bow, crs="EPSG:4326")
    assert any("cross themselves" in note for note in found.notes)
    assert len(found) > 3


def test_a_file_of_several_layers_counts_if_one_of_them_is_of_polygons(logan, data, tmp_path):
    assert len(locate(logan, data / FILE)) == 88
    box = geopandas.GeoSeries([shapely.box(-111.6, 41.9, -111.5, 42.0)], crs="EPSG:4326")
    for layer in ("one", "two"):
        box.to_file(tmp_path / "areas.gpkg", driver="GPKG", layer=layer)
    assert error_of(logan, tmp_path / "areas.gpkg").facts["has"] == "one, two"


def test_another_predicate_is_refused(logan):
    assert error_of(logan, bbox=(0, 0, 1, 1), predicate="touches").facts["needed"] == "intersects, within, centroid"


def test_a_domain_of_the_same_file_is_found_by_place_and_of_another_by_id(logan, data, tmp_path):
    part = logan.select(["cat-2861384", "cat-2861391"])
    assert locate(logan, part).places.tolist() == part.places.tolist()
    again = Domain.open(data / FILE).select(["cat-2861384"])
    assert list(locate(logan, again).catchments) == ["cat-2861384"]
    assert "not here" in str(error_of(logan, small(tmp_path)))
    assert "not here" in str(error_of(logan, Domain.open(data / "hydrofabric/v2.0/gauge_01073000.gpkg")))


def test_a_domain_with_the_same_ids_for_other_catchments_is_refused(tmp_path):
    here = small(tmp_path)
    there = small(tmp_path / "other", times=3)
    error = error_of(here, there)
    assert error.headline == "the other domain has the same ids for other catchments"
    assert "cat-1 of 3 km2" in str(error.facts["needed"])


def test_what_was_found_may_be_asked_for_again(logan):
    found = locate(logan, "10109001")
    assert locate(logan, found).places.tolist() == found.places.tolist()
    assert repr(found) == "Located(gage 10109001, at the end of wb-2861391 (cat-2861391))"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("cat-27", ["catchment"]),
        ("cat27", ["catchment"]),
        ("tnx-1000000001", ["nexus"]),
        ("huc8-16010202", ["huc"]),
        ("huc12-160102020702", ["mark"]),
        ("huc12-1601", ["huc"]),
        ("nid-UT00310", ["mark"]),
        ("03w", ["vpu"]),
        ("01073000", ["gage", "catchment", "flowpath", "nexus", "comid", "huc"]),
        ("27", ["catchment", "flowpath", "nexus", "gage", "comid", "vpu", "huc"]),
        ("outlet", ["mark"]),
    ],
)
def test_a_text_means_what_its_form_says(text, kinds):
    assert [meaning.kind for meaning in meanings(text)] == kinds


def test_an_id_of_a_form_of_its_own_is_found_as_it_stands(tmp_path):
    topology = Topology.of(
        {"id": ["outlet_catchment", "cat-2"], "toid": ["nex-9", "nex-1"]},
        {"id": ["nex-1", "nex-9"], "toid": ["outlet_catchment", None]},
    )
    domain = Domain.of(Hydrofabric(tmp_path / "x.gpkg", None, "v2.2", topology))
    assert list(locate(domain, "outlet_catchment").catchments) == ["outlet_catchment"]


def test_regions_are_none_where_the_file_has_none(data):
    domain = Domain.open(data / "hydrofabric/v2.0/gauge_01073000.gpkg")
    assert error_of(domain, vpu="01").facts["regions"] == "none named in this file"
    assert list(locate(domain, gage="1073000").catchments) == ["cat-11224"]
