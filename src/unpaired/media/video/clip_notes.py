"""Notes for the user on what a translated clip lacks or may lack."""

from __future__ import annotations

from unpaired.media.video.encoding import ClipEncoding
from unpaired.media.video.frame_reader import ClipHeader
from unpaired.media.video.frames import HDR_TRANSFERS


def list_clip_notes(header: ClipHeader, encoding: ClipEncoding) -> list[str]:
    """Describe losses of a translation; equal reasons have equal texts."""
    notes = list(encoding.notes)
    if header.other_streams:
        notes.append(f"streams of type {', '.join(header.other_streams)} are left out; picture and sound are kept")
    if header.tags.transfer in HDR_TRANSFERS:
        name = HDR_TRANSFERS[header.tags.transfer]
        notes.append(
            f"the values are HDR ({name}): they are translated as they are, in {header.bits} bits, but the networks "
            "may have been trained on pictures of normal range; mastering metadata are left out"
        )
    if header.rotation:
        notes.append("the rotation flag is applied: results are upright without it")
    return notes
