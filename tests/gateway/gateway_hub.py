"""A real JupyterHub: its proxy, `dmod serve --hub` as its service, and servers of users with our extension."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from gateway_world import until

USERS, ADMIN = ("ann", "bob", "cy"), "admin-" + "a" * 32
#: Until a hub, or a server of a user, is up on a machine that is busy [s].
UP_S = 180.0

CONFIG = """
import sys
c.JupyterHub.bind_url = "http://127.0.0.1:{public}/hubroot/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "a-long-password-for-tests"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {folder!r} + "/{{username}}"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", '--ServerApp.jpserver_extensions=dmod.gateway.jupyter=True']
c.Spawner.environment = {{"DMOD_HOME": {folder!r} + "/home", "DMOD_OWNER": lambda spawner: spawner.user.name,
                          "DMOD_URL": lambda spawner: {there!r} if spawner.name == "shared" else "",
                          "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp"}}
c.Spawner.start_timeout = c.Spawner.http_timeout = 150
c.Spawner.server_token_scopes = ["users:activity!user", "access:servers!server", "access:services!service=dmod"]
c.JupyterHub.allow_named_servers = True
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie"
c.JupyterHub.cleanup_servers = True
c.JupyterHub.services = [
    dict(
        name="dmod", url="http://127.0.0.1:{service}", oauth_no_confirm=True, cwd={folder!r},
        command=[sys.executable, "-c", "from dmod.cli.commands import main; main()", "serve", "--hub",
                 "--root", {folder!r} + "/{{user}}"],
        environment={{"DMOD_HOME": {folder!r} + "/shared", "PYTHONPATH": {path!r}}},
    ),
    dict(name="admin", api_token={admin!r}),
]
c.JupyterHub.load_roles = [
    dict(name="runs", scopes=["access:services!service=dmod"], users=["ann", "bob"]),
    dict(name="makes-tokens", scopes=["admin:users", "tokens", "admin:servers"], services=["admin"]),
]
"""


def require(problem: str) -> None:
    """Skip for a reason, or fail where nothing may be skipped."""
    if os.environ.get("DMOD_TEST_REQUIRE"):
        pytest.fail(problem)
    pytest.skip(problem)


def proxy_command(folder: Path) -> list[str]:
    """The hub's proxy: the one that is installed, or one from npm."""
    if found := shutil.which("configurable-http-proxy"):
        return [found]
    npm = shutil.which("npm")
    if npm is None:
        require("there is neither configurable-http-proxy nor npm to install it with")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [npm, "install", "--no-fund", "--no-audit", "--prefix", str(folder), "configurable-http-proxy@^5"],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    made = folder / "node_modules" / ".bin" / "configurable-http-proxy"
    if not made.exists():
        require("npm cannot install configurable-http-proxy")
    return [str(made)]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Hub:
    """A hub with its service and two users who may run things, and one who may not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        proxy = proxy_command(folder / "npm")
        public, hub, api, service = free_ports(4)
        self.url = f"http://127.0.0.1:{public}/hubroot"
        config = folder / "config.py"
        config.write_text(
            CONFIG.format(
                public=public, hub=hub, api=api, service=service, proxy=proxy, folder=str(folder), admin=ADMIN,
                there=f"{self.url}/services/dmod/", path=str(Path(__file__).parents[2]),
            )
        )  # fmt: skip
        self.log = folder / "hub.log"
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(config)], cwd=folder, stdout=said,
                stderr=subprocess.STDOUT, env={**os.environ, "JUPYTERHUB_CRYPT_KEY": "0" * 64},
            )  # fmt: skip
        self.tokens: dict[str, str] = {}
        try:
            until(self._is_up, UP_S)
            for name in USERS:
                self.tokens[name] = self._token(name)
        except BaseException:
            self.stop()
            raise

    def _is_up(self) -> bool:
        """Whether hub and service answer."""
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(requests.ConnectionError):
            return (
                self.get("hub/api/").status_code == 200 and self.get("services/dmod/dmod/api/status").status_code == 401
            )
        return False

    def _token(self, name: str) -> str:
        """A token of a user, as the page of the hub gives it."""
        admin = {"Authorization": f"token {ADMIN}"}
        requests.post(f"{self.url}/hub/api/users/{name}", headers=admin, timeout=60)
        made = requests.post(f"{self.url}/hub/api/users/{name}/tokens", headers=admin, json={}, timeout=60)
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def get(self, path: str, name: str | None = None) -> requests.Response:
        """Ask with the token of a user."""
        return self.ask("GET", path, name)

    def ask(self, method: str, path: str, name: str | None = None, **more: object) -> requests.Response:
        """Ask with the token of a user."""
        headers = {} if name is None else {"Authorization": f"token {self.tokens.get(name, name)}"}
        return requests.request(
            method, f"{self.url}/{path}", headers=headers, timeout=60, allow_redirects=False, **more
        )

    def start(self, name: str, server: str = "") -> str:
        """Have a server of a user start; where it is."""
        path = f"hub/api/users/{name}/server{f's/{server}' if server else ''}"
        assert self.ask("POST", path, name).status_code in (201, 202)
        place = f"user/{name}/{f'{server}/' if server else ''}"
        until(lambda: self.get(f"{place}api/status", name).status_code == 200, UP_S)
        return place

    def stop(self) -> None:
        """End it and all it started."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
