"""The user's own recordings: found, decoded, divided into splits, cut into clips."""

from symgen.data.recordings.clips import ClipSpec, RecordingSplit, divide
from symgen.data.recordings.footage import Footage, Skipped
from symgen.data.recordings.source import DEFAULT_LENGTH, Axes, Recordings, open

__all__ = [
    "Axes",
    "ClipSpec",
    "DEFAULT_LENGTH",
    "Footage",
    "RecordingSplit",
    "Recordings",
    "Skipped",
    "divide",
    "open",
]
