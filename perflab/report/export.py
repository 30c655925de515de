"""Turning an executed notebook into one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from perflab.files import write_whole

_HERE = Path(__file__).parent


def export_html(notebook: Path, html: Path, title: str | None = None) -> None:
    """Write the executed `notebook` as one HTML file without its code; the file appears whole or not at all.

    `title` is the page's title, by default the notebook's own or its file name.
    """
    node = nbformat.read(notebook, as_version=4)
    node.metadata["title"] = title or node.metadata.get("title") or notebook.stem
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = {"howto"}
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        config=config,
        template_name="template",
        extra_template_basedirs=[str(_HERE)],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
        language_code="en",
    )
    page, _ = exporter.from_notebook_node(node)
    write_whole(html, page)
