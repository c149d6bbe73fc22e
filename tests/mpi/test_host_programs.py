"""Which programs of this machine are found."""

from __future__ import annotations

import pytest
from stub_programs import write_program

from dmod.errors import EngineError, InputError
from dmod.execution.host_executor import HostExecutor
from dmod.execution.host_programs import find_programs


def test_programs_are_found_along_the_path_and_asked_what_they_are(stubs, monkeypatch):
    monkeypatch.setenv("PATH", str(stubs), prepend=":")
    facts = HostExecutor().facts(None)
    assert (facts.name, facts.mpi, facts.ours) == ("", "mpich", False)
    assert facts.parallel == str(stubs / "ngen-parallel")
    assert facts.versions == {"ngen": "0.3.0"}


def test_a_folder_that_is_named_comes_first(stubs, tmp_path, monkeypatch):
    other = tmp_path / "other"
    write_program(other / "ngen-parallel", "#!/bin/sh\necho 'NGen Framework 0.3.0, as dmod 9.9 runs it'\n")
    write_program(other / "mpirun", "#!/bin/sh\necho 'mpirun (Open MPI) 4.1.4'\n")
    monkeypatch.setenv("PATH", str(stubs), prepend=":")
    facts = find_programs(other)
    assert (facts.mpi, facts.ours, facts.versions) == ("openmpi", True, {"dmod": "9.9"})
    assert facts.parallel == str(other / "ngen-parallel")


def test_a_machine_without_ngen_is_told_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="no ngen on this machine") as caught:
        find_programs()
    assert "/dmod/bin" in str(caught.value)
    assert "--on docker" in caught.value.hint


def test_without_mpirun_only_the_serial_program_can_be_used(stubs, monkeypatch):
    (stubs / "mpirun").unlink()
    monkeypatch.setenv("PATH", str(stubs))
    with pytest.raises(EngineError, match="no mpirun"):
        find_programs()
    (stubs / "ngen-parallel").rename(stubs / "ngen-serial")
    facts = find_programs()
    assert (facts.parallel, facts.serial) == (None, str(stubs / "ngen-serial"))


def test_programs_of_this_machine_take_no_image_and_no_hosts():
    with pytest.raises(InputError, match="no image"):
        HostExecutor().facts("some/image")
    with pytest.raises(InputError, match="on this machine"):
        HostExecutor().hosts(["tcp://10.0.0.2:2375"])
    assert HostExecutor().hosts([])[""].cores >= 1
