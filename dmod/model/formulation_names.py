"""Which module and parameter of a formulation a name means.

Modules go by the plug-in that computes them, or by their own titles; parameters by the
names that ``model_params`` has, without what SLoTH puts in parentheses. Whoever asks for
what is not there is told what comes nearest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from dmod import plugins
from dmod.errors import RealizationError
from dmod.model.module import ModuleSpec, ModuleType, Variable, find

__all__ = ["ModuleNames", "bare", "listed", "meant"]

_SHOWN = 20


@dataclass(frozen=True)
class ModuleNames:
    """The modules of a formulation and what they are called."""

    #: The modules, in the order they run.
    specs: tuple[ModuleSpec, ...]

    @cached_property
    def kinds(self) -> tuple[ModuleType | None, ...]:
        """What computes each; None where nothing here does."""
        known = plugins.load("dmod.modules").found.values()
        return tuple(find(spec, known) for spec in self.specs)

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """What each is called, in small letters: by what computes it, else by its own title."""
        return tuple(
            spec.title.lower() if kind is None or kind.name == "python" else kind.name
            for kind, spec in zip(self.kinds, self.specs, strict=True)
        )

    def settable(self, place: int) -> tuple[Variable, ...]:
        """What ``model_params`` may set of a module; nothing where that is not known here."""
        spec, kind = self.specs[place], self.kinds[place]
        if kind is None or kind.name == "python":
            return ()
        return tuple(Variable(name) for name in spec.params) if kind.name == "sloth" else kind.describe(spec).parameters

    def place(self, module: str) -> int:
        """The place of a module by its name, here or in the file.

        Raises
        ------
        RealizationError
            If there is none of that name.
        """
        wanted = str(module).lower()
        for place, (title, spec) in enumerate(zip(self.titles, self.specs, strict=True)):
            if wanted in (title, spec.title.lower()):
                return place
        raise RealizationError(
            f"the formulation has no module {module!r}", has=", ".join(self.titles), hint=meant(wanted, self.titles)
        )

    def placed(self, parameters: Mapping[str, Any]) -> Iterator[tuple[int, str, Any]]:
        """Place of the module, name as ``model_params`` has it, and value of each parameter.

        Parameters
        ----------
        parameters : mapping
            ``parameter`` or ``module.parameter`` to value, or module to a mapping of such.

        Raises
        ------
        RealizationError
            If a module or parameter is not there, or two modules have it.
        """
        for name, value in parameters.items():
            if isinstance(value, Mapping) and "source" not in value:
                place = self.place(name)
                for inner, one in value.items():
                    yield place, self._parameter(place, inner), one
                continue
            module, dot, rest = str(name).partition(".")
            place = self.place(module) if dot else self._owner(module)
            yield place, self._parameter(place, rest if dot else module), value

    def config_key(self, place: int, key: str) -> str:
        """A key of a module's configuration file, once found to be one.

        Raises
        ------
        RealizationError
            If the module has no such key.
        """
        kind = self.kinds[place]
        schema = None if kind is None else kind.schema
        if schema is None or key in schema.by_spelling or key in schema.ignored:
            return key
        raise RealizationError(
            f"the configuration of {self.titles[place]} has no key {key!r}",
            has=listed(schema.by_spelling),
            hint=meant(key, schema.by_spelling),
        )

    def _names(self, place: int) -> list[str]:
        """Parameters of a module, those that are set first."""
        return list(dict.fromkeys((*self.specs[place].params, *(one.name for one in self.settable(place)))))

    def _parameter(self, place: int, name: str) -> str:
        """The name of a parameter as ``model_params`` has it."""
        for full in self._names(place):
            if name in (full, bare(full)):
                return full
        kind = self.kinds[place]
        if kind is None or kind.name == "python" or (kind.name == "sloth" and name != bare(name)):
            return name
        names = [bare(one.name) for one in self.settable(place)]
        raise RealizationError(
            f"{self.titles[place]} has no parameter {name!r}", has=listed(names) or "none", hint=meant(name, names)
        )

    def _owner(self, name: str) -> int:
        """The one module that has a parameter."""
        held = [{bare(full) for full in self._names(place)} for place in range(len(self.specs))]
        found = [place for place, names in enumerate(held) if bare(name) in names]
        if len(found) == 1:
            return found[0]
        if found:
            raise RealizationError(
                f"{len(found)} modules have a parameter {name!r}",
                has=", ".join(self.titles[place] for place in found),
                hint=f"write {self.titles[found[0]]}.{name}",
            )
        names = {one for names in held for one in names}
        raise RealizationError(f"no module has a parameter {name!r}", has=listed(names), hint=meant(name, names))


def bare(name: str) -> str:
    """A parameter's name without what SLoTH has in parentheses.

    >>> bare("sloth_smp(1,double,1,node)")
    'sloth_smp'
    """
    return name.partition("(")[0].strip()


def meant(name: str, known: Iterable[str]) -> str:
    """The nearest names, as a question; empty where there is none.

    >>> meant("satdkk", ["slope", "satdk"])
    'did you mean satdk?'
    """
    folded = {one.lower(): one for one in sorted(known)}
    near = get_close_matches(name.lower(), folded, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(folded[one] for one in near)}?" if near else ""


def listed(names: Iterable[str]) -> str:
    """The first few names, sorted."""
    some = sorted(names, key=str.lower)
    return ", ".join(some[:_SHOWN]) + (f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else "")
