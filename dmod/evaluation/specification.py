"""The specification of an evaluation, element by element, as the original DMOD has it and a little more.

Every element may have a name, properties and a template; keys that are not known go to its
properties. What we add to the original is marked "Ours". `dmod.evaluation.spec_reading` reads
one from a file and says everything that is wrong with it; `dmod.evaluation.spec_run` runs it.
Pure: nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from dmod.errors import InputError
from dmod.evaluation.bootstrap import Confidence
from dmod.evaluation.grouping import GROUPINGS
from dmod.evaluation.pairing import Pairing
from dmod.evaluation.spec_element import Element, Lower, Many, Parts, UnitDefinition, Weight, path_parts

__all__ = [
    "AssociatedField",
    "BackendSpecification",
    "ConfidenceSpecification",
    "CrosswalkSpecification",
    "DataSourceSpecification",
    "Element",
    "EvaluationSpecification",
    "FieldMappingSpecification",
    "LocationSpecification",
    "MetricSpecification",
    "PairingSpecification",
    "SchemeSpecification",
    "ThresholdApplicationRules",
    "ThresholdDefinition",
    "ThresholdSpecification",
    "UnitDefinition",
    "ValueSelector",
    "json_schema",
]

#: Types that a value may be made; spellings as in the original.
_DATATYPES = frozenset(
    {"datetime", "date", "time", "float", "double", "number", "int", "integer", "str", "string", "word", "id"}
    | {"identifier", "day", "bool", "boolean"}
)


class AssociatedField(Element):
    """What else is read with a value, such as its date."""

    path: Parts | None = Field(None, description="Path to it; its name if there is none.")
    datatype: Annotated[str, Lower] | None = Field(None, description="What it is made: datetime, float, day, ...")

    @model_validator(mode="after")
    def _name_or_path(self) -> AssociatedField:
        if not self.name and not self.path:
            raise ValueError("a field needs a name or a path")
        return self

    @field_validator("datatype")
    @classmethod
    def _known_datatype(cls, given: str | None) -> str | None:
        if given is not None and given not in _DATATYPES:
            raise ValueError(f"{given!r} is no datatype; there are {', '.join(sorted(_DATATYPES))}")
        return given

    @property
    def label(self) -> str:
        """The column that it becomes."""
        return self.name or (self.path or [""])[-1]

    @property
    def parts(self) -> list[str]:
        """Path to it."""
        return self.path or [self.label]


class ValueSelector(AssociatedField):
    """Which values are read, and what is read with each."""

    where: Annotated[Literal["key", "value", "filename", "constant", "column"], Lower] = Field(
        description="Where it is: a key, a value, the file's name, a constant, a column."
    )
    origin: Parts = Field(default_factory=lambda: ["$"], description="Path from which to look.")
    associated_fields: list[AssociatedField] = Field(default_factory=list, description="What is read with each value.")

    @field_validator("origin", mode="before")
    @classmethod
    def _from_root(cls, given: Any) -> Any:
        return given or ["$"]


class FieldMappingSpecification(Element):
    """Another name for a field."""

    field: str = Field(description="What the field is called from then on.")
    map_type: Annotated[Literal["key", "value", "column"], Lower] = Field(description="Only 'column' has a meaning.")
    value: str = Field(description="What it was called.")


class BackendSpecification(Element):
    """Where bytes are, and of what format.

    Further keys are properties: of csv whatever `pandas.read_csv` takes; of rest ``params``,
    ``headers``, ``verify`` and ``cert``, and what is none of them becomes part of the query.
    """

    backend_type: Annotated[Literal["file", "rest", "memory"], Lower] = Field(
        description="file, rest; ours: memory, for arrays handed to the run by name."
    )
    format: Annotated[Literal["json", "csv", "rdb", "netcdf", "zarr", "parquet"], Lower] = Field(
        description="json, csv, rdb; ours: netcdf, zarr, parquet. Not needed in memory."
    )
    address: str | None = Field(
        None, description="Path beside the specification, a regex or glob of paths, a URL, or a name in memory."
    )

    @model_validator(mode="before")
    @classmethod
    def _memory_has_no_format(cls, given: Any) -> Any:
        if isinstance(given, dict) and str(given.get("backend_type")).lower() == "memory":
            return {"format": "netcdf", **given}
        return given

    @model_validator(mode="after")
    def _has_address(self) -> BackendSpecification:
        if not self.address:
            raise ValueError("a backend needs an address")
        return self


class LocationSpecification(Element):
    """Where the name of a place is found."""

    identify: bool | None = Field(None, description="Whether to look for it; implied by from_field and ids.")
    from_field: Annotated[str, Lower] | None = Field(None, description="filename, column, value, or a column's name.")
    pattern: str | list[str] | None = Field(None, description="Regex within a file's name; else a column or path.")
    ids: Annotated[list[str], Many] | None = Field(None, description="Names, where no field has them.")

    @model_validator(mode="after")
    def _consistent(self) -> LocationSpecification:
        if self.from_field and self.ids:
            raise ValueError("places come from a field or from a list of ids, not from both")
        if self.pattern and not self.from_field:
            raise ValueError("a pattern of places needs a from_field to be looked for in")
        if self.identify and not (self.from_field or self.ids):
            raise ValueError("to identify places, a from_field or ids are needed")
        return self

    @property
    def parts(self) -> list[str]:
        """The pattern as parts of a path."""
        found: list[str] = path_parts(self.pattern) if self.pattern else []
        return found


class DataSourceSpecification(Element):
    """Observations or predictions, and how they are read."""

    backend: BackendSpecification = Field(description="Where they are.")
    value_field: str = Field(description="The column that is evaluated.")
    value_selectors: list[ValueSelector] = Field(
        default_factory=list, description="Which values are read; needed for json, csv and rdb."
    )
    unit: UnitDefinition | None = Field(None, description="Their unit; netcdf and zarr may say it themselves.")
    x_axis: str = Field("value_date", description="The column of instants.")
    field_mapping: list[FieldMappingSpecification] = Field(default_factory=list, description="Other names of fields.")
    locations: LocationSpecification | None = Field(None, description="Where names of places are found.")
    no_data: list[float] | None = Field(None, description="Ours: values that stand for a missing one.")
    reject: dict[str, list[Any]] = Field(
        default_factory=dict, description="Ours: rows are left out whose column has one of these, {qualifier: [Ice]}."
    )

    @model_validator(mode="after")
    def _has_selectors(self) -> DataSourceSpecification:
        tabled = self.backend.format in ("json", "csv", "rdb") and self.backend.backend_type != "memory"
        if tabled and not self.value_selectors:
            raise ValueError(f"value_selectors are needed to read {self.backend.format}")
        if tabled and self.unit is None:
            raise ValueError("a unit is needed, such as unit: {value: m3 s-1}")
        return self


class CrosswalkSpecification(Element):
    """Which observed place belongs to which predicted one."""

    backend: BackendSpecification = Field(description="Where it is.")
    field: ValueSelector = Field(description="How it is read.")
    observation_field_name: str = Field(description="The field of observed places.")
    prediction_field_name: str | None = Field(None, description="The field of predicted places; the same if not said.")
    origin: Parts = Field(default_factory=lambda: ["$"], description="Path from which to look.")

    @property
    def predicted(self) -> str:
        """The field of predicted places."""
        return self.prediction_field_name or self.observation_field_name


class ThresholdDefinition(Element):
    """One threshold, and what it weighs."""

    field: Parts | None = Field(None, description="Column or path of its values.")
    weight: Weight = Field(1.0, description="What it weighs beside the others, 0 or more.")
    unit: UnitDefinition | None = Field(None, description="Unit of its values.")
    operator: Literal[">", ">=", "<", "<=", "=="] = Field(">=", description="Ours: what makes an event of a flow.")
    quantile: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="Ours: this quantile of the observations at each place, in place of a field."
    )
    value: float | None = Field(None, description="Ours: the same value everywhere, in place of a field.")

    @model_validator(mode="after")
    def _has_values(self) -> ThresholdDefinition:
        said = [n for n in ("field", "quantile", "value") if getattr(self, n) is not None]
        if len(said) != 1:
            raise ValueError(
                f"a threshold has one of field, quantile and value, this one has {' and '.join(said) or 'none'}"
            )
        if self.unit is None and self.quantile is None:
            raise ValueError("a threshold needs a unit, such as unit: {value: ft^3/s}")
        return self

    @property
    def label(self) -> str:
        """What it is called in tables of scores."""
        if self.name:
            return self.name
        return (
            self.field[-1] if self.field else f"q{self.quantile:g}" if self.quantile is not None else f"{self.value:g}"
        )


class ThresholdApplicationRules(Element):
    """By which key thresholds that change belong to values, such as the day of the year [UTC]."""

    threshold_field: AssociatedField = Field(description="Columns of the thresholds that make the key.")
    observation_field: AssociatedField | None = Field(None, description="Columns of the observations that make it.")
    prediction_field: AssociatedField | None = Field(None, description="Columns of the predictions that make it.")

    @model_validator(mode="after")
    def _has_other_side(self) -> ThresholdApplicationRules:
        if self.observation_field is None and self.prediction_field is None:
            raise ValueError("rules need an observation_field or a prediction_field")
        return self


class ThresholdSpecification(Element):
    """Thresholds of one origin."""

    backend: BackendSpecification | None = Field(None, description="Where they are; not for quantiles and values.")
    definitions: list[ThresholdDefinition] = Field(description="Which of them are used.", min_length=1)
    locations: LocationSpecification | None = Field(None, description="Where names of places are found.")
    application_rules: ThresholdApplicationRules | None = Field(None, description="Key of thresholds that change.")
    origin: Parts = Field(default_factory=lambda: ["$"], description="Path from which to look.")

    @model_validator(mode="after")
    def _readable(self) -> ThresholdSpecification:
        if not any(one.field for one in self.definitions):
            return self
        if self.backend is None:
            raise ValueError("thresholds that are read from a field need a backend")
        place = self.locations
        if place is None or (place.from_field in ("column", "value") and not place.parts):
            raise ValueError("locations are needed: where the thresholds say which place they are of, for example "
                             "{from_field: column, pattern: site_no}")  # fmt: skip
        return self


class MetricSpecification(Element):
    """A metric, and what it weighs."""

    name: str = Field(description="Any name of the metric; case, spaces and hyphens do not matter.")
    weight: Weight = Field(1.0, description="What it weighs beside the others, 0 or more.")
    bounds: tuple[float, float] | None = Field(None, description="Ours: between which values it is scaled.")


class SchemeSpecification(Element):
    """What is computed, and how it becomes a grade."""

    metrics: list[MetricSpecification] = Field(min_length=1, description="The metrics and their weights.")
    location_weights: dict[str, Weight] = Field(
        default_factory=dict, description="Ours: weights of places, 1 otherwise."
    )


class PairingSpecification(Element):
    """Ours: how instants become pairs; see `dmod.evaluation.pairing.Pairing`."""

    instants: Literal["exact", "nearest", "mean", "max", "min"] = Field(
        "exact", description="Which instants make a pair."
    )
    tolerance: str | None = Field(None, description="How far apart nearest instants may be, '30min'.")
    every: str | None = Field(None, description="Intervals that both are brought onto, '1D'.")
    closed: Literal["left", "right"] = Field("left", description="Which end of an interval belongs to it.")
    label: Literal["left", "right"] = Field("left", description="At which end of its interval a value stands.")
    complete: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Part of an interval that must have values.")
    missing: Literal["pairwise", "common", "error"] = Field("pairwise", description="What missing values do.")
    duplicates: Literal["error", "first", "last", "mean"] = Field(
        "first", description="Which of several values counts."
    )

    @field_validator("tolerance", "every")
    @classmethod
    def _length_of_time(cls, given: str | None, info: ValidationInfo) -> str | None:
        if given is not None:
            # By itself; whether it fits the rule of instants is seen when all is known.
            takes = {"tolerance": "nearest", "every": "mean"}[str(info.field_name)]
            _made(Pairing, instants=takes, **{str(info.field_name): given})
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> PairingSpecification:
        _made(Pairing, instants=self.instants, tolerance=self.tolerance, every=self.every)
        return self


class ConfidenceSpecification(Element):
    """Ours: intervals of confidence by a bootstrap of blocks."""

    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.9, description="Part of the resamples within.")
    resamples: Annotated[int, Field(gt=0)] = Field(1000, description="How many.")
    block: str = Field("water_year", description="water_year, or a length of time.")
    seed: int = Field(0, description="The same seed, the same interval.")

    @field_validator("block")
    @classmethod
    def _known_block(cls, given: str) -> str:
        _made(Confidence, block=given)
        return given


def _made(kind: Callable[..., Any], **said: Any) -> None:
    """Whether *kind* can be made; what it says against it becomes what is wrong with the element."""
    try:
        kind(**said)
    except InputError as problem:
        more = problem.facts.get("known") or problem.hint
        raise ValueError(f"{problem.headline}: {more}" if more else problem.headline) from problem


class EvaluationSpecification(Element):
    """A whole evaluation."""

    observations: list[DataSourceSpecification] = Field(min_length=1, description="What was measured.")
    predictions: list[DataSourceSpecification] = Field(min_length=1, description="What was simulated.")
    crosswalks: list[CrosswalkSpecification] = Field(
        default_factory=list, description="Which places belong together; those of the same name if there is none."
    )
    thresholds: list[ThresholdSpecification] = Field(default_factory=list, description="Above which flows matter.")
    scheme: SchemeSpecification = Field(description="What is computed, and how it becomes a grade.")
    pairing: PairingSpecification = Field(default_factory=PairingSpecification, description="Ours: rules of pairs.")
    groups: str | None = Field(None, description="Ours: season, month, water_year ...: scores of each beside.")
    confidence: ConfidenceSpecification | None = Field(None, description="Ours: intervals of confidence.")

    @field_validator("groups")
    @classmethod
    def _known_groups(cls, given: str | None) -> str | None:
        if given is not None and given not in GROUPINGS:
            raise ValueError(f"there is no grouping {given!r}; there are {', '.join(GROUPINGS)}")
        return given

    @model_validator(mode="after")
    def _uniform(self) -> EvaluationSpecification:
        for what, sources in (("observations", self.observations), ("predictions", self.predictions)):
            for key in ("value_field", "x_axis"):
                if len(said := sorted({getattr(source, key) for source in sources})) > 1:
                    raise ValueError(f"all {what} must have one {key}, these have {' and '.join(said)}")
        for key in ("observation_field_name", "predicted"):
            if len(said := sorted({getattr(one, key) for one in self.crosswalks})) > 1:
                raise ValueError(f"all crosswalks must name one field of places, these name {' and '.join(said)}")
        return self


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a specification, for editors that check while one writes."""
    schema = EvaluationSpecification.model_json_schema()
    backend = schema["$defs"]["BackendSpecification"]
    backend["required"] = [name for name in backend["required"] if name != "format"]  # needless in memory
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
