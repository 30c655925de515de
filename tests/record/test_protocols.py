"""Values are told apart by protocols as ever. In a process of its own, because typing is changed for good."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from typing import Protocol, runtime_checkable
from perflab.record import protocols
protocols.install()

@runtime_checkable
class Items(Protocol):
    def items(self): ...

@runtime_checkable
class Named(Items, Protocol):
    name: str

class Both(dict):
    name = "both"

for _ in range(2):
    assert isinstance({}, Items) and isinstance(Both(), Named)
    assert not isinstance([], Items) and not isinstance({}, Named)
"""


def test_a_value_is_of_a_protocol_or_not_as_before() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
