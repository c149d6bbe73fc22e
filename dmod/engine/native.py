"""A native module: a BMI 2.0 model whose grid is a set of catchments.

`NativeModule` does everything that BMI asks for; a subclass gives its description, the
keys of its configuration file and one compiled kernel. ``update()`` advances one step,
``update_block(n)`` advances n steps in one compiled call, with the same numbers to the
last bit. Kernels release the GIL, so several blocks of catchments run side by side.

A block is an array of shape (catchments, steps). A block of width one holds its value
through all steps.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from bmipy import Bmi
from numpy.typing import NDArray

from dmod.engine.catchment_grid import CatchmentGrid
from dmod.errors import ConfigError, InputError
from dmod.model.configs import ConfigSchema, Parameters, Problem, read, stack
from dmod.model.module import Description, ModuleSpec, Variable

__all__ = ["Block", "NativeModule"]

#: Values of one variable, shape (catchments, steps) or (catchments, 1).
Block = NDArray[np.float64]

_STEP_S = 3600.0


class NativeModule(CatchmentGrid, Bmi):
    """Base of native modules; see the module's docstring.

    Parameters
    ----------
    parameters : mapping of str to array
        Values of the configuration keys, shape (catchments,) or (catchments, k).
    size : int
        Number of catchments.
    """

    name: ClassVar[str]
    registrations: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    schema: ClassVar[ConfigSchema | None] = None
    description: ClassVar[Description]
    #: Whether the kernel takes inputs in single precision as they are.
    takes_single: ClassVar[bool] = False

    def __init__(self, parameters: Parameters | None = None, size: int = 0) -> None:
        self._initialized = False
        if size:
            self._start(dict(parameters or {}), size)

    # -- what a subclass gives -------------------------------------------------------

    @abstractmethod
    def _derive(self, changed: str = "") -> None:
        """Compute constants from ``self.parameters``; *changed* names the one just set, if any.

        With no *changed*, the initial state too.
        """

    @abstractmethod
    def _advance(self, inputs: Mapping[str, Block], out: NDArray[np.float64], slots: NDArray[np.int64]) -> None:
        """Advance ``out.shape[2]`` steps; output k goes to ``out[slots[k]]`` unless that is negative."""

    # -- how the engine meets it -----------------------------------------------------

    @classmethod
    def describe(cls, spec: ModuleSpec) -> Description:  # noqa: ARG003 - others depend on it
        """What it takes and gives."""
        return cls.description

    @classmethod
    def build(cls, spec: ModuleSpec, parameters: Parameters, size: int) -> Self:
        """A running module for *size* catchments, ``model_params`` already in *parameters*."""
        del spec
        return cls(parameters, size)

    @classmethod
    def apply(cls, parameters: dict[str, NDArray[np.float64]], name: str, values: NDArray[np.float64]) -> bool:
        """Whether ``model_params`` may set *name*; kept by subclasses that have parameters."""
        del parameters, name, values
        return False

    def _start(self, parameters: dict[str, NDArray[np.float64]], size: int) -> None:
        self.size = size
        self.parameters = parameters
        self._steps = 0
        self._output_names = tuple(v.name for v in self.description_now().outputs)
        self._inputs: dict[str, Block] = {v.name: np.zeros((size, 1)) for v in self.description_now().inputs}
        self._own = set(self._inputs)
        self._values = {name: np.zeros(size) for name in self._output_names}
        self._out = np.empty((len(self._output_names), size, 0))
        self.request(self._output_names)
        self._derive()
        self._initialized = True

    def description_now(self) -> Description:
        """The description of this very instance."""
        return self.description

    def request(self, names: Sequence[str]) -> None:
        """Say which outputs `update_block` must keep; all others are skipped.

        Parameters
        ----------
        names : sequence of str
            Names of outputs.
        """
        self._slots = np.full(len(self._output_names), -1, dtype=np.int64)
        for slot, name in enumerate(dict.fromkeys(names)):
            self._slots[self._output_names.index(name)] = slot
        self._out = np.empty((len(set(names)), self.size, 0))

    def set_block(self, name: str, values: Block) -> None:
        """Give an input for the steps of the next `update_block`.

        Parameters
        ----------
        name : str
            Input.
        values : array, shape (catchments, steps) or (catchments, 1)
            In the units of the input.
        """
        if name not in self._inputs:
            raise InputError(f"{self.get_component_name()} has no input {name!r}", has=", ".join(self._inputs))
        kind = values.dtype if self.takes_single else np.float64
        self._inputs[name] = np.ascontiguousarray(values, dtype=kind)
        self._own.discard(name)

    def get_block(self, name: str) -> Block:
        """An output over the steps of the last `update_block`.

        Parameters
        ----------
        name : str
            Output, among those requested.

        Returns
        -------
        array, shape (catchments, steps)
            A view that the next `update_block` overwrites.
        """
        slot = self._slots[self._output_names.index(name)]
        if slot < 0:
            raise InputError(f"output {name!r} was not requested", hint="call request() with it first")
        block: Block = self._out[slot]
        return block

    def update_block(self, steps: int) -> None:
        """Advance *steps* steps in compiled code: the same as *steps* times `update`.

        Parameters
        ----------
        steps : int
            At least 1.
        """
        if self._out.shape[2] != steps:
            self._out = np.empty((self._out.shape[0], self.size, steps))
        self._advance(self._inputs, self._out, self._slots)
        for index, slot in enumerate(self._slots):
            if slot >= 0:
                self._values[self._output_names[index]][:] = self._out[slot, :, -1]
        self._steps += steps

    # -- BMI 2.0: life ---------------------------------------------------------------

    def initialize(self, config_file: str) -> None:
        """Start with one catchment from one configuration file.

        Parameters
        ----------
        config_file : str
            Path.

        Raises
        ------
        ConfigError
            If the file has fatal problems; all are named.
        """
        self.initialize_grid([Path(config_file)])

    def initialize_grid(self, config_files: Sequence[Path]) -> None:
        """Start with one catchment per configuration file.

        Parameters
        ----------
        config_files : sequence of Path
            One per catchment, in order.

        Raises
        ------
        ConfigError
            If a file has fatal problems; all are named.
        """
        if self.schema is None:
            self._start({}, len(config_files))
            return
        configs = [read(self.schema, Path(path)) for path in config_files]
        fatal: list[tuple[Path, Problem]] = [
            (path, p) for path, c in zip(config_files, configs, strict=True) for p in c.problems if p.fatal
        ]
        if fatal:
            raise ConfigError(
                f"{self.get_component_name()} cannot start",
                **{str(path): f"{p.key} {p.message}" for path, p in fatal[:5]},
                hint=fatal[0][1].remedy or "correct the file",
            )
        self._start(stack(self.schema, configs), len(configs))

    def update(self) -> None:
        """Advance one step with the inputs as they are."""
        self.update_block(1)

    def update_until(self, time: float) -> None:
        """Advance to *time* [s], a whole number of steps from the start.

        Raises
        ------
        InputError
            If *time* is in the past or between two steps.
        """
        steps, rest = divmod(time - self.get_current_time(), _STEP_S)
        if steps < 0 or rest:
            raise InputError(f"cannot advance to {time:g} s", now=self.get_current_time(), step=_STEP_S)
        for _ in range(int(steps)):
            self.update()

    def finalize(self) -> None:
        """Let go of all arrays."""
        self._initialized = False
        self._inputs, self._values = {}, {}
        self._out = np.empty((0, 0, 0))

    # -- BMI 2.0: names and variables ------------------------------------------------

    def get_component_name(self) -> str:
        """The model's name."""
        return self.description.title

    def get_input_item_count(self) -> int:
        """How many inputs there are."""
        return len(self.get_input_var_names())

    def get_output_item_count(self) -> int:
        """How many outputs there are."""
        return len(self.get_output_var_names())

    def get_input_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # bmipy says tuple[str]
        """Names of inputs."""
        return tuple(v.name for v in self.description_now().inputs)

    def get_output_var_names(self) -> tuple[str, ...]:  # type: ignore[override]  # bmipy says tuple[str]
        """Names of outputs."""
        return tuple(v.name for v in self.description_now().outputs)

    def _variable(self, name: str) -> Variable:
        said = self.description_now()
        for variable in (*said.inputs, *said.outputs, *said.parameters):
            if variable.name == name:
                return variable
        raise InputError(f"{self.get_component_name()} has no variable {name!r}")

    def get_var_grid(self, name: str) -> int:
        """Grid 0, the catchments, for every variable."""
        self._variable(name)
        return 0

    def get_var_type(self, name: str) -> str:
        """``float64`` for every variable."""
        self._variable(name)
        return "float64"

    def get_var_units(self, name: str) -> str:
        """Units as UDUNITS spells them."""
        return self._variable(name).units

    def get_var_itemsize(self, name: str) -> int:
        """Bytes of one value."""
        self._variable(name)
        return 8

    def get_var_nbytes(self, name: str) -> int:
        """Bytes of all values now."""
        return 8 * self.get_value_ptr(name).size

    def get_var_location(self, name: str) -> str:
        """``node``: a value belongs to a catchment."""
        self._variable(name)
        return "node"

    # -- BMI 2.0: time ---------------------------------------------------------------

    def get_current_time(self) -> float:
        """Seconds since the start."""
        return self._steps * _STEP_S

    def get_start_time(self) -> float:
        """Zero."""
        return 0.0

    def get_end_time(self) -> float:
        """The largest number: a module never ends by itself."""
        return sys.float_info.max

    def get_time_units(self) -> str:
        """Seconds."""
        return "s"

    def get_time_step(self) -> float:
        """One hour, in seconds."""
        return _STEP_S

    # -- BMI 2.0: values -------------------------------------------------------------

    def get_value(self, name: str, dest: NDArray[Any]) -> NDArray[Any]:
        """Copy the current values of *name* into *dest*, shape (catchments,)."""
        dest[:] = self.get_value_ptr(name)
        return dest

    def get_value_ptr(self, name: str) -> NDArray[Any]:
        """The current values of *name*, shape (catchments,): the array itself."""
        if name in self._values:
            return self._values[name]
        if name in self._inputs:
            if name not in self._own:
                # What set_block was given is the caller's: whoever asks for a pointer gets an array of ours.
                self._inputs[name] = np.array(self._inputs[name][:, -1:], dtype=np.float64, order="C")
                self._own.add(name)
            return self._inputs[name].reshape(-1)
        self._variable(name)
        return self.parameter(name)

    def parameter(self, name: str) -> NDArray[np.float64]:
        """The values of a parameter by the name ``model_params`` has for it."""
        return self.parameters[name]

    def get_value_at_indices(self, name: str, dest: NDArray[Any], inds: NDArray[np.int_]) -> NDArray[Any]:
        """Copy the current values of *name* at catchments *inds* into *dest*."""
        dest[:] = self.get_value_ptr(name)[inds]
        return dest

    def set_value(self, name: str, src: NDArray[Any]) -> None:
        """Set the current values of an input or a parameter, shape (catchments,)."""
        self.set_value_at_indices(name, np.arange(self.size), src)

    def set_value_at_indices(self, name: str, inds: NDArray[np.int_], src: NDArray[Any]) -> None:
        """Set the current values of an input or a parameter at catchments *inds*."""
        self.get_value_ptr(name)[inds] = src
        if any(v.name == name for v in self.description_now().parameters):
            self._derive(name)
