"""Commands, one per module. A command imports its packages when it runs, so that `unpaired --help` is fast."""

from __future__ import annotations

from collections.abc import Callable

from unpaired.cli.audit import audit
from unpaired.cli.check import check
from unpaired.cli.compare import compare
from unpaired.cli.convert import convert
from unpaired.cli.demo import demo
from unpaired.cli.doctor import doctor
from unpaired.cli.evaluate import evaluate
from unpaired.cli.export import export
from unpaired.cli.import_ import import_
from unpaired.cli.interpolate import interpolate
from unpaired.cli.methods import methods
from unpaired.cli.push import push
from unpaired.cli.sample import sample
from unpaired.cli.serve import serve
from unpaired.cli.shards import shards
from unpaired.cli.train import train
from unpaired.cli.translate import translate

COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "check": check,
    "translate": translate,
    "shards": shards,
    "convert": convert,
    "export": export,
    "serve": serve,
    "evaluate": evaluate,
    "audit": audit,
    "sample": sample,
    "interpolate": interpolate,
    "compare": compare,
    "import": import_,
    "push": push,
    "methods": methods,
    "demo": demo,
    "doctor": doctor,
}
"""Name of each command -> its function, in the order of `unpaired --help`."""
