"""A Jupyter server in a process of its own: jobs outlive kernels and the server, and the extension is found."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests
from gateway_hub import free_ports
from gateway_world import service_of, until
from jupyter_client.blocking import BlockingKernelClient
from jupyter_server.extension.manager import ExtensionPackage

from dmod.job.lifecycle import State
from dmod.prepare.basin import make_basin

TOKEN = "t" * 32
UP_S = 120.0


class Jupyter:
    """A server with our extension."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/base"
        self.log = folder / f"jupyter-{port}.log"
        self.environment = {
            **os.environ, "DMOD_HOME": str(folder / "home"), "DMOD_OWNER": "ann",
            "JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
        }  # fmt: skip
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ip=127.0.0.1",
                    f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.base_url=/base/",
                    f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}",
                    "--ServerApp.jpserver_extensions=dmod.gateway.jupyter=True",
                ],
                env=self.environment, cwd=folder, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        until(lambda: self.ask("GET", "dmod/api/status").get("conducting"), UP_S)

    def ask(self, method: str, path: str, **more: object) -> dict:
        """The answer to a question; nothing while nobody answers."""
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(requests.ConnectionError):
            headers = {"Authorization": f"token {TOKEN}"}
            answer = requests.request(method, f"{self.url}/{path}", headers=headers, timeout=60, **more)
            return answer.json() if answer.text else {}
        return {}

    @contextlib.contextmanager
    def kernel(self):
        """A kernel of the server, to run code in; and its id."""
        name = self.ask("POST", "api/kernels", json={"name": "python3"})["id"]
        file = self.folder / "runtime" / f"kernel-{name}.json"
        until(file.exists, UP_S)
        client = BlockingKernelClient()
        client.load_connection_file(str(file))
        client.start_channels()
        client.wait_for_ready(UP_S)
        try:
            yield client, name
        finally:
            client.stop_channels()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(60)


@pytest.fixture
def start(tmp_path, root):
    """Starts servers, and ends those that are left."""
    made = []

    def starting():
        made.append(Jupyter(tmp_path, root))
        return made[-1]

    yield starting
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a basin that takes a few seconds."""
    folder = tmp_path_factory.mktemp("root")
    make_basin(folder / "wide", catchments=100, days=1500)
    return folder


def test_a_job_outlives_the_kernel_it_was_asked_for_in(start, root, tmp_path):
    server, said = start(), []
    with server.kernel() as (client, name):
        code = (
            f"import dmod\njob = dmod.connect().run({str(root / 'wide')!r}, output={str(tmp_path / 'out')!r})\njob.id"
        )
        client.execute_interactive(code, timeout=UP_S, output_hook=said.append)
        server.ask("DELETE", f"api/kernels/{name}")
    (job,) = [one["id"] for one in server.ask("GET", "dmod/api/jobs")["jobs"]]
    assert job in json.dumps([message["content"] for message in said], default=str)
    until(lambda: server.ask("GET", "api/kernels") == [])
    until(lambda: server.ask("GET", f"dmod/api/jobs/{job}")["is_final"], UP_S)
    told = server.ask("GET", f"dmod/api/jobs/{job}")
    assert told["state"] == "complete"
    assert "lost" not in json.dumps(told["events"]), "the server conducted it, from the first"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_job_outlives_the_server_that_conducted_it(start, tmp_path, number):
    first = start()
    body = {"directory": "wide", "output": "out" + str(int(number))}
    job = first.ask("POST", "dmod/api/jobs", json=body)["id"]
    until(lambda: first.ask("GET", f"dmod/api/jobs/{job}")["state"] not in ("requested", "resolved"), UP_S)
    first.stop(number)
    service = service_of(tmp_path / "home")
    if number == signal.SIGTERM:
        assert service.ledger.job(job).holder is None, "it was let go of"
        assert "Traceback" not in first.log.read_text()
    service.close()
    second = start()
    until(lambda: second.ask("GET", f"dmod/api/jobs/{job}")["is_final"], UP_S)
    told = second.ask("GET", f"dmod/api/jobs/{job}")
    assert told["state"] == State.COMPLETE, json.dumps(told, indent=1) + second.log.read_text()


def test_nothing_of_a_job_tells_the_token_of_the_server(start, root, tmp_path):
    server = start()
    job = server.ask("POST", "dmod/api/jobs", json={"directory": "wide", "output": "told"})["id"]
    until(lambda: server.ask("GET", f"dmod/api/jobs/{job}")["is_final"], UP_S)
    told = server.ask("GET", f"dmod/api/jobs/{job}/provenance")["provenance"]
    assert "--IdentityProvider.token=***" in told["history"]
    assert TOKEN.encode() not in (root / "told" / "run.nc").read_bytes()
    assert TOKEN not in (root / "told" / "provenance.json").read_text()


def test_a_server_with_nothing_to_do_costs_next_to_nothing(start):
    server = start()
    process = psutil.Process(server.process.pid)
    until(lambda: process.cpu_percent(1.0) < 50, UP_S)
    assert process.cpu_percent(5.0) < 6


def test_the_extension_is_found_and_sound():
    package = ExtensionPackage(name="dmod.gateway.jupyter", enabled=True)
    assert package.validate()
    assert list(package.extension_points) == ["dmod"]
