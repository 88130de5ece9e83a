"""Translator: a trained model that translates items from one domain to another."""

from __future__ import annotations

import os
from functools import cached_property

from unpaired.config.run_config import RunConfig
from unpaired.devices import pick_device
from unpaired.hub.download import locate_run
from unpaired.methods.base import Method
from unpaired.runs.folder import Checkpoint, load_model
from unpaired.runs.weights import collect_state, compute_digest
from unpaired.translate.base import BaseTranslator
from unpaired.translate.torch_network import TorchNetwork


class Translator(BaseTranslator):
    """The trained model of a run; it translates files and objects in memory.

    `config` is the run's configuration, `method` has its weights loaded; `device` is auto, cpu, cuda, cuda:1, mps, ...
    (UsageError if it does not exist).
    """

    config: RunConfig

    def __init__(self, config: RunConfig, method: Method, device: str = "auto") -> None:
        self.config = config
        self.device = pick_device(device)
        self.method = method.requires_grad_(False).eval().to(self.device)
        self.network = TorchNetwork(self.method, self.device)

    @classmethod
    def load(
        cls, run: str | os.PathLike[str], checkpoint: Checkpoint | None = None, device: str = "auto"
    ) -> Translator:
        """Load the model of a run: of its folder, or of `hf:user/name` or `hf:user/name@REVISION` on the hub.

        `checkpoint` is "last" or "best", None: the best one if it exists. Raises UsageError if `run` is not a run or
        has no such checkpoint, WorkError if its files are damaged or cannot be downloaded.
        """
        model = load_model(locate_run(run), checkpoint)
        return cls(model.config, model.method, device)

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the translating networks' weights."""
        weights = collect_state(self.method, self.method.translation_roles)
        return compute_digest({name: tensor.cpu() for name, tensor in weights.items()}, {})
