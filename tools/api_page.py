"""Render docs/api.md: signatures and docstrings of the public classes and functions."""

from __future__ import annotations

import inspect
import re
from typing import Any

import unpaired
from unpaired import testing


def render_api() -> str:
    """Render docs/api.md."""
    lines = ["# Python API", "", unpaired.__doc__ or "", "", "```python", "import unpaired", "```", ""]
    for name in unpaired.__all__:
        lines += render_object(name, getattr(unpaired, name))
    lines += [f"## {testing.__name__}", "", testing.__doc__ or "", ""]
    for name in testing.__all__:
        lines += [
            f"#{line}" if line.startswith("## ") else line for line in render_object(name, getattr(testing, name))
        ]
    return "\n".join(lines).rstrip() + "\n"


def render_object(name: str, value: Any) -> list[str]:
    """Render a class or a function: its signature, its docstring, and a class's public members."""
    lines = [f"## {name}", ""]
    is_class = inspect.isclass(value)
    if not (is_class and issubclass(value, BaseException)):
        lines += ["```python", format_signature(name, value), "```", ""]
    lines += [render_docstring(value), ""]
    if is_class and not issubclass(value, BaseException):
        for member_name, member in list_members(value).items():
            function = member.fget if isinstance(member, property) else getattr(member, "func", None)
            if member_name.startswith("_") and member_name != "__call__":
                continue
            if function is not None:
                lines += [f"### {name}.{member_name}", "", render_docstring(function), ""]
            elif callable(member) or isinstance(member, classmethod):
                bound = getattr(value, member_name)
                title = member_name if member_name != "__call__" else "call"
                shown = f"{name}.{member_name}" if member_name != "__call__" else "translator"
                lines += [f"### {name}.{title}", "", "```python", format_signature(shown, bound), "```", ""]
                lines += [render_docstring(bound), ""]
    return lines


def list_members(cls: type) -> dict[str, Any]:
    """Return the members of a class and of its bases in this package: `__call__` first, then those of the class."""
    members: dict[str, Any] = {}
    for base in cls.__mro__:
        if base.__module__.startswith("unpaired."):
            members |= {name: member for name, member in vars(base).items() if name not in members}
    return dict(sorted(members.items(), key=lambda item: item[0] != "__call__"))


def format_signature(name: str, value: Any) -> str:
    """Format a signature with a parameter per line if it is long."""
    signature = inspect.signature(value)
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in parameters:
            has_var = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in signature.parameters.values())
            parameters += [] if has_var else ["*"]
        is_var_keyword = parameter.kind is inspect.Parameter.VAR_KEYWORD
        stars = "**" if is_var_keyword else "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
        text = f"{stars}{parameter.name}"
        if parameter.annotation is not inspect.Parameter.empty:
            text += f": {format_annotation(parameter.annotation)}"
        if parameter.default is not inspect.Parameter.empty:
            default = parameter.default
            text += f" = {default.__name__ if inspect.isroutine(default) else repr(default)}"
        parameters.append(text)
    returns = signature.return_annotation
    arrow = "" if returns in (inspect.Signature.empty, "None", None) else f" -> {format_annotation(returns)}"
    line = f"{name}({', '.join(parameters)}){arrow}"
    if len(line) <= 100:
        return line
    return "\n".join([f"{name}(", *(f"    {parameter}," for parameter in parameters), f"){arrow}"])


def format_annotation(annotation: Any) -> str:
    """Format an annotation, which `from __future__ import annotations` leaves as text."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def render_docstring(value: Any) -> str:
    """Render a docstring as Markdown: the sections Args, Returns and Raises become headed lists."""
    lines: list[str] = []
    in_section = False
    for line in (inspect.getdoc(value) or "").splitlines():
        if head := re.fullmatch(r"(Args|Returns|Raises|Yields|Attributes):", line):
            lines += [f"**{head[1]}**", ""]
            in_section = True
        elif in_section and (item := re.match(r" {4}(\*{0,2}\w+(?: \([^)]*\))?): (.*)", line)):
            lines.append(f"- `{item[1]}`: {item[2]}")
        elif in_section and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            in_section = in_section and not line
            lines.append(line)
    return "\n".join(lines)
