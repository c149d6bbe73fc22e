"""A real Jupyter server in the process of a test, with our extension and jobs of two people in one ledger."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from gateway_world import kept, moved
from pytest_jupyter.jupyter_server import *  # noqa: F403 - fixtures are found by their names here
from traitlets.config import Config

from dmod.job.lifecycle import State

warnings.filterwarnings("ignore", category=DeprecationWarning, module="jupyter")


@pytest.fixture
def jp_root_dir(tiny: Path) -> Path:
    """The directory that the server shows: the one with the basin."""
    return tiny.parent


@pytest.fixture
def jp_server_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Our extension, conducting nothing unless a test wants that; nobody is let in without being known."""
    monkeypatch.setenv("DMOD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DMOD_OWNER", "ann")
    return Config(
        {
            "ServerApp": {"jpserver_extensions": {"dmod.gateway.jupyter": True}, "allow_unauthenticated_access": False},
            "Dmod": {"conduct": False},
        }
    )


@pytest.fixture
def mine(ann, tiny: Path) -> str:
    """A job of the server's owner, that has failed."""
    job = kept(ann, tiny)
    moved(ann, job, State.FAILED, "it is over")
    return job


@pytest.fixture
def his(bob, tiny: Path) -> str:
    """A job of somebody else."""
    job = kept(bob, tiny)
    moved(bob, job, State.FAILED, "it is over")
    return job
