"""Metrics: plain functions from tensors to one value per sequence, or per factor."""

from symgen.metrics.capcorr import (
    RollReadings,
    capcorr,
    capcorr_chance,
    correlation,
    observed_and_true,
)
from symgen.metrics.equivariance import equivariance_chance, equivariance_error
from symgen.metrics.likelihood import (
    entropy_floor,
    log_likelihood,
    paper_estimate,
    sequence_bound,
)
from symgen.metrics.roll_prediction import RollPrediction, roll_prediction

__all__ = [
    "RollPrediction",
    "RollReadings",
    "capcorr",
    "capcorr_chance",
    "correlation",
    "entropy_floor",
    "equivariance_chance",
    "equivariance_error",
    "log_likelihood",
    "observed_and_true",
    "paper_estimate",
    "roll_prediction",
    "sequence_bound",
]
