"""The page of a run: what was trained on what, whether it worked, pictures, measures, curves, settings."""

from unpaired.report.page import write_report

__all__ = ["write_report"]
