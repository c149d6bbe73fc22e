"""A real JupyterLab in a process of its own, and how a test finds its way about in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from requiring import cannot

HOUSE = Path(__file__).parents[2]
BUNDLE = HOUSE / "jupyter_ext" / "labextension"
#: Long enough for a machine that is several times slower.
PATIENCE_S = 90.0
#: A notebook's server asks for this at start; a test has nobody who answers.
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}

SLOW_MODEL = '''
import os
import time

import numpy as np


class SlowBucket:
    """A bucket that takes its time, until a file says that it need not."""

    def initialize(self, config):
        self._values = {"rain": np.zeros(1), "flow": np.zeros(1)}
        self._hours = 0

    def update(self):
        if not os.path.exists(os.environ["SLOW_BUCKET_GO"]):
            time.sleep(0.05)
        self._values["flow"][0] = self._values["rain"][0] / 1000.0
        self._hours += 1

    def finalize(self):
        pass

    def get_input_var_names(self):
        return ("rain",)

    def get_output_var_names(self):
        return ("flow",)

    def get_var_units(self, name):
        return {"rain": "mm h-1", "flow": "m"}[name]

    def get_time_units(self):
        return "s"

    def get_time_step(self):
        return 3600.0

    def get_current_time(self):
        return 3600.0 * self._hours

    def get_value(self, name, dest):
        dest[:] = self._values[name]
        return dest

    def set_value(self, name, src):
        self._values[name][:] = src
'''

#: The formulation that names it.
SLOW_FORMULATION = {
    "name": "bmi_python",
    "params": {
        "model_type_name": "SlowBucket",
        "python_type": "slow_bucket.SlowBucket",
        "init_config": os.devnull,
        "main_output_variable": "flow",
        "variables_names_map": {"rain": "precip_rate"},
    },
}

#: Tells how well the text of elements stands out from what is behind it: the least contrast of each selector.
CONTRAST = """
selectors => {
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => {
    const a = top[3] === undefined ? 1 : top[3];
    return [0, 1, 2].map(n => top[n] * a + below[n] * (1 - a));
  };
  const ground = node => {
    const stack = [];
    for (let one = node; one; one = one.parentElement) stack.push(parts(getComputedStyle(one).backgroundColor));
    return stack.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const light = colour => {
    const [r, g, b] = colour.map(c => c / 255).map(c => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = {};
  for (const selector of selectors) {
    const nodes = [...document.querySelectorAll(selector)].filter(node => node.textContent.trim() && node.offsetParent);
    found[selector] = Math.min(...nodes.map(node => {
      const below = ground(node);
      const [a, b] = [light(over(parts(getComputedStyle(node).color), below)), light(below)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }));
  }
  return found;
}
"""


CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


def until(holds: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Wait until something is true, and give it back."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)
    return found


@dataclass
class Lab:
    """A JupyterLab.

    It runs in the environment that ``DMOD_TEST_LAB`` names, with the panel that is installed
    there; else in this one, with the panel as it was built in this tree.
    """

    folder: Path
    port: int
    base: str = "/"
    token: str = "let-me-in"
    options: list[str] = field(default_factory=list)
    #: What is started: ``jupyterlab``, or ``notebook``.
    program: str = "jupyterlab"
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        """The directory it shows."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """Where jobs are kept."""
        return self.folder / "home"

    @property
    def go(self) -> Path:
        """The file that ends the slow model's patience."""
        return self.folder / "go"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}{self.base}"

    @property
    def environment(self) -> dict[str, str]:
        """What its process sees: nothing of whoever runs the tests."""
        places = {"CONFIG": "config", "RUNTIME": "runtime", "DATA": "data"}
        own = {f"JUPYTER_{name}_DIR": str(self.folder / place) for name, place in places.items()}
        own |= {"DMOD_HOME": str(self.home), "SLOW_BUCKET_GO": str(self.go), "PYTHONPATH": str(self.folder / "models")}
        own |= {"JUPYTERLAB_SETTINGS_DIR": str(self.folder / "settings"), "JUPYTER_PLATFORM_DIRS": "1"}
        own |= {"JUPYTERLAB_WORKSPACES_DIR": str(self.folder / "workspaces"), "JUPYTER_PREFER_ENV_PATH": "1"}
        if "DMOD_TEST_LAB" not in os.environ:
            own["JUPYTER_PATH"] = str(self.folder / "built")
        return {**os.environ, **own}

    @property
    def python(self) -> str:
        """The interpreter of its environment."""
        named = os.environ.get("DMOD_TEST_LAB")
        return str(Path(named) / "bin" / "python") if named else sys.executable

    def prepare(self) -> None:
        """Make its directories."""
        for place in (self.root, self.folder / "models", self.folder / "built" / "labextensions"):
            place.mkdir(parents=True)
        (self.folder / "models" / "slow_bucket.py").write_text(SLOW_MODEL)
        (self.folder / "built" / "labextensions" / "dmod-jupyterlab").symlink_to(BUNDLE)
        for name, settings in QUIET.items():
            extension, plugin = name.split(":")
            place = self.folder / "settings" / extension / f"{plugin}.jupyterlab-settings"
            place.parent.mkdir(parents=True)
            place.write_text(json.dumps(settings))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            self.python, "-m", self.program, "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={self.port}", "--ServerApp.port_retries=0", f"--ServerApp.base_url={self.base}",
            f"--ServerApp.root_dir={self.root}", f"--IdentityProvider.token={self.token}", *self.options,
        ]  # fmt: skip
        if "DMOD_TEST_LAB" not in os.environ:
            command.append("--ServerApp.jpserver_extensions=dmod.gateway.jupyter=True")
        with (self.folder / "lab.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "lab.log").read_text()[-4000:]
        try:
            self.ask("status")
        except urllib.error.HTTPError as problem:
            problem.close()
            return False
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it, as a terminal's Ctrl-C does when it is pressed twice."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def ask(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Ask the gateway."""
        return json.loads(self.request(f"dmod/api/{path}", method, body) or b"null")

    def request(self, path: str, method: str = "GET", body: object = None) -> bytes:
        """Ask the server."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def theme(self, name: str) -> None:
        """Choose its colours; the page has to be loaded again."""
        raw = json.dumps({"theme": name})
        self.request("lab/api/settings/@jupyterlab/apputils-extension:themes", "PUT", {"raw": raw})


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ready_lab(folder: Path, **options: Any) -> Lab:
    """A JupyterLab that has not been started."""
    if "DMOD_TEST_LAB" not in os.environ and not (BUNDLE / "package.json").is_file():
        cannot("the panel is not built: `jlpm install && jlpm build` in jupyter_ext, or DMOD_TEST_LAB=<environment>")
    made = Lab(folder, free_port(), **options)
    made.prepare()
    return made


def show(page: Any, widget: str, content: str) -> None:
    """Bring a widget of the left side bar into sight; while a layout is being restored a click may be lost."""
    tab, inside = page.locator(f'.jp-SideBar [data-id="{widget}"]'), page.locator(content).first
    tab.wait_for()

    def shown() -> bool:
        if not inside.is_visible():
            tab.click()
            page.wait_for_timeout(300)
        return bool(inside.is_visible())

    until(shown)


def show_panel(page: Any) -> None:
    """Bring the panel into sight."""
    show(page, "dmod-panel", ".dmod-Panel")


def show_browser(page: Any) -> None:
    """Bring the file browser into sight."""
    show(page, "filebrowser", ".jp-FileBrowser")


def run_from_browser(page: Any, folder: str) -> None:
    """Run a folder by the menu of the file browser."""
    show_browser(page)
    page.locator(".jp-DirListing-item", has_text=folder).click(button="right")
    page.get_by_role("menuitem", name="Run with dmod").click()
    page.get_by_label("Replace earlier outputs").check()
    page.locator(".dmod-Dialog .jp-mod-accept").click()


def state(page: Any, word: str, name: str = "") -> Any:
    """The newest row of the panel that has a state."""
    return page.locator(".dmod-Row", has_text=name).filter(has=page.locator(".dmod-State", has_text=word)).first
