"""Clusters that an operator's own function makes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmod.errors import ClusterError
from dmod.prepare.basin import make_basin
from dmod.session import Session
from dmod.settings import read_settings

MAKER = """
from distributed import LocalCluster
asked = []

def threads(workers):
    asked.append(workers)
    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0")

def broken(workers):
    raise OSError("the queue is closed")
"""


@pytest.fixture
def maker(tmp_path, monkeypatch):
    """A module with functions that make clusters."""
    (tmp_path / "our_site.py").write_text(MAKER)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def basin(tmp_path):
    return make_basin(tmp_path / "run", catchments=8, days=1)


def run(basin, tmp_path, factory):
    with Session(replace(read_settings(), home=tmp_path / "home", cluster=factory)) as session:
        return session.run(basin.directory, output=tmp_path / "out", workers=2).wait(60)


def test_a_run_uses_the_cluster_that_was_made_for_it(maker, basin, tmp_path):
    run(basin, tmp_path, "our_site:threads")
    import our_site

    assert our_site.asked == [2]


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("our_site:broken", "the queue is closed"),
        ("our_site:missing", "no cluster factory"),
        ("nowhere:at_all", "no cluster factory"),
        ("", "no cluster factory"),
    ],
)
def test_a_function_that_makes_none_fails_the_run_and_says_why(maker, basin, tmp_path, factory, said):
    with pytest.raises(ClusterError) as caught:
        run(basin, tmp_path, factory)
    assert said in str(caught.value)
    assert not list(tmp_path.glob("out*"))
