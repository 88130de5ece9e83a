"""Properties of settings, limits, label requests and WAV headers: values survive, anything else is a UsageError."""

from __future__ import annotations

import io
import math
import struct
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from label_worlds import LABELS, make_labelled_config
from pydantic import ValidationError

from unpaired.cli.setting_flags import iterate_models
from unpaired.config.resolve import SettingsRequest
from unpaired.config.value_text import format_value, get_value_form, parse_value
from unpaired.config.yaml_files import read_yaml
from unpaired.errors import UsageError
from unpaired.limits import get_max_pixels, set_limits
from unpaired.media.voice.realtime import read_pcm_stream
from unpaired.translate.label_request import parse_label_request

FIELDS = [(model, name) for model in iterate_models() for name in model.model_fields if model.model_fields]
VALUES = st.one_of(
    st.booleans(),
    st.integers(0, 2000),
    st.floats(0, 1e4, allow_nan=False),
    st.sampled_from(["auto", "none", "world", "mel", "light", "patch", "instance", "cpu", "16000", "3", "a,b|c"]),
    st.lists(st.sampled_from(["a", "b|c", "1", "0.5"]), max_size=3).map(tuple),
)


@given(st.sampled_from(FIELDS), VALUES)
def test_a_flag_and_a_file_give_the_same_setting(target: tuple[Any, str], value: Any) -> None:
    model, name = target
    try:
        chosen = getattr(model.model_validate({name: value}), name)
    except ValidationError:
        return
    annotation = model.model_fields[name].annotation
    text = "none" if chosen is None else format_value(chosen)
    if isinstance(chosen, float):
        text = repr(chosen)
    given_value = chosen if get_value_form(annotation) == "switch" else parse_value(text, annotation)
    assert getattr(model.model_validate({name: given_value}), name) == chosen
    dumped = model.model_validate({name: value}).model_dump(mode="json")[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        path.write_text(yaml.safe_dump({name: dumped}), encoding="utf-8")
        assert getattr(model.model_validate(read_yaml(path)), name) == chosen


YAML_TEXTS = st.text("ab01:-[]{}&*!|>#%@,?\"' \n\t.e+_~<=", max_size=80)


@given(st.binary(max_size=100) | YAML_TEXTS.map(str.encode) | YAML_TEXTS.map("training: ".__add__).map(str.encode))
def test_a_settings_file_of_any_content_is_read_or_a_usage_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        path.write_bytes(content)
        try:
            request = SettingsRequest.read(file=path)
            request.early_attributes()
            request.section("training")
        except UsageError as error:
            assert len(str(error)) < 5000


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_yaml_is_read_as_the_safe_loader_reads_it(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.yaml"
        path.write_text(yaml.safe_dump(value), encoding="utf-8")
        assert read_yaml(path) == value


@given(st.text(max_size=20))
def test_limits_are_numbers_above_zero_or_a_usage_error(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNPAIRED_MAX_PIXELS", "")
        if "\0" in text:
            return
        try:
            set_limits(text, None)
        except UsageError:
            return
        assert float(text) > 0 and get_max_pixels() == int(float(text))


@given(st.text("ablond,=.0123456789-e \u0660", max_size=20))
def test_any_request_of_labels_is_parsed_or_a_usage_error(to: str) -> None:
    try:
        request = parse_label_request(make_labelled_config(), LABELS, to, None, None)
    except UsageError:
        return
    assert len(request.label) == LABELS.size
    assert all(math.isnan(value) or math.isfinite(np.float32(value)) for value in request.label)


@given(st.floats(-2, 2))
def test_an_amount_interpolates_linearly(amount: float) -> None:
    request = parse_label_request(make_labelled_config(), LABELS, f"brown={amount!r}", "black", None)
    assert request.label[:3] == pytest.approx((1 - amount, 0.0, amount))


@given(st.integers(1, 8), st.integers(8000, 48000), st.binary(max_size=400))
def test_wav_streams_are_read_as_written(channels: int, rate: int, content: bytes) -> None:
    content = content[: len(content) // (2 * channels) * 2 * channels]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(content)
    pcm_format, waves = read_pcm_stream(io.BytesIO(buffer.getvalue()), 16000)
    assert (pcm_format.channels, pcm_format.sample_rate_hz) == (channels, rate)
    sound = np.concatenate([np.zeros(0, np.float32), *waves])
    assert len(sound) == len(content) // (2 * channels)
    if channels == 1:
        np.testing.assert_array_equal(sound, np.frombuffer(content, "<i2") / np.float32(32768))


@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=4)), max_size=3))
def test_damaged_wav_headers_are_read_or_a_usage_error(tail: bytes, changes: list[tuple[int, bytes]]) -> None:
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 2, 16000, 64000, 4, 16, b"data", 40)
    stream = bytearray(head + tail)
    for position, change in changes:
        stream[position : position + len(change)] = change
    try:
        pcm_format, waves = read_pcm_stream(io.BytesIO(bytes(stream)), 16000)
    except UsageError:
        return
    assert sum(map(len, waves)) <= len(stream) // (2 * pcm_format.channels)
