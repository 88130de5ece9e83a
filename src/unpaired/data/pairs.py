"""True pairs: files of two domains with equal names."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from unpaired.data.paths import Paths, remove_suffix
from unpaired.data.split import DomainSplits
from unpaired.errors import UsageError
from unpaired.file_names import normalize_name
from unpaired.labels import Labels


def require_pairs(splits: Sequence[DomainSplits], labels: Labels | None) -> list[str]:
    """Return the pairs of domains ("A and B") that can be translated to each other but lack true pairs.

    True pairs are test items with equal names. With `labels`, only domains of one group can be translated to each
    other. Raises UsageError if no two domains have items with equal names.
    """
    group_by_domain = (
        [0] * len(splits) if labels is None else [domain_label.group_index for domain_label in labels.domain_labels]
    )
    names_by_domain = [{normalize_name(remove_suffix(name)) for name in domain_splits.test} for domain_splits in splits]
    domain_pairs = [
        (i, j) for i, j in itertools.combinations(range(len(splits)), 2) if group_by_domain[i] == group_by_domain[j]
    ]
    pairs_without_matches = [
        f"{splits[i].name} and {splits[j].name}"
        for i, j in domain_pairs
        if names_by_domain[i].isdisjoint(names_by_domain[j])
    ]
    if len(pairs_without_matches) == len(domain_pairs):
        domain_names = ", ".join(domain_splits.name for domain_splits in splits)
        raise UsageError(
            f"--pairs: the test items of {domain_names} share no file name between two domains; name both files of a "
            "true pair alike, or omit --pairs"
        )
    return pairs_without_matches


def match_names(source_paths: Paths, target_paths: Paths) -> list[tuple[int, int]]:
    """Return the indices of files with equal relative names (without suffix)."""
    index_by_stem = {normalize_name(remove_suffix(name)): j for j, name in enumerate(target_paths)}
    return [
        (i, index_by_stem[stem])
        for i, name in enumerate(source_paths)
        if (stem := normalize_name(remove_suffix(name))) in index_by_stem
    ]
