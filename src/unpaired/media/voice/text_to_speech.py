"""Sentences spoken by a speech synthesiser that is installed on the machine, where no recordings are at hand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from unpaired.atomic import atomic_write
from unpaired.cores import count_cores
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.voice.audio_inspection import inspect_audio

__all__ = ["SYNTHESISERS", "SpeechSynthesiser", "find_synthesiser"]

TIMEOUT_SECONDS = 60
"""A sentence that takes longer to be spoken is given up."""


@dataclass(frozen=True)
class SpeechSynthesiser:
    """A program that speaks English: two `voices`, a woman's and a man's, each by the name of its speaker."""

    program: str
    voices: Mapping[str, str]
    flags: tuple[str, str, str]  # before the voice, before the output file, before the text

    def build_command(self, speaker: str, text: str, output: Path) -> list[str]:
        """What makes `output`, a WAV file, of the text."""
        voice_flag, file_flag, text_flag = self.flags
        return [self.program, voice_flag, self.voices[speaker], file_flag, str(output), text_flag, text]

    def speak(self, speaker: str, texts: Mapping[str, str], folder: Path, on_progress: Callable[[], None]) -> None:
        """Write `folder`/NAME.wav for each name and its text; files that are there stay. `told` is called after each.

        Raises WorkError where the program fails.
        """
        folder.mkdir(parents=True, exist_ok=True)

        def speak_one(name: str) -> None:
            if not (path := folder / f"{name}.wav").is_file():
                self._speak(speaker, texts[name], path)

        with ThreadPoolExecutor(count_cores()) as pool:
            for _ in pool.map(speak_one, texts):
                on_progress()

    def _speak(self, speaker: str, text: str, path: Path) -> None:
        with atomic_write(path, path.with_name(f".{path.name}")) as part:
            command = self.build_command(speaker, text, part)
            try:
                process = subprocess.run(command, check=False, capture_output=True, timeout=TIMEOUT_SECONDS)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise WorkError(f"{self.program} did not speak ({error})") from error
            if process.returncode or not part.is_file():
                error_lines = process.stderr.decode(errors="replace").strip().splitlines()
                raise WorkError(
                    f"{self.program} did not speak ({error_lines[-1] if error_lines else f'exit code {process.returncode}'})"
                )
            try:
                inspect_audio(part)
            except UnreadableFileError as error:
                raise WorkError(f"{self.program} made no sound of '{text}': {error.reason}") from error


SYNTHESISERS: Sequence[SpeechSynthesiser] = (
    SpeechSynthesiser("flite", {"slt": "slt", "rms": "rms"}, ("-voice", "-o", "-t")),
    SpeechSynthesiser("espeak-ng", {"f3": "en-us+f3", "m3": "en-us+m3"}, ("-v", "-w", "--")),
)
"""In the order of preference: flite's voices are made of recordings, espeak-ng's are not."""


def find_synthesiser() -> SpeechSynthesiser:
    """The first that is there; raises UsageError that says how to install one."""
    for synthesiser in SYNTHESISERS:
        if shutil.which(synthesiser.program):
            return synthesiser
    programs = " or ".join(synthesiser.program for synthesiser in SYNTHESISERS)
    raise UsageError(
        f"no speech synthesiser is installed to make recordings with; expected {programs} (apt install flite, or "
        "brew install espeak-ng). With recordings of your own: unpaired train ALICE/ BOB/"
    )
