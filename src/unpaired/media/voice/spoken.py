"""Sentences spoken by a speech synthesiser that is installed on the machine, where no recordings are at hand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from unpaired.atomic import whole
from unpaired.cores import cores
from unpaired.errors import UnreadableFile, UsageError, WorkError
from unpaired.media.voice.survey import survey

__all__ = ["SYNTHESISERS", "Synthesiser", "installed"]

LONGEST_SECONDS = 60
"""A sentence that takes longer to be spoken is given up."""


@dataclass(frozen=True)
class Synthesiser:
    """A program that speaks English: two `voices`, a woman's and a man's, each by the name of its speaker."""

    program: str
    voices: Mapping[str, str]
    flags: tuple[str, str, str]  # before the voice, before the output file, before the text

    def command(self, speaker: str, text: str, output: Path) -> list[str]:
        """What makes `output`, a WAV file, of the text."""
        voice, file, words = self.flags
        return [self.program, voice, self.voices[speaker], file, str(output), words, text]

    def speak(self, speaker: str, texts: Mapping[str, str], folder: Path, told: Callable[[], None]) -> None:
        """Write `folder`/NAME.wav for each name and its text; files that are there stay. `told` is called after each.

        Raises WorkError where the program fails.
        """
        folder.mkdir(parents=True, exist_ok=True)

        def one(name: str) -> None:
            if not (path := folder / f"{name}.wav").is_file():
                self._speak(speaker, texts[name], path)

        with ThreadPoolExecutor(cores()) as pool:
            for _ in pool.map(one, texts):
                told()

    def _speak(self, speaker: str, text: str, path: Path) -> None:
        with whole(path, path.with_name(f".{path.name}")) as part:
            words = self.command(speaker, text, part)
            try:
                done = subprocess.run(words, check=False, capture_output=True, timeout=LONGEST_SECONDS)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise WorkError(f"{self.program} did not speak ({error})") from error
            if done.returncode or not part.is_file():
                why = done.stderr.decode(errors="replace").strip().splitlines()
                raise WorkError(f"{self.program} did not speak ({why[-1] if why else f'exit code {done.returncode}'})")
            try:
                survey(part)
            except UnreadableFile as error:
                raise WorkError(f"{self.program} made no sound of '{text}': {error.why}") from error


SYNTHESISERS: Sequence[Synthesiser] = (
    Synthesiser("flite", {"slt": "slt", "rms": "rms"}, ("-voice", "-o", "-t")),
    Synthesiser("espeak-ng", {"f3": "en-us+f3", "m3": "en-us+m3"}, ("-v", "-w", "--")),
)
"""In the order of preference: flite's voices are made of recordings, espeak-ng's are not."""


def installed() -> Synthesiser:
    """The first that is there; raises UsageError that says how to install one."""
    for synthesiser in SYNTHESISERS:
        if shutil.which(synthesiser.program):
            return synthesiser
    known = " or ".join(synthesiser.program for synthesiser in SYNTHESISERS)
    raise UsageError(
        f"no speech synthesiser is installed to make recordings with; expected {known} (apt install flite, or "
        "brew install espeak-ng). With recordings of your own: unpaired train ALICE/ BOB/"
    )
