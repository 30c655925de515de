"""Locust's own program, which also prints the users of its locustfile: ``python -m perflab.record.preflight --list``.

A program and not a second ``-f`` file: only Locust knows which of a locustfile's classes it takes for users.
"""

from __future__ import annotations

import json
import sys
from functools import wraps
from typing import Any

import locust.main

from perflab.store.handover import USERS_MARK


def main() -> None:
    """Run Locust as its command does; the users are on a line of their own, as JSON behind `USERS_MARK`.

    By name they have a weight and a fixed count.
    """
    locust.main.merge_locustfiles_content = _telling(locust.main.merge_locustfiles_content)
    locust.main.main()


def _telling(merge: Any) -> Any:
    @wraps(merge)
    def telling(*args: Any) -> Any:
        users, *others = merge(*args)
        told = {name: {"weight": user.weight, "fixed_count": user.fixed_count} for name, user in users.items()}
        sys.stdout.write(f"\n{USERS_MARK}{json.dumps(told)}\n")
        return users, *others

    return telling


if __name__ == "__main__":
    main()
