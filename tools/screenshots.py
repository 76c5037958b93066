"""Write the pictures of symgen explore that the documentation shows.

    python tools/screenshots.py [--rolling RUN] [--posing RUN] [--out docs]

Each page is served to this machine alone, opened in Chromium, and its sliders are moved. The ACE
is shown with held-out digits where the environment variable SYMGEN_DATA names a folder of MNIST.
"""

import argparse
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from symgen.explorer import open_exhibit
from symgen.explorer.server import running

MOST = 200_000  # bytes of a picture
_SLIDE = """(slider, value) => { slider.value = value;
  slider.dispatchEvent(new Event("input", {bubbles: true})); }"""


def slide(page: Any, name: str, value: float) -> None:
    page.locator(f"#{name} input[type=range]").evaluate(_SLIDE, value)


def topographic(page: Any) -> None:
    slide(page, "roll", 3.5)
    page.locator("img[alt*='by 3.5 frames']").first.wait_for()


def ace(page: Any) -> None:
    page.locator("#choice input").click()
    page.get_by_role("option", name="class 4").first.click()
    page.wait_for_timeout(1000)  # until it is shown
    before = page.locator("#result img").get_attribute("src")
    slide(page, "rotate", 60.0)
    slide(page, "scale", 1.3)
    page.wait_for_function(
        "before => document.querySelector('#result img').src !== before", arg=before
    )
    page.wait_for_timeout(1000)  # until the second slider is answered, too


def shot(browser: Any, place: str, act: Any, path: Path) -> None:
    """Open the page of a model, move its sliders, and write a picture of it."""
    with running(open_exhibit(place)) as address:
        page = browser.new_page(viewport={"width": 1180, "height": 780})
        page.goto(address)
        page.locator("img.rolled").first.wait_for()
        act(page)
        picture = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
        page.close()
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes: show less, {MOST:,} at most")
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rolling", default="symgen/sprites", help="a run of a TVAE")
    parser.add_argument("--posing", default="symgen/ace-rts", help="a run of an ACE")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pictures")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        place = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        shot(browser, options.rolling, topographic, options.out / "explorer-topographic.png")
        shot(browser, options.posing, ace, options.out / "explorer-ace.png")
        browser.close()


if __name__ == "__main__":
    main()
