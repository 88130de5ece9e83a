"""Import of a generator of the reference CycleGAN or CUT code as a run that translates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unpaired import __version__
from unpaired.config.run_config import RunConfig, write_config
from unpaired.config.setting_models import build_method_settings_model
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
"""First bytes of files of torch.save: zip archives, or pickles before torch 1.6."""
OTHER_SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8": "a JPEG picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"RIFF": "a WebP picture or a WAV recording",
    b"fLaC": "a FLAC recording",
}
"""First bytes of other files that may be given by mistake, for the error message."""
MIN_SIZE, MAX_SIZE = 32, 4096
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""ITU-R 601 weights with which the reference code converts color to gray for networks of one channel."""


def import_generator(file: Path, out: Path, source: str = "A", target: str = "B", size: int = 256) -> str:
    """Make `out` a run that translates `source` to `target` with the generator in `file`; returns its description.

    `size` is the size of the images it was trained on (their `crop_size`). Raises UsageError for wrong arguments,
    WorkError if the file contains anything but such a generator.
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
    except (OSError, WorkError) as error:
        for path in (folder.history, folder.model_path("last"), folder.config):
            path.unlink(missing_ok=True)  # so that the same command can be repeated
        if isinstance(error, WorkError):
            raise
        raise WorkError(f"{out}: the run's folder cannot be written ({error})") from error
    return description


def check_arguments(file: Path, out: Path, source: str, target: str, size: int) -> None:
    """Raise UsageError for invalid arguments; the file is not read for this."""
    if not file.is_file():
        raise UsageError(f"{file}: no such file; {EXPECTED_FILE}")
    require_unused(out)
    for name in (source, target):
        if not is_valid_name(name):
            raise UsageError(f"domain '{name}'; expected a name without ',', '=' and '/'")
    if source == target:
        raise UsageError(f"--from {source} --to {target}: expected two different names")
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(
            f"--size {size}: expected a multiple of 4 from {MIN_SIZE} to {MAX_SIZE} (--crop_size of its training)"
        )


def read_state_dict(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of torch.save, as float32 on the CPU, without wrappers; no code of the file is run.

    Raises WorkError if the file contains code, objects, or anything else than named floating-point tensors.
    """
    require_torch_file(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file can raise almost any exception
        if re.search(r"weights_only|Weights only|WeightsUnpickler", str(error)):
            match = re.search(r"(?:GLOBAL|global|Unsupported class|function|type)\s+`?([\w.]+\.[\w.]+)", str(error))
            class_text = f" ({match[1]})" if match else ""
            raise WorkError(
                f"{file}: a pickle of more than weights{class_text}, which could run code, so it was not loaded; save "
                f"only the network's state_dict; {EXPECTED_FILE}"
            ) from None
        raise WorkError(
            f"{file}: not a file of torch.save, or damaged ({get_first_line(error)}); {EXPECTED_FILE}"
        ) from error
    return remove_wrappers(require_tensors(file, content))


def require_torch_file(file: Path) -> None:
    """Raise WorkError if the first bytes are not those of a file of torch.save."""
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
    """Return `content` as float32 if it is a dictionary of named tensors; raises WorkError that says what it is."""
    if not isinstance(content, dict):
        raise WorkError(f"{file}: contains a {type(content).__name__}; {EXPECTED_FILE}")
    if {"state", "param_groups"} <= content.keys():
        raise WorkError(f"{file}: an optimizer's state, not a network; {EXPECTED_FILE}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            keys = ", ".join(map(str, list(content)[:5]))
            raise WorkError(f"{file}: a dictionary of {keys} ('{name}' is a {type(value).__name__}); {EXPECTED_FILE}")
        if not name.endswith("num_batches_tracked") and not value.is_floating_point():
            raise WorkError(f"{file}: {name} has type {value.dtype}; expected floating point")
    return {name: value.float() for name, value in content.items()}


def get_first_line(error: Exception) -> str:
    """Return the first line of an error, at most 200 characters."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def create_run_config(layout: GeneratorLayout, file: Path, domains: tuple[str, str], size: int) -> RunConfig:
    """Return the configuration of a run whose generator has this layout."""
    method, settings = SINGLE_GENERATOR_METHOD
    channels = (layout.in_channels, layout.out_channels)
    return RunConfig(
        unpaired_version=__version__,
        method=method,
        preset="paper",
        medium="image",
        method_settings=build_method_settings_model(METHODS[method].cls).model_validate(settings),
        medium_settings=ImageSettings(size=size, resize_mode="scale", flip=True, channels=3 if 3 in channels else 1),
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
    """Copy the weights into the method's one translating role: both networks have the same layers in the same order.

    Biases that the file lacks are zero. If only one side is gray, the run still has three channels on both: the stem
    then converts its input to gray as the reference code does, and the head repeats its one channel three times.
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
