"""Predicted naturalness of vocoders and of the converter `content`, on recordings of two speakers in any language.

    python -m benchmarks.voice_naturalness $DATA/voice_flite --sentences 5
    python -m benchmarks.voice_naturalness $DATA/voice_fillets --sentences 5 --run runs/recognition-synthesis

For each speaker of `train/` and `test/` as the target: the real test recordings, their copy-synthesis by WORLD and by
mel spectra with the neural vocoder, and the other speaker's test recordings converted to the target by `unpaired
convert` (features of WORLD) and, with `--run`, by a run that takes any source. Appends a row per target to
results.jsonl and prints it: mean scores by both predictors, and the similarity to the real recordings by both speaker
encoders.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.results import append_row
from benchmarks.voice_converters import RATE_HZ, convert_wave, read_sentences, translate_wave
from unpaired.data.folders import discover_collections
from unpaired.media.voice import audio_io, loudness
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.converter_fitting import fit_converter
from unpaired.media.voice.features import Representation
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.metrics.judges import Judges, find_judges, parse_kinds
from unpaired.media.voice.metrics.speakers import similarity
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.settings import VoiceConvertOptions
from unpaired.media.voice.world import World
from unpaired.translate.translator import Translator


def copy_synthesis(representation: Representation) -> Callable[[Wave], Wave]:
    """Return the function that analyses and synthesizes a wave at 16 kHz, and returns it at 16 kHz."""

    def convert(wave: Wave) -> Wave:
        rate = representation.sample_rate_hz
        there = np.concatenate(list(audio_io.resample([wave], RATE_HZ, rate)))
        meter = loudness.LoudnessMeter(rate)
        meter.add(there)
        gain = np.float32(loudness.compute_gain(meter.lufs()))
        out = representation.synthesize(representation.analyse(there * gain)) / gain
        return np.concatenate(list(audio_io.resample([out], rate, RATE_HZ)))

    return convert


def judge(waves: Sequence[Wave], targets: Sequence[Wave], judges: Judges) -> dict[str, float]:
    """Return the mean scores of waves, and their similarity to the targets."""
    out = {}
    for name, predictor in (("mos", judges.mos), ("dnsmos", judges.dnsmos)):
        if predictor is not None:
            out[name] = round(float(np.mean([predictor(wave, RATE_HZ) for wave in waves])), 2)
    encoders = (("similarity", judges.speaker_encoder), ("similarity_2", judges.second_speaker_encoder))
    for name, encoder in encoders:
        if encoder is not None:
            given, real = (np.stack([encoder(wave, RATE_HZ) for wave in group]) for group in (waves, targets))
            out[name] = round(similarity(given, real), 3)
    return out


def main() -> None:
    """Measure both targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int, default=5)
    parser.add_argument("--run", type=Path)
    args = parser.parse_args()
    names = sorted(folder.name for folder in (args.data / "test").iterdir())
    judges = find_judges(parse_kinds("speakers,naturalness"))
    train = {files.name: files for files in discover_collections([args.data / "train" / name for name in names])}
    test = {name: list(read_sentences(args.data / "test" / name, args.sentences).values()) for name in names}
    for target, source in (names, names[::-1]):
        real, systems, speed = test[target], {}, {}
        pipeline = fit_converter(train[target], None, VoiceConvertOptions(converter="content", vad="energy")).pipeline
        assert isinstance(pipeline, VoicePipeline)
        made: dict[str, tuple[Sequence[Wave], Callable[[Wave], Wave]]] = {
            "real": (real, np.copy),
            "copy-synthesis, world": (real, copy_synthesis(World())),
            "copy-synthesis, mel": (real, copy_synthesis(Mel("hifigan"))),
            "content": (test[source], partial(convert_wave, pipeline)),
        }
        if args.run is not None:
            made["run"] = (test[source], partial(translate_wave, Translator.load(args.run, device="cpu"), target))
        for system, (waves, convert) in made.items():
            start = time.process_time()
            outputs = [np.asarray(convert(wave), np.float32) for wave in waves]
            speed[system] = round((time.process_time() - start) * RATE_HZ / sum(map(len, waves)), 3)
            systems[system] = judge(outputs, real, judges)
            print(target, system, systems[system], speed[system], flush=True)
        row = {"data": args.data.name, "target": target, "source": source, "sentences": len(real)}
        row |= {"judges": [*judges.networks.values()], "real_time": speed, "systems": systems}
        append_row("voice-naturalness", row, seed=0)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
