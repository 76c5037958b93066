"""Latency of the page of symgen explore: one who moves a slider, and fifty at once.

    python bench/explorer.py [--users 50] [--moves 20] [--json results/bench/explorer.json]

A server of its own on this machine's loopback shows the embedded sprites, or what --place names.
`slider` is what one user waits for, in Chromium: from the move of the slider until the new picture
is in the page. `queue` is what fifty users wait for who ask at once, each again as soon as the
answer is there, through the same queue, without browsers: from the request until the last byte of
the picture. `lost` counts requests that were not answered, or not by the picture that was asked
for: each user rolls by angles of its own, whose words are in the answer. As many events are
computed at a time as there are cores; the others wait in order. `load_before` says how many
processes of others wanted the cores.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from harness import Benchmark
from playwright.sync_api import sync_playwright

_PATIENCE = 180  # seconds in which the server starts, and for an answer
_MOVE = """async (value) => {
  const slider = document.querySelector("#roll input[type=range]");
  const map = () => document.querySelector("#stage img.map").src;
  const before = map(), start = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
  while (map() === before) await new Promise((done) => setTimeout(done, 1));
  return performance.now() - start;
}"""


@contextmanager
def served(place: str | None) -> Iterator[str]:
    """Serve a page by the command, and give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "symgen", "explore", *([place] if place else [])]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*words, "--port", port], stdout=log, stderr=log)
        try:
            end = time.monotonic() + _PATIENCE
            while True:
                log.seek(0)
                said = log.read()
                if found := re.search(r"^http://\S+", said, re.M):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the server did not start: {said}")
                time.sleep(0.1)
            yield found[0]
        finally:
            process.terminate()
            process.wait(30)


def slider(address: str, moves: int) -> list[float]:
    """Move the slider in a browser; return milliseconds until each picture."""
    with sync_playwright() as playwright:
        place = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=place, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.locator("#stage img.map").wait_for()
        waited = [page.evaluate(_MOVE, 0.35 + 0.35 * (n % 30)) for n in range(moves + 5)]
        browser.close()
    return waited[5:]  # once the page has settled


async def user(
    client: httpx.AsyncClient, function: int, number: int, moves: int
) -> list[float | None]:
    """Roll again and again; return milliseconds until each answer, None where it was lost."""
    waited: list[float | None] = []
    for move in range(moves):
        steps = round(0.1 + (number * moves + move) % 140 / 10, 2)
        session = f"user{number}move{move}"
        start = time.perf_counter()
        asked = {"data": [None, steps, "all capsules"], "fn_index": function}
        answer = await client.post("queue/join", json=asked | {"session_hash": session})
        answer.raise_for_status()
        found = await _answer(client, session)
        right = found is not None and f"rolled by {steps:g} frames, decoded" in found
        waited.append(1e3 * (time.perf_counter() - start) if right else None)
    return waited


async def _answer(client: httpx.AsyncClient, session: str) -> str | None:
    """Follow a session until its event is done; return what is to be shown."""
    async with client.stream("GET", "queue/data", params={"session_hash": session}) as stream:
        async for line in stream.aiter_lines():
            event: dict[str, Any] = json.loads(line[5:]) if line.startswith("data:") else {}
            if event.get("msg") == "process_completed":
                return event["output"]["data"][0] if event["success"] else None
    return None


async def crowd(address: str, users: int, moves: int) -> list[float | None]:
    """Let users roll at once; return what each of them waited for each picture."""
    async with httpx.AsyncClient(timeout=_PATIENCE) as plain:
        config = (await plain.get(f"{address}config")).json()
    roll = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "roll")
    function = next(d["id"] for d in config["dependencies"] if [roll, "input"] in d["targets"])
    limits = httpx.Limits(max_connections=2 * users)
    base = f"{address}gradio_api/"
    async with httpx.AsyncClient(base_url=base, timeout=_PATIENCE, limits=limits) as client:
        each = (user(client, function, number, moves) for number in range(users))
        return [one for found in await asyncio.gather(*each) for one in found]


def summary(waited: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and the longest of waiting times."""
    cuts = statistics.quantiles(waited, n=20, method="inclusive")
    return {"median_ms": cuts[9], "p95_ms": cuts[18], "longest_ms": max(waited)}


def main() -> None:
    bench = Benchmark(
        __doc__,
        rounds=None,
        users=(50, "who ask at once"),
        moves=(20, "of the slider by each"),
        place=(None, "run or model; by default the embedded one"),
    )
    options = bench.options
    place = None if options.place is None else str(options.place)
    load = os.getloadavg()[1]  # of the last five minutes
    with served(place) as address:
        alone = slider(address, 3 * options.moves)
        start = time.perf_counter()
        waited = asyncio.run(crowd(address, options.users, options.moves))
        seconds = time.perf_counter() - start
    answered = [one for one in waited if one is not None]
    requests = {"users": options.users, "requests": len(waited)}
    requests |= {
        "lost": len(waited) - len(answered),
        "answers_per_second": len(answered) / seconds,
    }
    bench.record(
        load_before=load,
        slider=summary(alone) | {"moves": len(alone)},
        queue=requests | summary(answered),
    )


if __name__ == "__main__":
    main()
