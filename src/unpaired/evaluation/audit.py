"""The audit of a run: how much of the inputs its translations hide in imperceptible signal (steganography)."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from unpaired.atomic import atomic_write
from unpaired.config.run_config import RunConfig, get_item_size
from unpaired.console import ProgressCallback, ignore_progress
from unpaired.data.batches import BatchLoader
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.data.split import SplitName, choose_evaluation_split
from unpaired.devices import isolate_rng, pick_device
from unpaired.errors import DivergenceError, UsageError, WorkError
from unpaired.evaluation.audit_figure import RouteImages, draw_audit_image
from unpaired.evaluation.audit_results import Audit, PerturbationRow, RouteAudit
from unpaired.evaluation.test_sets import load_own_sets
from unpaired.media.pictures import save_pixels
from unpaired.methods.base import Method, Route
from unpaired.metrics import steganography
from unpaired.metrics.probes import PadToStride, ReverseTranslator, train_probe
from unpaired.metrics.route_selection import select_evenly
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import Checkpoint, RunFolder, load_model, require_writable

CHUNK_SIZE = 16
HEADLINE_PERTURBATION = "noise .02, JPEG 75"
"""The perturbation of the headline, by its name in `steganography.PERTURBATIONS`."""
SHOWN_ITEMS = 4
"""Items of each route in the figure."""
MAX_ROUTES = 4
"""Routes that are audited, spread evenly over all."""
PROBE_STEPS = 150
INVERSE_LR = 1e-3


def audit(
    run: Path | str,
    *,
    checkpoint: Checkpoint | None = None,
    to: str | None = None,
    limit: int = 100,
    inverse_steps: int = PROBE_STEPS,
    device: str = "auto",
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> Audit:
    """Measure hidden information on a run's held-out items, and write `audit.json` and `audit.png` into its folder.

    The result's `hidden` has a number for each route, `mean_hidden` their mean: fractions in [0, 1] that compare
    between methods on the same data (see `steganography.hidden_fraction`). `to` audits the routes to one domain only,
    `limit` bounds the items. Each route trains two probes for `inverse_steps` each, and an inverse for twice as many
    where the method has no reverse route. With few steps the number may be too large (what a probe did not learn to
    read counts as hidden), and too small with a trained inverse. The run's weights and torch's random numbers do not
    change.

    Raises UsageError where the run or the options do not fit, WorkError where nothing was held out.
    """
    for name, value in (("limit", limit), ("inverse-steps", inverse_steps)):
        if value < 2:
            raise UsageError(f"--{name} {value}: expected 2 or more")
    folder = RunFolder(Path(run))
    with torch.random.fork_rng(devices=[]):  # networks are drawn before they are loaded
        model = load_model(folder.path, checkpoint)
    config, method = model.config, model.method
    require_writable(folder.path)
    if reason := config.get_medium().explain_audit_refusal():
        raise UsageError(f"{run}: {reason}; to measure the run: unpaired evaluate {run}")
    routes = [r for r in method.routes if to is None or config.get_domain(r.target).name == to]
    if not routes:
        names = sorted({config.get_domain(r.target).name for r in method.routes})
        raise UsageError(f"--to {to}: this run translates to {' and '.join(names)}")
    sets, set_description = load_own_sets(config, folder)
    split = choose_evaluation_split(sets)
    empty_domains = {
        key for key, part in zip(DOMAIN_KEYS, sets, strict=False) if split is None or not len(part.get_paths(split))
    }
    routes = select_evenly([r for r in routes if not {r.source, r.target} & empty_domains], MAX_ROUTES)
    if split is None or not routes:
        raise WorkError(f"{run}: no items were held out (too few files), so there is nothing to audit it on")
    batches = BatchLoader(config.domains, sets, build_item_transform(config), config.training.seed, workers=0)
    auditor = Auditor(config, method.to(pick_device(device)), batches, split, limit, inverse_steps, seed)
    total = sum(auditor.count_steps(route) for route in routes)
    done = iter(range(1, total + 1))
    route_audits = []
    for route in routes:
        with isolate_rng(seed):
            route_audits.append(auditor.audit_route(route, lambda: progress(next(done), total)))
    result = Audit(
        run=str(folder.path),
        set=f"{set_description} ({split} items)",
        checkpoint=model.checkpoint,
        step=model.step,
        seed=seed,
        perturbation=HEADLINE_PERTURBATION,
        steganography_defences=dict(method.steganography_defences),
        settings={
            name: value
            for name, value in config.method_settings.model_dump().items()
            if name in method.steganography_defences
        },
        routes=tuple(route_audit for route_audit, _ in route_audits),
    )
    save_pixels(folder.audit_image, draw_audit_image([images for _, images in route_audits]))
    with atomic_write(folder.audit) as temporary:
        temporary.write_text(json.dumps(result.model_dump(), indent=2) + "\n", encoding="utf-8")
    return result


class Auditor:
    """Audits the routes of a method on the items of `batches`; the method does not change."""

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
        """Return the method's own reverse route, where it is trained to reconstruct the input."""
        return self.method.route(route.target, route.source) if self.method.is_cycle_consistent else None

    def count_steps(self, route: Route) -> int:
        """Return the training steps that a route takes."""
        return self.steps * (2 if self.reverse_route(route) is not None else 4)

    def audit_route(self, route: Route, on_step: Callable[[], None]) -> tuple[RouteAudit, RouteImages]:
        """Audit one route; returns the figures and the images to show."""
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
                f"{self.config.format_route(route)}: all inputs are equal, so translations carry nothing of them"
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
                "a real target": targets[:n],
                "faint signal ": steganography.amplify_faint_signal(targets[:n]),
                "reconstruction": reconstruct(probe, y[:n]),
                "after noise .02": reconstruct(probe, steganography.PERTURBATIONS["noise .02"](y[:n])),
                "after JPEG 75": reconstruct(probe, steganography.PERTURBATIONS["JPEG 75"](y[:n])),
                "probe, after both": reconstruct(perturbed_probe, perturbed[:n]),
            },
        )
        return route_audit, images

    def build_probe(self, route: Route, train_y: Tensor, train_x: Tensor, on_step: Callable[[], None]) -> nn.Module:
        """Return the method's own reverse route; where there is none, a small inverse trained here."""
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
        """Train a copy of the probe on perturbed translations `y` of `x`."""
        return train_probe(
            probe, y, x, perturbation, self.steps, batch_size=self.batch_size, seed=self.seed, on_step=on_step
        )

    def load_items(self, key: str, split: SplitName, limit: int) -> Tensor:
        """Load items of a domain, (N, C, H, W)."""
        return self.stack_on_device([item.tensor for item in self.batches.iterate_items(key, split, limit)])

    def load_pairs(self, route: Route) -> tuple[Tensor, Tensor] | None:
        """Load true pairs among the test items, where the run has some."""
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
        """Stack items on the method's device."""
        if not tensors:
            raise WorkError("none of a domain's items can be read any more, so there is nothing to audit the run on")
        return torch.stack(list(tensors)).to(self.device)

    @torch.no_grad()
    def translate(self, x: Tensor, route: Route) -> Tensor:
        """Translate (N, C, H, W); returns values in [-1, 1]."""
        parts = [self.method.translate(part, route.source, route.target).float() for part in x.split(CHUNK_SIZE)]
        y = torch.cat(parts)
        if not torch.isfinite(y).all():
            raise DivergenceError(
                f"{self.config.format_route(route)}: the translation holds values that are not finite"
            )
        return y.clamp(-1, 1)


@torch.no_grad()
def reconstruct(probe: nn.Module, y: Tensor) -> Tensor:
    """Reconstruct inputs from translations (N, C, H, W) with a probe; returns values in [-1, 1]."""
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
