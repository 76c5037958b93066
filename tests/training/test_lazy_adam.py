"""Lazy Adam: classes that a batch lacks rest, all others live as under Adam."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from symgen.training.lazy_adam import LazyAdam


def make_rows(dtype: torch.dtype, device: torch.device) -> list[nn.Parameter]:
    """Two parameters with rows for five classes, and one without."""
    shapes = ((5, 3, 4), (5,), (5, 2))
    rows = [nn.Parameter(torch.randn(shape, dtype=dtype, device=device)) for shape in shapes]
    for parameter in rows[:2]:
        parameter.per_class = True
    return rows


def draw_gradients(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_with_every_class_present_lazy_adam_is_adam(
    dtype: torch.dtype, device: torch.device, fused: bool | None, decay: float
) -> None:
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    lazy = make_rows(dtype, device)
    plain = [nn.Parameter(parameter.detach().clone()) for parameter in lazy]
    settings: dict[str, Any] = {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": decay}
    optimizer, reference = LazyAdam(lazy, **settings, fused=fused), kind(plain, **settings)
    for _ in range(10):
        draw_gradients(lazy)
        for a, b in zip(lazy, plain, strict=True):
            b.grad = a.grad
        optimizer.step(present=torch.arange(5))
        reference.step()
    torch.testing.assert_close(lazy, plain)


def draw_present() -> Tensor:
    """Some of the five classes: the first never, the last always."""
    return (torch.rand(5) < torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])).nonzero().flatten()


def test_weights_and_moments_of_absent_classes_are_not_touched(
    dtype: torch.dtype, device: torch.device
) -> None:
    parameters = make_rows(dtype, device)
    optimizer = LazyAdam(parameters, lr=0.1, weight_decay=0.1, fused=True)
    draw_gradients(parameters)
    optimizer.step(present=torch.arange(5))
    for _ in range(10):
        present = draw_present()
        absent = [c for c in range(5) if c not in present]
        tensors = [
            tensor
            for parameter in parameters[:2]
            for tensor in (parameter, *optimizer.state[parameter].values())
        ]
        before = [tensor.detach().clone() for tensor in tensors]
        draw_gradients(parameters)
        optimizer.step(present=present)
        for old, new in zip(before, tensors, strict=True):
            assert torch.equal(old[absent], new[absent])
            assert bool((old[present] != new[present]).all())


def test_every_row_lives_as_if_it_were_alone_in_the_batches_that_hold_its_class(
    dtype: torch.dtype, device: torch.device
) -> None:
    settings: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.1}
    parameters = make_rows(dtype, device)
    first, second, shared = parameters
    optimizer = LazyAdam(parameters, **settings, fused=True)
    # A class of None stands for the parameter that all classes share.
    owners = [(p, c) for p in (first, second) for c in range(5)] + [(shared, None)]
    alone = [
        nn.Parameter(p.detach().clone() if c is None else p[c].detach().clone()) for p, c in owners
    ]
    references = [torch.optim.AdamW([row], **settings) for row in alone]
    for _ in range(30):
        present = draw_present()
        draw_gradients(parameters)
        optimizer.step(present=present)
        for (parameter, c), row, reference in zip(owners, alone, references, strict=True):
            gradient = parameter.grad
            assert gradient is not None
            if c is None or c in present:
                row.grad = gradient if c is None else gradient[c]
                reference.step()
    for (parameter, c), row in zip(owners, alone, strict=True):
        torch.testing.assert_close(parameter if c is None else parameter[c], row)


def test_a_parameter_without_a_gradient_rests() -> None:
    first, *rest = make_rows(torch.float32, torch.device("cpu"))
    before = first.detach().clone()
    optimizer = LazyAdam([{"params": [first]}, {"params": rest}])
    draw_gradients(rest)
    optimizer.step(present=torch.arange(5))
    assert torch.equal(first, before)
    assert not optimizer.state[first]
