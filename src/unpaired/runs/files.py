"""File lists of a run: training, validation and test files of each domain, and the labels of labelled items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.data.folders import rediscover
from unpaired.data.item_transform import ItemTransform
from unpaired.data.label_table import read_table
from unpaired.data.labelled_splits import LabelledSplits, attach_labels, iterate_domain_splits, write_labels
from unpaired.data.sampler import BatchSampler, create_batch_sampler
from unpaired.data.split import DomainSplits, describe_changes, read_file_list, write_file_list
from unpaired.methods import METHODS
from unpaired.runs.folder import RunFolder
from unpaired.runs.method_builder import require_same_weights


@dataclass(frozen=True)
class RunFiles:
    """Files of a run: the splits of each domain, and the labelled data sets that contain the domains, if any."""

    splits: Sequence[DomainSplits]
    labelled_datasets: Sequence[LabelledSplits] = ()

    @property
    def collection_splits(self) -> Sequence[DomainSplits]:
        """Splits of the listed collections: of the labelled data sets, else of the domains."""
        return [dataset.splits for dataset in self.labelled_datasets] or self.splits


def write_file_lists(folder: RunFolder, config: RunConfig, files: RunFiles) -> None:
    """Write the file lists of a run; raises WorkError if they cannot be written."""
    for split in files.collection_splits:
        write_file_list(folder.file_list_path(split.name), split)
    for dataset in files.labelled_datasets:
        assert config.labels is not None, "labelled data have labels"
        write_labels(folder.labels_path(dataset.splits.name), dataset, config.labels)


def read_file_lists(folder: RunFolder, config: RunConfig) -> RunFiles:
    """Read the recorded file lists of a run; raises WorkError if one is missing or damaged."""
    splits = [read_file_list(folder.file_list_path(d.name), d.name, d.sources) for d in list_listed_domains(config)]
    if not config.sources or config.labels is None:
        return RunFiles(splits)
    tables = [read_table(folder.labels_path(split.name), errors="surrogateescape") for split in splits]
    datasets = [attach_labels(split, tables[i], config.labels, i) for i, split in enumerate(splits)]
    return RunFiles([split for _, split in iterate_domain_splits(datasets, config.labels)], datasets)


def list_listed_domains(config: RunConfig) -> Sequence[Domain]:
    """Return the domains that have a file list: the labelled data sets, else the domains."""
    return config.sources or config.domains


def describe_data_changes(config: RunConfig, files: RunFiles) -> list[str]:
    """Return the differences between the folders and a run's file lists, a sentence each."""
    pairs = zip(files.collection_splits, list_listed_domains(config), strict=True)
    return [
        difference
        for recorded, domain in pairs
        for difference in describe_changes(recorded, rediscover(domain.name, domain.sources))
    ]


def build_item_transform(config: RunConfig) -> ItemTransform:
    """Build the transform from a run's files to tensors.

    Raises UsageError if optional packages of the medium are missing, WorkError if the weights of a pretrained network
    are not those that the run began with.
    """
    transform = config.get_medium().create_transform(config)
    require_same_weights(config, transform.pretrained)
    return transform


def build_batch_sampler(config: RunConfig, files: RunFiles, transform: ItemTransform) -> BatchSampler:
    """Build the batch sampler for the batch kind of the run's method."""
    batch_kind, seed = METHODS[config.method].cls.batch_kind, config.training.seed
    return create_batch_sampler(
        config.domains,
        files.splits,
        batch_kind,
        seed,
        config.labels,
        config.sources,
        files.labelled_datasets,
        list_visits=transform.list_visits,
    )
