"""Which side a user belongs to, and whose host a request went to; in processes of their own, which Locust patches."""

from __future__ import annotations

import subprocess
import sys

import pytest

SETUP = """
from types import SimpleNamespace
from perflab.record import duet
from perflab.store.recorder_protocol import Side

def strays(own, other, url):
    split = duet.Duet([Side(run_dir="a", host=own), Side(run_dir="b", host=other)])
    duet.getcurrent = lambda: SimpleNamespace(perflab_user_class="User@0")
    split._on_request(url=url)
    return split.misrouted
"""


def shown(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", SETUP + code], check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize(
    ("own", "other", "url", "misrouted"),
    [
        ("http://a:80", "http://a:8000", "http://a:80/x", 0),
        ("http://a:80", "http://a:8000", "http://a:8000/x", 1),
        ("http://a:8000", "http://a:80", "http://a:8000/x", 0),
        ("http://a/api/v2", "http://a/api", "http://a/api/v2/x", 0),
        ("http://a", "http://b", "http://b", 1),
        ("http://a", "http://b", "http://elsewhere/x", 0),
    ],
)
def test_a_request_is_misrouted_only_to_the_other_host_itself(own: str, other: str, url: str, misrouted: int) -> None:
    assert shown(f"print(strays({own!r}, {other!r}, {url!r}))") == str(misrouted)


def test_each_class_is_split_evenly_and_so_are_all_users() -> None:
    code = """
import random
for seed in range(200):
    sizes = [random.Random(seed + at).randrange(1, 30) for at in range(4)]
    users = [name for name, size in zip("ABCD", sizes) for _ in range(size)]
    random.Random(seed).shuffle(users)
    split = duet.Duet([Side(run_dir="a", host="http://a"), Side(run_dir="b", host="http://b")])
    sides = [(split.choose(user), user) for user in users]
    for name, size in zip("ABCD", sizes):
        assert abs(2 * sum(side == (0, name) for side in sides) - size) <= 1, (seed, name)
    print(abs(2 * sum(side == 0 for side, _ in sides) - len(users)))
"""
    assert max(map(int, shown(code).split())) <= 2
