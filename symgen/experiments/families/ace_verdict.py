"""What an evaluation of an ACE means, in plain words."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

_Z = 1.96  # standard deviations, of a 95 % interval


def interval(percent: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of so many images, in percent (Wilson 1927).

    Example:
        >>> [round(end, 1) for end in interval(100.0, 3)]
        [43.8, 100.0]
    """
    share, squared = percent / 100, _Z**2 / count
    middle = (share + squared / 2) / (1 + squared)
    half = _Z * math.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def verdict(measured: Mapping[str, Any]) -> list[str]:
    """Say whether classes and poses are right, as far as labels and known motions tell.

    Returns:
        A few lines; none of a model whose images have neither.
    """
    lines = [*_classes(measured), *_clusters(measured), *_poses(measured)]
    return [line for line in lines if line]


def _classes(measured: Mapping[str, Any]) -> Iterator[str]:
    """Compare the classes with labels, and with the most frequent one."""
    if "error" not in measured or "labels" not in measured:
        return
    count, common = measured["labels"]["images"], measured["labels"]["commonest"]
    right = 100 - measured["error"]
    low, high = interval(right, count)
    answer = "Yes" if low > common else "No" if high < common else "It cannot be told"
    yield (
        f"Does it name the class? {answer}: it names that of {right:.2f} % of {_images(count)} "
        f"with a label (95 % interval {low:.1f} to {high:.1f} %); to name the most frequent class "
        f"always would be right for {common:.1f} %."
    )
    alone = 100 - measured["error_generative"]
    yield f"Its auto-encoders alone, without the classifier, would be right for {alone:.2f} %."


def _clusters(measured: Mapping[str, Any]) -> Iterator[str]:
    """Say how images are spread over clusters, and how these agree with labels."""
    if sizes := measured.get("cluster_sizes"):
        used = sorted(filter(None, sizes), reverse=True)
        most = ", ".join(f"{size:,}" for size in used[:_LISTED])
        rest = ", …" if len(used) > _LISTED else ""
        yield f"{len(used)} of {len(sizes)} clusters are used, by {most}{rest} images."
    if scores := measured.get("clusters"):
        count, common = measured["labels"]["images"], measured["labels"]["commonest"]
        yield (
            f"Of {_images(count)} with a label {scores['majority']:.1f} % have the most frequent "
            f"label of their cluster; {common:.1f} % have the most frequent label of all."
        )


_LISTED = 20  # sizes of clusters


def _poses(measured: Mapping[str, Any]) -> Iterator[str]:
    """Say how far poses follow known motions."""
    if poses := measured.get("pose_r2"):
        worst = min(poses, key=lambda name: poses[name])
        told = ", ".join(f"{n.replace('_', ' ')} {100 * v:.0f} %" for n, v in poses.items())
        yield (
            f"The pose that it reads off an image follows how the image was moved: {told} of the "
            f"variation is explained, least of {worst.replace('_', ' ')}."
        )


def _images(count: int) -> str:
    return f"{count:,} held-out image{'s' * (count != 1)}"
