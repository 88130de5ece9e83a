"""YAML files with limits: no objects, no repeated keys, and no aliases that expand to more than a file should hold."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

MAX_BYTES = 16 << 20
"""Maximum size of a file."""
MAX_VALUES = 1_000_000
"""Maximum number of keys and values, each alias counted with all that it stands for."""
MAX_DEPTH = 50
"""Maximum depth of nested values."""
MAX_INTEGER = 1 << 63
_CONVERSION_ERRORS = (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)
"""Errors of PyYAML for scalars that do not match their tag, such as `!!int x` or a date with month 13."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values; UTF-8, or UTF-16 with a byte order mark.

    Raises ValueError with the reason for invalid YAML, repeated keys, and files beyond the limits of this module;
    OSError if the file cannot be read.
    """
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        raise ValueError(f"has {len(content):,} bytes; expected at most {MAX_BYTES:,}")
    try:
        return yaml.load(content, _LimitedLoader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except _CONVERSION_ERRORS as error:
        raise ValueError(f"a value does not match its type ({error})") from error
    except RecursionError as error:
        raise ValueError("values are nested too deeply") from error


class _LimitedLoader(yaml.SafeLoader):
    """Safe loader that counts expanded values and refuses repeated keys."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._depth = 0
        self._expanded_counts: dict[int, int] = {}
        """id of a composed node -> number of values that it expands to."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(None, None, f"more than {MAX_DEPTH} levels of values", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if node is None or isinstance(event, yaml.AliasEvent):
            if node is not None and id(node) not in self._expanded_counts:
                raise ComposerError(None, None, "an anchor contains itself", event.start_mark)
            return node
        count = 1 + sum(self._expanded_counts[id(child)] for child in _list_children(node))
        if count > MAX_VALUES:
            raise ComposerError(None, None, f"aliases and values expand to more than {MAX_VALUES:,}", event.start_mark)
        self._expanded_counts[id(node)] = count
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                raise ConstructorError(None, None, f"the key '{key.value[:100]}' is repeated", key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if abs(value) >= MAX_INTEGER:
            raise ConstructorError(None, None, "an integer beyond 64 bits", node.start_mark)
        return value

    def refuse_binary(self, node: yaml.Node) -> None:
        """Raise ConstructorError."""
        raise ConstructorError(None, None, "binary values are not settings", node.start_mark)


_LimitedLoader.add_constructor("tag:yaml.org,2002:int", _LimitedLoader.construct_yaml_int)
_LimitedLoader.add_constructor("tag:yaml.org,2002:binary", _LimitedLoader.refuse_binary)


def _list_children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
