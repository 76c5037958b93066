"""Sheets of aligned images show what was given, pixel by pixel."""

import pytest
import torch
from figure_helpers import places
from PIL import Image

from symgen.figures import alignment_sheet, manifold_rows


def test_a_sheet_shows_both_averages_and_every_image(tmp_path):
    given, aligned, averages = (torch.rand(n, 1, 28, 28) for n in (4, 4, 2))
    alignment_sheet(given, aligned, averages, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        tops = [places(sheet, image, 3)[0] for image in (*averages, *given, *aligned)]
    rows = [top for top, _ in tops]
    assert rows[:2] == sorted(set(rows)) and rows[2:6] == [rows[0]] * 4
    assert rows[6:] == [rows[1]] * 4
    assert [left for _, left in tops[2:6]] == sorted({left for _, left in tops[2:6]})


def test_sheets_that_do_not_fit_are_refused(tmp_path):
    x = torch.rand(3, 1, 8, 8)
    with pytest.raises(ValueError, match=r"averages \(3, 1, 8, 8\) .* give two"):
        alignment_sheet(x, x, x)
    with pytest.raises(ValueError, match="both as"):
        alignment_sheet(x, x[:2], x[:2])


def test_what_lies_beyond_the_reach_of_a_class_is_pale(tmp_path):
    images = torch.zeros(2, 3, 1, 8, 8)
    reach = [(-1.0, 1.0), None]
    picture = manifold_rows(images, [-2.0, 0.0, 2.0], ["a", "b"], None, reach)
    black = sum(count for count, colour in picture.getcolors(2**20) if colour == (0, 0, 0))
    whole = manifold_rows(images, [-2.0, 0.0, 2.0], ["a", "b"])
    all_black = sum(count for count, colour in whole.getcolors(2**20) if colour == (0, 0, 0))
    assert black == pytest.approx(all_black * 4 / 6, rel=0.01)
    with pytest.raises(ValueError, match="1 titles"):
        manifold_rows(images, [-2.0, 0.0, 2.0], ["a", "b"], None, reach[:1])
