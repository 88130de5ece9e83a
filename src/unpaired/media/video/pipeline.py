"""Translation of clips by runs of pictures: one pipeline for pictures and clips. Imports PyAV only for clips."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unpaired.console import FractionCallback, ignore_fraction
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media import Medium
from unpaired.media.image.array_io import Array
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.image.size_adapter import create_size_adapter
from unpaired.media.image.stack_translation import PreparedStack, TranslatedStack
from unpaired.media.provenance import SYNTHETIC_COMMENT
from unpaired.media.video.animations import is_animated
from unpaired.media.video.optional_packages import has_packages, require_packages
from unpaired.media.video.settings import ANIMATION_SUFFIXES, CLIP_SUFFIXES, ClipTranslateOptions
from unpaired.packages import import_package
from unpaired.translate.jobs import file_signature
from unpaired.translate.network import LabelVector, TensorNetwork
from unpaired.translate.pipeline import Destination

if TYPE_CHECKING:
    from unpaired.media.video.encoding import ClipEncoding
    from unpaired.media.video.frame_reader import ClipHeader
    from unpaired.media.video.segments import SegmentStore
    from unpaired.media.video.sound_encoding import ConvertedSound
    from unpaired.media.video.speech import SpeechConverter


@dataclass(frozen=True, eq=False)
class PreparedClip:
    """Clip whose header has been read; its frames are read while it is translated."""

    path: Path
    destination: Destination
    header: ClipHeader
    encoding: ClipEncoding
    label: LabelVector | None
    memory_cost: int

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Key of this item alone: clips are translated one by one."""
        return ("clip", id(self))


@dataclass(frozen=True, eq=False)
class TranslatedClip:
    """Translated frames of a clip, and its converted speech; without `speech`, its sound is copied."""

    store: SegmentStore
    speech: ConvertedSound | None


PicturesOrClip = PreparedImage | PreparedStack | PreparedClip


class ClipPipeline:
    """Pipeline of `pictures` for clips too. Frames are translated as pictures are, each on its own.

    A translated clip has the timestamps, sound, size, depth and color tags of its input. It is written in segments,
    from which a killed translation continues. The option `voice_run` converts its speech.
    """

    def __init__(self, pictures: ImagePipeline) -> None:
        assert isinstance(pictures.options, ClipTranslateOptions)
        self.pictures, self.options = pictures, pictures.options
        self.medium: Medium = pictures.medium
        self.max_waiting_cost = pictures.max_waiting_cost
        self.tiled_pass = pictures.network_pass.as_tiled() if self.options.deflicker != "none" else None
        if self.options.deflicker != "none" and self.tiled_pass is None:
            raise UsageError(
                f"--deflicker {self.options.deflicker}: an exported network normalizes each frame on its own; "
                "translate with the run, or leave out --deflicker"
            )
        self._speech_converter = self._load_speech_converter()

    def _load_speech_converter(self) -> SpeechConverter | None:
        """Load the run of recordings that converts the speech, None without one; raises UsageError."""
        options, network = self.options, self.pictures.network
        if options.voice_run is None:
            for flag, value in (("--to-voice", options.to_voice), ("--from-voice", options.from_voice)):
                if value is not None:
                    raise UsageError(
                        f"{flag} {value}: is a speaker of a run of recordings; add it with --voice-run RUN"
                    )
            return None
        require_packages()
        from unpaired.media.video.speech import SpeechConverter  # noqa: PLC0415

        return SpeechConverter(options, str(network.device) if isinstance(network, TensorNetwork) else "auto")

    def get_result_settings(self) -> list[object]:
        """Return the settings of pictures, and those of clips that are given."""
        given = self.options.model_dump(include={"codec", "quality", "deflicker"}, exclude_defaults=True)
        speech = [] if self._speech_converter is None else [self._speech_converter.get_result_settings()]
        return [*self.pictures.get_result_settings(), *([given] if given else []), *speech]

    def make_output_name(self, path: str) -> str:
        """Return the same name for clips and animations, for pictures that of their pipeline."""
        name = self.pictures.make_output_name(path)
        own = os.path.basename(path)  # noqa: PTH119 - a Path per name is slow for a million files
        return name if name == own or not is_clip(path) else own

    def estimate_bytes(self, path: Path) -> int:
        """Return 0 for clips, which take the same memory for any length; else the bytes of the picture."""
        return 0 if is_clip(str(path)) else self.pictures.estimate_bytes(path)

    def prepare_file(self, path: Path, destination: Destination | None = None) -> PicturesOrClip:
        """Read a picture, or the header of a clip; raises UnreadableFileError, UsageError."""
        if not is_clip(str(path)):
            return self.pictures.prepare_file(path, destination)
        require_packages()
        if self.pictures.reads_all_bands:
            raise UsageError(
                f"{path}: this run translates pictures of {self.pictures.channels} channels, but frames of clips have "
                "color; use a run with --channels 3 or 1"
            )
        if self.options.deflicker == "filter":
            import_package("cv2", "--deflicker filter", "video")
        from unpaired.media.video.clip_opening import read_clip_header  # noqa: PLC0415
        from unpaired.media.video.encoding import choose_encoding  # noqa: PLC0415

        if destination is None:
            raise UsageError(f"{path}: a clip is translated to a file; use translate_files or `unpaired translate`")
        header = read_clip_header(path)
        if self._speech_converter is not None:
            self._speech_converter.require_speech(path, len(header.audio))
        suffix = destination.path.suffix.lower()
        is_color = header.has_color or (self.pictures.target_has_color and self.options.mode == "target")
        encoding = choose_encoding(path, header, suffix, self.options.codec, self.options.quality, is_color)
        label_request = self.pictures.request.label_request
        label = None if label_request is None else label_request.get_target_label(path)
        return PreparedClip(path, destination, header, encoding, label, self.max_waiting_cost + 1)

    def list_warnings(self, prepared_item: PicturesOrClip) -> list[str]:
        """Describe what a translation lacks, and effects of the networks' size."""
        if not isinstance(prepared_item, PreparedClip):
            return self.pictures.list_warnings(prepared_item)
        from unpaired.media.video.clip_notes import list_clip_notes  # noqa: PLC0415

        header, pictures = prepared_item.header, self.pictures
        adapter = create_size_adapter(
            header.height, header.width, pictures.size, pictures.shrink, pictures.network.stride
        )
        notes = list_clip_notes(header, prepared_item.encoding)
        if self.tiled_pass is not None and self.tiled_pass.obstacle:
            notes.append(
                f"frames are normalized on their own: this run's networks compute '{self.tiled_pass.obstacle}' from "
                "the whole frame, so that the frames of a shot cannot share statistics"
            )
        return [*pictures.list_size_warnings(adapter), *(f"of some clips, {note}" for note in notes)]

    def run(
        self, batch: Sequence[PicturesOrClip], report_fraction: FractionCallback = ignore_fraction
    ) -> Sequence[Array | TranslatedStack | TranslatedClip]:
        """Translate pictures with equal keys, or one clip."""
        (first, *_) = batch
        if isinstance(first, PreparedClip):
            return [self._run_clip(first, report_fraction)]
        return self.pictures.run([item for item in batch if not isinstance(item, PreparedClip)], report_fraction)

    def write(
        self, output: Path, prepared_item: PicturesOrClip, result: Array | TranslatedStack | TranslatedClip
    ) -> tuple[str, ...]:
        """Write a picture, or assemble a clip from its segments; returns warnings."""
        if not isinstance(prepared_item, PreparedClip):
            return self.pictures.write(output, prepared_item, result)  # type: ignore[arg-type]
        assert isinstance(result, TranslatedClip)
        from unpaired.media.video.muxing import write_clip  # noqa: PLC0415

        comment, speech = SYNTHETIC_COMMENT if self.options.tag else "", result.speech
        write_clip(result.store, prepared_item.path, comment, speech)
        return () if speech is None else tuple(f"{prepared_item.path}: {note}" for note in speech.notes)

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Any:
        """Translate a picture in memory or in a file (see `Translator`); raises UsageError for clips."""
        if isinstance(x, str | os.PathLike) and is_clip(os.fspath(x)) and Path(x).suffix.lower() in CLIP_SUFFIXES:
            raise UsageError(f"{x}: a clip is translated to a file; use translate_files or `unpaired translate`")
        return self.pictures.translate_object(x, sample_rate_hz)

    def _run_clip(self, item: PreparedClip, report_fraction: FractionCallback) -> TranslatedClip:
        from unpaired.media.video.clip_opening import open_clip  # noqa: PLC0415
        from unpaired.media.video.clip_translation import (  # noqa: PLC0415
            translate_clip,
            translate_frames,
            translate_shots_of_clip,
        )
        from unpaired.media.video.segments import SegmentStore  # noqa: PLC0415

        path, destination = item.path, item.destination
        key = [destination.settings_hash, str(path.absolute()), file_signature(path)]
        store = SegmentStore(destination.path, key, item.header, item.encoding)
        speech = None if self._speech_converter is None else self._convert_speech(path, store)
        with open_clip(path) as reader:
            translate = partial(translate_frames, self.pictures)
            if self.tiled_pass is not None:
                has_filter = self.options.deflicker == "filter"
                translate = partial(translate_shots_of_clip, self.tiled_pass, store, has_filter)
            starts_at_shot = self.tiled_pass is not None
            try:
                translate_clip(self.pictures, reader, item.label, store, translate, starts_at_shot, report_fraction)
            except UnreadableFileError:
                store.remove()
                raise
        return TranslatedClip(store, speech)

    def _convert_speech(self, path: Path, store: SegmentStore) -> ConvertedSound:
        """Convert the speech before the frames, which take far longer, so that its errors come early."""
        assert self._speech_converter is not None
        try:
            return self._speech_converter.convert(path, store.folder)
        except UnreadableFileError:
            store.remove()
            raise


def is_clip(path: str) -> bool:
    """Whether a file is a clip by its suffix, or is a picture with more than one frame (needs PyAV)."""
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a Path per name is slow for a million files
    return suffix in CLIP_SUFFIXES or (suffix in ANIMATION_SUFFIXES and has_packages() and is_animated(path))
