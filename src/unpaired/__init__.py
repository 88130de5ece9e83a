"""Unsupervised conditional generation: learn to turn one domain into another from collections without pairs."""

__version__ = "0.1.0"
