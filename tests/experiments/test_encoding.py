"""Latents from Python: of recordings of any length, of images, of a run's own data."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ace_helpers import OPTIONS, SMALL

import symgen
from symgen import ACE, TVAE
from symgen.groups import affine

SIZE: dict[str, Any] = {"capsules": 2, "units": 6, "frames": 6, "window": 3, "width": 8}


@pytest.fixture(scope="module")
def model() -> TVAE:
    return TVAE((1, 6, 5), **SIZE)


def test_sequences_are_encoded_as_the_model_does(model: TVAE) -> None:
    x = torch.rand(5, 6, 1, 6, 5)
    found = symgen.encode(model, x)
    torch.testing.assert_close(found["t"].unflatten(0, (5, 6)), model.latents(x))
    assert torch.equal(found["recording"], torch.arange(5).repeat_interleave(6))
    assert torch.equal(found["frame"], torch.arange(6).repeat(5))
    assert found["recording_names"] == [f"[{number}]" for number in range(5)]
    assert {found["split_names"][code] for code in found["split"]} == {"none"}


def test_recordings_may_be_tensors_arrays_or_bytes_of_any_length(model: TVAE) -> None:
    films = [torch.randint(256, (length, 1, 6, 5), dtype=torch.uint8) for length in (3, 40, 6)]
    found = symgen.encode(model, films)
    scaled = [film.float() / 255 for film in films]
    alone = [symgen.encode(model, film)["t"] for film in scaled]
    torch.testing.assert_close(found["t"], torch.cat(alone))
    arrays = symgen.encode(model, [film.numpy() for film in scaled])
    torch.testing.assert_close(arrays["t"], found["t"])
    opened = symgen.encode(model, symgen.open(scaled, "all", length=2, axes="TCYX"))
    torch.testing.assert_close(opened["t"], found["t"])
    assert torch.equal(opened["frame"], found["frame"])


def test_every_second_frame_keeps_its_number_in_the_recording(model: TVAE) -> None:
    film = torch.rand(31, 1, 6, 5)
    source = symgen.open([film], "all", length=6, every=2, axes="TCYX")
    found = symgen.encode(model, source)
    assert torch.equal(found["frame"], torch.arange(0, 31, 2))
    torch.testing.assert_close(found["t"], symgen.encode(model, film[::2])["t"])


def test_pieces_of_a_recording_with_bad_frames_keep_its_numbers(model: TVAE) -> None:
    film = torch.rand(40, 1, 6, 5)
    film[17] = torch.nan
    found = symgen.encode(model, symgen.open([film, film[:9]], "all", length=6, axes="TCYX"))
    good = torch.cat([torch.arange(17), torch.arange(18, 40), torch.arange(9)])
    assert torch.equal(found["frame"], good)
    assert found["recording"].bincount().tolist() == [39, 9]
    assert len(found["recording_names"]) == 2
    pieces = [symgen.encode(model, part)["t"] for part in (film[:17], film[18:], film[:9])]
    torch.testing.assert_close(found["t"], torch.cat(pieces))


def test_recordings_that_come_full_circle_have_no_ends(model: TVAE) -> None:
    views = torch.rand(20, 1, 6, 5)
    options: dict[str, Any] = {"length": 6, "wrap": True, "axes": "TCYX"}
    found = symgen.encode(model, symgen.open([views], "all", **options))
    later = symgen.encode(model, symgen.open([views.roll(3, 0)], "all", **options))
    assert bool(found["inside"].all())
    torch.testing.assert_close(later["t"], found["t"].roll(3, 0))


def test_a_source_of_a_split_gives_the_frames_of_that_split(model: TVAE) -> None:
    films = [torch.rand(8, 1, 6, 5) for _ in range(10)]
    found = symgen.encode(model, symgen.open(films, "test", length=6, axes="TCYX"))
    assert {found["split_names"][code] for code in found["split"]} == {"test"}
    (number,) = found["recording"].unique().tolist()
    torch.testing.assert_close(found["t"], symgen.encode(model, films[number])["t"])


def test_phase_and_posterior_are_there_on_request(model: TVAE) -> None:
    x = torch.rand(9, 1, 6, 5)
    plain, more = symgen.encode(model, x), symgen.encode(model, x, posterior=True, phase=True)
    added = {"z_mean", "z_std", "u_mean", "u_std", "phase", "amplitude"}
    assert set(more) - set(plain) == added
    expected = symgen.latents.capsule_phase(more["t"])
    torch.testing.assert_close(more["phase"], expected.phase)


def test_a_model_is_left_as_it_was_and_gradients_stay_on(model: TVAE) -> None:
    model.train()
    symgen.encode(model, torch.rand(9, 1, 6, 5))
    assert model.training and torch.is_grad_enabled()


@pytest.mark.parametrize("name", ["affine", "colour", "no pose"])
def test_ace_gives_a_row_an_image_and_its_pose_by_name(name: str) -> None:
    ace = ACE(**OPTIONS[name])
    x = torch.rand(7, *ace.data_shape)
    found, posterior = symgen.encode(ace, x), ace.eval().encode(x)
    assert torch.equal(found["image"], torch.arange(7))
    torch.testing.assert_close(found["z"], posterior.z.mean)
    torch.testing.assert_close(found["probabilities"], posterior.class_log_probs.exp())
    torch.testing.assert_close(found["affine"], posterior.pose.affine)
    assert ("colour" in found) == (posterior.pose.colour is not None)
    parts = affine.to_parts(posterior.pose.affine)
    torch.testing.assert_close(found["angle_degrees"], parts.angle.rad2deg())
    torch.testing.assert_close(found["scale"], parts.scale)
    torch.testing.assert_close(found["shift_x_pixels"], posterior.pose.affine[:, 0, 2])


def test_half_a_turn_has_its_parts_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    ace = ACE(**SMALL)
    turned = torch.diag(torch.tensor([-1.0, -1.0, 1.0])).expand(2, 3, 3)  # half a turn
    element = ace._element
    monkeypatch.setattr(
        ace, "_element", lambda h, start: element(h, start)._replace(affine=turned)
    )
    found = symgen.encode(ace, torch.rand(2, *ace.data_shape))
    assert found["angle_degrees"].abs().tolist() == [180.0, 180.0]
    assert found["scale"].tolist() == [1.0, 1.0]


def test_labels_of_a_data_set_come_along() -> None:
    ace, labels = ACE(**SMALL), torch.tensor([2, 0, 1])
    data = torch.utils.data.TensorDataset(torch.rand(3, *ace.data_shape), labels)
    assert torch.equal(symgen.encode(ace, data)["label"], labels)


def test_a_run_knows_which_recordings_are_in_which_split(tmp_path: Path) -> None:
    films = np.random.default_rng(0).integers(256, size=(10, 12, 6, 5), dtype=np.uint8)
    np.save(tmp_path / "films.npy", films)
    source = symgen.open(tmp_path / "films.npy", axes="NTYX", length=6)
    model = TVAE((1, 6, 5), **SIZE)
    symgen.fit(model, source, examples=8, batch_size=4, folder=tmp_path / "run")
    found = symgen.encode(tmp_path / "run")
    splits = np.array(found["split_names"])[found["split"].reshape(10, 12)[:, 0]]
    record = source.split_record()
    expected = {name: split for split, names in record.items() for name in names}
    assert splits.tolist() == [expected[f"[{number}]"] for number in range(10)]
    test = symgen.encode(tmp_path / "run", split="test")
    own = found["split"] == found["split_names"].index("test")
    torch.testing.assert_close(test["t"], found["t"][own])
    # Others, and the same in another order: known by what is in them.
    order = [int(np.flatnonzero(splits == "test")[0]), 4]
    other = np.concatenate([films[order], 255 - films[:1]])
    np.save(tmp_path / "other.npy", other)
    moved = symgen.encode(tmp_path / "run", tmp_path / "other.npy")
    names = [moved["split_names"][code] for code in moved["split"][::12]]
    assert names == ["test", splits[4], "none"]


def test_parts_in_time_are_told_frame_by_frame(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(256, size=(1, 100, 6, 5), dtype=np.uint8)
    np.save(tmp_path / "film.npy", film)
    source = symgen.open(tmp_path / "film.npy", axes="NTYX", length=6)
    assert source.in_time
    model = TVAE((1, 6, 5), **SIZE)
    symgen.fit(model, source, examples=8, batch_size=4, folder=tmp_path / "run")
    found = symgen.encode(tmp_path / "run")
    for split, part in source.parts.items():
        mine = found["frame"][found["split"] == found["split_names"].index(split)]
        begin, length = int(part.begin[0]), int(part.length[0])
        assert torch.equal(mine, torch.arange(begin, begin + length))
    assert int((found["split"] == found["split_names"].index("none")).sum()) == 12


def test_a_run_of_tensors_encodes_files_of_longer_recordings(tmp_path: Path) -> None:
    model = TVAE((7,), **SIZE, likelihood="gaussian")
    run = symgen.fit(
        model, torch.randn(8, 6, 7), examples=8, batch_size=4, folder=tmp_path / "run"
    )
    longer = np.random.default_rng(0).normal(size=(2, 50, 7)).astype("f4")
    np.save(tmp_path / "longer.npy", longer)
    found = symgen.encode(tmp_path / "run", tmp_path / "longer.npy")
    expected = symgen.encode(run, torch.from_numpy(longer))
    torch.testing.assert_close(found["t"], expected["t"])
    np.save(tmp_path / "other.npy", longer[..., :5])
    with pytest.raises(ValueError, match="give frames first"):
        symgen.encode(tmp_path / "run", tmp_path / "other.npy")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.zeros(5, 4, 1, 6, 6), "recording 0 is (4, 1, 6, 6): give frames first"),
        ([torch.zeros(4, 1, 6, 5), torch.zeros(0, 1, 6, 5)], "recording 1 is (0, 1, 6, 5)"),
        (None, "data=None and no run folder: name the data"),
        (torch.full((4, 1, 6, 5), 7.0), "frames reaches from 7 to 7: scale"),
        ("nowhere.npy", "nowhere.npy is not there"),
    ],
)
def test_what_cannot_be_encoded_is_said(model: TVAE, data: Any, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=re.escape(message)):
        symgen.encode(model, data)


def test_a_split_goes_with_a_runs_own_data(model: TVAE) -> None:
    with pytest.raises(ValueError, match="split='test' with data of your own"):
        symgen.encode(model, torch.rand(9, 1, 6, 5), split="test")


def test_ace_has_no_capsules_and_capsules_with_ends_no_phase() -> None:
    with pytest.raises(ValueError, match="an ACE has no capsules"):
        symgen.encode(ACE(**SMALL), torch.rand(2, 1, 12, 12), phase=True)
    ends = TVAE((1, 6, 5), **SIZE, boundary="zero", capsule_boundary="zero")
    with pytest.raises(ValueError, match="whose ends do not meet"):
        symgen.encode(ends, torch.rand(9, 1, 6, 5), phase=True)
