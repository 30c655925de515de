"""The words of the field, each once: verdicts, metrics, measures, levels, and how numbers and texts are written."""
