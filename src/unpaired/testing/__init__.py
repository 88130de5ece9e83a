"""Tests for methods of your own: `check_method` finds faults that a training run does not show."""

from __future__ import annotations

from unpaired.testing.check_method import check_method

__all__ = ["check_method"]
