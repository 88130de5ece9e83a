"""Folder layouts: a folder per domain, a folder of domains, and splits such as train/ and testA/."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from unpaired.data.artifacts import is_artifact
from unpaired.data.walk import (
    count_loose_files,
    describe_skipped_artifacts,
    describe_unused,
    format_names,
    list_subfolders,
    scan_names,
)
from unpaired.errors import UsageError
from unpaired.media import infer_medium

EXPECTED = "expected a folder for each domain, or one folder with a subfolder for each domain"

SplitRole = Literal["train", "test", "validation"]
_ROLES: dict[str, SplitRole] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "tests", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
}
_WORDS = "|".join(form for word in sorted(_ROLES, key=len, reverse=True) for form in (word, word.title(), word.upper()))
_PREFIX = re.compile(rf"(?P<role>{_WORDS})(?:[_.-](?P<named>.+)|(?P<letter>[A-Z0-9].*))")
_SUFFIX = re.compile(rf"(?P<named>.+)[_.-](?P<role>{_WORDS})")


@dataclass(frozen=True)
class DomainFolders:
    """Training folder (or file list) of a domain, and its test folder, if any; `note` describes unused folders."""

    name: str
    train: Path
    test: Path | None = None
    note: str = ""


def get_role(name: str) -> SplitRole | None:
    """Return the split of a folder named "train", "test", "val" or a synonym; None for other names."""
    return _ROLES.get(name.lower())


def parse_split_name(name: str) -> tuple[SplitRole, str] | None:
    """Split `trainA`, `test_B`, `val-0` or `horse_train` into role and domain; None for other names."""
    match = _PREFIX.fullmatch(name) or _SUFFIX.fullmatch(name)
    if match is None:
        return None
    groups = match.groupdict()
    return _ROLES[groups["role"].lower()], groups["named"] or groups["letter"]


def find_role(names: Sequence[str], role: SplitRole) -> str | None:
    """Return the first of `names` that is a folder of this split; None if there is none."""
    return next((name for name in names if get_role(name) == role), None)


def add_note(folders: DomainFolders, *notes: str) -> DomainFolders:
    """Return a copy with more notes."""
    return replace(folders, note="; ".join(filter(None, (folders.note, *notes))))


def create_domain_folders(folder: Path) -> DomainFolders:
    """Return the folders of a domain: `folder`, or its train/ subfolder, and its test/ subfolder, if they exist."""
    names = list_subfolders(folder)
    train, test = find_role(names, "train"), find_role(names, "test")
    test_folder = None if test is None else folder / test
    if train is None:
        return DomainFolders(folder.name, folder, test_folder)
    notes = []
    if others := [name for name in names if name not in (train, test)]:
        notes.append(f"beside {train}/, these folders are not used: {describe_unused(folder, others)}")
    if loose := count_loose_files(folder):
        notes.append(f"beside {train}/, {loose:,} files are not used")
    return DomainFolders(folder.name, folder / train, test_folder, "; ".join(notes))


def is_single_domain(folder: Path) -> bool:
    """Return whether a folder has files to read, or a train/ subfolder with them, but no subfolder for a domain."""
    names = [name for name in list_subfolders(folder) if not contains_only_artifacts(folder / name)]
    train = find_role(names, "train")
    if train is not None:
        return not list_subfolders(folder / train) and count_loose_files(folder / train) > 0
    has_domains = any(get_role(name) is None for name in names)
    return not has_domains and count_loose_files(folder) > 0


def find_domain_folders(root: Path) -> list[DomainFolders]:
    """Return the domains inside one folder; raises UsageError for fewer than two."""
    subfolders = list_subfolders(root)
    names = [name for name in subfolders if not contains_only_artifacts(root / name)]
    train = find_role(names, "train")
    domains = _find_named_splits(root, names)
    if domains is None:
        domains = _find_plain_domains(root, names) if train is None else _find_split_domains(root, names, train)
    if len(domains) < 2:
        found = f"only one ('{domains[0].name}')" if domains else "none"
        raise UsageError(f"{root}: a translation needs two or more domains, but this folder has {found}; {EXPECTED}")
    notes = []
    if artifacts := [name for name in subfolders if name not in names]:
        notes.append(describe_skipped_artifacts(artifacts))
    if loose := count_loose_files(root):
        notes.append(f"{loose:,} files directly in {root.name}/ are in no domain's folder and not used")
    return [add_note(domains[0], *notes), *domains[1:]]


def _find_named_splits(root: Path, names: Sequence[str]) -> list[DomainFolders] | None:
    """Find folders such as trainA, trainB, testA, val_A; returns None for fewer than two training folders."""
    by_role: dict[SplitRole, dict[str, str]] = defaultdict(dict)
    for name in names:
        if parsed := parse_split_name(name):
            by_role[parsed[0]].setdefault(parsed[1], name)
    train, test = by_role["train"], by_role["test"]
    if len(train) == 1 and (train.keys() & test.keys() or len(test) > 1):
        raise UsageError(
            f"{root}: has one training folder, {next(iter(train.values()))}/, and test folders "
            f"({format_names(list(test.values()))}); {EXPECTED}, as trainA, trainB, testA, testB"
        )
    if len(train) < 2:
        return None
    domains = [
        DomainFolders(domain, root / name, root / test[domain] if domain in test else None)
        for domain, name in train.items()
    ]
    used = {*train.values(), *(test[domain] for domain in train if domain in test)}
    return _note_unused(root, domains, [name for name in names if name not in used])


def _find_split_domains(root: Path, names: Sequence[str], train: str) -> list[DomainFolders]:
    """Find the domains inside train/, and their test files in the subfolders of test/ with equal names."""
    test = find_role(names, "test")
    domain_names = list_subfolders(root / train)
    test_names = list_subfolders(root / test) if test else []
    domains = [
        DomainFolders(name, root / train / name, root / test / name if test and name in test_names else None)
        for name in domain_names
    ]
    unused = [name for name in names if name not in (train, test)]
    unused += [f"{test}/{name}" for name in test_names if name not in domain_names]
    domains = _note_unused(root, domains, unused)
    for folder in filter(None, (train, test)):
        if domains and (loose := count_loose_files(root / folder)):
            text = f"{loose:,} files directly in {folder}/ are in no domain's folder and not used"
            domains[0] = add_note(domains[0], text)
    return domains


def _find_plain_domains(root: Path, names: Sequence[str]) -> list[DomainFolders]:
    """Take each subfolder as a domain; subfolders of test/ with the domains' names have their test files."""
    domain_names = [name for name in names if get_role(name) is None]
    if len(domain_names) < 2:
        return [create_domain_folders(root / name) for name in domain_names]
    test = find_role(names, "test")
    test_names = list_subfolders(root / test) if test else []
    domains = []
    for name in domain_names:
        folders = create_domain_folders(root / name)
        if test and name in test_names and folders.test is None:
            folders = replace(folders, test=root / test / name)
        domains.append(folders)
    used = {f"{test}/{name}" for name in test_names if name in domain_names}
    unused = [name for name in names if name not in domain_names and not (name == test and used)]
    unused += [f"{test}/{name}" for name in test_names if used and name not in domain_names]
    return _note_unused(root, domains, unused)


def _note_unused(root: Path, domains: list[DomainFolders], unused: Sequence[str]) -> list[DomainFolders]:
    if not unused or not domains:
        return domains
    text = f"not used in {root.name}/: {describe_unused(root, unused)}"
    if any(get_role(name.partition("/")[0]) == "validation" or _is_validation(name) for name in unused):
        text += "; validation files are held out from the training files instead"
    return [add_note(domains[0], text), *domains[1:]]


def _is_validation(name: str) -> bool:
    parsed = parse_split_name(name)
    return parsed is not None and parsed[0] == "validation"


def contains_only_artifacts(folder: Path, levels: int = 2) -> bool:
    """Whether unpaired wrote a folder, or all that it contains, down to `levels` levels of subfolders."""
    if is_artifact(folder):
        return True
    subfolders = []
    for name, is_folder in scan_names(folder):
        if is_folder:
            subfolders.append(name)
        elif infer_medium(name) is not None and (folder / name).is_file():
            return False
    return (
        levels > 0
        and bool(subfolders)
        and all(contains_only_artifacts(folder / name, levels - 1) for name in subfolders)
    )
