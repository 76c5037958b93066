"""The documentation builds offline without a warning; `make docs` also executes its tutorials."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from page_helpers import DOCS, PAGES, ROOT

# Cells are executed by test_pages.py; without a kernel nobody says that they are of Python.
BRIEF = ["-D", "nb_execution_mode=off", "-D", "suppress_warnings=myst-nb.lexer"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("html")
    words = ["-W", "--keep-going", "-q", *BRIEF, "-d", str(folder / "trees")]
    command = [sys.executable, "-m", "sphinx", *words, str(DOCS), str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder


def test_every_page_is_built(built: Path) -> None:
    names = [name.removesuffix(".md") for name in PAGES if (DOCS / name).is_file()]
    assert all((built / f"{name}.html").is_file() for name in names) and len(names) > 30


def test_nothing_is_fetched_from_elsewhere(built: Path) -> None:
    fetched = re.compile(r"<(?:script|img|iframe)[^>]* src=\"https?:|<link[^>]* href=\"https?:")
    for page in built.rglob("*.html"):
        assert not fetched.search(page.read_text()), page.name


def test_the_reference_shows_docstrings_and_sources(built: Path) -> None:
    page = (built / "reference/rooms/symgen.metrics.html").read_text()
    assert 'id="symgen.metrics.roll_prediction"' in page and "[source]" in page
    assert "mean frame of the training data" in page
    source = (built / "_modules/symgen/metrics/roll_prediction.html").read_text()
    assert "def" in source and "roll_prediction" in source


def test_the_whole_reference_is_there(built: Path) -> None:
    pages = "".join(page.read_text() for page in (built / "reference").rglob("*.html"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        import exports

        found = exports.exports()
    names = [f"{room}.{name}" for room, values in found.items() for name in values]
    assert [name for name in names if f'id="{name}"' not in pages] == []
    assert "Range(" not in pages  # of numbers the type is shown, not what is checked
    shown = re.sub(r"<[^>]+>", "", pages)  # of constructors what they take, but of the common one
    assert not re.search(r"(?<!Pretrained)\(\s*\*arguments", shown)


def test_pages_open_in_a_browser_without_an_error_or_a_network(built: Path, browser: Any) -> None:
    wrong, asked = [], []
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.on("console", lambda told: told.type == "error" and wrong.append(told.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index", "concepts/capsules", "reference/rooms/symgen.metrics"):
        page.goto(f"file://{built}/{name}.html")
        assert page.locator("h1").first.is_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{name} is {wide} pixels wide on a narrow screen"
    page.close()
    assert not wrong and all(url.startswith(("file:", "data:")) for url in asked)
