"""Small ACE models in every option, and images for them."""

import torch

from symgen import ACE

SMALL = {
    "data_shape": (1, 12, 12),
    "classes": 3,
    "hidden": (8,),
    "decoder_hidden": (7,),
    "classifier_channels": (4, 4),
    "classifier_hidden": 9,
    "pose_channels": (3, 3),
    "pose_hidden": 8,
}
COLOUR = {**SMALL, "data_shape": (3, 12, 12), "colour_pose": True}
OPTIONS = {
    "no pose": {**SMALL, "pose": None},
    "affine": SMALL,
    "variational": {**SMALL, "variational_pose": True, "latents": 2},
    "matrix": {**SMALL, "pose": "matrix", "latent": "laplace", "variational_pose": True},
    "twice": {**SMALL, "pose_iterations": 2, "variational_pose": True},
    "centroid": {**SMALL, "pose": "centroid"},
    "variational centroid": {
        **SMALL,
        "pose": "centroid",
        "variational_pose": True,
        "latent": "laplace",
    },
    "conv": {**SMALL, "encoder": "conv-pooling", "decoder": "conv-transposed", "latents": 2},
    "colour": {**COLOUR, "padding_mode": "border"},
    "colour alone": {**COLOUR, "pose": None, "variational_pose": True},
    "everything": {
        **COLOUR,
        "variational_pose": True,
        "latent": "laplace",
        "latents": 3,
        "pose_pool": 2,
        "classifier_window": 8,
        "classifier_pool": 2,
        "initialisation": "paper",
    },
}
# The centroid is computed, not learned: it does not start at the identity.
LEARNED = [name for name in OPTIONS if "centroid" not in name and name != "no pose"]


def awake(model: ACE) -> ACE:
    """Move the pose off the identity, where too much is equal."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".head." in name and name.startswith("pose."):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def images(model: ACE, count: int = 5) -> torch.Tensor:
    device = next(model.parameters()).device
    return torch.rand(count, *model.data_shape, device=device)


def smooth(model: ACE) -> ACE:
    """Let every class paint one smooth shape whatever the style, on the background."""
    _, height, width = model.data_shape
    x, y = torch.arange(width) - (width - 1) / 2, torch.arange(height) - (height - 1) / 2
    bump = torch.exp(-((x / 4).square() + ((y[:, None] - 2) / 2.5).square()) / 2)
    with torch.no_grad():
        model.decoder.layers[-1].weight.zero_()
        for scale, bias in enumerate(model.decoder.layers[-1].bias, start=4):
            bias.copy_((model.background.view(1, 1) + scale * bump).flatten())
    return model
