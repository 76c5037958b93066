"""Nets by name: sizes that nobody gave, options of dense nets, and misspelt names."""

import jaxtyping
import pytest
import torch

from symgen.nets import DenseDecoder, make_decoder, make_encoder, make_nets

LATENTS = 4


def made(net="dense", shape=(2, 6, 5), posteriors=2, parameters=1, **options):
    return make_nets(net, shape, LATENTS, posteriors=posteriors, parameters=parameters, **options)


@pytest.mark.parametrize("net", ["dense", "residual", "conv"])
@pytest.mark.parametrize(("posteriors", "parameters"), [(1, 1), (2, 2)])
def test_the_nets_of_a_model_fit_its_latents_and_its_likelihood(net, posteriors, parameters):
    shape = (2, 6, 5)
    encoder, decoder = made(net, shape, posteriors, parameters, width=8)
    assert encoder(torch.rand(3, *shape)).shape == (3, posteriors * 2 * LATENTS)
    assert decoder(torch.rand(3, LATENTS)).shape == (3, parameters, *shape)


def widths(net):
    """Inputs of every linear layer but the first of each branch."""
    layers = net.layers if isinstance(net, DenseDecoder) else net.branches[0].layers
    return [layer.weight.shape[1] for layer in layers]


def test_a_dense_net_has_the_sizes_of_the_paper_or_those_given():
    encoder, decoder = made()
    assert widths(encoder) == [3 * LATENTS, 2 * LATENTS]
    assert widths(decoder) == [LATENTS, 2 * LATENTS, 3 * LATENTS]
    encoder, decoder = made(width=7, depth=3)
    assert widths(encoder) == [7, 7, 7] and widths(decoder) == [LATENTS, 7, 7, 7]


def test_the_other_nets_have_the_documented_sizes_or_those_given():
    for options, width, depth in (({}, 384, 3), ({"width": 9, "depth": 2}, 9, 2)):
        for net in made("residual", **options):
            assert len(net.stack.layers) == depth
            assert net.stack.first.weight.shape[0] == width
    for options, width, depth in (({}, 32, 1), ({"width": 9, "depth": 2}, 9, 2)):
        encoder, decoder = made("conv", **options)
        first, *layers = encoder.layers
        assert first.out_channels == width and len(layers) == len(decoder.stages[0]) == depth


@pytest.mark.parametrize("output_bias", ["value", "channel"])
@pytest.mark.parametrize("initialisation", ["fan_in", "lecun", "reference"])
@pytest.mark.parametrize("normalisation", ["none", "weight", "projected"])
def test_options_of_dense_nets(output_bias, initialisation, normalisation):
    options = {"output_bias": output_bias, "initialisation": initialisation}
    encoder, decoder = made(parameters=2, normalisation=normalisation, **options)
    biases = decoder.layers[-1].bias.numel()
    assert biases == (2 * 2 if output_bias == "channel" else 2 * 2 * 6 * 5)
    assert len(decoder.layers[0].bias) == 2 * LATENTS  # of the last layer only
    for layer, incoming in ((encoder.first, True), (decoder.layers[1], False)):
        assert layer.normalisation == normalisation
        if normalisation == "projected":
            lengths = layer.weight.norm(dim=1 if incoming else 0)
            torch.testing.assert_close(lengths, torch.ones_like(lengths))
        else:
            fan = layer.weight.shape[0 if initialisation == "reference" and not incoming else 1]
            bound = (3 if initialisation == "lecun" else 1) ** 0.5
            assert layer.weight.abs().max().item() == pytest.approx(bound * fan**-0.5, rel=0.1)
            assert layer.bias.abs().max().item() <= fan**-0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "dens"}, "net='dens': choose dense, residual or conv"),
        (
            {"initialisation": "fan-in"},
            "initialisation='fan-in': choose fan_in, lecun or reference",
        ),
        ({"output_bias": "pixel"}, "output_bias='pixel': choose value or channel"),
        ({"normalisation": "batch"}, "normalisation='batch': choose"),
        ({"width": 0}, "width=0: give 1 or more"),
        ({"net": "residual", "depth": 0}, "depth=0: give 1 or more"),
        ({"depth": 3}, "depth=3 of a dense net: give a width"),
        ({"net": "conv", "normalisation": "weight"}, "normalisation='weight': these options are"),
        ({"net": "residual", "output_bias": "channel"}, "net='residual' with .*for net='dense'"),
        ({"net": "conv", "shape": (7,)}, r"net='conv' with data_shape=\(7,\)"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        made(**options)


@pytest.mark.parametrize(
    "make",
    [
        lambda net, **sizes: make_encoder(net, (1, 6, 6), 4, **sizes),
        lambda net, **sizes: make_decoder(net, 4, (1, 1, 6, 6), **sizes),
    ],
    ids=["encoder", "decoder"],
)
@pytest.mark.parametrize("net", ["residul", "dense", "Conv"])
def test_a_single_net_of_another_name_or_size_is_refused(make, net, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=f"net='{net}': choose residual or conv"):
        make(net)
    with pytest.raises(ValueError, match="width=0: give 1 or more"):
        make("conv", width=0)
    with pytest.raises(ValueError, match="depth=-1: give 1 or more"):
        make("residual", depth=-1)
