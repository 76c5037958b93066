import numpy as np
import pytest
import torch
from PIL import Image

from symgen.figures import contact_sheet


@pytest.mark.parametrize("channels", [1, 3])
def test_every_frame_stands_in_the_sheet_enlarged_and_unblurred(channels, tmp_path):
    levels = torch.randint(0, 256, (2, 3, channels, 28, 28))
    sheet = contact_sheet(levels / 255.0, ["a", "b"], tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as written:
        assert np.array_equal(np.asarray(written), np.asarray(sheet))
    pixels = np.asarray(sheet).astype(int)
    for sequence in levels:
        for frame in sequence:
            image = frame.expand(3, 28, 28).permute(1, 2, 0).numpy()
            large = image.repeat(2, 0).repeat(2, 1)
            rows, columns = np.where((pixels == large[0, 0]).all(-1))
            assert any(
                np.array_equal(pixels[y : y + 56, x : x + 56], large)
                for y, x in zip(rows, columns, strict=True)
            )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 3, 1, 8, 8), r"1 titles \['one'\] for 2 examples"),
        ((3, 1, 8, 8), r"frames \(3, 1, 8, 8\): give sequences \(n, S, channels, height, width\)"),
    ],
)
def test_titles_and_sequences_must_agree(shape, message):
    with pytest.raises(ValueError, match=message):
        contact_sheet(torch.rand(shape), ["one"])
