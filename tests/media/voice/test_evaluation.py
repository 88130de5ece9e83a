from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
import torch
from content_fakes import FakeEncoder

from unpaired.config.run_config import RunConfig, write_config
from unpaired.data.domain import Domain
from unpaired.data.folders import discover
from unpaired.data.split import split_files, write_file_list
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.audit import audit
from unpaired.evaluation.run import evaluate
from unpaired.media.voice import evaluation, transcripts, utterances
from unpaired.media.voice.conversion import convert_wave
from unpaired.media.voice.judge_settings import JudgeSettings
from unpaired.media.voice.metrics import measurement
from unpaired.media.voice.metrics.judges import JudgeKind, Judges
from unpaired.media.voice.metrics.word_errors import ErrorRates
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.transcripts import Transcripts
from unpaired.media.voice.utterances import read_excerpt
from unpaired.metrics.base import Evaluation
from unpaired.report.page import write_report
from unpaired.runs.folder import RunFolder, save_model
from unpaired.runs.method_builder import build_method

RATE = 16000


def hum(f0_hz: float, seconds: float = 0.4) -> Any:
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(f0_hz * (1 + 0.05 * np.sin(2 * np.pi * 2 * t))) / RATE
    return 0.05 * sum(np.sin(n * phase) / n for n in range(1, int(4000 / f0_hz))) * np.minimum(1, t[::-1] / 0.05)


def make_run(root: Path) -> Path:
    """Return a run of two synthetic voices with an untrained model, which is the identity."""
    for name, f0 in (("alice", 200.0), ("bob", 100.0)):
        for i in range(10):
            path = root / "data" / name / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, hum(f0 * (1 + i / 50)), RATE)
    domains = []
    for files, f0 in zip(discover([root / "data"]), (200.0, 100.0), strict=True):
        statistics = SpeakerStatistics(
            mean=(0.0,) * 24,
            std=(0.5,) * 24,
            scale=(0.5,) * 24,
            log_f0_mean=float(np.log(f0)),
            log_f0_std=0.1,
            voiced_fraction=0.9,
            lufs=-23,
            frames=1000,
        )
        domains.append(Domain(name=files.name, sources=files.sources, statistics=statistics))
        folder = RunFolder(root / "run")
        folder.files.mkdir(parents=True, exist_ok=True)
        write_file_list(folder.file_list_path(files.name), split_files(files, 0.2, 0))
    config = RunConfig.model_validate(
        {
            "unpaired_version": "0",
            "method": "cyclegan",
            "preset": "tiny",
            "method_settings": {},
            "domains": [d.model_dump() for d in domains],
            "medium": "voice",
            "medium_settings": {"crop_frames": 16},
            "data": {},
            "networks": {
                "width": 4,
                "blocks": 1,
                "discriminator_width": 4,
                "residual": True,
            },
            "training": {"steps": 1},
        }
    )
    torch.manual_seed(0)
    write_config(folder.config, config)
    save_model(folder.model_path("last"), build_method(config), config, 0)
    return folder.path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("voices"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def test_evaluation_measures_a_run_and_its_baselines(run: Path) -> None:
    found = evaluate(run, pairs=True, judges="none", limit=1, device="cpu")
    there, back = found.routes
    assert (there.route, back.route) == ("alice -> bob", "bob -> alice")
    assert [*there.baselines] == ["doing nothing", "affine", "kNN", "copy-synthesis", "real target"]
    for values in (there.values, there.baselines["affine"], there.baselines["kNN"]):
        assert abs(values["f0_mean"]) < 150  # cents; an octave is 1200
    assert there.baselines["doing nothing"]["f0_mean"] == pytest.approx(1200, abs=150)
    assert "mcd" not in there.baselines["real target"]
    assert there.baselines["copy-synthesis"]["mcd"] < there.baselines["doing nothing"]["mcd"]
    assert (there.sources, there.available, there.pairs) == (1, 2, 1)
    assert there.networks == {"sounds made by": "WORLD"}
    saved = json.loads((run / "evaluation.json").read_text())
    assert (saved["medium"], saved["pairs"], saved["limit"]) == ("voice", True, 1)
    assert saved["options"] == {"judges": [], "texts": "", "nearest": True}
    assert Evaluation.model_validate(saved) == found
    assert "1 of 2 recordings" in found.text()
    samples = json.loads((run / "listening" / "listening.json").read_text())
    assert len(samples) == 2 and list(samples[0]["files"]) == [
        *("source", "converted", "affine", "kNN", "target", "nearest training recording")
    ]
    assert there.values["nearest_ratio"] > 0 and there.baselines["real target"]["nearest_ratio"] == 1
    assert all((run / "listening" / name).is_file() for name in samples[0]["files"].values())


def test_content_converter_is_a_baseline_where_its_encoder_is_installed(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(utterances, "is_content_encoder_installed", lambda: True)
    monkeypatch.setattr(utterances, "find_content_encoder", lambda *_: FakeEncoder())
    found = evaluate(run, pairs=True, judges="none", limit=1, device="cpu")
    for route in found.routes:
        assert [*route.baselines] == ["doing nothing", "affine", "kNN", "content", "copy-synthesis", "real target"]
        assert abs(route.baselines["content"]["f0_mean"]) < 150
    samples = json.loads((run / "listening" / "listening.json").read_text())
    assert "content" in samples[0]["files"]


@pytest.mark.parametrize(
    ("kinds", "routes", "count"), [((), 2, 60), ((), 12, 10), (("words",), 2, 20), (("words",), 12, 3)]
)
def test_fewer_sentences_are_measured_with_judges(kinds: tuple[JudgeKind, ...], routes: int, count: int) -> None:
    assert evaluation.choose_limit(JudgeSettings(kinds), routes) == count


def test_evaluation_raises_errors_for_unusable_options_and_data(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--fid: for pictures only"):
        evaluate(run, fid=True, device="cpu")
    for name in ("alice", "bob"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "silence.wav", np.zeros(RATE), RATE)
    with pytest.raises(WorkError, match="no held-out recording contains speech"):
        evaluate(run, [tmp_path / "alice", tmp_path / "bob"], judges="none", device="cpu")


def test_excerpts_start_with_speech_and_have_a_maximum_length(tmp_path: Path) -> None:
    wave = np.concatenate([np.zeros(20 * RATE), hum(150, 3.0), np.zeros(RATE), hum(150, 3.0)])
    soundfile.write(tmp_path / "long.wav", wave, RATE)
    hypotheses = read_excerpt(tmp_path / "long.wav", RATE, 2.0)
    assert hypotheses is not None and len(hypotheses) == 2 * RATE and np.abs(hypotheses[: RATE // 2]).max() > 0.02
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    assert read_excerpt(tmp_path / "silence.wav", RATE) is None


def test_report_contains_players(run: Path) -> None:
    evaluate(run, judges="none", limit=1, device="cpu")
    page = write_report(run).read_text()
    assert page.count("data:audio/flac;base64,") >= 2 * 5 and page.count('class="spectrogram"') >= 2 * 5
    assert 'class="chart f0"' in page and "media-src data:" in page
    assert "copy-synthesis" in page and "GV distance" in page and "alice.wav" not in page


class ConstantRecognizer:
    """Recognizer that returns the same words for all waves."""

    name = "constant"

    def __call__(self, wave: Any, sample_rate_hz: int) -> str:
        return "a hum"


def test_transcripts_are_the_reference_for_word_errors(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference_lists: list[list[str]] = []

    def rates(references: Any, hypotheses: Any) -> ErrorRates:
        reference_lists.append(sorted(references))
        return ErrorRates(0.25, 0.125)

    monkeypatch.setattr(measurement, "compute_error_rates", rates)
    monkeypatch.setattr(evaluation, "find_judges", lambda _: Judges(recognizer=ConstantRecognizer()))
    monkeypatch.setattr(transcripts, "find_judges", lambda _: Judges())
    table = tmp_path / "texts.csv"
    table.write_text(
        "file,text,note\n" + "".join(f"{a}/{i}.wav,{a} says {i},x\n" for a in ("alice", "bob") for i in range(10))
    )
    found = evaluate(run, pairs=False, limit=2, texts=table, device="cpu")
    assert found.options["judges"] == ["speakers", "words", "naturalness"]
    assert found.options["texts"] == Transcripts.read(table).digest
    there, back = reference_lists[: len(reference_lists) // 2], reference_lists[len(reference_lists) // 2 :]
    assert {text.split()[0] for text in there[0]} == {"alice"} and {text.split()[0] for text in back[0]} == {"bob"}
    of_target = [references for references in there if references[0].startswith("bob")]
    assert len(of_target) == 2 and len(there) == 6  # copy-synthesis and the real target have the target's words
    assert found.routes[0].baselines["copy-synthesis"]["wer"] == 0.25
    table.write_text("file,text\nalice/0,one\n")
    with pytest.raises(UsageError, match=r"\d of 2 recordings of 'alice'"):
        evaluate(run, limit=2, texts=table, device="cpu")
    with pytest.raises(UsageError, match=r"--judges words$"):
        evaluate(run, texts=table, judges="none", device="cpu")
    with pytest.raises(UsageError, match=r"--judges speakers,naturalness,words$"):
        evaluate(run, texts=table, judges=["naturalness", "speakers"], device="cpu")
    with pytest.raises(UsageError, match=r"^--judges 'word': "):
        evaluate(run, texts=table, judges="word", device="cpu")
    monkeypatch.setattr(
        transcripts, "find_judges", lambda _: Judges(missing={"words": ("no words saved: x not installed",)})
    )
    with pytest.raises(UsageError, match="--texts: no words saved: x not installed"):
        evaluate(run, texts=table, device="cpu")


def test_transcripts_match_names_with_and_without_domain_and_suffix(tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text('file,text\n0.wav,zero\n1,one\nbob/1.flac,"one, he says"\n')
    known = Transcripts.read(table)
    assert known.get_texts("alice", ["0.wav", "0.flac", "1.flac"]) == ["zero", "zero", "one"]
    assert known.get_texts("bob", ["1.flac", "1.wav"]) == ["one, he says", "one, he says"]
    for damaged in ("name,words\n0.wav,zero\n", "file,text\n", ""):
        table.write_text(damaged)
        with pytest.raises(UsageError, match="columns file and text"):
            Transcripts.read(table)
    with pytest.raises(UsageError, match="cannot be read as a CSV file"):
        Transcripts.read(tmp_path / "none.csv")


def test_the_beginning_of_a_long_recording_has_no_transcript(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(evaluation, "find_judges", lambda _: Judges(recognizer=ConstantRecognizer()))
    monkeypatch.setattr(transcripts, "find_judges", lambda _: Judges())
    reference_lists: list[list[str]] = []
    monkeypatch.setattr(
        measurement, "compute_error_rates", lambda references, hypotheses: reference_lists.append(list(references))
    )
    table = tmp_path / "texts.csv"
    table.write_text("file,text\n" + "".join(f"{i},{i}\n" for i in range(10)))
    evaluate(run, limit=1, texts=table, device="cpu")
    assert reference_lists and all(references == [""] for references in reference_lists)


def test_known_baselines_are_not_measured_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(run, limit=2, judges="none", device="cpu")
    known = [
        r.model_copy(update={"baselines": {name: {**values, "gv": 123.0} for name, values in r.baselines.items()}})
        for r in first.routes
    ]
    monkeypatch.setattr(measurement.VoiceEvaluator, "measure_copy_synthesis", lambda _: pytest.fail("measured again"))
    monkeypatch.setattr(evaluation, "LISTENING_UTTERANCES", 1)
    convert = Mock(wraps=convert_wave)
    monkeypatch.setattr(evaluation, "convert_wave", convert)
    again = evaluate(run, limit=2, judges="none", baselines=known, device="cpu")
    assert convert.call_count == 2 * (2 + 1 + 1), "of each direction two by the run, one by affine and kNN to listen to"
    assert [r.baselines for r in again.routes] == [r.baselines for r in known]
    assert [r.values for r in again.routes] == [r.values for r in first.routes]


def test_only_measured_pairs_are_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(wraps=read_excerpt)
    monkeypatch.setattr(utterances, "read_excerpt", read)
    evaluate(run, pairs=True, limit=1, judges="none", nearest=False, device="cpu")
    assert read.call_count == 2, "one of each speaker, for both directions"


def test_audit_raises_usage_error_for_recordings(run: Path) -> None:
    with pytest.raises(UsageError, match="recordings"):
        audit(run, device="cpu")
