"""Images with labels, sequences of images whose factors move, and batches of both."""

from symgen.data import cifar10, dsprites
from symgen.data.batches import *
from symgen.data.bouncing_digits import *
from symgen.data.distorted import *
from symgen.data.dsprites_sequences import *
from symgen.data.images import *
from symgen.data.loading import *
from symgen.data.recordings.opening import *
from symgen.data.recordings.source import *
from symgen.data.transforming_digits import *
