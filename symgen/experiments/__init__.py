"""Experiments: presets by name, run folders, and their evaluation."""

from symgen.experiments.evaluation import evaluate
from symgen.experiments.experiment import DataConfig, Experiment, ModelConfig
from symgen.experiments.presets import PRESETS, preset
from symgen.experiments.runs import OpenRun, evaluate_run, hardware, open_run, start_run

__all__ = [
    "DataConfig",
    "Experiment",
    "ModelConfig",
    "OpenRun",
    "PRESETS",
    "evaluate",
    "evaluate_run",
    "hardware",
    "open_run",
    "preset",
    "start_run",
]
