"""Transcripts of recordings, from a CSV file."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.paths import remove_suffix
from unpaired.errors import UsageError
from unpaired.file_names import normalize_name
from unpaired.media.voice.metrics.judges import JudgeKind, find_judges


@dataclass(frozen=True)
class Transcripts:
    """Transcripts by file name, with and without suffix; `digest` is the SHA-256 of the CSV file."""

    path: Path
    by_name: Mapping[str, str]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Transcripts:
        """Read a CSV file with the columns `file` and `text`; raises UsageError if it is not one.

        File names are relative to their domain's folder (`001.wav`) or start with the domain (`alice/001.wav`).
        """
        try:
            content = path.read_bytes()
            rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(f"--texts {path}: cannot be read as a CSV file ({error})") from error
        texts = {row["file"].strip(): row["text"].strip() for row in rows if row.get("file") and row.get("text")}
        if not texts:
            raise UsageError(f"--texts {path}: expected a CSV with the columns file and text, and a row for each file")
        digest = hashlib.sha256(content).hexdigest()
        by_name = {remove_suffix(name): text for name, text in texts.items()} | texts
        return cls(path, {normalize_name(name): text for name, text in by_name.items()}, digest)

    def get_texts(self, domain: str, names: Sequence[str]) -> list[str]:
        """Return the transcripts of these files of a domain; raises UsageError if one is missing."""
        texts = [self._find_text(domain, name) for name in names]
        if missing := [name for name, text in zip(names, texts, strict=True) if text is None]:
            raise UsageError(
                f"--texts {self.path}: has no text for {len(missing)} of {len(names)} recordings of '{domain}' "
                f"({', '.join(missing[:3])}); add a row for each"
            )
        return [text for text in texts if text is not None]

    def _find_text(self, domain: str, name: str) -> str | None:
        names = (f"{domain}/{name}", name, f"{domain}/{remove_suffix(name)}", remove_suffix(name))
        return next((self.by_name[key] for key in map(normalize_name, names) if key in self.by_name), None)


def read_transcripts(path: Path | str, judge_kinds: Collection[JudgeKind]) -> Transcripts:
    """Read transcripts for word error rates; raises UsageError if no speech recognizer is selected and installed."""
    if "words" not in judge_kinds:
        raise UsageError(f"--texts: needs the speech recognizer; use --judges {','.join((*judge_kinds, 'words'))}")
    if missing_packages := find_judges(judge_kinds).missing.get("words"):
        raise UsageError(f"--texts: {'; '.join(missing_packages)}")
    return Transcripts.read(Path(path))
