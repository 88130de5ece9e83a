"""Command-line flags of all settings, generated from the fields of the settings models."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from unpaired.cli.option_flags import add_flags, format_flag, parse_options
from unpaired.comparison.overrides import FLAGS_REFUSED_BY_COMPARE
from unpaired.config.resolve import RESUMABLE_SETTINGS, get_preset_values, read_settings
from unpaired.config.setting_models import build_method_settings_model, find_methods_with
from unpaired.config.settings import DataSettings, NetworkSettings, Preset, TrainingSettings
from unpaired.errors import UsageError
from unpaired.media import MEDIA
from unpaired.methods import DEFAULT_METHOD, METHODS

PRESETS: tuple[Preset, ...] = get_args(Preset)


class HelpAll(argparse.Action):
    """Print the help with every flag."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print the help and exit."""
        parser.print_help()
        parser.exit()


def add_train_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the flags of all settings, including those of the method that `argv` names (else the default method)."""
    parser.add_argument(
        "--method", metavar="NAME", help=f"training method (default: {DEFAULT_METHOD}); `unpaired methods` lists all"
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"sizes and budget: one of {', '.join(PRESETS)} (default: small on a CPU, else paper)",
    )
    method = _find_method(parser, argv)
    add_section_flags(parser, argv, method if method in METHODS else DEFAULT_METHOD)
    if method in METHODS:
        # Help omits a group without description whose flags are all hidden.
        about = f"Equations and results: docs/methods/{method}.md" if _is_help_all(argv) else None
        group = parser.add_argument_group(f"method {method}", about)
        model = build_method_settings_model(METHODS[method].cls)
        medium = next(iter(MEDIA.values()))
        defaults = {preset: get_preset_values(method, medium, preset)["method_settings"] for preset in PRESETS}
        add_flags(group, model, defaults, _is_help_all(argv))


def add_section_flags(parser: argparse.ArgumentParser, argv: Sequence[str], method: str = DEFAULT_METHOD) -> None:
    """Add the flags of the settings shared by all methods; help shows the common ones, with `--help-all` all."""
    is_shown = _is_help_all(argv)
    parser.add_argument("--help-all", action=HelpAll, nargs=0, help="show every flag, by section")
    first = next(iter(MEDIA.values()))
    defaults = {preset: get_preset_values(method, first, preset) for preset in PRESETS}

    def section(name: str) -> dict[Preset, Mapping[str, Any]]:
        return {preset: values[name] for preset, values in defaults.items()}

    add_flags(parser.add_argument_group("data"), DataSettings, section("data"), is_shown)
    for medium in MEDIA.values():
        values = {preset: medium.presets[preset].get("medium_settings", {}) for preset in PRESETS}
        add_flags(parser.add_argument_group(medium.settings_title), medium.settings_model, values, is_shown)
    networks = parser.add_argument_group(
        "networks", f"The defaults of presets are those of {first.files_noun}." if is_shown else None
    )
    for medium in MEDIA.values():
        add_flags(networks, medium.network_settings_model, section("networks"), is_shown)
    add_flags(parser.add_argument_group("training"), TrainingSettings, section("training"), is_shown)


def _is_help_all(argv: Sequence[str]) -> bool:
    return "--help-all" in argv


def _find_method(parser: argparse.ArgumentParser, argv: Sequence[str]) -> str:
    method_parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    method_parser.add_argument("--method")
    method_parser.add_argument("--config", type=Path)
    try:
        namespace, _ = method_parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise UsageError(f"{error}; see `{parser.prog} --help`") from error
    file_method = read_settings(namespace.config).get("method") if namespace.config else None
    return str(namespace.method or file_method or DEFAULT_METHOD)


def explain_other_methods_flag(flag: str, parser: argparse.ArgumentParser, argv: Sequence[str]) -> str:
    """Explain a flag that other methods have, but not the method of `argv`; empty if no method has it."""
    owners, method = find_methods_with(parse_setting_name(flag)), _find_method(parser, argv)
    if not owners or method not in METHODS:
        return ""
    if any(argument.partition("=")[0] == "--resume" for argument in argv):
        return explain_resume_flag(flag)
    own_flags = ", ".join(map(format_flag, build_method_settings_model(METHODS[method].cls).model_fields))
    return f"{flag} is a setting of {', '.join(owners)}; {method} has: {own_flags}"


def explain_compare_flag(flag: str) -> str:
    """Explain a flag that `compare` does not accept; empty if no method has it."""
    if flag in FLAGS_REFUSED_BY_COMPARE:
        return f"{flag}: {FLAGS_REFUSED_BY_COMPARE[flag]}"
    owners = find_methods_with(parse_setting_name(flag))
    if not owners:
        return ""
    return f"{flag} is a setting of {', '.join(owners)}; to set it: --set {owners[0]}.{parse_setting_name(flag)}=VALUE"


def parse_setting_name(flag: str) -> str:
    """Return the name of a flag's setting, without the prefix `no-`."""
    return flag.removeprefix("--").removeprefix("no-").replace("-", "_")


def iterate_models() -> Iterator[type[BaseModel]]:
    """Yield every model whose fields are flags of `unpaired train`."""
    yield from (DataSettings, NetworkSettings, TrainingSettings)
    for medium in MEDIA.values():
        yield from (medium.settings_model, medium.network_settings_model)
    yield from (build_method_settings_model(info.cls) for info in METHODS.values())


def parse_settings(namespace: argparse.Namespace) -> dict[str, Any]:
    """Return the settings on the command line as keyword arguments of `unpaired.train`."""
    fields = {name: info for model in iterate_models() for name, info in model.model_fields.items()}
    settings: dict[str, Any] = {
        name: getattr(namespace, name) for name in ("method", "preset") if getattr(namespace, name) is not None
    }
    return settings | parse_options(namespace, fields)


def refuse_settings_of_run(namespace: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Raise UsageError for flags that cannot change when a run is resumed."""
    refused_values = (
        namespace.out,
        namespace.config,
        namespace.pairs,
        namespace.dry_run,
        namespace.teacher,
        namespace.init,
        namespace.auto_depth,
    )
    if any(refused_values) or namespace.threshold is not None:
        raise UsageError(
            "--resume RUN uses the settings and the folder of the run; leave out --out, --config, --pairs, --dry-run, "
            "--teacher, --init, --auto-depth and --threshold"
        )
    refused_settings = sorted(settings.keys() - RESUMABLE_SETTINGS)
    if refused_settings:
        raise UsageError(explain_resume_flag(format_flag(refused_settings[0])))


def explain_resume_flag(flag: str) -> str:
    """Explain why a resumed run does not take a flag."""
    if flag in ("--devices", "--nodes"):
        return (
            f"{flag}: a resumed run keeps its number of processes, because each has its own image pools and its part "
            "of the items; another number would give another result. To use its weights on another number, start a "
            "new run with --init RUN"
        )
    changeable = "budget, patience, intervals, device, precision and threads"
    return f"{flag}: a resumed run keeps its value; only {changeable} can change"
