"""A ledger that cannot be used says why, and what to do; nothing is half-written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dmod.errors import LedgerError
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger, upgrade
from dmod.ledger.revisions import HEAD, REVISION_TABLE


def refused(url: str | Path, pattern: str) -> LedgerError:
    """The error of opening a ledger, which says what to do."""
    with pytest.raises(LedgerError, match=pattern) as problem:
        Ledger.open(url, wait_s=0.5)
    assert problem.value.hint
    return problem.value


def test_the_directory_of_a_ledger_is_made(tmp_path):
    with Ledger.open(tmp_path / "a" / "b" / "ledger.sqlite") as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
    with Ledger.open(f"sqlite:///{tmp_path}/a/b/ledger.sqlite") as ledger:
        assert len(ledger.jobs()) == 1


@pytest.mark.parametrize("name", ["with blank.sqlite", "100%.sqlite", "what?.sqlite", "a#b.sqlite", "日本.sqlite"])
def test_a_file_may_have_any_name(tmp_path, name):
    with Ledger.open(tmp_path / name) as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
    assert (tmp_path / name).stat().st_size > 0


def test_a_relative_file_stays_where_it_was_when_the_directory_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger.open("sqlite:///ledger.sqlite") as ledger:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        assert ledger.version() == ledger.version()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("", "this names no ledger"),
        ("no url", "this names no ledger"),
        ("mysql://u:secret@host/db", "this names no ledger(.|\n)*mysql is not known"),
        ("sqlite://", "a ledger in memory is seen by nobody else"),
        ("sqlite:///:memory:", "a ledger in memory is seen by nobody else"),
    ],
)
def test_what_names_no_ledger_is_refused(url, pattern):
    assert "secret" not in str(refused(url, pattern))


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and not a database at all\n" * 40)
    refused(path, "this file is no ledger")
    assert path.read_text().startswith("these are my notes")


def test_a_database_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "birds.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    refused(path, r"this database is no ledger(.|\n)*birds")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("birds",)]
    connection.close()


def test_a_directory_is_no_ledger(tmp_path):
    refused(tmp_path, "the ledger cannot be opened")


def test_a_damaged_ledger_is_said_to_be_damaged(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.add_jobs(JobRow(f"job-{n}", "x" * 200, "ada", "{}") for n in range(200))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(LedgerError, match="the ledger is damaged") as problem, Ledger.open(path) as ledger:
        ledger.jobs()
    assert "backup" in problem.value.hint


def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        with ledger._db.write() as tx:
            pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
            tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 10}")
        with pytest.raises(LedgerError, match="the disk of the ledger is full"):
            ledger.put_detail("one", "report", "x" * 10**6)
        assert ledger.detail("one", "report") is None
        ledger.put_detail("one", "report", "short")
        assert ledger.detail("one", "report") == "short"


def test_a_quota_that_is_used_up_is_told_and_what_was_kept_stays(tmp_path):
    code = """
import resource, sys
from pathlib import Path
from dmod.errors import LedgerError
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger
with Ledger.open(Path(sys.argv[1])) as ledger:
    ledger.add_job(JobRow("one", "x", "ada", "{}"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
    try:
        ledger.put_detail("one", "report", "x" * 10**7)
    except LedgerError as problem:
        print(problem.headline)
"""
    path = tmp_path / "ledger.sqlite"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.stdout == "the ledger cannot be read or written\n", done.stderr
    with Ledger.open(path) as ledger:
        assert (len(ledger.jobs()), ledger.detail("one", "report")) == (1, None)


def unprivileged(act) -> None:
    """Do something as somebody whom permissions bind, which root they do not."""
    if os.geteuid():
        act()
        return
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            act()
        except BaseException as problem:
            os.write(2, f"{problem!r}\n".encode())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture
def open_folder():
    """A folder that everybody may look into."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_directory_that_may_not_be_written_is_told(open_folder):
    with Ledger.open(open_folder / "there.sqlite") as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
    (open_folder / "there.sqlite").chmod(0o444)
    open_folder.chmod(0o555)

    def act():
        refused(open_folder / "new.sqlite", "the ledger cannot be opened")
        refused(open_folder / "sub" / "new.sqlite", "the directory of the ledger cannot be made")
        with pytest.raises(LedgerError, match=r"the ledger (cannot be opened|may not be written)") as problem:
            Ledger.open(open_folder / "there.sqlite").add_job(JobRow("two", "x", "ada", "{}"))
        assert "permission" in problem.value.hint or "right" in problem.value.hint

    unprivileged(act)


@pytest.mark.parametrize("fault", ["1 / 0", "UPDATE nothing SET name = 'y'"])
def test_a_fault_in_a_transaction_leaves_nothing_of_it_and_the_next_one_works(url, fault):
    def act(ledger: Ledger) -> None:
        with ledger._db.write() as tx:
            tx.run("UPDATE jobs SET name = 'y'")
            assert tx.value("SELECT name FROM jobs") == "y"
            tx.run(fault) if fault.startswith("UPDATE") else 1 / 0

    with Ledger.open(url) as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        for _ in range(20):
            with pytest.raises((LedgerError, ZeroDivisionError)):
                act(ledger)
            assert ledger.job("one").name == "x"
        ledger.put_detail("one", "plan", "x")
        assert ledger.detail("one", "plan") == "x"


def test_a_newer_ledger_is_refused_and_left_alone(url):
    with Ledger.open(url) as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        with ledger._db.write() as tx:
            tx.run(f"UPDATE {REVISION_TABLE} SET version_num = '9999'")
    problem = refused(url, "the ledger was made by a newer dmod")
    assert HEAD in problem.facts["needed"]
    assert "9999" in problem.facts["has"]
    assert "pip install --upgrade dmod" in problem.hint
    with pytest.raises(LedgerError, match="newer dmod"):
        upgrade(url)


def test_a_server_that_is_not_there_is_told_without_the_password():
    problem = refused(
        "postgresql://ada:secret@127.0.0.1:1/dmod?password=secret", "the server of the ledger cannot be reached"
    )
    assert "secret" not in str(problem)
    assert "127.0.0.1:1/dmod" in str(problem)


def test_a_database_or_user_that_is_not_there_is_told(server):
    refused(f"{server.url.rpartition('/')[0]}/nowhere", "there is no such database")
    refused(server.url.replace("//postgres@", "//nobody:secret@"), "does not let us in")


def test_a_server_shared_with_other_tables_of_the_same_names_is_left_alone(server):
    url = server.new_url()
    schema = url.rpartition("%3D")[2]
    server.ask(f"CREATE TABLE {schema}.jobs (title TEXT)")
    server.ask(f"CREATE TABLE {schema}.birds (name TEXT)")
    assert "birds" not in str(refused(url, r"this database is no ledger(.|\n)*jobs"))


def test_a_ledger_survives_a_restart_of_its_server(own_server):
    with Ledger.open(own_server.url, wait_s=0.5) as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        before = ledger.version()
        own_server.stop()
        for ask in (lambda: ledger.job("one"), ledger.version, lambda: ledger.claim("me", 60)):
            with pytest.raises(LedgerError) as problem:
                ask()
            assert problem.value.hint.startswith("start it"), str(problem.value)
        own_server.start()
        assert ledger.job("one").name == "x"
        assert ledger.claim("me", 60) == ["one"]
        assert ledger.version() != before
