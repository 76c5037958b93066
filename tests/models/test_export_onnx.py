"""Programs of ONNX equal the model in onnxruntime, whatever the batch."""

import sys
from typing import Any

import jaxtyping
import pytest
import torch

from symgen import ACE, TVAE
from symgen.models import ACELatents, Pose, export_model

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def exported(model: Any, folder: Any) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:  # the check of annotations would fix the batch
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        paths = export_model(model, folder, "onnx")
    assert [path.name for path in paths] == ["encoder.onnx", "decoder.onnx"]
    return [onnxruntime.InferenceSession(path) for path in paths]


def equal(given: Any, expected: torch.Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(given), expected, rtol=1e-4, atol=1e-5)


def test_a_topographic_model_of_dense_and_convolutional_nets(tmp_path: Any) -> None:
    torch.manual_seed(0)
    sizes: Any = {"data_shape": (2, 6, 5), "capsules": 3, "units": 6, "frames": 4, "width": 8}
    model, conv = TVAE(**sizes, window=3), TVAE(**sizes, window=3, net="conv")
    model.decoder = conv.decoder
    encoder, decoder = exported(model, tmp_path)
    model.eval()
    for count in (1, 5):
        x = torch.rand(count, 4, 2, 6, 5)
        (t,) = encoder.run(["t"], {"x": x.numpy()})
        equal(t, model.latents(x).detach())
        (mean,) = decoder.run(["mean"], {"t": t[:, 0]})
        equal(mean, model.decode(torch.from_numpy(t[:, 0])).mean.detach())
    with pytest.raises(Exception, match=r"(?s)Got: 3 Expected: 4"):  # the frames are fixed
        encoder.run(["t"], {"x": x[:, :3].numpy()})


def test_an_ace_with_a_pose(tmp_path: Any) -> None:
    torch.manual_seed(0)
    channels = {"classifier_channels": (3, 4), "pose_channels": (3, 3)}
    nets: Any = {"hidden": (9,), "decoder_hidden": (8,), "classifier_hidden": 7, "pose_hidden": 5}
    model = ACE((1, 16, 16), classes=4, **nets, **channels)
    with torch.no_grad():
        for parameter in model.parameters():  # away from the identity at which poses start
            parameter += 0.05 * torch.randn_like(parameter)
    encoder, decoder = exported(model, tmp_path)
    model.eval()
    names = [output.name for output in encoder.get_outputs()]
    assert names == ["probabilities", "z", "y", "affine"]
    for count in (1, 5):
        x = torch.rand(count, 1, 16, 16)
        found = dict(zip(names, encoder.run(None, {"x": x.numpy()}), strict=True))
        posterior = model.encode(x)
        assert (posterior.pose.affine - torch.eye(3)).abs().max() > 0.01
        equal(found["probabilities"], posterior.class_log_probs.exp().detach())
        equal(found["z"], posterior.z.mean.detach())
        equal(found["y"], posterior.y)
        equal(found["affine"], posterior.pose.affine.detach())
        code = {name: found[name] for name in ("z", "y", "affine")}
        (mean,) = decoder.run(["mean"], code)
        z, y, affine = map(torch.from_numpy, code.values())
        equal(mean, model.decode(ACELatents(z, y, Pose(affine, None))).mean.detach())


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    model = TVAE((1, 4, 4), capsules=2, units=4, frames=4, window=3)
    with pytest.raises(ModuleNotFoundError, match=r"needs onnxscript.*pip install 'symgen\[onnx"):
        export_model(model, tmp_path / "out", "onnx")
    assert not list(tmp_path.iterdir())


def test_what_onnx_cannot_express_is_refused_in_a_line(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model = ACE((3, 8, 8), colour_pose=True, hidden=(4,), decoder_hidden=(4,))
    with pytest.raises(
        ValueError, match=r"encoder cannot be written as ONNX .*take format"
    ) as told:
        export_model(model, tmp_path, "onnx")
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


def test_other_formats_are_refused(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model = TVAE((1, 4, 4), capsules=2, units=4, frames=4, window=3)
    with pytest.raises(ValueError, match="format='tf': choose torch or onnx"):
        export_model(model, tmp_path, "tf")  # pyright: ignore
