"""What a state_dict of the reference authors' ResNet generators holds, inferred from its names and shapes alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unpaired.errors import WorkError
from unpaired.settings import Antialias, Norm, Padding

EXPECTED = "expected the ResNet generator of CycleGAN or CUT, as their code saves it (latest_net_G_A.pth)"
WRAPPERS = ("module.", "_orig_mod.")
"""What other wrappers of torch put before every name of the network within: DataParallel, compile."""
LEARNED = ("batch", "instance-affine")
"""Norms with weights."""
COUNTER = "num_batches_tracked"
BLURS = {3: (1.0, 2.0, 1.0), 4: (1.0, 3.0, 3.0, 1.0)}
"""CUT's filters by their size: before halving, and after doubling."""


@dataclass
class Layers:
    """The names of a network's layers with weights, in the order of its forward pass, by what they are."""

    convolutions: list[str] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)
    blurs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """The form of a generator; `layers` names what holds its weights, in order: convolutions, and learned norms."""

    inputs: int
    outputs: int
    width: int
    blocks: int
    norm: Norm
    padding: Padding
    antialias: Antialias
    layers: tuple[str, ...]

    def __str__(self) -> str:
        where = f" {self.antialias}" if isinstance(self.antialias, str) else ""
        blur = f", antialiased{where}" if self.antialias else ""
        edge = "" if self.padding == "reflect" else ", padded with zeros"
        return (
            f"ResNet of {self.blocks} blocks, ngf {self.width}, {self.inputs} to {self.outputs} channels, "
            f"{self.norm} norm{blur}{edge}"
        )


def layers(blocks: int, padded: bool, dropout: bool, down: bool, up: bool) -> Layers:
    """The names in a Sequential of this form, where padding, rectifiers and dropout have places and no weights."""
    out = Layers()
    place = pad = int(padded)

    def add(changes: bool = False) -> None:
        nonlocal place
        if changes and up:
            out.blurs.append(f"model.{place}")
            place += 1
        out.convolutions.append(f"model.{place}")
        out.norms.append(f"model.{place + 1}")
        place += 3

    add()
    for _ in range(2):
        add()
        if down:
            out.blurs.append(f"model.{place}")
            place += 1
    for _ in range(blocks):
        for inner in (pad, 2 * pad + 3 + dropout):
            out.convolutions.append(f"model.{place}.conv_block.{inner}")
            out.norms.append(f"model.{place}.conv_block.{inner + 1}")
        place += 1
    for _ in range(2):
        add(changes=True)
    out.convolutions.append(f"model.{place + pad}")
    return out


def unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without what wrappers put before every name, and without counters, which nothing here needs."""
    names, cut = list(state), 0
    while names and (wrapper := next((w for w in WRAPPERS if all(name.startswith(w, cut) for name in names)), None)):
        cut += len(wrapper)
    return {name[cut:]: tensor for name, tensor in state.items() if not name.endswith(COUNTER)}


def layout_of(state: Mapping[str, Tensor]) -> Layout:
    """The form of the generator whose (unwrapped) state this is; raises WorkError that says what else it is."""
    if other := other_network(state):
        raise WorkError(f"{other}; {EXPECTED}")
    padded = "model.0.weight" not in state
    stem = state.get(f"model.{int(padded)}.weight")
    numbers = {name.split(".")[1] for name in state if ".conv_block." in name}
    if stem is None or stem.ndim != 4 or not numbers:
        raise WorkError(f"no ResNet generator (it begins with {first_of(state)}); {EXPECTED}")
    first = min(map(int, numbers))
    dropped = state.get(f"model.{first}.conv_block.{6 if padded else 4}.weight")
    dropout = dropped is not None and dropped.ndim == 4
    down = f"model.{6 + padded}.filt" in state
    up = f"model.{first + len(numbers)}.filt" in state
    names = layers(len(numbers), padded, dropout, down, up)
    kind = norm_of(state, names)
    width, inputs = stem.shape[:2]
    head = state.get(f"{names.convolutions[-1]}.weight")
    layout = Layout(
        inputs=inputs,
        outputs=0 if head is None else len(head),
        width=width,
        blocks=len(numbers),
        norm=kind,
        padding="reflect" if padded else "zeros",
        antialias=down if down == up else "down" if down else "up",
        layers=tuple(in_order(names) if kind in LEARNED else names.convolutions),
    )
    compare(state, dict(shapes(layout, names, state)))
    for end, channels in (("reads", layout.inputs), ("makes", layout.outputs)):
        if channels not in (1, 3):
            raise WorkError(f"a ResNet generator that {end} {channels} channels; expected 1 or 3")
    check_blurs(state, names)
    return layout


def in_order(names: Layers) -> Iterator[str]:
    """Each convolution and its norm."""
    for i, convolution in enumerate(names.convolutions):
        yield convolution
        yield from names.norms[i : i + 1]


def norm_of(state: Mapping[str, Tensor], names: Layers) -> Norm:
    """The norm that a state tells of: only batch norm has both weights and running statistics in use.

    Old versions of torch saved running statistics of instance norm too, which it does not use. Without any norm the
    authors' convolutions have no bias either (but the last), with instance norm they have.
    """
    first = names.norms[0]
    learned, running = f"{first}.weight" in state, f"{first}.running_mean" in state
    if learned:
        return "batch" if running else "instance-affine"
    return "instance" if running or f"{names.convolutions[0]}.bias" in state else "none"


def shapes(layout: Layout, names: Layers, state: Mapping[str, Tensor]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor that a generator of this form has, with its shape."""
    w, down, up = layout.width, layout.antialias in (True, "down"), layout.antialias in (True, "up")
    inner = [(4 * w, 4 * w, 3, False)] * (2 * layout.blocks)
    form = [(layout.inputs, w, 7, False), (w, 2 * w, 3, False), (2 * w, 4 * w, 3, False), *inner]
    form += [(4 * w, 2 * w, 3, not up), (2 * w, w, 3, not up), (w, layout.outputs, 7, False)]
    biased = f"{names.convolutions[0]}.bias" in state
    tracked = f"{names.norms[0]}.running_mean" in state
    for i, (name, (before, after, side, transposed)) in enumerate(zip(names.convolutions, form, strict=True)):
        yield f"{name}.weight", (before, after, side, side) if transposed else (after, before, side, side)
        last = i == len(form) - 1
        if biased or last:
            yield f"{name}.bias", (after,)
        if not last:
            kept = (["weight", "bias"] if layout.norm in LEARNED else []) + ["running_mean", "running_var"] * tracked
            yield from ((f"{names.norms[i]}.{part}", (after,)) for part in kept)
    blurs = [(2 * w, 3), (4 * w, 3)] * down + [(4 * w, 4), (2 * w, 4)] * up
    yield from ((f"{name}.filt", (c, 1, n, n)) for name, (c, n) in zip(names.blurs, blurs, strict=True))


def compare(state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise WorkError for the first tensor that is missing, or is there and should not be, or has another shape."""
    for name, shape in expected.items():
        if name not in state:
            raise WorkError(f"nearly a ResNet generator, but it lacks {name}; {EXPECTED}")
        if tuple(state[name].shape) != shape:
            raise WorkError(
                f"nearly a ResNet generator, but {name} has shape {tuple(state[name].shape)}, where one has {shape}; "
                f"{EXPECTED}"
            )
    for name, tensor in state.items():
        if name not in expected:
            raise WorkError(f"nearly a ResNet generator, but it also has {name} {tuple(tensor.shape)}; {EXPECTED}")
        if not bool(tensor.isfinite().all()):
            raise WorkError(f"{name} has values that are no finite numbers: the network was lost while it trained")


def check_blurs(state: Mapping[str, Tensor], names: Layers) -> None:
    """Raise WorkError where a blur is not CUT's."""
    for name in names.blurs:
        given = state[f"{name}.filt"].float()
        row = torch.tensor(BLURS[given.shape[-1]])
        wanted = torch.outer(row, row)
        wanted *= (4 if given.shape[-1] == 4 else 1) / wanted.sum()
        if not torch.allclose(given, wanted.expand_as(given), atol=1e-6):
            raise WorkError(f"a ResNet generator whose blur {name}.filt is not CUT's; {EXPECTED}")


def other_network(state: Mapping[str, Tensor]) -> str | None:
    """What the state is, if it is another network of the authors' programs."""
    if any(name.startswith("model.model.") for name in state):
        return "a U-Net generator, which cannot be imported"
    if any(name.startswith("mlp_") for name in state):
        return "the feature network of CUT (netF), not its generator"
    first = state.get("model.0.weight", state.get("net.0.weight"))
    if first is not None and first.ndim == 4 and first.shape[-1] in (1, 4):
        return "a critic (netD), not a generator"
    return None


def first_of(state: Mapping[str, Tensor]) -> str:
    """The first tensor's name and shape."""
    return next((f"{name} {tuple(tensor.shape)}" for name, tensor in state.items()), "nothing")
