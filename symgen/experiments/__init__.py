"""Experiments: presets by name, run folders, and their evaluation."""

from symgen.experiments.ace import ACEConfig, ACEExperiment, ImageConfig
from symgen.experiments.evaluation import evaluate
from symgen.experiments.experiment import (
    DataConfig,
    Experiment,
    ModelConfig,
    SequenceExperiment,
)
from symgen.experiments.measures import counted, measures
from symgen.experiments.model_card import write_card
from symgen.experiments.presets import PRESETS, preset
from symgen.experiments.recordings import RecordingConfig, RecordingExperiment, RecordingModel
from symgen.experiments.runs import OpenRun, evaluate_run, hardware, open_run, start_run
from symgen.experiments.serialisation import AnyExperiment, from_json, to_json

__all__ = [
    "ACEConfig",
    "ACEExperiment",
    "AnyExperiment",
    "DataConfig",
    "Experiment",
    "ImageConfig",
    "ModelConfig",
    "OpenRun",
    "PRESETS",
    "RecordingConfig",
    "RecordingExperiment",
    "RecordingModel",
    "SequenceExperiment",
    "counted",
    "evaluate",
    "evaluate_run",
    "from_json",
    "hardware",
    "measures",
    "open_run",
    "preset",
    "start_run",
    "to_json",
    "write_card",
]
