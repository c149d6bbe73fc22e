"""A Zarr store that cannot be written leaves nothing, also not a moment later."""

from __future__ import annotations

import errno
import time

import numpy as np
import pytest
import xarray as xr
import zarr.storage

from dmod.errors import OutputError
from dmod.formats.zarr_output import write_zarr


def test_no_thread_makes_directories_again_after_a_failure(tmp_path, monkeypatch):
    slow, failed = zarr.storage.LocalStore.set, []

    async def one_fails_the_others_are_slow(self, key, value):
        if "/c/" in f"/{key}":
            import asyncio

            if not failed:
                failed.append(key)
                raise OSError(errno.ENOSPC, "No space left on device")
            await asyncio.sleep(0.3)
        await slow(self, key, value)

    monkeypatch.setattr(zarr.storage.LocalStore, "set", one_fails_the_others_are_slow)
    monkeypatch.setattr("dmod.formats.zarr_output._CHUNK_BYTES", 8 * 100)
    dataset = xr.Dataset({"q": (("time", "feature_id"), np.ones((100, 40)))}).chunk({"feature_id": 1})
    with pytest.raises(OutputError):
        write_zarr(dataset, tmp_path / "out" / "run.zarr")
    assert failed
    assert list((tmp_path / "out").iterdir()) == []
    time.sleep(1)
    assert list((tmp_path / "out").iterdir()) == []
