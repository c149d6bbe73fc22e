"""Templates: parts of a specification that are written once, and filled in by name.

`Templates` holds them by the element they are of and their name; `filled` puts them into a
specification. An element's own keys win; of several templates the later wins; lists of elements
are merged by their names.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from dmod.errors import InputError
from dmod.evaluation.specification import Element, EvaluationSpecification

__all__ = ["MANIFEST", "Templates", "children_of", "filled", "overlaid"]

#: Name of the file that lists templates: ``{element: [{name, path, description}]}``.
MANIFEST = "template_manifest.json"
_KEYS = ("template_name", "template", "templates")
#: Templates within templates, before it is taken for a circle.
_DEEPEST = 32

#: What is told of a template that does not fill in: where, and what is wrong.
Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class Templates:
    """Templates by element, such as ``BackendSpecification``, and name.

    Examples
    --------
    >>> held = Templates({"MetricSpecification": {"Nash": {"name": "nse", "weight": 2}}})
    >>> held.get("MetricSpecification", "Nash")
    {'name': 'nse', 'weight': 2}
    """

    #: Keys and values of each template.
    held: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = sorted(one.__name__ for one in Element.__subclasses__())
        if strange := sorted(set(self.held) - {*known, "ValueSelector"}):
            raise InputError(f"there is no element {strange[0]!r} that templates could be of", known=", ".join(known))

    @classmethod
    def read(cls, path: str | Path) -> Templates:
        """Templates of a manifest: the file, the directory it is in, or a zip file that holds it.

        Raises
        ------
        InputError
            If there is no manifest, or it or a template cannot be read.
        """
        path = Path(path).expanduser()
        if path.is_dir():
            path = path / MANIFEST
        if not path.is_file():
            raise InputError(
                "there are no templates", path=path, hint=f"name a {MANIFEST}, its directory or a zip file"
            )
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inside = [name for name in archive.namelist() if PurePosixPath(name).name == MANIFEST]
                if not inside:
                    raise InputError("the zip file holds no manifest of templates", path=path, needed=MANIFEST)
                root = PurePosixPath(min(inside, key=len)).parent
                return cls._gathered(lambda name: archive.read(str(root / name)), path, MANIFEST)
        return cls._gathered(lambda name: (path.parent / name).read_bytes(), path, path.name)

    @classmethod
    def _gathered(cls, read: Callable[[str], bytes], path: Path, manifest: str) -> Templates:
        listed = _object(read, manifest, path)
        held: dict[str, dict[str, Mapping[str, Any]]] = {}
        for kind, entries in listed.items():
            if not isinstance(entries, list):
                raise InputError("a manifest lists templates for each element", path=path, at=kind)
            for entry in entries:
                if not (isinstance(entry, Mapping) and {"name", "path"} <= entry.keys()):
                    raise InputError("a template in a manifest has a name and a path", path=path, at=kind)
                held.setdefault(kind, {})[str(entry["name"])] = _object(read, str(entry["path"]), path)
        return cls(held)

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The template of an element by its name; None if there is none."""
        return self.held.get(kind, {}).get(name)

    def names(self, kind: str) -> list[str]:
        """Names of the templates of an element."""
        return sorted(self.held.get(kind, {}))

    def __add__(self, other: Templates) -> Templates:
        """Both; those of *other* win."""
        return Templates({k: {**self.held.get(k, {}), **other.held.get(k, {})} for k in {*self.held, *other.held}})


def _object(read: Callable[[str], bytes], name: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read(name))
    except (OSError, KeyError) as problem:
        raise InputError("a template cannot be read", path=path, file=name, reason=problem) from problem
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise InputError("a template is not JSON", path=path, file=name, reason=problem) from problem
    if not isinstance(found, dict):
        raise InputError("a template is a JSON object", path=path, file=name, has=type(found).__name__)
    return found


def overlaid(below: Any, above: Any) -> Any:
    """*above* over *below*: objects key by key, lists of named objects by name, all else replaced.

    >>> overlaid({"a": 1, "m": [{"name": "x", "w": 1}]}, {"m": [{"name": "x", "w": 2}, {"name": "y"}]})
    {'a': 1, 'm': [{'name': 'x', 'w': 2}, {'name': 'y'}]}
    """
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = overlaid(below[key], value) if key in below else value
        return merged
    if _is_objects(below) and _is_objects(above):
        rows = list(below)
        for entry in above:
            at = next((i for i, row in enumerate(rows) if "name" in entry and row.get("name") == entry["name"]), None)
            if at is None:
                rows.append(entry)
            else:
                rows[at] = overlaid(rows[at], entry)
        return rows
    return above


def _is_objects(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, Mapping) for v in value)


def filled(given: Any, templates: Templates, tell: Tell, *, kind: type[Element] = EvaluationSpecification) -> Any:
    """*given* with its templates filled in, and those within them.

    Parameters
    ----------
    given : dict
        An element as it was written.
    templates : Templates
        Where they are looked up.
    tell : callable
        Told the place and what is wrong of each template that is not there.
    kind : type
        What element it is.
    """
    return _filled(given, templates, tell, kind, "", ())


def _filled(given: Any, templates: Templates, tell: Tell, kind: type[Element], at: str, within: tuple[str, ...]) -> Any:
    if not isinstance(given, Mapping):
        return given
    asked = [given[key] for key in ("template_name", "template") if isinstance(given.get(key), str)][:1]
    several = given.get("templates")
    asked += [name for name in several if isinstance(name, str)] if isinstance(several, list) else []
    below: Any = {}
    for name in asked:
        below = overlaid(below, _looked_up(name, templates, tell, kind, at, within))
    own = {key: value for key, value in given.items() if key not in _KEYS}
    for key, (child, is_list) in children_of(kind).items():
        where = f"{at}.{key}" if at else key
        if is_list and isinstance(own.get(key), list):
            own[key] = [_filled(one, templates, tell, child, f"{where}[{i}]", within) for i, one in enumerate(own[key])]
        elif key in own:
            own[key] = _filled(own[key], templates, tell, child, where, within)
    whole = overlaid(below, own)
    if asked and "name" not in whole:
        whole["name"] = asked[-1]
    return whole


def _looked_up(
    name: str, templates: Templates, tell: Tell, kind: type[Element], at: str, within: tuple[str, ...]
) -> Any:
    key = f"{kind.__name__}: {name}"
    found = templates.get(kind.__name__, name)
    if found is None:
        known = templates.names(kind.__name__)
        tell(
            at, f"there is no template {name!r}; there {'are ' + ', '.join(known) if known else 'is none of this kind'}"
        )
        return {}
    if key in within or len(within) > _DEEPEST:
        tell(at, f"the template {name!r} leads back to itself")
        return {}
    return _filled(found, templates, tell, kind, at, (*within, key))


def children_of(kind: type[Element]) -> dict[str, tuple[type[Element], bool]]:
    """Keys of an element that hold elements: of which kind, and whether a list of them."""
    found = {}
    for key, held in kind.model_fields.items():
        for child, is_list in _elements_in(held.annotation, is_list=False):
            found[key] = (child, is_list)
    return found


def _elements_in(annotation: Any, *, is_list: bool) -> list[tuple[type[Element], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, Element):
        return [(annotation, is_list)]
    inner = [one for one in get_args(annotation) if one is not type(None)]
    deeper = is_list or getattr(annotation, "__origin__", None) is list
    return [found for one in inner for found in _elements_in(one, is_list=deeper)]
