"""The keys of a formulation, as ngen knows them, in pydantic.

ngen turns every scalar into text and guesses again, so ``"3600"`` is a number and ``""``, ``[]``
and ``{}`` are all "nothing". What cannot be understood is a validation error; what can be
understood but is wrong, useless or only known elsewhere is a `Remark`. Keys nobody knows are
kept. The rest of the file is in `dmod.model.realization_schema`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from dmod.model.findings import Severity

__all__ = [
    "KINDS",
    "DefaultKeys",
    "FormulationEntry",
    "Formulations",
    "Keys",
    "LibraryEntry",
    "LibraryParams",
    "MassBalanceKeys",
    "ModuleEntry",
    "MultiEntry",
    "MultiParams",
    "PythonEntry",
    "PythonParams",
    "Remark",
    "SingleParams",
    "Text",
    "none_is_empty_list",
    "none_is_empty_object",
]

#: Names of single modules.
KINDS = ("bmi_c", "bmi_c++", "bmi_fortran", "bmi_python")

_NOTHING: tuple[Any, ...] = ("", [], {})


@dataclass(frozen=True, slots=True)
class Remark:
    """Something worth saying about an object that could be understood."""

    #: The key it is about, below the object.
    key: str
    #: How bad it is.
    severity: Severity
    #: What kind of thing it is.
    code: str
    #: What is wrong, in plain words.
    message: str
    #: What to do.
    remedy: str = ""


def _text(value: Any) -> Any:
    """A scalar as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def none_is_empty_object(value: Any) -> Any:
    """Nothing, in any spelling, as an empty object."""
    return {} if value in _NOTHING else value


def none_is_empty_list(value: Any) -> Any:
    """Nothing, in any spelling, as an empty list."""
    return [] if value in _NOTHING else value


def _first(value: Any) -> Any:
    """The one formulation that is used."""
    listed = none_is_empty_list(value)
    return listed[:1] if isinstance(listed, list) else listed


def _guess(value: Any) -> Any:
    """A scalar in the type its text has: whole number, number, truth or text."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(value, value)


def _parameter(value: Any) -> Any:
    """A value of ``model_params``: number, list of numbers, or where in the hydrofabric it is."""
    if isinstance(value, list):
        numbers = [_guess(item) for item in value]
        if all(isinstance(item, int | float) for item in numbers):
            return numbers
    elif isinstance(value, dict):
        if value.get("source") == "hydrofabric" and isinstance(value.get("from", ""), str):
            return value
    elif isinstance(guessed := _guess(value), int | float):
        return guessed
    raise PydanticCustomError(
        "bad-model-param",
        "{text} is not a value for a model parameter",
        {
            "text": repr(value),
            "remedy": 'give a number, a list of numbers, or {"source": "hydrofabric", "from": "<column of divides>"}',
        },
    )


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[Text], BeforeValidator(none_is_empty_list)]
Parameter = Annotated[Any, BeforeValidator(_parameter)]


class Keys(BaseModel):
    """An object of the file; unknown keys are kept in ``model_extra``."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())

    def remarks(self) -> Iterator[Remark]:
        """What is worth saying about this object alone."""
        return iter(())


class MassBalanceKeys(Keys):
    """``mass_balance``: ngen's own check of a module, not done by anyone else."""

    check: bool = True
    fatal: bool = False
    tolerance: float = 1e-16
    frequency: int = 1


class DefaultKeys(Keys):
    """One of ``default_output_values``."""

    name: Text
    value: float


class _Params(Keys):
    """What the params of single modules and of bmi_multi have in common."""

    name: Text = ""
    model_type_name: Text
    main_output_variable: Text
    init_config: Text = ""
    allow_exceed_end_time: bool = False
    fixed_time_step: bool = True
    uses_forcing_file: bool = False
    forcing_file: Text = ""
    output_variables: Texts = []
    output_header_fields: Texts = []
    output_precision: int | None = None
    cache_input_variable_metadata: bool = False
    mass_balance: MassBalanceKeys | None = None

    def remarks(self) -> Iterator[Remark]:
        """Keys that ngen refuses, ignores, or alone acts on."""
        removed = "was removed from ngen and must not be set"
        if self.uses_forcing_file:
            message = f"uses_forcing_file {removed}"
            yield Remark("uses_forcing_file", "error", "removed-key", message, "delete the key")
        if self.forcing_file:
            remedy = "delete the key and name the file under forcing.path"
            yield Remark("forcing_file", "error", "removed-key", f"forcing_file {removed}", remedy)
        named, headed = len(self.output_variables), len(self.output_header_fields)
        if named and headed and named != headed:
            message = f"{named} output_variables, but {headed} output_header_fields"
            remedy = "give one for each variable"
            yield Remark("output_header_fields", "error", "header-length", message, remedy)
        if self.output_precision is not None:
            message = "output_precision is not read any more"
            yield Remark("output_precision", "note", "unused-key", message, "set output.precision")
        if self.mass_balance is not None and self.mass_balance.check:
            yield Remark("mass_balance", "note", "ngen-only", "the mass balance is checked by ngen only")


class SingleParams(_Params):
    """Params of one module; which of them count depends on its kind."""

    init_config: Text
    library_file: Text = ""
    registration_function: Text = ""
    create_function: Text = "bmi_model_create"
    destroy_function: Text = "bmi_model_destroy"
    python_type: Text = ""
    module_path: Text = ""
    variables_names_map: Annotated[dict[str, Text], BeforeValidator(none_is_empty_object)] = {}
    model_params: Annotated[dict[str, Parameter], BeforeValidator(none_is_empty_object)] = {}

    def remarks(self) -> Iterator[Remark]:
        """What is said of all params, and of keys that only ngen acts on."""
        yield from super().remarks()
        if self.module_path:
            message = "module_path is read by ngen only"
            yield Remark("module_path", "warning", "ngen-only", message, "put that folder on PYTHONPATH")


class LibraryParams(SingleParams):
    """Params of a module in a shared library."""

    library_file: Text


class PythonParams(SingleParams):
    """Params of a module that is a Python class."""

    python_type: Text


class LibraryEntry(Keys):
    """A module in a shared library."""

    name: Literal["bmi_c", "bmi_c++", "bmi_fortran"]
    params: LibraryParams


class PythonEntry(Keys):
    """A module that is a Python class."""

    name: Literal["bmi_python"]
    params: PythonParams


ModuleEntry = Annotated[LibraryEntry | PythonEntry, Field(discriminator="name")]


class MultiParams(_Params):
    """Params of several modules in order."""

    modules: Annotated[list[ModuleEntry], BeforeValidator(none_is_empty_list), Field(min_length=1)]
    default_output_values: Annotated[list[DefaultKeys], BeforeValidator(none_is_empty_list)] = []

    def remarks(self) -> Iterator[Remark]:
        """What is said of all params, and of keys of the modules that do nothing here."""
        yield from super().remarks()
        for i, module in enumerate(self.modules):
            if module.params.output_variables:
                message = "output_variables of a module inside bmi_multi are ignored"
                key = f"modules[{i}].params.output_variables"
                yield Remark(key, "warning", "unused-key", message, "put them on the bmi_multi itself")


class MultiEntry(Keys):
    """Several modules, coupled."""

    name: Literal["bmi_multi"]
    params: MultiParams


FormulationEntry = Annotated[LibraryEntry | PythonEntry | MultiEntry, Field(discriminator="name")]
Formulations = Annotated[list[FormulationEntry], BeforeValidator(_first)]
