"""Figures refuse what they cannot draw by name."""

import jaxtyping
import pytest
import torch

from symgen.figures import (
    WindowPoint,
    as_pictures,
    contact_sheet,
    learning_curves,
    torus_map,
    vector_maps,
    window_curves,
)

FRAMES, ACTIVATIONS, LABELS = torch.rand(2, 3, 1, 4, 4), torch.rand(8, 4), torch.arange(8) % 3
POINT, VECTORS = WindowPoint("angle", "ours", 0.0, 0.2), torch.rand(2, 5, 3)
SEEN = torch.arange(5) < 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: as_pictures(dims=3), "no data"),
        (lambda: as_pictures(FRAMES, FRAMES[:, :, :0], dims=3), "tensor 2 of shape"),
        (lambda: as_pictures(FRAMES[0, 0, 0], dims=3), r"tensor 1 of shape \(4, 4\)"),
        (lambda: as_pictures(FRAMES * torch.nan, dims=3), "tensor 1 holds 96 values"),
        (lambda: contact_sheet(3, ["a"]), "frames=3: give"),
        (lambda: contact_sheet(FRAMES, 3), "titles=3: give"),
        (lambda: contact_sheet(FRAMES, ["a", "b"], 3), "path=3: give"),
        (lambda: learning_curves([3]), "record 3: give"),
        (lambda: learning_curves([{"examples": 1, "evaluation": 2}]), "record .*: give"),
        (lambda: torus_map(ACTIVATIONS, None, LABELS, (2, -2)), "grid=.*: give"),
        (lambda: torus_map(ACTIVATIONS, None, LABELS.float(), (2, 2)), "labels of shape"),
        (lambda: torus_map(ACTIVATIONS, None, LABELS + 10**12, (2, 2)), "labels reach 1000"),
        (lambda: vector_maps({}, SEEN), "rows={}"),
        (lambda: vector_maps({"given": VECTORS / 0}, SEEN), r"rows\['given'\] holds 30 values"),
        (lambda: vector_maps({"given": VECTORS[:0]}, SEEN), r"given \(0, 5, 3\)"),
        (lambda: window_curves([POINT._replace(value=torch.nan)]), "no points to draw among 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_points_that_are_not_finite_are_left_out():
    panels = window_curves([POINT._replace(value=torch.nan), POINT]).axes
    assert len(panels) == 1 and panels[0].get_ylim()[0] < 0.2
