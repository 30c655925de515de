"""Flags of the commands. Values stay words here: what an option means is declared with the plan, and parsed there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from perflab.plan.options import Option, spell_out

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

ObjectivesFile = Annotated[
    str | None, typer.Option("--objectives", metavar="F", help="Default: objectives.toml beside the locustfile.")
]
RunsDir = Annotated[
    str | None, typer.Option(metavar="DIR", help="Where sweeps are recorded. Default: LOAD_TEST_RUNS_DIR, or runs/.")
]
AllowHost = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Allow load on a host that is not this machine.")
]
NoReport = Annotated[bool, typer.Option("--no-report", help="Don't write report.html.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result alone, as JSON, to stdout.")]
SweepId = Annotated[str, typer.Argument(metavar="ID", help="A sweep's id, a unique beginning of it, or latest.")]
AllowDifferent = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="What may differ although it matters, such as machine; may be given again."),
]


def flags(options: Iterable[Option], like: Callable[..., Any] | None = None) -> Callable[[CommandT], CommandT]:
    """Give a command, which takes them as ``**keywords``, a flag for each of these options; None for one not given.

    With `like`, another command, it has that one's other flags too.
    """
    others = [] if like is None else [*inspect.signature(like).parameters.values()]
    spelt = {other.name: (other.annotation, other.default) for other in others if other.kind is other.KEYWORD_ONLY}
    spelt |= {option.name: (_flag(option), None) for option in options}

    def give(command: CommandT) -> CommandT:
        command.__signature__ = spell_out(command, spelt)  # type: ignore[attr-defined]
        return command

    return give


def or_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given, and a command's own defaults in place of what isn't."""
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


def _flag(option: Option) -> object:
    """Return the annotation that makes typer offer an option."""
    # What is true by default is switched off.
    switch = isinstance(option.default, bool)
    names = f"{option.flag}/--no-{option.flag.removeprefix('--')}" if switch else option.flag
    help_text = " ".join(filter(None, (option.help, _default(option))))
    declared = typer.Option(
        *filter(None, (names, option.short)), metavar=None if switch else option.metavar, help=help_text
    )
    return Annotated[bool | None if switch else str | None, declared]


def _default(option: Option) -> str:
    default = option.default
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    elif isinstance(default, float):
        default = {"TIME": f"{default:g}s", "SHARE": f"{default:.0%}"}.get(option.metavar, f"{default:g}")
    places = [option.variable, None if default is None or isinstance(default, bool) else str(default)]
    return f"Default: {', or '.join(filter(None, places))}." if any(places) else ""
