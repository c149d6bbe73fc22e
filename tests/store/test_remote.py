"""A remote file is brought here once for each of its versions, whole, or not under its name."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

import dmod.store.remote as remote
from dmod.errors import InputError, StoreError
from dmod.store.remote import fetched, is_remote, shown

BYTES = bytes(range(256)) * 400


@pytest.fixture
def memory():
    """Fsspec's file system in memory, empty before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 10 kB, so that 100 kB are many of them."""
    monkeypatch.setattr(remote, "_BLOCK_BYTES", 10_000)


class Server(SimpleHTTPRequestHandler):
    """A web server that gives parts of a file, or not, and may break off."""

    ranges = True
    breaks_after = None
    status = None
    seen: list[str] = []  # noqa: RUF012

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        kind = type(self)
        path = Path(self.translate_path(self.path))
        try:
            content = path.read_bytes()
        except OSError:
            self.send_error(404)
            return
        if kind.status is not None:
            self.send_error(kind.status)
            return
        asked = self.headers.get("Range") if kind.ranges else None
        if body:
            kind.seen.append(asked or "all")
        first, last = 0, len(content) - 1
        if asked:
            first, last = (int(edge) for edge in asked.removeprefix("bytes=").split("-"))
            last = min(last, len(content) - 1)
        part = content[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("ETag", f'"{hash(content)}"')
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        if not body:
            return
        if kind.breaks_after is not None and first + len(part) > kind.breaks_after:
            self.wfile.write(part[: max(0, kind.breaks_after - first)])
            self.close_connection = True
            return
        self.wfile.write(part)


@contextmanager
def served(folder):
    """The address of a folder on a web server, and the server's handler."""
    pytest.importorskip("aiohttp", reason="https:// needs aiohttp")
    kind = type("Here", (Server,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kind
    finally:
        server.shutdown()
        server.server_close()


def test_addresses_are_told_from_paths():
    assert is_remote("s3://bucket/key.gpkg")
    assert is_remote("https://host/a.gpkg")
    assert not is_remote("/data/a.gpkg")
    assert not is_remote("C:/data/a.gpkg")
    assert not is_remote("file:///data/a.gpkg")


def test_what_is_shown_of_an_address_holds_no_secret():
    url = "https://me:password@host:8443/folder/a.gpkg?X-Amz-Signature=secret#part"
    assert shown(url) == "https://host:8443/folder/a.gpkg"


def test_a_file_of_this_machine_is_not_copied(tmp_path):
    path = tmp_path / "a.gpkg"
    path.write_bytes(b"abc")
    assert fetched(path.as_uri(), tmp_path / "cache") == path
    assert not (tmp_path / "cache").exists()


def test_a_file_is_fetched_once_and_keeps_its_name(memory, tmp_path, small_blocks):
    memory.pipe("/bucket/conus.gpkg", BYTES)
    told = []
    path = fetched("memory://bucket/conus.gpkg", tmp_path, told.append)
    assert path.name == "conus.gpkg"
    assert path.read_bytes() == BYTES
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == 11
    told.clear()
    assert fetched("memory://bucket/conus.gpkg", tmp_path, told.append) == path
    assert told == []


def test_a_new_version_is_a_new_copy(memory, tmp_path):
    memory.pipe("/bucket/a.gpkg", b"old")
    old = fetched("memory://bucket/a.gpkg", tmp_path)
    memory.rm("/bucket/a.gpkg")
    memory.pipe("/bucket/a.gpkg", b"new")
    new = fetched("memory://bucket/a.gpkg", tmp_path)
    assert (old.read_bytes(), new.read_bytes()) == (b"old", b"new")


def test_an_address_that_leads_nowhere_is_refused_and_leaves_nothing(memory, tmp_path):
    with pytest.raises(InputError, match="no such file") as caught:
        fetched("memory://bucket/absent.gpkg", tmp_path)
    assert caught.value.facts["url"] == "memory://bucket/absent.gpkg"
    memory.pipe("/bucket/folder/a.gpkg", b"a")
    with pytest.raises(InputError, match="a folder"):
        fetched("memory://bucket/folder", tmp_path)
    with pytest.raises(InputError, match="makes no sense"):
        fetched("nowhere://bucket/a.gpkg", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_missing_is_named(monkeypatch, tmp_path):
    def lacking(*_, **__):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(InputError, match="not installed") as caught:
        fetched("s3://bucket/a.gpkg", tmp_path)
    assert caught.value.hint == "pip install s3fs"


@pytest.mark.parametrize(
    ("raised", "kind", "match"),
    [
        pytest.param(PermissionError("Access Denied"), InputError, "may not be read", id="wrong keys"),
        pytest.param(ConnectionRefusedError(111, "refused"), StoreError, "cannot be reached", id="no network"),
        pytest.param(TimeoutError(), StoreError, "cannot be reached", id="no answer"),
    ],
)
def test_what_a_server_says_comes_in_our_words(memory, tmp_path, monkeypatch, raised, kind, match):
    def info(*_, **__):
        raise raised

    monkeypatch.setattr(type(memory), "info", info)
    with pytest.raises(kind, match=match) as caught:
        fetched("memory://bucket/a.gpkg?token=secret", tmp_path)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


def test_without_a_network_the_last_copy_serves(memory, tmp_path, monkeypatch, caplog):
    memory.pipe("/bucket/a.gpkg", b"abc")
    path = fetched("memory://bucket/a.gpkg", tmp_path)

    def info(*_, **__):
        raise ConnectionResetError

    monkeypatch.setattr(type(memory), "info", info)
    with caplog.at_level(logging.WARNING):
        assert fetched("memory://bucket/a.gpkg", tmp_path) == path
    assert "cannot be reached" in caplog.text


def test_a_cache_that_cannot_be_written_is_named(memory, tmp_path):
    memory.pipe("/bucket/a.gpkg", b"abc")
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StoreError, match="cache directory cannot be written") as caught:
        fetched("memory://bucket/a.gpkg", tmp_path / "cache")
    assert "DMOD_CACHE" in caught.value.hint


def test_a_full_disk_is_seen_before_the_download(memory, tmp_path, monkeypatch):
    memory.pipe("/bucket/a.gpkg", BYTES)
    full = type("Usage", (), {"free": 10})
    monkeypatch.setattr(remote.shutil, "disk_usage", lambda _: full)
    with pytest.raises(StoreError, match="no room"):
        fetched("memory://bucket/a.gpkg", tmp_path)
    assert list(tmp_path.rglob("*gpkg*")) == []


def test_a_file_that_changes_on_the_way_is_not_kept(memory, tmp_path, small_blocks):
    memory.pipe("/bucket/a.gpkg", BYTES)

    def change(share):
        if share == 1.0:
            memory.pipe("/bucket/a.gpkg", BYTES[::-1])

    with pytest.raises(StoreError, match="changed while"):
        fetched("memory://bucket/a.gpkg", tmp_path, change)
    assert list(tmp_path.rglob("*gpkg*")) == []
    assert fetched("memory://bucket/a.gpkg", tmp_path).read_bytes() == BYTES[::-1]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_may_give_parts_or_only_the_whole(tmp_path, small_blocks, ranges):
    (tmp_path / "a.gpkg").write_bytes(BYTES)
    with served(tmp_path) as (address, server):
        server.ranges = ranges
        path = fetched(f"{address}/a.gpkg", tmp_path / "cache")
        assert path.read_bytes() == BYTES
        assert path.name == "a.gpkg"


def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path, small_blocks):
    (tmp_path / "a.gpkg").write_bytes(BYTES)
    with served(tmp_path) as (address, server):
        server.breaks_after = 35_000
        with pytest.raises(StoreError) as caught:
            fetched(f"{address}/a.gpkg", tmp_path / "cache")
        assert "goes on where it stopped" in caught.value.hint
        (partial_,) = (tmp_path / "cache").rglob("*.partial")
        assert partial_.read_bytes() == BYTES[:30_000]
        assert list((tmp_path / "cache").rglob("a.gpkg")) == []
        server.breaks_after, server.seen = None, []
        assert fetched(f"{address}/a.gpkg", tmp_path / "cache").read_bytes() == BYTES
        assert server.seen[0] == "bytes=30000-39999"


def test_half_of_another_version_is_thrown_away(tmp_path, small_blocks):
    (tmp_path / "a.gpkg").write_bytes(BYTES)
    with served(tmp_path) as (address, server):
        server.breaks_after = 35_000
        with pytest.raises(StoreError):
            fetched(f"{address}/a.gpkg", tmp_path / "cache")
        server.breaks_after = None
        (tmp_path / "a.gpkg").write_bytes(BYTES[::-1])
        assert fetched(f"{address}/a.gpkg", tmp_path / "cache").read_bytes() == BYTES[::-1]


@pytest.mark.parametrize(
    ("status", "kind", "match"), [(403, InputError, "may not be read"), (503, StoreError, "cannot be reached")]
)
def test_what_a_web_server_refuses_is_said(tmp_path, status, kind, match):
    (tmp_path / "a.gpkg").write_bytes(BYTES)
    with served(tmp_path) as (address, server):
        server.status = status
        with pytest.raises(kind, match=match):
            fetched(f"{address}/a.gpkg", tmp_path / "cache")
        with pytest.raises(InputError, match="no such file"):
            fetched(f"{address}/absent.gpkg", tmp_path / "cache")


def test_a_server_that_is_not_there_is_no_missing_file(tmp_path):
    pytest.importorskip("aiohttp", reason="https:// needs aiohttp")
    with pytest.raises(StoreError, match="cannot be reached"):
        fetched("http://127.0.0.1:9/a.gpkg", tmp_path)


def test_two_at_once_bring_one_copy(memory, tmp_path, small_blocks):
    memory.pipe("/bucket/a.gpkg", BYTES)
    found, told = [], []

    def bring():
        found.append(fetched("memory://bucket/a.gpkg", tmp_path, told.append))

    threads = [threading.Thread(target=bring) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert found[0].read_bytes() == BYTES
    assert len(told) == 11
