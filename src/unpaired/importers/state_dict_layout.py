"""Layout of the reference ResNet generators, inferred from the names and shapes in a state_dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unpaired.config.settings import Norm
from unpaired.errors import WorkError
from unpaired.networks.image_settings import Antialias, Padding

EXPECTED_FILE = "expected the ResNet generator of CycleGAN or CUT, as their code saves it (latest_net_G_A.pth)"
WRAPPER_PREFIXES = ("module.", "_orig_mod.")
"""Prefixes that DataParallel and torch.compile add to the names of a network's tensors."""
LEARNED_NORMS = ("batch", "instance-affine")
"""Norms with learned weights."""
COUNTER_SUFFIX = "num_batches_tracked"
BLUR_KERNELS = {3: (1.0, 2.0, 1.0), 4: (1.0, 3.0, 3.0, 1.0)}
"""CUT's blur filters by size: 3 before downsampling, 4 after upsampling."""


@dataclass
class LayerNames:
    """Names of a network's layers by type, in the order of the forward pass."""

    convolutions: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    blurs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class GeneratorLayout:
    """Architecture of a generator.

    `layer_names` lists its layers with weights in order: convolutions and learned norms.
    """

    in_channels: int
    out_channels: int
    width: int
    blocks: int
    norm: Norm
    padding: Padding
    antialias: Antialias
    layer_names: tuple[str, ...]

    def __str__(self) -> str:
        antialias_side = f" {self.antialias}" if isinstance(self.antialias, str) else ""
        antialias_text = f", antialiased{antialias_side}" if self.antialias else ""
        padding_text = "" if self.padding == "reflect" else ", padded with zeros"
        return (
            f"ResNet of {self.blocks} blocks, ngf {self.width}, {self.in_channels} to {self.out_channels} channels, "
            f"{self.norm} norm{antialias_text}{padding_text}"
        )


def list_layer_names(
    blocks: int, has_padding_layers: bool, has_dropout: bool, antialias_down: bool, antialias_up: bool
) -> LayerNames:
    """Return the layer names in a Sequential of this architecture.

    Padding, activations and dropout have indices but no weights.
    """
    layer_names = LayerNames()
    index = padding_offset = int(has_padding_layers)

    def add_layer(upsamples: bool = False) -> None:
        nonlocal index
        if upsamples and antialias_up:
            layer_names.blurs.append(f"model.{index}")
            index += 1
        layer_names.convolutions.append(f"model.{index}")
        layer_names.norms.append(f"model.{index + 1}")
        index += 3

    add_layer()
    for _ in range(2):
        add_layer()
        if antialias_down:
            layer_names.blurs.append(f"model.{index}")
            index += 1
    for _ in range(blocks):
        for inner_index in (padding_offset, 2 * padding_offset + 3 + has_dropout):
            layer_names.convolutions.append(f"model.{index}.conv_block.{inner_index}")
            layer_names.norms.append(f"model.{index}.conv_block.{inner_index + 1}")
        index += 1
    for _ in range(2):
        add_layer(upsamples=True)
    layer_names.convolutions.append(f"model.{index + padding_offset}")
    return layer_names


def remove_wrappers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state without the prefixes of wrappers and without batch counters."""
    layer_names, prefix_length = list(state_dict), 0
    while layer_names and (
        wrapper := next(
            (w for w in WRAPPER_PREFIXES if all(name.startswith(w, prefix_length) for name in layer_names)), None
        )
    ):
        prefix_length += len(wrapper)
    return {name[prefix_length:]: tensor for name, tensor in state_dict.items() if not name.endswith(COUNTER_SUFFIX)}


def infer_layout(state_dict: Mapping[str, Tensor]) -> GeneratorLayout:
    """Return the layout of the generator with this (unwrapped) state; raises WorkError that says what else it is."""
    if other_network_name := identify_other_network(state_dict):
        raise WorkError(f"{other_network_name}; {EXPECTED_FILE}")
    has_padding_layers = "model.0.weight" not in state_dict
    stem = state_dict.get(f"model.{int(has_padding_layers)}.weight")
    block_indices = {name.split(".")[1] for name in state_dict if ".conv_block." in name}
    if stem is None or stem.ndim != 4 or not block_indices:
        raise WorkError(f"not a ResNet generator (first tensor: {describe_first_tensor(state_dict)}); {EXPECTED_FILE}")
    first_block = min(map(int, block_indices))
    weight_after_dropout = state_dict.get(f"model.{first_block}.conv_block.{6 if has_padding_layers else 4}.weight")
    has_dropout = weight_after_dropout is not None and weight_after_dropout.ndim == 4
    antialias_down = f"model.{6 + has_padding_layers}.filt" in state_dict
    antialias_up = f"model.{first_block + len(block_indices)}.filt" in state_dict
    layer_names = list_layer_names(len(block_indices), has_padding_layers, has_dropout, antialias_down, antialias_up)
    norm = infer_norm(state_dict, layer_names)
    width, in_channels = stem.shape[:2]
    head = state_dict.get(f"{layer_names.convolutions[-1]}.weight")
    layout = GeneratorLayout(
        in_channels=in_channels,
        out_channels=0 if head is None else len(head),
        width=width,
        blocks=len(block_indices),
        norm=norm,
        padding="reflect" if has_padding_layers else "zeros",
        antialias=antialias_down if antialias_down == antialias_up else "down" if antialias_down else "up",
        layer_names=tuple(iterate_weight_layers(layer_names) if norm in LEARNED_NORMS else layer_names.convolutions),
    )
    check_shapes(state_dict, dict(iterate_expected_shapes(layout, layer_names, state_dict)))
    for side, channels in (("input", layout.in_channels), ("output", layout.out_channels)):
        if channels not in (1, 3):
            raise WorkError(f"a ResNet generator with {channels} {side} channels; expected 1 or 3")
    check_blurs(state_dict, layer_names)
    return layout


def iterate_weight_layers(layer_names: LayerNames) -> Iterator[str]:
    """Yield each convolution, followed by its norm."""
    for i, convolution in enumerate(layer_names.convolutions):
        yield convolution
        yield from layer_names.norms[i : i + 1]


def infer_norm(state_dict: Mapping[str, Tensor], layer_names: LayerNames) -> Norm:
    """Return the norm: only batch norm has both weights and running statistics in use.

    Old versions of torch also saved running statistics of instance norm, which does not use them. In the reference
    code, convolutions have a bias with instance norm, but not without any norm (except the last one).
    """
    first_norm = layer_names.norms[0]
    has_weights, has_running_stats = f"{first_norm}.weight" in state_dict, f"{first_norm}.running_mean" in state_dict
    if has_weights:
        return "batch" if has_running_stats else "instance-affine"
    return "instance" if has_running_stats or f"{layer_names.convolutions[0]}.bias" in state_dict else "none"


def iterate_expected_shapes(
    layout: GeneratorLayout, layer_names: LayerNames, state_dict: Mapping[str, Tensor]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and shape of every tensor that a generator of this layout has."""
    w, antialias_down, antialias_up = layout.width, layout.antialias in (True, "down"), layout.antialias in (True, "up")
    block_specs = [(4 * w, 4 * w, 3, False)] * (2 * layout.blocks)
    convolution_specs = [
        (layout.in_channels, w, 7, False),
        (w, 2 * w, 3, False),
        (2 * w, 4 * w, 3, False),
        *block_specs,
    ]
    convolution_specs += [
        (4 * w, 2 * w, 3, not antialias_up),
        (2 * w, w, 3, not antialias_up),
        (w, layout.out_channels, 7, False),
    ]
    has_bias = f"{layer_names.convolutions[0]}.bias" in state_dict
    has_running_stats = f"{layer_names.norms[0]}.running_mean" in state_dict
    for i, (name, (in_channels, out_channels, kernel_size, is_transposed)) in enumerate(
        zip(layer_names.convolutions, convolution_specs, strict=True)
    ):
        yield (
            f"{name}.weight",
            (in_channels, out_channels, kernel_size, kernel_size)
            if is_transposed
            else (out_channels, in_channels, kernel_size, kernel_size),
        )
        is_last = i == len(convolution_specs) - 1
        if has_bias or is_last:
            yield f"{name}.bias", (out_channels,)
        if not is_last:
            norm_parts = (["weight", "bias"] if layout.norm in LEARNED_NORMS else []) + [
                "running_mean",
                "running_var",
            ] * has_running_stats
            yield from ((f"{layer_names.norms[i]}.{part}", (out_channels,)) for part in norm_parts)
    blurs = [(2 * w, 3), (4 * w, 3)] * antialias_down + [(4 * w, 4), (2 * w, 4)] * antialias_up
    yield from ((f"{name}.filt", (c, 1, n, n)) for name, (c, n) in zip(layer_names.blurs, blurs, strict=True))


def check_shapes(state_dict: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise WorkError for the first tensor that is missing, unexpected, or of another shape."""
    for name, shape in expected.items():
        if name not in state_dict:
            raise WorkError(f"similar to a ResNet generator, but it lacks {name}; {EXPECTED_FILE}")
        if tuple(state_dict[name].shape) != shape:
            raise WorkError(
                f"similar to a ResNet generator, but {name} has shape {tuple(state_dict[name].shape)} instead of "
                f"{shape}; {EXPECTED_FILE}"
            )
    for name, tensor in state_dict.items():
        if name not in expected:
            raise WorkError(
                f"similar to a ResNet generator, but it also has {name} {tuple(tensor.shape)}; {EXPECTED_FILE}"
            )
        if not bool(tensor.isfinite().all()):
            raise WorkError(
                f"{name} has values that are not finite: training of the network diverged; use an earlier checkpoint"
            )


def check_blurs(state_dict: Mapping[str, Tensor], layer_names: LayerNames) -> None:
    """Raise WorkError if a blur filter is not CUT's."""
    for name in layer_names.blurs:
        blur_filter = state_dict[f"{name}.filt"].float()
        kernel = torch.tensor(BLUR_KERNELS[blur_filter.shape[-1]])
        expected_filter = torch.outer(kernel, kernel)
        expected_filter *= (4 if blur_filter.shape[-1] == 4 else 1) / expected_filter.sum()
        if not torch.allclose(blur_filter, expected_filter.expand_as(blur_filter), atol=1e-6):
            raise WorkError(f"a ResNet generator whose blur {name}.filt is not CUT's; {EXPECTED_FILE}")


def identify_other_network(state_dict: Mapping[str, Tensor]) -> str | None:
    """Return a description if the state is another network of the reference code, else None."""
    if any(name.startswith("model.model.") for name in state_dict):
        return "a U-Net generator, which cannot be imported"
    if any(name.startswith("mlp_") for name in state_dict):
        return "the feature network of CUT (netF), not its generator"
    first_weight = state_dict.get("model.0.weight", state_dict.get("net.0.weight"))
    if first_weight is not None and first_weight.ndim == 4 and first_weight.shape[-1] in (1, 4):
        return "a discriminator (netD), not a generator"
    return None


def describe_first_tensor(state_dict: Mapping[str, Tensor]) -> str:
    """Return the first tensor's name and shape."""
    return next((f"{name} {tuple(tensor.shape)}" for name, tensor in state_dict.items()), "nothing")
