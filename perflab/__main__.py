"""``python -m perflab`` is the ``perflab`` command."""

from perflab.cli import main

main()
