"""Networks that know no paper."""

from symgen.nets.convolution import Convolutions, ImageReader
from symgen.nets.decoders import ConvDecoder, DenseDecoder
from symgen.nets.grouped import GroupedConvTranspose, GroupedLinear, grouped_linear
from symgen.nets.linear import Linear, linear
from symgen.nets.perceptron import Perceptron, TwinPerceptron

__all__ = [
    "ConvDecoder",
    "Convolutions",
    "DenseDecoder",
    "GroupedConvTranspose",
    "GroupedLinear",
    "ImageReader",
    "Linear",
    "Perceptron",
    "TwinPerceptron",
    "grouped_linear",
    "linear",
]
