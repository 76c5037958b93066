"""Acceptance criteria E1 to E15 of ACE with symmetry statistics: all thresholds, in one place.

The paper (Georgiev 2016, arXiv 1511.02841) gives pictures and no numbers, so the thresholds are
ours, and frozen. Those marked as projected were set before anything had been measured; they may be
set anew once, with the reason as `note`.
"""

from symgen.experiments.reproduce import comparisons, legibility, mechanics
from symgen.experiments.reproduce.criterion import Criterion, Limit

__all__ = ["CRITERIA", "TRIED"]

CRITERIA = (
    Criterion(
        "E1",
        "Fig. 1: one latent suffices on MNIST",
        (Limit("recognised, %", "≥", 95), Limit("nats below class mean", "≥", 15)),
        legibility.one_latent,
        projected=True,
    ),
    Criterion(
        "E2",
        "Fig. 1: without a pose RTS and TC fail",
        (
            Limit("RTS recognised, % of with pose", "<", 80),
            Limit("TC recognised, % of with pose", "<", 80),
            Limit("RTS nats from class mean", "≤", 80),
            Limit("TC nats from class mean", "≤", 80),
        ),
        legibility.without_pose,
        projected=True,
    ),
    Criterion(
        "E3",
        "Fig. 1: 100 latents do not rescue RTS",
        (Limit("100 latents less 1 with pose, points", "<", 0),),
        legibility.many_latents,
        note="one run with 100 latents against all with one latent and a pose; samples of the "
        "prior, in a drawn pose where there is one",
    ),
    Criterion(
        "E4",
        "Fig. 2: the pose pays on RTS",
        (Limit("gain charged, nats", "≥", 50), Limit("gain charged, nats", ">", 0, every=True)),
        comparisons.gain("rts"),
    ),
    Criterion(
        "E5",
        "Fig. 2: the pose pays on TC",
        (Limit("gain charged, nats", "≥", 80), Limit("U_valid with pose", "≤", 420)),
        comparisons.gain("tc"),
    ),
    Criterion(
        "E6",
        "Fig. 2: size is factored out of MNIST",
        (
            Limit("height variance, part of without pose", "≤", 0.5),
            Limit("gain free of charge, nats", "≥", 5),
        ),
        legibility.size_factored_out,
        projected=True,
        note="free of charge: the KL of the pose left out of the bound of the charged model",
    ),
    Criterion(
        "E7",
        "symmetry statistics are poses",
        (
            Limit("RTS R² shift", "≥", 0.9),
            Limit("RTS R² angle", "≥", 0.7),
            Limit("RTS R² log scale", "≥", 0.7),
            Limit("TC R² shift", "≥", 0.9),
        ),
        comparisons.pose_recovered,
        note="shift: the worse of x and y; regressed on the generators of the linear part and the "
        "shift of the map, for on all six generators even a perfect pose has an R² below 0.96",
    ),
    Criterion(
        "E8",
        "Fig. 2: canonical traversals are legible",
        (Limit("RTS recognised, %", "≥", 90), Limit("TC recognised, %", "≥", 90)),
        legibility.canonical_traversals,
        projected=True,
        note="by the judge of MNIST, around the centre of mass, in the mean pose of each class, "
        "since its canonical one is free, its size included; set so after a first measurement at "
        "the identity by the judges of RTS and TC, which stand in the record",
    ),
    Criterion(
        "E9",
        "control: moving the code moves the image",
        (
            Limit("distance from direct warp", "≤", 0.02),
            Limit("class unchanged for the judge, %", "≥", 98),
            Limit("class unchanged for the model, %", "≥", 98),
            Limit("round trip", "<", 1e-5),
        ),
        mechanics.control,
        note="RTS test images whose object stays on the canvas; 30°, 1.3 and 5 pixels, each the "
        "way that leads to the middle of the data's poses; round trip in halves of the canvas",
    ),
    Criterion(
        "E10",
        "errors like those of spatial transformers",
        (
            Limit("MNIST error, %", "≤", 0.7),
            Limit("RTS error, %", "≤", 0.8),
            Limit("TC error, %", "≤", 3.5),
            Limit("TC error less without pose, points", "<", 0),
        ),
        comparisons.errors,
    ),
    Criterion(
        "E11",
        "internal augmentation does no harm",
        (Limit("error sampled less deterministic, points", "≤", 0),),
        comparisons.internal_augmentation,
        note="one run with the pose free and deterministic against all with it sampled and "
        "charged; the standard error of a difference is about 0.1 points",
    ),
    Criterion(
        "E12",
        "Figs 3-4: the pose pays on CIFAR-10",
        (
            Limit("gain charged, nats", ">", 0, every=True),
            Limit("Fréchet distance with less without pose", "<", 0),
        ),
        comparisons.photographs,
        note="Fréchet distance of 5,000 samples of the prior, in a drawn pose where there is one, "
        "to test images, in the features of the judge of CIFAR-10 instead of a pretrained net: "
        "not comparable with FIDs elsewhere",
    ),
    Criterion(
        "E13",
        "Laplace density: sampler and KL agree",
        (
            Limit("KL, % off", "≤", 1, every=True),
            Limit("mean, % of std off", "≤", 1, every=True),
            Limit("variance, % off", "≤", 1, every=True),
        ),
        mechanics.laplace,
    ),
    Criterion(
        "E14",
        "eq. 4.1: bounds stand in order",
        (
            Limit("Σω - 1", "≤", 1e-5, every=True),
            Limit("tight - valid", "≤", 1e-3, every=True),
            Limit("paper - valid", "≤", 1e-3, every=True),
            Limit("valid - paper - log C", "≤", 1e-3, every=True),
            Limit("paper - labelled, ω one-hot", "≤", 1e-3, every=True),
        ),
        mechanics.mixture,
        note="greatest over test images; in nats, which single precision rounds to 1e-4",
    ),
    Criterion(
        "E15",
        "Fig. 5: wired as drawn",
        (
            Limit("gradient of R in the pose net", ">", 0, every=True),
            Limit("gradient of cross-entropy in the pose net", ">", 0, every=True),
            Limit("change by other labels", "≤", 0, every=True),
            Limit("fresh pose off identity", "≤", 0, every=True),
        ),
        mechanics.wiring,
        note="scores against labels set aside",
    ),
)
"""All criteria, in order."""

TRIED: dict[str, str] = {
    "E8": "digits of some classes dissolve towards either end, where hardly an image has its "
    "style; from -2 to 2 TC's are recognised to 91 %, RTS's to 97 %. TC had 720 steps. Tried: the "
    "pose read once, whose styles hold the slant that it misses: 93.5 % at the same length, with "
    "20 nats more of U_valid (the record of commit 3188139)",
    "E11": "the difference is smaller than its standard error; more seeds have not been tried",
    "E12": "the Fréchet distances differ by less than half a percent, and the other way if they "
    "are taken within each class; 400 steps make photographs of neither, and longer runs have not "
    "been tried",
}
"""What was tried for a criterion that fails, by its number; joins its note."""
