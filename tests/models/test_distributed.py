"""Models behind torch's own DistributedDataParallel."""

from datetime import timedelta

import pytest
import torch
from ace_helpers import awake
from model_helpers import MODELS, inputs
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from symgen import ACE


@pytest.fixture
def one_process(tmp_path):
    """A group of one process, found through a file: no port is opened by name."""
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{tmp_path / 'store'}",
        rank=0,
        world_size=1,
        timeout=timedelta(seconds=60),
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.skipif(not distributed.is_available(), reason="this torch has no distributed")
@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize(
    "name",
    [
        "tvae, conv, poisson, image",
        "odd speed, own, gaussian of values, volume",
        "ace, everything",
    ],
)
def test_loss_and_gradients_are_those_of_the_bare_model(name):
    model = MODELS[name]()
    if isinstance(model, ACE):
        awake(model)
    given = inputs(model)

    def numbers(of):
        model.zero_grad()
        torch.manual_seed(3)
        terms = of(*given)
        terms.loss.backward()
        gradients = {
            name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
        return terms, gradients

    expected, gradients = numbers(model)
    # Every parameter takes part, so that none need be looked for.
    terms, found = numbers(DistributedDataParallel(model))
    assert type(terms) is type(expected)
    for one, other in zip(terms, expected, strict=True):
        assert torch.equal(one, other)
    assert found.keys() == gradients.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, gradients[name])
