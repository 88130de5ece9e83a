"""Settings models by section; that of a method is built from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from pydantic import Field, create_model
from pydantic.fields import FieldInfo
from typing_extensions import Doc

from unpaired.config.settings import Auto, DataSettings, StrictModel, TrainingSettings
from unpaired.errors import suggest_name
from unpaired.media import MEDIA, Medium
from unpaired.methods import METHODS
from unpaired.methods.base import Method

T = TypeVar("T")
NUMBER_TYPES = (int, float, int | None, float | None)
"""Types of method settings whose values must not be negative."""
NonNegative = Annotated[float, Field(ge=0)]


class MethodSettings(StrictModel):
    """Base of the models that `build_method_settings_model` builds; makes their instances picklable."""

    method_class: ClassVar[type[Method]]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the method's class and the values, because pickle cannot import a model class created at run time."""
        return _restore_method_settings, (self.method_class, self.model_dump())


def _restore_method_settings(cls: type[Method], values: dict[str, Any]) -> StrictModel:
    return build_method_settings_model(cls).model_validate(values)


@cache
def build_method_settings_model(cls: type[Method]) -> type[MethodSettings]:
    """Build a settings model from a method's keyword-only parameters, with their types, defaults and help texts.

    Numbers must not be negative, because they are learning rates, weights and sizes; a `Field` in the annotation gives
    other limits. "auto" is a value only where the type contains it.
    """
    hints = get_type_hints(cls.__init__)
    annotated = get_type_hints(cls.__init__, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            hint = NonNegative | Auto if hints[name] == float | Auto else hints[name]
            limits = _find_extra(annotated[name], FieldInfo) or Field(ge=0 if hint in NUMBER_TYPES else None)
            doc = _find_extra(annotated[name], Doc)
            default = Field(parameter.default, description=None if doc is None else doc.documentation)
            fields[name] = (Annotated[hint, limits], default)
    model: type[MethodSettings] = create_model(f"{cls.__name__}Settings", __base__=MethodSettings, **fields)
    model.ignored_if, model.method_class = cls.ignored_if, cls
    return model


def _find_extra(annotation: Any, kind: type[T]) -> T | None:
    """Return the first extra of a kind in an annotation, such as the help text (`Doc`); None without one."""
    return next((extra for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, kind)), None)


def get_section_models(method: str, medium: Medium) -> dict[str, type[StrictModel]]:
    """Return the model of every section for a method on a medium."""
    return {
        "method_settings": build_method_settings_model(METHODS[method].cls),
        "data": DataSettings,
        "medium_settings": medium.settings_model,
        "networks": medium.network_settings_model,
        "training": TrainingSettings,
    }


def list_setting_names(method: str) -> set[str]:
    """Return the flat names of all settings of a method on any medium."""
    models = [model for medium in MEDIA.values() for model in get_section_models(method, medium).values()]
    return {name for model in models for name in model.model_fields}


def find_methods_with(setting: str) -> list[str]:
    """Return the methods that have a parameter of this name."""
    return [name for name, info in METHODS.items() if setting in build_method_settings_model(info.cls).model_fields]


def explain_unknown_setting(setting: str, method: str, candidates: Iterable[str]) -> str:
    """Return a message about an unknown setting: the methods that have it, or the most similar candidate."""
    if owners := find_methods_with(setting):
        own_settings = ", ".join(build_method_settings_model(METHODS[method].cls).model_fields)
        return f"'{setting}' is a setting of {', '.join(owners)}; {method} has: {own_settings}"
    return f"setting '{setting}' of {method}: {suggest_name(setting, candidates)}"
