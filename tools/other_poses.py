"""Train a model of others on a set of particles, and write the poses that it finds.

`python tools/other_poses.py MODEL particles.npz found.npz --images 30000` needs torch and, for
all but the last, pyroVED (Ziatdinov et al.): "rvae" has its defaults; "rvae-gaussian" is given the
noise that there is; "jrvae" too, with two classes and the weights of the KL of its documentation.
"spatial-vae" is our own of the model of Bepler et al. (NeurIPS 2019): an encoder infers angle,
shift and style, and the decoder is a net of rotated and shifted coordinates.
`tools/compare_poses.py` runs all of them.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

NOISE = 0.1  # deviation of a Gaussian likelihood that is not learned
STYLES, RATE, BATCH = 2, 1e-3, 100  # defaults of pyroVED
FEW = 25  # images of our own's batches: in the default's it learns nothing of so few images
Found = dict[str, Tensor]


class SpatialVAE(nn.Module):
    """Encoder of angle, shift and style, and a decoder of coordinates, both of tanh layers."""

    places: Tensor
    prior: Tensor

    def __init__(self, side: int, width: int = 128) -> None:
        super().__init__()
        axis = torch.linspace(-1, 1, side)
        y, x = torch.meshgrid(-axis, axis, indexing="ij")  # counter-clockwise from x to y
        self.register_buffer("places", torch.stack([x, y], -1).flatten(0, 1))
        layers = [nn.Linear(side * side, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()]
        self.encoder = nn.Sequential(*layers, nn.Linear(width, 2 * (3 + STYLES)))
        self.place, self.style = nn.Linear(2, width), nn.Linear(STYLES, width, bias=False)
        layers = [nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)]
        self.decoder = nn.Sequential(*layers)
        # Deviations of the priors: any angle, shifts as far as pyroVED expects them.
        self.register_buffer("prior", torch.tensor([math.pi, 0.1, 0.1] + [1.0] * STYLES))
        self.log_scale = nn.Parameter(torch.tensor(0.3).log())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log-deviations, in those of the prior, of angle, shift and style."""
        mean, log_deviation = self.encoder(x.flatten(1)).chunk(2, -1)
        return mean, log_deviation

    def decode(self, h: Tensor) -> Tensor:
        """Return images (n, pixels) of what is inferred."""
        h = h * self.prior
        cos, sin = h[:, 0].cos(), h[:, 0].sin()
        back = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], 1)
        u = (self.places - h[:, None, 1:3]) @ back  # canonical coordinates
        return self.decoder(self.place(u) + self.style(h[:, None, 3:]))[..., 0]

    def loss(self, x: Tensor) -> Tensor:
        """Return the bound of -log p(x), averaged."""
        mean, log_deviation = self.encode(x)
        h = mean + log_deviation.exp() * torch.randn_like(mean)
        left = (x.flatten(1) - self.decode(h)) / self.log_scale.exp()
        nll = 0.5 * left.square() + self.log_scale + 0.5 * math.log(2 * math.pi)
        kl = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1) - log_deviation
        return nll.sum(1).mean() + kl.sum(1).mean()


def spatial_vae(x: Tensor, epochs: int) -> Callable[[], Found]:
    """Train our own, and return what encodes with it."""
    model = SpatialVAE(x.shape[-1])
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(FEW):
            optimizer.zero_grad()
            model.loss(x[some]).backward()
            optimizer.step()

    def found() -> Found:
        h = model.encode(x)[0]
        return {"angle": h[:, 0] * math.pi, "z": h[:, 3:], "mean": model.decode(h)}

    return found


def pyroved(x: Tensor, epochs: int, kind: str, seed: int) -> Callable[[], Found]:
    """Train pyroVED's rVAE, or its jrVAE, and return what encodes with it."""
    try:
        import torchvision  # noqa: F401 # pyright: ignore[reportMissingImports]
    except RuntimeError:  # built for another torch: pyroVED draws with it, which is not done here
        sys.modules["torchvision"] = ModuleType("torchvision")
        sys.modules["torchvision.utils"] = SimpleNamespace(make_grid=None)  # type: ignore
    import pyroved as pv  # pyright: ignore[reportMissingImports]

    classes = 2 * (kind == "jrvae")
    how: dict[str, Any] = {"invariances": ["r", "t"], "seed": seed, "device": "cpu"}
    if kind == "rvae":
        x = x.clamp(0, 1)  # of a Bernoulli likelihood
    else:
        how |= {"sampler_d": "gaussian", "decoder_sig": NOISE}
    shape = tuple(x.shape[1:])
    if classes:
        model = pv.models.jiVAE(shape, STYLES, classes, **how)
    else:
        model = pv.models.iVAE(shape, STYLES, **how)
    how = {"enumerate_parallel": classes > 0, "seed": seed, "device": "cpu"}
    trainer = pv.trainers.SVItrainer(model, **how)
    loader = pv.utils.init_dataloader(x, batch_size=BATCH)
    for epoch in range(epochs):
        # 40 for a twentieth of the epochs, then falling to 3 over a fifth of them; 3 of classes.
        falling = 40 - 37 * min(1.0, max(0.0, epoch / epochs - 0.05) / 0.2)
        trainer.step(loader, **({"scale_factor": [falling, 3.0]} if classes else {}))

    def found() -> Found:
        h, _, *labels = model.encode(x)
        phi, shift, scale, z = model.split_latent(h)
        grid = model.grid.expand(len(x), *model.grid.shape)
        moved = (shift * model.t_prior)[:, None]
        places = pv.utils.transform_coordinates(grid, phi, moved, scale)
        told = {"y": labels[0]} if classes else {}
        parts = [z, *(pv.utils.to_onehot(y, classes) for y in labels)]
        mean = model.decoder(places, parts if classes else z)
        return {"angle": phi, "z": z, "mean": mean.reshape(len(x), -1), **told}

    return found


def main() -> None:
    """Train, and write angles in degrees, styles, classes if any, and reconstructions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=("rvae", "rvae-gaussian", "jrvae", "spatial-vae"))
    parser.add_argument("particles")
    parser.add_argument("out")
    parser.add_argument("--images", type=int, default=30_000, help="images seen in all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    x = torch.from_numpy(np.load(given.particles)["images"]).float()
    epochs = given.images // len(x)
    start = time.process_time()
    if given.model == "spatial-vae":
        encoded = spatial_vae(x, epochs)
    else:
        encoded = pyroved(x, epochs, given.model, given.seed)
    seconds = time.process_time() - start
    with torch.no_grad():
        found = {name: values.numpy() for name, values in encoded().items()}
    found["angle_degrees"] = np.rad2deg(found.pop("angle"))
    used = "" if given.model == "spatial-vae" else f"pyroved {version('pyroved')}, "
    versions = f"{used}torch {torch.__version__}"
    np.savez(given.out, seconds=seconds, versions=versions, **found)  # type: ignore


if __name__ == "__main__":
    main()
