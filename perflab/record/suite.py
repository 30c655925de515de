"""What makes the load, described from inside Locust: the locustfile's code, and its users with their tasks."""

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

# So many task sets within each other are described; what lies deeper is told of by the digest alone.
MOST_TASK_SETS = 5


def describe_suite(environment: Environment) -> dict[str, Any]:
    """Return ``locustfile``, a digest of its code, and ``users``: by class their weight, fixed count and tasks.

    The code is that of the locustfile and of the modules that it imports from its own folder. Tasks have their weights,
    those of one name together; those of a task set stand under its name.
    """
    files = environment.parsed_locustfiles
    users = sorted(environment.user_classes, key=lambda user: user.__name__)
    return {
        "locustfile": _digest(Path(files[0])) if files else "",
        "users": {user.__name__: _user(user) for user in users},
    }


def own_hosts(environment: Environment) -> dict[str, str]:
    """Return the hosts of their own that user classes have, by class; when a run starts Locust overwrites them.

    The target's own is none. Whatever looks like a secret in them is taken out.
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
    return {"weight": float(user.weight), "fixed_count": int(user.fixed_count), "tasks": _tasks(user, MOST_TASK_SETS)}


def _tasks(holder: type[User] | type[TaskSet], most: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for task, weight in sorted(Counter(holder.tasks).items(), key=lambda item: _name(item[0])):
        name = _name(task)
        if isinstance(task, type) and most:
            found[name] = {"weight": weight, "tasks": _tasks(task, most - 1)}
        else:
            before = found.get(name, 0)
            found[name] = weight + (before if isinstance(before, int) else 0)
    return found


def _name(task: Any) -> str:
    """Return what a task is called: it may be anything that can be called."""
    return one_line(str(getattr(task, "__name__", type(task).__name__)))
