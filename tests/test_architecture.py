"""What rooms must not know, as ARCHITECTURE.md says it: read off the imports and names in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import unpaired
from unpaired.methods import DEFAULT_METHOD, METHODS

SOURCE = Path(unpaired.__file__).parent
TREES = {file.relative_to(SOURCE).as_posix(): ast.parse(file.read_text("utf-8")) for file in SOURCE.rglob("*.py")}

FORBIDDEN = {
    "networks": ("methods", "terms", "media", "data", "runs", "training", "evaluation", "translate", "report"),
    "terms": ("methods", "networks", "media", "data", "runs", "training", "evaluation", "translate", "report"),
    "media": ("methods", "networks", "terms", "data", "runs", "training", "evaluation", "translate", "report"),
    "data": ("methods", "networks", "terms", "runs", "training", "evaluation", "translate", "report"),
    "runs": ("media", "terms", "training", "evaluation", "translate", "report"),
    "imports": ("media", "terms", "training", "evaluation", "translate", "report"),
    "evaluation": ("networks", "terms", "training", "translate", "report"),
    "translate": ("networks", "terms", "data.batches", "training", "evaluation", "report"),
    "report": ("networks", "terms", "training", "translate"),
    "comparison": ("methods.game", "networks", "terms", "training.loop"),
    "stages": ("methods.game", "networks", "terms", "training.loop"),
    "training": ("terms", "translate", "stages"),
}
"""Room -> the rooms and modules that nothing in it may import."""


def room(name: str) -> dict[str, ast.Module]:
    """The modules of a room by their path; an empty room would prove nothing."""
    found = {path: tree for path, tree in TREES.items() if path.startswith(f"{name}/")}
    assert found
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """The full names of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


NAMES = {f"unpaired.{path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}": path for path in TREES}


def needed(tree: ast.Module) -> set[str]:
    """The modules of the package that a module imports as it is imported itself."""
    top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    return {name if name in NAMES else name.rpartition(".")[0] for name in imported(top)} & NAMES.keys()


def within(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def words_of(tree: ast.Module) -> set[str]:
    """The text constants of a module that are no docstrings."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in told)
    return {node.value for node in constants if isinstance(node.value, str)}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_rooms_do_not_reach_into_each_other(name: str) -> None:
    barred = [f"unpaired.{other}" for other in FORBIDDEN[name]]
    for path, tree in room(name).items():
        assert not [module for module in imported(tree) if within(module, *barred)], path


def test_no_module_needs_itself() -> None:
    needs = {name: needed(TREES[path]) for name, path in NAMES.items()}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs, "imports at the top of these make a circle, or need one"


def test_a_comparison_is_known_to_what_users_call_alone() -> None:
    for path, tree in TREES.items():
        if not path.startswith(("comparison/", "commands/")) and path not in ("public.py", "__init__.py"):
            assert not [module for module in imported(tree) if within(module, "unpaired.comparison")], path


def test_methods_import_networks_terms_and_the_game_alone() -> None:
    own = (
        "unpaired.methods.base",
        "unpaired.methods.capabilities",
        "unpaired.labels",
        "unpaired.networks",
        "unpaired.losses",
    )
    others = ("__future__", "abc", "collections", "dataclasses", "itertools", "math", "typing", "torch")
    for path, tree in room("methods").items():
        if path == "methods/__init__.py":
            continue
        modules = set(imported(tree))
        assert not {module for module in modules if not within(module, *own, *others)}, path
        assert not {module for module in modules if within(module, "torch.optim", "torch.distributed")}, path


def test_no_method_is_named_or_imported_outside_the_methods() -> None:
    own = {row.cls.__module__ for row in METHODS.values()}
    for path, tree in TREES.items():
        if not path.startswith("methods/"):
            assert not words_of(tree) & METHODS.keys(), path
            assert not [module for module in imported(tree) if within(module, *own)], path
    assert DEFAULT_METHOD in METHODS


def test_terms_are_functions_without_state() -> None:
    for path, tree in room("terms").items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.ClassDef | ast.Global | ast.Nonlocal), path
        for node in tree.body:
            assert isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign | ast.Expr), path
            if isinstance(node, ast.Assign):  # a name for a type is no state
                assert isinstance(node.value, ast.Subscript), path


def test_media_alone_opens_picture_files() -> None:
    for path, tree in TREES.items():
        if path.startswith("media/"):
            continue
        assert not {module for module in imported(tree) if within(module, "tifffile", "cv2", "imageio")}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "open":
                assert not (isinstance(node.value, ast.Name) and node.value.id == "Image"), path


def test_nothing_reads_or_writes_pickles_of_ours() -> None:
    for path, tree in TREES.items():
        assert not {module for module in imported(tree) if within(module, "pickle", "dill", "shelve")}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
                assert node.attr != "save", path
                # The feature network's weights are a package's, imported ones a user's: read as numbers alone.
                assert node.attr != "load" or path in (
                    "efficientnet.py",
                    "imports/generator.py",
                    "media/voice/vocoder.py",
                ), path


def test_nothing_asks_objects_what_they_have() -> None:
    for path, tree in TREES.items():
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"hasattr", "__import__", "eval", "exec"}, path
        assert not {module for module in imported(tree) if within(module, "importlib.import_module")}, path


def test_a_method_fits_on_a_few_screens() -> None:
    for path, tree in room("methods").items():
        if path not in ("methods/__init__.py", "methods/game.py"):
            assert max(node.end_lineno or 0 for node in tree.body) <= 120, path
