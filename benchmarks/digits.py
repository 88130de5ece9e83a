"""Digits: how many translated ones a classifier reads rightly; training sees no label, or the source's by a teacher.

    python -m benchmarks.digits_data $DATA/digits digits
    python -m benchmarks.digits digits --method unit --preset small --minutes 10

Trains on the unlabelled folders mnist and usps (every flag of `unpaired train` may follow) and measures, both ways:

1. *translated digits*: the share of translated test digits of the source that a classifier of the target reads as what
   they were. It learned from the target's labelled training digits, is the same for all methods, and its own share on
   the target's real test digits and on the source's untranslated ones stands beside.
2. *adapted classifier*: a classifier learns from translated, labelled training digits of the source,
   and is measured on the target's real test digits; beside it one that learned from the untranslated ones.

A row goes to results.jsonl. `--run RUN` measures a run that is there; `--limit` bounds the test digits, `--learn` the
translated training digits, for methods that translate slowly. `--source usps` puts usps first, for methods of one way.
`--teacher` gives `dtn-baseline`, `dtn` or `xgan` as its embedding a reader that learned from the source's labels
(`benchmarks.digits_readers`; five minutes, kept beside the data). The row then says that labels were used, and has the
share of the target's that the teacher reads with no translation, and one that learned from translated digits as it did.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.digits_data import DOMAINS, SIZE, table
from benchmarks.digits_readers import Digits, accuracy, learned, teacher
from benchmarks.results import append_row
from unpaired import Translator, register_embedding
from unpaired.cli.main import main as unpaired
from unpaired.networks.pretrained import CUSTOM_PREFIX
from unpaired.runs.folder import RunFolder, load_model
from unpaired.runs.history import History

FLAGS = ("--size", str(SIZE), "--no-flip", "--load-size-ratio", "1")
"""A mirrored digit is none; given flags come after these and win."""


def load(root: Path, domain: str, part: str, limit: int | None = None) -> Digits:
    """The first digits of a part, in the order of its table."""
    with table(root, domain, part).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:limit]
    images = []
    for row in rows:
        with Image.open(root / domain / part / row["file"]) as image:
            images.append(np.asarray(image.convert("L"), np.float32) / 127.5 - 1)
    return torch.from_numpy(np.stack(images))[:, None], torch.tensor([int(row["label"]) for row in rows])


def translated(translator: Translator, digits: Digits, source: str, target: str) -> Digits:
    """The digits in the target's domain, with the labels that they had."""
    parts = [translator(part, to=target, source=source) for part in digits[0].split(100)]
    return torch.cat(parts), digits[1]


def both_protocols(
    translator: Translator, root: Path, source: str, target: str, asked: argparse.Namespace
) -> dict[str, Any]:
    """The figures of one direction."""
    readers = {
        name: learned(load(root, name, "train"), asked.seed, root / f"{name}-classifier-{asked.seed}.safetensors")
        for name in (source, target)
    }
    ours, theirs = load(root, source, "test", asked.limit), load(root, target, "test")
    figures = {
        "test_digits": len(ours[1]),
        "classifier_on_real_target": accuracy(readers[target], theirs),
        "classifier_on_untranslated": accuracy(readers[target], ours),
        "translated_digits": accuracy(readers[target], translated(translator, ours, source, target)),
        "source_classifier_on_target": accuracy(readers[source], theirs),
    }
    if asked.learn:
        lesson = translated(translator, load(root, source, "train", asked.learn), source, target)
        figures |= {"learned_from": len(lesson[1]), "adapted_classifier": accuracy(learned(lesson, asked.seed), theirs)}
        if asked.teacher:
            figures["adapted_teacher"] = accuracy(teacher(lesson, asked.seed).classifier, theirs)
    return figures


def taught(asked: argparse.Namespace, target: str) -> dict[str, Any]:
    """The teacher's name as an embedding, and what it reads without translations."""
    kept = asked.root / f"{asked.source}-teacher-{asked.seed}.safetensors"
    found = teacher(load(asked.root, asked.source, "train"), asked.seed, kept)
    return {
        "feature_extractor": register_embedding(found),
        "teacher_on_source": accuracy(found.classifier, load(asked.root, asked.source, "test")),
        "teacher_on_target": accuracy(found.classifier, load(asked.root, target, "test")),
    }


def main(words: list[str]) -> int:
    """Train, translate, measure, and append a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits", allow_abbrev=False)
    parser.add_argument("root", type=Path, help="what benchmarks.digits_data wrote")
    parser.add_argument("--run", type=Path, help="a run that is there, instead of training one")
    parser.add_argument("--source", choices=DOMAINS, default=DOMAINS[0], help="the first of the two domains")
    parser.add_argument("--teacher", action="store_true", help="the embedding is a reader of the source's digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="test digits of the source at most")
    parser.add_argument("--learn", type=int, default=10_000, help="translated training digits; 0 leaves protocol 2 out")
    asked, flags = parser.parse_known_args(words)
    run = asked.run or Path(tempfile.mkdtemp()) / "run"
    domains = sorted(DOMAINS, key=lambda name: name != asked.source)
    told = taught(asked, domains[1]) if asked.teacher else {}
    if asked.run is None:
        folders = [str(asked.root / name) for name in domains]
        flags = ["--feature-extractor", told["feature_extractor"], *flags] if told else flags
        code = unpaired(["train", *folders, "--out", str(run), *FLAGS, "--seed", str(asked.seed), *flags])
        if code:
            return code
    model = load_model(run, "last")
    config, translator = model.config, Translator(model.config, model.method)
    own = config.method_settings.model_dump()
    figures = {
        "method": config.method,
        "preset": config.preset,
        "method_settings": own,
        "batch_size": config.training.batch_size,
        "steps": model.step,
        "seconds": round(History(RunFolder(run).history).read("losses")[-1]["spent_s"]),
        "labels_used_in_training": (own.get("feature_extractor") or "").startswith(CUSTOM_PREFIX),
        **told,
        "directions": {
            f"{source} -> {target}": both_protocols(translator, asked.root, source, target, asked)
            for source, target in translator.routes
        },
    }
    row = append_row("digits", figures, asked.seed)
    sys.stdout.write(json.dumps(row["figures"], indent=1) + f"\n{run}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
