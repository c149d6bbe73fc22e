"""Finding an engine, and saying why there is none."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dmod.errors import EngineError
from dmod.execution import docker_engine
from dmod.execution.docker_engine import capacity, connect, engine_address


@pytest.fixture
def old_engine() -> Iterator[str]:
    """The address of something that answers like an engine of 2016."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"ApiVersion": "1.24", "Version": "1.12.0"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.docker
def test_an_engine_says_what_its_machine_has(engine):
    host, told = capacity(engine), engine.info()
    assert (host.name, host.cores, host.memory_bytes) == (told["Name"], told["NCPU"], told["MemTotal"])
    assert host.free_cores == host.cores > 0


def test_without_an_engine_it_says_so_and_what_to_do(tmp_path):
    with pytest.raises(EngineError, match="no container engine answers") as caught:
        connect(f"unix://{tmp_path}/none.sock")
    assert caught.value.facts["address"] == f"unix://{tmp_path}/none.sock"
    assert "start Docker" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_socket_that_may_not_be_used_says_which_group_one_has_to_join(tmp_path):
    path = tmp_path / "docker.sock"
    with pytest.raises(EngineError, match="no container engine answers"):
        connect(f"unix://{path}")  # so that all is imported
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0o600)
        before = os.geteuid()
        try:
            if before == 0:
                os.seteuid(65534)
            else:
                path.chmod(0o000)
            with pytest.raises(EngineError, match="you may not use the container engine") as caught:
                connect(f"unix://{path}")
        finally:
            os.seteuid(before)
    assert "usermod -aG docker" in caught.value.hint


def test_too_old_an_engine_is_refused_with_both_versions(old_engine):
    with pytest.raises(EngineError, match="too old") as caught:
        connect(old_engine)
    assert caught.value.facts["has"] == "API 1.24"
    assert caught.value.facts["needed"] == "API 1.40"


def test_without_the_sdk_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(EngineError, match="SDK for Python is not installed") as caught:
        connect()
    assert caught.value.hint == "pip install docker"


def test_an_address_that_is_none_is_refused():
    with pytest.raises(EngineError, match="cannot be used"):
        connect("engine")


def test_docker_host_names_the_engine(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.2:2375")
    assert engine_address() == "tcp://10.0.0.2:2375"


def test_the_context_of_the_docker_command_names_the_engine(monkeypatch, tmp_path):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(docker_engine, "_of_context", lambda: "unix:///elsewhere/docker.sock")
    assert engine_address() == "unix:///elsewhere/docker.sock"


def test_a_socket_of_podman_is_found_where_there_is_no_docker(monkeypatch, tmp_path):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(docker_engine, "_DOCKER_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(docker_engine, "_of_context", lambda: f"unix://{tmp_path}/docker.sock")
    assert engine_address() == f"unix://{tmp_path}/docker.sock"
    (tmp_path / "podman").mkdir()
    (tmp_path / "podman/podman.sock").touch()
    assert engine_address() == f"unix://{tmp_path}/podman/podman.sock"
