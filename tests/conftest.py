"""Options and fixtures of the suite; annotations are checked at run time here and only here."""

import os
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch

jaxtyping.install_import_hook("symgen", "beartype.beartype")

ROOT = Path(__file__).resolve().parents[1]

# A shell starts what runs in its background with SIGINT ignored; the tests of Ctrl-C need it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="device of the tensors under test")
    parser.addoption("--dtype", default="float64", help="precision of the maths under test")


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--device"))


@pytest.fixture
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return getattr(torch, request.config.getoption("--dtype"))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, which has to be there where the extra `explorer` is.

    One for all tests of a process, in which playwright cannot be started twice at a time.
    """
    if find_spec("gradio") is None or find_spec("playwright") is None:
        pytest.skip("the extra explorer, or playwright, is not installed")
    from playwright.sync_api import sync_playwright

    place = shutil.which("chromium")
    assert place is not None, "no chromium: apt-get install chromium, as .ci/run does"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real MNIST and dSprites frames: SYMGEN_DATA, else ../shared/data."""
    root = Path(os.environ.get("SYMGEN_DATA", ROOT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(
            f"no real data at {root}: set SYMGEN_DATA to a folder with mnist/ and dsprites/"
        )
    return root
