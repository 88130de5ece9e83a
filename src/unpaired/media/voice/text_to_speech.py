"""Sentences spoken by a speech synthesizer that is installed on this machine, as recordings for the demo."""

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

__all__ = ["SYNTHESIZERS", "SpeechSynthesizer", "find_synthesizer"]

TIMEOUT_SECONDS = 60
"""Time limit for one sentence, in seconds."""


@dataclass(frozen=True)
class SpeechSynthesizer:
    """Program that speaks English with a woman's and a man's voice.

    `voices` maps speaker names to the program's voice names.
    """

    program: str
    voices: Mapping[str, str]
    flags: tuple[str, str, str]  # before the voice, before the output file, before the text

    def build_command(self, speaker: str, text: str, output: Path) -> list[str]:
        """Return the command that writes the spoken text to the WAV file `output`."""
        voice_flag, file_flag, text_flag = self.flags
        return [self.program, voice_flag, self.voices[speaker], file_flag, str(output), text_flag, text]

    def speak(self, speaker: str, texts: Mapping[str, str], folder: Path, on_progress: Callable[[], None]) -> None:
        """Write `folder`/NAME.wav for each name and text; existing files are kept. Calls `on_progress` after each.

        Raises WorkError if the program fails.
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
                raise WorkError(f"{self.program} failed ({error})") from error
            if process.returncode or not part.is_file():
                error_lines = process.stderr.decode(errors="replace").strip().splitlines()
                reason = error_lines[-1] if error_lines else f"exit code {process.returncode}"
                raise WorkError(f"{self.program} failed ({reason})")
            try:
                inspect_audio(part)
            except UnreadableFileError as error:
                raise WorkError(f"{self.program} wrote no usable sound for '{text}': {error.reason}") from error


SYNTHESIZERS: Sequence[SpeechSynthesizer] = (
    SpeechSynthesizer("flite", {"slt": "slt", "rms": "rms"}, ("-voice", "-o", "-t")),
    SpeechSynthesizer("espeak-ng", {"f3": "en-us+f3", "m3": "en-us+m3"}, ("-v", "-w", "--")),
)
"""Supported programs in order of preference: flite's voices are made from recordings, espeak-ng's are not."""


def find_synthesizer() -> SpeechSynthesizer:
    """Return the first installed synthesizer; raises UsageError with installation instructions."""
    for synthesizer in SYNTHESIZERS:
        if shutil.which(synthesizer.program):
            return synthesizer
    programs = " or ".join(synthesizer.program for synthesizer in SYNTHESIZERS)
    raise UsageError(
        f"no speech synthesizer is installed; the demo needs {programs} (apt install flite, or brew install "
        "espeak-ng). To train on your own recordings: unpaired train ALICE/ BOB/"
    )
