"""Writes the JSON Schema of every kind of document: ``python -m perflab.results docs``."""

from __future__ import annotations

import sys
from pathlib import Path

from perflab.results import KINDS

for kind in KINDS:
    Path(sys.argv[1], kind.document.schema_file()).write_text(kind.document.to_schema(), encoding="utf-8")
