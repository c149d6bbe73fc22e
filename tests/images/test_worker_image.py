"""Our image runs anybody's run directory as any user, without a network, and computes the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from io import BytesIO

import pytest
from typer.testing import CliRunner

from dmod.cli.commands import app
from dmod.errors import EngineError, InputError, RunError
from dmod.execution.docker_image import image_facts
from dmod.execution.image_build import build_image, built_images, folder_named, image_folders
from dmod.execution.mpi_plan import LABEL, OUTPUTS, RUN
from dmod.execution.own_wheel import own_wheel
from dmod.images.folder import read_folder

SOMEBODY = 12345


@pytest.fixture
def shared(tmp_path):
    """A directory that the user inside may write to."""
    folder = tmp_path / "out"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def inside(engine, worker_image, basin, shared):
    """Runs a command in our image as a user it does not know; read-only but for the outputs, without a network."""
    for path in [*basin.directory.parents[:2], basin.directory]:
        path.chmod(0o755)

    def run(*command: str, **options: object) -> tuple[int, str, str]:
        container = engine.containers.create(
            worker_image, list(command), user=f"{SOMEBODY}:{SOMEBODY}", network_mode="none", read_only=True, init=True,
            volumes={str(basin.directory): {"bind": RUN, "mode": "ro"}, str(shared): {"bind": OUTPUTS, "mode": "rw"}},
            environment={"DMOD_OUTPUT": f"{OUTPUTS}/run.nc"}, working_dir=RUN, **options,
        )  # fmt: skip
        try:
            container.start()
            code = container.wait(timeout=120)["StatusCode"]
            told = [container.logs(stdout=out, stderr=not out).decode() for out in (True, False)]
        finally:
            container.remove(force=True)
        return code, *told

    return run


@pytest.mark.docker
@pytest.mark.parametrize("ranks", [None, 1, 2, 4])
def test_numbers_are_those_of_dask_for_a_user_without_a_name(inside, whole, by_dask, values, shared, ranks):
    start = ["/dmod/bin/ngen-serial"] if ranks is None else ["mpirun", "-n", str(ranks), "/dmod/bin/ngen-parallel"]
    partitions = [f"partitions_{ranks}.json"] if ranks and ranks > 1 else []
    code, out, err = inside(*start, *whole, *partitions)
    assert code == 0, err
    assert out.count("Finished 120 timesteps.") == (ranks or 1)
    assert values(shared / "run.nc") == by_dask
    assert (shared / "run.nc").stat().st_uid == SOMEBODY


@pytest.mark.docker
def test_kernels_are_not_compiled_again_at_every_start(inside, whole):
    """numba tells of every entry of its cache that it loads and every one that it has to make."""
    command = "NUMBA_DEBUG_CACHE=1 /dmod/bin/ngen-serial " + " ".join(whole)
    code, out, err = inside("sh", "-c", command)
    assert code == 0, err
    assert "data loaded from" in out
    assert "data saved to" not in out


@pytest.mark.docker
def test_the_partitioner_takes_the_arguments_of_ngens(inside, whole, shared):
    gpkg, made = whole[0], f"{OUTPUTS}/partitions_3.json"
    code, _, err = inside("/dmod/bin/partitionGenerator", gpkg, gpkg, made, "3", "", "")
    assert (code, err) == (0, "")
    cut = json.loads((shared / "partitions_3.json").read_text())["partitions"]
    assert [part["id"] for part in cut] == [0, 1, 2]
    assert inside("/dmod/bin/partitionGenerator", gpkg, gpkg, made, "3")[0] == 255
    code, _, err = inside("/dmod/bin/partitionGenerator", gpkg, gpkg, made, "500", "", "")
    assert code == 1
    assert "not so many partitions" in err


@pytest.mark.docker
def test_no_root_and_no_keys_are_inside(engine, worker_image):
    keys = "-name 'id_[re]*' -o -name authorized_keys -o -name 'ssh_host_*'"
    script = f"id -u; find / -xdev -type f \\( {keys} \\) 2>/dev/null; true"
    told = engine.containers.run(worker_image, ["sh", "-c", script], remove=True, network_mode="none").decode()
    assert told.split() == ["1000"]


@pytest.mark.docker
def test_what_is_known_of_our_image(engine, worker_image):
    found = image_facts(engine, worker_image)
    assert (found.ours, found.mpi, found.parallel, found.serial) == (
        True, "mpich", "/dmod/bin/ngen-parallel", "/dmod/bin/ngen-serial",
    )  # fmt: skip
    assert found.digest == engine.images.get(worker_image).id
    assert found.versions["ngen"] == "0.3.0"
    assert found.info.startswith("NGen Framework")
    assert image_facts(engine, worker_image) is found
    left = engine.containers.list(all=True, filters={"ancestor": worker_image, "status": "exited"}, ignore_removed=True)
    assert [one for one in left if LABEL not in one.labels] == [], "but those of jobs, which other tests may have"


@pytest.mark.docker
def test_the_image_is_listed_and_built_once_for_the_same_files(engine, worker_image):
    folder = folder_named("worker")
    listed = [one for one in built_images(engine, folder) if worker_image in one.tags]
    assert [one.engine for one in listed] == [own_wheel()[0].split("-")[1]]
    ran = CliRunner().invoke(app, ["image", "list", "--json"])
    rows = json.loads(ran.stdout)["images"]
    assert worker_image in [tag for row in rows for one in row["built"] for tag in one["tags"]]


@pytest.mark.docker
def test_check_says_what_is_in_an_image(worker_image):
    ran = CliRunner().invoke(app, ["image", "check", worker_image])
    assert ran.exit_code == 0
    assert "/dmod/bin/ngen-parallel" in ran.stdout


@pytest.mark.docker
def test_an_image_without_the_programs_of_ngen_says_so(engine, worker_image, made):
    on = folder_named("worker").base
    ran = CliRunner().invoke(app, ["image", "check", on])
    assert ran.exit_code == 2
    assert "has no /dmod/bin/ngen-parallel" in ran.stderr
    with pytest.raises(EngineError, match="has no shell"):
        image_facts(engine, made("dmod-test-empty", {"dmod/README": "nothing"}))


@pytest.mark.docker
def test_an_image_whose_ngen_cannot_be_started_says_why(engine, worker_image, made):
    broken = made("dmod-test-broken", {"dmod/bin/ngen-serial": "#!/no/such/shell\n"}, on=folder_named("worker").base)
    with pytest.raises(EngineError, match=r"cannot be started\n[^>]*not found"):
        image_facts(engine, broken)


@pytest.mark.docker
def test_ranks_need_mpirun_and_serial_runs_do_not(engine, worker_image, made):
    program, on = "#!/bin/sh\necho NGen Framework 9.1.2\nexit 1\n", folder_named("worker").base
    found = image_facts(engine, made("dmod-test-both", dict.fromkeys(
        ("dmod/bin/ngen-serial", "dmod/bin/ngen-parallel"), program), on=on))  # fmt: skip
    assert (found.serial, found.parallel, found.ours) == ("/dmod/bin/ngen-serial", None, False)
    assert found.versions == {"ngen": "9.1.2"}
    with pytest.raises(EngineError, match="but no mpirun"):
        image_facts(engine, made("dmod-test-ranks", {"dmod/bin/ngen-parallel": program}, on=on))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("says", "mpi"), [("HYDRA build details:", "mpich"), ("mpirun (Open MPI) 4.1.4", "openmpi"), ("9", "unknown")]
)
def test_whose_mpi_it_is_is_told_by_mpirun(engine, worker_image, made, says, mpi):
    programs = {"dmod/bin/ngen-parallel": "#!/bin/sh\nexit 1\n", "dmod/mpirun": f"#!/bin/sh\necho '{says}'\n"}
    recipe = f"{folder_named('worker').base}\nENV PATH=/dmod:/usr/local/bin:/usr/bin:/bin"
    found = image_facts(engine, made("dmod-test-mpi", programs, on=recipe))
    assert (found.mpi, found.mpirun, found.parallel) == (mpi, "/dmod/mpirun", "/dmod/bin/ngen-parallel")


@pytest.mark.docker
def test_an_image_that_is_not_here_is_not_pulled(engine, worker_image):
    with pytest.raises(EngineError, match=r"no image dmod-worker:none here\n[^>]*dmod-worker:tests"):
        image_facts(engine, "dmod-worker:none")
    with pytest.raises(EngineError, match="docker pull example/none:latest"):
        image_facts(engine, "example/none")


@pytest.mark.docker
def test_an_image_for_other_machines_is_refused(engine, worker_image, monkeypatch):
    """The engine says that its machine is another one."""
    told = engine.version()
    monkeypatch.setattr(type(engine), "version", lambda _self: {**told, "Arch": "s390x"})
    monkeypatch.setattr("dmod.execution.docker_image._known", {})
    with pytest.raises(EngineError, match="made for other machines"):
        image_facts(engine, worker_image)


@pytest.mark.docker
def test_a_build_that_fails_says_its_last_lines_and_leaves_nothing(engine, tmp_path):
    (tmp_path / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN echo so far && false\n")
    (tmp_path / "image.toml").write_text('name="dmod-test"\ntitle="t"\nbase="b"\nmpi="mpich"\nprograms=["/x"]\n')
    before = {one.id for one in engine.containers.list(all=True, ignore_removed=True)}
    on = folder_named("worker").base
    with pytest.raises(RunError, match="so far") as failed:
        build_image(engine, read_folder(tmp_path), base=on)
    assert "non-zero code" in str(failed.value)
    after = engine.containers.list(all=True, filters={"ancestor": on}, ignore_removed=True)
    assert [one for one in after if one.id not in before and one.status in ("exited", "created")] == []
    with pytest.raises(RunError, match="cannot be built"):
        build_image(engine, read_folder(tmp_path), base="dmod-no-such-base:1")


def test_our_own_folder_is_found_as_that_of_anybody_else():
    folder = image_folders()["worker"]
    assert folder.name == "dmod-worker"
    assert {path.name for path in folder.files} == {"Dockerfile", "README", "entry-point", "image.toml"}
    assert "ARG BASE=" + folder.base in (folder.path / "Dockerfile").read_text()
    with pytest.raises(InputError, match="no image called 'other'"):
        folder_named("other")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no folder of an image"),
        ({"image.toml": "name = 3 4"}, "no folder of an image"),
        ({"image.toml": 'name = "x"'}, "missing  title, base, mpi, programs"),
        ({"image.toml": 'name="x"\ntitle="t"\nbase="b"\nmpi="mpich"\nprograms=["/x"]'}, "has no Dockerfile"),
    ],
)
def test_a_folder_that_says_too_little_is_refused(tmp_path, files, said):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_folder(tmp_path)


def test_the_wheel_holds_what_is_installed_and_is_the_same_every_time(tmp_path):
    name, content = own_wheel()
    assert own_wheel() == (name, content)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = archive.namelist()
        record = archive.read(next(n for n in names if n.endswith("RECORD"))).decode()
    assert {"dmod/__init__.py", "dmod/images/worker/Dockerfile", "dmod/engine/modules/cfe_kernel.py"} <= set(names)
    assert not [n for n in names if "__pycache__" in n]
    assert len(record.splitlines()) == len(names)
    (tmp_path / name).write_bytes(content)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "there")]
    ran = subprocess.run([*pip, str(tmp_path / name)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "there" / "dmod" / "units.py").is_file()
