"""Training: the loop, its settings, its checkpoints and its records."""

from symgen.training.checkpoint import *
from symgen.training.extension import *
from symgen.training.fit import *
from symgen.training.heartbeat import *
from symgen.training.launch import *
from symgen.training.lock import *
from symgen.training.meter import *
from symgen.training.peers import *
from symgen.training.progress import *
from symgen.training.provenance import *
from symgen.training.records import *
from symgen.training.run_folder import *
from symgen.training.settings import *
from symgen.training.step import *
from symgen.training.trainable import *
from symgen.training.trainer import *
