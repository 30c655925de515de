"""``perflab init``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import perflab
from perflab.vocabulary.text import say

Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="Where. Default: the working folder.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there, without asking.")]


def init(folder: Folder = ".", force: Force = False) -> None:
    """Make a folder a perflab project: a starter locustfile, objectives, settings and the notebooks."""

    def replace(path: Path) -> bool:
        return force or (sys.stdin.isatty() and typer.confirm(f"replace {path}?", err=True))

    for written in perflab.init(folder, replace=replace):
        say(f"{written.state:9} {written.path}", sys.stdout)
    say("next: perflab sweep, or open notebooks/sweep.ipynb; .env.load-testing says what is loaded", sys.stdout)
