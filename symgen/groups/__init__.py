"""Groups that act on images: affine, projective, colour, and the warp that applies poses."""

from symgen.groups import affine, colour, projective
from symgen.groups.colour import hue_vector
from symgen.groups.warp import centroid, warp

__all__ = ["affine", "centroid", "colour", "hue_vector", "projective", "warp"]
