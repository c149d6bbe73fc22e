"""What every element of a specification has, the unit, and how paths and words are written in one.

Pure: nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["Element", "Lower", "Many", "Parts", "UnitDefinition", "Weight", "path_parts"]


def path_parts(path: Any) -> Any:
    """A path as its parts: a list as it is, ``/a/b`` from the root, a JSONPath as one part."""
    if isinstance(path, bytes):
        path = path.decode()
    if isinstance(path, str):
        if path.startswith("$"):
            return [path]
        root = ["$"] if path.startswith("/") else []
        return [*root, *(part for part in path.split("/") if part)]
    if isinstance(path, Sequence):
        return [part for part in path if part not in (None, "")]
    return path


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


def _many(value: Any) -> Any:
    """One thing as a list of it."""
    return value if value is None or isinstance(value, list | tuple) else [value]


#: A path, as its parts.
Parts = Annotated[list[str], BeforeValidator(path_parts)]
#: A word in which capitals do not matter.
Lower = BeforeValidator(_lower)
#: One thing, or a list of it.
Many = BeforeValidator(_many)
#: What something weighs beside others, 0 or more [1].
Weight = Annotated[float, Field(ge=0)]


class Element(BaseModel):
    """What every element of a specification has."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True)

    #: What this part is called.
    name: str | None = Field(None, description="What this part is called.")
    #: Whatever else was said; a backend hands it to what reads.
    properties: dict[str, Any] = Field(default_factory=dict, description="Whatever else was said.")
    #: The template it starts from; its own keys win.
    template_name: str | None = Field(None, description="The template it starts from; its own keys win.")
    #: The same, by its other spelling.
    template: str | None = Field(None, description="The same as template_name.")
    #: Several templates, the later over the earlier.
    templates: list[str] | None = Field(None, description="Several templates, the later over the earlier.")

    @model_validator(mode="before")
    @classmethod
    def _gather_properties(cls, given: Any) -> Any:
        """Keys that are not known, as properties."""
        if not isinstance(given, Mapping):
            return given
        known = set(cls.model_fields) | {held.alias for held in cls.model_fields.values() if held.alias}
        kept = {str(key): value for key, value in given.items() if key in known}
        rest = {str(key): value for key, value in given.items() if key not in known}
        said = kept.get("properties")
        if rest and (said is None or isinstance(said, Mapping)):
            kept["properties"] = {**(said or {}), **rest}
        return kept


class UnitDefinition(Element):
    """Where the unit of values is said: exactly one of value, field and path."""

    value: str | None = Field(None, description="The unit itself, such as 'm3 s-1'.")
    field: str | None = Field(None, description="The field or column that holds it.")
    path: Parts | None = Field(None, description="The path in the document to it.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        return {"value": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _exactly_one(self) -> UnitDefinition:
        said = [name for name in ("value", "field", "path") if getattr(self, name)]
        if len(said) != 1:
            raise ValueError(
                f"a unit has exactly one of value, field and path, this one has {' and '.join(said) or 'none'}"
            )
        return self
