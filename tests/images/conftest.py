"""A basin to run, its numbers by the Dask path, and our image where an engine answers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import pytest
from bucket_server import bucket, s3_server
from requiring import cannot

from dmod.domain.domain import Domain
from dmod.errors import DmodError
from dmod.execution.docker_engine import connect
from dmod.prepare.basin import Basin, make_basin
from dmod.session import Session

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["bucket", "s3_server"]

Values = dict[str, bytes]

#: What ngen's programs are told for the basin, from its directory.
WHOLE = ("config/basin.gpkg", "all", "config/basin.gpkg", "all", "config/realization.json")
_LONG_S = 120


@pytest.fixture(scope="session")
def basin(tmp_path_factory) -> Basin:
    """Sixty catchments, five days, with partition files for 2 and 4 ranks; anybody may read it."""
    made = make_basin(tmp_path_factory.mktemp("basin") / "run", catchments=60, days=5)
    domain = Domain.open(made.geopackage)
    for count in (2, 4):
        domain.partition(count).to_json(made.directory / f"partitions_{count}.json")
    return made


@pytest.fixture(scope="session")
def by_dask(basin, tmp_path_factory) -> Values:
    """Bytes of every output variable, as two worker processes of Dask compute them."""
    job = Session().run(basin.directory, output=tmp_path_factory.mktemp("dask") / "out", workers=2).wait(_LONG_S)
    return values_of(job.request.target / "run.nc")


@pytest.fixture(scope="session")
def as_ngen(basin, tmp_path_factory) -> Path:
    """The directory of ngen's CSV files, as a session writes them."""
    made = tmp_path_factory.mktemp("csv") / "out"
    Session().run(basin.directory, output=made, output_format="ngen").wait(_LONG_S)
    return made


def values_of(path: Path) -> Values:
    """The bytes of every output variable of a file."""
    with h5py.File(path, "r") as file:
        assert file.attrs["dmod_status"] == "complete"
        return {name: variable[()].tobytes() for name, variable in file.items() if variable.ndim == 2}


@pytest.fixture(scope="session")
def values() -> Callable[[Path], Values]:
    """See `values_of`."""
    return values_of


@pytest.fixture
def whole() -> tuple[str, ...]:
    """Arguments for all of the basin."""
    return WHOLE


def launcher(ranks: int | None) -> list[str]:
    """What starts ranks; nothing where none are asked for."""
    return [] if ranks is None else [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks)]


@pytest.fixture
def launched() -> Callable[[int | None], list[str]]:
    """See `launcher`."""
    return launcher


@pytest.fixture
def ngen(basin) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs our program in the directory of the basin, by mpirun if a number of ranks is given."""

    def run(
        *words: str, ranks: int | None = None, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*launcher(ranks), sys.executable, "-m", "dmod.execution.ngen_program", *words],
            cwd=cwd or basin.directory, env={**os.environ, **environment},
            capture_output=True, text=True, timeout=_LONG_S, check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """A Docker engine that answers."""
    try:
        client = connect()
    except DmodError as problem:
        cannot(f"no container engine: {problem}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def worker_image(engine) -> str:
    """Our image with the code as it is now; what did not change since the last time is not built again."""
    from dmod.execution.image_build import build_image, folder_named

    base = folder_named("worker").base
    if not engine.images.list(base):
        cannot(f"the engine has no image {base}")
    return build_image(engine, folder_named("worker"), tag="dmod-worker:tests").tags[0]


@pytest.fixture
def made(engine) -> Iterator[Callable[..., str]]:
    """Images with some programs on the base of ours, or, with no base, with nothing else; gone after the test."""
    names: list[str] = []

    def image(name: str, programs: dict[str, str], *, on: str | None = None) -> str:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            recipe = f"FROM {on}\nCOPY dmod /dmod\n" if on else None
            for path, text in {**programs, **({"Dockerfile": recipe} if recipe else {})}.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(text), 0o755
                archive.addfile(entry, io.BytesIO(text.encode()))
        packed.seek(0)
        if on:
            engine.images.build(fileobj=packed, custom_context=True, tag=f"{name}:test", rm=True, forcerm=True)
        else:
            engine.api.import_image_from_data(packed.getvalue(), repository=name, tag="test")
        names.append(f"{name}:test")
        return names[-1]

    yield image
    for name in names:
        engine.images.remove(name, force=True)
