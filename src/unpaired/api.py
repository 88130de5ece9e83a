"""Public names of `unpaired`, imported on first use."""

from unpaired.comparison.runner import compare
from unpaired.errors import UnpairedError
from unpaired.evaluation.audit import audit
from unpaired.evaluation.run import evaluate
from unpaired.methods.registry import MethodInfo, register_method
from unpaired.networks.pretrained import register_embedding
from unpaired.training.train import resume, train
from unpaired.translate import Translator

__all__ = [
    "MethodInfo",
    "Translator",
    "UnpairedError",
    "audit",
    "compare",
    "evaluate",
    "register_embedding",
    "register_method",
    "resume",
    "train",
]
