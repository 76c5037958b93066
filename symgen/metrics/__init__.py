"""Metrics: plain functions from tensors to one value per sequence, or per factor."""

from symgen.metrics.axes import AxisAssignment, axis_correlation
from symgen.metrics.capcorr import (
    ObservedRolls,
    capcorr,
    capcorr_chance,
    correlation,
    observed_and_true,
    roll_resolution,
)
from symgen.metrics.class_bounds import MixtureBounds, mixture_bounds
from symgen.metrics.control import motions, round_trip, stays
from symgen.metrics.disentanglement import DCI, dci, mutual_information_gap
from symgen.metrics.equivariance import equivariance_chance, equivariance_error
from symgen.metrics.forecast import (
    ForecastErrors,
    GRUForecast,
    forecast_errors,
    linear_forecast,
    roll_forecast,
)
from symgen.metrics.frechet import frechet_distance
from symgen.metrics.images import (
    centred_crop,
    height_and_slant,
    recognised,
    sharpness,
)
from symgen.metrics.likelihood import (
    entropy_floor,
    log_likelihood,
    paper_estimate,
    sequence_bound,
)
from symgen.metrics.pose_recovery import pose_coordinates, pose_recovery
from symgen.metrics.probes import (
    Accuracy,
    linear_probe,
    phase_r2,
    phases,
    pooled_capsules,
)
from symgen.metrics.roll_prediction import RollPrediction, roll_prediction
from symgen.metrics.selectivity import (
    class_selectivity,
    max_activating,
    selectivity_summary,
)

__all__ = [
    "Accuracy",
    "AxisAssignment",
    "DCI",
    "ForecastErrors",
    "GRUForecast",
    "MixtureBounds",
    "RollPrediction",
    "ObservedRolls",
    "axis_correlation",
    "capcorr",
    "capcorr_chance",
    "centred_crop",
    "class_selectivity",
    "correlation",
    "dci",
    "entropy_floor",
    "equivariance_chance",
    "equivariance_error",
    "forecast_errors",
    "frechet_distance",
    "height_and_slant",
    "linear_forecast",
    "linear_probe",
    "log_likelihood",
    "max_activating",
    "motions",
    "mixture_bounds",
    "mutual_information_gap",
    "observed_and_true",
    "paper_estimate",
    "phase_r2",
    "phases",
    "pooled_capsules",
    "pose_coordinates",
    "pose_recovery",
    "roll_resolution",
    "roll_forecast",
    "roll_prediction",
    "sequence_bound",
    "recognised",
    "round_trip",
    "selectivity_summary",
    "sharpness",
    "stays",
]
