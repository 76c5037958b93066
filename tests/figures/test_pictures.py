"""Data of any shape as pictures: nothing is lost that a picture can show."""

import pytest
import torch

from symgen.figures import as_pictures


@pytest.mark.parametrize("batch", [(), (5,), (2, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_coloured_images_stay_as_they_are(channels, batch, device):
    x, y = torch.rand(2, *batch, channels, 6, 4, device=device)
    given, other = as_pictures(x, y, dims=3)
    assert torch.equal(given, x.cpu()) and torch.equal(other, y.cpu())


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_volumes_show_the_greatest_value_along_their_depth(channels):
    x = torch.rand(2, channels, 5, 6, 4)
    (shown,) = as_pictures(x, dims=4)
    (flat,) = as_pictures(torch.stack([x[:, :, k] for k in range(5)]).amax(0), dims=3)
    assert torch.equal(shown, flat)


def test_two_channels_are_magenta_and_green():
    x = torch.rand(3, 2, 6, 4)
    (shown,) = as_pictures(x, dims=3)
    first, second = x[:, 0], x[:, 1]
    assert torch.equal(shown, torch.stack([first, second, first], 1))


@pytest.mark.parametrize("channels", [4, 5, 7])
def test_many_channels_have_a_full_hue_each_and_are_added(channels):
    (hues,) = as_pictures(torch.eye(channels)[..., None, None], dims=3)  # one channel in each
    hues = hues[..., 0, 0]
    assert (hues.amax(1) == 1).all() and (hues.amin(1) == 0).all()
    assert (torch.cdist(hues, hues) + 2 * torch.eye(channels)).min() > 0.3
    x = torch.rand(channels, 6, 4) / channels  # no sum leaves the range
    (shown,) = as_pictures(x, dims=3)
    torch.testing.assert_close(shown, (hues.T @ x.flatten(1)).unflatten(1, (6, 4)))


def test_any_range_is_brought_to_that_of_the_given_data():
    x, y = 300 * torch.randn(2, 4, 1, 6, 6).double()
    given, other = as_pictures(x, y, dims=3)
    low, high = x.min(), x.max()
    torch.testing.assert_close(given, ((x - low) / (high - low)).float(), atol=1e-5, rtol=0)
    expected = ((y - low) / (high - low)).clamp(0, 1)
    torch.testing.assert_close(other, expected.float(), atol=1e-5, rtol=0)
    assert (given.min(), given.max()) == (0, 1)


def test_predictions_out_of_range_do_not_change_the_given_data():
    x = torch.rand(1, 4, 4)
    given, other = as_pictures(x, 3 * x - 1, dims=3)
    assert torch.equal(given, x) and torch.equal(other, (3 * x - 1).clamp(0, 1))


def test_a_constant_of_any_size_is_a_picture():
    (shown,) = as_pictures(torch.full((1, 4, 4), -7.0), dims=3)
    assert torch.equal(shown, torch.zeros(1, 4, 4))


def test_pictures_have_no_gradient_and_leave_their_input_alone():
    x = (5 * torch.randn(2, 2, 4, 4)).requires_grad_()
    before = x.detach().clone()
    (shown,) = as_pictures(x, dims=3)
    assert not shown.requires_grad and torch.equal(x, before)


@pytest.mark.parametrize(("dims", "counted"), [(1, "1 dimension "), (2, "2 dimensions ")])
def test_vectors_are_no_pictures(dims, counted):
    with pytest.raises(ValueError, match=f"items of {counted}are no pictures"):
        as_pictures(torch.rand(3, 5, 12), dims=dims)
