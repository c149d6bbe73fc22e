"""Where tests find real data, and what they share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# For `--hypothesis-profile=ci`: a change is taken or refused for what it does, not for the luck of a draw.
# At a desk draws are new each time.
settings.register_profile("ci", derandomize=True, deadline=None)

#: Ledger, store and cache of the tests: not those of whoever runs them.
_home = tempfile.mkdtemp(prefix="dmod-tests-")
os.environ["DMOD_HOME"] = str(Path(_home) / "home")
os.environ["DMOD_CACHE"] = str(Path(_home) / "cache")
#: More than the smallest machine has, so that three workers can be asked for anywhere.
os.environ["DMOD_CORES"] = "4"
atexit.register(shutil.rmtree, _home, ignore_errors=True)

#: Rooms whose files take longest; side by side they come first, so that none is waited for alone at the end.
_LONG = ("images", "docker", "panel", "durability", "gateway", "cli", "execution")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, where there are several processes."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        turns = {room: turn for turn, room in enumerate(_LONG)}
        items.sort(key=lambda item: turns.get(item.path.relative_to(item.config.rootpath).parts[1], len(turns)))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data that ``DMOD_TEST_DATA`` names."""
    named = os.environ.get("DMOD_TEST_DATA", "")
    if not named:
        pytest.skip("DMOD_TEST_DATA is not set: real data is not part of the project")
    folder = Path(named)
    assert folder.is_dir(), f"DMOD_TEST_DATA names {folder}, which is no folder"
    return folder
