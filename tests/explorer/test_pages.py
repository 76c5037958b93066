"""The served pages in a real browser: sliders, keys, uploads, drawings, and nothing elsewhere."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from explorer_helpers import Visit, decoded, distance, served, shown
from PIL import Image

from symgen.explorer import Exhibit, open_exhibit
from symgen.explorer.pictures import heat_map
from symgen.explorer.posing import Inferred, posed
from symgen.explorer.rolling import apply_rolls, read_rolls, rolled
from symgen.explorer.uploads import read_picture
from symgen.models import Motion

Open = Callable[[str], Visit]
RESULT, IMAGE = "#result img.rolled", "#views figure:nth-child(1) img"
ROLLED, GIVEN, MAP = "#stage img.rolled", "#stage figure:nth-child(2) img", "#stage img.map"


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder for all temporary files of the servers, in which nothing may be left."""
    folder = tmp_path_factory.mktemp("temporary")
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", str(folder))
    yield folder
    patch.undo()
    assert [path.name for path in folder.iterdir() if path.name.startswith("symgen")] == []


@pytest.fixture(scope="module")
def addresses(
    browser: Any, rolling_folder: Path, posing_folder: Path, temporary: Path
) -> Iterator[dict[str, str]]:
    places = {"rolling": rolling_folder, "posing": posing_folder}
    with served(places, rolling_folder.parent) as addresses:
        yield addresses


@pytest.fixture
def rolling(addresses: dict[str, str]) -> str:
    return addresses["rolling"]


@pytest.fixture
def posing(addresses: dict[str, str]) -> str:
    return addresses["posing"]


@pytest.fixture(scope="module")
def rolls(rolling_folder: Path) -> Exhibit:
    return open_exhibit(rolling_folder)


@pytest.fixture(scope="module")
def poses(posing_folder: Path) -> Exhibit:
    return open_exhibit(posing_folder)


def choose(visit: Visit, name: str, option: str) -> None:
    visit.page.locator(f"#{name} input").click()
    visit.page.get_by_role("option", name=option, exact=True).click()


# --- a Topographic VAE -------------------------------------------------------------------------


@torch.no_grad()
def test_roll_slider_shows_what_the_model_does(rolling: str, rolls: Exhibit, visit: Open) -> None:
    model, page = rolls.model, visit(rolling)
    t = model.latents(rolls.items[:1])[0]
    bounds = tuple(float(each) for each in t.aminmax())
    page.until(ROLLED, shown(model.decode(t[0]).mean))
    before = page.pixels(ROLLED)
    for steps in (2.0, 4.5):
        page.slide("roll", steps)
        moved = rolled(model, t[0], steps)
        page.until(ROLLED, shown(model.decode(moved).mean))
        page.until(MAP, heat_map(moved, bounds))
        assert distance(page.pixels(ROLLED), before) > 30
    assert moved.equal(model.act(t[0], 4.5)) is False  # a fraction is no linear mixture
    page.slide("roll", 2.0)
    page.until(ROLLED, shown(model.decode(model.act(t[0], 2)).mean))
    page.until(GIVEN, shown(rolls.items[0, 2]))


@torch.no_grad()
def test_one_capsule_rolls_alone(rolling: str, rolls: Exhibit, visit: Open) -> None:
    model, page = rolls.model, visit(rolling)
    t = model.latents(rolls.items[:1])[0, 0]
    choose(page, "capsule", "capsule 1")
    page.slide("roll", 3.0)
    page.until(ROLLED, shown(model.decode(rolled(model, t, 3.0, capsule=1)).mean))


def test_keys_move_the_slider_and_the_button_plays(rolling: str, visit: Open) -> None:
    page = visit(rolling)
    slider = page.page.locator("#roll input[type=range]")
    slider.focus()
    before = page.pixels(ROLLED)
    for _ in range(20):
        page.page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(1.0)
    page.page.wait_for_function(
        "document.querySelector('#stage img.rolled').alt.includes('by 1 ')"
    )
    assert distance(page.pixels(ROLLED), before) > 10
    button = page.page.locator("#play")
    button.focus()
    page.page.keyboard.press("Enter")
    page.page.wait_for_function(
        "+document.querySelector('#roll input[type=range]').value > 2", timeout=20_000
    )
    assert button.inner_text() == "Pause"
    button.click()
    page.page.get_by_role("button", name="Play", exact=True).wait_for()


def test_another_sequence_is_shown_with_its_frames_and_errors(
    rolling: str, rolls: Exhibit, visit: Open
) -> None:
    page = visit(rolling)
    choose(page, "choice", rolls.titles[5])
    page.until(GIVEN, shown(rolls.items[5, 0]))
    strip = page.page.locator("#strips li")
    assert strip.count() == 6
    seen = rolls.model.topography.receptive_field().tolist()
    classes = strip.evaluate_all("items => items.map(item => item.className)")
    assert classes == ["seen" if flag else "unseen" for flag in seen]
    page.page.get_by_role("tab", name="Errors by frame").click()
    page.page.locator("#errors summary").click()
    cell = page.page.locator("#errors tbody tr").nth(2).locator("td").first
    predicted = rolls.model.traverse(rolls.items[[5]], 6)[0, 2]
    wanted = float((predicted - rolls.items[5, 2]).square().sum())
    assert float(cell.inner_text()) == pytest.approx(wanted, abs=0.06)


@torch.no_grad()
def test_the_roll_read_off_a_clip_moves_another(
    rolling: str, rolls: Exhibit, visit: Open, tmp_path: Path
) -> None:
    model, page = rolls.model, visit(rolling)
    page.page.get_by_role("tab", name="Transfer").click()
    page.slide("frame", 4)
    t = model.latents(rolls.items)
    moved = apply_rolls(model, t[-1, 0], read_rolls(model, t[0, 0], t[0, 4]))
    page.until("#transfer img.rolled", shown(model.decode(moved).mean))
    pixels = np.random.default_rng(1).integers(0, 255, (12, 12), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "still.png")
    page.page.locator("#target input[type=file]").set_input_files(tmp_path / "still.png")
    page.page.locator("#transfer-told", has_text="still.png").wait_for()
    x = (torch.from_numpy(pixels)[None] / 255).expand(6, 1, 12, 12)
    still = model.latents(x[None])[0, 0]
    for frame in (4, 2):  # it stays the target
        page.slide("frame", frame)
        moved = apply_rolls(model, still, read_rolls(model, t[0, 0], t[0, frame]))
        page.until("#transfer img.rolled", shown(model.decode(moved).mean))


@torch.no_grad()
def test_an_own_clip_is_rolled_and_a_broken_one_refused(
    rolling: str, rolls: Exhibit, visit: Open, tmp_path: Path, temporary: Path
) -> None:
    model, page = rolls.model, visit(rolling)
    frames = np.random.default_rng(0).integers(0, 255, (6, 12, 12), dtype=np.uint8)
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(tmp_path / "own.gif", save_all=True, append_images=others, duration=100)
    chooser = page.page.locator("#files input[type=file]")
    chooser.set_input_files(tmp_path / "own.gif")
    page.until(GIVEN, np.repeat(frames[0][:, :, None], 3, 2), levels=3)
    assert "own.gif" in page.page.locator("#told [role=status]").inner_text()
    page.slide("roll", 1.0)
    x = torch.from_numpy(frames)[:, None] / 255
    wanted = model.decode(model.act(model.latents(x[None])[0, 0], 1)).mean
    page.until(ROLLED, shown(wanted), levels=3)

    (tmp_path / "broken.gif").write_bytes(b"this is no picture")
    page.page.get_by_label("Remove").or_(page.page.get_by_label("Clear")).first.click()
    page.page.locator("#files input[type=file]").set_input_files(tmp_path / "broken.gif")
    alert = page.page.locator("#told [role=alert]")
    alert.wait_for()
    assert alert.inner_text().startswith("broken.gif cannot be read")
    page.until(ROLLED, shown(wanted), levels=3)  # the clip before is still there
    assert not [*temporary.glob("symgen-dropped-*")]


# --- an ACE ------------------------------------------------------------------------------------


@torch.no_grad()
def test_pose_sliders_move_the_picture_as_the_model_does(
    posing: str, poses: Exhibit, visit: Open
) -> None:
    model, page = poses.model, visit(posing)
    inferred = Inferred(model, poses.items[:1])
    page.until(RESULT, shown(inferred.reconstruction[0]))
    start = inferred.motion
    mark = page.page.locator(".mark").first.inner_text()
    assert mark == f"inferred {start.rotate:.1f}°"
    page.slide("rotate", 90.0)
    turned = Motion(90.0, start.scale, start.shear, start.shift)
    wanted = posed(model, inferred, [turned], inferred.latents.z)[0]
    page.until(RESULT, shown(wanted))
    assert distance(shown(wanted), shown(inferred.reconstruction[0])) > 30
    page.slide("style-1", 3.0)
    style = torch.tensor([[float(inferred.latents.z[0, 0]), 3.0]])
    page.until(RESULT, shown(posed(model, inferred, [turned], style)[0]))
    page.page.get_by_role("button", name="Back to inferred").click()
    page.until(RESULT, shown(inferred.reconstruction[0]))


@torch.no_grad()
def test_another_class_and_what_is_kept(posing: str, poses: Exhibit, visit: Open) -> None:
    model, page = poses.model, visit(posing)
    other = (int(Inferred(model, poses.items[:1]).latents.y) + 1) % 3
    choose(page, "other", f"class {other}")
    wanted = shown(Inferred(model, poses.items[:1], other).reconstruction[0])
    page.until(RESULT, wanted)
    kept = decoded(page.page.locator("#result a").get_attribute("href"))
    assert distance(kept[::16, ::16], wanted) <= 1  # enlarged to 256 pixels
    page.slide("scale", 2.0)
    page.page.get_by_role("button", name="Make a GIF").click()
    link = page.page.locator("#moving a")
    link.wait_for()
    assert (link.get_attribute("href") or "").startswith("data:image/gif;base64,")
    assert link.get_attribute("download") == "pose.gif"


@torch.no_grad()
def test_a_drawing_is_inferred_by_hand_and_by_keys(posing: str, visit: Open) -> None:
    page = visit(posing)
    before = page.pixels(IMAGE)
    page.page.locator("#pad canvas").hover()  # until it stands still
    box = page.page.locator("#pad canvas").bounding_box()
    assert box is not None
    across = [box["x"] + box["width"] * share for share in (0.2, 0.5, 0.8)]
    page.page.mouse.move(across[0], box["y"] + box["height"] / 2)
    page.page.mouse.down()
    for x in across[1:]:
        page.page.mouse.move(x, box["y"] + box["height"] / 2, steps=5)
    page.page.mouse.up()
    page.page.locator("#told", has_text="What you have drawn").wait_for()
    drawn = page.pixels(IMAGE)
    assert distance(drawn, before) > 100
    assert drawn[7:9, 4:12].mean() > 150 and drawn[:4].max() == 0 and drawn[12:].max() == 0
    source = page.page.locator(IMAGE).get_attribute("src")
    page.page.locator("#pad canvas").focus()
    page.page.keyboard.press(" ")
    for _ in range(4):
        page.page.keyboard.press("ArrowDown")
    page.page.wait_for_function(
        "before => document.querySelector('#views img').src !== before",
        arg=source,
    )
    chances = page.page.locator(".chances td:last-child").all_inner_texts()
    assert sum(float(each.split()[0]) for each in chances) == pytest.approx(100, abs=0.3)


@torch.no_grad()
def test_an_own_image_is_read_and_a_broken_one_refused(
    posing: str, poses: Exhibit, visit: Open, tmp_path: Path
) -> None:
    page = visit(posing)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "own.png")
    page.page.locator("#files input[type=file]").set_input_files(tmp_path / "own.png")
    x = read_picture(tmp_path / "own.png", (1, 16, 16))
    page.until(IMAGE, shown(x[0]))
    page.until(RESULT, shown(Inferred(poses.model, x).reconstruction[0]))
    (tmp_path / "broken.png").write_bytes(b"this is no picture")
    page.page.get_by_label("Remove").or_(page.page.get_by_label("Clear")).first.click()
    page.page.locator("#files input[type=file]").set_input_files(tmp_path / "broken.png")
    alert = page.page.locator("#told [role=alert]")
    alert.wait_for()
    assert alert.inner_text().startswith("broken.png cannot be read")
    page.until(IMAGE, shown(x[0]))


# --- both --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rolling", "posing"])
def test_everything_has_a_name_a_place_in_the_order_and_contrast(
    kind: str, request: pytest.FixtureRequest, visit: Open
) -> None:
    wanted = {
        "rolling": ["roll", "play", "speed", "capsule", "choice", "files"],
        "posing": ["choice", "files", "other", "back", "make", "rotate", "scale", "shift-x"],
    }[kind]
    page = visit(request.getfixturevalue(kind))
    page.page.locator("img.rolled").first.wait_for()
    for name in wanted:  # parts of the page appear one after the other
        page.page.locator(f"#{name}").first.wait_for()
    nameless = page.page.evaluate(
        """() => [...document.querySelectorAll('input, button, select, canvas, [role=img], img')]
        .filter(e => e.offsetParent && !e.closest('[aria-hidden=true]'))
        .filter(e => !(e.ariaLabel || e.alt || e.innerText || (e.labels && e.labels.length)))
        .map(e => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    visited = []
    for _ in range(60):
        page.page.keyboard.press("Tab")
        visited.append(
            page.page.evaluate(
                "() => document.activeElement.closest('[id]:not([id^=range_id])')?.id"
            )
        )
    assert [name for name in dict.fromkeys(visited) if name in wanted] == wanted
    faint = page.page.evaluate(
        """() => {
        const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => {
          v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        return [...document.querySelectorAll('p, span, h1, figcaption, label, td, th, b')]
          .filter(e => e.offsetParent && e.innerText.trim() && !e.closest('button'))
          .filter(e => 1.05 / (light(getComputedStyle(e).color) + 0.05) < 4.5)
          .map(e => e.outerHTML.slice(0, 120)); }"""
    )
    assert faint == []


def test_nobody_else_reaches_the_page(rolling: str) -> None:
    port = int(rolling.rstrip("/").rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("kind", ["rolling", "posing"])
def test_nothing_sticks_out_of_the_window(
    kind: str, width: int, request: pytest.FixtureRequest, visit: Open
) -> None:
    page = visit(request.getfixturevalue(kind))
    page.page.set_viewport_size({"width": width, "height": 800})
    page.page.locator("img.rolled").first.wait_for()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [420, 1280])
def test_marks_are_where_the_sliders_stand(posing: str, visit: Open, width: int) -> None:
    page = visit(posing)
    page.page.set_viewport_size({"width": width, "height": 800})
    page.page.wait_for_function(  # a group's parts are drawn one after the other
        """() => { const marks = [...document.querySelectorAll('.mark i')];
          return marks.length === 5 && marks.every(mark =>
            mark.closest('.gr-group').querySelector('input[type=range]')); }"""
    )
    apart = page.page.evaluate(
        """() => [...document.querySelectorAll('.mark i')].map(mark => {
          const slider = mark.closest('.gr-group').querySelector('input[type=range]');
          const track = slider.getBoundingClientRect(), at = mark.getBoundingClientRect();
          const share = (slider.value - slider.min) / (slider.max - slider.min);
          const thumb = track.left + 8 + share * (track.width - 16);
          return Math.abs(thumb - (at.left + at.right) / 2); })"""
    )
    assert len(apart) == 5 and max(apart) < 8  # pixels
