"""Seeds of a comparison: parsing, formatting, and the names of their runs."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.errors import UsageError


def parse_seeds(seeds: str | Sequence[int]) -> tuple[int, ...]:
    """Return the seeds of "0,1,2" or of a sequence; raises UsageError for anything but different whole numbers."""
    words = seeds.split(",") if isinstance(seeds, str) else [str(seed) for seed in seeds]
    text = ",".join(words)
    if not words or not all(word.strip().isdecimal() for word in words):
        raise UsageError(f"--seeds {text}: expected whole numbers from 0 on, separated by commas, as --seeds 0,1,2")
    numbers = tuple(map(int, words))
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--seeds {text}: a seed is given twice; equal seeds give equal runs")
    return numbers


def format_seeds(seeds: Sequence[int]) -> str:
    """Format seeds for a sentence, as "seed 0" or "seeds 0, 1, 2"."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def format_seed_run(method: str, seed: int, first_seed: int) -> str:
    """Return the folder name of a run: the method for the first seed, followed by the seed for the others."""
    return method if seed == first_seed else f"{method}-seed-{seed}"
