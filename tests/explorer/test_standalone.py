"""The page as one file: opened from the disk, its slider shows what the model does."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from explorer_helpers import Visit, decoded, distance, shown

from symgen import ACE, TVAE, BubbleVAE, TorusVAE
from symgen.explorer import Exhibit, open_exhibit, standalone, write_page
from symgen.explorer.posing import Inferred, posed
from symgen.explorer.posing_views import parts_of
from symgen.explorer.rolling import rolled
from symgen.models import Motion

Open = Callable[[str], Visit]


@pytest.fixture(scope="module")
def rolling(
    rolling_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Exhibit]:
    path, exhibit = tmp_path_factory.mktemp("page") / "rolls.html", open_exhibit(rolling_folder)
    write_page(exhibit, path)
    return path, exhibit


@pytest.fixture(scope="module")
def posing(posing_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Exhibit]:
    path, exhibit = tmp_path_factory.mktemp("page") / "poses.html", open_exhibit(posing_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standalone, "_IMAGES", 2)
        write_page(exhibit, path)
    return path, exhibit


def tile(visit: Visit, selector: str) -> np.ndarray:
    """The pixels that a tile shows of its sheet, by where its background lies."""
    found: dict[str, Any] = visit.page.locator(selector).evaluate(
        """e => { const s = getComputedStyle(e);
        return {source: s.backgroundImage, size: s.backgroundSize, at: s.backgroundPosition}; }"""
    )
    sheet = decoded(found["source"].removeprefix('url("').removesuffix('")'))
    columns, rows = (round(float(each.rstrip("%")) / 100) for each in found["size"].split())
    x, y = (float(each.rstrip("%")) / 100 for each in found["at"].split())
    height, width = sheet.shape[0] // rows, sheet.shape[1] // columns
    column, row = round(x * (columns - 1)), round(y * (rows - 1))
    return sheet[height * row : height * (row + 1), width * column : width * (column + 1)]


@torch.no_grad()
def test_rolls_of_the_file_are_those_of_the_model(
    rolling: tuple[Path, Exhibit], visit: Open
) -> None:
    path, exhibit = rolling
    model, page = exhibit.model, visit(path.as_uri())
    t = model.latents(exhibit.items[:3])[:, 0]
    for number, steps in ((0, 0.0), (8, 2.0), (13, 3.25)):
        page.page.locator("#roll").fill(str(number))
        wanted = shown(model.decode(rolled(model, t[0], steps)).mean)
        assert distance(tile(page, ".tile.rolled"), wanted) <= 1
        assert page.page.locator("#value").inner_text() == f"{steps:g} frames"
    page.page.locator("#way").select_option("capsule 2 alone")
    page.page.locator("#example").select_option(exhibit.titles[2])
    page.page.locator("#roll").fill("4")
    wanted = shown(model.decode(rolled(model, t[2], 4.0, capsule=2)).mean)
    assert distance(tile(page, ".tile.rolled"), wanted) <= 1
    given = tile(page, "figure:nth-child(2) .tile")
    assert distance(given, shown(exhibit.items[2, 4])) <= 1


def test_the_file_plays_and_asks_for_nothing(rolling: tuple[Path, Exhibit], visit: Open) -> None:
    path, _ = rolling
    page = visit(path.as_uri())
    page.page.get_by_role("button", name="Play").click()
    page.page.wait_for_function("+document.getElementById('roll').value > 3")
    page.page.get_by_role("button", name="Pause").click()
    value = page.page.locator("#roll").input_value()
    page.page.wait_for_timeout(400)
    assert page.page.locator("#roll").input_value() == value
    assert [url for url in page.asked if not url.startswith("data:")] == [path.as_uri()]
    assert "http" not in path.read_text().replace("http-equiv", "")


@torch.no_grad()
def test_poses_of_the_file_are_those_of_the_model(
    posing: tuple[Path, Exhibit], visit: Open
) -> None:
    path, exhibit = posing
    model, page = exhibit.model, visit(path.as_uri())
    inferred = Inferred(model, exhibit.items[:1])
    assert distance(tile(page, ".tile.rolled"), shown(inferred.reconstruction[0])) <= 1
    page.page.locator("#roll").fill("0")
    start = inferred.motion
    wanted = posed(
        model,
        inferred,
        [Motion(-180.0, start.scale, start.shear, start.shift)],
        inferred.latents.z,
    )[0]
    assert distance(tile(page, ".tile.rolled"), shown(wanted)) <= 1
    ways = page.page.locator("#way option").all_inner_texts()
    assert len(ways) == len(parts_of(model)) + 2 + 1 and ways[-1] == "class"
    page.page.locator("#way").select_option("class")
    page.page.locator("#roll").fill("2")
    wanted = Inferred(model, exhibit.items[:1], 2).reconstruction[0]
    assert distance(tile(page, ".tile.rolled"), shown(wanted)) <= 1


@pytest.mark.parametrize("kind", ["rolling", "posing"])
def test_the_file_fits_a_narrow_window(
    kind: str, request: pytest.FixtureRequest, visit: Open
) -> None:
    page = visit(request.getfixturevalue(kind)[0].as_uri())
    page.page.set_viewport_size({"width": 420, "height": 800})
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 420


SEQUENCES: dict[str, Any] = {"capsules": 2, "units": 6, "frames": 6, "width": 8}
KINDS: dict[str, Callable[[], Any]] = {
    "vectors": lambda: TVAE((7,), **SEQUENCES, likelihood="gaussian"),
    "volumes": lambda: TVAE((1, 3, 6, 6), **SEQUENCES),
    "two channels": lambda: TVAE((2, 6, 6), **SEQUENCES),
    "ends": lambda: TVAE((1, 6, 6), **SEQUENCES, boundary="zero", capsule_boundary="zero"),
    "bubble": lambda: BubbleVAE((1, 6, 6), **SEQUENCES),
    "axes": lambda: TVAE((1, 6, 6), **SEQUENCES | {"units": None}, capsule_axes=(3, 2)),
    "torus": lambda: TorusVAE((1, 6, 6), capsules=3, units=6, neighbourhood=3, width=8),
    "colour": lambda: ACE((3, 12, 12), classes=2, colour_pose=True),
    "no pose": lambda: ACE((1, 12, 12), classes=2, pose=None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model_has_a_page(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for few in ("_CLIPS", "_IMAGES"):
        monkeypatch.setattr(standalone, few, 1)
    monkeypatch.setattr(standalone, "_POSES", 3)
    exhibit = open_exhibit(KINDS[kind]().eval().save_pretrained(tmp_path / "model"))
    write_page(exhibit, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    found = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    (example,) = found["examples"]
    assert example["ways"] and all(way["values"] for way in example["ways"])
    assert "nan" not in re.sub('base64,[^"]*', "", example["below"])


def test_an_ace_of_vectors_is_refused(tmp_path: Path) -> None:
    model = ACE((12,), classes=2, pose=None)
    with pytest.raises(ValueError, match=r"shape \(12,\): the page shows those of images"):
        open_exhibit(model.save_pretrained(tmp_path / "model"))


def test_another_suffix_is_refused(rolling: tuple[Path, Exhibit], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page.pdf: let the name end in .html"):
        write_page(rolling[1], tmp_path / "page.pdf")
    assert [*tmp_path.iterdir()] == []
