"""What an evaluation of an ACE means, in words."""

import pytest

from symgen.experiments.families.ace_verdict import verdict


def of_classes(error, images, commonest):
    labels = {"images": images, "commonest": commonest}
    return verdict({"error": error, "error_generative": 50.0, "labels": labels})


@pytest.mark.parametrize(
    ("error", "images", "answer"),
    [(2.0, 1000, "Yes"), (66.0, 1000, "No"), (50.0, 1000, "It cannot be told"), (50.0, 2, "It")],
)
def test_classes_are_compared_with_the_most_frequent_one(error, images, answer):
    first, second = of_classes(error, images, commonest=50.0)
    assert first.startswith(f"Does it name the class? {answer}")
    assert f"{100 - error:.2f} % of {images:,} held-out images with a label" in first
    assert (
        "most frequent class would be right for 50.0 %" in first and "right for 50.00 %" in second
    )


def test_of_a_few_labels_the_interval_says_how_little_they_tell():
    (first, _) = of_classes(0.0, 1, commonest=100.0)
    assert "of 1 held-out image with a label (95 % interval 20.7 to 100.0 %)" in first


def test_clusters_are_counted_and_compared_with_labels_where_there_are_some():
    sizes = {"cluster_sizes": [30, 0, 50]}
    assert verdict(sizes) == ["2 of 3 clusters have images: 50, 30."]
    scores = {"matched": 60.0, "majority": 95.0, "used": 2}
    labels = {"images": 80, "commonest": 75.0}
    _, second = verdict(sizes | {"clusters": scores, "labels": labels})
    assert "95.0 % have the most frequent label of their cluster; 75.0 % have the most" in second


def test_a_model_of_images_without_labels_or_known_motions_has_no_verdict():
    assert verdict({"bounds": {"valid": 3.0}}) == []
