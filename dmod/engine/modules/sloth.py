"""SLoTH: constants for modules that need a value nobody computes.

Its outputs are made by ``model_params`` whose names follow the convention
``name(count,type,units,location)``; they never change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dmod.engine.native import Block, NativeModule
from dmod.errors import ConfigError
from dmod.model.configs import ConfigSchema, Parameters
from dmod.model.module import Description, ModuleSpec, Variable

__all__ = ["Sloth"]

_NAME = re.compile(
    r"(?P<name>[^()]+)\((?P<count>\d+),(?P<type>[^,()]+),(?P<units>[^,()]*),(?P<place>[^,()]+)(,[^()]*)?\)"
)


def _declared(text: str) -> Variable:
    """The variable that one ``model_params`` name declares.

    >>> _declared("sloth_ice_fraction_schaake(1,double,m,node)").units
    'm'
    """
    found = _NAME.fullmatch(re.sub(r"\s*([(),])\s*", r"\1", text.strip()))
    if found is None:
        raise ConfigError(
            f"SLoTH cannot read the variable {text!r}",
            needed="name(count,type,units,location), for example sloth_smp(1,double,1,node)",
            hint="correct the name in the realization's model_params",
        )
    if found["count"] != "1":
        raise ConfigError(
            f"SLoTH variable {text!r} holds several values per catchment",
            needed="a count of 1",
            hint="modules here exchange one value per catchment and step; give the one that is used",
        )
    return Variable(found["name"], found["units"] or "1", f"constant, {found['count']} {found['type']}")


class Sloth(NativeModule):
    """SLoTH for many catchments; see `dmod.engine.native.NativeModule`."""

    name: ClassVar[str] = "sloth"
    registrations: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ("slothmodel",)
    schema: ClassVar[ConfigSchema | None] = None
    description: ClassVar[Description] = Description("SLoTH", (), ())

    def __init__(self, parameters: Parameters | None = None, size: int = 0, made: Description | None = None) -> None:
        self._made = made or Description("SLoTH", (), ())
        super().__init__(parameters, size)

    @classmethod
    def describe(cls, spec: ModuleSpec) -> Description:
        """What *spec*'s ``model_params`` make."""
        return Description("SLoTH", (), tuple(_declared(name) for name in spec.params))

    @classmethod
    def build(cls, spec: ModuleSpec, parameters: Parameters, size: int) -> Self:
        """A running module for *size* catchments."""
        return cls(parameters, size, cls.describe(spec))

    @classmethod
    def apply(cls, parameters: dict[str, NDArray[np.float64]], name: str, values: NDArray[np.float64]) -> bool:
        """Put the constant that *name* declares into *parameters*."""
        parameters[_declared(name).name] = np.array(values, dtype=np.float64)
        return True

    def description_now(self) -> Description:
        """The constants this instance was made with."""
        return self._made

    def set_value(self, name: str, src: NDArray[np.float64]) -> None:
        """Make a constant of the name ``name(count,type,units,location)``, or change one."""
        if "(" in name:
            variable = _declared(name)
            self._made = Description("SLoTH", (), (*self._made.outputs, variable))
            now = {name: values.copy() for name, values in self._values.items()}
            now[variable.name] = np.broadcast_to(np.asarray(src), (self.size,)).copy()
            self._start(now, self.size)
            return
        super().set_value(name, src)

    def _derive(self, changed: str = "") -> None:
        del changed
        for name in self._output_names:
            if name in self.parameters:
                self._values[name][:] = self.parameters[name]

    def get_block(self, name: str) -> Block:
        """The constant, one column wide."""
        return self._values[name][:, None]

    def update_block(self, steps: int) -> None:
        """Let *steps* steps pass."""
        self._steps += steps

    def _advance(self, inputs: Mapping[str, Block], out: NDArray[np.float64], slots: NDArray[np.int64]) -> None:
        """Nothing changes."""
