"""Encoder and decoder as programs of torch or ONNX, which run where symgen is not installed."""

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export, save

from symgen._errors import require_choice
from symgen._files import write_atomically
from symgen._signals import signals_wait
from symgen.models.ace import ACE
from symgen.models.ace_latents import ACELatents
from symgen.models.pretrained import Pretrained
from symgen.models.symmetry_statistics import Pose
from symgen.models.topographic import TopographicVAE

__all__ = ["ProgramFormat", "export_model"]

ProgramFormat = Literal["torch", "onnx"]
_SUFFIXES = {"torch": ".pt2", "onnx": ".onnx"}
_ONNX = ("onnx", "onnxscript", "onnxruntime")  # what the extra brings
_EXAMPLES = 2  # torch.export takes a batch of 0 or 1 for a constant


def export_model(
    model: Pretrained, folder: str | Path, format: ProgramFormat = "torch"
) -> tuple[Path, Path]:
    """Write encoder and decoder, programs that need nothing of symgen; return their paths.

    `torch.export.load(path).module()` loads `encoder.pt2` and `decoder.pt2`, which compute on the
    device that the model is on now; `onnxruntime.InferenceSession(path)` loads `encoder.onnx` and
    `decoder.onnx`. They take any number of items at once, in evaluation mode and without checking
    the range of their input. Inputs of ONNX have the names below, outputs, too; that of a decoder
    is `mean`.

    * Of a Topographic VAE the encoder turns `x` (B, S, *data_shape) into the mean of t
      (B, S, C, D); S is the model's, also where time has a zero boundary.
      The decoder turns `t` (B, C, D) into means.
    * Of ACE the encoder turns `x` (B, *data_shape) into a dictionary of the classes'
      `probabilities`, the most probable class `y`, its style's mean `z`, and the pose: `affine`
      and, if the model infers one, `colour`. The decoder takes z, y, affine and, if there is one,
      colour, in this order, and returns means.

    Args:
        model: what to export, of either family; it is not changed.
        folder: where to write; made if it is not there.
        format: "torch", programs of torch.export; or "onnx", which needs `symgen[onnx]`.

    Raises:
        ValueError: for another model or format, or what ONNX cannot express: a colour pose.
        ModuleNotFoundError: if what ONNX needs is not installed.

    Example:
        >>> import tempfile
        >>> from symgen import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, units=4, frames=4, window=3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     encoder, decoder = export_model(model, folder)
        ...     encode, decode = (torch.export.load(path).module() for path in (encoder, decoder))
        >>> t = encode(torch.rand(7, 4, 1, 8, 8))
        >>> t.shape, decode(t[:, 0]).shape
        (torch.Size([7, 4, 2, 4]), torch.Size([7, 1, 8, 8]))
    """
    if not isinstance(model, TopographicVAE | ACE):
        kind = type(model).__name__
        raise ValueError(f"{kind} cannot be exported: give a kind of TopographicVAE or an ACE")
    require_choice("format", format, get_args(ProgramFormat))
    if format == "onnx":
        _require_onnx()
    device = next(model.parameters()).device
    model = deepcopy(model).eval().requires_grad_(False)
    if isinstance(model, ACE):
        x = torch.zeros(_EXAMPLES, *model.data_shape, device=device)
        several = model.pose is not None and model.pose.starts > 1  # which are weighed by decoding
        encoder = _InferImage(model, without=() if several else ("decoder",))
        decoder = _ShowImage(model, without=("classifier", "encoder", "heads"))
        code = encoder(x)
        outputs = list(code)
        code.pop("probabilities")
    else:
        x = torch.zeros(_EXAMPLES, model.frames, *model.data_shape, device=device)
        encoder = _InferLatents(model, without=("decoder",))
        decoder = _ShowLatents(model, without=("encoder", "data_mean"))
        code, outputs = {"t": encoder(x)[:, 0]}, ["t"]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    suffix = _SUFFIXES[format]
    paths = folder / f"encoder{suffix}", folder / f"decoder{suffix}"
    _write(encoder, {"x": x}, outputs, paths[0])
    _write(decoder, code, ["mean"], paths[1])
    return paths


class _Program(nn.Module):
    """One program, without what only the other needs, which it would carry."""

    def __init__(self, model: Any, without: tuple[str, ...]) -> None:
        super().__init__()
        self.model = copy(model)
        for kind in ("_modules", "_buffers"):
            parts = getattr(model, kind).items()
            setattr(self.model, kind, {name: part for name, part in parts if name not in without})


class _InferLatents(_Program):
    def forward(self, x: Float[Tensor, "B S *data"]) -> Float[Tensor, "B S C D"]:
        return self.model.latents(x)


class _ShowLatents(_Program):
    def forward(self, t: Float[Tensor, "B C D"]) -> Float[Tensor, " B *data"]:
        return self.model.decode(t).mean


class _InferImage(_Program):
    def forward(self, x: Float[Tensor, " B *data"]) -> dict[str, Tensor]:
        posterior = self.model.encode(x)
        latents = {"z": posterior.z.mean, "y": posterior.y, "affine": posterior.pose.affine}
        if posterior.pose.colour is not None:
            latents["colour"] = posterior.pose.colour
        return {"probabilities": posterior.class_log_probs.exp(), **latents}


class _ShowImage(_Program):
    def forward(
        self,
        z: Float[Tensor, "B latents"],
        y: Int64[Tensor, " B"],
        affine: Float[Tensor, "B 3 3"],
        colour: Float[Tensor, "B 3 3"] | None = None,
    ) -> Float[Tensor, " B *data"]:
        return self.model.decode(ACELatents(z, y, Pose(affine, colour))).mean


def _require_onnx() -> None:
    for name in _ONNX:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"format='onnx' needs {name}, which is not installed: pip install 'symgen[onnx]', "
                "or take format='torch'"
            ) from error


def _write(
    program: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str], path: Path
) -> None:
    # Run once for real: the matrices of the neighbourhoods, which are kept, must not be traced.
    program(**inputs)
    batch = {0: Dim("batch")}
    shapes = {name: batch for name in inputs}
    with signals_wait():
        exported = export(program, tuple(inputs.values()), dynamic_shapes=shapes)
        if path.suffix == _SUFFIXES["torch"]:
            write_atomically(path, lambda partial: save(exported, partial))
        else:
            _write_onnx(exported, outputs, path)


def _write_onnx(program: ExportedProgram, outputs: list[str], path: Path) -> None:
    with _quiet():
        # onnxruntime knows the hyperbolic sine of the pose's exponential in single precision only.
        program = program.run_decompositions({torch.ops.aten.sinh.default: _sinh})
        try:
            made = torch.onnx.export(program, dynamo=True, verbose=False, output_names=outputs)
        except (torch.onnx.OnnxExporterError, RuntimeError) as error:
            cause = str(error.__cause__ or error).strip().partition("\n")[0].partition(" :")[0]
            raise ValueError(
                f"{path.stem} cannot be written as ONNX ({cause}): take format='torch'"
            ) from error
        assert made is not None
        write_atomically(path, lambda partial: made.save(partial))


def _sinh(x: Tensor) -> Tensor:
    return (x.exp() - (-x).exp()) / 2


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling of libraries that are not there and of its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
