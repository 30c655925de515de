"""What is shown of a comparison: tables in a notebook, ``comparison.json``, ``junit.xml`` and ``summary.md``."""
