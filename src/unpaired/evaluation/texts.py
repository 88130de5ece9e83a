"""What recordings say, from a table of files and texts."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.paths import stem
from unpaired.errors import UsageError
from unpaired.evaluation.voice.judges import Kind, installed


@dataclass(frozen=True)
class Texts:
    """Texts by the names of files, with and without their suffixes; `digest` is that of the table as it was read."""

    path: Path
    known: Mapping[str, str]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Texts:
        """Read a CSV with the columns `file` and `text`; raises UsageError where it is none.

        Files are named within their domain's folder (`001.wav`), or with the domain before it (`alice/001.wav`).
        """
        try:
            content = path.read_bytes()
            rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"--texts {path}: cannot be read as a table of texts ({error})") from error
        texts = {row["file"].strip(): row["text"].strip() for row in rows if row.get("file") and row.get("text")}
        if not texts:
            raise UsageError(f"--texts {path}: expected a CSV with the columns file and text, and a row for each file")
        digest = hashlib.sha256(content).hexdigest()
        return cls(path, {stem(name): text for name, text in texts.items()} | texts, digest)

    def of(self, domain: str, names: Sequence[str]) -> list[str]:
        """What these files of a domain say; raises UsageError where that is not known of all."""
        found = [self._of(domain, name) for name in names]
        if lacking := [name for name, text in zip(names, found, strict=True) if text is None]:
            raise UsageError(
                f"--texts {self.path}: does not say what {len(lacking)} of {len(names)} recordings of '{domain}' say "
                f"({', '.join(lacking[:3])}); give a row for each"
            )
        return [text for text in found if text is not None]

    def _of(self, domain: str, name: str) -> str | None:
        names = (f"{domain}/{name}", name, f"{domain}/{stem(name)}", stem(name))
        return next((self.known[key] for key in names if key in self.known), None)


def require_recordings(judges: str | Iterable[str] | None, kinds: Collection[Kind], recordings: bool) -> None:
    """Raise UsageError where judges of recordings were asked for (not None) and the items are pictures."""
    if kinds and judges is not None and not recordings:
        raise UsageError("--judges: for recordings only, but these items are pictures")


def asked_texts(path: Path | str, recordings: bool, kinds: Collection[Kind]) -> Texts:
    """The table to count word errors by; raises UsageError where it cannot be read, or nobody would hear the words."""
    if not recordings:
        raise UsageError("--texts: for recordings only, but these items are pictures")
    if "words" not in kinds:
        raise UsageError(f"--texts: words are heard by a judge; ask it too: --judges {','.join((*kinds, 'words'))}")
    if lacking := installed(kinds).missing.get("words"):
        raise UsageError(f"--texts: {'; '.join(lacking)}")
    return Texts.read(Path(path))
