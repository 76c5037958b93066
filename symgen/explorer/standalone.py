"""One HTML file without server and network: rolls and poses made in advance, and a slider."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._files import file_to_write, read_text, write_atomically
from symgen.explorer import posing_views, rolling_views
from symgen.explorer.exhibit import Exhibit
from symgen.explorer.pictures import Painter, heat_map, sheet, text
from symgen.explorer.posing import Inferred, posed
from symgen.explorer.rolling import Clip, farthest_roll, rolled

__all__ = ["write_page"]

_CLIPS, _IMAGES = 4, 8  # examples on a page
_FRACTIONS = 4  # pictures from one whole roll to the next, of all capsules
_POSES = 25  # pictures along a part of the pose
_STYLES = 4  # latents of a style


def write_page(exhibit: Exhibit, path: Path | str) -> None:
    """Write a page that shows an exhibit from a file, with pictures made in advance.

    Raises:
        ValueError: if the name does not end in .html.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from symgen import TVAE
        >>> from symgen.explorer import open_exhibit
        >>> model = TVAE((1, 8, 8), capsules=2, frames=6)
        >>> with TemporaryDirectory() as folder:
        ...     exhibit = open_exhibit(model.save_pretrained(folder))
        ...     write_page(exhibit, Path(folder, "page.html"))
        ...     Path(folder, "page.html").read_text()[:15]
        '<!doctype html>'
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"cannot write {path}: let the name end in .html")
    file_to_write(path)
    examples = _images(exhibit) if exhibit.is_ace else _clips(exhibit)
    about = {"name": exhibit.name, "origin": exhibit.origin, "examples": examples}
    page = read_text("page.html", __name__)
    for name, content in {
        "NAME": text(exhibit.name),
        "KIND": text(type(exhibit.model).__name__),
        "CSS": read_text("page.css", __name__) + read_text("standalone.css", __name__),
        "SCRIPT": read_text("standalone.js", __name__),
        "DATA": json.dumps(about).replace("</", "<\\/"),
    }.items():
        page = page.replace(f"<!--{name}-->", content)
    write_atomically(path, lambda partial: partial.write_text(page, encoding="utf-8"))


def _clips(exhibit: Exhibit) -> list[dict[str, Any]]:
    """Make what is shown of sequences: rolls of all capsules in fractions, of each in wholes."""
    model, found = exhibit.model, []
    for title, x in zip(exhibit.titles[:_CLIPS], exhibit.items, strict=False):
        clip = Clip(model, x, exhibit.mean)
        rolls = [(f"capsule {n} alone", 1, n) for n in range(model.capsules)]
        rolls = [("all capsules", _FRACTIONS, None), *rolls]
        ways = [_way(model, clip, label, parts, one) for label, parts, one in rolls]
        beside = [
            {"label": label, "frames": len(x), "picture": _sheet(frames, Painter(clip.x))}
            for label, frames in (("given frame", x), ("reconstruction", clip.reconstruction))
        ]
        below = rolling_views.strips(model, clip) + rolling_views.errors(clip)
        found.append({"title": title, "ways": ways, "beside": beside, "below": below})
    return found


def _way(model: Any, clip: Clip, label: str, parts: int, capsule: int | None) -> dict[str, Any]:
    """Decode rolls of frame 0, so many a step, and draw maps of the capsules."""
    values = [n / parts for n in range(math.ceil(farthest_roll(model) * parts))]
    t = torch.stack([rolled(model, clip.t[0], value, capsule) for value in values])
    return {
        "label": label,
        "unit": "frames",
        "values": values,
        "start": 0,
        "picture": _sheet(_decoded(model, t), Painter(clip.x)),
        "map": sheet([heat_map(each, clip.bounds, capsule) for each in t]),
    }


@torch.no_grad()
def _decoded(model: Any, t: Float[Tensor, "n C D"]) -> Float[Tensor, " n *data"]:
    return torch.cat([model.decode(part).mean for part in t.split(64)])


def _sheet(images: Float[Tensor, " n *data"], paint: Callable[[Tensor], Any]) -> dict[str, Any]:
    return sheet([*paint(images)])


def _images(exhibit: Exhibit) -> list[dict[str, Any]]:
    """Make what is shown of images: each part of the pose and of the style, and all classes."""
    model, found = exhibit.model, []
    for title, x in zip(exhibit.titles[:_IMAGES], exhibit.items, strict=False):
        inferred = Inferred(model, x[None])
        ways = [_pose_way(model, inferred, part) for part in posing_views.parts_of(model)]
        styles = range(min(_STYLES, model.latent_count))
        ways += [_style_way(model, inferred, n) for n in styles]
        ways.append(_class_way(model, inferred))
        below = posing_views.views(inferred) + posing_views.chances(inferred)
        found.append({"title": title, "ways": ways, "beside": [], "below": below})
    return found


def _pose_way(model: Any, inferred: Inferred, part: posing_views.Part) -> dict[str, Any]:
    """Move one part of the pose, with the others as they were inferred."""
    parts = posing_views.parts_of(model)
    start = [each.value(inferred.motion) for each in parts]
    low, high = part.ends
    here = min(high, max(low, part.value(inferred.motion)))
    values = sorted({here, *torch.linspace(low, high, _POSES).tolist()})
    motions = []
    for value in values:
        pairs = zip(parts, start, strict=True)
        moved = [value if each.name == part.name else old for each, old in pairs]
        motions.append(posing_views.motion_of(parts, moved, inferred.motion))
    images = posed(model, inferred, motions, inferred.latents.z.expand(len(values), -1))
    said = part.said(part.value(inferred.motion))
    return _along(inferred, f"{part.label} (inferred {said})", values, here, images)


def _style_way(model: Any, inferred: Inferred, latent: int) -> dict[str, Any]:
    """Move one latent of the style."""
    here = float(inferred.latents.z[0, latent])
    values = sorted({here, *torch.linspace(-4, 4, _POSES).tolist()})
    styles = inferred.latents.z.repeat(len(values), 1)
    styles[:, latent] = torch.tensor(values)
    images = posed(model, inferred, None, styles)
    return _along(inferred, f"style {latent} (inferred {here:.2f})", values, here, images)


@torch.no_grad()
def _class_way(model: Any, inferred: Inferred) -> dict[str, Any]:
    """Show the image as every class: encoded and decoded by its auto-encoder."""
    labels = torch.arange(model.classes)
    x = inferred.x.expand(model.classes, -1, -1, -1)
    images = model.decode(model.latents(x, labels)).mean
    values = [float(label) for label in range(model.classes)]
    return _along(inferred, "class", values, float(inferred.latents.y), images)


def _along(
    inferred: Inferred, label: str, values: Sequence[float], here: float, images: Tensor
) -> dict[str, Any]:
    return {
        "label": label,
        "unit": "",
        "values": [*values],
        "start": values.index(here),
        "picture": _sheet(images, Painter(inferred.x)),
    }
