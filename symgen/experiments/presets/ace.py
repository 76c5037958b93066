"""ACE with symmetry statistics: every panel of Georgiev (2016), Figs 1-4, and faster recipes."""

from dataclasses import replace
from typing import Any

from symgen.experiments.ace import ACEConfig, ACEExperiment, ImageConfig
from symgen.training import Training

__all__ = ["PRESETS"]

_EPOCH = 60_000
_CIFAR_EPOCH = 50_000

# Appendix A: Adam with 0.0015, "decay" 50 epochs, read as a half-life, batch 250. Epochs are not
# stated: two half-lives. The decay of the weights is that of the author's code.
_PAPER_TRAINING = Training(
    sequences=100 * _EPOCH,
    batch_size=250,
    optimizer="AdamW",
    learning_rate=1.5e-3,
    schedule="half-life",
    half_life=50 * _EPOCH,
    decay=1e-4,
)
_PAPER_CIFAR_TRAINING = replace(
    _PAPER_TRAINING,
    sequences=100 * _CIFAR_EPOCH,
    half_life=50 * _CIFAR_EPOCH,
    learning_rate=5e-4,
)
_PAPER_PLAIN = ACEConfig(pose=None, initialisation="paper")
_PAPER_POSE = replace(_PAPER_PLAIN, pose="raw")
_FIG3 = replace(
    _PAPER_PLAIN, latents=2, hidden=(2048, 2048), decoder_hidden=(2048, 2048), outside="border"
)
_FIG4 = replace(
    _FIG3, latent="laplace", encoder="conv", hidden=(), decoder="conv", decoder_hidden=(1500,)
)
_CIFAR_POSE: dict[str, Any] = {"pose": "raw", "pose_channels": (32, 64), "pose_hidden": 128}

# Ours: the exponential map, a pose net that looks three times, initial weights that suit a single
# latent, distortions drawn afresh, a cosine schedule. The pose is charged, but learns before it
# pays and before the style, which would otherwise take over what the pose should explain. The pose
# net and a plain model's classifier take a coarser look; behind a pose the classifier sees the
# middle of the canonical image.
_TRAINING = Training(
    sequences=4 * _EPOCH,
    batch_size=250,
    optimizer="Adam",
    learning_rate=1.5e-3,
    schedule="cosine",
    warmup=5_000,
    kl_warmup=_EPOCH,
    kl_start={"kl_z": 20.0},
    precision="auto",
)
# Longer where much is to be told apart, shorter on the largest images: what one core trains in a
# quarter of an hour.
_RTS_TRAINING = replace(_TRAINING, sequences=8 * _EPOCH)
_TC_TRAINING = replace(_TRAINING, sequences=3 * _EPOCH)
_OURS = ACEConfig(
    charged=True, pose_channels=(16, 32), pose_hidden=128, pose_pool=2, pose_readings=3
)
_ONE_READING: dict[str, Any] = {"pose_readings": 1}  # more are for one affine map alone
_WINDOW = replace(_OURS, classifier_window=28)
_OURS_PLAIN = ACEConfig(pose=None)
_COARSE_PLAIN = replace(_OURS_PLAIN, classifier_pool=2)
_RTS, _TC, _HUE = (ImageConfig(distortion=d) for d in ("rts", "tc", "hue"))


def _fixed(data: ImageConfig) -> ImageConfig:
    return replace(data, fixed=True)


_CIFAR = ImageConfig(images="cifar10")
_OURS_CIFAR = replace(
    _OURS,
    latents=2,
    hidden=(1024,),
    decoder_hidden=(256,),
    pose_channels=(32, 64),
    outside="border",
)
_CIFAR_TRAINING = replace(
    _TRAINING, sequences=2 * _CIFAR_EPOCH, kl_warmup=_CIFAR_EPOCH, learning_rate=1e-3
)
_DIGITS = replace(_RTS, images="digits")

PRESETS: dict[str, tuple[str, ACEExperiment]] = {
    "ace-mnist": (
        "ACE on MNIST, pose charged: our recipe",
        ACEExperiment(_OURS, ImageConfig(), _TRAINING),
    ),
    "ace-mnist-plain": (
        "the same without symmetry statistics",
        ACEExperiment(_OURS_PLAIN, ImageConfig(), _TRAINING),
    ),
    "ace-rts": (
        "ACE on rotated, scaled, translated MNIST, pose charged: our recipe",
        ACEExperiment(_WINDOW, _RTS, _RTS_TRAINING),
    ),
    "ace-rts-plain": (
        "the same without symmetry statistics",
        ACEExperiment(_COARSE_PLAIN, _RTS, _RTS_TRAINING),
    ),
    "ace-rts-plain-100": (
        "the same with 100 latents per class instead of 1",
        ACEExperiment(replace(_COARSE_PLAIN, latents=100), _RTS, _RTS_TRAINING),
    ),
    "ace-rts-free": (
        "ACE on RTS with the pose free of charge",
        ACEExperiment(replace(_WINDOW, charged=False), _RTS, _RTS_TRAINING),
    ),
    "ace-tc": (
        "ACE on translated, cluttered MNIST, pose charged: our recipe",
        ACEExperiment(_WINDOW, _TC, _TC_TRAINING),
    ),
    "ace-tc-plain": (
        "the same without symmetry statistics",
        ACEExperiment(_COARSE_PLAIN, _TC, _TC_TRAINING),
    ),
    "ace-centre": (
        "translated digits, the pose their centre of mass",
        ACEExperiment(
            replace(_WINDOW, pose="centre", **_ONE_READING),
            ImageConfig(distortion="translated"),
            _TRAINING,
        ),
    ),
    "ace-hue": (
        "hue-rotated MNIST with a colour pose beside the affine one",
        ACEExperiment(replace(_OURS, colour_pose=True, **_ONE_READING), _HUE, _TRAINING),
    ),
    "ace-shared": (
        "RTS with one trunk for classifier and encoder, latents at two depths",
        ACEExperiment(
            replace(
                _OURS,
                encoder="shared",
                hidden=(),
                latents=3,
                shallow_latents=1,
                decoder_hidden=(100, 700),
            ),
            _RTS,
            _TRAINING,
        ),
    ),
    "ace-groups": (
        "RTS with two groups of feature maps, each with a pose of its own",
        ACEExperiment(replace(_WINDOW, pose_groups=2, **_ONE_READING), _RTS, _TRAINING),
    ),
    "ace-cifar": (
        "CIFAR-10 with two latents and a charged pose: our recipe",
        ACEExperiment(_OURS_CIFAR, _CIFAR, _CIFAR_TRAINING),
    ),
    "ace-cifar-plain": (
        "the same without symmetry statistics",
        ACEExperiment(
            replace(_OURS_CIFAR, pose=None, charged=False),
            _CIFAR,
            _CIFAR_TRAINING,
        ),
    ),
    "ace-cifar-colour": (
        "the same with a colour pose beside the affine one",
        ACEExperiment(
            replace(_OURS_CIFAR, colour_pose=True, **_ONE_READING), _CIFAR, _CIFAR_TRAINING
        ),
    ),
    "ace-digits": (
        "ACE on the embedded digits, distorted as RTS: a minute, no files",
        ACEExperiment(
            replace(
                _OURS,
                hidden=(200,),
                decoder_hidden=(100,),
                classifier_channels=(16, 32, 64),
                classifier_hidden=100,
            ),
            _DIGITS,
            replace(_TRAINING, sequences=60_000, batch_size=100, kl_warmup=20_000),
        ),
    ),
    "ace-fig1-mnist": (
        "Fig. 1, MNIST without symmetry statistics, the paper's settings",
        ACEExperiment(_PAPER_PLAIN, ImageConfig(), _PAPER_TRAINING),
    ),
    "ace-fig1-rts": (
        "Fig. 1, RTS-MNIST without symmetry statistics, the paper's settings",
        ACEExperiment(_PAPER_PLAIN, _fixed(_RTS), _PAPER_TRAINING),
    ),
    "ace-fig1-tc": (
        "Fig. 1, TC-MNIST without symmetry statistics, the paper's settings",
        ACEExperiment(_PAPER_PLAIN, _fixed(_TC), _PAPER_TRAINING),
    ),
    "ace-fig2-mnist": (
        "Fig. 2, MNIST with symmetry statistics, the paper's settings",
        ACEExperiment(_PAPER_POSE, ImageConfig(), _PAPER_TRAINING),
    ),
    "ace-fig2-rts": (
        "Fig. 2, RTS-MNIST with symmetry statistics, the paper's settings",
        ACEExperiment(_PAPER_POSE, _fixed(_RTS), _PAPER_TRAINING),
    ),
    "ace-fig2-tc": (
        "Fig. 2, TC-MNIST with symmetry statistics, the paper's settings",
        ACEExperiment(_PAPER_POSE, _fixed(_TC), _PAPER_TRAINING),
    ),
    "ace-fig3-plain": (
        "Fig. 3 left, CIFAR-10 fully connected without symmetry statistics",
        ACEExperiment(_FIG3, _CIFAR, _PAPER_CIFAR_TRAINING),
    ),
    "ace-fig3-pose": (
        "Fig. 3 right, CIFAR-10 fully connected with symmetry statistics",
        ACEExperiment(replace(_FIG3, **_CIFAR_POSE), _CIFAR, _PAPER_CIFAR_TRAINING),
    ),
    "ace-fig4-plain": (
        "Fig. 4 left, CIFAR-10 convolutional, Laplacian, without symmetry statistics",
        ACEExperiment(_FIG4, _CIFAR, _PAPER_CIFAR_TRAINING),
    ),
    "ace-fig4-pose": (
        "Fig. 4 right, CIFAR-10 convolutional, Laplacian, with symmetry statistics",
        ACEExperiment(replace(_FIG4, **_CIFAR_POSE), _CIFAR, _PAPER_CIFAR_TRAINING),
    ),
}
