"""The speech of a clip is converted by a run of recordings, and keeps its length and its start to the sample."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
from tiny_runs import Known, config, make_run
from tiny_voices import hum, speaker, voice_config

from unpaired import Translator
from unpaired.errors import UsageError
from unpaired.media.video import sound_encoding
from unpaired.media.video.sound_encoding import ConvertedSound, SoundEncoder, choose_sound_encoder
from unpaired.media.video.sound_extraction import SoundTrack, extract_sound
from unpaired.media.voice.world import World
from unpaired.translate.files import Outcome, translate_files

RATE = 16000


@pytest.fixture(scope="module")
def voice_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an untrained run from alice, at 200 Hz, to bob, at 100 Hz, and back."""
    return make_run(tmp_path_factory.mktemp("voices") / "run", voice_config())


def translate(clip: Path, out: Path, voice_run: Path | str, to_voice: str | None = "bob", **more: Any) -> Outcome:
    translator = Translator(config(), Known(0.5), "cpu")
    options = {"scale": "native", "voice_run": voice_run, "to_voice": to_voice, **more}
    return translate_files(translator, [clip], out, translator.resolve_request("paintings", options=options))


def find_pitch(path: Path) -> float:
    """Return the median F0 in Hz of the voiced frames."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        parts = [p.to_ndarray()[0] for frame in container.decode(audio=0) for p in resampler.resample(frame)]
    f0 = World().analyse(np.concatenate(parts))["f0"][0]
    return float(np.median(f0[f0 > 0]))


@pytest.mark.parametrize(
    ("name", "codec", "rate", "samples", "result_codec"),
    [
        ("a.mp4", "aac", 16000, 8192, "aac"),
        ("a.mov", "pcm_s16le", 22050, 9001, "pcm_s16le"),
        ("a.mkv", "libopus", 48000, 24001, "opus"),
        ("a.mkv", "libmp3lame", 44100, 20001, "mp3float"),
        ("a.webm", "libopus", 48000, 24001, "opus"),
        ("a.mp4", "flac", 16000, 8001, "flac"),
    ],
)
def test_speech_is_converted_with_the_length_of_the_input(
    tmp_path: Path, voice_run: Path, name: str, codec: str, rate: int, samples: int, result_codec: str
) -> None:
    wave = hum(samples / rate, 200.0, rate)
    video = "libvpx-vp9" if name.endswith("webm") else "libx264"
    clip = clips.write_clip(tmp_path / name, codec=video, sound_codec=codec, waves=[wave], sound_rate=rate)
    outcome = translate(clip, tmp_path / "out", voice_run)
    assert (outcome.done, outcome.failed) == (1, [])
    result = tmp_path / "out" / name
    assert clips.count_samples(result) == clips.count_samples(clip)
    assert clips.read_sound(result)[1] == clips.read_sound(clip)[1]
    assert clips.read_times(result) == clips.read_times(clip)
    with av.open(str(result)) as container:
        (stream,) = container.streams.audio
        assert (stream.codec_context.name, stream.rate) == (result_codec, rate)
    assert find_pitch(clip) == pytest.approx(200, rel=0.06)
    assert find_pitch(result) == pytest.approx(100, rel=0.06)
    assert clips.read_pixels(result)[0].mean() > clips.read_pixels(clip)[0].mean()  # the change of `Known`


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "aac"), ("a.mp4", "libopus")])
def test_any_length_and_start(tmp_path: Path, voice_run: Path, name: str, codec: str) -> None:
    """Sound that starts later than the pictures, and whose last frame is not full."""
    wave = hum(0.5, 200.0, 48000)[:-7]
    clip = clips.write_clip(tmp_path / name, sound_codec=codec, waves=[wave], sound_rate=48000, sound_start=4800)
    assert translate(clip, tmp_path / "out", voice_run).done == 1
    result = tmp_path / "out" / name
    assert clips.count_samples(result) == clips.count_samples(clip)
    assert abs(clips.read_sound(result)[1] - clips.read_sound(clip)[1]) < Fraction(1, 1000)


def test_channels_stay_separate(tmp_path: Path, voice_run: Path) -> None:
    waves = np.stack([hum(0.5, 200.0), np.zeros(RATE // 2, np.float32)])
    clip = clips.write_clip(tmp_path / "a.mkv", sound_codec="flac", waves=[waves])
    outcome = translate(clip, tmp_path / "out", voice_run)
    assert outcome.done == 1
    sound, _ = clips.read_sound(tmp_path / "out" / "a.mkv")
    left, right = sound.reshape(-1, 2).T.astype(float) / 32768
    assert np.abs(left).max() > 0.05 and np.abs(right).max() < 1e-3


@pytest.mark.parametrize(("name", "layout"), [("a.avi", "stereo"), ("a.mkv", "mono"), ("a.mkv", "5.1")])
def test_pcm_without_a_layout_gets_the_usual_one(tmp_path: Path, name: str, layout: str) -> None:
    with av.open(str(tmp_path / name), "w") as out:
        stream: Any = out.add_stream("pcm_s16le", rate=RATE, layout=layout)
        block = np.zeros((1, RATE * len(stream.layout.channels)), np.int16)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    track = extract_sound(tmp_path / name, tmp_path / "a.wav")
    assert (track.samples, track.layout) == (RATE, layout)
    sound = ConvertedSound(tmp_path / "a.wav", track, ())
    with av.open(str(tmp_path / f"out{name[1:]}"), "w") as out:
        out.mux(list(SoundEncoder(out, sound, tmp_path / name).iterate_packets()))
    assert clips.count_samples(tmp_path / f"out{name[1:]}") == RATE


def test_a_gap_becomes_silence(tmp_path: Path) -> None:
    clip = tmp_path / "a.mkv"
    with av.open(str(clip), "w") as out:
        stream: Any = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in (0, 16000):
            frame = av.AudioFrame.from_ndarray(np.full((1, 800), 8192, np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            out.mux(stream.encode(frame))
    track = extract_sound(clip, tmp_path / "a.wav")
    assert (track.samples, track.rate_hz, track.start) == (16800, RATE, Fraction(0))
    samples = clips.read_sound(tmp_path / "a.wav")[0].reshape(-1)
    assert (samples[:800] == 0.25).all() and (samples[800:16000] == 0).all() and (samples[16000:] == 0.25).all()


@pytest.mark.parametrize(
    ("codec", "suffix", "samples", "start", "encoder"),
    [
        ("aac", ".mp4", 2048, 0, "aac"),
        ("aac", ".mp4", 2047, 0, "flac"),
        ("aac", ".mp4", 2048, 1, "flac"),
        ("aac", ".mkv", 2048, 1, "aac"),
        ("aac", ".mov", 2047, 0, "alac"),
        ("pcm_f32le", ".mkv", 2048, 0, "flac"),
        ("pcm_s24le", ".avi", 2048, 0, "pcm_s24le"),
        ("mp3float", ".avi", 2048, 0, "pcm_s16le"),
        ("opus", ".mp4", 2047, 0, "flac"),
        ("vorbis", ".webm", 2047, 0, "libopus"),
    ],
)
def test_codec_of_converted_speech(codec: str, suffix: str, samples: int, start: int, encoder: str) -> None:
    track = SoundTrack(samples, 44100, "mono", Fraction(start), codec, "")
    assert choose_sound_encoder(track, suffix) == encoder


def test_an_interrupted_clip_continues_with_the_sound_that_is_complete(
    tmp_path: Path, voice_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", sound_codec="flac", waves=[hum(0.5, 200.0)])
    assert translate(clip, tmp_path / "whole", voice_run).done == 1

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sound_encoding.SoundEncoder, "iterate_packets", interrupt)
        with pytest.raises(KeyboardInterrupt):
            translate(clip, tmp_path / "out", voice_run)
    assert not (tmp_path / "out" / "a.mkv").exists()
    (complete,) = (tmp_path / "out").glob(".*.segments/sound.wav")
    assert complete.is_file()
    monkeypatch.setattr("unpaired.media.video.speech.extract_sound", interrupt)
    assert translate(clip, tmp_path / "out", voice_run).done == 1
    one, other = (tmp_path / folder / "a.mkv" for folder in ("out", "whole"))
    np.testing.assert_array_equal(clips.read_sound(one)[0], clips.read_sound(other)[0])
    np.testing.assert_array_equal(clips.read_pixels(one), clips.read_pixels(other))
    assert not list((tmp_path / "out").glob(".*.segments"))


def test_another_speaker_is_another_result(tmp_path: Path, voice_run: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", sound_codec="flac", waves=[hum(0.5, 200.0)])
    assert translate(clip, tmp_path / "out", voice_run).done == 1
    assert translate(clip, tmp_path / "out", voice_run).skipped == 1
    assert translate(clip, tmp_path / "out", voice_run, "alice").done == 1


def test_clips_without_one_sound_track_fail_before_they_are_translated(tmp_path: Path, voice_run: Path) -> None:
    (tmp_path / "in").mkdir()
    silent = clips.write_clip(tmp_path / "in" / "silent.mkv")
    two = clips.write_clip(tmp_path / "in" / "two.mkv", sound_codec="flac", waves=[hum(0.5), hum(0.5)])
    short = clips.write_clip(tmp_path / "in" / "short.mkv", sound_codec="flac", waves=[hum(0.05)])
    clips.write_clip(tmp_path / "in" / "good.mkv", sound_codec="flac", waves=[hum(0.5)])
    outcome = translate(tmp_path / "in", tmp_path / "out", voice_run)
    reasons = dict(outcome.failed)
    assert outcome.done == 1 and set(reasons) == {silent, two, short}
    assert "no sound" in reasons[silent] and "2" in reasons[two] and "ms" in reasons[short]
    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix in (".mkv", ".segments")] == ["good.mkv"]


def test_wrong_runs_and_speakers_raise_usage_error(tmp_path: Path, voice_run: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", sound_codec="flac", waves=[hum(0.5)])
    pictures = make_run(tmp_path / "pictures", config())
    three = make_run(
        tmp_path / "three",
        voice_config(*(speaker(name, 200.0) for name in ("alice", "bob", "carol")), method="stargan"),
    )
    for run, speaker_name, more, facts in (
        (pictures, "bob", {}, ["--voice-run", "pictures", "recordings"]),
        (tmp_path / "missing", "bob", {}, ["missing"]),
        (voice_run, "dave", {}, ["--to-voice dave", "alice", "bob"]),
        (voice_run, None, {}, ["--to-voice", "alice", "bob"]),
        (voice_run, "bob", {"from_voice": "dave"}, ["--from-voice dave", "alice"]),
        (three, "bob", {}, ["--from-voice", "alice", "carol"]),
        (None, "bob", {}, ["--to-voice bob", "--voice-run"]),
    ):
        with pytest.raises(UsageError) as error:
            translate(clip, tmp_path / "out", run, speaker_name, **more)  # type: ignore[arg-type]
        assert all(fact in str(error.value) for fact in facts), str(error.value)
    assert not (tmp_path / "out").exists()
