"""Ledgers to test with: one in a file, one on a PostgreSQL server of our own where there is one."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from requiring import cannot

from dmod.job.lifecycle import State
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger

_numbers = itertools.count()


def program(name: str) -> str | None:
    """A program of PostgreSQL: on the path, or where Debian puts it."""
    there = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4].split(".")[0]))
    return shutil.which(name) or (str(there[-1]) if there else None)


class Server:
    """A private PostgreSQL server, which listens on this machine only."""

    def __init__(self, folder: Path, initdb: str, pg_ctl: str) -> None:
        self.data = folder / "data"
        self._initdb, self._pg_ctl = initdb, pg_ctl
        self.port = free_port()
        # The server refuses to run as root.
        self._who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._who:
            shutil.chown(folder, "postgres", "postgres")
        self.run(self._initdb, "-D", self.data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")

    def run(self, *command: object) -> None:
        """One command, as the server's user."""
        with tempfile.TemporaryFile() as said:
            environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
            done = subprocess.run(
                [*map(str, command)],
                stdout=said, stderr=said, env=environment, cwd="/", check=False, timeout=90, **self._who,
            )  # fmt: skip
            said.seek(0)
            assert done.returncode == 0, said.read().decode()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -p {self.port} -c unix_socket_directories={self.data} -c fsync=off"
            " -c max_connections=60"
        )
        self.run(self._pg_ctl, "-D", self.data, "-w", "-t", "60", "-l", self.data / "log", "-o", options, "start")

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self.run(self._pg_ctl, "-D", self.data, "-m", "immediate", "-w", "stop")

    @property
    def url(self) -> str:
        """Its first database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def ask(self, statement: str) -> None:
        """One statement, in a transaction of its own."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def new_url(self) -> str:
        """A schema in which there is nothing yet."""
        name = f"test_{next(_numbers)}"
        self.ask(f"CREATE SCHEMA {name}")
        return f"{self.url}?options=-csearch_path%3D{name}"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def new_server(folder: Path) -> Server:
    """A server that is not started yet; the test is skipped where there is none, unless that is required."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    try:
        import psycopg
    except ImportError:
        psycopg = None
    lacking = "PostgreSQL is not installed" if not (initdb and pg_ctl) else "psycopg is not installed"
    if not (initdb and pg_ctl and psycopg):
        cannot(lacking)
    return Server(folder, initdb, pg_ctl)


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that the server's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="dmod-pg-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server for all tests."""
    with open_folder() as folder:
        one = new_server(folder)
        one.start()
        yield one
        one.stop()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A PostgreSQL server that a test may stop and start."""
    with open_folder() as folder:
        one = new_server(folder)
        one.start()
        yield one
        with contextlib.suppress(AssertionError):
            one.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may be made, once in a file and once on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return request.getfixturevalue("server").new_url()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    with Ledger.open(url) as one:
        yield one


@pytest.fixture
def add(ledger: Ledger) -> Callable[..., str]:
    """Adds a job that stands somewhere; conducted by ``me`` unless it is requested."""

    def added(job: str = "one", state: State = State.REQUESTED, **given: object) -> str:
        ledger.add_job(JobRow(**{"id": job, "name": "mad", "owner": "ada", "request_json": "{}", **given}))
        if state is not State.REQUESTED:
            assert ledger.claim("me", 60, only=[job]) == [job]
            ledger.append(job, "me", state, "as the test wants it")
        return job

    return added
