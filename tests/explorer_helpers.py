"""Small models with visible rolls and poses, the page served by a process, and what it shows."""

import base64
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from symgen import ACE, TVAE

_PATIENCE = 120  # seconds in which a server starts, on a machine that others use


def rolling_model() -> TVAE:
    """A TVAE whose decoder shows every unit: what rolls is seen to roll."""
    torch.manual_seed(3)
    sizes: dict[str, Any] = {"capsules": 3, "units": 6, "frames": 6, "window": 3, "width": 24}
    model = TVAE((1, 12, 12), **sizes, mu=0.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return model.eval()


def posing_model() -> ACE:
    """An ACE of three classes that finds a pose other than the identity."""
    torch.manual_seed(5)
    sizes: dict[str, Any] = {"classifier_channels": (4,), "classifier_hidden": 8}
    sizes |= {"pose_channels": (4,), "pose_hidden": 8, "hidden": (8,), "decoder_hidden": (8,)}
    model = ACE((1, 16, 16), classes=3, latents=2, pose="affine", encoder="dense", **sizes)
    with torch.no_grad():
        bias = torch.tensor([1.2, 0.6, 0.0, 0.5, 1.0, -0.6])  # in deviations of the prior
        model.pose.net.head.bias[:6] = bias
        for parameter in model.decoder.parameters():
            parameter.copy_(2 * torch.randn_like(parameter))
    return model.eval()


class Visit:
    """A page in the browser: what it asked for, what went wrong, and what it shows."""

    def __init__(self, page: Any) -> None:
        self.page, self.asked, self.wrong = page, [], []
        page.set_default_timeout(30_000)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._noted)

    def _noted(self, message: Any) -> None:
        if message.type == "error":
            self.wrong.append(message.text)

    def pixels(self, selector: str) -> np.ndarray:
        """The pixels of a picture whose address holds them."""
        return decoded(self.page.locator(selector).get_attribute("src"))

    def slide(self, name: str, value: float) -> None:
        """Move a slider, as a hand does."""
        self.page.locator(f"#{name} input[type=range]").evaluate(
            "(slider, value) => { slider.value = value;"
            " slider.dispatchEvent(new Event('input', {bubbles: true})); }",
            value,
        )

    def until(self, selector: str, wanted: np.ndarray, levels: int = 1) -> None:
        """Wait until a picture is the one that is wanted, up to rounding."""
        end, seen = time.monotonic() + 20, np.zeros(0)
        while time.monotonic() < end:
            seen = self.pixels(selector)
            if seen.shape == wanted.shape and distance(seen, wanted) <= levels:
                return
            time.sleep(0.05)
        apart = distance(seen, wanted) if seen.shape == wanted.shape else seen.shape
        raise AssertionError(f"{selector} is not the picture that is wanted: {apart}")


@contextmanager
def served(places: dict[str, Path], logs: Path) -> Iterator[dict[str, str]]:
    """The pages of models, served by the command, and their addresses; all start together."""
    processes = {}
    try:
        for name, place in places.items():
            words = [sys.executable, "-m", "symgen", "explore", str(place), "--port", free_port()]
            with (logs / f"{name}.log").open("w") as log:
                processes[name] = subprocess.Popen(words, stdout=log, stderr=log)
        yield {name: _address(processes[name], logs / f"{name}.log") for name in places}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(30)


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until a server says where it is."""
    end = time.monotonic() + _PATIENCE
    while not (found := re.search(r"^http://\S+", log.read_text(), re.M)):
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.1)
    return found[0]


def decoded(address: str | None) -> np.ndarray:
    """The pixels in the address of a picture."""
    assert address is not None and address.startswith("data:image/")
    content = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(BytesIO(content)).convert("RGB"))


def distance(one: np.ndarray, two: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - two.astype(int)).max())


def shown(image: torch.Tensor) -> np.ndarray:
    """The pixels of a gray image (1, height, width) in [0, 1]."""
    levels = (image[0].clamp(0, 1) * 255).round().byte().numpy()
    return np.repeat(levels[:, :, None], 3, axis=2)
