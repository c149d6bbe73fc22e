"""Stores of each kind, one of them on a real S3 server."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from bucket_server import bucket, s3_server

from dmod.store.root import Store

__all__ = ["bucket", "s3_server"]


@pytest.fixture(params=["directory", "memory", "s3"])
def store(request, tmp_path) -> Store:
    """An empty store of each kind."""
    cache = tmp_path / "cache"
    if request.param == "directory":
        return Store(tmp_path / "store with blank ü")
    if request.param == "memory":
        return Store(f"memory://{uuid.uuid4().hex}", cache=cache)
    return Store(f"s3://{request.getfixturevalue('bucket')}/with blank/ü+%", cache=cache)


@pytest.fixture
def run_directory(tmp_path) -> Path:
    """A directory of 250 small files and a few others."""
    root = tmp_path / "run"
    (root / "forcing").mkdir(parents=True)
    for number in range(250):
        (root / "forcing" / f"cat-{number}.csv").write_text(f"time,rain\n{number}\n")
    (root / "empty.txt").touch()
    (root / "größe mit blank.nc").write_bytes(bytes(range(256)) * 1024)
    return root
