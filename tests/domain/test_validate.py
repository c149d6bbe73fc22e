"""What validation finds in rivers broken by hand, and that it finds nothing wrong with real ones."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.domain import tables
from dmod.domain.domain import Domain
from dmod.domain.problems import Problem, find_problems
from dmod.domain.validate import validate
from dmod.domain.validate_attributes import attribute_problems
from dmod.domain.validate_shapes import shape_problems
from dmod.errors import InputError
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.names import Names
from dmod.formats.topology import Topology

V22 = "hydrofabric/v2.2/gage-10109001_subset.gpkg"

#: 3 and 4 meet at nex-2, which flows into 2; 2 and 5 at nex-1 into 1, which ends at tnx-9.
CATCHMENTS = {
    "cat-1": ("tnx-9", "wb-1", 1.0, "01"),
    "cat-2": ("nex-1", "wb-2", 2.0, "01"),
    "cat-3": ("nex-2", "wb-3", 3.0, "01"),
    "cat-4": ("nex-2", "wb-4", 4.0, "01"),
    "cat-5": ("nex-1", "wb-5", 5.0, "01"),
}
FLOWPATHS = {
    "wb-1": ("tnx-9", 1.0, 15.0),
    "wb-2": ("nex-1", 2.0, 9.0),
    "wb-3": ("nex-2", 3.0, 3.0),
    "wb-4": ("nex-2", 4.0, 4.0),
    "wb-5": ("nex-1", 5.0, 5.0),
}
NEXUSES = {"nex-1": "wb-1", "nex-2": "wb-2", "tnx-9": "wb-0"}


def made(catchments=(), flowpaths=(), nexuses=(), gages=()):
    """The river above with some rows in the place of those of the same id, or added; None takes one away.

    A tuple of rows is put in one after the other, so that an id may stand twice.
    """

    def rows(of, changed, plain):
        kept = {**of, **dict(changed)}
        found = [
            (i, *(row if isinstance(row, tuple) else (row,)))
            for i, held in kept.items()
            if held is not None
            for row in (held if isinstance(held, list) else [held])
        ]
        return dict(zip(plain, zip(*found, strict=True), strict=True))

    topology = Topology.of(
        rows(CATCHMENTS, catchments, ("id", "toid", "flowpath", "area_km2", "region")),
        rows(NEXUSES, nexuses, ("id", "toid")),
        rows(FLOWPATHS, flowpaths, ("id", "toid", "length_km", "total_km2")),
        [(f"gages-{gage}", flowpath, None) for gage, flowpath in gages],
    )
    return Domain.of(Hydrofabric(Path("made.gpkg"), None, "v2.2", topology))


def found(domain, purpose=None):
    """Check to its severity and ids."""
    return {p.check: (p.severity, p.ids) for p in validate(domain, purpose, attributes=False).problems}


def test_nothing_is_wrong_with_a_sound_river():
    report = validate(made(gages=[("01234567", "wb-2")]), attributes=False)
    assert report.problems == ()
    assert report.ok
    assert report.table.empty
    assert report.table.columns.to_list() == ["check", "severity", "n", "what", "examples", "remedy"]
    assert str(report) == "made: nothing to report (asked: links; not asked: attributes, shapes)"


@pytest.mark.parametrize(
    ("change", "check", "severity", "ids"),
    [
        pytest.param(
            {"flowpaths": {"wb-3": [("nex-2", 3, 3), ("nex-2", 3, 3)]}},
            "flowpath-twice",
            "error",
            ("wb-3",),
            id="twice",
        ),
        pytest.param(
            {"flowpaths": {"wb-3": [("nex-2", 3, 3), ("nex-1", 3, 3)]}},
            "flowpath-forking",
            "error",
            ("wb-3",),
            id="fork",
        ),
        pytest.param({"flowpaths": {"wb-3": ("nex-1", 3, 3)}}, "toid-apart", "error", ("cat-3",), id="toids apart"),
        pytest.param({"flowpaths": {"wb-3": ("nex-7", 3, 3)}}, "flowpath-lost", "error", ("wb-3",), id="nexus lost"),
        pytest.param({"flowpaths": {"wb-7": ("nex-8", 3, 3)}}, "flowpath-lost", "error", ("wb-7",), id="bare and lost"),
        pytest.param({"flowpaths": {"wb-3": (None, 3, 3)}}, "flowpath-ending", "warning", ("wb-3",), id="no toid"),
        pytest.param({"flowpaths": {"wb-0": ("tnx-9", 3, 3)}}, "sea-listed", "error", ("wb-0",), id="the sea"),
        pytest.param({"nexuses": {"nex-2": "wb-5"}}, "nexus-renumbered", "warning", ("nex-2",), id="numbers"),
        pytest.param(
            {"nexuses": {"nex-2": None, "nex-3": None}}, "nexus-lacking", "error", ("cat-3", "cat-4"), id="none"
        ),
        pytest.param({"nexuses": {"nex-1": ""}}, "nexus-ending", "warning", ("nex-1",), id="into nothing"),
        pytest.param({"nexuses": {"tnx-9": "wb-3"}}, "circle", "error", ("cat-1", "cat-3", "cat-2"), id="circle"),
        pytest.param({"nexuses": {"nex-1": "wb-77"}}, "outlet", "info", ("nex-1",), id="outlet"),
        pytest.param({"nexuses": {"nex-4": "wb-4"}}, "nexus-dry", "info", ("nex-4",), id="dry"),
        pytest.param(
            {"flowpaths": {"wb-3": None, "wb-4": None}}, "nexus-channelless", "warning", ("nex-2",), id="no channel"
        ),
        pytest.param({"flowpaths": {"wb-8": ("nex-1", 3, 0)}}, "flowpath-bare", "info", ("wb-8",), id="bare"),
        pytest.param(
            {"flowpaths": {"wb-3": ("nex-2", 0, 3)}}, "length-not-positive", "warning", ("wb-3",), id="length"
        ),
        pytest.param({"flowpaths": {"wb-2": ("nex-1", 2, 9.2)}}, "drainage-differs", "info", ("wb-2",), id="drainage"),
        pytest.param(
            {"catchments": {"cat-3": ("nex-2", "wb-3", 3, "77")}}, "region-unknown", "warning", ("77",), id="vpu"
        ),
        pytest.param(
            {"catchments": {"cat-3": ("nex-2", "wb-3", 3, "hi")}}, "region-mixed", "error", ("01", "hi"), id="mix"
        ),
        pytest.param(
            {"catchments": {"cat-3": ("nex-2", "wb-3", 3, None)}}, "region-lacking", "info", ("cat-3",), id="none"
        ),
        pytest.param({"gages": [("01234567", "wb-9")]}, "gage-stray", "warning", ("01234567",), id="gage"),
        pytest.param({"gages": [("1234", "wb-2")]}, "gage-odd", "info", ("1234",), id="gage's number"),
        pytest.param(
            {"catchments": {"cat-8": ("cnx-3", None, 1, "01")}}, "flowpath-needless", "info", ("cat-8",), id="coast"
        ),
        pytest.param(
            {"catchments": {"cat-8": ("nex-1", None, 1, "01")}}, "flowpath-lacking", "warning", ("cat-8",), id="inland"
        ),
        pytest.param(
            {"catchments": {"cat-8": (None, None, 1, "01")}}, "drains-nowhere", "warning", ("cat-8",), id="lost"
        ),
    ],
)
def test_each_check_names_what_is_wrong_and_how_bad_it_is(change, check, severity, ids):
    assert found(made(**change))[check] == (severity, ids)


@pytest.mark.parametrize(
    ("change", "check", "by_purpose"),
    [
        pytest.param({"nexuses": {"nex-2": "wb-5"}}, "nexus-renumbered", ("warning", "warning", "error"), id="numbers"),
        pytest.param({"nexuses": {"nex-4": "wb-4"}}, "nexus-dry", ("info", "warning", "info"), id="dry"),
        pytest.param(
            {"flowpaths": {"reach": ("nex-1", 1, 1)}}, "id-odd", (None, "warning", "error"), id="not numbered"
        ),
    ],
)
def test_what_is_wrong_may_be_worse_for_a_purpose(monkeypatch, change, check, by_purpose):
    monkeypatch.setattr("dmod.domain.validate_attributes.attribute_problems", lambda domain, purpose: [])
    severities = tuple(found(made(**change), purpose).get(check, (None,))[0] for purpose in (None, "ngen", "troute"))
    assert severities == by_purpose


def test_a_purpose_that_is_not_known_is_an_error():
    with pytest.raises(InputError, match="purpose"):
        validate(made(), "swmm")


def test_a_circle_does_not_keep_the_other_checks_from_being_made():
    broken = found(made(nexuses={"tnx-9": "wb-3"}, catchments={"cat-5": ("nex-1", "wb-5", None, "01")}))
    assert broken["area-lacking"] == ("error", ("cat-5",))
    assert broken["terminal-flowing"] == ("warning", ("tnx-9",))
    # A part that lies beside the circle has none.
    assert "circle" not in found(made(nexuses={"tnx-9": "wb-3"}).select(["cat-4", "cat-5"]))


def test_a_part_of_the_river_is_told_of_its_own_ends_only():
    whole = made(
        flowpaths={"wb-5": [("nex-1", 5, 5), ("nex-1", 5, 5)], "wb-2": ("nex-1", 2, 99)},
        gages=[("01234567", "wb-99")],
    )
    part = whole.select(["cat-2", "cat-3"])
    assert found(part) == {
        "inlet": ("info", ("cat-2",)),
        "outlet": ("info", ("nex-1",)),
        "drainage-differs": ("info", ("wb-2",)),
    }
    assert found(whole.select(["cat-3"])) == {"outlet": ("info", ("nex-2",))}
    assert found(whole)["flowpath-twice"] == ("error", ("wb-5",))
    assert found(whole.select(["cat-5"]))["flowpath-twice"] == ("error", ("wb-5",))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_no_sound_river_and_no_piece_of_one_has_an_error_or_a_warning(data):
    count = data.draw(st.integers(1, 25))
    down = [data.draw(st.integers(-1, i - 1)) for i in range(count)]
    bare = data.draw(st.sets(st.integers(0, count - 1), max_size=count // 3)) if count > 1 else set()
    toid = [f"nex-{d + 1}" if d >= 0 else f"tnx-{i + 1}" for i, d in enumerate(down)]
    kept = [i for i in range(count) if i not in bare]
    topology = Topology.of(
        {"id": [f"cat-{i + 1}" for i in kept], "toid": [toid[i] for i in kept],
         "flowpath": [f"wb-{i + 1}" for i in kept], "area_km2": [1.0] * len(kept)},
        {"id": [f"nex-{i + 1}" for i in set(down) if i >= 0], "toid": [f"wb-{i + 1}" for i in set(down) if i >= 0]},
        {"id": [f"wb-{i + 1}" for i in range(count)], "toid": toid},
    )  # fmt: skip
    domain = Domain.of(Hydrofabric(Path("made.gpkg"), None, "v2.2", topology))
    if data.draw(st.booleans()):
        places = st.sets(st.integers(0, count - 1), min_size=1)
        piece = data.draw(places.filter(lambda some: min(some) < len(kept)))  # catchments come first
        domain = domain.part(np.array(sorted(piece)), "a piece")
    assert {severity for severity, _ in found(domain).values()} <= {"info"}
    assert {p.check for p in find_problems(domain)} <= {"nexus-dry"}


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        (V22, ["outlet", "drainage-differs"]),
        ("hydrofabric/v2.2/cat-1555522_subset.gpkg", ["outlet"]),
        ("hydrofabric/v2.0/gauge_01073000.gpkg", ["outlet", "drainage-differs"]),
        ("hydrofabric/v1.2/gauge_01069700.gpkg", []),
        ("hydrofabric/v0-geojson/ngen_cal/catchment_data.geojson", ["outlet"]),
    ],
)
def test_real_files_have_neither_errors_nor_warnings(data, file, notes):
    path = data / file
    before = path.read_bytes()
    report = validate(Domain.open(path), geometry=True)
    assert [p.check for p in report.problems] == notes
    assert {p.severity for p in report.problems} <= {"info"}
    assert report.asked == ("links", "attributes", "shapes")
    assert path.read_bytes() == before
    if file == V22:
        assert report.problems[-1].ids[0].startswith("wb-")
        assert len(report.problems[-1].ids) == 17


def test_a_broken_subset_is_flagged_and_cannot_be_routed(data):
    domain = Domain.open(data / "hydrofabric/v1.2/dmod_lib_test_hydrofabric.gpkg")
    said = {p.check: (p.severity, p.ids) for p in validate(domain).problems}
    assert said["flowpath-lacking"] == ("warning", ("cat-1",))
    assert said["nexus-channelless"] == ("warning", ("nex-2",))
    assert said["channel-unknown"] == ("warning", ("wb-10",))
    routing = validate(domain, "troute")
    assert not routing.ok
    assert {p.check for p in routing.errors} == {"nexus-channelless", "channel-unknown"}
    assert "error: nexuses get water" in str(routing)
    assert "<b>error</b>" in routing._repr_html_()
    assert repr(routing).startswith("Validation('dmod_lib_test_hydrofabric', 2 errors, ")


@pytest.fixture
def copy(data, tmp_path):
    """A real file that may be changed with SQL."""
    path = tmp_path / "copy.gpkg"
    shutil.copyfile(data / V22, path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("PRAGMA synchronous = OFF")
        # Triggers of the R-trees call functions that plain SQLite does not have.
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f'DROP TRIGGER "{name}"')
    return path


@pytest.mark.parametrize(
    ("sql", "check", "ids"),
    [
        ("""UPDATE "flowpath-attributes" SET So = 0 WHERE id = 'wb-2861390'""", "channel-so", ("wb-2861390",)),
        ("""UPDATE "flowpath-attributes" SET So = -1 WHERE id = 'wb-2861390'""", "channel-so", ("wb-2861390",)),
        ("""UPDATE "flowpath-attributes-ml" SET n = 2 WHERE id = 'wb-2861390'""", "channel-n", ("wb-2861390",)),
        (
            """UPDATE "flowpath-attributes" SET MusX = NULL WHERE id = 'wb-2861390'""",
            "channel-unknown",
            ("wb-2861390",),
        ),
        ("""DELETE FROM "flowpath-attributes" WHERE id = 'wb-2861390'""", "channel-absent", ("wb-2861390",)),
        ("UPDATE divides SET type = 'coastal' WHERE divide_id = 'cat-2861390'", "type-apart", ("cat-2861390",)),
        ("UPDATE network SET toid = 'nex-1' WHERE id = 'wb-2861390'", "network-apart", ("wb-2861390",)),
        ("INSERT INTO network (id, toid) VALUES ('wb-7', 'nex-8')", "network-apart", ("wb-7",)),
        ("DELETE FROM network WHERE id = 'nex-2861391'", "network-lacking", ("nex-2861391",)),
    ],
)
def test_attributes_that_cannot_be_are_named(copy, sql, check, ids):
    with closing(sqlite3.connect(copy)) as file, file:
        assert file.execute(sql).rowcount > 0
    domain = Domain.open(copy)
    assert [(p.check, p.severity, p.ids) for p in attribute_problems(domain)] == [(check, "warning", ids)]
    assert check in found_in(attribute_problems(domain, "troute"))
    # A part of the river is asked about its own rows.
    part = domain.select(["cat-2861391"])
    assert [p for p in attribute_problems(part) if p.ids != ("nex-2861391",)] == []


def found_in(problems):
    """Names of the checks."""
    return [p.check for p in problems]


def test_attributes_of_a_large_domain_are_read_in_pieces(copy, monkeypatch):
    with closing(sqlite3.connect(copy)) as file, file:
        file.execute("""UPDATE "flowpath-attributes" SET So = 0, n = NULL WHERE id IN ('wb-2861390', 'wb-2861420')""")
        file.execute("DELETE FROM network WHERE id IN ('nex-2861391', 'wb-2861440')")
    domain = Domain.open(copy)
    whole = [(p.check, sorted(p.ids)) for p in attribute_problems(domain)]
    monkeypatch.setattr("dmod.domain.validate_attributes._PIECE", 10)
    assert [(p.check, sorted(p.ids)) for p in attribute_problems(domain)] == whole
    assert [check for check, _ in whole] == ["channel-so", "channel-unknown", "network-lacking"]


def test_a_file_without_channels_cannot_be_routed(data):
    domain = Domain.open(data / "hydrofabric/v0-geojson/ngen/catchment_data.geojson")
    assert "channels-lacking" in found_in(validate(domain, "troute").errors)
    assert "gage-spelling" in found_in(validate(Domain.open(data / V22), "troute").notes)


def test_layers_in_several_systems_or_none_are_named(copy):
    with closing(sqlite3.connect(copy)) as file, file:
        file.execute("UPDATE gpkg_geometry_columns SET srs_id = 4326 WHERE table_name = 'nexus'")
        file.execute("UPDATE gpkg_geometry_columns SET srs_id = -1 WHERE table_name = 'flowpaths'")
    said = {p.check: p.ids for p in attribute_problems(Domain.open(copy))}
    assert said == {"crs-lacking": ("flowpaths",), "crs-mixed": ("EPSG:5070", "EPSG:4326")}


def test_a_file_that_breaks_the_standard_is_flagged_for_export(copy):
    with closing(sqlite3.connect(copy)) as file, file:
        file.execute("DROP TABLE gpkg_contents")
        file.execute("DROP TABLE gpkg_extensions")
    report = validate(Domain.open(copy), "export", attributes=False)
    (problem,) = [p for p in report.warnings if p.check == "geopackage"]
    assert "table gpkg_contents is missing" in problem.ids
    assert report.asked == ("links", "file")


def test_shapes_that_do_not_fit_are_named(data, monkeypatch):
    domain = Domain.open(data / V22)
    real, shapely = tables.table, pytest.importorskip("shapely")

    def bent(piece, layer, **options):
        frame = real(piece, layer, **options)
        if layer == "divides":
            frame.loc["cat-2861390", "geometry"] = None
            frame.loc["cat-2861420", "geometry"] = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
            frame.loc["cat-2861470", "geometry"] = frame.loc["cat-2861470", "geometry"].buffer(-40)
            frame.loc["cat-2861450", "geometry"] = frame.loc["cat-2861451", "geometry"]
        elif layer == "flowpaths":
            frame.loc["wb-2861400", "geometry"] = shapely.LineString()
        else:
            frame.loc["nex-2861391", "geometry"] = None
        return frame

    assert shape_problems(domain) == ([], "shapes")
    monkeypatch.setattr(tables, "table", bent)
    said = {p.check: p.ids for p in shape_problems(domain)[0]}
    assert said["shape-lacking"] == ("cat-2861390",)
    assert said["shape-invalid"] == ("cat-2861420",)
    assert set(said["area-apart"]) == {"cat-2861420", "cat-2861470", "cat-2861450"}
    assert set(said["overlap"]) == {"cat-2861450", "cat-2861451"}
    assert said["line-lacking"] == ("wb-2861400",)
    assert said["point-lacking"] == ("nex-2861391",)


def test_a_sliver_between_catchments_is_a_gap(data, monkeypatch):
    domain = Domain.open(data / V22)
    real = tables.table
    frame = real(domain, "divides", columns=[])
    inner = next(i for i in frame.index if frame.geometry[i].within(frame.drop(i).convex_hull.union_all().buffer(-1)))

    def shrunk(piece, layer, **options):
        frame = real(piece, layer, **options)
        if layer == "divides":
            shape = frame.geometry[inner]
            hole = shape.representative_point().buffer(20)
            frame.loc[inner, "geometry"] = shape.difference(hole)
        return frame

    monkeypatch.setattr(tables, "table", shrunk)
    assert [(p.check, p.ids) for p in shape_problems(domain)[0]] == [("gap", (inner,))]


def test_of_a_large_domain_some_stretches_are_looked_at(data, monkeypatch):
    domain = Domain.open(data / V22)
    monkeypatch.setattr("dmod.domain.validate_shapes._WHOLE", 50)
    monkeypatch.setattr("dmod.domain.validate_shapes._LONG", 5)
    assert shape_problems(domain) == ([], "shapes of 40 of 88 catchments")


def test_a_problem_names_three_and_counts_the_rest():
    problem = Problem("warning", "dry", "these are dry", Names.numbered("nex", np.arange(1, 6)))
    assert str(problem) == "warning: these are dry: nex-1, nex-2, nex-3 and 2 more"
    assert len(problem.ids) == 5
