"""bmi_python: any class that follows bmipy, one instance per catchment.

The class is found by its dotted name (``python_type``), imported when first described.
Values go in and out one catchment and one step at a time, so this is as slow as Python
is; it is right for models that exist in Python only.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dmod.errors import ConfigError, InputError
from dmod.model.configs import ConfigSchema, Parameters
from dmod.model.module import Description, ModuleSpec, Variable

__all__ = ["PythonModule"]

Block = NDArray[np.float64]
_STEP_S = 3600.0
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}


def _model_class(spec: ModuleSpec) -> Any:
    """The class that *spec* names."""
    module, _, name = spec.python_type.rpartition(".")
    if not module:
        raise ConfigError(
            f"python_type is {spec.python_type!r}", needed="package.module.Class",
            hint="name the class with its module in the realization",
        )  # fmt: skip
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as problem:  # a stranger's module may raise anything at import
        raise ConfigError(
            f"the Python model {spec.python_type} cannot be imported",
            reason=f"{type(problem).__name__}: {problem}".splitlines()[0],
            hint="install its package in this environment, and on every Dask worker",
        ) from problem
    lacking = [
        m for m in ("initialize", "update", "get_value", "set_value", "get_input_var_names") if not hasattr(found, m)
    ]
    if lacking:
        raise ConfigError(
            f"{spec.python_type} does not follow bmipy",
            missing=", ".join(lacking),
            hint="derive it from bmipy.Bmi and implement all of it",
        )
    return found


def _scalars(model: Any, names: Sequence[str]) -> tuple[Variable, ...]:
    """Variables of a model, each one value."""
    return tuple(Variable(name, str(model.get_var_units(name)) or "1") for name in names)


class PythonModule:
    """Instances of one bmipy class, one per catchment, as a module of the engine.

    Parameters
    ----------
    models : sequence
        Initialized models, one per catchment.
    description : Description
        What they take and give.
    """

    name: ClassVar[str] = "python"
    registrations: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[ConfigSchema | None] = None

    def __init__(self, models: Sequence[Any], description: Description) -> None:
        self.models, self.size, self._description = list(models), len(models), description
        self._inputs: dict[str, Block] = {v.name: np.zeros((self.size, 1)) for v in description.inputs}
        self._kept: tuple[str, ...] = tuple(v.name for v in description.outputs)
        self._out: dict[str, Block] = {}

    @classmethod
    def describe(cls, spec: ModuleSpec) -> Description:
        """What the class takes and gives, asked of an instance that is not initialized.

        Raises
        ------
        ConfigError
            If it cannot be imported, does not follow bmipy, or only knows once initialized.
        """
        kind = _model_class(spec)
        try:
            model = kind()
            inputs, outputs = model.get_input_var_names(), model.get_output_var_names()
            said = Description(spec.title, _scalars(model, inputs), _scalars(model, outputs))
        except Exception as problem:  # a stranger's class may raise anything
            raise ConfigError(
                f"{spec.python_type} does not say what it takes and gives before initialize()",
                reason=f"{type(problem).__name__}: {problem}".splitlines()[0],
                hint="have it know its variable names and units as soon as it is made",
            ) from problem
        return said

    @classmethod
    def build(cls, spec: ModuleSpec, parameters: Parameters, size: int) -> Self:
        """One initialized instance per catchment, parameters set."""
        kind = _model_class(spec)
        paths: NDArray[Any] = parameters.get("init_config", np.array([""] * size, dtype=object))
        models = []
        for i in range(size):
            model = kind()
            model.initialize(str(paths[i]))
            for name, values in parameters.items():
                if name != "init_config":
                    model.set_value(name, np.array([values[i]]))
            models.append(model)
        return cls(models, cls.describe(spec))

    @classmethod
    def apply(cls, parameters: dict[str, Any], name: str, values: NDArray[np.float64]) -> bool:
        """Put ``model_params`` *name* into *parameters*; the model itself knows its names."""
        parameters[name] = values
        return True

    def request(self, names: Sequence[str]) -> None:
        """Say which outputs to keep."""
        self._kept = tuple(dict.fromkeys(names))

    def set_block(self, name: str, values: Block) -> None:
        """Give an input for the steps of the next `update_block`, shape (catchments, steps) or (catchments, 1)."""
        self._inputs[name] = np.asarray(values, dtype=np.float64)

    def get_block(self, name: str) -> Block:
        """An output over the steps of the last `update_block`, shape (catchments, steps)."""
        return self._out[name]

    def get_value(self, name: str, dest: NDArray[np.float64]) -> NDArray[np.float64]:
        """The current value of *name* of each catchment, into *dest*."""
        for i, model in enumerate(self.models):
            dest[i] = _one(model, name)
        return dest

    def update_block(self, steps: int) -> None:
        """Advance *steps* steps of one hour, one catchment at a time."""
        self._out = {name: np.empty((self.size, steps)) for name in self._kept}
        for i, model in enumerate(self.models):
            self._advance(i, model, steps)

    def _advance(self, i: int, model: Any, steps: int) -> None:
        """One catchment."""
        scale = _SECONDS.get(str(model.get_time_units()).strip(), 1.0)
        whole = model.get_time_step() * scale == _STEP_S
        for t in range(steps):
            for name, block in self._inputs.items():
                model.set_value(name, np.array([block[i, t if block.shape[1] > 1 else 0]]))
            if whole:
                model.update()
            else:
                model.update_until(model.get_current_time() + _STEP_S / scale)
            for name, out in self._out.items():
                out[i, t] = _one(model, name)

    def finalize(self) -> None:
        """Finalize every instance."""
        for model in self.models:
            model.finalize()


def _one(model: Any, name: str) -> float:
    """The one value of a variable."""
    dest = np.empty(1)
    model.get_value(name, dest)
    if dest.shape != (1,):
        raise InputError(f"{name} holds {dest.size} values, but catchments exchange one")
    return float(dest[0])
