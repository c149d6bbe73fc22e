"""A dataset refuses what contradicts itself, and is the same after a journey."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.dataset import Category, Dataset, File, Format, Lineage, can_serve, check_file, check_name
from dmod.errors import DatasetError

law = settings(deadline=None)
DIGEST = "sha256:" + "0123456789abcdef" * 4
WEATHER = Coverage.of(spans=Span(0, 3600), ids=["cat-1", "cat-2"], variables=["T2D"])
AORC = Dataset(
    id="d-1",
    name="aorc-1970",
    category=Category.FORCING,
    format=Format.FORCING_NETCDF,
    coverage=WEATHER,
    digest=DIGEST,
    size=1_500_000,
    files=(File("forcing.nc", 1_500_000, DIGEST),),
    location="store:datasets/0123",
    lineage=Lineage("cut-forcing", "1", (DIGEST,), {"ids": ["cat-1", "cat-2"]}),
    owner="ada",
    description="An hour of weather",
    created_s=86_400.0,
    expires_s=172_800.5,
    facts={"hydrofabric": "2.2", "units": {"T2D": "K"}},
)


def test_it_is_the_same_after_a_journey():
    for again in (Dataset.from_json(AORC.to_json()), pickle.loads(pickle.dumps(AORC))):
        assert again == AORC
        assert hash(again) == hash(AORC)
        assert again.format is Format.FORCING_NETCDF
        assert again.lineage == AORC.lineage
        assert again.files == AORC.files
        assert again.facts == AORC.facts
    assert "\n" not in AORC.to_json()


def test_little_needs_to_be_known_of_one_in_place():
    bare = Dataset("1", "x", Category.OUTPUT, Format.GENERIC, Coverage(ALL, ALL, ALL), DIGEST, 0, (), "/tmp/x")
    assert Dataset.from_json(bare.to_json()) == bare
    assert not bare.in_store
    assert not bare.expired(1e12)
    assert bare.lineage is None


def test_nobody_changes_one():
    facts = {"parts": [1]}
    held = replace(AORC, facts=facts)
    facts["parts"].append(2)
    assert held.facts == {"parts": [1]}
    with pytest.raises(FrozenInstanceError):
        AORC.name = "other"


def test_it_expires_at_the_instant_it_says():
    assert not AORC.expired(172_800.4)
    assert AORC.expired(172_800.5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"name": "AORC"}, "cannot be the name", id="name"),
        pytest.param({"id": ""}, "no id", id="no id"),
        pytest.param({"category": Category.OUTPUT}, "cannot be forcing-netcdf of the category output", id="category"),
        pytest.param({"digest": "0123"}, "no digest", id="digest"),
        pytest.param({"size": 7}, "not that of its files", id="size"),
        pytest.param({"size": -1, "files": (), "location": "/x"}, "below 0", id="size below zero"),
        pytest.param({"files": (), "size": 0}, "no files", id="nothing in the store"),
        pytest.param({"files": AORC.files * 2, "size": 3_000_000}, "'forcing.nc' 2 times", id="a file twice"),
        pytest.param({"location": "here/x"}, "cannot be found again", id="relative"),
        pytest.param({"location": ""}, "cannot be found again", id="nowhere"),
        pytest.param({"location": "store:../x"}, "cannot be the path", id="out of the store"),
        pytest.param({"location": "store:/etc/passwd"}, "cannot be the path", id="absolute in the store"),
        pytest.param({"location": "s3://key:secret@host/x"}, "name or password", id="a secret"),
        pytest.param({"expires_s": 86_400.0}, "expires before", id="expires at birth"),
        pytest.param({"created_s": -1.0}, "out of range", id="before 1970"),
        pytest.param({"created_s": 1e15, "expires_s": None}, "out of range", id="milliseconds"),
        pytest.param({"facts": {"x": float("nan")}}, "cannot be kept", id="no JSON number"),
        pytest.param({"facts": {"x": object()}}, "cannot be kept", id="no JSON"),
        pytest.param(
            {"coverage": Coverage(ALL, Everything(IdSet.of(["cat-1"])), ALL)}, "what it does not hold", id="all but"
        ),
    ],
)
def test_what_contradicts_itself_is_refused(changed, said):
    with pytest.raises(DatasetError) as caught:
        replace(AORC, **changed)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["a", "0", "aorc-2016", "a..b", "x" * 100, "gage_10109001.v2.2"])
def test_names_that_do(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "-a", "_a", ".hidden", "A", "a b", "a/b", "../a", "a\\b", "a\n", "a\x00", "é", "x" * 101, None, 7],
)
def test_names_that_do_not(name):
    with pytest.raises(DatasetError, match="cannot be the name"):
        check_name(name)


@law
@given(st.one_of(st.text(max_size=12), st.text("a-. É", min_size=95, max_size=105)))
def test_the_name_that_is_proposed_would_do(name):
    try:
        check_name(name)
    except DatasetError as problem:
        if "would do" in problem.hint:
            check_name(problem.hint.split("'")[1])


@pytest.mark.parametrize("path", ["a.nc", "forcings/cat-1.csv", "with a blank.csv", "é/ü.csv", "..a/b..", ".zattrs"])
def test_paths_that_do(path):
    assert check_file(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\b", "C:/a", "c:a", "a\nb", "a\x00", None],
)
def test_paths_that_leave_the_root_or_are_no_paths(path):
    with pytest.raises(DatasetError, match="cannot be the path"):
        check_file(path)


@pytest.mark.parametrize(("size", "digest"), [(-1, DIGEST), (1, ""), (1, "sha256:xyz"), (1, "deadbeef" * 8)])
def test_a_file_has_a_size_and_a_digest(size, digest):
    with pytest.raises(DatasetError):
        File("a", size, digest)


def test_a_lineage_names_its_rule():
    with pytest.raises(DatasetError, match="names its rule"):
        Lineage("", "1", ())


def damaged(old: str, new: str) -> str:
    """The text of a dataset with a piece of it changed."""
    text = AORC.to_json()
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "Invalid JSON", id="nothing"),
        pytest.param("null", "object", id="null"),
        pytest.param(AORC.to_json()[:-20], "Invalid JSON", id="cut off"),
        pytest.param("{}", "id: Field required", id="empty"),
        pytest.param(damaged('"forcing-netcdf"', '"nonsense"'), "format", id="unknown format"),
        pytest.param(damaged('"size":1500000', '"size":"1500000"'), "size", id="a text for a number"),
        pytest.param(damaged('"owner"', '"lord"'), "lord", id="unknown field"),
        pytest.param(damaged('"size":1500000', '"size":1'), "not that of its files", id="contradiction"),
        pytest.param(damaged('"spans":[[0,3600]]', '"spans":[]'), "ALL", id="empty coverage"),
        pytest.param(damaged('"variables":["T2D"]', '"variables":"T2D"'), "coverage.variables", id="bad coverage"),
        pytest.param(damaged('"path":"forcing.nc"', '"path":"../x"'), "cannot be the path", id="path upwards"),
    ],
)
def test_a_text_that_is_no_dataset_is_refused(text, said):
    with pytest.raises(DatasetError) as caught:
        Dataset.from_json(text)
    assert said in str(caught.value)


def test_it_is_shown_in_words_and_as_a_table():
    assert repr(AORC) == "<Dataset 'aorc-1970': forcing, forcing-netcdf, 1.5 MB>"
    said = AORC._repr_html_()
    for text in (
        "aorc-1970",
        "1.5 MB, 1 file",
        "cut-forcing 1",
        "1970-01-02T00:00Z",
        "An hour of weather",
        "in the store",
    ):
        assert text in said
        assert text in str(AORC)


def test_what_its_owner_wrote_is_shown_as_text_and_not_run():
    said = replace(
        AORC, description="<script>alert(1)</script>", owner='"><img src=x>', location="/a/<b>.nc", facts={}
    )._repr_html_()
    assert "<script" not in said
    assert "<img" not in said
    assert "<b>" not in said
    assert "&lt;script&gt;" in said


def test_every_format_says_what_it_is_and_what_it_is_for():
    for kind in Format:
        assert kind.categories
        assert kind.docs
        assert pickle.loads(pickle.dumps(kind)) is kind
    assert {category for kind in Format if kind is not Format.GENERIC for category in kind.categories} == set(Category)


def test_every_format_of_the_first_dmod_that_is_read_or_written_has_its_place():
    """CO-2; calibration, the National Water Model's own files and the empty placeholder have none."""
    assert sorted(name for kind in Format for name in kind.originals) == [
        "AORC_CSV",
        "ARCHIVED_NGEN_CSV_OUTPUT",
        "BMI_CONFIG",
        "GENERIC",
        "NETCDF_AORC_DEFAULT",
        "NETCDF_FORCING_CANONICAL",
        "NGEN_CSV_OUTPUT",
        "NGEN_GEOJSON_HYDROFABRIC",
        "NGEN_GEOPACKAGE_HYDROFABRIC_V2",
        "NGEN_JOB_COMPOSITE_CONFIG",
        "NGEN_NETCDF_OUTPUT",
        "NGEN_PARTITION_CONFIG",
        "NGEN_REALIZATION_CONFIG",
        "T_ROUTE_CONFIG",
    ]


def test_forcing_formats_stand_for_each_other_and_hardly_any_other():
    """CO-3."""
    pairs = {(a, b) for a in Format for b in Format if a is not b and b is not Format.GENERIC and can_serve(a, b)}
    forcing = {Format.FORCING_CSV, Format.FORCING_NETCDF, Format.FORCING_ZARR}
    archived = {Format.NGEN_CSV, Format.NGEN_CSV_ARCHIVE}
    assert pairs == {(a, b) for group in (forcing, archived) for a in group for b in group if a is not b}
    assert all(can_serve(kind, kind) and can_serve(kind, Format.GENERIC) for kind in Format)
