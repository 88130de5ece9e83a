"""Short clips of a report: frames of a test clip beside their translations, and a still of each for print."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from PIL import Image
from pydantic import BaseModel, ValidationError

from unpaired.file_names import shorten_name
from unpaired.media.pictures import EmbeddedImage, embed_image
from unpaired.report.templating import render
from unpaired.runs.folder import RunFolder

MAX_SIDE = 256
"""Maximum width and height of each of the two pictures, in pixels."""
FRAMES_PER_SECOND = 12
BIT_RATE = 600_000
"""Bits per second: 24 frames take 150 kB at most."""
_LIST = "clips.json"

Frames = Sequence[npt.NDArray[np.uint8]]
"""Frames (H, W, 3) of equal size."""


class ReportClip(BaseModel):
    """Entry of `clips.json`: a route, the input, and the names of the clip's and the still's files."""

    route: str
    input: str
    clip: str
    still: str


class ReportClips(BaseModel):
    """Content of `clips.json`."""

    clips: tuple[ReportClip, ...]


def write_report_clips(folder: RunFolder, clips: Sequence[tuple[str, str, Frames, Frames]]) -> None:
    """Write a clip and a still of each (route, name of the input, frames, translations); earlier ones are removed."""
    shutil.rmtree(folder.report_clips, ignore_errors=True)
    if not clips:
        return
    folder.report_clips.mkdir(parents=True)
    entries = []
    for route, name, frames, translations in clips:
        joined = [join_frames(x, y) for x, y in zip(frames, translations, strict=True)]
        stem = route.replace(" -> ", "-")
        entry = ReportClip(route=route, input=name, clip=shorten_name(f"{stem}.mp4"), still=shorten_name(f"{stem}.png"))
        (folder.report_clips / entry.clip).write_bytes(encode_clip(joined))
        Image.fromarray(joined[len(joined) // 2]).save(folder.report_clips / entry.still)
        entries.append(entry)
    text = json.dumps(ReportClips(clips=tuple(entries)).model_dump(mode="json"), indent=2)
    (folder.report_clips / _LIST).write_text(text + "\n", encoding="utf-8")


def join_frames(x: npt.NDArray[np.uint8], y: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Put two pictures of equal size side by side, each at most MAX_SIDE pixels wide and high, with even sides."""
    scale = min(1.0, MAX_SIDE / max(x.shape[:2]))
    height, width = (max(2, 2 * round(side * scale / 2)) for side in x.shape[:2])
    parts = [Image.fromarray(z).resize((width, height), Image.Resampling.BOX) for z in (x, y)]
    return np.concatenate([np.asarray(part, np.uint8) for part in parts], axis=1)


def encode_clip(frames: Frames) -> bytes:
    """Encode frames of even sides as a clip that browsers play: H.264 in MP4."""
    import av  # noqa: PLC0415 - optional

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", BIT_RATE
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def render_clips(folder: RunFolder) -> list[Markup]:
    """Render the section of the report with the clips of the last evaluation; empty if there are none."""
    try:
        text = (folder.report_clips / _LIST).read_text(encoding="utf-8")
        content = ReportClips.model_validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError):
        return []
    shown: list[tuple[ReportClip, str, EmbeddedImage]] = []
    for entry in content.clips:
        still, clip = (folder.report_clips / Path(name).name for name in (entry.still, entry.clip))
        picture = embed_image(still)
        if picture is not None and clip.is_file():
            data = base64.b64encode(clip.read_bytes()).decode()
            shown.append((entry, f"data:video/mp4;base64,{data}", picture))
    return [render("video_clips", clips=shown)] if shown else []
