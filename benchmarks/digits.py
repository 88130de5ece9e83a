"""Digits (MNIST, USPS): classification accuracy of translated digits, with or without source labels in training.

    python -m benchmarks.digits_data $DATA/digits digits
    python -m benchmarks.digits digits --method unit --preset small --minutes 10

Trains on the unlabelled folders mnist and usps (every flag of `unpaired train` may follow) and measures both routes:

1. *translated digits*: accuracy of a target classifier on translated test digits of the source. The classifier is
   trained on the labelled training digits of the target and is the same for all methods. Baselines: its accuracy on
   the target's real test digits and on the source's untranslated ones.
2. *adapted classifier*: accuracy on the target's real test digits of a classifier trained on translated, labelled
   training digits of the source. Baseline: a classifier trained on the untranslated ones.

Appends a row to results.jsonl. `--run RUN` measures an existing run. `--limit` limits the test digits and `--learn` the
translated training digits, for methods that translate slowly. `--source usps` puts usps first, for one-way methods.
`--teacher` sets the embedding of `dtn-baseline`, `dtn` or `xgan` to a classifier trained on the source's labels with
distortions (`benchmarks.digits_readers`; five minutes, cached in the data folder). The row then records that labels
were used, the teacher's accuracy on untranslated target digits, and the accuracy of a classifier trained in the same
way on translated digits.
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

from benchmarks.digits_data import DOMAINS, SIZE, labels_file
from benchmarks.digits_readers import Digits, accuracy, train_classifier, train_teacher
from benchmarks.results import append_row
from unpaired import Translator, register_embedding
from unpaired.cli.main import main as unpaired
from unpaired.networks.pretrained import CUSTOM_PREFIX
from unpaired.runs.folder import RunFolder, load_model
from unpaired.runs.history import History

FLAGS = ("--size", str(SIZE), "--flip", "false", "--load-size-ratio", "1")
"""Defaults without flips, which would change digits; flags on the command line take precedence."""


def load(root: Path, domain: str, part: str, limit: int | None = None) -> Digits:
    """Load the first `limit` digits of a split, in the order of its label table."""
    with labels_file(root, domain, part).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:limit]
    images = []
    for row in rows:
        with Image.open(root / domain / part / row["file"]) as image:
            images.append(np.asarray(image.convert("L"), np.float32) / 127.5 - 1)
    return torch.from_numpy(np.stack(images))[:, None], torch.tensor([int(row["label"]) for row in rows])


def translate_digits(translator: Translator, digits: Digits, source: str, target: str) -> Digits:
    """Translate digits to the target domain; their labels stay the same."""
    parts = [translator(part, to=target, source=source) for part in digits[0].split(100)]
    return torch.cat(parts), digits[1]


def measure_route(
    translator: Translator, root: Path, source: str, target: str, args: argparse.Namespace
) -> dict[str, Any]:
    """Measure both protocols for one route."""
    classifiers = {
        name: train_classifier(
            load(root, name, "train"), args.seed, root / f"{name}-classifier-{args.seed}.safetensors"
        )
        for name in (source, target)
    }
    source_test, target_test = load(root, source, "test", args.limit), load(root, target, "test")
    figures = {
        "test_digits": len(source_test[1]),
        "classifier_on_real_target": accuracy(classifiers[target], target_test),
        "classifier_on_untranslated": accuracy(classifiers[target], source_test),
        "translated_digits": accuracy(classifiers[target], translate_digits(translator, source_test, source, target)),
        "source_classifier_on_target": accuracy(classifiers[source], target_test),
    }
    if args.learn:
        translated_train = translate_digits(translator, load(root, source, "train", args.learn), source, target)
        figures |= {
            "learned_from": len(translated_train[1]),
            "adapted_classifier": accuracy(train_classifier(translated_train, args.seed), target_test),
        }
        if args.teacher:
            figures["adapted_teacher"] = accuracy(train_teacher(translated_train, args.seed).classifier, target_test)
    return figures


def register_teacher(args: argparse.Namespace, target: str) -> dict[str, Any]:
    """Train and register the teacher; return its name as an embedding and its accuracy without translation."""
    cache = args.root / f"{args.source}-teacher-{args.seed}.safetensors"
    network = train_teacher(load(args.root, args.source, "train"), args.seed, cache)
    return {
        "feature_extractor": register_embedding(network),
        "teacher_on_source": accuracy(network.classifier, load(args.root, args.source, "test")),
        "teacher_on_target": accuracy(network.classifier, load(args.root, target, "test")),
    }


def main(argv: list[str]) -> int:
    """Train, translate, measure and append a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits", allow_abbrev=False)
    parser.add_argument("root", type=Path, help="folder that benchmarks.digits_data wrote")
    parser.add_argument("--run", type=Path, help="existing run to measure instead of training one")
    parser.add_argument("--source", choices=DOMAINS, default=DOMAINS[0], help="first of the two domains")
    parser.add_argument("--teacher", action="store_true", help="use a classifier of the source's digits as embedding")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="maximum number of test digits of the source")
    parser.add_argument(
        "--learn", type=int, default=10_000, help="number of translated training digits; 0 skips protocol 2"
    )
    args, flags = parser.parse_known_args(argv)
    run = args.run or Path(tempfile.mkdtemp()) / "run"
    domains = sorted(DOMAINS, key=lambda name: name != args.source)
    teacher_figures = register_teacher(args, domains[1]) if args.teacher else {}
    if args.run is None:
        folders = [str(args.root / name) for name in domains]
        flags = ["--feature-extractor", teacher_figures["feature_extractor"], *flags] if teacher_figures else flags
        code = unpaired(["train", *folders, "--out", str(run), *FLAGS, "--seed", str(args.seed), *flags])
        if code:
            return code
    model = load_model(run, "last")
    config, translator = model.config, Translator(model.config, model.method)
    method_settings = config.method_settings.model_dump()
    figures = {
        "method": config.method,
        "preset": config.preset,
        "method_settings": method_settings,
        "batch_size": config.training.batch_size,
        "steps": model.step,
        "seconds": round(History(RunFolder(run).history).read("losses")[-1]["spent_s"]),
        "labels_used_in_training": (method_settings.get("feature_extractor") or "").startswith(CUSTOM_PREFIX),
        **teacher_figures,
        "directions": {
            f"{source} -> {target}": measure_route(translator, args.root, source, target, args)
            for source, target in translator.routes
        },
    }
    row = append_row("digits", figures, args.seed)
    sys.stdout.write(json.dumps(row["figures"], indent=1) + f"\n{run}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
