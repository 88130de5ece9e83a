"""The lists of files that a run keeps: what trains, what is held back, and what labelled items are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unpaired.data.attributes import Labelled, domain_sets, labelled, read_table, write_labels
from unpaired.data.domain import Domain
from unpaired.data.folders import rediscover
from unpaired.data.framing import Framing, Pictures
from unpaired.data.split import Sets, changed, read_files, write_files
from unpaired.data.walks import Walks, walks_of
from unpaired.methods import METHODS
from unpaired.runs.config import RunConfig, same_weights
from unpaired.runs.folder import RunFolder


@dataclass(frozen=True)
class Files:
    """A run's files: those of each domain by use, and the labelled data sets that they are parts of, if any."""

    sets: Sequence[Sets]
    data: Sequence[Labelled] = ()

    @property
    def whole(self) -> Sequence[Sets]:
        """The collections as they were listed: the data sets, else the domains."""
        return [one.sets for one in self.data] or self.sets


def write_lists(folder: RunFolder, config: RunConfig, files: Files) -> None:
    """Write the lists of a run's files; raises WorkError."""
    for sets in files.whole:
        write_files(folder.list_of(sets.name), sets)
    for one in files.data:
        assert config.labels is not None, "labelled data have labels"
        write_labels(folder.labels_of(one.sets.name), one, config.labels)


def read_lists(folder: RunFolder, config: RunConfig) -> Files:
    """The files of a run as it recorded them; raises WorkError where a list is damaged."""
    whole = [read_files(folder.list_of(d.name), d.name, d.sources) for d in listed(config)]
    if not config.sources or config.labels is None:
        return Files(whole)
    tables = [read_table(folder.labels_of(sets.name), errors="surrogateescape") for sets in whole]
    data = [labelled(sets, tables[i], config.labels, i) for i, sets in enumerate(whole)]
    return Files([sets for _, sets in domain_sets(data, config.labels)], data)


def listed(config: RunConfig) -> Sequence[Domain]:
    """What has a list: the labelled data sets, else the domains."""
    return config.sources or config.domains


def changes(config: RunConfig, files: Files) -> list[str]:
    """How the folders differ from a run's lists, in sentences; empty where nothing has changed."""
    pairs = zip(files.whole, listed(config), strict=True)
    return [words for kept, d in pairs for words in changed(kept, rediscover(d.name, d.sources))]


def framing_of(config: RunConfig) -> Framing:
    """How a run sees its files.

    Raises UsageError where its medium's packages or its gate of speech are not installed, WorkError where the gate has
    other weights than when the run began.
    """
    if config.voice is None:
        return Pictures(config.data, config.channels)
    from unpaired.data.voices import Voices  # noqa: PLC0415 - with packages that are optional

    voices = Voices(config.voice)
    same_weights(config, voices.pretrained)
    return voices


def walks(config: RunConfig, files: Files, framing: Framing) -> Walks:
    """The walks through a run's files that its method draws from."""
    draws, seed = METHODS[config.method].cls.draws, config.training.seed
    return walks_of(
        config.domains, files.sets, draws, seed, config.labels, config.sources, files.data, visits=framing.visits
    )
