"""What an evaluation of an ACE means, in plain words."""

from collections.abc import Iterator, Mapping
from typing import Any

_LISTED = 20  # sizes of clusters


def verdict(measured: Mapping[str, Any]) -> list[str]:
    """Say whether classes and poses are right, as far as labels and known motions tell.

    Returns:
        A few lines; none of a model whose images have neither.
    """
    lines = [*_classes(measured), *_clusters(measured), *_poses(measured)]
    return [line for line in lines if line]


def _classes(measured: Mapping[str, Any]) -> Iterator[str]:
    """Compare the classes with labels, and with the most frequent one."""
    from scipy.stats import binomtest  # half a second to import

    if "error" not in measured or "labels" not in measured:
        return
    count, common = measured["labels"]["images"], measured["labels"]["commonest"]
    right = 100 - measured["error"]
    test = binomtest(round(right * count / 100), count)
    low, high = (100 * end for end in test.proportion_ci(method="wilson"))
    answer = "Yes" if low > common else "No" if high < common else "It cannot be told"
    yield (
        f"Does it name the class? {answer}: right for {right:.2f} % of {_images(count)} with a "
        f"label (95 % interval {low:.1f} to {high:.1f} %); always naming the most frequent class "
        f"would be right for {common:.1f} %."
    )
    alone = 100 - measured["error_generative"]
    yield f"Its auto-encoders alone, without the classifier, would be right for {alone:.2f} %."


def _clusters(measured: Mapping[str, Any]) -> Iterator[str]:
    """Say how images are spread over clusters, and how these agree with labels."""
    if sizes := measured.get("cluster_sizes"):
        used = sorted(filter(None, sizes), reverse=True)
        most = ", ".join(f"{size:,}" for size in used[:_LISTED])
        rest = ", …" if len(used) > _LISTED else ""
        yield f"{len(used)} of {len(sizes)} clusters have images: {most}{rest}."
    if scores := measured.get("clusters"):
        count, common = measured["labels"]["images"], measured["labels"]["commonest"]
        yield (
            f"Of {_images(count)} with a label {scores['majority']:.1f} % have the most frequent "
            f"label of their cluster; {common:.1f} % have the most frequent label of all."
        )


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
