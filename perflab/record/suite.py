"""A description of what makes the load: the locustfile's code, and its users with their tasks."""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from locust.env import Environment
from locust.user.task import TaskSet
from locust.user.users import User

from perflab.vocabulary.redact import redact
from perflab.vocabulary.text import one_line

# The depth to which nested task sets are described; the digest covers deeper ones, too.
MAX_TASK_SETS = 5


def describe_suite(environment: Environment) -> dict[str, Any]:
    """Return ``locustfile``, a digest of its code, and ``users``: by class their weight, fixed count and tasks.

    The code is that of the locustfile and of the modules that it imports from its own folder. Tasks come with their
    weights, summed over tasks of one name; those of a task set are listed under its name.
    """
    files = environment.parsed_locustfiles
    users = sorted(environment.user_classes, key=lambda user: user.__name__)
    return {
        "locustfile": _digest(Path(files[0])) if files else "",
        "users": {user.__name__: _user(user) for user in users},
    }


def own_hosts(environment: Environment) -> dict[str, str]:
    """Return the hosts that user classes define themselves, by class, redacted; the target's host is left out.

    Locust overwrites them when a run starts.
    """
    target = (environment.host or "").rstrip("/")
    hosts = {user.__name__: str(user.host).rstrip("/") for user in environment.user_classes if user.host}
    return {name: redact(host) for name, host in sorted(hosts.items()) if host != target}


def _digest(locustfile: Path) -> str:
    folder = locustfile.resolve().parent
    digest = hashlib.sha256(_content(locustfile.resolve()))
    for path in sorted(set(_modules(folder)) - {locustfile.resolve()}):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + _content(path))
    return digest.hexdigest()


def _modules(folder: Path) -> Iterator[Path]:
    installed = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")]
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            continue
        path = Path(file).resolve()
        if path.is_relative_to(folder) and not any(path.is_relative_to(place) for place in installed):
            yield path


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        # Deleted since it was imported.
        return b""


def _user(user: type[User]) -> dict[str, Any]:
    return {"weight": float(user.weight), "fixed_count": int(user.fixed_count), "tasks": _tasks(user, MAX_TASK_SETS)}


def _tasks(holder: type[User] | type[TaskSet], depth: int) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    for task, weight in sorted(Counter(holder.tasks).items(), key=lambda item: _name(item[0])):
        name = _name(task)
        if isinstance(task, type) and depth:
            tasks[name] = {"weight": weight, "tasks": _tasks(task, depth - 1)}
        else:
            before = tasks.get(name, 0)
            tasks[name] = weight + (before if isinstance(before, int) else 0)
    return tasks


def _name(task: Any) -> str:
    """Return the name of a task, which may be any callable."""
    return one_line(str(getattr(task, "__name__", type(task).__name__)))
