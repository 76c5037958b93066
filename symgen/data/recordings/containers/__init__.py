"""Arrays in files of numpy, HDF5, zarr, TIFF and MATLAB, read part by part."""

from symgen.data.recordings.containers.opening import *
from symgen.data.recordings.containers.stored import *
