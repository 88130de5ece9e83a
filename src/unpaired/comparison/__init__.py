"""Several methods trained alike on the same data, and one page that ranks them and advises."""

from unpaired.comparison.runner import compare

__all__ = ["compare"]
