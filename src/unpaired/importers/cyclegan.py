"""A generator of the reference authors' CycleGAN or CUT becomes a run that translates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unpaired import __version__
from unpaired.config.resolve import build_method_settings_model
from unpaired.config.run_config import RunConfig, write_config
from unpaired.config.settings import DataSettings, TrainingSettings
from unpaired.data.domain import Domain
from unpaired.data.folders import is_valid_name
from unpaired.errors import UsageError, WorkError
from unpaired.importers.state_dict_layout import EXPECTED_FILE, GeneratorLayout, infer_layout, remove_wrappers
from unpaired.media.image.settings import ImageSettings, ImageStatistics
from unpaired.methods import METHODS, SINGLE_GENERATOR_METHOD
from unpaired.methods.base import Method
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.runs.folder import RunFolder, require_unused, save_model
from unpaired.runs.history import History
from unpaired.runs.method_builder import build_method

TORCH_SIGNATURES = (b"PK\x03\x04", b"\x80")
"""How files of torch.save begin: as archives, those before torch 1.6 as pickles."""
OTHER_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8": "a JPEG picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"RIFF": "a WebP picture or a WAV recording",
    b"fLaC": "a FLAC recording",
}
"""How files begin that are taken for such by mistake."""
MIN_SIZE, MAX_SIZE = 32, 4096
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""ITU-R 601: how the authors' loader makes gray of colour, for networks of one channel."""


def import_generator(file: Path, out: Path, source: str = "A", target: str = "B", size: int = 256) -> str:
    """Make `out` a run that translates `source` to `target` by the generator in `file`; returns what it is, in words.

    `size` is that of the pictures it was trained on (their `crop_size`). Raises UsageError for wrong arguments,
    WorkError where the file holds anything but such a generator.
    """
    check_arguments(file, out, source, target, size)
    state_dict = read_state_dict(file)
    try:
        layout = infer_layout(state_dict)
    except WorkError as error:
        raise WorkError(f"{file}: {error}") from error
    config = create_run_config(layout, file, (source, target), size)
    method = build_method(config)
    load_weights(method, layout, state_dict)
    folder = RunFolder(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_config(folder.config, config)
        save_model(folder.model_path("last"), method, config, 0)
        description = f"imported from {file.name}: {layout}, for {size} px"
        History(folder.history).add("notice", 0, message=description)
    except OSError as error:
        raise WorkError(f"{out}: the run's folder cannot be written ({error})") from error
    return description


def check_arguments(file: Path, out: Path, source: str, target: str, size: int) -> None:
    """Raise UsageError for what cannot be right, whatever the file holds."""
    if not file.is_file():
        raise UsageError(f"{file}: no such file; {EXPECTED_FILE}")
    require_unused(out)
    for name in (source, target):
        if not is_valid_name(name):
            raise UsageError(f"domain '{name}'; expected a name without ',', '=' and '/'")
    if source == target:
        raise UsageError(f"--from {source} --to {target}: expected two names")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"size {size}; expected a multiple of 4 from {MIN_SIZE} to {MAX_SIZE} (their --crop_size)")


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """The tensors of a file of torch.save, in float32, on the CPU, unwrapped; nothing in it is run.

    Raises WorkError where it holds code or objects, or anything else than named tensors of real numbers.
    """
    require_torch_file(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a foreign file's bytes make torch raise
        if re.search(r"weights_only|Weights only|WeightsUnpickler", str(error)):
            match = re.search(r"(?:GLOBAL|global|Unsupported class|function|type)\s+`?([\w.]+\.[\w.]+)", str(error))
            class_text = f" ({match[1]})" if match else ""
            raise WorkError(
                f"{file}: a pickle of more than weights{class_text}, which could run code and was not loaded; save the "
                f"network's state_dict alone; {EXPECTED_FILE}"
            ) from None
        raise WorkError(
            f"{file}: not a file of torch.save, or damaged ({get_first_line(error)}); {EXPECTED_FILE}"
        ) from error
    return remove_wrappers(require_tensors(file, content))


def require_torch_file(file: Path) -> None:
    """Refuse a file that torch did not save, by how it begins; raises WorkError."""
    try:
        with file.open("rb") as stream:
            first_bytes = stream.read(8)
    except OSError as error:
        raise WorkError(f"{file}: cannot be read ({error})") from error
    if not first_bytes.startswith(TORCH_SIGNATURES):
        file_type_text = next(
            (
                f" but {file_type}"
                for signature, file_type in OTHER_SIGNATURES.items()
                if first_bytes.startswith(signature)
            ),
            "",
        )
        raise WorkError(f"{file}: not a file of torch.save{file_type_text}; {EXPECTED_FILE}")


def require_tensors(file: Path, content: Any) -> dict[str, Tensor]:
    """`found` if it is named tensors; raises WorkError that says what it is."""
    if not isinstance(content, dict):
        raise WorkError(f"{file}: holds a {type(content).__name__}; {EXPECTED_FILE}")
    if {"state", "param_groups"} <= content.keys():
        raise WorkError(f"{file}: an optimizer's state, not a network; {EXPECTED_FILE}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            keys = ", ".join(map(str, list(content)[:5]))
            raise WorkError(f"{file}: a dictionary of {keys} ('{name}' is a {type(value).__name__}); {EXPECTED_FILE}")
        if not name.endswith("num_batches_tracked") and not value.is_floating_point():
            raise WorkError(f"{file}: {name} is of {value.dtype}; expected floating point")
    return {name: value.float() for name, value in content.items()}


def get_first_line(error: Exception) -> str:
    """An error in a line."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def create_run_config(layout: GeneratorLayout, file: Path, domains: tuple[str, str], size: int) -> RunConfig:
    """The configuration of a run whose network has this form."""
    method, settings = SINGLE_GENERATOR_METHOD
    channels = (layout.in_channels, layout.out_channels)
    return RunConfig(
        unpaired_version=__version__,
        method=method,
        preset="paper",
        medium="image",
        method_settings=build_method_settings_model(METHODS[method].cls).model_validate(settings),
        medium_settings=ImageSettings(size=size, resize_mode="scale", channels="3" if 3 in channels else "1"),
        domains=tuple(
            Domain(name=name, sources=(), statistics=ImageStatistics(color=count == 3))
            for name, count in zip(domains, channels, strict=True)
        ),
        imported_from=str(file.absolute()),
        data=DataSettings(),
        networks=ImageNetworkSettings(
            generator="resnet",
            width=layout.width,
            blocks=layout.blocks,
            norm=layout.norm,
            padding=layout.padding,
            antialias=layout.antialias,
        ),
        training=TrainingSettings(),
    )


@torch.no_grad()
def load_weights(method: Method, layout: GeneratorLayout, state_dict: Mapping[str, Tensor]) -> None:
    """Put the weights into the one role that translates: the two networks have the same layers in the same order.

    Biases that the file lacks are zero. Where only one end is gray, a run has three channels at both all the same: the
    stem then makes gray of its input as the authors' loader does, and the head gives its one channel thrice.
    """
    (role,) = method.translation_roles
    layer_types = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.GroupNorm)
    modules = [module for module in method.get_submodule(role).modules() if isinstance(module, layer_types)]
    for module, name in zip(modules, layout.layer_names, strict=True):
        weight, bias = state_dict[f"{name}.weight"], state_dict.get(f"{name}.bias")
        if layout.in_channels < layout.out_channels and name == layout.layer_names[0]:
            weight = weight * weight.new_tensor(LUMA_WEIGHTS)[:, None, None]
        if layout.out_channels < layout.in_channels and name == layout.layer_names[-1]:
            weight, bias = weight.expand(3, -1, -1, -1), state_dict[f"{name}.bias"].expand(3)
        module.weight.copy_(weight)
        assert module.bias is not None
        module.bias.copy_(torch.zeros_like(module.bias) if bias is None else bias)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(state_dict[f"{name}.running_mean"])
            module.running_var.copy_(state_dict[f"{name}.running_var"])
