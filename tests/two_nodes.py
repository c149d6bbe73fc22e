"""Two container engines of one machine that do not know of it: nodes of one swarm, with a network that can be cut."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from requiring import cannot

from dmod.execution.docker_engine import connect
from dmod.execution.mpi_plan import Place

__all__ = ["Nodes", "brought_up"]

_numbers = itertools.count()


@dataclass
class Nodes:
    """Two engines."""

    #: Where their sockets and data are.
    folder: Path
    #: What the names of their network namespaces begin with.
    prefix: str

    def address(self, number: int) -> str:
        """Where one of them listens, by its number from 1."""
        return f"unix://{self.folder}/n{number}/docker.sock"

    def place(self, number: int) -> Place:
        """One rank on one of them."""
        return Place(f"node {number}", 1, 0.5, 2**28, self.address(number))

    def left(self, number: int, label: str) -> list[str]:
        """Containers and networks of a job on one of them."""
        client = connect(self.address(number))
        with contextlib.closing(client):
            containers = client.containers.list(all=True, filters={"label": f"dmod.job={label}"})
            return [one.name for one in (*containers, *client.networks.list(filters={"label": f"dmod.job={label}"}))]

    def network(self, number: int, state: str) -> None:
        """Cut one of them off, or give it its network again: ``down`` or ``up``."""
        subprocess.run(["ip", "-n", f"{self.prefix}-sw", "link", "set", f"v{number}", state], check=True)


@contextlib.contextmanager
def brought_up(*images: str) -> Iterator[Nodes]:
    """Two nodes of one swarm that have some images, brought up by the script that the environment names."""
    script = os.environ.get("DMOD_TEST_TWO_NODES")
    if not script:
        cannot("DMOD_TEST_TWO_NODES names no script that brings up two engines")
    # Short, since a socket's path may be no longer than 107 characters; apart, since several may be up at a time.
    name = f"{os.getpid() % 10_000}{next(_numbers)}"
    folder = Path(f"/var/tmp/dmod-{name}")
    nodes = Nodes(folder, f"d{name}")
    told = {**os.environ, "RUN": str(folder), "PFX": nodes.prefix, "NET": f"10.219.{os.getpid() % 250}"}

    def nodes_script(word: str) -> None:
        log = Path(f"{folder}.log")
        with log.open("w") as file:
            done = subprocess.run([script, word, "2"], env=told, stdout=file, stderr=file, check=False, timeout=120)
        said = log.read_text()
        log.unlink()
        assert done.returncode == 0, said

    try:
        nodes_script("up")
        for number, image in itertools.product((1, 2), images):
            load = f"docker save {image} | docker -H {nodes.address(number)} load -q"
            subprocess.run(load, shell=True, check=True, capture_output=True)
        yield nodes
    finally:
        nodes_script("down")
        for process in psutil.process_iter(["cmdline"]):  # what a killed engine left running
            if any(str(folder) in word for word in process.info["cmdline"] or ()):
                process.kill()
