"""The rules of the house, as tests: how a module is named, how large it is, what it says first."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
ROOT = HOUSE / "dmod"
MODULES = sorted(ROOT.rglob("*.py"))
ROOMS = [path for path in MODULES if path.name == "__init__.py" and path.parent != ROOT]

#: Names of kinds of things, not of things.
NO_ROOM = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "core"}
#: The only rooms inside a room.
NESTED = {("engine", "modules"), ("engine", "adapters"), ("ledger", "migrations")}
#: A path that exists on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|Users|work)/\w|[A-Z]:\\Users\\")
#: What people read and run, besides the package itself.
WRITTEN = ("*.md", "*.toml", ".ci/*", "binder/*", "docs/**/*.md", "docs/*.py", "examples/*", "tests/**/*.py")


def named(path: Path) -> str:
    """*path* as seen from the top of the project."""
    return path.relative_to(HOUSE).as_posix()


@pytest.fixture(params=MODULES, ids=named)
def module(request: pytest.FixtureRequest) -> Path:
    """Every module of the package, one after the other."""
    return request.param


def test_a_module_says_first_what_it_is(module):
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))


def test_a_module_is_named_after_the_thing_and_not_its_kind(module):
    assert module.stem not in NO_ROOM


def test_a_module_has_one_idea_and_400_lines_at_most(module):
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400, "a room this big is two rooms"


def test_rooms_do_not_nest(module):
    inside = module.relative_to(ROOT).parent.parts
    assert len(inside) <= 1 or inside in NESTED


def test_a_function_does_one_thing(module):
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} does more than one thing"


def test_a_module_lists_its_public_names(module):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    defined = [node for node in tree.body if isinstance(node, kinds)]
    public = {node.name for node in defined if not node.name.startswith("_") and not is_command(node)}
    listed = public_names(tree)
    assert len(listed) == len(set(listed)), "a name is listed twice"
    assert public <= set(listed), "a name that is not for others starts with an underscore"
    assert listed == sorted(listed, key=shelf), "constants first, then classes, then functions; each by name"


def public_names(tree: ast.Module) -> list[str]:
    """What ``__all__`` holds; nothing where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def is_command(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Whether *node* is a command, which people call from the shell and nobody from Python."""
    return any(ast.unparse(decorator).startswith("app.") for decorator in node.decorator_list)


def shelf(name: str) -> tuple[int, str]:
    """Where *name* stands in ``__all__``: the order that ruff keeps."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


@pytest.mark.parametrize("room", ROOMS, ids=named)
def test_the_front_of_a_room_is_one_sentence(room):
    tree = ast.parse(room.read_text(encoding="utf-8"))
    assert len(tree.body) == 1, "what a room does stands in its modules"
    sentence = ast.get_docstring(tree)
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1


def test_nothing_written_names_a_path_of_one_machine():
    written = {path for pattern in ("dmod/**/*.py", *WRITTEN) for path in HOUSE.glob(pattern)}
    seen = {path: MACHINE_PATH.search(path.read_text(encoding="utf-8")) for path in written if path.is_file()}
    assert {named(path): found[0] for path, found in seen.items() if found} == {}


def test_test_files_have_names_of_their_own():
    names = [path.name for path in (HOUSE / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names)), "pytest imports tests by their base name"
