"""What the documents of all kinds of results share: their fields' types, their JSON, and the JSON Schema of it.

A document holds figures as they were computed; how many decimals of them are written, and that JSON has neither NaN nor
infinity, is said once, by the types of the fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    create_model,
)
from pydantic.json_schema import GenerateJsonSchema

from perflab.vocabulary.level import Level, LevelKind
from perflab.vocabulary.metric import ERROR_RATE, PERCENTILES, THROUGHPUT, Percentile
from perflab.vocabulary.verdict import Verdict

Clock: TypeAlias = Literal["wire", "client", "wire and client"]
LevelName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z]+-[0-9]{4,}$")]
DescribedLevel: TypeAlias = Annotated[
    Level,
    WithJsonSchema(
        {
            "title": "Level",
            "type": "object",
            "properties": {
                "kind": {
                    "enum": [kind.value for kind in LevelKind],
                    "description": "What its value counts.",
                },
                "value": {"type": "integer", "minimum": 1, "description": "Their number."},
            },
            "required": ["kind", "value"],
            "additionalProperties": False,
        }
    ),
]
"""The schema is given here, because the docstring of `Level` is about Python."""


def rounded(value: float | None, digits: int) -> float | None:
    """Return a figure as JSON has it; null is one that isn't known, or that is infinite."""
    return round(value, digits) if value is not None and math.isfinite(value) else None


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Value: TypeAlias = Annotated[float | None, BeforeValidator(_known)]
Bounded: TypeAlias = Annotated[float | None, BeforeValidator(_finite)]
"""A bound; none is where it isn't known, and where it is infinite."""


def _figure(digits: int) -> PlainSerializer:
    return PlainSerializer(lambda value: rounded(value, digits), return_type=float | None)


Ms: TypeAlias = Annotated[Value, _figure(PERCENTILES[0].digits)]
"""Milliseconds; infinite where a request was never answered."""
Share: TypeAlias = Annotated[Value, _figure(ERROR_RATE.digits)]
Rps: TypeAlias = Annotated[Value, _figure(THROUGHPUT.digits)]
Usage: TypeAlias = Annotated[Value, _figure(1)]
"""CPU in per cent, memory in MB, and a number of requests that is an estimate."""
Thousandths: TypeAlias = Annotated[float, PlainSerializer(lambda value: round(value, 3), return_type=float)]


class Part(BaseModel):
    """An object of a document: all of its fields are always there, and no others."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", serialize_by_alias=True, json_schema_serialization_defaults_required=True
    )

    @classmethod
    def of(cls, row: Mapping[str, Any], **others: Any) -> Self:
        """Return the part whose fields are a row's columns of the same names, but for `others`."""
        return cls(**{name: row[name] for name in cls.model_fields if name in row} | others)

    def to_json(self) -> str:
        """Return it as the text of a document."""
        return to_json(self.model_dump(mode="json"))


class Target(Part):
    """The system under test as it was reached."""

    host: str = Field(description="Base URL of the requests.")
    managed: bool = Field(description="Whether perflab started and stopped it.")


class LatencyFigures(Part):
    """Latency in milliseconds of the requests that succeeded, within 0.5 %; null where there was none.

    A request that was never answered counts as slower than every other. A percentile that falls on one of those has no
    value and is null, and so is `max` as soon as there is one; `unanswered` beside it tells how many they are.
    """

    min: Ms = Field(description="Smallest, in ms.")
    avg: Ms = Field(description="Arithmetic mean in ms of the answered requests.")
    max: Ms = Field(description="Largest, in ms.")
    clock: Clock | None = Field(
        description="Whose time it is: the wire's (until the kernel received the answer), the client's, or the wire's "
        "with the client's as a fallback for single requests; null where no request succeeded."
    )

    def percentile(self, metric: Percentile) -> float | None:
        """Return one of the `PERCENTILES` in ms; infinite where it falls on a request that was never answered."""
        value: float | None = getattr(self, _field(metric))
        return value


def _field(metric: Percentile) -> str:
    return metric.words.replace(".", "_")


def _described(metric: Percentile) -> Any:
    median = "Median in ms: at least half of the requests took no longer." if metric.q == 0.5 else ""
    return (Ms, Field(alias=metric.words, description=median or f"{100 * metric.q:g}th percentile in ms."))


if TYPE_CHECKING:
    Latency: TypeAlias = LatencyFigures
else:
    # A key such as p99.9 is no name in Python.
    Latency = create_model(
        "Latency",
        __base__=LatencyFigures,
        __doc__=LatencyFigures.__doc__,
        **{_field(metric): _described(metric) for metric in PERCENTILES},
    )


class Document(Part):
    """A result with its verdict, whatever kind it is of."""

    FILE: ClassVar[str]
    """Its file's name in the folder of the result."""

    verdict: Verdict = Field(description=f"What is said of all of it: {Verdict.listed()}.")
    exit_code: int = Field(description=f"What the command exits with: {Verdict.exit_codes()}.")
    headline: str = Field(description="What the verdict means, in a sentence, and what a PASS must not hide.")
    reasons: list[str] = Field(description="Why it does not pass, a line each, the worst first; empty for PASS.")
    notes: list[str] = Field(description="What is worth knowing but changes no verdict, a line each.")

    @classmethod
    def schema_file(cls) -> str:
        """Return the name of the file in ``docs/`` that describes it."""
        return f"load_test_{cls.FILE.removesuffix('.json')}.schema.json"

    @classmethod
    def to_schema(cls) -> str:
        """Return the JSON Schema (Draft 2020-12) of the document as text."""
        described = cls.model_json_schema(mode="serialization", schema_generator=_Plain)
        return to_json({"$schema": GenerateJsonSchema.schema_dialect, **described})


class _Plain(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - its name is pydantic's
        return False


def to_json(document: Any) -> str:
    """Return a document as text that a line-by-line diff reads well: sorted keys, one value a line.

    It may be printed: what isn't printable, and might steer a terminal, is escaped.
    """
    lines = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).split("\n")
    return "".join(f"{line if line.isprintable() else ''.join(map(_printable, line))}\n" for line in lines)


def _printable(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]
