"""What perflab asks of a locustfile before a run: its users, as Locust itself finds them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from locust.user.users import User
from locust.util.load_locustfile import is_user_class

from perflab.store.handover import USERS_MARK


def tell_users() -> None:
    """Print a line with the name, weight and fixed count of each user class, as JSON behind `USERS_MARK`.

    Locust imports its ``-f`` files in their order, so the locustfile's classes are there by now.
    """
    locustfile = Path(sys.argv[sys.argv.index("-f") + 1].split(",")[0])
    # Locust's own exception to its rule.
    name = "locustfile" if locustfile.stem == "locust" else locustfile.stem
    found: list[type[User]] = [item for item in vars(sys.modules[name]).values() if is_user_class(item)]
    users = {user.__name__: {"weight": user.weight, "fixed_count": user.fixed_count} for user in found}
    sys.stdout.write(f"\n{USERS_MARK}{json.dumps(users)}\n")
