"""The page in a real browser, of models that roll and pose visibly."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer_helpers import Visit, posing_model, rolling_model


@pytest.fixture(scope="session")
def rolling_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rolling_model().save_pretrained(tmp_path_factory.mktemp("models") / "rolling")


@pytest.fixture(scope="session")
def posing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posing_model().save_pretrained(tmp_path_factory.mktemp("models") / "posing")


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
