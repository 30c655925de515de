"""How an option is declared: once, beside the field of the plan that it sets.

    class Plan(Record):
        repeats: Annotated[Positive, Option("N", "Runs at each level.", parse_positive, "LOAD_TEST_REPEATS")] = 1

The flag, the variable, the parameter of `perflab.sweep`, the help, the doctor's check and what comparisons hold against
each other follow from it. A line in the TypedDict beside it is for type checkers, which can't tell what a parser takes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, ParamSpec, TypeVar, get_type_hints

from pydantic import BaseModel

from perflab.plan.parse import parse_text

P = ParamSpec("P")
R = TypeVar("R")

_OF_FIELD: Any = object()
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, _KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Option:
    """How one field of a plan is given. Its name is the field's, without the unit at the end (``_s``)."""

    metavar: str
    """What help puts for the value."""
    help: str
    """One sentence; the default is added to it."""
    parse: Callable[[object, str], Any] = parse_text
    """Makes the field's value of what was given, and of the name that it was given by; raises UsageError."""
    variable: str | None = None
    """The environment variable that counts where nothing is given."""
    differs: Literal["matters", "the change", "listed"] | None = None
    """What it means to a comparison that this differs between two sweeps: see `analyse.comparison.comparable`."""
    short: str | None = None
    name: str = ""
    field: str = ""
    default: Any = _OF_FIELD

    @property
    def flag(self) -> str:
        """The command line's name for it."""
        return "--" + self.name.replace("_", "-")

    def read(self, given: Mapping[str, object], environment: Mapping[str, str]) -> Any:
        """Return the value that is `given`, else the variable's, else the default; raises UsageError with its name."""
        if (value := given.get(self.name)) is not None:
            return self.parse(value, self.flag)
        if self.variable is not None and (text := environment.get(self.variable)) is not None:
            return self.parse(text, self.variable)
        return self.default


def declared(model: type[BaseModel]) -> dict[str, Option]:
    """Return the options that a model's fields declare, by their names, in the fields' order."""
    options: dict[str, Option] = {}
    for field, info in model.model_fields.items():
        for option in info.metadata:
            if isinstance(option, Option):
                name = option.name or field.removesuffix("_s")
                default = info.get_default() if option.default is _OF_FIELD else option.default
                options[name] = replace(option, name=name, field=field, default=default)
    return options


def bound(**options: Option) -> dict[str, Option]:
    """Return options that are no field of a plan, by their names; one without a default has None."""
    return {
        name: replace(option, name=name, default=None if option.default is _OF_FIELD else option.default)
        for name, option in options.items()
    }


def with_defaults(options: Mapping[str, Option], defaults: Mapping[str, Any]) -> dict[str, Option]:
    """Return options with other defaults, which no variable replaces."""
    return {
        name: replace(option, default=defaults[name], variable=None) if name in defaults else option
        for name, option in options.items()
    }


def named(options: Mapping[str, Option], types: type) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Show the ``**options`` of a function as parameters of their own, with types and defaults, in Jupyter and help().

    `types` is the TypedDict of its ``**options``. Calling it with any other name is a TypeError, as for any function.
    """

    def show(function: Callable[P, R]) -> Callable[P, R]:
        hints = get_type_hints(types)
        shown = spell_out(
            function, {name: (hints[name], option.default) for name, option in options.items() if name in hints}
        )

        @functools.wraps(function)
        def called(*arguments: P.args, **keywords: P.kwargs) -> R:
            shown.bind(*arguments, **keywords)
            return function(*arguments, **keywords)

        called.__signature__ = shown  # type: ignore[attr-defined]
        called.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{_described(options, hints)}"
        return called

    return show


def spell_out(function: Callable[..., Any], options: Mapping[str, tuple[object, object]]) -> inspect.Signature:
    """Return a function's signature with annotation and default of each option in place of its ``**options``.

    They come before its own keyword-only parameters.
    """
    signature = inspect.signature(function, eval_str=True)
    parameters = {kind: [own for own in signature.parameters.values() if own.kind is kind] for kind in _KINDS}
    parameters[_KEYWORD_ONLY][:0] = [
        inspect.Parameter(name, _KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in options.items()
    ]
    return signature.replace(parameters=[parameter for kind in _KINDS for parameter in parameters[kind]])


def _described(options: Mapping[str, Option], names: Mapping[str, object]) -> str:
    lines = []
    for name, option in options.items():
        if name in names:
            variable = f" ({option.variable})" if option.variable else ""
            lines.append(f"{name}{variable}\n    {option.help}")
    return "\n".join(["Options, and the variables that count where they are not given:", "", *lines])
