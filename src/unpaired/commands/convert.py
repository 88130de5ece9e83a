"""`unpaired convert`."""

from __future__ import annotations

from pathlib import Path

from unpaired.commands.parser import Parser, first_line, out
from unpaired.commands.translate import told


def convert(words: list[str]) -> int:
    """Convert recordings from one speaker to another without training, in seconds."""
    from unpaired.settings import VoiceSettings
    from unpaired.terminal import progress_bar, to_terminal
    from unpaired.translate.files import crafted_files
    from unpaired.translate.untrained import fit

    parser = Parser(prog="unpaired convert", description=first_line(convert))
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a folder of recordings of the speaker to convert")
    parser.add_argument("target", type=Path, metavar="TARGET", help="a folder of recordings of the speaker to become")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="files, or folders (structure kept)")
    parser.add_argument(
        "--baseline",
        default="knn",
        metavar="affine|knn",
        help="affine: mean and deviation of each coefficient; knn: the target's nearest frames (default: knn)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where outputs go (default: converted-TARGET)")
    parser.add_argument("--representation", default="world", metavar="world|mel", help="default: world")
    parser.add_argument(
        "--vocoder", default="auto", metavar="NAME", help="of mel: auto, hifigan, griffin-lim or a file"
    )
    parser.add_argument(
        "--gate",
        default="auto",
        metavar="energy|silero|auto",
        help="what tells speech from silence: its level, or silero-vad; auto: that where it is installed (default)",
    )
    parser.add_argument("--overwrite", action="store_true", help="redo outputs that are there")
    asked = parser.parse(words)
    if asked.representation not in ("world", "mel"):
        parser.error(f"--representation '{asked.representation}'; expected world or mel")
    if asked.gate not in ("energy", "silero", "auto"):
        parser.error(f"--gate '{asked.gate}'; expected energy, silero or auto")
    settings = VoiceSettings(representation=asked.representation, vocoder=asked.vocoder, gate=asked.gate)
    with progress_bar("analysing") as advance:
        fitted = fit(asked.baseline, asked.source, asked.target, settings, lambda done, total, _: advance(done, total))
    for note in fitted.notes:
        to_terminal(f"note: {note}")
    folder = asked.out or Path(f"converted-{fitted.target}")
    with progress_bar(f"to {fitted.target}") as advance:
        outcome = crafted_files(fitted.craft, asked.inputs, folder, [], overwrite=asked.overwrite, progress=advance)
    out(told(outcome, folder, "converted"))
    return 1 if outcome.failed else 0
