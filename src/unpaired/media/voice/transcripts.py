"""What recordings say, from a table of files and texts."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.paths import remove_suffix
from unpaired.errors import UsageError
from unpaired.file_names import normalize_name
from unpaired.media.voice.metrics.judges import JudgeKind, find_judges


@dataclass(frozen=True)
class Transcripts:
    """Texts by the names of files, with and without their suffixes; `digest` is that of the table as it was read."""

    path: Path
    by_name: Mapping[str, str]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Transcripts:
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
        by_name = {remove_suffix(name): text for name, text in texts.items()} | texts
        return cls(path, {normalize_name(name): text for name, text in by_name.items()}, digest)

    def get_texts(self, domain: str, names: Sequence[str]) -> list[str]:
        """What these files of a domain say; raises UsageError where that is not known of all."""
        texts = [self._find_text(domain, name) for name in names]
        if missing := [name for name, text in zip(names, texts, strict=True) if text is None]:
            raise UsageError(
                f"--texts {self.path}: does not say what {len(missing)} of {len(names)} recordings of '{domain}' say "
                f"({', '.join(missing[:3])}); give a row for each"
            )
        return [text for text in texts if text is not None]

    def _find_text(self, domain: str, name: str) -> str | None:
        names = (f"{domain}/{name}", name, f"{domain}/{remove_suffix(name)}", remove_suffix(name))
        return next((self.by_name[key] for key in map(normalize_name, names) if key in self.by_name), None)


def require_recordings(judges: str | Iterable[str] | None, judge_kinds: Collection[JudgeKind], is_voice: bool) -> None:
    """Raise UsageError where judges of recordings were asked for (not None) and the items are pictures."""
    if judge_kinds and judges is not None and not is_voice:
        raise UsageError("--judges: for recordings only, but these items are pictures")


def read_transcripts(path: Path | str, is_voice: bool, judge_kinds: Collection[JudgeKind]) -> Transcripts:
    """The table to count word errors by; raises UsageError where it cannot be read, or nobody would hear the words."""
    if not is_voice:
        raise UsageError("--texts: for recordings only, but these items are pictures")
    if "words" not in judge_kinds:
        raise UsageError(
            f"--texts: words are heard by a judge; ask it too: --judges {','.join((*judge_kinds, 'words'))}"
        )
    if missing_packages := find_judges(judge_kinds).missing.get("words"):
        raise UsageError(f"--texts: {'; '.join(missing_packages)}")
    return Transcripts.read(Path(path))
