"""Where tests find real data, and what they share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data that ``DMOD_TEST_DATA`` names."""
    named = os.environ.get("DMOD_TEST_DATA", "")
    if not named:
        pytest.skip("DMOD_TEST_DATA is not set: real data is not part of the project")
    folder = Path(named)
    assert folder.is_dir(), f"DMOD_TEST_DATA names {folder}, which is no folder"
    return folder
