"""Zarr stores that lie elsewhere, opened where they are: only the pieces that are asked for travel.

Public buckets are read without keys; the endpoint is the one that is given, or that of AWS, and
never the one where this user's own store is.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import xarray as xr

from dmod.errors import InputError, StoreError
from dmod.store.remote import shown

__all__ = ["AWS", "open_remote_zarr", "reading"]

#: Where public data sets of AWS in its first region are.
AWS = "https://s3.us-east-1.amazonaws.com"
#: How long is waited for a server, and how often it is asked again.
_SETTINGS = {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 4}}


def open_remote_zarr(url: str, *, endpoint: str | None = None, anonymous: bool = False) -> xr.Dataset:
    """Open a Zarr store by its address, lazily.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/prefix/name.zarr`` or ``https://host/name.zarr``.
    endpoint : str, optional
        S3 server, if not the one that the environment names.
    anonymous : bool
        Whether to ask without keys, as public buckets want it.

    Returns
    -------
    xarray.Dataset
        In Dask chunks as the store has them; its coordinates along dimensions are read.

    Raises
    ------
    InputError
        If there is no such store, or what speaks to such a server is not installed.
    StoreError
        If the server cannot be reached.
    """
    label, options = shown(url), _options(url, endpoint, anonymous)
    try:
        with warnings.catch_warnings():
            # A store that was written without consolidated metadata is read without.
            warnings.filterwarnings("ignore", category=RuntimeWarning, message=".*consolidated.*")
            found: xr.Dataset = xr.open_zarr(url, storage_options=options or None, chunks={}, decode_timedelta=False)
            return found
    except ImportError as problem:
        raise InputError(
            "a library for this address is not installed", url=label, reason=problem, hint="pip install s3fs aiohttp"
        ) from problem
    except (FileNotFoundError, PermissionError, KeyError) as problem:
        raise InputError(
            "there is no Zarr store that may be read",
            url=label,
            reason=type(problem).__name__,
            hint="check the address, letter by letter, and the keys if it is not public",
        ) from problem
    except _faults() as problem:
        raise _unreachable(label, problem) from problem


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Say in our words what goes wrong while pieces of a store are read.

    Parameters
    ----------
    url : str
        Its address.

    Yields
    ------
    None
        To read.

    Raises
    ------
    StoreError
        In place of what a library raises.
    """
    try:
        yield
    except _faults() as problem:
        raise _unreachable(shown(url), problem) from problem


def _faults() -> tuple[type[Exception], ...]:
    """What the libraries that speak to servers raise."""
    from botocore.exceptions import BotoCoreError

    return OSError, ValueError, BotoCoreError


def _unreachable(label: str, problem: Exception) -> StoreError:
    """The error for a server that does not answer, or not as it should."""
    return StoreError(
        "the server with the Zarr store cannot be reached",
        url=label,
        reason=type(problem).__name__,
        hint="check the network and the address; if it is not public, the keys",
    )


def _options(url: str, endpoint: str | None, anonymous: bool) -> dict[str, Any]:
    """What fsspec needs to be told for a kind of address."""
    if not url.startswith("s3://"):
        return {}
    options: dict[str, Any] = {"config_kwargs": _SETTINGS}
    if anonymous:
        options["anon"] = True
    elif endpoint is None:
        endpoint = os.environ.get("DMOD_S3_ENDPOINT")
    if endpoint:
        options["endpoint_url"] = endpoint
    return options
