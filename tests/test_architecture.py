"""Rules of ARCHITECTURE.md, checked on the source code: forbidden imports and forbidden constructs."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import unpaired
from unpaired.media import MEDIA
from unpaired.methods import DEFAULT_METHOD, METHODS

SOURCE = Path(unpaired.__file__).parent
TREES = {file.relative_to(SOURCE).as_posix(): ast.parse(file.read_text("utf-8")) for file in SOURCE.rglob("*.py")}

FORBIDDEN = {
    "config": (
        *("losses", "networks.image_factory", "networks.voice_factory", "data.batches", "data.folders", "data.split"),
        *(
            "runs",
            "training",
            "metrics",
            "evaluation",
            "translate",
            "report",
            "comparison",
            "stages",
            "importers",
            "cli",
        ),
    ),
    "losses": (
        *("config", "methods", "networks", "media", "data", "runs", "training", "metrics", "evaluation", "translate"),
        *("report", "comparison", "stages", "importers", "cli"),
    ),
    "networks": (
        *("config.resolve", "config.setting_models", "config.run_config"),
        *("methods", "losses", "media", "data", "runs", "training", "metrics"),
        *("evaluation", "translate", "report", "comparison", "stages", "importers", "cli"),
    ),
    "tiling": (
        *("config", "methods", "losses", "networks", "media", "data", "runs", "training", "metrics", "evaluation"),
        *("translate", "report", "comparison", "stages", "importers", "cli"),
    ),
    "methods": (
        *(
            "tiling",
            "config",
            "media",
            "data",
            "runs",
            "training",
            "metrics",
            "evaluation",
            "translate",
            "report",
            "comparison",
        ),
        *("stages", "importers", "cli"),
    ),
    "media": ("losses", "training.loop", "training.optimizers", "stages", "importers", "cli"),
    "data": (
        *("config.resolve", "config.setting_models", "config.run_config"),
        *("methods", "networks", "losses", "runs", "training", "metrics"),
        *("evaluation", "translate", "report", "comparison", "stages", "importers", "cli"),
    ),
    "metrics": (
        *("losses", "data", "runs", "training", "evaluation", "translate", "report", "comparison", "stages"),
        *("importers", "cli"),
    ),
    "runs": ("losses", "training", "evaluation", "translate", "report", "comparison", "stages", "importers", "cli"),
    "training": ("losses", "translate", "comparison", "stages", "importers", "cli"),
    "evaluation": ("networks", "losses", "training", "translate", "report", "comparison", "stages", "importers", "cli"),
    "translate": (
        *("networks", "losses", "data.batches", "training", "metrics", "evaluation", "report", "comparison"),
        *("stages", "importers", "cli"),
    ),
    "export": (
        *("networks", "losses", "training", "metrics", "evaluation", "report", "comparison", "stages", "importers"),
        "cli",
    ),
    "hub": ("networks", "losses", "training", "evaluation", "translate", "comparison", "stages", "importers", "cli"),
    "serve": (
        *("networks", "losses", "data.batches", "data.folders", "data.split", "training", "metrics", "evaluation"),
        *("comparison", "stages", "importers", "cli"),
    ),
    "report": ("networks", "losses", "data", "training", "translate", "comparison", "stages", "importers", "cli"),
    "comparison": ("methods.base", "networks", "losses", "training.loop", "stages", "importers"),
    "stages": (
        *("methods.base", "networks", "losses", "media", "training.loop", "evaluation", "translate", "report"),
        *("comparison", "importers", "cli"),
    ),
    "importers": ("losses", "training", "metrics", "evaluation", "translate", "report", "comparison", "stages", "cli"),
    "testing": (
        *(
            "losses",
            "media",
            "data.batches",
            "data.folders",
            "data.split",
            "runs",
            "metrics",
            "evaluation",
            "translate",
        ),
        *("report", "comparison", "stages", "importers", "cli"),
    ),
    "cli": ("methods.base", "networks", "losses", "data.batches", "training.loop"),
}
"""Folder -> the folders and modules that its modules must not import."""

NAMING_MEDIA = ("importers/cyclegan.py", "testing/check_method.py")
"""Modules that may name a medium: one converts another program's file to a run, one builds small networks of each."""


def folder_modules(name: str) -> dict[str, ast.Module]:
    """Return the modules of a folder by path; fails if there are none."""
    found = {path: tree for path, tree in TREES.items() if path.startswith(f"{name}/")}
    assert found
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the full names of everything that a module imports, at the top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


NAMES = {f"unpaired.{path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}": path for path in TREES}


def top_level_imports(tree: ast.Module) -> set[str]:
    """Return the modules of the package that a module imports at its top."""
    top = ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
    return {name if name in NAMES else name.rpartition(".")[0] for name in imported(top)} & NAMES.keys()


def is_within(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def text_constants(tree: ast.AST) -> set[str]:
    """Return the text constants of a module that are not docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return {node.value for node in constants if isinstance(node.value, str)}


def test_every_folder_has_import_rules() -> None:
    assert {path.partition("/")[0] for path in TREES if "/" in path} == FORBIDDEN.keys()
    known = {name.removeprefix("unpaired.") for name in NAMES}
    assert not {name for names in FORBIDDEN.values() for name in names} - known, "these modules do not exist"


@pytest.mark.parametrize("name", FORBIDDEN)
def test_folders_do_not_import_forbidden_modules(name: str) -> None:
    barred = [f"unpaired.{other}" for other in FORBIDDEN[name]]
    for path, tree in folder_modules(name).items():
        assert not [module for module in imported(tree) if is_within(module, *barred)], path


def test_imports_are_not_circular() -> None:
    needs = {name: top_level_imports(TREES[path]) for name, path in NAMES.items()}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs, "circular imports"


def test_only_interfaces_and_media_import_comparison() -> None:
    for path, tree in TREES.items():
        if not path.startswith(("comparison/", "cli/", "media/")) and path not in ("api.py", "__init__.py"):
            assert not [module for module in imported(tree) if is_within(module, "unpaired.comparison")], path


def test_no_module_imports_the_checks_for_tests() -> None:
    for path, tree in TREES.items():
        if not path.startswith("testing/"):
            assert not [module for module in imported(tree) if is_within(module, "unpaired.testing")], path


def test_only_the_command_imports_the_command_line() -> None:
    for path, tree in TREES.items():
        if not path.startswith("cli/") and path != "__main__.py":
            assert not [module for module in imported(tree) if is_within(module, "unpaired.cli")], path


def test_no_module_outside_media_names_a_medium() -> None:
    folders = [f"unpaired.media.{name}" for name in MEDIA]
    for path, tree in TREES.items():
        if not path.startswith(("media/", "methods/")) and path not in NAMING_MEDIA:
            names_medium = bool(text_constants(tree) & MEDIA.keys())
            assert not names_medium, path
            assert not [module for module in imported(tree) if is_within(module, *folders)], path


def test_methods_do_not_compare_with_a_medium_name() -> None:
    for path, tree in folder_modules("methods").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                assert not text_constants(node) & MEDIA.keys(), path


def test_methods_import_only_networks_losses_and_their_base() -> None:
    own = (
        *("unpaired.methods.base", "unpaired.methods.capabilities", "unpaired.methods.setting_types"),
        "unpaired.methods.cyclegan_presets",
        *("unpaired.labels", "unpaired.routes", "unpaired.networks", "unpaired.losses"),
    )
    others = (
        *("__future__", "abc", "collections", "dataclasses", "functools", "itertools", "math"),
        *("typing", "typing_extensions"),
    )
    for path, tree in folder_modules("methods").items():
        if path in ("methods/__init__.py", "methods/registry.py"):
            continue
        modules = set(imported(tree))
        limits = ("pydantic",) if path == "methods/setting_types.py" else ()
        assert not {module for module in modules if not is_within(module, *own, *others, *limits, "torch")}, path
        assert not {module for module in modules if is_within(module, "torch.optim", "torch.distributed")}, path


def test_no_method_is_named_or_imported_outside_methods() -> None:
    own = {row.cls.__module__ for row in METHODS.values()}
    for path, tree in TREES.items():
        if not path.startswith("methods/"):
            assert not text_constants(tree) & METHODS.keys(), path
            assert not [module for module in imported(tree) if is_within(module, *own)], path
    assert DEFAULT_METHOD in METHODS


def test_losses_are_functions_without_state() -> None:
    for path, tree in folder_modules("losses").items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.ClassDef | ast.Global | ast.Nonlocal), path
        for node in tree.body:
            assert isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign | ast.Expr), path
            if isinstance(node, ast.Assign) and not ast.unparse(node.targets[0]).isupper():  # no constant
                assert isinstance(node.value, ast.Subscript), path  # a type alias is not state


def test_only_media_open_image_files() -> None:
    for path, tree in TREES.items():
        if path.startswith("media/"):
            continue
        assert not {module for module in imported(tree) if is_within(module, "tifffile", "cv2", "imageio")}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "open":
                assert not (isinstance(node.value, ast.Name) and node.value.id == "Image"), path


def test_package_does_not_use_pickle_files() -> None:
    for path, tree in TREES.items():
        assert not {module for module in imported(tree) if is_within(module, "pickle", "dill", "shelve")}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
                assert node.attr != "save", path
                # These read weights of a package or of imported models; `weights_only` prevents code execution.
                assert node.attr != "load" or path in (
                    "networks/efficientnet.py",
                    "networks/shift_tolerant.py",
                    "importers/cyclegan.py",
                    "media/voice/vocoder.py",
                ), path


def test_package_does_not_use_hasattr_or_eval() -> None:
    for path, tree in TREES.items():
        called = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"hasattr", "__import__", "eval", "exec"}, path
        assert not {module for module in imported(tree) if is_within(module, "importlib.import_module")}, path


def test_functions_are_below_complexity_limit() -> None:
    """Ruff checks the cyclomatic complexity of every function."""
    with (SOURCE.parents[1] / "pyproject.toml").open("rb") as file:
        lint = tomllib.load(file)["tool"]["ruff"]["lint"]
    assert "C901" in lint["select"] and lint["mccabe"]["max-complexity"] <= 10
    ignored = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    assert not [code for code in ignored if "C901".startswith(code)]
    for path in TREES:
        assert "noqa: C901" not in (SOURCE / path).read_text("utf-8"), path
