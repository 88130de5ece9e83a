"""Second speech recognizer: Moonshine tiny (Jeffries et al. 2024, arXiv:2410.15608).

It shares no weights with Whisper, and its encoder takes samples instead of a log-mel spectrum. The networks are read
from the files of a package, without importing it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from unpaired.errors import WorkError
from unpaired.media.voice.metrics.acoustic_frames import Wave
from unpaired.media.voice.metrics.optional_packages import (
    explain_missing,
    make_single_thread_options,
    resample_to_16_khz,
)
from unpaired.packages import find_package_folder

__all__ = ["Moonshine", "explain_missing_moonshine", "join_tokens", "read_tokens"]

_PACKAGE, _VERSION = "moonshine_voice", "0.0.73"
_INSTALL_COMMAND = f"pip install --no-deps moonshine-voice=={_VERSION}"
_ENCODER, _DECODER, _TOKENS = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"
_START, _END = 1, 2
_TOKENS_PER_SECOND = 6.5  # the authors' limit against endless repetition
_MIN_SAMPLES = 1600  # 0.1 s; the convolutions of the encoder need about half of it
_SPACE = "\u2581".encode()


class Moonshine:
    """Moonshine tiny (MIT) with the weights of moonshine-voice 0.0.73; greedy search, English only."""

    name = "Moonshine tiny (moonshine-voice 0.0.73)"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> str:
        """Return the words in Moonshine's spelling."""
        networks = _load_networks()
        samples = resample_to_16_khz(wave, sample_rate_hz)
        return join_tokens(_decode_greedily(networks, samples), networks.tokens)


class _Networks(NamedTuple):
    encoder: Any
    decoder: Any
    tokens: list[bytes]


def _decode_greedily(networks: _Networks, samples: Wave) -> list[int]:
    """Return the most probable token at each step, up to the end token or `_TOKENS_PER_SECOND`."""
    x = np.pad(samples, (0, max(0, _MIN_SAMPLES - len(samples))))[None].astype(np.float32)
    mask = np.ones(x.shape, np.int64)
    (hidden,) = networks.encoder.run(None, {"input_values": x, "attention_mask": mask})
    inputs: dict[str, npt.NDArray[Any]] = {
        item.name: np.zeros((1, item.shape[1], 0, item.shape[3]), np.float32)
        for item in networks.decoder.get_inputs()
        if item.name.startswith("past_key_values")
    }
    inputs |= {"encoder_hidden_states": hidden, "encoder_attention_mask": mask}  # the decoder shortens the mask
    names = [item.name.replace("present", "past_key_values") for item in networks.decoder.get_outputs()]
    token, tokens = _START, []
    for step in range(max(1, round(x.shape[1] / 16000 * _TOKENS_PER_SECOND))):
        inputs |= {"input_ids": np.array([[token]]), "use_cache_branch": np.array([step > 0])}
        outputs = dict(zip(names, networks.decoder.run(None, inputs), strict=True))
        token = int(outputs.pop("logits")[0, -1].argmax())
        if token == _END:
            break
        tokens.append(token)
        # Keys and values of the encoder's frames are computed in the first step only.
        inputs |= {name: value for name, value in outputs.items() if step == 0 or ".decoder." in name}
    return tokens


def read_tokens(path: Path) -> list[bytes]:
    """Return the tokens of a file: for each its length, in one byte below 128 or else in two, and its UTF-8.

    Raises WorkError if the file cannot be read or is cut off.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkError(f"{path}: cannot be read ({error.strerror})") from error
    tokens, position = [], 0
    while position < len(data):
        length = data[position]
        position += 1
        if length >= 128 and position < len(data):
            length += 128 * data[position] - 128
            position += 1
        if position + length > len(data):
            raise WorkError(f"{path}: is cut off; install the package again: {_INSTALL_COMMAND} --force-reinstall")
        tokens.append(data[position : position + length])
        position += length
    return tokens


def join_tokens(indices: list[int], tokens: list[bytes]) -> str:
    """Return the text of tokens, in which U+2581 stands for a space."""
    return b"".join(tokens[i] for i in indices).replace(_SPACE, b" ").decode("utf-8", "replace").strip()


def explain_missing_moonshine() -> str | None:
    """Return which packages `Moonshine` lacks and how to install them; None if all are installed."""
    command = f"pip install onnxruntime jiwer && {_INSTALL_COMMAND}"
    measure = "word error rates by the 2nd recognizer"
    if reason := explain_missing(measure, (_PACKAGE, "onnxruntime", "jiwer"), command):
        return reason
    if not (_find_folder() / _DECODER).is_file():
        return f"no {measure}: the installed moonshine-voice contains no weights ({_INSTALL_COMMAND})"
    return None


def _find_folder() -> Path:
    folder = find_package_folder(_PACKAGE)
    assert folder is not None, "explain_missing_moonshine checks the package"
    return folder / "assets" / "tiny-en"


@lru_cache(maxsize=1)
def _load_networks() -> _Networks:
    import onnxruntime  # noqa: PLC0415 (optional)

    folder = _find_folder()
    encoder, decoder = (
        onnxruntime.InferenceSession(
            str(folder / name), make_single_thread_options(), providers=["CPUExecutionProvider"]
        )
        for name in (_ENCODER, _DECODER)
    )
    return _Networks(encoder, decoder, read_tokens(folder / _TOKENS))
