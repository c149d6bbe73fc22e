"""The catalog: what is added is there, whole, and can be opened, copied out, checked and removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dmod.catalog.catalog import Catalog
from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError, ForcingError, InputError, LedgerError, OutputError, StoreError
from dmod.job.lifecycle import State
from dmod.testing.rivers import tiny_run_directory

SIX_HOURS = Span.of("2016-09-01", "2016-09-01 06:00")
THREE = ["cat-1", "cat-2", "cat-3"]


def test_a_file_is_described_stored_and_comes_back_as_it_was(catalog, tiny):
    path = tiny / "forcings" / "forcings.nc"
    added = catalog.add(path, description="six hours")
    assert (added.name, added.category, added.format) == ("forcings", Category.FORCING, Format.FORCING_NETCDF)
    assert (added.coverage.spans, added.coverage.ids.to_list()) == ((SIX_HOURS,), THREE)
    assert (added.owner, added.description, added.size) == ("ada", "six hours", path.stat().st_size)
    assert added.in_store
    assert catalog.show("forcings") == catalog.show(added.id) == added
    assert catalog.path("forcings").read_bytes() == path.read_bytes()
    assert catalog.path("forcings").name == "forcings.nc"


def test_a_directory_is_one_dataset(catalog, tmp_path):
    tiny_run_directory(tmp_path / "run", forcing="csv")
    added = catalog.add(tmp_path / "run" / "forcings")
    assert (added.format, added.coverage.ids.to_list()) == (Format.FORCING_CSV, THREE)
    assert [one.path for one in added.files] == ["cat-1.csv", "cat-2.csv", "cat-3.csv"]
    assert sorted(one.name for one in catalog.path("forcings").iterdir()) == ["cat-1.csv", "cat-2.csv", "cat-3.csv"]


def test_a_directory_of_one_file_stays_a_directory(catalog, tmp_path):
    (tmp_path / "lone").mkdir()
    (tmp_path / "lone" / "a.bin").write_bytes(b"\0\1")
    catalog.add(tmp_path / "lone", format="generic", category="config")
    assert catalog.path("lone").is_dir()
    catalog.add(tmp_path / "lone" / "a.bin", format="generic", category="config")
    assert catalog.path("a").read_bytes() == b"\0\1"


def test_outputs_that_runs_leave_in_a_run_directory_do_not_belong_to_it(catalog, tmp_path):
    run = tiny_run_directory(tmp_path / "run")
    first = catalog.add(run, in_place=True)
    (run / "outputs").mkdir()
    (run / "outputs" / "big.nc").write_bytes(b"x")
    assert first.format is Format.COMPOSITE
    assert catalog.verify("run").digest == catalog.add(run, name="copy").digest


def test_names_are_made_safe_and_unique_where_none_is_given(catalog, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "Übung 1 (neu).txt").write_text(folder)
    names = [catalog.add(tmp_path / one / "Übung 1 (neu).txt", format="generic").name for one in "aba"]
    assert names == ["bung-1-neu", "bung-1-neu-2", "bung-1-neu-3"]


def test_a_name_that_is_taken_is_refused_before_anything_is_stored(catalog, tiny, tmp_path):
    catalog.add(tiny / "config" / "tiny.gpkg", name="river")
    before = sorted((tmp_path / "home" / "store" / "objects").rglob("*"))
    with pytest.raises(DatasetError, match="there is a dataset 'river' already"):
        catalog.add(tiny / "forcings" / "forcings.nc", name="river")
    assert sorted((tmp_path / "home" / "store" / "objects").rglob("*")) == before
    assert catalog.list().names == ["river"]


@pytest.mark.parametrize("name", ["../up", "/etc/x", "UPPER", "", ".hidden", "a/b", "x" * 101])
def test_a_name_that_could_leave_the_store_is_refused(catalog, name):
    with pytest.raises(DatasetError, match="cannot be the name of a dataset"):
        catalog.add(b"a,b\n", name=name, format="generic")
    assert catalog.list() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({}, "nobody knows what this is", id="unknown content"),
        pytest.param({"format": "grib"}, "there is no format 'grib'", id="unknown format"),
        pytest.param({"category": "weather"}, "there is no category 'weather'", id="unknown category"),
        pytest.param({"format": "geopackage"}, "this is not a hydrofabric", id="another format"),
        pytest.param({"format": "generic", "expires_in": "soon"}, "no time to keep", id="unreadable time"),
        pytest.param({"format": "generic", "expires_in": 0}, "no time to keep", id="no time at all"),
    ],
)
def test_what_is_not_known_or_makes_no_sense_leaves_nothing_behind(catalog, tmp_path, options, message):
    (tmp_path / "notes.bin").write_bytes(b"\0notes")
    with pytest.raises(DatasetError, match=message):
        catalog.add(tmp_path / "notes.bin", **options)
    assert catalog.list() == []
    assert not list((tmp_path / "home").rglob("objects/*/*"))


def test_forcing_cannot_be_called_a_hydrofabric(catalog, tiny):
    with pytest.raises(DatasetError, match="never of the category hydrofabric"):
        catalog.add(tiny / "forcings" / "forcings.nc", category="hydrofabric")


def test_a_path_that_is_not_there_or_elsewhere_is_refused(catalog, tmp_path):
    with pytest.raises(DatasetError, match="there is nothing to add"):
        catalog.add(tmp_path / "absent.nc")
    with pytest.raises(DatasetError, match="an address is not added") as caught:
        catalog.add("https://ada:secret@host/a.nc")
    assert "secret" not in str(caught.value)
    with pytest.raises(DatasetError, match="a dict cannot be added"):
        catalog.add({"a": 1})
    with pytest.raises(DatasetError, match="only what lies on a disk"):
        catalog.add(b"a,b\n1,2\n", in_place=True)


def test_a_link_out_of_a_directory_is_not_followed_into_the_store(catalog, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DatasetError, match="leads out of the directory"):
        catalog.add(tmp_path / "given", format="generic")
    assert catalog.list() == []


def test_an_upload_that_fails_reports_failure_and_registers_nothing(catalog, tiny, monkeypatch):
    """CL-6 of the first DMOD: a failed upload reported success."""

    def full(*_, **__):
        raise StoreError("the store has no room", hint="free some")

    monkeypatch.setattr(catalog.store, "put", full)
    with pytest.raises(StoreError, match="the store has no room"):
        catalog.add(tiny / "forcings" / "forcings.nc")
    assert catalog.list() == []


def test_when_the_ledger_dies_nothing_is_half_registered_and_the_bytes_are_swept(catalog, tiny, tmp_path, monkeypatch):
    def dead(_):
        raise LedgerError("the ledger cannot be reached")

    with monkeypatch.context() as patched:
        patched.setattr(catalog.ledger, "add_dataset", dead)
        with pytest.raises(LedgerError, match="cannot be reached"):
            catalog.add(tiny / "forcings" / "forcings.nc")
    assert catalog.list() == []
    assert catalog.sweep().objects == 0, "somebody might be adding it right now"
    assert catalog.sweep(grace_s=0).objects == 1
    assert not [one for one in (tmp_path / "home" / "store" / "objects").rglob("*") if one.is_file()]


def test_a_file_that_is_written_to_while_it_is_added_is_refused(catalog, tiny, tmp_path, monkeypatch):
    path = Path(tmp_path / "forcings.nc")
    path.write_bytes((tiny / "forcings" / "forcings.nc").read_bytes())
    put = catalog.store.put

    def slow(files, **options):
        os.utime(path, ns=(0, 1))
        return put(files, **options)

    monkeypatch.setattr(catalog.store, "put", slow)
    with pytest.raises(DatasetError, match="it changed while it was added"):
        catalog.add(path)
    assert catalog.list() == []


def test_two_who_add_at_once_without_a_name_get_two_names(catalog, monkeypatch):
    """The other one takes the name between our look and our row."""
    other = Catalog(catalog.ledger, catalog.store, "bob")
    real, late = catalog.ledger.add_dataset, []

    def add(dataset):
        if not late:
            late.append(True)
            other.add(b"1", name=dataset.name, format="generic")
        real(dataset)

    monkeypatch.setattr(catalog.ledger, "add_dataset", add)
    assert catalog.add(b"2", format="generic").name == "generic-2"
    assert sorted(catalog.list().names) == ["generic", "generic-2"]


def test_a_download_copies_every_byte(catalog, tiny, tmp_path):
    """CL-7 of the first DMOD: nothing was copied, and success reported."""
    catalog.add(tiny, name="run")
    folder = catalog.get("run", tmp_path / "out" / "here")
    assert folder == tmp_path / "out" / "here"
    expected = {one.relative_to(tiny): one.read_bytes() for one in tiny.rglob("*") if one.is_file()}
    assert {one.relative_to(folder): one.read_bytes() for one in folder.rglob("*") if one.is_file()} == expected
    assert len(expected) == 9


@pytest.mark.parametrize("in_place", [False, True])
def test_a_download_never_overwrites_and_leaves_nothing_half_done(catalog, tiny, tmp_path, in_place):
    catalog.add(tiny / "config" / "CFE", name="cfe", in_place=in_place)
    for held in ("full", "file"):
        place = tmp_path / held / "x" if held == "full" else tmp_path / held
        place.parent.mkdir(exist_ok=True)
        place.write_text("mine")
        with pytest.raises(OutputError, match="there is something where the dataset is to go"):
            catalog.get("cfe", tmp_path / held)
        assert place.read_text() == "mine"
    with pytest.raises(OutputError):
        catalog.get("cfe", tmp_path / "file" / "below")
    assert sorted(one.name for one in catalog.get("cfe", tmp_path / "new").iterdir()) == [f"{n}.ini" for n in THREE]
    assert not list(tmp_path.glob("*.partial"))


def test_a_dataset_is_kept_while_a_job_uses_it_and_the_error_says_which(catalog, tiny, add_job):
    catalog.add(tiny / "config" / "tiny.gpkg", name="river")
    catalog.ledger.use("river", add_job("mad-7"))
    with pytest.raises(DatasetError, match=r"dataset 'river' is in use\n  jobs  mad-7"):
        catalog.remove("river")
    catalog.ledger.append("mad-7", "me", State.COMPLETE, "done")
    assert catalog.remove("river").name == "river"
    assert catalog.list() == []


def test_only_its_owner_removes_a_dataset(catalog):
    catalog.add(b"1", name="ours", format="generic")
    bob = Catalog(catalog.ledger, catalog.store, "bob")
    with pytest.raises(DatasetError, match="'ours' is not yours"):
        bob.remove("ours")
    assert bob.show("ours").owner == "ada"


def test_bytes_that_two_datasets_share_stay_until_both_are_gone(catalog):
    catalog.add(b"river", name="one", format="generic")
    catalog.add(b"river", name="two.txt", format="generic")
    catalog.remove("one")
    assert catalog.sweep(grace_s=0).objects == 0
    assert catalog.open("two.txt").read_bytes() == b"river"
    catalog.remove("two.txt")
    swept = catalog.sweep(grace_s=0)
    assert (swept.objects, swept.size) == (1, 5)


def test_a_sweep_spares_what_lies_in_place_and_what_is_in_the_store(catalog, tiny):
    catalog.add(tiny / "config" / "CFE", name="there", in_place=True)
    catalog.add(tiny / "config" / "tiny.gpkg", name="here")
    assert catalog.sweep(grace_s=0).objects == 0
    assert [catalog.verify(name).name for name in ("there", "here")] == ["there", "here"]


def test_temporary_datasets_are_temporary_and_swept(catalog, add_job):
    """DS-7 and DS-18 of the first DMOD: nothing was ever temporary, and the sweep asked the wrong way round."""
    before = time.time()
    short = catalog.add(b"1", name="short", format="generic", expires_in=0.05)
    used = catalog.add(b"2", name="used", format="generic", expires_in="50 ms")
    long = catalog.add(b"3", name="long", format="generic", expires_in="7 days")
    ever = catalog.add(b"4", name="ever", format="generic")
    assert before + 0.05 <= short.expires_s <= time.time() + 0.05
    assert long.expires_s == pytest.approx(time.time() + 7 * 86_400, abs=60)
    assert ever.expires_s is None
    catalog.ledger.use(used.name, add_job())
    time.sleep(0.06)
    swept = catalog.sweep(grace_s=0)
    assert (swept.expired, swept.objects) == (("short",), 1)
    assert sorted(catalog.list().names) == ["ever", "long", "used"]
    catalog.ledger.append("job-1", "me", State.COMPLETE, "done")
    assert catalog.expire() == ("used",)


@pytest.mark.parametrize("damage", ["changed", "gone", "manifest"])
def test_bytes_that_change_in_the_store_are_found_named_and_mended(catalog, tiny, tmp_path, damage):
    path = tiny / "config" / "tiny.gpkg"
    added = catalog.add(path, name="river")
    assert catalog.verify("river") == added
    folder = tmp_path / "home" / "store" / ("datasets" if damage == "manifest" else "objects")
    (file,) = (one for one in folder.rglob("*") if one.is_file())
    file.chmod(0o644)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(DatasetError, match="'river' is not what was added") as caught:
        catalog.verify("river", remove_damaged=True)
    assert caught.value.facts["changed"] == (added.digest if damage == "manifest" else "tiny.gpkg")
    catalog.add(path, name="again")
    assert catalog.verify("river") == added


def test_in_place_nothing_is_copied_and_the_same_files_have_the_same_digest(catalog, tiny, tmp_path):
    folder = tiny / "config" / "CFE"
    there = catalog.add(folder, name="there", in_place=True)
    assert not (tmp_path / "home" / "store").exists()
    assert (there.location, there.in_store) == (str(folder), False)
    assert catalog.path("there") == folder
    assert catalog.add(folder, name="here").digest == there.digest


def settle(folder: Path) -> None:
    """Make all files look a minute old."""
    for one in folder.rglob("*"):
        os.utime(one, (time.time() - 60, time.time() - 60))


def change(folder: Path, how: str) -> str:
    """Change one of the CSV files; gives what an error must say of it."""
    file = folder / "cat-2.csv"
    if how == "changed":
        file.write_text(file.read_text().replace("285.0", "286.0"))
        return "cat-2.csv"
    if how == "gone":
        file.unlink()
        return "cat-2.csv is gone"
    (folder / "cat-4.csv").write_text(file.read_text())
    return "cat-4.csv is new"


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("how", ["changed", "gone", "new"])
def test_a_dataset_in_place_whose_bytes_changed_is_named_when_it_is_opened(catalog, tmp_path, how, settled):
    folder = tiny_run_directory(tmp_path / "run", forcing="csv") / "forcings"
    if settled:
        settle(folder)
    catalog.add(folder, name="rain", in_place=True)
    assert catalog.open("rain").sizes["catchment-id"] == 3
    said = change(folder, how)
    for use in (catalog.open, catalog.path, catalog.verify, lambda ref: catalog.get(ref, tmp_path / "out")):
        with pytest.raises(DatasetError, match="dataset 'rain' changed since it was added") as caught:
            use("rain")
        assert caught.value.facts["changed"] == said
    assert not (tmp_path / "out").exists()


def test_a_file_that_was_only_touched_did_not_change(catalog, tmp_path):
    folder = tiny_run_directory(tmp_path / "run", forcing="csv") / "forcings"
    settle(folder)
    catalog.add(folder, name="rain", in_place=True)
    (folder / "cat-1.csv").touch()
    assert catalog.path("rain") == folder


def test_nothing_is_read_again_where_nobody_wrote(catalog, tmp_path, monkeypatch):
    folder = tiny_run_directory(tmp_path / "run", forcing="csv") / "forcings"
    settle(folder)
    catalog.add(folder, name="rain", in_place=True)
    monkeypatch.setattr("dmod.catalog.in_place.digest", lambda _: pytest.fail("a file was read"))
    assert catalog.path("rain") == folder


def test_a_dataset_in_place_that_is_gone_is_named(catalog, tmp_path):
    path = tiny_run_directory(tmp_path / "run") / "forcings" / "forcings.nc"
    catalog.add(path, name="rain", in_place=True)
    path.unlink()
    with pytest.raises(DatasetError, match="dataset 'rain' is not where it was"):
        catalog.open("rain")
    assert catalog.remove("rain").name == "rain"


def test_a_known_format_that_is_damaged_says_so_and_nothing_is_added(catalog, tiny):
    data = (tiny / "forcings" / "forcings.nc").read_bytes()
    with pytest.raises(InputError):
        catalog.add(data[: len(data) // 2], name="half", format="forcing-netcdf")
    assert catalog.list() == []


def test_lists_and_datasets_are_shown_as_tables_and_say_no_more_than_they_know(catalog, tiny):
    assert (str(catalog.list()), "no datasets" in catalog._repr_html_()) == ("no datasets", True)
    catalog.add(tiny / "config" / "tiny.gpkg", name="river", description="<b>mad</b>")
    catalog.add(tiny / "forcings" / "forcings.nc", name="rain")
    listed = catalog.list()
    assert listed.names == ["rain", "river"]
    assert str(listed).splitlines()[0].split() == ["dataset", "what", "holds", "size", "owner", "expires"]
    assert "hydrofabric, geopackage" in str(listed)
    assert catalog._repr_html_() == listed._repr_html_()
    assert listed._repr_html_().count("<tr>") == 3
    assert "&lt;b&gt;" in catalog.show("river")._repr_html_()
    assert catalog.list("forcing").names == ["rain"]
    assert catalog.list(text="MAD").names == ["river"]
    catalog.ledger.close()
    assert "Catalog(" in repr(catalog)


def test_a_forcing_whose_times_are_uneven_is_refused(catalog, weather):
    with pytest.raises(ForcingError, match="not equally spaced"):
        catalog.add(weather.isel(time=[0, 1, 3]))


def test_what_was_derived_says_from_what(catalog, tiny):
    from dmod.data.dataset import Lineage

    parent = catalog.add(tiny / "config" / "tiny.gpkg", name="river")
    how = Lineage("cut", "1", (parent.digest,), {"ids": ["cat-1"]})
    catalog.add(b"1", name="derived", format="generic", lineage=how)
    assert [one.name for one in catalog.ledger.derived(how)] == ["derived"]
    assert Coverage(ALL, ALL, ALL) == catalog.show("derived").coverage
