"""Every metric takes arrays of numpy as well, and then returns arrays; shapes must fit."""

import inspect
from typing import get_args

import numpy as np
import pytest
import torch

from symgen import metrics
from symgen._inputs import Index, Speed
from symgen._typed import Count
from symgen.latents import Boundary
from symgen.metrics.inputs import of_ordinary_size, require_shapes

DRAWN = torch.Generator().manual_seed(0)
T = torch.randn(6, 5, 2, 6, generator=DRAWN)  # (B, S, C, D)
STEPS = torch.arange(5)
FACTORS = torch.stack([(STEPS + STEPS[:, None]) % 5, STEPS[:, None].expand(5, 5)], -1)
FACTORS = torch.cat([FACTORS, FACTORS[:1]])  # (B, S, F), of which the first one moves
MOVED = torch.zeros(6, dtype=torch.int64)
CODES, TEST_CODES = torch.randn(100, 3, generator=DRAWN).split((60, 40))
LABELS = torch.arange(60) % 3
PAIRS = torch.cartesian_prod(torch.arange(4), torch.arange(15))  # (60, 2)
IMAGES = torch.rand(3, 2, 1, 12, 12, generator=DRAWN)
POSES = torch.eye(3).repeat(2, 1, 1)
POSES[:, :2, 2] = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
POSITIONAL = {
    "angle_errors": (90 * CODES[:, 0], 90 * CODES[:, 1], LABELS, 1 + LABELS),
    "axis_correlation": (T, FACTORS, (2, 3), 5),
    "capcorr": (T, {"angle": FACTORS[..., 0], "scale": FACTORS[..., 1]}),
    "centred_crop": (IMAGES, 8),
    "class_selectivity": (CODES + 2 * LABELS[:, None], LABELS),
    "cluster_scores": (PAIRS[:, 0], LABELS),
    "correlation": (LABELS, PAIRS[:, 0]),
    "dci": (CODES, PAIRS, CODES[:40], PAIRS[:40], 3),
    "entropy_floor": (IMAGES,),
    "equivariance_error": (T,),
    "forecast_errors": (IMAGES, IMAGES.flip(0), "gaussian"),
    "frechet_distance": (CODES, TEST_CODES),
    "height_and_slant": (IMAGES,),
    "linear_forecast": (T.flatten(2), 3),
    "linear_probe": (CODES, LABELS, CODES[:40], LABELS[:40], (6, None), 2),
    "max_activating": (CODES, PAIRS.float()),
    "mixture_bounds": (100 * CODES.square(), TEST_CODES.repeat(2, 1)[:60].log_softmax(1)),
    "motions": (POSES, (0.7, 1.2)),
    "mutual_information_gap": (CODES, PAIRS, 4),
    "observed_and_true": (T, FACTORS, MOVED),
    "paper_estimate": (T[..., 0],),
    "phase_r2": (T[:, 0], MOVED + FACTORS[:, 0, 0], 5, T[:, 1], FACTORS[:, 1, 0]),
    "phases": (T,),
    "pooled_capsules": (T,),
    "pose_coordinates": (POSES,),
    "pose_recovery": (CODES, TEST_CODES.repeat(2, 1)[:60], LABELS),
    "recognised": (lambda x: x.flatten(1)[:, :3], IMAGES),
    "round_trip": (POSES, (12, 12)),
    "selectivity_summary": (FACTORS[:, :, 0] - 1,),
    "sequence_bound": (T[..., 0],),
    "sharpness": (IMAGES,),
    "stays": (IMAGES[:2, 0], POSES),
}
WITHOUT_DATA = {"capcorr_chance", "equivariance_chance", "roll_resolution"}
OF_MODELS = {"log_likelihood", "roll_forecast", "roll_prediction"}


def to_arrays(given):
    if isinstance(given, dict):
        return {name: to_arrays(value) for name, value in given.items()}
    return given.numpy() if isinstance(given, torch.Tensor) else given


def assert_same(found, expected):
    """Tensors and arrays of the same values and types, in the same containers."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, expected.numpy(), strict=True)
        return
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, tuple | list):
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    elif found == found or expected == expected:  # nan is nan
        assert found == expected


@pytest.mark.parametrize("name", POSITIONAL)
def test_arrays_give_arrays_equal_to_what_tensors_give(name):
    metric, given = getattr(metrics, name), POSITIONAL[name]
    assert_same(metric(*map(to_arrays, given)), metric(*given))


def test_every_metric_of_data_is_among_these():
    functions = {name for name, _ in inspect.getmembers(metrics, inspect.isfunction)}
    assert functions == POSITIONAL.keys() | WITHOUT_DATA | OF_MODELS


def test_arrays_by_name_and_next_to_tensors_give_arrays():
    expected = metrics.observed_and_true(T, FACTORS, MOVED)
    assert_same(metrics.observed_and_true(t=T.numpy(), factors=FACTORS, moved=MOVED), expected)
    assert_same(metrics.observed_and_true(T, factors=FACTORS.numpy(), moved=MOVED), expected)


def test_arrays_that_torch_cannot_share_are_copied():
    """Reversed arrays and read-only ones, such as those that are mapped from a file."""
    t = T.numpy().copy()
    reversed_in_time = t[:, ::-1]
    expected = metrics.equivariance_error(T.flip(1))
    assert_same(metrics.equivariance_error(reversed_in_time), expected)
    t.flags.writeable = False
    assert_same(metrics.equivariance_error(t), metrics.equivariance_error(T))
    assert not t.flags.writeable


# --- shapes --------------------------------------------------------------------------------------


def required(axes, shapes):
    require_shapes(*((name, torch.zeros(shapes[name]), names) for name, names in axes.items()))


@pytest.mark.parametrize(
    "shapes",
    [
        ((4, 5, 2), (4, 5, 3), (4,)),
        ((4, 5, 2, 6), (4, 6, 3), (4,)),
        ((4, 5, 2, 6), (4, 5, 3), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes):
    axes = {"t": "B S C D", "factors": "B S F", "moved": "B"}
    with pytest.raises(ValueError, match="shapes do not fit") as raised:
        required(axes, dict(zip(axes, shapes, strict=True)))
    assert str(raised.value).endswith(
        f"got t {shapes[0]}, factors {shapes[1]}, moved {shapes[2]}; "
        "expected t (B, S, C, D), factors (B, S, F), moved (B)"
    )


DATA = {"x": "B S *data", "mean_frame": "*data"}


@pytest.mark.parametrize("data", [(7,), (3, 8, 8), (1, 4, 8, 8)])
def test_a_star_stands_for_data_of_any_shape(data):
    required(DATA, {"x": (2, 5, *data), "mean_frame": data})


@pytest.mark.parametrize(
    ("x", "mean_frame"),
    [((2, 5, 7), (8,)), ((2, 5, 3, 8, 8), (8, 8)), ((2, 5, 7), (1, 7)), ((2, 5), ())],
)
def test_a_star_stands_for_the_same_axes_everywhere_and_at_least_one(x, mean_frame):
    with pytest.raises(ValueError, match=r"expected x \(B, S, \*data\), mean_frame \(\*data\)"):
        required(DATA, {"x": x, "mean_frame": mean_frame})


LOGARITHMS = {"paper_estimate", "sequence_bound", "mixture_bounds"}


def is_float(value):
    return isinstance(value, torch.Tensor) and value.is_floating_point()


OF_FLOATS = sorted(
    name
    for name, given in POSITIONAL.items()
    if name not in LOGARITHMS and any(map(is_float, given))
)


@pytest.mark.parametrize("name", OF_FLOATS)
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_what_is_not_finite_is_counted_and_refused(name, wrong):
    metric, given = getattr(metrics, name), list(POSITIONAL[name])
    for place, value in enumerate(given):
        if is_float(value):
            spoilt = value.clone()
            spoilt.view(-1)[:2] = wrong
            changed = [*given[:place], spoilt, *given[place + 1 :]]
            argument = list(inspect.signature(metric).parameters)[place]
            with pytest.raises(ValueError, match=f"{argument} holds 2 values of .* not finite"):
                metric(*changed)


@pytest.mark.parametrize("scale", [1e-30, 1e20, 1e25])
def test_capcorr_is_the_same_at_every_scale(scale):
    assert metrics.capcorr(scale * T, FACTORS) == metrics.capcorr(T, FACTORS)


def test_a_power_of_two_changes_no_digit():
    assert of_ordinary_size(T).equal(T)
    assert of_ordinary_size(T * 2.0**100).equal(of_ordinary_size(T * 2.0**60))


# --- arguments of other kinds --------------------------------------------------------------------

HINTS = {
    name: {n: p.annotation for n, p in inspect.signature(metric).parameters.items()}
    for name, metric in inspect.getmembers(metrics, inspect.isfunction)
}
TENSORS = [
    (name, place)
    for name, given in POSITIONAL.items()
    for place, value in enumerate(given)
    if isinstance(value, torch.Tensor)
]
WRONG = {  # of numbers, by what they are
    Count: (0, -1, 2.5, 1e30, True, "x", torch.nan),
    Index: (2.5, 1e30, True, "x", torch.inf),
    Speed: (1e30, True, "x", torch.nan, torch.inf),
    float: (True, "x", torch.nan, torch.inf),
    bool: (2.5, 1, "x", None),
    Boundary: ("cycli", "ZERO", "", None),
}
NUMBERS = {
    "capcorr_chance": {"units": 6, "capsules": 4, "period": 6},
    "equivariance_chance": {"frames": 6, "capsules": 4, "units": 6},
    "roll_resolution": {"speed": 1},
}


def is_array(hint):
    return hasattr(hint, "dim_str")


def called_with(name, place, value):
    given = list(POSITIONAL[name])
    return getattr(metrics, name)(*given[:place], value, *given[place + 1 :])


@pytest.mark.parametrize(("name", "place"), TENSORS)
def test_tensors_of_other_kinds_and_shapes_are_refused_by_name(name, place):
    """Complex ones, whole numbers for others and the reverse, an axis more, and a text."""
    argument, value = list(HINTS[name])[place], POSITIONAL[name][place]
    hint = next(
        h for h in (HINTS[name][argument], *get_args(HINTS[name][argument])) if is_array(h)
    )
    if not {"float32", "int64"} <= {*hint.dtypes}:
        other = value.long() if value.is_floating_point() else value.float()
        with pytest.raises(ValueError, match=f"{argument} of shape .* is torch.*: give"):
            called_with(name, place, other)
    if not {*hint.dim_str} & {*"*."}:
        with pytest.raises(ValueError, match=rf"shapes do not fit: got .*{argument} \(1, "):
            called_with(name, place, value[None])
    with pytest.raises(ValueError, match=f"{argument} of shape"):
        called_with(name, place, value.to(torch.complex64))
    with pytest.raises(ValueError, match=f"{argument}=.*: give"):
        called_with(name, place, "x")


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, each) for name in sorted(HINTS.keys() - OF_MODELS) for each in HINTS[name]],
)
def test_numbers_that_make_no_sense_are_refused_by_name(name, argument):
    hint = HINTS[name][argument]
    given = NUMBERS.get(name) or dict(zip(HINTS[name], POSITIONAL.get(name, ()), strict=False))
    for known, wrong in WRONG.items():
        for value in wrong if hint == known else ():
            with pytest.raises(ValueError, match=f"{argument}=.*: (give|choose)"):
                getattr(metrics, name)(**{**given, argument: value})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("axis_correlation", {2: (-2, -3)}, "shape="),
        ("axis_correlation", {2: (2, 3, 1.0)}, "shape="),
        ("capcorr", {0: T[:, :0]}, "shapes do not fit"),
        ("capcorr", {1: {"angle": FACTORS[..., 0].float()}}, "factors of shape .* give integers"),
        ("capcorr", {1: {"angle": FACTORS[:1, :, 0]}}, "shapes do not fit"),
        ("capcorr", {1: {}}, "factors={}"),
        ("centred_crop", {1: 13}, "side=13"),
        ("correlation", {1: LABELS[:-1]}, "shapes do not fit"),
        ("dci", {1: PAIRS[:-1]}, "shapes do not fit"),
        ("dci", {2: CODES[:0], 3: PAIRS[:0]}, r"test_codes of shape \(0, 3\)"),
        ("frechet_distance", {0: CODES.double() * 1e200}, "up to .*e.200: give"),
        ("linear_forecast", {0: T.flatten(2) * 1e25}, "ridge=0.01 is too little"),
        ("linear_probe", {1: LABELS[:-1]}, "shapes do not fit"),
        ("linear_probe", {1: 0 * LABELS}, "labels hold 1 class"),
        ("linear_probe", {4: (6, True)}, "sizes="),
        ("motions", {1: (0.7,)}, "scales="),
        ("motions", {1: (-0.7, 1.2)}, "scales="),
        ("mutual_information_gap", {0: CODES[:0], 1: PAIRS[:0]}, r"codes \(0, 3\)"),
        ("observed_and_true", {1: FACTORS + 2**40}, "factors reach from 1099511627776"),
        ("observed_and_true", {1: FACTORS[..., :0]}, "at least one frame"),
        ("paper_estimate", {0: T[:0, :, 0]}, r"weights of shape \(0, "),
        ("phases", {0: T[..., :1]}, "two units"),
        ("phase_r2", {3: T[:, 1, :1]}, "shapes do not fit"),
        ("recognised", {0: lambda x: x.flatten(1).sum()}, r"scores of row 0 \(\)"),
        ("round_trip", {1: (12,)}, "size="),
        ("round_trip", {0: POSES[:0]}, "pose of shape"),
        ("selectivity_summary", {0: FACTORS[:0, :, 0]}, r"best of shape \(0, 5\)"),
        ("selectivity_summary", {0: FACTORS[:, :, 0] - 2}, "best of shape"),
        ("sequence_bound", {0: T[..., 0].log()}, "weights holds .* not finite"),
        ("mixture_bounds", {1: CODES - torch.inf, 0: -CODES / 0}, "bounds holds .* not finite"),
        ("sharpness", {0: IMAGES[..., :1]}, "2 x 2 pixels"),
    ],
)
def test_what_has_no_answer_is_refused(name, change, message):
    given = [change.get(place, value) for place, value in enumerate(POSITIONAL[name])]
    with pytest.raises(ValueError, match=message) as raised:
        getattr(metrics, name)(*given)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["class_selectivity", "pose_recovery", "selectivity_summary"])
def test_huge_labels_take_no_memory(name):
    given, place = POSITIONAL[name], len(POSITIONAL[name]) - 1
    huge = 10**12 * (given[place] - given[place].min())
    found, expected = called_with(name, place, huge), getattr(metrics, name)(*given)
    if name == "class_selectivity":
        found = torch.where(found > 0, found // 10**12, found)
    if name != "selectivity_summary":
        assert found.equal(expected)


@pytest.mark.parametrize("name", ["axis_correlation", "linear_forecast", "phase_r2", "phases"])
def test_half_precision_gives_what_single_precision_does(name):
    def in_kind(kind):
        given = (v.half().to(kind) if is_float(v) else v for v in POSITIONAL[name])
        return torch.as_tensor(getattr(metrics, name)(*given)).float()

    torch.testing.assert_close(in_kind(torch.float16), in_kind(torch.float32), atol=2e-2, rtol=0)


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8])
def test_integers_of_fewer_bytes_are_integers(kind):
    assert metrics.capcorr(T, FACTORS.to(kind)) == metrics.capcorr(T, FACTORS)


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1e-7, 1e20, 1e200])
def test_pearson_is_the_same_at_every_scale(scale):
    x = torch.arange(9).double()
    assert metrics.correlation(scale * x, x.square()) == pytest.approx(
        metrics.correlation(x, x.square())
    )


def test_starred_axes_broadcast_where_they_may():
    require_shapes(("left", POSES, "*#batch 3 3"), ("right", POSES[0], "*#batch 3 3"))
    with pytest.raises(ValueError, match=r"got left \(2, 3, 3\), right \(4, 3, 3\)"):
        require_shapes(("left", POSES, "*#b 3 3"), ("right", POSES.repeat(2, 1, 1), "*#b 3 3"))
