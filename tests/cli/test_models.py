"""The verb models: what comes with the package, its cards, and names that are none."""

import pytest

from symgen.cli import main
from symgen.pretrained import embedded


def test_all_weights_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in embedded())


@pytest.mark.parametrize("name", ["sprites", "symgen/sprites", "symgen/sprites/"])
def test_a_card_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", name]) == 0
    card = embedded()["symgen/sprites"] / "README.md"
    assert capsys.readouterr().out.strip() == card.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("name", ["", ".", "sprits", "symgen", "../../etc", "/", "a/b/c", "名"])
def test_other_names_are_refused_in_a_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", name]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"symgen: no weights {name!r} come with the package: ")
    assert error.count("\n") == 1 and "symgen/" in error
