"""Lines of ranks, signs of life, and what mpirun asks for: what needs no engine."""

from __future__ import annotations

import os

import pytest

from dmod.execution.docker_hosts import read_relay
from dmod.execution.mpi_plan import GO, LINE, ImageFacts, MpiPlan, Place
from dmod.execution.rank_lines import RankLines
from dmod.execution.stall import Stall, last_written


def two_hosts(mpi: str) -> MpiPlan:
    """Three ranks on two hosts."""
    places = (Place("a", 2), Place("b", 1))
    return MpiPlan("j1", ImageFacts("image:1", mpi=mpi), places, ("/dmod/bin/ngen-parallel", "x"), (4, 4, 4), 10)


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        pytest.param(["[0] a", "[1] b"], [(0, "a"), (1, "b")], id="MPICH"),
        pytest.param(["[1,0]<stdout>:a", "[1,1]<stderr>:b"], [(0, "a"), (1, "b")], id="Open MPI 4"),
        pytest.param(["[1,0]<stdout>: a"], [(0, "a")], id="Open MPI 5"),
        pytest.param(["[0] a [1] b", "[0] c"], [(1, "b"), (0, "a c")], id="cut where another goes on"),
        pytest.param(["[0] a[0]  b[0]  c"], [(0, "a b c")], id="one line in pieces"),
        pytest.param(["[9] is no rank"], [(None, "[9] is no rank")], id="no rank"),
        pytest.param(["value of x[1] is 3"], [(None, "value of x[1] is 3")], id="mpirun itself"),
        pytest.param(["[0] x[7] y"], [(0, "x[7] y")], id="brackets of a model"),
    ],
)
def test_lines_of_ranks_are_put_together_again(told, lines):
    reading = RankLines(3)
    assert [line for one in told for line in reading.feed(one)] == lines


def test_what_was_begun_and_not_ended_is_not_lost():
    reading = RankLines(2)
    assert reading.feed("[0] dying wo[1] fine") == [(1, "fine")]
    assert reading.rest() == [(0, "dying wo")]
    assert reading.rest() == []


def test_mpich_asks_for_its_helpers_by_number_of_the_host():
    told = ["HYDRA_LAUNCH: /bin/hydra_pmi_proxy --control-port dmod-j1-launcher:4000 --proxy-id 1 ", "HYDRA_LAUNCH_END"]
    wanted = read_relay(told, two_hosts("mpich"))
    assert list(wanted) == [1]
    assert "\n    /bin/hydra_pmi_proxy --control-port dmod-j1-launcher:4000 --proxy-id 1\n" in wanted[1]


def test_open_mpi_asks_for_its_helpers_by_name_and_they_stay_in_front():
    told = ["AGENT_LAUNCH dmod-j1-1 PATH=/x:$PATH prted --prtemca a '1;2' --daemonize --tree"]
    assert read_relay(told, two_hosts("openmpi")) == {1: "PATH=/x:$PATH prted --prtemca a '1;2' --tree\n"}


def test_a_plan_of_several_hosts_prints_a_network_the_hosts_and_what_starts_them():
    lines = str(two_hosts("mpich")).splitlines()
    assert lines[0] == "docker network create --internal dmod-j1"
    assert [line.split("--name ")[1].split()[0] for line in lines[1:]] == ["dmod-j1-0", "dmod-j1-1", "dmod-j1-launcher"]
    assert GO in lines[1]
    assert LINE in lines[1]
    assert "-launcher manual -hosts dmod-j1-0:2,dmod-j1-1:1 -n 3 /dmod/bin/ngen-parallel x" in lines[3]
    assert "--network dmod-j1 " in lines[3]


def test_plans_that_differ_have_fingerprints_that_differ():
    assert two_hosts("mpich").fingerprint == two_hosts("mpich").fingerprint
    assert two_hosts("mpich").fingerprint != two_hosts("openmpi").fingerprint


@pytest.mark.parametrize(
    ("sign", "after_s", "is_over"),
    [
        pytest.param(lambda stall: None, 59, False, id="not yet"),
        pytest.param(lambda stall: None, 61, True, id="nothing at all"),
        pytest.param(lambda stall: stall.said(50), 100, False, id="said something"),
        pytest.param(lambda stall: stall.wrote(10, now=60), 100, False, id="wrote something"),
        pytest.param(lambda stall: stall.took(1.0, now=50), 100, False, id="computes"),
        pytest.param(lambda stall: stall.took(0.005, now=50), 100, True, id="hardly computes"),
        pytest.param(lambda stall: stall.took(1.0, now=180), 181, True, id="computes in vain"),
    ],
)
def test_a_run_without_a_sign_of_life_is_found(sign, after_s, is_over):
    stall = Stall(60, now=0)
    sign(stall)
    assert stall.is_over(after_s) is is_over


def test_the_last_write_below_a_directory_is_found(tmp_path):
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep/file"
    file.touch()
    for path in (file, tmp_path / "deep", tmp_path):
        os.utime(path, (1000, 1000))
    assert last_written([tmp_path]) == 1000
    os.utime(file, (2000, 2000))
    assert last_written([tmp_path]) == 2000
    assert last_written([tmp_path / "none"]) is None
