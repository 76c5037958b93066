"""The mean of the data, which an encoder does not see: `centre`."""

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from symgen import TVAE
from symgen.training import fit

CLIPS = torch.rand(40, 6, 1, 4, 4, generator=torch.Generator().manual_seed(2)) ** 3
SIZE = {"data_shape": (1, 4, 4), "capsules": 2, "units": 6, "frames": 6, "window": 3, "width": 8}


def centred(**options) -> TVAE:
    torch.manual_seed(0)
    return TVAE(**SIZE, centre=True, **options)


def test_without_it_there_is_no_mean():
    assert TVAE(**SIZE).data_mean is None
    assert "data_mean" not in TVAE(**SIZE).state_dict()


def test_a_model_is_the_one_whose_first_bias_is_lower_by_what_the_mean_adds():
    model, plain = centred().double(), TVAE(**SIZE).double()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k != "data_mean"})
    mean = CLIPS.mean((0, 1)).double()
    model.data_mean.copy_(mean)
    with torch.no_grad():
        plain.encoder.first.bias -= plain.encoder.first.weight @ mean.flatten()
    x = CLIPS[:3].double()
    torch.testing.assert_close(model.latents(x), plain.latents(x))


@pytest.mark.parametrize("data", [CLIPS, DataLoader(CLIPS, batch_size=8)], ids=["all", "loader"])
def test_fit_takes_the_mean_of_the_data_before_its_first_step(data):
    model = centred()
    fit(model, data, batch_size=8, examples=8)
    exact = CLIPS.mean((0, 1))
    torch.testing.assert_close(model.data_mean, exact, rtol=0, atol=0.05)  # of some epochs
    assert model.data_mean.unique().numel() == 16


def test_of_long_data_some_hundred_items_are_looked_at():
    taken = []

    class Counting(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 10_000

        def __getitem__(self, index: int) -> torch.Tensor:
            taken.append(index)
            return CLIPS[index % 40]

    fit(centred(), Counting(), batch_size=16, examples=16)
    assert len(taken) < 400


def test_the_mean_stays_when_training_goes_on(tmp_path: Path):
    model = centred()
    fit(model, CLIPS, batch_size=8, examples=16, folder=tmp_path / "a")
    mean = model.data_mean.clone()
    longer = fit(centred(), CLIPS, batch_size=8, examples=32, folder=tmp_path / "a", resume=True)
    assert longer.model.data_mean.equal(mean)
    fit(model, 1 - CLIPS, batch_size=8, examples=16, folder=tmp_path / "b")  # its own weights
    assert model.data_mean.equal(mean)
    assert TVAE.from_pretrained(tmp_path / "b").data_mean.equal(mean)
