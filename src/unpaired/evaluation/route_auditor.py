"""Audit of one route: train probes on its translations and measure how much hidden information they read."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from unpaired.config.run_config import RunConfig, get_item_size
from unpaired.data.batches import BatchLoader
from unpaired.data.split import SplitName
from unpaired.errors import DivergenceError, WorkError
from unpaired.evaluation.audit_figure import RouteImages
from unpaired.evaluation.audit_results import PerturbationRow, RouteAudit
from unpaired.methods.base import Method
from unpaired.metrics import steganography
from unpaired.metrics.probes import PadToStride, ReverseTranslator, train_probe
from unpaired.routes import Route

HEADLINE_PERTURBATION = "noise .02, JPEG 75"
"""Key in `steganography.PERTURBATIONS` of the perturbation that defines hidden information."""
CHUNK_SIZE = 16
"""Images translated or reconstructed at once."""
SHOWN_ITEMS = 4
"""Items of each route in the figure."""
INVERSE_LR = 1e-3
"""Learning rate of the inverse that replaces a missing reverse route."""


class RouteAuditor:
    """Auditor of the routes of a method on the items of `batches`; the method does not change."""

    def __init__(
        self,
        config: RunConfig,
        method: Method,
        batches: BatchLoader,
        split: SplitName,
        limit: int,
        steps: int,
        seed: int,
    ) -> None:
        self.config, self.method, self.batches, self.split = config, method.eval(), batches, split
        self.limit, self.steps, self.seed = limit, steps, seed
        self.device = next((p.device for p in method.parameters()), torch.device("cpu"))
        pixels = get_item_size(config) ** 2
        self.batch_size = max(2, min(8, 2**16 // pixels))
        self.max_train_items = max(16, min(512, 2**25 // pixels))

    def reverse_route(self, route: Route) -> Route | None:
        """Return the method's own reverse route; None unless training makes it reconstruct the input."""
        return self.method.route(route.target, route.source) if self.method.is_cycle_consistent else None

    def count_steps(self, route: Route) -> int:
        """Return the total number of training steps of all networks for a route."""
        return self.steps * (2 if self.reverse_route(route) is not None else 4)

    def audit_route(self, route: Route, on_step: Callable[[], None]) -> tuple[RouteAudit, RouteImages]:
        """Audit one route; return the metrics and the images of the figure.

        Raises WorkError if all inputs are equal, DivergenceError if a probe or a translation is not finite.
        """
        start = time.perf_counter()
        train_x, x = (
            self.load_items(route.source, "train", self.max_train_items),
            self.load_items(route.source, self.split, self.limit),
        )
        targets = self.load_items(route.target, self.split, self.limit)
        train_y, y = self.translate(train_x, route), self.translate(x, route)
        probe = self.build_probe(route, train_y, train_x, on_step)
        headline_perturbation = steganography.PERTURBATIONS[HEADLINE_PERTURBATION]
        clean_probe, perturbed_probe = (
            self.train_perturbed_probe(probe, train_y, train_x, perturbation, on_step)
            for perturbation in (steganography.identity, headline_perturbation)
        )
        mean_input = train_x.mean(0)
        baseline_errors = steganography.squared_error(mean_input.expand_as(x), x)
        if not baseline_errors.sum() > 0:
            raise WorkError(
                f"{self.config.format_route(route)}: all inputs are equal, so translations cannot carry information "
                "about them; evaluate on items that differ"
            )
        real_change = steganography.real_image_change([targets], targets.mean(0), headline_perturbation)
        perturbed = headline_perturbation(y)
        errors = (
            steganography.squared_error(reconstruct(clean_probe, y), x),
            steganography.squared_error(reconstruct(perturbed_probe, perturbed), x),
        )
        hidden_fraction = steganography.hidden_fraction(*errors, baseline_errors, real_change)
        pairs = self.load_pairs(route)
        route_audit = RouteAudit(
            route=self.config.format_route(route),
            items=len(x),
            pairs=len(pairs[0]) if pairs is not None else 0,
            has_reverse_route=self.reverse_route(route) is not None,
            probe_steps=self.steps,
            train_items=len(train_x),
            r2=steganography.r2(errors[0], baseline_errors),
            r2_perturbed=steganography.r2(errors[1], baseline_errors),
            real_image_change=real_change,
            hidden=hidden_fraction.value,
            hidden_error=hidden_fraction.error,
            perturbations=tuple(
                _measure_perturbation(name, perturbation, probe, y, x, mean_input, targets, pairs)
                for name, perturbation in steganography.PERTURBATIONS.items()
            ),
            seconds=time.perf_counter() - start,
        )
        n = min(SHOWN_ITEMS, len(x), len(targets))
        images = RouteImages(
            route_audit.route,
            {
                "input": x[:n],
                "translation": y[:n],
                "faint signal": steganography.amplify_faint_signal(y[:n]),
                "real target": targets[:n],
                "faint signal ": steganography.amplify_faint_signal(targets[:n]),
                "reconstruction": reconstruct(probe, y[:n]),
                "after noise .02": reconstruct(probe, steganography.PERTURBATIONS["noise .02"](y[:n])),
                "after JPEG 75": reconstruct(probe, steganography.PERTURBATIONS["JPEG 75"](y[:n])),
                "probe, after both": reconstruct(perturbed_probe, perturbed[:n]),
            },
        )
        return route_audit, images

    def build_probe(self, route: Route, train_y: Tensor, train_x: Tensor, on_step: Callable[[], None]) -> nn.Module:
        """Return a probe: the method's own reverse route, or else a small inverse network that is trained first."""
        reverse = self.reverse_route(route)
        if reverse is not None:
            return ReverseTranslator(self.method, reverse).eval()
        net, stride = self.config.get_medium().create_inverse(self.config)
        inverse = PadToStride(net, stride).to(self.device)
        return train_probe(
            inverse,
            train_y,
            train_x,
            steganography.identity,
            2 * self.steps,
            batch_size=self.batch_size,
            lr=INVERSE_LR,
            seed=self.seed,
            on_step=on_step,
        )

    def train_perturbed_probe(
        self,
        probe: nn.Module,
        y: Tensor,
        x: Tensor,
        perturbation: steganography.Perturbation,
        on_step: Callable[[], None],
    ) -> nn.Module:
        """Train a copy of the probe to reconstruct `x` from its perturbed translations `y`."""
        return train_probe(
            probe, y, x, perturbation, self.steps, batch_size=self.batch_size, seed=self.seed, on_step=on_step
        )

    def load_items(self, key: str, split: SplitName, limit: int) -> Tensor:
        """Load at most `limit` items of a domain, (N, C, H, W)."""
        return self.stack_on_device([item.tensor for item in self.batches.iterate_items(key, split, limit)])

    def load_pairs(self, route: Route) -> tuple[Tensor, Tensor] | None:
        """Load the true pairs of the test split; None if the run has none."""
        if not self.config.pairs:
            return None
        loaded_pairs = list(self.batches.iterate_pairs(route.source, route.target, limit=self.limit))
        return (
            (
                self.stack_on_device([x for _, x, _ in loaded_pairs]),
                self.stack_on_device([y for _, _, y in loaded_pairs]),
            )
            if loaded_pairs
            else None
        )

    def stack_on_device(self, tensors: Sequence[Tensor]) -> Tensor:
        """Stack items on the method's device; raises WorkError if there are none."""
        if not tensors:
            raise WorkError("no item of a domain can be read; restore the run's data")
        return torch.stack(list(tensors)).to(self.device)

    @torch.no_grad()
    def translate(self, x: Tensor, route: Route) -> Tensor:
        """Translate (N, C, H, W) and clamp to [-1, 1]; raises DivergenceError for non-finite values."""
        parts = [self.method.translate(part, route.source, route.target).float() for part in x.split(CHUNK_SIZE)]
        y = torch.cat(parts)
        if not torch.isfinite(y).all():
            raise DivergenceError(f"{self.config.format_route(route)}: the translation contains infinite or NaN values")
        return y.clamp(-1, 1)


@torch.no_grad()
def reconstruct(probe: nn.Module, y: Tensor) -> Tensor:
    """Reconstruct inputs from translations (N, C, H, W) with a probe; return values in [-1, 1]."""
    return torch.cat([probe(part).float() for part in y.split(CHUNK_SIZE)]).clamp(-1, 1)


def _measure_perturbation(
    name: str,
    perturbation: steganography.Perturbation,
    probe: nn.Module,
    y: Tensor,
    x: Tensor,
    mean_input: Tensor,
    targets: Tensor,
    pairs: tuple[Tensor, Tensor] | None,
) -> PerturbationRow:
    perturbed = perturbation(y)
    reconstruction = reconstruct(probe, perturbed)
    change = steganography.squared_error(perturbed, y).mean().item()

    def compute_r2(reconstruction: Tensor, x: Tensor) -> float:
        return steganography.r2(
            steganography.squared_error(reconstruction, x), steganography.squared_error(mean_input.expand_as(x), x)
        )

    return PerturbationRow(
        perturbation=name,
        db=min(100.0, 10 * math.log10(4 / change)) if change else 100.0,
        error=(reconstruction - x).abs().mean().item() / 2,
        r2=compute_r2(reconstruction, x),
        sensitivity=steganography.sensitivity(lambda part: reconstruct(probe, part), [targets], perturbation),
        r2_true_pairs=compute_r2(reconstruct(probe, perturbation(pairs[1])), pairs[0]) if pairs is not None else None,
    )
