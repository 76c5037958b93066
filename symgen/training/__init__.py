"""Training: the loop, its settings, its checkpoints and its records."""

from symgen.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, saved_step
from symgen.training.fit import TrainingDiverged, TrainingStopped, fit
from symgen.training.lock import RunBusy, hold
from symgen.training.meter import Meter
from symgen.training.precision import multiplies_bfloat16, resolved_precision
from symgen.training.progress import Progress
from symgen.training.provenance import commit, hardware
from symgen.training.records import last_record, read_records
from symgen.training.run_folder import Run, RunFolder
from symgen.training.settings import Training
from symgen.training.step import step
from symgen.training.trainable import Trainable

__all__ = [
    "Checkpoint",
    "Meter",
    "Progress",
    "Run",
    "RunBusy",
    "RunFolder",
    "Trainable",
    "Training",
    "TrainingDiverged",
    "TrainingStopped",
    "commit",
    "fit",
    "hardware",
    "hold",
    "last_record",
    "load_checkpoint",
    "multiplies_bfloat16",
    "read_records",
    "resolved_precision",
    "save_checkpoint",
    "saved_step",
    "step",
]
