"""Does perflab read whatever lies under ``runs/``? Recorded runs, damaged at random, are shown, reported and compared.

    python -m benchmarks.damaged_runs [--mutations 500] [--seed 1] [--first 1] [--keep FOLDER]

Each mutation changes one file of two recorded sweeps and an A/B comparison of them: bytes, a field of a table, a value
of a JSON document, or what kind of file it is. Then ``list``, ``show``, ``compare``, ``check`` and ``baseline`` run as
commands do, and so do the cells of both report notebooks, in a process of their own that may take `MAX_S` seconds, and
`MAX_MB` more memory than it had. Each may give a result, or one line that says what is wrong; a traceback, a hang, or
growth beyond the limit is a failure. The same seed makes the same mutations.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

import perflab
from benchmarks.figures import machine
from benchmarks.recorded_sweep import Load, write_recorded_sweep
from perflab import chart, report
from perflab.cli.app import run_command
from perflab.errors import PerflabError
from perflab.plan.ab import AbPlan, AbTarget
from perflab.plan.plan import Plan
from perflab.report import find_notebook
from perflab.store.layout import RunsDir, create_ab
from perflab.store.manifest import AbManifest, Baseline, write_manifest

MAX_S = 60
MAX_MB = 1000
ROUNDS = 2
# The process ends before the machine does.
ADDRESS_MB = 3000

TEXTS = (
    *(
        "",
        " ",
        "x",
        "NA",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "null",
        "true",
        "[]",
        "{}",
        "0",
        "-0",
        "-1",
        "1.5",
        "1e9",
        "1e308",
    ),
    *(
        "999999999",
        "2147483647",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "1" * 400,
        "0x10",
        "1_000",
    ),
    *(
        "\x00",
        "\x1b[31m",
        "a\nb",
        "\u2028",
        "\ud800",
        "\ufeff",
        '"',
        '"a',
        "a,b",
        "=1+1",
        "<script>",
        "$x^{",
        "../..",
        "/",
        "%s",
    ),
    *(
        "x" * 100_000,
        "ü" * 3000,
        "wire",
        "client",
        "ok",
        "unanswered",
        "users-0001-r1",
        "1970-01-01",
        "9999-12-31T23:59:59Z",
    ),
)
NUMBERS = (0, -1, 1, 2, 0.5, 1e-9, 1e9, 1e12, 1e18, 1e308, 2**31, 2**63, 10**30, float("nan"), float("inf"), -1e9)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": None}, [1, "a", None], {"a": {"b": []}})


# --- what is damaged ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is damaged: the ids of two sweeps and of an A/B comparison."""

    base: str
    other: str
    ab: str


def record(runs_dir: Path) -> Recorded:
    """Write two sweeps and an A/B comparison, small and whole."""
    load = Load(users=(20, 40), repeats=ROUNDS, seconds=6, per_user=1.5, spawn_rate=100, wire=True, failure_rate=0.02)
    base = write_recorded_sweep(runs_dir, load, label="base")
    other = write_recorded_sweep(runs_dir, Load(**{**load_fields(load), "system": 1}), label="other")
    ab = create_ab(runs_dir, "ab")
    for side, sweep in zip(ab.sides, (base, other), strict=True):
        shutil.copytree(sweep.path, side.path, dirs_exist_ok=True)
    plan = Plan(host=None, locustfile=Path("locustfile.py"), users=load.users)
    write_manifest(
        ab.manifest,
        AbManifest(
            id=ab.id,
            label="ab",
            created=datetime.now(UTC),
            ab=AbPlan(
                baseline=AbTarget(launch="serve {port}"), candidate=AbTarget(ref="HEAD"), plan=plan, looks=(ROUNDS,)
            ),
            environment={},
            status="complete",
            rounds=tuple(range(1, ROUNDS + 1)),
        ),
    )
    write_manifest(RunsDir(runs_dir).baseline, Baseline(id=base.id))
    return Recorded(base.id, other.id, ab.id)


def load_fields(load: Load) -> dict[str, Any]:
    """Return a load's fields by name."""
    return {name: getattr(load, name) for name in load.__slots__}


# --- how it is damaged ----------------------------------------------------------------------------------------------


def damage(runs_dir: Path, dice: random.Random) -> str:
    """Change one file under `runs_dir` and return what was done to it."""
    files = sorted(path for path in runs_dir.rglob("*") if path.is_file())
    # Each kind of file as often as the others, however many there are of it.
    name = dice.choice(sorted({path.name for path in files}))
    path = dice.choice([path for path in files if path.name == name])
    kinds: list[Callable[[Path, random.Random], str]] = [_bytes, _kind]
    kinds += [_json] * 6 if name.endswith(".json") else [_field] * 5 + [_lines]
    if dice.random() < 0.05:
        kinds = [_folder]
    return f"{path.relative_to(runs_dir)}: {dice.choice(kinds)(path, dice)}"


def _bytes(path: Path, dice: random.Random) -> str:
    data = bytearray(path.read_bytes())
    at = dice.randrange(len(data) + 1)
    what = dice.choice(["flip", "cut", "insert", "delete", "repeat", "nothing left", "encode"])
    if what == "flip":
        for _ in range(dice.choice([1, 1, 10])):
            data[dice.randrange(len(data))] = dice.randrange(256)
    elif what == "cut":
        del data[at:]
    elif what == "insert":
        data[at:at] = dice.choice([b"\x00", b"\xff\xfe", b"\n", b"\r", b'"', b",", os.urandom(0) or dice.randbytes(50)])
    elif what == "delete":
        del data[at : at + dice.choice([1, 10, 1000])]
    elif what == "repeat":
        data[at:at] = data[: dice.choice([at, 100])]
    elif what == "nothing left":
        data.clear()
    else:
        data = bytearray(data.decode("utf-8", "replace").encode(dice.choice(["utf-16", "utf-8-sig", "utf-32"])))
    path.write_bytes(data)
    return f"bytes, {what} at {at}"


def _kind(path: Path, dice: random.Random) -> str:
    data = path.read_bytes()
    path.unlink()
    what = dice.choice(
        ["missing", "pipe", "folder", "dangling link", "endless", "huge", "loop", "huge with a beginning"]
    )
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "dangling link":
        path.symlink_to(path.with_name("nowhere"))
    elif what == "endless":
        path.symlink_to("/dev/zero")
    elif what == "loop":
        path.symlink_to(path)
    elif what.startswith("huge"):
        with path.open("wb") as file:
            file.write(data if "beginning" in what else b"")
            file.truncate(6_000_000_000)
    return what


def _folder(path: Path, dice: random.Random) -> str:
    folder, what = path.parent, dice.choice(["missing", "file", "renamed", "twice"])
    name = dice.choice(["users-99999999999999999999-r1", "users-0000-r0", "users-0020-r99999999999", "users-0007-r1"])
    if what == "missing":
        shutil.rmtree(folder)
    elif what == "file":
        shutil.rmtree(folder)
        folder.write_text("")
    elif what == "renamed":
        folder.rename(folder.with_name(name))
    elif not folder.with_name(name).exists():
        shutil.copytree(folder, folder.with_name(name))
    return f"its folder, {what} {name if what in {'renamed', 'twice'} else ''}"


def _lines(path: Path, dice: random.Random) -> str:
    lines = path.read_bytes().split(b"\n")
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    what = dice.choice(["swap", "repeat", "repeat often", "delete", "CRLF", "empty"])
    if what == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    elif what.startswith("repeat"):
        lines[at:at] = [lines[at]] * (1000 if what == "repeat often" else 1)
    elif what == "delete":
        del lines[at]
    elif what == "empty":
        lines[at] = b""
    path.write_bytes((b"\r\n" if what == "CRLF" else b"\n").join(lines))
    return f"lines, {what} at {at + 1} and {other + 1}"


def _field(path: Path, dice: random.Random) -> str:
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").split("\n")]
    rows = [number for number, line in enumerate(lines) if len(line) > 1]
    row, text = dice.choice(rows), dice.choice(TEXTS)
    column = dice.randrange(len(lines[row]))
    often = dice.random() < 0.2
    for number in rows[1:] if often else [row]:
        if column < len(lines[number]):
            lines[number][column] = text
    path.write_bytes("\n".join(map(",".join, lines)).encode("utf-8", "surrogatepass"))
    return f"column {column} of {'all rows' if often else f'line {row + 1}'} is {text[:30]!r}"


def _json(path: Path, dice: random.Random) -> str:
    document = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(document))
    # Shallow places are few and change much.
    depth = dice.randint(1, max(len(place) for place in places))
    *above, last = place = dice.choice([place for place in places if len(place) <= depth])
    inner = document
    for step in above:
        inner = inner[step]
    what = dice.choice(["text", "number", "number", "other", "gone", "more", "alike"])
    value = inner[last]
    if what == "gone":
        del inner[last]
    elif what == "more" and isinstance(inner, dict):
        inner[dice.choice(TEXTS)] = value
    elif what == "more":
        inner.extend([value] * dice.choice([1, 100_000]))
    elif what == "alike" and isinstance(value, str):
        inner[last] = dice.choice([value * 1000, value + "\x00", value.upper(), value[:-1], f"{value} "])
    else:
        inner[last] = dice.choice({"text": TEXTS, "number": NUMBERS}.get(what, OTHERS))
    # As text escapes, so that half a character is one too.
    path.write_text(json.dumps(document), encoding="utf-8")
    shown = repr(inner[last])[:40] if what not in {"gone", "more"} else ""
    return f"{'.'.join(map(str, place))} {what} {shown}"


def _places(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, inner in steps:
        yield (*above, step)
        yield from _places(inner, (*above, step))


# --- what is done with it -------------------------------------------------------------------------------------------


def examine(runs_dir: Path, recorded: Recorded) -> list[str]:
    """Run all commands and both notebooks on what there is; return what failed, one line each."""
    place = ["--runs-dir", str(runs_dir)]
    failures = []
    for words in (
        ["list"],
        ["list", "--json"],
        *(["show", one] for one in (recorded.base, recorded.other, "latest")),
        ["show", recorded.base, "--json"],
        ["show", f"{recorded.ab}/candidate", "--json"],
        ["compare", recorded.base, recorded.other, "--no-report"],
        ["compare", recorded.base, "--no-report", "--json"],
        ["compare", recorded.ab, "--no-report"],
        ["check", recorded.other, "--baseline", "--json"],
        ["baseline", "show"],
        ["baseline", "set", recorded.base],
    ):
        failures += _as_command(" ".join(words), lambda words=words: run_command([*words, *place]))  # type: ignore[misc]
    for notebook, parameters in (
        ("sweep", {"sweep_id": recorded.base}),
        ("compare", {"baseline": recorded.ab}),
        ("compare", {"baseline": recorded.base, "candidate": recorded.other}),
    ):
        given = {**parameters, "runs_dir": str(runs_dir)}
        failures += _as_command(f"{notebook}.ipynb", lambda notebook=notebook, given=given: _cells(notebook, given))  # type: ignore[misc]
    return failures


def _as_command(name: str, act: Callable[[], int]) -> list[str]:
    """Return why what a command did is a failure, if it is one: it must end in a result, or in one line."""
    out, err = io.StringIO(), io.StringIO()
    begun = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = act()
        except Exception:
            traceback.print_exc()
            code = 70
    said = err.getvalue()
    if code == 70:
        return [f"{name}: {' | '.join(said.strip().splitlines()[-5:])}"]
    if code == 2 and (not said.startswith("perflab: ") or said.count("\n") != 1):
        return [f"{name}: exit code 2 with {said[:200]!r}"]
    if code == 0 and name.endswith("--json"):
        try:
            json.loads(out.getvalue())
        except ValueError as error:
            return [f"{name}: no JSON: {error}"]
    if any(not (char.isprintable() or char == "\n") for char in said + out.getvalue()):
        return [f"{name}: control characters reach the terminal"]
    seconds = time.monotonic() - begun
    return [f"{name}: took {seconds:.0f} s"] if seconds > MAX_S / 4 else []


def _cells(name: str, parameters: dict[str, str]) -> int:
    """Run a report notebook's cells and show what each ends with, without a kernel."""
    names: dict[str, Any] = {"perflab": perflab, "report": report, "chart": chart}
    try:
        for cell in nbformat.read(find_notebook(f"{name}.ipynb"), as_version=4).cells:
            if "parameters" in cell.metadata.get("tags", ()):
                exec(cell.source, names)  # noqa: S102 - perflab's own notebook
                names |= parameters
            elif cell.cell_type == "code" and "import" not in cell.source:
                shown = _shown(cell.source, names)
                if shown is not None:
                    shown.to_svg() if hasattr(shown, "to_svg") else shown._repr_html_()
    except PerflabError as error:
        sys.stderr.write("perflab: " + " ".join(str(error).split()) + "\n")
        return error.exit_code
    return 0


def _shown(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; return what it shows, if it ends in an expression."""
    try:
        expression = compile(source, "cell", "eval")
    except SyntaxError:
        exec(source, names)  # noqa: S102
        return None
    return eval(expression, names)  # noqa: S307


# --- within limits --------------------------------------------------------------------------------------------------


def within_limits(runs_dir: Path, recorded: Recorded, said: Path) -> list[str]:
    """Examine in a process of its own and return what failed there, a crash, a hang and growth included."""
    before_mb = _resident_mb()
    pid = os.fork()
    if pid == 0:
        limit = int((_address_mb() + ADDRESS_MB) * 1e6)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        signal.alarm(MAX_S)
        try:
            failures = examine(runs_dir, recorded)
            said.write_text(json.dumps(failures), encoding="utf-8")
        finally:
            os._exit(0)
    _, status, use = os.wait4(pid, 0)
    grown_mb = use.ru_maxrss / 1000 - before_mb
    failures = json.loads(said.read_text(encoding="utf-8")) if said.exists() else []
    said.unlink(missing_ok=True)
    if os.WIFSIGNALED(status):
        number = signal.Signals(os.WTERMSIG(status))
        failures.append(f"hang: more than {MAX_S} s" if number == signal.SIGALRM else f"ended by {number.name}")
    if grown_mb > MAX_MB:
        failures.append(f"growth: {grown_mb:.0f} MB")
    return failures


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize() / 1e6


def _address_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize() / 1e6


def main() -> None:
    """Damage, examine, and print each failure and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="the number of the first mutation")
    parser.add_argument("--keep", type=Path, help="where the damaged runs of failures are kept")
    arguments = parser.parse_args()
    print(machine())
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="perflab-damaged-") as folder:
        whole, runs_dir = Path(folder, "whole"), Path(folder, "runs")
        recorded = record(whole)
        os.chdir(folder)
        Path("pyproject.toml").touch()
        shutil.copytree(whole, runs_dir)
        # What is imported and cached now is no growth later.
        if found := examine(runs_dir, recorded):
            raise SystemExit(f"undamaged runs fail: {found}")
        for number in range(arguments.first, arguments.first + arguments.mutations):
            if runs_dir.is_dir():
                shutil.rmtree(runs_dir)
            runs_dir.unlink(missing_ok=True)
            shutil.copytree(whole, runs_dir)
            what = damage(runs_dir, random.Random(f"{arguments.seed}-{number}"))
            failures = within_limits(runs_dir, recorded, Path(folder, "said"))
            counts["mutations"] += 1
            counts["failed"] += bool(failures)
            for line in failures:
                counts[_kind_of(line)] += 1
            if failures:
                print(f"{number}: {what}")
                print(*(f"    {line}" for line in failures), sep="\n", flush=True)
                if arguments.keep:
                    shutil.copytree(runs_dir, arguments.keep / str(number), symlinks=True)
    print(", ".join(f"{kind} {count}" for kind, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


def _kind_of(failure: str) -> str:
    for kind in ("hang", "growth", "ended by", "took", "control characters", "no JSON"):
        if kind in failure:
            return kind
    return "traceback"


if __name__ == "__main__":
    main()
