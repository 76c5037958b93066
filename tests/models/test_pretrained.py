"""Files of models: noticed when damaged, refused before they take memory, never from nowhere."""

import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ace_helpers import SMALL
from model_helpers import OwnDecoder
from safetensors.torch import load_file, save_file
from torch import nn

from symgen import ACE, TVAE, VAE
from symgen._tensors import read_tensors, write_tensors
from symgen.models import Pretrained, pretrained
from symgen.models.pretrained import weights_step

SIZE: dict[str, Any] = {"capsules": 2, "units": 4, "frames": 4, "window": 3, "width": 6}
CONFIG, WEIGHTS = "model.json", "model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return TVAE((7,), **SIZE).save_pretrained(tmp_path / "model", step=12)


def edit_config(folder: Path, **changed: Any) -> None:
    described = json.loads((folder / CONFIG).read_text())
    arguments = described["arguments"] | changed
    described["arguments"] = {n: v for n, v in arguments.items() if v is not ...}
    (folder / CONFIG).write_text(json.dumps(described))


def forge(folder: Path, **changed: Any) -> None:
    """Change arguments in both files, as no accident does."""
    edit_config(folder, **changed)
    tensors, about = read_tensors(folder / WEIGHTS)
    write_tensors(folder / WEIGHTS, tensors, about | json.loads((folder / CONFIG).read_text()))


def refusal(folder: Path, **parts: Any) -> str:
    """Return the one line with which a folder is refused."""
    with pytest.raises(ValueError) as caught:
        Pretrained.from_pretrained(folder, **parts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- weights ----------------------------------------------------------------------------------


def test_any_flipped_bit_of_the_weights_is_noticed(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]
    for position in [*range(0, header, 29), *range(header, len(content), 97)]:
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        (folder / WEIGHTS).write_bytes(damaged)
        assert f"{folder / WEIGHTS} cannot be loaded" in refusal(folder)
    (folder / WEIGHTS).write_bytes(content)
    TVAE.from_pretrained(folder)


def test_weights_that_another_program_wrote_have_no_checksum_and_are_refused(folder: Path) -> None:
    tensors, _ = read_tensors(folder / WEIGHTS)
    save_file(tensors, folder / WEIGHTS)
    assert "does not describe what symgen wrote" in refusal(folder)


def test_the_file_is_plain_safetensors_of_every_kind_of_number(tmp_path: Path) -> None:
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32)
    kinds += (torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64)
    given = {str(kind): torch.arange(6).view(2, 3).T.to(kind) for kind in kinds}
    given |= {"none": torch.zeros(0, 3), "one": torch.tensor(2.0), "ä": torch.ones(3, 5)[:, ::2]}
    write_tensors(tmp_path / "file", given, {"step": 1})
    for found in (read_tensors(tmp_path / "file")[0], load_file(tmp_path / "file")):
        assert found.keys() == given.keys()
        for name, tensor in given.items():
            assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, value: float) -> None:
    model = TVAE((7,), **SIZE)
    next(model.encoder.parameters()).data.view(-1)[3] = value
    model.save_pretrained(tmp_path)
    said = refusal(tmp_path)
    assert f"{tmp_path / WEIGHTS} holds encoder." in said and "not finite" in said


def test_weights_that_are_tied_are_saved_and_tied_again(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        layer = nn.Linear(7, 7)
        return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(7, 4 * 8))

    model = TVAE((7,), **SIZE, encoder=tied())
    model.save_pretrained(tmp_path)
    again: Any = TVAE.from_pretrained(tmp_path, encoder=tied())
    assert again.encoder[0].weight is again.encoder[2].weight
    assert torch.equal(again.encoder[0].weight, model.encoder[2].weight)


def test_equal_models_are_equal_files(folder: Path, tmp_path: Path) -> None:
    again = TVAE.from_pretrained(folder).save_pretrained(tmp_path / "again", step=12)
    for name in (CONFIG, WEIGHTS):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_the_step_stands_in_the_weights(folder: Path, tmp_path: Path) -> None:
    assert weights_step(folder) == 12
    TVAE.from_pretrained(folder).save_pretrained(tmp_path)  # outside of a training
    assert weights_step(tmp_path) is None
    assert weights_step(tmp_path / "nothing") is None


def test_saving_leaves_nothing_else_and_replaces_both_files(folder: Path) -> None:
    TVAE((7,), **SIZE).save_pretrained(folder)
    assert sorted(os.listdir(folder)) == [CONFIG, WEIGHTS]


def test_a_model_that_is_too_large_for_half_precision_leaves_what_was_saved(
    folder: Path, tmp_path: Path
) -> None:
    before = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    other = TVAE((7,), **SIZE | {"window": 4}, mu=-1e5)
    for place in (folder, tmp_path / "new"):
        with pytest.raises(ValueError, match="mu is too large for float16"):
            other.save_pretrained(place, half=True)
    assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before
    assert not (tmp_path / "new").exists()


def test_weights_that_no_file_holds_leave_what_was_saved(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    other = TVAE((7,), **SIZE | {"window": 4})
    other.register_buffer("mine", torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(ValueError, match=r"mine of torch\.complex128 cannot be saved: take one"):
        other.save_pretrained(folder)
    assert {name: (folder / name).read_bytes() for name in os.listdir(folder)} == before


def own_nets() -> dict[str, Any]:
    return {"encoder": nn.Linear(7, 4 * 8), "decoder": OwnDecoder(8, (1, 7))}


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("cast", [False, True])
def test_a_model_has_the_precision_of_its_weights_again(
    dtype: torch.dtype, cast: bool, tmp_path: Path
) -> None:
    model = TVAE((7,), **SIZE, centre=True, **own_nets()).to(dtype)
    model.save_pretrained(tmp_path)
    parts = {name: part.to(dtype) if cast else part for name, part in own_nets().items()}
    again = TVAE.from_pretrained(tmp_path, **parts)
    for name, tensor in again.state_dict().items():
        assert tensor.dtype == dtype and torch.equal(tensor, model.state_dict()[name]), name
    x = torch.rand(2, 4, 7, dtype=dtype)
    assert torch.equal(again.latents(x), model.eval().latents(x))
    ace = ACE(**SMALL).to(dtype)
    assert {p.dtype for p in ACE.from_pretrained(ace.save_pretrained(tmp_path)).parameters()} == {
        dtype
    }


def test_a_model_that_was_saved_at_half_the_size_is_loaded_in_single_precision(
    tmp_path: Path,
) -> None:
    TVAE((7,), **SIZE).double().save_pretrained(tmp_path, half=True)
    assert {p.dtype for p in TVAE.from_pretrained(tmp_path).parameters()} == {torch.float32}


# --- parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"mu": 3.0}, {"window": 2}, {"encoder": nn.Linear(7, 32)}])
def test_what_is_no_part_of_ones_own_is_not_handed_in(
    given: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    (name,) = given
    said = refusal(folder, **given)
    assert said.startswith(f"{name}=") and "was saved with no parts" in said
    TVAE((7,), **SIZE, decoder=OwnDecoder(8, (1, 7))).save_pretrained(tmp_path)
    said = refusal(tmp_path, decoder=OwnDecoder(8, (1, 7)), **given)
    assert said.startswith(f"{name}=") and "only parts of one's own, decoder," in said


# --- model.json -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window": ...}, "window was 3 and is 'absent'"),
        ({"windw": 3}, "windw was 'absent' and is 3"),
        ({"units": "x"}, "units was 4 and is 'x'"),
        ({"frames": 5}, "frames was 4 and is 5"),
        ({"width": [300_000, 1000]}, r"width was 6 and is [300000, 1000]"),
        ({"units": None, "window": 10**30}, "units was 4 and is None"),
    ],
)
def test_an_argument_that_is_not_that_of_the_weights_is_named(
    changed: dict[str, Any], message: str, folder: Path
) -> None:
    edit_config(folder, **changed)
    said = refusal(folder)
    assert message in said and str(folder / CONFIG) in said


@pytest.mark.parametrize("scale", [None, [0.0, 255.0]])
def test_a_scale_of_the_data_that_is_not_that_of_the_weights_is_named(
    scale: list[float] | None, folder: Path
) -> None:
    model = TVAE.from_pretrained(folder)
    model.data_scale = (0.0, 1023.0)
    described = json.loads((model.save_pretrained(folder) / CONFIG).read_text())
    assert TVAE.from_pretrained(folder).data_scale == (0, 1023)
    described["data_scale"] = scale
    described = {name: value for name, value in described.items() if value is not None}
    (folder / CONFIG).write_text(json.dumps(described))
    told = "'absent'" if scale is None else r"[0.0, 255.0]"
    assert f"data_scale was [0.0, 1023.0] and is {told}" in refusal(folder)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "3", "null", "\xff", "{}", "[" * 99_999, '{"model": "TVAE"}'),
        '{"model": 1, "arguments": {}}',
        '{"model": "TVAE", "arguments": []}',
        '{"model": "TVAE", "arguments": {}, "more": 1}',
    ],
)
def test_what_describes_no_model_is_named(text: str, folder: Path) -> None:
    (folder / CONFIG).write_bytes(text.encode("latin-1"))
    assert str(folder / CONFIG) in refusal(folder)


@pytest.mark.parametrize("name", ["TVEA", "1e30", ""])
def test_a_model_that_is_none_is_named_with_the_nearest(name: str, folder: Path) -> None:
    (folder / CONFIG).write_text(json.dumps({"model": name, "arguments": {}}))
    said = refusal(folder)
    assert str(folder / CONFIG) in said and "TVAE" in said


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"likelihood": {"symgen": "Bernouli"}}, "likelihood={'symgen': 'Bernouli'}"),
        ({"likelihood": {"symgen": "Gaussian", "scal": 1}}, "scal"),
        ({"more": 1}, "more"),
        ({"encoder": {"own": 3}}, "encoder=3(…)"),
        ({"width": -1}, "model.json does not make a TVAE"),
        ({"width": "x"}, "model.json does not make a TVAE"),
        ({"units": 5}, "does not fit its model: decoder"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    changed: dict[str, Any], message: str, folder: Path
) -> None:
    forge(folder, **changed)
    assert message in refusal(folder)


@pytest.mark.parametrize("huge", [{"width": 3 * 10**8}, {"units": 10**12}])
def test_sizes_beyond_the_weights_are_refused_before_they_take_memory(
    huge: dict[str, int], folder: Path
) -> None:
    forge(folder, **huge)
    script = (
        "import re; from symgen import TVAE\n"
        f"try: TVAE.from_pretrained({str(folder)!r})\n"
        "except ValueError as error: print(error)\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 2**10)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    said, megabytes = done.stdout.splitlines()
    assert "beyond" in said and str(folder / CONFIG) in said
    assert int(megabytes) < 900


def test_ace_of_sizes_beyond_its_weights_is_refused(tmp_path: Path) -> None:
    ACE(**SMALL).save_pretrained(tmp_path)
    forge(tmp_path, hidden=[300_000, 1000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "beyond" in refusal(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # half a gigabyte


# --- where from -------------------------------------------------------------------------------


def test_a_path_is_never_asked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: Any, **__: Any) -> str:
        raise AssertionError("asked the hub")

    monkeypatch.setattr(pretrained, "snapshot_download", ask)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    paths = [
        "runs/demo",
        "mine/run",
        "mine/file",
        "./a/b",
        "../x",
        "/x/y",
        "a",
        "a/b/c",
        "~/x",
        "",
    ]
    for name in [*paths, "a\n/b", "a/b\n", tmp_path / "none"]:
        with pytest.raises(
            (FileNotFoundError, ValueError), match=r"no folder|model\.json"
        ) as caught:
            VAE.from_pretrained(name)
        assert "\n" not in str(caught.value)


def test_a_hub_that_has_no_such_model_is_said_to_have_been_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(name: str, **_: Any) -> str:
        raise OSError("401 Client Error.\n\nRepository Not Found for url: …")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pretrained, "snapshot_download", ask)
    with pytest.raises(
        FileNotFoundError, match=r"no folder 'owner/name' here, and the .* hub"
    ) as e:
        VAE.from_pretrained("owner/name")
    assert "\n" not in str(e.value)
