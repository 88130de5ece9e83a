"""Conversion of a clip's speech by a run of recordings."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from unpaired.atomic import atomic_write
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media.video.settings import ClipTranslateOptions
from unpaired.media.video.sound_encoding import ConvertedSound
from unpaired.media.video.sound_extraction import SoundTrack, extract_sound
from unpaired.media.voice.medium import VoiceMedium
from unpaired.translate.base import BaseTranslator
from unpaired.translate.loading import load_translator
from unpaired.translate.route_request import TranslationRequest

_DONE_FILE, _SOURCE_FILE, _RESULT_FILE = "sound.json", "sound-source.wav", "sound.wav"


class SpeechConverter:
    """Conversion of clips' speech by the run `voice_run` of `options`, to the speaker `to_voice`.

    Raises UsageError if that is no run of recordings, or does not convert to this speaker.
    """

    def __init__(self, options: ClipTranslateOptions, device: str) -> None:
        assert options.voice_run is not None
        translator = load_translator(options.voice_run, None, device)
        config = translator.config
        flag = f"--voice-run {options.voice_run}"
        if not isinstance(config.get_medium(), VoiceMedium):
            raise UsageError(f"{flag}: translates {config.get_medium().files_noun}; expected a run of recordings")
        self._request = _resolve_request(translator, flag, options.to_voice, options.from_voice)
        self._pipeline = translator.create_pipeline(self._request)
        self._digest = translator.weights_digest

    def get_result_settings(self) -> list[object]:
        """Return everything that the converted speech depends on besides the clip."""
        request = self._request
        label = None if request.label_request is None else request.label_request.label
        route = [request.route.source, request.route.target, label]
        speakers = [request.source.model_dump(), request.target.model_dump()]
        return [self._digest, *route, *speakers, *self._pipeline.get_result_settings()]

    def require_speech(self, clip: Path, tracks: int) -> None:
        """Raise UnreadableFileError for a clip without exactly one sound track."""
        if not tracks:
            raise UnreadableFileError(clip, "has no sound that --voice-run could convert; leave out --voice-run")
        if tracks > 1:
            raise UnreadableFileError(
                clip,
                f"has {tracks} sound tracks, and --voice-run converts one; keep one, for instance with `ffmpeg -i FILE "
                "-map 0:v -map 0:a:0 -c copy one.mkv`",
            )

    def convert(self, clip: Path, folder: Path) -> ConvertedSound:
        """Convert the speech of a clip to a file in `folder`, or find it there; takes constant memory.

        Raises UnreadableFileError for sound that cannot be decoded or converted, WorkError if the disk is full.
        """
        done, source, result = folder / _DONE_FILE, folder / _SOURCE_FILE, folder / _RESULT_FILE
        if done.is_file():
            return _read_sound(done, result)
        try:
            track = extract_sound(clip, source)
            item = self._pipeline.prepare_file(source)
            (converted,) = self._pipeline.run([item])
            notes = self._pipeline.write(result, item, converted)
        except UnreadableFileError as error:
            reason = error.reason if error.path == str(clip) else f"its sound {error.reason}"
            raise UnreadableFileError(clip, reason) from error
        finally:
            source.unlink(missing_ok=True)
        sound = ConvertedSound(result, track, tuple(note.removeprefix(f"{source}: ") for note in notes))
        with atomic_write(done) as temporary:
            temporary.write_text(json.dumps(_describe_sound(sound)), "utf-8")
        return sound


def _resolve_request(translator: BaseTranslator, flag: str, to: str | None, source: str | None) -> TranslationRequest:
    """Return the request for a speaker; raises UsageError that names the flags of clips."""
    network, routes = translator.network, translator.routes
    if to is None:
        targets = ", ".join(dict.fromkeys(target for _, target in routes))
        raise UsageError(f"{flag}: add --to-voice with one of {targets}")
    sources = list(dict.fromkeys(name for name, target in routes if target == to))
    if source is None and len(sources) > 1 and not network.takes_any_source:
        raise UsageError(
            f"--to-voice {to}: {flag} converts several speakers; add --from-voice with one of {', '.join(sources)}"
        )
    try:
        return translator.resolve_request(to, source)
    except UsageError as error:
        given = f"--to-voice {to}" if source is None else f"--to-voice {to} --from-voice {source}"
        raise UsageError(f"{given}, {flag}: {error}") from error


def _describe_sound(sound: ConvertedSound) -> dict[str, Any]:
    return {**vars(sound.track), "start": str(sound.track.start), "notes": sound.notes}


def _read_sound(description: Path, result: Path) -> ConvertedSound:
    values: dict[str, Any] = json.loads(description.read_text("utf-8"))
    notes = tuple(values.pop("notes"))
    return ConvertedSound(result, SoundTrack(**values | {"start": Fraction(values["start"])}), notes)
