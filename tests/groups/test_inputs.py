"""Groups refuse arguments of other kinds and shapes by name, and hand on what is no number."""

import jaxtyping
import pytest
import torch

from symgen.groups import affine, centroid, colour, hue_vector, projective, warp

RAW, MAPS, IMAGES = torch.zeros(5, 6), torch.eye(3).repeat(5, 1, 1), torch.rand(5, 1, 8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: affine.exp(RAW.long()), "torch.int64: give floats"),
        (lambda: affine.exp(RAW[0, 0]), r"got shape \(\)"),
        (lambda: affine.from_raw(RAW.long()), "torch.int64: give floats"),
        (lambda: colour.exp(torch.zeros(8, dtype=torch.int64)), "torch.int64: give floats"),
        (lambda: affine.from_parameters(RAW[:, 0], RAW[:, 1], RAW[:, :1]), r"shift \(5, 1\)"),
        (lambda: affine.from_parameters(RAW[:2, 0], RAW[:, 1]), r"angle \(2,\), scale \(5,\)"),
        (lambda: affine.compose(MAPS[:2], MAPS), r"left \(2, 3, 3\).*axes broadcast"),
        (lambda: affine.compose(MAPS, MAPS.long()), "right of shape .* torch.int64: give float"),
        (lambda: colour.hue_degrees(RAW), r"matrix \(5, 6\)"),
        (lambda: colour.hue_rotation(40.0), "degrees=40.0: give a tensor"),
        (lambda: hue_vector(torch.tensor(40)), "degrees of shape"),
        (lambda: projective.tilt(RAW[:, 0], 0.0), "diagonal=0"),
        (lambda: projective.tilt(RAW[:, 0], -1.0), "diagonal=-1"),
        (lambda: projective.tilt(RAW[:, 0], torch.nan), "diagonal=nan"),
        (lambda: centroid(IMAGES[0, 0]), r"images \(8, 8\)"),
        (lambda: warp(IMAGES, MAPS, background=torch.nan), "background=nan: give"),
        (lambda: warp(IMAGES, MAPS, centre=(1.0, torch.inf)), "centre="),
    ],
)
def test_what_does_not_fit_is_refused_by_name(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", [0, 1])
def test_generators_that_are_no_number_are_handed_on(wrong):
    given = [RAW, RAW]
    given[wrong] = torch.full_like(RAW, torch.nan)
    assert affine.compose_generators(*given).isnan().all()
