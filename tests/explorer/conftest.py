"""The page in a real browser, of models that roll and pose visibly."""

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from explorer_helpers import Visit, posing_model, rolling_model

CHROMIUM = "chromium"


@pytest.fixture(scope="session")
def rolling_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rolling_model().save_pretrained(tmp_path_factory.mktemp("models") / "rolling")


@pytest.fixture(scope="session")
def posing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posing_model().save_pretrained(tmp_path_factory.mktemp("models") / "posing")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, which has to be there where the extra `explorer` is."""
    if find_spec("gradio") is None:
        pytest.skip("the extra explorer is not installed")
    from playwright.sync_api import sync_playwright

    place = shutil.which(CHROMIUM)
    assert place is not None, "no chromium: apt-get install chromium, as .ci/run does"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[[str], Visit]]:
    """Open addresses; nothing may go wrong there, nor be asked for elsewhere."""
    visits = []

    def opened(address: str) -> Visit:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        visits.append(Visit(page))
        page.goto(address)
        return visits[-1]

    yield opened
    for each in visits:
        each.page.close()
        assert not each.wrong
        own = ("http://127.0.0.1:", "file:", "data:", "blob:")
        assert [url for url in each.asked if not url.startswith(own)] == []
