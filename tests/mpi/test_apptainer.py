"""Runs in an image without an engine: what is typed, and that it works where the program is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from stub_programs import write_program

from dmod.errors import EngineError, InputError
from dmod.execution import apptainer
from dmod.execution.container import Mount
from dmod.execution.host_executor import ApptainerExecutor
from dmod.execution.mpi_plan import ImageFacts, Place

#: Runs the command here, with what would be told inside, once it has understood its own arguments.
FAKE = """#!/bin/sh
[ "$1" = exec ] || exit 99
shift
echo "$@" >> "$APPTAINER_LOG"
while :; do
  case "$1" in
    --bind|--pwd) shift 2 ;;
    --*) shift ;;
    *) break ;;
  esac
done
image=$1; shift
[ "$image" = broken.sif ] && { echo "FATAL: could not open image" >&2; exit 255; }
export STUB_FOLDER="$APPTAINERENV_STUB_FOLDER"
exec "$@"
"""


@pytest.fixture
def fake(stubs, tmp_path, monkeypatch) -> Path:
    """A program called apptainer, first on the path."""
    monkeypatch.setenv("PATH", str(stubs), prepend=":")
    monkeypatch.setenv("APPTAINER_LOG", str(tmp_path / "asked"))
    return write_program(stubs / "apptainer", FAKE)


@pytest.fixture
def boxed(plan_of, tmp_path):
    """A plan in an image."""
    plan = plan_of("good")
    return replace(
        plan,
        image=replace(plan.image, name="ngen.sif"),
        workdir="/ngen/ngen/data",
        mounts=(Mount(tmp_path, "/ngen/ngen/data"), Mount(tmp_path / "staging", "/dmod/outputs", writable=True)),
    )


def test_the_line_shows_binds_environment_and_directory(boxed, tmp_path):
    line = apptainer.shown(boxed)
    assert f"--bind {tmp_path}:/ngen/ngen/data:ro" in line
    assert f"--bind {tmp_path}/staging:/dmod/outputs:rw" in line
    assert f"APPTAINERENV_STUB_FOLDER={tmp_path}" in line
    assert "--pwd /ngen/ngen/data ngen.sif" in line
    assert line.endswith(f"mpirun -l -n 2 {' '.join(boxed.program)}")
    assert "--nv" not in line
    assert "--nv" in apptainer.shown(replace(boxed, gpus="all"))


def test_singularity_is_told_by_its_own_names(boxed):
    assert "SINGULARITYENV_STUB_FOLDER=" in apptainer.shown(boxed, "/usr/bin/singularity")


def test_what_it_cannot_do_is_refused(boxed, tmp_path):
    with pytest.raises(InputError, match="one host"):
        apptainer.apptainer_line(replace(boxed, places=(Place("a", 1), Place("b", 1))))
    with pytest.raises(InputError, match="cannot bind"):
        apptainer.apptainer_line(replace(boxed, mounts=(Mount(tmp_path / "a:b", "/x"),)))


def test_ranks_run_in_the_image_and_end_well(boxed, fake, start, tmp_path):
    run = start(boxed, command=apptainer.apptainer_line(boxed, str(fake)))
    while not (seen := run.observe()).is_over:
        run.wait(0.1)
    assert seen.done == boxed.catchment_steps
    assert "--containall --no-home" in (tmp_path / "asked").read_text()


def test_an_image_is_asked_what_it_has(fake, tmp_path, monkeypatch):
    image = tmp_path / "some.sif"
    image.touch()
    abi = tmp_path / "bin" / "ngen-parallel"
    monkeypatch.setattr(apptainer, "_PARALLEL", str(abi))
    facts = ApptainerExecutor().facts(str(image))
    assert (facts.name, facts.parallel, facts.serial, facts.mpi) == (str(image), str(abi), None, "mpich")
    assert facts.versions == {"ngen": "0.3.0"}


def test_an_image_that_cannot_be_used_is_named_before_anything_starts(fake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError, match="no such image"):
        apptainer.image_facts("absent.sif")
    Path("broken.sif").touch()
    with pytest.raises(EngineError, match="could not open image"):
        apptainer.image_facts("broken.sif")
    Path("without.sif").touch()
    with pytest.raises(EngineError, match="no image of ngen"):
        apptainer.image_facts("without.sif")
    with pytest.raises(InputError, match="needs an image"):
        ApptainerExecutor().facts(None)


def test_a_machine_without_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="no Apptainer"):
        apptainer.find_apptainer()


def test_images_of_a_registry_are_named_as_apptainer_wants_them():
    assert apptainer.image_source("oras://x/y") == "oras://x/y"
    assert apptainer.image_source("/images/ngen.sif") == "/images/ngen.sif"
    assert ImageFacts(apptainer.image_source("awiciroh/ciroh-ngen-image")).name == "docker://awiciroh/ciroh-ngen-image"
