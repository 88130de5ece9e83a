"""The commands, one file each. A command imports the rooms that it needs when it runs, so that help answers at once."""

from __future__ import annotations

from collections.abc import Callable

from unpaired.commands.audit import audit
from unpaired.commands.check import check
from unpaired.commands.compare import compare
from unpaired.commands.convert import convert
from unpaired.commands.demo import demo
from unpaired.commands.evaluate import evaluate
from unpaired.commands.import_ import import_
from unpaired.commands.interpolate import interpolate
from unpaired.commands.methods import methods
from unpaired.commands.sample import sample
from unpaired.commands.train import train
from unpaired.commands.translate import translate

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "check": check,
    "translate": translate,
    "convert": convert,
    "evaluate": evaluate,
    "audit": audit,
    "sample": sample,
    "interpolate": interpolate,
    "compare": compare,
    "import": import_,
    "methods": methods,
    "demo": demo,
}
"""In the order in which help lists them."""
