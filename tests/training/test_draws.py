"""Draws of a share of a batch are rows of the draws of the whole."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal
from torch.nn import functional

from symgen.data import Batches, BouncingDigits, DistortedImages, TransformingDigits, load
from symgen.training import Peers
from symgen.training.draws import SharedDraws

DRAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "randn": lambda x: torch.randn(x.shape),
    "randn_like": torch.randn_like,
    "rand of a matrix": lambda x: torch.rand(len(x), 2, 3),
    "randint": lambda x: torch.randint(9, x.shape),
    "bernoulli": lambda x: torch.bernoulli(0.5 * torch.ones_like(x)),
    "normal": lambda x: Normal(x, 1.0).rsample(),
    "in place": lambda x: torch.empty_like(x).uniform_(),
    "dropout": lambda x: functional.dropout(x, 0.5),
    "flattened with another dimension": lambda x: torch.randn(x.numel(), 2).view(len(x), -1),
    "one number": lambda x: x + torch.rand(()),
    "after the noise of the whole": lambda x: torch.randn_like(x) + torch.randn(()),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("examples", [1, 3])
def test_a_share_draws_what_the_whole_draws_for_it(name: str, examples: int) -> None:
    draw, shares = DRAWS[name], 3
    x = torch.linspace(0, 1, shares * examples * 4).view(shares * examples, 4)
    torch.manual_seed(1)
    whole, state = draw(x), torch.get_rng_state()
    for share in range(shares):
        rows = slice(share * examples, (share + 1) * examples)
        torch.manual_seed(1)
        with SharedDraws(share, shares, examples):
            assert torch.equal(draw(x[rows]), whole[rows])
        assert torch.equal(torch.get_rng_state(), state)


def test_gradients_flow_through_shared_draws() -> None:
    x = torch.ones(4, 2, requires_grad=True)
    torch.manual_seed(1)
    (whole,) = torch.autograd.grad(functional.dropout(x, 0.5).square().sum(), x)
    share = torch.ones(2, 2, requires_grad=True)
    torch.manual_seed(1)
    with SharedDraws(1, 2, 2):
        loss = functional.dropout(share, 0.5).square().sum()
    assert torch.equal(torch.autograd.grad(loss, share)[0], whole[2:])


SOURCES: dict[str, Callable[[], Any]] = {
    "rts": lambda: DistortedImages(load("digits"), "rts"),
    "tc": lambda: DistortedImages(load("digits"), "tc"),
    "transforming": lambda: TransformingDigits(load("digits").pixels),
    "bouncing": lambda: BouncingDigits(load("digits").pixels),
}


@pytest.mark.parametrize("name", SOURCES)
def test_processes_make_the_rows_of_the_batch_of_one(name: str) -> None:
    feed, peers = Batches(SOURCES[name](), 6, seed=2), Peers()
    peers.world = 3
    for step in (0, 7):
        whole = feed.batch(step)
        for peers.rank in range(3):
            rows = slice(2 * peers.rank, 2 * peers.rank + 2)
            for own, every in zip(peers.feed(feed).batch(step), whole, strict=True):
                assert every is None or torch.equal(own, every[rows])
