"""A basin that runs in a moment, and its outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmod.prepare.basin import Basin, make_basin
from dmod.session import Job, Session


@pytest.fixture(scope="session")
def basin(tmp_path_factory) -> Basin:
    """Twelve catchments, three days; nobody writes into it."""
    return make_basin(tmp_path_factory.mktemp("session") / "run", catchments=12, days=3)


@pytest.fixture(scope="session")
def complete(basin, tmp_path_factory) -> Job:
    """A run of it that is complete."""
    return Session().run(basin.directory, output=tmp_path_factory.mktemp("complete") / "out").wait(120)


@pytest.fixture
def target(tmp_path) -> Path:
    """Where a test has its outputs written."""
    return tmp_path / "out"
