"""Somebody with a ledger, and a basin to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_world import service_of

from dmod.gateway.asker import Asker
from dmod.prepare.basin import make_basin
from dmod.service import LocalService
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three catchments, six hours."""
    return tiny_run_directory(tmp_path_factory.mktemp("tiny") / "river")


@pytest.fixture(scope="session")
def basin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve catchments, thirty days."""
    return make_basin(tmp_path_factory.mktemp("basin") / "mad-river", catchments=12, days=30).directory


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[LocalService]:
    """Somebody."""
    service = service_of(tmp_path / "home")
    yield service
    service.close()


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[LocalService]:
    """Somebody else, with the same ledger."""
    service = service_of(tmp_path / "home", "bob")
    yield service
    service.close()


@pytest.fixture
def asker(ann: LocalService, tiny: Path) -> Asker:
    """Somebody who asks, and may reach the folder of the basin."""
    return Asker(ann, tiny.parent)
