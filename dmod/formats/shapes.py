"""Shapes that people give: a polygon, a GeoDataFrame, a file, a point; and where they lie on the globe.

What comes in is a `Shape`: geometries and the reference system they are in, which is never
guessed. `moved` takes one to another reference system, `ground_km` measures on the globe.
Which catchments a shape meets is for `dmod.formats.geopackage_spatial` to say.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import SelectionError

if TYPE_CHECKING:
    from pyproj import Transformer

__all__ = ["SUFFIXES", "WGS84", "Shape", "box_shape", "ground_km", "is_shape", "moved", "point_shape", "read_shape"]

#: Longitude and latitude on the globe, in that order.
WGS84 = "EPSG:4326"
#: Files that hold shapes, by the end of their name.
SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".fgb", ".parquet")

#: A side of a box is cut into this many pieces before it is moved: a parallel is no straight line elsewhere.
_PIECES = 64
_RING_KINDS = (3, 6)
_POINT_KINDS = (0, 4)


@dataclass(frozen=True, eq=False)
class Shape:
    """Geometries in one reference system."""

    #: Shapely geometries, none of them empty, at least one; shape (n,).
    geometries: NDArray[np.object_]
    #: What they are in, as PROJ understands it, such as ``EPSG:5070``.
    crs: str
    #: What was mended on the way, for people.
    notes: tuple[str, ...] = ()

    @property
    def is_points(self) -> bool:
        """Whether there is nothing but points."""
        import shapely

        return bool(np.isin(shapely.get_type_id(self.geometries), _POINT_KINDS).all())

    @property
    def points(self) -> list[tuple[float, float]]:
        """The points one by one, as (x, y)."""
        import shapely

        return [(float(x), float(y)) for x, y in shapely.get_coordinates(self.geometries)]

    @property
    def whole(self) -> Any:
        """All geometries as one."""
        import shapely

        return self.geometries[0] if len(self.geometries) == 1 else shapely.union_all(self.geometries)


def is_shape(value: object) -> bool:
    """Whether *value* is a geometry, a table of geometries, or GeoJSON as a dictionary."""
    if isinstance(value, Mapping):
        return isinstance(value.get("type"), str) and bool({"coordinates", "geometry", "features"} & set(value))
    return hasattr(type(value), "__geo_interface__")


def read_shape(value: object, crs: object = None) -> Shape:
    """A shape from whatever holds one.

    Parameters
    ----------
    value : shapely geometry, GeoSeries, GeoDataFrame, GeoJSON dictionary, or path of a file
        What to read; `is_shape` says whether it is one.
    crs : str, optional
        What its coordinates are in, where it does not say so itself.

    Raises
    ------
    SelectionError
        If the reference system is not known or contradicts *crs*, the file cannot be read or has
        several layers, or there is no geometry in it.
    """
    if isinstance(value, str | Path):
        geometries, said, what = _of_file(Path(value))
    elif isinstance(value, Mapping):
        geometries, said, what = _of_geojson(value), WGS84, "GeoJSON"
    elif hasattr(value, "geometry"):
        geometries, said, what = _of_table(value)
    elif not is_shape(value):
        raise SelectionError(
            "this is no shape",
            needed="a shapely geometry, a GeoSeries, a GeoDataFrame, GeoJSON, or the path of a file",
            has=f"{repr(value)[:80]} ({type(value).__name__})",
            hint="several geometries make a GeoSeries: geopandas.GeoSeries([...], crs=...)",
        )
    else:
        # Filled one by one: numpy would take a geometry of several parts for a sequence.
        geometries = np.empty(1, dtype=object)
        geometries[0], said, what = value, None, getattr(value, "geom_type", type(value).__name__)
    return _checked(geometries, _one_crs(said, crs, what), what)


def point_shape(x: float, y: float, crs: str = WGS84) -> Shape:
    """A point; by longitude, in [-180, 180], and latitude, in [-90, 90], both [degree], unless *crs* says else."""
    import shapely

    return Shape(np.array([shapely.Point(x, y)], dtype=object), crs)


def box_shape(bounds: Sequence[float], crs: object) -> Shape:
    """The box of (xmin, ymin, xmax, ymax), with points along its sides so that it keeps its form when moved."""
    import shapely

    box = shapely.box(*bounds)
    longest = max(bounds[2] - bounds[0], bounds[3] - bounds[1])
    return Shape(np.array([shapely.segmentize(box, longest / _PIECES)], dtype=object), _known(crs))


def moved(shape: Shape, crs: str) -> Shape:
    """The same shape in another reference system.

    Raises
    ------
    SelectionError
        If it lies where that reference system has no coordinates.
    """
    import shapely

    if shape.crs == crs:
        return shape
    transformer = _transformer(shape.crs, crs)
    geometries = shapely.transform(shape.geometries, lambda xy: np.column_stack(transformer.transform(*xy.T)))
    if not np.isfinite(shapely.get_coordinates(geometries)).all():
        raise SelectionError(
            "the place asked for has no coordinates in the hydrofabric's reference system",
            needed=crs,
            has=f"bounds {_bounds(shape)} in {shape.crs}",
            hint="longitude is x and comes first, latitude is y; or the crs given is not that of the numbers",
        )
    return Shape(geometries, crs, shape.notes)


def ground_km(a: Any, b: Any, crs: str) -> float:
    """The distance between the nearest points of two geometries of one reference system, on the globe [km]."""
    import pyproj
    import shapely

    ends = shapely.get_coordinates(shapely.shortest_line(a, b))
    lon, lat = _transformer(crs, WGS84).transform(ends[:, 0], ends[:, 1])
    _, _, metres = pyproj.Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])
    return float(metres) / 1000


@lru_cache(maxsize=32)
def _transformer(source: str, target: str) -> Transformer:
    """From one reference system to another, x before y; making one takes milliseconds."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _known(crs: object) -> str:
    """A reference system as text, by its authority where it has one."""
    return _named(crs if isinstance(crs, str | int) else str(getattr(crs, "to_wkt", lambda: crs)()))


@lru_cache(maxsize=32)
def _named(crs: str | int) -> str:
    """The shortest text that PROJ understands as the same reference system."""
    import pyproj

    try:
        found = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise SelectionError(
            "this coordinate reference system is not known",
            needed="one that PROJ knows, such as 'EPSG:4326' or 'EPSG:5070'",
            has=repr(crs)[:120],
            hint="give crs='EPSG:...'",
        ) from error
    authority = found.to_authority(min_confidence=100)
    return ":".join(authority) if authority else str(found.to_wkt())


def _one_crs(said: object, given: object, what: str) -> str:
    """The reference system that a shape says, else the one given; both only if they agree."""
    if said is None and given is None:
        raise SelectionError(
            "the shape does not say what its coordinates are in",
            needed="a coordinate reference system",
            has=f"{what} without one",
            hint="give crs=, such as crs='EPSG:4326' for longitude and latitude, or set it on the GeoDataFrame",
        )
    if said is not None and given is not None and _known(said) != _known(given):
        import pyproj

        if not pyproj.CRS(_known(said)).equals(pyproj.CRS(_known(given)), ignore_axis_order=True):
            raise SelectionError(
                "the shape says another coordinate reference system than crs= does",
                needed=_known(given)[:120],
                has=_known(said)[:120],
                hint="leave crs= out, or move the shape with to_crs() first",
            )
    return _known(given if said is None else said)


def _checked(geometries: NDArray[np.object_], crs: str, what: str) -> Shape:
    """A shape of those geometries that are there, valid ones where they are not."""
    import shapely

    missing = shapely.is_missing(geometries) | shapely.is_empty(geometries)
    kept, notes = geometries[~missing], []
    if not len(kept) or not np.isfinite(shapely.get_coordinates(kept)).all():
        raise SelectionError(
            "the shape is empty" if not len(kept) else "a coordinate of the shape is not a number",
            needed="at least one geometry, all of its coordinates finite",
            has=f"{what} with {len(geometries):,} rows, {int(missing.sum()):,} of them empty",
            hint="look at it with .plot() first",
        )
    if missing.any():
        notes.append(f"{int(missing.sum()):,} of {len(geometries):,} rows have no geometry and count for nothing")
    if (wrong := ~shapely.is_valid(kept)).any():
        kept = np.where(wrong, shapely.make_valid(kept), kept)
        notes.append(f"{int(wrong.sum()):,} polygon(s) cross themselves; taken as shapely.make_valid has them")
    return Shape(kept, crs, tuple(notes))


def _of_table(table: Any) -> tuple[NDArray[np.object_], object, str]:
    """Geometries, reference system and name of a GeoSeries or GeoDataFrame."""
    # A plain table with a column of that name has no reference system.
    return np.asarray(table.geometry.to_numpy(), dtype=object), getattr(table, "crs", None), type(table).__name__


def _of_geojson(value: Mapping[str, Any]) -> NDArray[np.object_]:
    """The geometries of a GeoJSON object, which is always longitude and latitude (RFC 7946)."""
    import shapely.geometry

    listed = value.get("features", [value])
    found = np.empty(len(listed), dtype=object)
    try:
        for row, item in enumerate(listed):
            geometry = item.get("geometry", item)
            found[row] = None if geometry is None else shapely.geometry.shape(geometry)
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.ShapelyError) as error:
        raise SelectionError(
            "the GeoJSON is not understood",
            reason=error,
            has=repr(dict(value))[:120],
            hint="give a Geometry, a Feature or a FeatureCollection",
        ) from error
    return found


def _of_file(path: Path) -> tuple[NDArray[np.object_], object, str]:
    """Geometries, reference system and name of a file's only layer of polygons, or its only layer."""
    import geopandas
    import pyogrio

    if not path.is_file():
        raise SelectionError("there is no such file of shapes", path=path, hint="check the path")
    try:
        if path.suffix.lower() == ".parquet":
            frame = geopandas.read_parquet(path)
            return frame.geometry.to_numpy(), frame.crs, path.name
        layers = pyogrio.list_layers(path)
        spatial = [name for name, kind in layers if kind is not None]
        polygons = [name for name, kind in layers if kind is not None and "Polygon" in kind]
        names = spatial if len(spatial) == 1 else polygons
        if len(names) == 1:
            with warnings.catch_warnings():
                # What GDAL warns of here, such as an odd name, has no bearing on the shapes.
                warnings.simplefilter("ignore")
                frame = geopandas.read_file(path, layer=names[0], columns=[], engine="pyogrio")
            return frame.geometry.to_numpy(), frame.crs, path.name
    except (OSError, ValueError, pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise SelectionError(
            "the file of shapes cannot be read",
            path=path,
            reason=error,
            hint="give GeoJSON, a GeoPackage, a shapefile, FlatGeobuf or GeoParquet",
        ) from error
    raise SelectionError(
        "the file does not hold one layer of polygons",
        path=path,
        has=", ".join(spatial) or "no layer with geometry",
        hint="read the one you mean with geopandas.read_file(path, layer=...) and give that",
    )


def _bounds(shape: Shape) -> str:
    """The bounding box of a shape, for people."""
    import shapely

    return ", ".join(f"{edge:.6g}" for edge in shapely.total_bounds(shape.geometries))
