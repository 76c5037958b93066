"""Networks that know no paper."""

from symgen.nets.activations import Activation
from symgen.nets.dense import DenseDecoder, DenseEncoder, Perceptron
from symgen.nets.grouped import GroupedConvTranspose, GroupedLinear, grouped_linear
from symgen.nets.linear import Linear, Normalisation, linear
from symgen.nets.names import (
    Initialisation,
    NetName,
    OutputBias,
    make_decoder,
    make_encoder,
    make_nets,
)
from symgen.nets.per_class import ClassConvDecoder, ClassDenseDecoder, ClassInputDecoder
from symgen.nets.pooling import Convolutions, ConvReadout
from symgen.nets.residual import ResidualDecoder, ResidualEncoder, ResidualStack
from symgen.nets.strided import ConvDecoder, ConvEncoder

__all__ = [
    "Activation",
    "ClassConvDecoder",
    "ClassDenseDecoder",
    "ClassInputDecoder",
    "ConvDecoder",
    "ConvEncoder",
    "ConvReadout",
    "Convolutions",
    "DenseDecoder",
    "DenseEncoder",
    "GroupedConvTranspose",
    "GroupedLinear",
    "Initialisation",
    "Linear",
    "NetName",
    "Normalisation",
    "OutputBias",
    "Perceptron",
    "ResidualDecoder",
    "ResidualEncoder",
    "ResidualStack",
    "grouped_linear",
    "linear",
    "make_decoder",
    "make_encoder",
    "make_nets",
]
