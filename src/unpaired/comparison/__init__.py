"""Comparison of methods that are trained with equal budgets on the same data."""

from unpaired.comparison.runner import compare

__all__ = ["compare"]
