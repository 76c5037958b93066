"""Training: the loop, its numbers, its checkpoints and its records."""

from symgen.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from symgen.training.fit import TrainingDiverged, TrainingStopped, fit
from symgen.training.optimisation import Training
from symgen.training.precision import multiplies_bfloat16, resolved_precision
from symgen.training.records import Progress, Records, Run, read_records

__all__ = [
    "Checkpoint",
    "Progress",
    "Records",
    "Run",
    "Training",
    "TrainingDiverged",
    "TrainingStopped",
    "fit",
    "load_checkpoint",
    "multiplies_bfloat16",
    "read_records",
    "resolved_precision",
    "save_checkpoint",
]
