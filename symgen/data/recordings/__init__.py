"""The user's own recordings: found, decoded, divided into splits, cut into clips."""

from symgen.data.recordings.clips import *
from symgen.data.recordings.footage import *
from symgen.data.recordings.source import *
