"""The translation methods, one paper and one file each; `registry` lists them."""

from __future__ import annotations

from unpaired.methods.registry import DEFAULT_METHOD, METHODS, SINGLE_GENERATOR_METHOD, MethodInfo, register_method

__all__ = ["DEFAULT_METHOD", "METHODS", "SINGLE_GENERATOR_METHOD", "MethodInfo", "register_method"]
