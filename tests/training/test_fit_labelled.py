"""The training loop on labelled images: all terms, and ACE."""

import pytest
import torch
from training_helpers import make_labelled, make_prototypes

from symgen import ACE
from symgen.data import Batches, DistortedImages, load
from symgen.training import Progress, fit


def test_a_step_on_labelled_images_descends_the_sum_of_the_means_of_all_terms() -> None:
    model, data = make_prototypes(3).double(), make_labelled(3)
    images, labels = data.batch(0)
    torch.manual_seed(11)
    elbo = model(images.double(), labels)
    loss = sum(term.mean() for term in elbo)
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    expected = [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)]
    seen: list[Progress] = []
    run = fit(
        model,
        data,
        examples=8,
        optimizer="SGD",
        learning_rate=0.1,
        seed=11,
        clip_norm=1e9,
        observe=seen.append,
    )
    torch.testing.assert_close(list(model.parameters()), expected)
    means = {name: term.mean().item() for name, term in elbo._asdict().items()}
    (record,) = run.records
    assert {name: record[name] for name in means} == pytest.approx(means)
    assert seen[-1].terms == pytest.approx(means)
    assert record["loss"] == seen[-1].loss == pytest.approx(sum(means.values()))
    assert record["frames"] == record["examples"] == 8


def test_every_kl_term_is_warmed_up_and_the_cross_entropy_is_not() -> None:
    run = fit(make_prototypes(3), make_labelled(3), examples=24, kl_warmup=16, log_every=1)
    for record, weight in zip(run.records, (0, 0.5, 1), strict=True):
        kl = record["kl_z"] + record["kl_pose"]
        loss = record["nll"] + record["cross_entropy"] + weight * kl
        assert record["loss"] == pytest.approx(loss)


def test_ace_learns_digits(device: torch.device) -> None:
    source = DistortedImages(load("digits"), "none")
    data = Batches(source, batch_size=50)
    torch.manual_seed(0)
    model = ACE(
        data_shape=source.data_shape,
        hidden=(32,),
        decoder_hidden=(32,),
        classifier_channels=(8, 8),
        classifier_hidden=32,
        pose_channels=(4, 4),
        pose_hidden=8,
        dropout=0.0,
    ).to(device)
    run = fit(
        model,
        data,
        examples=2000,
        optimizer="AdamW",
        learning_rate=2e-3,
        learning_rates={"pose": 1e-4},
        schedule="half-life",
        half_life=2000,
        decay=1e-4,
        log_every=10,
    )
    first, last = run.records[0], run.records[-1]
    assert last["nll"] < 0.9 * first["nll"]
    assert last["cross_entropy"] < 0.6 * first["cross_entropy"]
