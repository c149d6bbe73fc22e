"""What the panel is made of: no host in the lock file, a small bundle, and settings, words and versions that agree."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from panel_lab import BUNDLE, HOUSE
from requiring import cannot

import dmod
from dmod.view.card import describe

SOURCES = HOUSE / "jupyter_ext"
MODULES = SOURCES / "node_modules"
MOST_KB = 500


def read(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def test_no_file_of_the_panel_names_a_registry():
    lock = read("yarn.lock")
    assert "__metadata" in lock
    assert re.search(r"https?://|__archiveUrl", lock) is None
    assert "registry" not in read(".yarnrc.yml").lower()
    assert not (SOURCES / ".npmrc").exists()


def test_the_panel_has_the_version_of_the_package():
    assert json.loads(read("package.json"))["version"] == dmod.__version__


def test_the_server_is_told_of_an_extension_that_exists():
    told = json.loads(read("jupyter-config/server-config/dmod.json"))["ServerApp"]["jpserver_extensions"]
    assert told == {"dmod.gateway.jupyter": True}
    assert (HOUSE / "dmod" / "gateway" / "jupyter.py").is_file()


def test_the_schema_of_the_settings_agrees_with_what_holds_without_them():
    schema = json.loads(read("schema/plugin.json"))
    defaults = re.search(r"DEFAULTS: Setting = \{(.*?)\}", read("src/setting.ts"), re.DOTALL)[1]
    held = {key: json.loads(value) for key, value in re.findall(r"(\w+): ([^,\s]+)", defaults)}
    assert {key: one["default"] for key, one in schema["properties"].items()} == held


def test_the_page_of_the_panel_has_the_settings_of_the_schema():
    page = (HOUSE / "docs" / "jupyterlab.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", page, re.MULTILINE))
    schema = json.loads(read("schema/plugin.json"))["properties"]
    assert shown == {key: json.dumps(one["default"]) for key, one in schema.items()}


def test_commands_of_menus_are_commands_that_are_added():
    menus = json.loads(read("schema/plugin.json"))["jupyter.lab.menus"]["context"]
    added = set(re.findall(r'addCommand\("([\w:-]+)"', read("src/commands.ts")))
    assert {item["command"] for item in menus} <= added


def test_texts_never_become_html():
    written = {path.name: path.read_text(encoding="utf-8") for path in (SOURCES / "src").rglob("*.ts*")}
    wrong = re.compile(r"innerHTML|dangerouslySetInnerHTML|insertAdjacentHTML|outerHTML|\beval\(")
    assert [name for name, text in written.items() if wrong.search(text)] == []


def test_the_bundle_is_small_and_the_plots_are_a_chunk_of_their_own():
    static = built()
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in static.glob("*.js")}
    # What a canvas needs, and nothing else here.
    plots = {path.name for path in static.glob("*.js") if "devicePixelRatio" in path.read_text(encoding="utf-8")}
    assert sum(sizes.values()) <= MOST_KB * 1000
    entry = list(static.glob("remoteEntry*.js"))
    assert len(entry) == 1
    assert len(plots) == 1
    assert entry[0].name not in plots


def built() -> Path:
    """The bundle of this tree, or of the environment that is tested."""
    named = os.environ.get("DMOD_TEST_LAB")
    place = Path(named, "share/jupyter/labextensions/dmod-jupyterlab") if named else BUNDLE
    if not (place / "package.json").is_file():
        cannot("the panel is not built")
    return place / "static"


@pytest.fixture
def esbuild():
    """Bundles TypeScript for Node.js, where both are there."""
    if shutil.which("node") is None or not (MODULES / ".bin" / "esbuild").exists():
        cannot("no node_modules: `jlpm install` in jupyter_ext")

    def bundle(target: Path, *sources: Path) -> None:
        command = [MODULES / ".bin" / "esbuild", *sources, "--bundle", "--platform=node", "--format=cjs"]
        subprocess.run([*map(str, command), f"--outdir={target}", "--log-level=warning"], check=True, cwd=SOURCES)

    return bundle


def test_the_model_of_the_panel_passes_its_own_tests(esbuild, tmp_path):
    sources = sorted((SOURCES / "test").glob("*.test.ts"))
    esbuild(tmp_path, *sources)
    files = sorted(map(str, tmp_path.glob("*.test.js")))
    assert len(files) == len(sources)
    ran = subprocess.run(["node", "--test", *files], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout[-8000:]
    assert int(re.search(r"# pass (\d+)", ran.stdout)[1]) > 30


STATUSES = [
    {"state": "running", "fraction": fraction, "rate": rate, "elapsed_s": elapsed_s, "remaining_s": remaining_s}
    for fraction, rate, elapsed_s, remaining_s in [
        (0.0, 0.0, 0.0, None), (0.4256, 999.0, 9.94, 12.4), (1.0, 1234.5, 59.6, 61.0), (0.5, 2.126e6, 3599.4, 3600.0),
        (0.999, 3.333e9, 86_400.0, 7325.0),
    ]
]  # fmt: skip


def test_the_panel_says_what_the_card_says(esbuild, tmp_path):
    script = tmp_path / "say.ts"
    script.write_text(
        f'import {{ duration, percentOf, signOf, speed, toneOf }} from "{SOURCES}/src/model/words";\n'
        "const said = JSON.parse(process.argv[2]).map((one: any) => ({\n"
        "  sign: signOf(one.state), tone: toneOf(one.state), percent: percentOf({ id: '', name: '', ...one }),\n"
        "  speed: speed(one.rate), elapsed: duration(one.elapsed_s), left: duration(one.remaining_s, 'about '),\n"
        "}));\nconsole.log(JSON.stringify(said));\n"
    )
    esbuild(tmp_path, script)
    states = [*STATUSES, *({"state": state} for state in ("complete", "failed", "cancelled", "finished"))]
    ran = subprocess.run(
        ["node", str(tmp_path / "say.js"), json.dumps(states)], capture_output=True, text=True, check=True
    )
    for status, said in zip(states, json.loads(ran.stdout), strict=True):
        card = describe(status)
        facts = dict(card["facts"])
        assert said == {
            "sign": card["sign"], "tone": card["tone"], "percent": card["percent"], "speed": facts.get("speed", ""),
            "elapsed": facts.get("elapsed", ""), "left": facts.get("left", ""),
        }  # fmt: skip
