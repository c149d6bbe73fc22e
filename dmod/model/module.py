"""What a module says of itself: its variables, how a realization names it, its configuration keys.

A `ModuleType` is what the entry-point group ``dmod.modules`` gives: a class that the
engine can build and the pre-flight check can ask. Nothing is computed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from dmod.model.configs import ConfigSchema, Parameters

__all__ = ["Description", "ModuleSpec", "ModuleType", "Variable", "find"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that a module takes or gives."""

    #: Name as BMI has it.
    name: str
    #: Units as UDUNITS spells them; ``1`` for none.
    units: str = "1"
    #: What it is, a few words.
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """What one module takes and gives, for one entry of a realization."""

    #: Name people know it by, such as ``CFE``.
    title: str
    #: What must be provided, in order.
    inputs: tuple[Variable, ...]
    #: What it gives, in the order of its columns.
    outputs: tuple[Variable, ...]
    #: What ``model_params`` may set, with units.
    parameters: tuple[Variable, ...] = ()

    def input(self, name: str) -> Variable | None:
        """The input of that name, if there is one."""
        return next((v for v in self.inputs if v.name == name), None)

    def output(self, name: str) -> Variable | None:
        """The output of that name, if there is one."""
        return next((v for v in self.outputs if v.name == name), None)


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """One module as a realization asks for it, stripped of what only ngen needs."""

    #: ``bmi_c``, ``bmi_c++``, ``bmi_fortran`` or ``bmi_python``.
    kind: str
    #: ``model_type_name``, as people call it in their files.
    title: str
    #: ``init_config`` with ``{{id}}`` still in it; empty where there is none.
    init_config: str = ""
    #: Basename of ``library_file``.
    library: str = ""
    #: ``registration_function``; empty where not given or ``none``.
    registration: str = ""
    #: ``python_type``, ``package.module.Class``.
    python_type: str = ""
    #: ``variables_names_map``: BMI name to alias.
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: ``model_params`` as given.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: ``main_output_variable`` of the module itself.
    main_output: str = ""

    def alias(self, name: str) -> str:
        """The framework's name of the BMI variable *name*."""
        return self.aliases.get(name, name)


@runtime_checkable
class ModuleType(Protocol):
    """A class that computes: native, or an adapter. The unit of the plug-in point ``dmod.modules``."""

    #: Short name, also the entry point's.
    name: str
    #: Registration functions by which realizations name it, such as ``register_bmi_cfe``.
    registrations: tuple[str, ...]
    #: Library names without ``lib`` and ending, such as ``cfebmi``.
    libraries: tuple[str, ...]
    #: Keys of its configuration file; None where it has none.
    schema: ConfigSchema | None

    @classmethod
    def describe(cls, spec: ModuleSpec) -> Description:
        """What it takes and gives when asked for as *spec*."""
        ...

    @classmethod
    def apply(cls, parameters: dict[str, Any], name: str, values: NDArray[np.float64]) -> bool:
        """Put ``model_params`` *name*, shape (catchments,), into *parameters*; whether it is known."""
        ...

    @classmethod
    def build(cls, spec: ModuleSpec, parameters: Parameters, size: int) -> Any:
        """A running module for *size* catchments."""
        ...


def _stem(library: str) -> str:
    """``libcfebmi.so.1.0.0`` is ``cfebmi``.

    >>> _stem("/dmod/shared_libs/libcfebmi.so.1.0.0"), _stem("libslothmodel")
    ('cfebmi', 'slothmodel')
    """
    name = library.replace("\\", "/").rsplit("/", 1)[-1]
    name = re.sub(r"\.(so|dylib|dll)(\..*)?$", "", name)
    return name.removeprefix("lib")


def find(spec: ModuleSpec, modules: Iterable[ModuleType]) -> ModuleType | None:
    """The module that *spec* means, or None.

    A registration function decides where it is named by one; the library's name
    decides otherwise; a Python class goes to the adapter called ``python``.

    Parameters
    ----------
    spec : ModuleSpec
        What a realization asks for.
    modules : iterable of ModuleType
        What there is.

    Returns
    -------
    ModuleType or None
        None where nothing matches.
    """
    if spec.kind == "bmi_python":
        return next((m for m in modules if m.name == "python"), None)
    known = list(modules)
    for module in known:
        if spec.registration and spec.registration in module.registrations:
            return module
    stem = _stem(spec.library)
    return next((m for m in known if stem and stem in m.libraries), None)
