"""Which catchments hold a point, meet a polygon or lie nearest: the same as by looking at all of them."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import threading

import geopandas
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod

from dmod.errors import HydrofabricError, SelectionError
from dmod.formats.geopackage_spatial import PREDICATES, DivideShapes, _FrameLayer, open_divides
from dmod.formats.hydrofabric import open_hydrofabric
from dmod.formats.shapes import WGS84, box_shape, ground_km, moved, point_shape, read_shape

FILE = "hydrofabric/v2.2/gage-10109001_subset.gpkg"
#: Somewhat larger than the file's extent [m].
WEST, SOUTH, EAST, NORTH = -1_300_000.0, 2_183_000.0, -1_266_000.0, 2_228_000.0


@pytest.fixture(scope="module")
def fabric(data):
    """The real file of 88 divides."""
    return open_hydrofabric(data / FILE)


@pytest.fixture(scope="module")
def divides(fabric):
    """All shapes, to look at one by one."""
    return fabric.geometry("divides").geometry


@pytest.fixture(scope="module", params=["packaged", "in memory"])
def shapes(fabric, request):
    """The same shapes asked through the R-tree of the file, and through one built in memory."""
    if request.param == "packaged":
        return open_divides(fabric)
    return DivideShapes(_FrameLayer(fabric.path, fabric.geometry("divides")))


points = st.tuples(st.floats(WEST, EAST), st.floats(SOUTH, NORTH))
sizes = st.sampled_from([1e-3, 50.0, 500.0, 5_000.0, 50_000.0])


def truth(divides, area, predicate):
    """What lies to an area as the predicate says, each shape looked at."""
    if predicate == "intersects":
        return divides.index[divides.intersects(area)]
    of = divides.centroid if predicate == "centroid" else divides
    return divides.index[shapely.covers(area, of.to_numpy())]


slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@slow
@given(points)
def test_a_point_is_held_by_the_shapes_that_hold_it(shapes, divides, point):
    assert shapes.at(*point) == divides.index[divides.intersects(shapely.Point(point))].to_list()


def test_a_corner_is_held_by_all_that_share_it(shapes, divides):
    corner = shapely.get_coordinates(divides.iloc[5])[0]
    held = shapes.at(*corner)
    assert held == divides.index[divides.intersects(shapely.Point(corner))].to_list()
    assert divides.index[5] in held


@slow
@given(points, sizes, st.sampled_from(PREDICATES), st.booleans())
def test_an_area_gives_those_that_lie_to_it_as_asked(shapes, divides, point, size, predicate, is_round):
    centre = shapely.Point(point)
    area = centre.buffer(size) if is_round else shapely.box(*centre.buffer(size).bounds)
    assert shapes.matching(area, predicate) == truth(divides, area, predicate).to_list()


@slow
@given(st.tuples(st.floats(-4e6, 3e6), st.floats(-1e6, 5e6)))
def test_the_nearest_is_the_nearest_of_all(shapes, divides, point):
    name, apart = shapes.nearest(shapely.Point(point))
    apart_m = divides.distance(shapely.Point(point))
    assert apart_m[name] == pytest.approx(apart_m.min(), abs=1e-6)
    assert apart == pytest.approx(apart_m.min() / 1000, rel=0.15, abs=1e-6)


def test_the_nearest_of_an_area_is_measured_from_its_edge(shapes, divides):
    box = shapely.box(WEST - 50_000, SOUTH, WEST - 20_000, NORTH)
    name, _ = shapes.nearest(box)
    assert divides.distance(box)[name] == divides.distance(box).min()


def test_distances_are_those_on_the_globe():
    a, b = shapely.Point(-111.0, 41.0), shapely.Point(-111.0, 42.0)
    assert ground_km(a, b, WGS84) == pytest.approx(111.06, abs=0.02)
    line = geopandas.GeoSeries([a, b], crs=4326).to_crs(5070)
    assert ground_km(line.iloc[0], line.iloc[1], "EPSG:5070") == pytest.approx(111.06, abs=0.02)


def test_a_box_is_not_bent_when_it_is_moved():
    box = (-112.0, 41.0, -102.0, 42.0)
    there = moved(box_shape(box, WGS84), "EPSG:5070").whole
    _, _, apart = Geod(ellps="WGS84").inv(-107.0, 42.0, -107.0, 42.01)
    middle = moved(point_shape(-107.0, 42.0), "EPSG:5070").whole
    # The middle of the northern side is on the boundary, to a small part of what 0.01 degrees are.
    assert there.boundary.distance(middle) < 0.05 * apart
    assert moved(point_shape(-107.0, 41.0001), "EPSG:5070").whole.within(there)


def test_answers_are_the_same_in_a_copy_and_in_another_thread(fabric):
    shapes = open_divides(fabric)
    point = shapely.Point(-1_280_000, 2_200_000)
    held = shapes.at(point.x, point.y)
    assert pickle.loads(pickle.dumps(shapes)).at(point.x, point.y) == held
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(shapes.at(point.x, point.y))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [held] * 8


def test_the_file_and_its_folder_stay_as_they_are(data, tmp_path):
    path = shutil.copyfile(data / FILE, tmp_path / "basin.gpkg")
    before = path.read_bytes()
    shapes = open_divides(open_hydrofabric(path))
    shapes.at(-1_280_000, 2_200_000)
    shapes.nearest(shapely.Point(0, 0))
    shapes.matching(shapely.box(WEST, SOUTH, EAST, NORTH), "intersects")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["basin.gpkg"]


def test_a_file_without_an_r_tree_is_asked_all_the_same(data, tmp_path, fabric):
    path = shutil.copyfile(data / FILE, tmp_path / "bare.gpkg")
    path.chmod(0o644)
    file = sqlite3.connect(path)
    file.execute("DROP TABLE rtree_divides_geom")
    file.commit()
    file.close()
    bare, box = open_divides(open_hydrofabric(path)), shapely.box(-1_290_000, 2_190_000, -1_280_000, 2_200_000)
    assert isinstance(bare.layer, _FrameLayer)
    assert bare.matching(box, "intersects") == open_divides(fabric).matching(box, "intersects")


def test_a_file_that_does_not_tell_its_reference_system_is_refused(data, tmp_path):
    path = shutil.copyfile(data / FILE, tmp_path / "lost.gpkg")
    path.chmod(0o644)
    file = sqlite3.connect(path)
    file.execute("UPDATE gpkg_geometry_columns SET srs_id = 0")
    file.commit()
    file.close()
    with pytest.raises(HydrofabricError, match="does not say what its coordinates are in"):
        open_divides(open_hydrofabric(path))


def test_a_damaged_shape_is_told_with_the_file(data, tmp_path):
    path = shutil.copyfile(data / FILE, tmp_path / "broken.gpkg")
    path.chmod(0o644)
    file = sqlite3.connect(path)
    names = [n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for name in names:
        file.execute(f'DROP TRIGGER "{name}"')
    file.execute("UPDATE divides SET geom = substr(geom, 1, 60)")
    file.commit()
    file.close()
    with pytest.raises(HydrofabricError, match=r"(?s)damaged.*broken\.gpkg"):
        open_divides(open_hydrofabric(path)).at(-1_280_000, 2_200_000)


def test_real_files_of_every_version_are_asked_by_place(data):
    for name in ("v2.0/gauge_01073000.gpkg", "v1.2/gauge_01069700.gpkg", "v1.2/dmod_example_hydrofabric_2.gpkg"):
        fabric = open_hydrofabric(data / "hydrofabric" / name)
        shapes, divides = open_divides(fabric), fabric.geometry("divides").geometry
        assert shapes.crs == "EPSG:5070"
        for name_, inside in divides.representative_point().items():
            assert name_ in shapes.at(inside.x, inside.y)


def test_a_shape_keeps_its_reference_system_and_says_what_is_left_out():
    series = geopandas.GeoSeries([shapely.Point(0, 0), None, shapely.Point()], crs="EPSG:3857")
    shape = read_shape(series)
    assert (shape.crs, len(shape.geometries), shape.is_points) == ("EPSG:3857", 1, True)
    assert shape.notes == ("2 of 3 rows have no geometry and count for nothing",)


def test_metres_given_as_degrees_are_refused():
    with pytest.raises(SelectionError, match=r"(?s)no coordinates.*the crs given is not that of the numbers"):
        moved(point_shape(-1_290_000.0, 2_190_000.0, WGS84), "EPSG:5070")
