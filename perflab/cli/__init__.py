"""The command line: one module a command, heavy imports inside the command."""

from perflab.cli.app import main

__all__ = ["main"]
