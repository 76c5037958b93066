"""The pages, and the code on them: README and everything in docs/."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
AT_ROOT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = {name: (ROOT / name).read_text() for name in AT_ROOT} | {
    str(page.relative_to(DOCS)): page.read_text() for page in sorted(DOCS.rglob("*.md"))
}
"""Text of every page by its path, in docs/ or at the root."""

_FENCE = re.compile(r"^(`{3,}|:{3,})([^\n]*)\n(.*?)^\1[ ]*$", re.DOTALL | re.MULTILINE)
_EXECUTED = ("python", "{code-cell} ipython3")
NO_CODE = ("text", "{toctree}", "{eval-rst}", "{include}", "{figure}", "{note}", "{raw}")


class Block(NamedTuple):
    """A fenced block of a page: its language, and what is in it."""

    language: str
    text: str


def blocks(page: str, *languages: str) -> list[Block]:
    """List the fenced blocks of a page, of all languages or of these."""
    found = []
    for _, told, text in _FENCE.findall(PAGES[page]):
        words = told.split()
        language = " ".join(words[:2] if words[:1] == ["{code-cell}"] else words[:1])
        text = re.sub(r"^(:\w[^\n]*\n)+", "", text) if language.startswith("{") else text
        found.append(Block(language, text))
    return [block for block in found if not languages or block.language in languages]


def code(page: str) -> str:
    """Join what a page executes, in order."""
    return "\n".join(block.text for block in blocks(page, *_EXECUTED))


def shell_lines(page: str) -> list[str]:
    """List the lines of a page's shell blocks, without comments."""
    lines = [line for block in blocks(page, "sh") for line in block.text.splitlines()]
    return [line for line in (line.partition("#")[0].strip() for line in lines) if line]


def command_in(line: str) -> str | None:
    """Return what a line gives to `symgen`, wherever it lies and whoever starts it."""
    before = r"(?:\w+=\S+ )*(?:\.venv/bin/|torchrun (?:--\S+ )*-m )?"
    match = re.fullmatch(before + r"(symgen( .+)?)", line)
    return match.group(1) if match else None


def commands(page: str) -> list[str]:
    """List what the lines of a page give to `symgen`."""
    return [command for line in shell_lines(page) if (command := command_in(line))]
