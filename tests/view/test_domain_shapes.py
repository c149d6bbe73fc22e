"""Shapes keep what the eye sees: neighbours still touch, and no feature is lost."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from dmod.view.domain_shapes import Grid, Shapes, round_length

ALBERS, DEGREES = pyproj.CRS("EPSG:5070"), pyproj.CRS("EPSG:4326")


def areas(shapes):
    """Area of each feature of rings: exteriors run one way, holes the other."""
    found = np.zeros(shapes.count)
    for ring, owner in zip(shapes.pieces(), shapes.owner, strict=True):
        x, y = ring.astype(float).T
        found[owner] += (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2
    return np.abs(found)


def test_whatever_has_no_shape_has_no_part():
    many = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)])
    shapes = Shapes.of([None, many, shapely.Polygon(), shapely.box(5, 5, 6, 6)])
    assert shapes.owner.tolist() == [1, 1, 3]
    assert shapes.first_parts().tolist() == [0, 0, 2, 2, 3]
    np.testing.assert_array_equal(shapes.boxes()[[1, 3]], [[0, 0, 3, 1], [5, 5, 6, 6]])
    assert np.isnan(shapes.boxes()[[0, 2]]).all()


def test_a_hole_is_a_ring_of_its_feature():
    ring = shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6))
    shapes = Shapes.of([shapely.box(3, 3, 6, 6), ring])
    assert shapes.owner.tolist() == [0, 1, 1]
    np.testing.assert_array_equal(areas(shapes), [9, 72])


def test_taken_features_are_numbered_anew():
    shapes = Shapes.of([shapely.Point(n, 0) for n in range(4)]).take(np.array([False, True, False, True]))
    assert (shapes.count, shapes.owner.tolist()) == (2, [0, 1])
    np.testing.assert_array_equal(shapes.points, [[1, 0], [3, 0]])


def test_a_straight_side_needs_its_corners_only():
    fine = shapely.segmentize(shapely.box(0, 0, 100, 100), 1)
    grid = Grid.over((0, 0, 100, 100), 50)
    snapped = Shapes.of([fine]).snapped(grid, closed=True)
    assert sorted(map(tuple, snapped.points[:-1].tolist())) == [(-25, -25), (-25, 25), (25, -25), (25, 25)]
    assert snapped.points[0].tolist() == snapped.points[-1].tolist()


def test_a_feature_smaller_than_the_grid_stays_as_a_square():
    shapes = Shapes.of([shapely.box(0, 0, 100, 100), shapely.box(50, 50, 50.1, 50.1), shapely.box(0, 0, 90, 1)])
    snapped = shapes.snapped(Grid.over((0, 0, 100, 100), 10), closed=True)
    assert snapped.owner.tolist() == [0, 1, 2]
    assert areas(snapped).tolist() == [100, 1, 1]


def test_a_course_smaller_than_the_grid_goes():
    lines = [shapely.LineString([(0, 0), (0.1, 0)]), shapely.LineString([(0, 0), (50, 50)])]
    assert Shapes.of(lines).snapped(Grid.over((0, 0, 100, 100), 10), closed=False).owner.tolist() == [1]


@given(st.integers(2, 9), st.integers(20, 400), st.integers(0, 10_000))
def test_snapped_neighbours_cover_the_land_without_gap_or_overlap(side, cells, seed):
    """A quilt with crooked seams is as large afterwards as its outer edge."""
    rng = np.random.default_rng(seed)
    corner = np.stack(np.meshgrid(np.arange(side + 1.0), np.arange(side + 1.0), indexing="ij"), axis=-1)
    corner[1:-1, 1:-1] += rng.uniform(-0.3, 0.3, (side - 1, side - 1, 2))
    quilt = [
        shapely.Polygon([corner[i, j], corner[i + 1, j], corner[i + 1, j + 1], corner[i, j + 1]])
        for i in range(side)
        for j in range(side)
    ]
    grid = Grid.over((0, 0, side, side), cells)
    whole = grid.whole(np.array([[0.0, 0.0], [side, side]]))
    snapped = Shapes.of(quilt).snapped(grid, closed=True)
    if len(np.unique(snapped.owner)) == len(quilt) and (np.diff(snapped.starts) >= 4).all():
        assert areas(snapped).sum() == pytest.approx(np.prod(whole[1] - whole[0]))


def test_a_degree_is_shorter_where_meridians_meet():
    """At 60 degrees north, two degrees of longitude are as long as one of latitude."""
    grid = Grid.over((-2, 59, 2, 61), 100, crs=DEGREES)
    (west, south), (east, north) = grid.whole(np.array([[-2.0, 59.0], [2.0, 61.0]])).tolist()
    assert (east - west, north - south) == (100, 100)
    assert grid.metres(DEGREES) == pytest.approx(2 / 100 * 111_195)
    assert Grid.over((0, 0, 5e4, 1e4), 100, crs=ALBERS).metres(ALBERS) == 500
    assert Grid.over((0, 0, 1, 1), 10).metres(None) is None


def test_a_single_point_is_a_map_all_the_same():
    assert Grid.over((3, 3, 3, 3), 100).whole(np.array([[3.0, 3.0]])).tolist() == [[0, 0]]


@pytest.mark.parametrize(("about", "length"), [(0.9, 0.5), (1.0, 1.0), (4_999, 2_000), (5_000, 5_000), (10_000, 1e4)])
def test_a_scale_bar_has_a_round_length(about, length):
    assert round_length(about) == pytest.approx(length)
