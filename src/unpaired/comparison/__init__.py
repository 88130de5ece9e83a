"""Comparison of methods that are trained with equal budgets on the same data."""
