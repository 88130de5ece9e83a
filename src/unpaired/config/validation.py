"""Validation of values that a user gave, with errors in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from unpaired.errors import UsageError, format_given, suggest_name

T = TypeVar("T", bound=BaseModel)


def validate(model: type[T], values: Mapping[str, Any], label: str) -> T:
    """Validate `values` as `model`; raises UsageError with the first wrong key, its value and the expected one."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(format_validation_error(error, model, label)) from error


def format_validation_error(error: ValidationError, model: type[BaseModel], label: str) -> str:
    """Return the first error of a validation as a message with the key, its value and what is expected."""
    first_error = error.errors()[0]
    key = str(first_error["loc"][0]) if first_error["loc"] else "?"
    if first_error["type"] == "extra_forbidden":
        return f"{label} '{key}': {suggest_name(key, model.model_fields)}"
    reason = first_error["msg"][0].lower() + first_error["msg"][1:]
    return f"{label} '{key}': given {format_given(first_error['input'])}; {reason}"
