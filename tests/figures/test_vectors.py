"""Sequences of vectors: every value at its frame and feature, in colours that compare."""

import jaxtyping
import numpy as np
import pytest
import torch

from symgen.figures import vector_maps

SEEN = torch.tensor([True, True, False, False, True, True])
NAMES = ["given", "rolled"]


@pytest.fixture
def rows():
    return {name: 5 * torch.randn(3, 6, 4) for name in NAMES}


def test_time_runs_to_the_right_and_features_downwards(rows, device):
    figure = vector_maps({name: x.to(device) for name, x in rows.items()}, SEEN.to(device))
    assert len(figure.axes) == 6
    for place, panel in enumerate(figure.axes):
        (image,) = panel.images
        values = rows[NAMES[place % 2]][place // 2]
        assert np.array_equal(image.get_array(), values.T)  # a column for each frame
        assert image.origin == "upper"


def test_maps_of_an_example_share_the_range_of_what_was_given(rows):
    for place, panel in enumerate(vector_maps(rows, SEEN).axes):
        given = rows["given"][place // 2]
        assert panel.images[0].get_clim() == (given.min(), given.max())


@pytest.mark.parametrize(
    ("seen", "edges", "told"),
    [
        (SEEN, [1.5, 3.5], "\nt₀ has not seen the frames between the dashed lines"),
        (torch.ones(6, dtype=torch.bool), [], ""),
        (torch.arange(6) < 1, [0.5], "\nt₀ has not seen the frames beyond the dashed line"),
    ],
)
def test_frames_that_were_not_seen_lie_between_dashed_lines(rows, seen, edges, told):
    figure = vector_maps(rows, seen)
    for panel in figure.axes:
        assert [line.get_xdata()[0] for line in panel.lines] == edges
    first = "violet to yellow: least to greatest value of “given”"
    assert figure.get_supxlabel() == first + told


def test_versions_and_examples_are_named_once(rows):
    panels = vector_maps(rows, SEEN, titles=["speed", "phase", "size"]).axes
    captions = [panel.get_title(loc="left").split() for panel in panels]
    assert captions == [["given", "speed"], ["rolled"], ["phase"], [], ["size"], []]
    without = [panel.get_title(loc="left") for panel in vector_maps(rows, SEEN).axes]
    assert without == ["given", "rolled", "", "", "", ""]


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_a_file_is_written(rows, suffix, tmp_path):
    path = tmp_path / f"maps{suffix}"
    vector_maps({"given": rows["given"].requires_grad_()}, SEEN, path)
    assert path.stat().st_size > 1000 and list(tmp_path.iterdir()) == [path]


X = torch.rand(3, 6, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": {"given": X, "rolled": X[:, :5]}}, r"rolled \(3, 5, 4\) with 6 frames seen"),
        ({"rows": {"given": X[0]}}, r"given \(6, 4\).*give all \(n, S, features\)"),
        ({"seen": SEEN[:5]}, r"given \(3, 6, 4\) with 5 frames seen"),
        ({"titles": ["speed"]}, r"1 titles \['speed'\] for 3 examples"),
        ({"path": "maps.gif"}, r"cannot write maps\.gif"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        vector_maps(**({"rows": {"given": X}, "seen": SEEN} | change))
