"""Networks that know no paper."""

from symgen.nets.linear import Linear, linear
from symgen.nets.perceptron import Perceptron, TwinPerceptron

__all__ = ["Linear", "Perceptron", "TwinPerceptron", "linear"]
