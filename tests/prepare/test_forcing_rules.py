"""Forcing cut to catchments and times, and made of one format into another."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Found, Listed, Missing, Requirement, match
from dmod.errors import DatasetError, ForcingError
from dmod.formats.forcing import ForcingRef, TimeAxis, open_forcing
from dmod.formats.forcing_copy import copy_forcing, cut_of
from dmod.formats.forcing_write import write_forcing
from dmod.formats.forcing_zarr import ZarrForcing, ZarrForcingWriter
from dmod.prepare.forcing_rules import FORCING_NAMES, ForcingRule, forcing_ref
from dmod.prepare.rules import derive
from dmod.testing.rivers import run_here, tiny_run_directory

FORMATS = list(FORCING_NAMES)
GAUGE = ["cat-11223", "cat-11224", "cat-11371", "cat-11410", "cat-11509"]
DECEMBER = Span.of("2015-12-01", "2015-12-31")
DAY = Span.of("2015-12-02", "2015-12-03")
PATTERN = r"(.*[^0-9])?{{id}}([^0-9].*)?\.csv"


def opened(path, kind, ids=None):
    """Forcing of a format."""
    ref = forcing_ref(path, kind)
    return open_forcing(ForcingRef(ref.path, ref.provider, PATTERN if kind is Format.FORCING_CSV else ""), ids)


def values(source):
    """All values by catchment and variable."""
    rows = np.arange(len(source.ids))
    return {name: source.read(name, rows, 0, source.axis.count) for name in source.variables}


def same(one, other):
    """Whether two forcings say the same, bit by bit where both have one precision."""
    order = [list(other.ids).index(name) for name in one.ids]
    first, second = values(one), values(other)
    return (
        sorted(one.ids) == sorted(other.ids)
        and one.axis == other.axis
        and dict(one.variables) == dict(other.variables)
        and all(np.array_equal(first[name], second[name][order], equal_nan=True) for name in first)
    )


def forcing(data, kind):
    """Real forcing of five catchments, in NetCDF or CSV."""
    if kind is Format.FORCING_CSV:
        return data / "forcing" / "csv" / "gauge_01073000"
    return data / "forcing" / "netcdf" / "gauge_01073000_forcing.nc"


def dataset(path, kind, *, name="weather", ids=GAUGE, span=DECEMBER, created_s=0.0):
    """Forcing as a dataset, in place."""
    coverage = Coverage.of(spans=span, ids=ids, variables=["precip_rate", "TMP_2maboveground"])
    digest = "sha256:" + "3" * 64
    return Dataset(name, name, Category.FORCING, kind, coverage, digest, 1, (), str(path), created_s=created_s)


def need(kind, *, ids=("cat-11224",), span=DAY, **more):
    """Forcing for some catchments and times."""
    coverage = Coverage.of(spans=span, ids=ids, variables=["precip_rate"])
    return Requirement("forcing", Category.FORCING, (kind,), coverage, **more)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("kind", [Format.FORCING_NETCDF, Format.FORCING_CSV])
def test_real_forcing_says_the_same_in_every_format(data, tmp_path, kind, target):
    source = opened(forcing(data, kind), kind)
    path = copy_forcing(source, tmp_path / FORCING_NAMES[target], target)
    assert same(opened(path, target), source)
    assert [one.name for one in tmp_path.iterdir()] == [path.name], "nothing is left beside it"


@pytest.mark.parametrize("target", [Format.FORCING_NETCDF, Format.FORCING_ZARR])
def test_the_precision_of_the_source_is_kept(data, tmp_path, target):
    for kind, dtype in ((Format.FORCING_NETCDF, np.float32), (Format.FORCING_CSV, np.float64)):
        source = opened(forcing(data, kind), kind)
        assert source.read("precip_rate", np.array([0]), 0, 1).dtype == dtype
        made = opened(copy_forcing(source, tmp_path / f"{kind}.{target}", target), target)
        assert made.read("precip_rate", np.array([0]), 0, 1).dtype == dtype


@given(
    kinds=st.permutations(FORMATS),
    numbers=st.lists(st.floats(width=32, allow_infinity=False), min_size=6, max_size=6),
    start=st.integers(0, 10**6).map(lambda n: n * 60),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_survive_any_way_through_the_formats(tmp_path_factory, kinds, numbers, start):
    folder = tmp_path_factory.mktemp("way")
    axis = TimeAxis(start, 3600, 3)
    block = np.array(numbers, dtype=np.float32).reshape(2, 3)
    path = write_forcing(
        folder / "first.nc", ["cat-9", "cat-10"], axis=axis, variables={"precip_rate": "mm/h", "odd": "1"},
        blocks=lambda a, b: {"precip_rate": block[a:b], "odd": -block[a:b]},
    )  # fmt: skip
    source = first = opened(path, Format.FORCING_NETCDF)
    for number, kind in enumerate(kinds):
        source = opened(copy_forcing(source, folder / f"{number}.{FORCING_NAMES[kind]}", kind), kind)
        assert same(source, first), kind
    assert dict(source.variables) == {"precip_rate": "mm/h", "odd": "1"}


@pytest.mark.parametrize("target", FORMATS)
def test_only_what_is_asked_for_is_taken_in_the_order_of_the_source(data, tmp_path, target):
    whole = opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF)
    span = Span.of("2015-12-03 06:00", "2015-12-04 06:00")
    wanted = ["cat-11509", "cat-11223"]
    cut = cut_of(whole, ids=wanted, span=(span.start_s, span.stop_s), variables=["T2D", "precip_rate"])
    made = opened(copy_forcing(whole, tmp_path / "cut", target, cut=cut), target, wanted)
    assert sorted(made.ids) == sorted(wanted)
    assert made.axis == TimeAxis(span.start_s, 3600, 24)
    assert sorted(made.variables) == ["TMP_2maboveground", "precip_rate"]
    for name in made.variables:
        for row, catchment in enumerate(made.ids):
            held = whole.read(name, np.array([list(whole.ids).index(catchment)]), 54, 78)
            assert np.array_equal(made.read(name, np.array([row]), 0, 24), held)
    if target is not Format.FORCING_CSV:
        assert list(made.ids) == [one for one in whole.ids if one in wanted]


def test_a_span_that_ends_inside_a_step_takes_the_whole_step(data):
    whole = opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF)
    start = whole.axis.start_s
    assert cut_of(whole, span=(start + 1800, start + 5400)).axis == TimeAxis(start, 3600, 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"ids": ["cat-11224", "cat-1122"]}, "1 of 2 catchments have no forcing", id="catchment"),
        pytest.param({"ids": []}, "no catchment is wanted", id="no catchment"),
        pytest.param({"variables": ["snow"]}, "no variable 'snow'", id="variable"),
        pytest.param({"variables": []}, "no variable is wanted", id="no variable"),
        pytest.param({"span": (0, 3600)}, "does not reach far enough in time", id="too early"),
        pytest.param({"span": (1448928000, 1548928000)}, "does not reach far enough in time", id="too late"),
        pytest.param({"span": (1448928000, 1448928000)}, "no time is wanted", id="no time"),
    ],
)
def test_what_the_forcing_does_not_have_is_not_made_up(data, asked, said):
    with pytest.raises(ForcingError, match=said):
        cut_of(opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF), **asked)


@pytest.mark.parametrize("target", FORMATS)
def test_nothing_is_left_where_reading_fails_half_way(data, tmp_path, target, monkeypatch):
    source = opened(forcing(data, Format.FORCING_CSV), Format.FORCING_CSV)
    monkeypatch.setattr("dmod.formats.forcing_copy._HELD_BYTES", 1)
    monkeypatch.setattr("dmod.formats.forcing_zarr._CHUNK_BYTES", 8)
    read = source.read

    def fails(variable, rows, start, stop):
        if rows[0] == 3:
            raise ForcingError("the disk is gone")
        return read(variable, rows, start, stop)

    source.read = fails
    with pytest.raises(ForcingError, match="the disk is gone"):
        copy_forcing(source, tmp_path / "made", target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", FORMATS)
def test_what_is_there_is_not_overwritten(data, tmp_path, target):
    (tmp_path / "made").write_text("mine")
    source = opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF)
    with pytest.raises(ForcingError, match="something already"):
        copy_forcing(source, tmp_path / "made", target)
    assert (tmp_path / "made").read_text() == "mine"


@pytest.mark.parametrize("target", FORMATS)
def test_blocks_of_rows_make_no_difference(data, tmp_path, target, monkeypatch):
    source = opened(forcing(data, Format.FORCING_CSV), Format.FORCING_CSV)
    told = []
    one = copy_forcing(source, tmp_path / "one", target)
    monkeypatch.setattr("dmod.formats.forcing_copy._HELD_BYTES", 1)
    monkeypatch.setattr("dmod.formats.forcing_zarr._CHUNK_BYTES", 8)
    many = copy_forcing(source, tmp_path / "many", target, progress=told.append)
    assert same(opened(many, target), opened(one, target))
    assert told == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize("target", FORMATS)
def test_the_same_forcing_gives_the_same_bytes(data, tmp_path, target):
    def made(name):
        source = opened(forcing(data, Format.FORCING_CSV), Format.FORCING_CSV)
        root = copy_forcing(source, tmp_path / name, target)
        files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        return [(path.relative_to(root).as_posix(), path.read_bytes()) for path in files]

    assert made("one") == made("two")


def test_netcdf_of_either_precision_is_laid_out_as_ngen_reads_it(data, tmp_path):
    netcdf4 = pytest.importorskip("netCDF4", reason="the library that ngen reads with is not installed")
    source = opened(forcing(data, Format.FORCING_CSV), Format.FORCING_CSV)
    path = copy_forcing(source, tmp_path / "forcings.nc", Format.FORCING_NETCDF)
    with netcdf4.Dataset(path) as file:
        assert list(file.variables["ids"][:]) == list(source.ids)
        assert file.variables["ids"].dimensions == ("catchment-id",)
        assert file.variables["Time"].units == "s"
        assert file.variables["Time"][0, 1] - file.variables["Time"][0, 0] == 3600
        rain = file.variables["precip_rate"]
        assert (rain.dtype, rain.dimensions, rain.units) == (np.float64, ("catchment-id", "time"), "mm s^-1")
        assert np.array_equal(rain[:], source.read("precip_rate", np.arange(5), 0, 720))


def test_xarray_opens_the_zarr_store_with_its_labels(data, tmp_path):
    source = opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF)
    path = copy_forcing(source, tmp_path / "forcings.zarr", Format.FORCING_ZARR)
    with xr.open_zarr(path, consolidated=False) as found:
        assert found["precip_rate"].dims == ("catchment-id", "time")
        assert found["time"].to_index()[0].isoformat() == "2015-12-01T00:00:00"
        assert [str(one) for one in found["catchment-id"].values] == list(source.ids)
        assert found["PRES_surface"].attrs["units"] == "Pa"


def test_rows_of_a_store_come_in_any_order(data, tmp_path):
    source = opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF)
    made = ZarrForcing(ForcingRef(copy_forcing(source, tmp_path / "forcings.zarr", Format.FORCING_ZARR), "Zarr"))
    for rows in ([3], [4, 0, 2], [0, 1, 2, 3, 4], []):
        asked = np.array(rows, dtype=np.intp)
        assert np.array_equal(made.read("TMP_2maboveground", asked, 5, 9),
                              source.read("TMP_2maboveground", asked, 5, 9))  # fmt: skip


def test_a_store_that_is_none_or_damaged_is_refused(data, tmp_path):
    with pytest.raises(ForcingError, match="is not there"):
        ZarrForcing(ForcingRef(tmp_path / "gone", "Zarr"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ForcingError, match="is no Zarr store"):
        ZarrForcing(ForcingRef(tmp_path / "empty", "Zarr"))
    source = opened(forcing(data, Format.FORCING_NETCDF), Format.FORCING_NETCDF)
    path = copy_forcing(source, tmp_path / "forcings.zarr", Format.FORCING_ZARR)
    chunk = next(one for one in (path / "precip_rate" / "c").rglob("*") if one.is_file())
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(ForcingError, match="damaged"):
        ZarrForcing(ForcingRef(path, "Zarr")).read("precip_rate", np.arange(5), 0, 720)
    (path / "time" / "zarr.json").write_text("{")
    with pytest.raises(ForcingError, match="damaged"):
        ZarrForcing(ForcingRef(path, "Zarr"))


def test_a_store_of_which_rows_were_not_written_is_not_published(tmp_path):
    axis = TimeAxis(0, 3600, 2)
    with (
        pytest.raises(ForcingError, match="not every row"),
        ZarrForcingWriter(tmp_path / "w.zarr", ["cat-1", "cat-2"], axis=axis, variables={"T2D": "K"}) as writer,
    ):
        writer.write(0, {"T2D": np.zeros((1, 2))})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_a_run_gives_the_same_flow_whatever_format_its_forcing_has(tmp_path, kind):
    river = tiny_run_directory(tmp_path / "river", hours=6)
    expected = run_here(river)["nexus_flow"].values
    source = opened(river / "forcings" / "forcings.nc", Format.FORCING_NETCDF)
    path = copy_forcing(source, river / "forcings" / f"x{FORCING_NAMES[kind]}", kind)
    realization = river / "config" / "realization.json"
    provider = {Format.FORCING_NETCDF: "NetCDF", Format.FORCING_ZARR: "Zarr", Format.FORCING_CSV: "CsvPerFeature"}[kind]
    text = realization.read_text().replace("forcings/forcings.nc", f"forcings/{path.name}")
    realization.write_text(text.replace('"NetCDF"', f'"{provider}"').replace(
        '"CsvPerFeature"', '"CsvPerFeature", "file_pattern": "{{id}}.csv"'
    ))  # fmt: skip
    assert np.array_equal(run_here(river)["nexus_flow"].values, expected)


def test_forcing_is_cut_to_what_is_needed_and_says_so(data, tmp_path):
    path = forcing(data, Format.FORCING_CSV)
    (found,) = match([need(Format.FORCING_NETCDF)], [dataset(path, Format.FORCING_CSV)], [ForcingRule()])
    assert isinstance(found, Derivable)
    assert found.note == "'weather' is cut to what is needed; forcing-csv is made forcing-netcdf"
    made = derive(found.offer, [path], tmp_path, known=[ForcingRule()])
    assert made.coverage == need(Format.FORCING_NETCDF).coverage
    source = opened(made.path, Format.FORCING_NETCDF)
    assert list(source.ids) == ["cat-11224"]
    assert source.axis == TimeAxis(Span.of("2015-12-02", "2015-12-03").start_s, 3600, 24)
    assert list(source.variables) == ["precip_rate"]


def test_forcing_that_fits_as_it_is_is_not_derived(data):
    path = forcing(data, Format.FORCING_NETCDF)
    (found,) = match([need(Format.FORCING_NETCDF)], [dataset(path, Format.FORCING_NETCDF)], [ForcingRule()])
    assert isinstance(found, Found)


def test_forcing_that_does_not_hold_all_is_never_taken(data):
    held = [dataset(forcing(data, Format.FORCING_CSV), Format.FORCING_CSV)]
    for needed in (
        need(Format.FORCING_NETCDF, ids=["cat-11224", "cat-1"]),
        need(Format.FORCING_NETCDF, span=Span.of("2015-12-30", "2016-01-02")),
    ):
        assert isinstance(match([needed], held, [ForcingRule()])[0], Missing)


def test_the_forcing_with_least_excess_is_cut(data):
    path = forcing(data, Format.FORCING_CSV)
    small = dataset(path, Format.FORCING_CSV, name="small", span=Span.of("2015-12-01", "2015-12-05"))
    large = dataset(path, Format.FORCING_CSV, name="large", created_s=10.0)
    (found,) = match([need(Format.FORCING_NETCDF)], [large, small], [ForcingRule()])
    assert [one.name for one in found.parents] == ["small"]


def test_forcing_that_was_named_is_the_one_that_is_cut(data):
    path = forcing(data, Format.FORCING_CSV)
    small = dataset(path, Format.FORCING_CSV, name="small", span=Span.of("2015-12-01", "2015-12-05"))
    large = dataset(path, Format.FORCING_CSV, name="large")
    (found,) = match([need(Format.FORCING_NETCDF, explicit="large")], [large, small], [ForcingRule()])
    assert [one.name for one in found.parents] == ["large"]


def test_two_stretches_of_time_are_cut_as_one(data):
    coverage = Coverage.of(
        spans=[Span.of("2015-12-02", "2015-12-03"), Span.of("2015-12-05", "2015-12-06")], ids=["cat-11224"],
        variables=["precip_rate"],
    )  # fmt: skip
    needed = Requirement("forcing", Category.FORCING, (Format.FORCING_ZARR,), coverage)
    offer = ForcingRule().offers(needed, Listed([dataset(forcing(data, Format.FORCING_CSV), Format.FORCING_CSV)]))
    assert offer.coverage.spans == (Span.of("2015-12-02", "2015-12-06"),)
    assert offer.coverage.covers(coverage)


def test_the_rule_keeps_to_its_own():
    coverage = Coverage.of(spans=ALL, ids=["cat-1"], variables=ALL)
    fabric = Requirement("hydrofabric", Category.HYDROFABRIC, (Format.GEOPACKAGE,), coverage)
    assert ForcingRule().offers(fabric, Listed([])) is None
    stated = need(Format.FORCING_NETCDF, facts={"model": "aorc"})
    assert ForcingRule().offers(stated, Listed([dataset("/nowhere", Format.FORCING_CSV)])) is None


def test_a_dataset_that_is_of_another_format_than_it_says_is_refused(data, tmp_path):
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(DatasetError, match="no Zarr store"):
        forcing_ref(tmp_path, Format.FORCING_ZARR)
    with pytest.raises(ForcingError, match="no format of forcing"):
        forcing_ref(tmp_path, Format.GEOPACKAGE)
