"""One contract over all models, whatever their nets, their likelihood and the shape of data."""

import itertools

import pytest
import torch
from ace_helpers import awake
from model_helpers import COVERING, KINDS, LIKELIHOODS, MODELS, NETS, SHAPES, inputs

from symgen import ACE


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request, device):
    model = request.param().to(device)
    return awake(model) if isinstance(model, ACE) else model


def drawn(make):
    """Make the same random thing twice, and once more with another seed."""
    results = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        results.append(make())
    return results


def tensors(result):
    """The tensors of nested named tuples; distributions have their own."""
    if isinstance(result, torch.Tensor):
        return [result]
    return list(itertools.chain(*map(tensors, result))) if isinstance(result, tuple) else []


def equal(one, other):
    return all(torch.equal(*both) for both in zip(tensors(one), tensors(other), strict=True))


@pytest.mark.parametrize("part", ["net", "likelihood", "shape"])
def test_every_kind_meets_everything_that_is_legal(part):
    """ACE's poses are of images; convolutions are not of vectors, which the builders refuse."""
    met = {(case.kind, getattr(case, part)) for case in COVERING.values()}
    choices = {"net": NETS, "likelihood": LIKELIHOODS, "shape": SHAPES}[part]
    wanted = set(itertools.product(KINDS, choices))
    if part == "shape":
        wanted -= {("ace with pose", "vector"), ("ace with pose", "volume")}
    assert met == wanted


def test_shapes(model):
    x, *labels = inputs(model)
    posterior = model.encode(x)
    if isinstance(model, ACE):
        lead = targets = (5,)
        assert posterior.z.mean.shape == (5, model.latent_count)
        assert posterior.class_log_probs.shape == (5, 3)
        assert (posterior.statistics is None) == (model.pose is None)
        assert model.sample(5, *labels, pose="prior").shape == x.shape
        terms = model.class_terms(x)
        assert terms.nll.shape == terms.kl_z.shape == terms.class_log_probs.shape == (5, 3)
        assert terms.kl_pose.shape == (5,)
        z = torch.zeros(6, model.latent_count, device=x.device)
        assert model.manifold(z).shape == (3, 6, *model.data_shape)
        assert model.latents(x).z.shape == (5, model.latent_count)
        if model.pose is not None:
            assert model.act(x, torch.eye(3, device=x.device)).shape == x.shape
    else:
        lead, targets = (5, model.frames), (5, model.frames - model.ahead)
        shape = (*lead, model.capsules, model.units)
        assert posterior.z.mean.shape == shape
        assert (posterior.u is None) == (model.mu is None)
        assert model.latents(x).shape == model.latents(posterior, sampled=True).shape == shape
        assert model.act(model.latents(x), 2).shape == shape
        assert model.log_weights(x, 3).shape == (3, *targets)
        assert model.traverse(x).shape == (5, model.units, *model.data_shape)
        assert model.traverse(x, steps=2).shape == (5, 2, *model.data_shape)
    decoded = model.decode(model.latents(x))
    assert decoded.mean.shape == x.shape
    assert decoded.log_prob(x).shape == lead
    assert model.log_prob(x, 3).shape == (5,)
    assert model.sample(2).shape == (2, *x.shape[1:])
    assert {term.shape for term in model(x, *labels)} == {targets}


def test_samples_are_data_again(model):
    x = model.sample(5)
    assert model(x, *inputs(model)[1:]).loss.isfinite()
    assert model.log_prob(x, 2).isfinite().all()


def test_gradients_reach_every_parameter(model):
    model(*inputs(model)).loss.backward()
    parameters = dict(model.named_parameters())
    reached = {
        name for name, p in parameters.items() if p.grad is not None and p.grad.abs().sum() > 0
    }
    # Not trained: how sure a pose is where that has no price; biases that are shared elsewhere.
    fixed = {"decoder.first.patches.bias", "decoder.second.patches.bias"} & parameters.keys()
    if isinstance(model, ACE) and not model.variational_pose:
        fixed |= {"pose.log_scale", "pose.net.log_variance"} & parameters.keys()
    assert reached == parameters.keys() - fixed
    assert {name for name, p in parameters.items() if not p.requires_grad} == fixed


def test_a_small_step_down_the_gradient_lowers_the_loss(model):
    model.double()
    given = [x.double() if x.is_floating_point() else x for x in inputs(model)]

    def loss():
        torch.manual_seed(3)
        return model(*given).loss

    before = loss()
    before.backward()
    learned = [p for p in model.parameters() if p.grad is not None]
    length = torch.stack([p.grad.square().sum() for p in learned]).sum().sqrt()
    with torch.no_grad():
        for parameter in learned:
            parameter -= 1e-4 * parameter.grad / length
    assert loss() < before - 0.5e-4 * length


def test_what_is_not_drawn_is_the_same_and_what_is_drawn_follows_the_seed(model):
    x, *labels = inputs(model)
    one, again, other = drawn(lambda: model(x, *labels))
    assert equal(one, again) and not torch.equal(one.nll, other.nll)
    model.eval()
    one, _, other = drawn(lambda: model.latents(x))
    assert equal(one, other)
    one, again, other = drawn(lambda: model.latents(x, sampled=True))
    assert equal(one, again)
    assert not torch.equal(tensors(one)[0], tensors(other)[0])


def test_saved_and_loaded_a_model_gives_equal_numbers(model, tmp_path, request):
    given = inputs(model)
    case = COVERING.get(request.node.callspec.id)
    own = {} if case is None else case.own()
    model.eval().save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    if own:  # must be handed in again, or the error names each of them
        named = ".*".join(rf"{name}={type(part).__name__}\(…\)" for name, part in own.items())
        with pytest.raises(ValueError, match=rf"from_pretrained\(folder, .*{named}"):
            type(model).from_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path, **own).to(given[0].device)
    assert not again.training
    assert again.described() == model.described()

    def numbers(of):
        torch.manual_seed(1)
        return of(*given), of.latents(given[0]), of.sample(2)

    assert equal(numbers(again), numbers(model))
