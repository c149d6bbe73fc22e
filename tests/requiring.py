"""What a test needs and is not here: a reason to skip, and a failure where everything must be tested."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["cannot"]


def cannot(reason: str) -> NoReturn:
    """Skip, or fail where everything must be tested: where ``DMOD_TEST_REQUIRE`` is set."""
    if os.environ.get("DMOD_TEST_REQUIRE"):
        pytest.fail(reason)
    pytest.skip(reason)
