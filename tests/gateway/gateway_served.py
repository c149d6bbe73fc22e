"""A `dmod serve --http` in a process of its own, and what one asks it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from gateway_world import DEADLINE_S, until

ANN, BOB = "ann-" + "a" * 32, "bob-" + "b" * 32


class Served:
    """A server with two users."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self.folder, self.home = folder, folder / "home"
        tokens = folder / "tokens.toml"
        tokens.touch(mode=0o600)
        tokens.write_text(f'ann = "{ANN}"\nbob = "{BOB}"\n')
        command = [
            sys.executable, "-c", "from dmod.cli.commands import main; main()", "serve", "--http", "--port", str(port),
            "--tokens", str(tokens), "--root", str(folder), *options,
        ]  # fmt: skip
        self.log = folder / "serve.log"
        with self.log.open("w") as said:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, "DMOD_HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
                stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            found = until(self._address)
        except AssertionError:
            self.stop()
            raise
        self.url, self.port = found[1], int(found[2])

    def _address(self) -> Any:
        """Where it answers, once it says so."""
        assert self.process.poll() is None, self.log.read_text()
        return re.search(r"(http://[\d.]+:(\d+))/ answers", self.log.read_text())

    def ask(self, method: str, path: str, token: str | None = None, body: Any = None) -> tuple[int, Any]:
        """Status and answer of a question."""
        headers = {} if token is None else {"Authorization": f"token {token}"}
        data = None if body is None and method != "POST" else json.dumps(body or {}).encode()
        request = Request(f"{self.url}/dmod/api/{path}", data, headers, method=method)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=DEADLINE_S) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and wait for that."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(DEADLINE_S)
