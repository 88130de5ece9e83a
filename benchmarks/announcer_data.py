"""Write the recordings of Debian's package asterisk-core-sounds-en-g722 as FLAC: one speaker, a professional.

    apt-get download asterisk-core-sounds-en-g722 && dpkg -x asterisk-core-sounds-en-g722_*.deb sounds
    python -m benchmarks.announcer_data sounds $DATA/announcer

Writes OUT/train and OUT/test (every tenth recording), at 16 kHz, without recordings shorter than 1 s. Existing files
are overwritten. The recordings (Allison Smith, CC-BY-SA-3.0) are for measuring.
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import soundfile

RATE_HZ = 16000
TEST_EVERY = 10


def decode(path: Path) -> np.ndarray:
    """Return the samples (n,) of a file in raw G.722, which has no header: 64 kbit/s, 16 kHz."""
    with av.open(str(path), format="g722") as container:
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])


def main(folder: Path, out: Path) -> None:
    """Decode all recordings below a folder."""
    waves = {path.stem: decode(path) for path in sorted(folder.rglob("*.g722")) if path.stat().st_size}
    waves = {name: wave for name, wave in waves.items() if len(wave) >= RATE_HZ}
    for i, (name, wave) in enumerate(waves.items()):
        part = out / ("train" if i % TEST_EVERY else "test")
        part.mkdir(parents=True, exist_ok=True)
        soundfile.write(part / f"{name}.flac", wave, RATE_HZ)
    print(f"{len(waves)} recordings, {sum(map(len, waves.values())) / RATE_HZ:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
