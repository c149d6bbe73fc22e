"""A catalog to test with: a ledger in a file, a store in a directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dmod.catalog.catalog import Catalog
from dmod.job.lifecycle import State
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger
from dmod.store.root import Store
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog of Ada's."""
    with Ledger.open(tmp_path / "home" / "ledger.sqlite") as ledger:
        yield Catalog(ledger, Store(tmp_path / "home" / "store"), "ada")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of three catchments and six hours from 2016-09-01, not to be changed."""
    return tiny_run_directory(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def add_job(catalog: Catalog) -> Callable[..., str]:
    """Adds a job that stands somewhere, conducted by ``me``."""

    def added(job: str = "job-1", state: State = State.RUNNING) -> str:
        catalog.ledger.add_job(JobRow(id=job, name="mad", owner="ada", request_json="{}"))
        assert catalog.ledger.claim("me", 60, only=[job]) == [job]
        catalog.ledger.append(job, "me", state, "as the test wants it")
        return job

    return added


@pytest.fixture
def weather() -> xr.Dataset:
    """Rain and temperature of two catchments and four hours from 2016-09-01, in single precision."""
    rain = np.arange(8, dtype=np.float32).reshape(2, 4) / 3
    return xr.Dataset(
        {
            "RAINRATE": (("catchment-id", "time"), rain, {"units": "mm s^-1"}),
            "T2D": (("catchment-id", "time"), rain + np.float32(280.0), {"units": "K"}),
        },
        coords={
            "catchment-id": ["cat-1", "cat-2"],
            "time": np.datetime64("2016-09-01", "ns") + np.arange(4) * np.timedelta64(3600, "s"),
        },
    )


@pytest.fixture
def outputs() -> xr.Dataset:
    """Outputs of two catchments, a nexus and three hours from 2016-09-01."""
    return xr.Dataset(
        {
            "Q_OUT": (("catchment-id", "time"), np.arange(6.0).reshape(2, 3), {"units": "m", "long_name": "runoff"}),
            "nexus_flow": (("nexus-id", "time"), np.ones((1, 3)), {"units": "m3 s-1", "long_name": "flow"}),
        },
        coords={
            "catchment-id": ["cat-1", "cat-2"],
            "nexus-id": ["nex-3"],
            "time": np.datetime64("2016-09-01", "ns") + np.arange(3) * np.timedelta64(3600, "s"),
        },
    )
