"""The user's own recordings: found, understood, divided into splits, cut into clips."""

from symgen.data.recordings.augment import *
from symgen.data.recordings.axes import *
from symgen.data.recordings.clips import *
from symgen.data.recordings.footage import *
from symgen.data.recordings.opening import *
from symgen.data.recordings.period import *
from symgen.data.recordings.scale import *
from symgen.data.recordings.source import *
from symgen.data.recordings.splits import *
