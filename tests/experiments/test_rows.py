"""What the paper prints, and the presets that are made from it."""

import pytest

from symgen.experiments.presets import Row, preset, rows
from symgen.latents import Topography

ROWS = rows()


def printed(table: int, edition: str) -> dict[str, dict[str, tuple[float, float]]]:
    return {
        row.name: entry.numbers
        for row in ROWS
        for entry in row.printed
        if (entry.table, entry.edition) == (table, edition)
    }


@pytest.mark.parametrize(
    ("table", "edition", "count"),
    [
        (1, "paper", 5),
        (1, "submission", 5),
        (2, "paper", 6),
        (2, "submission", 6),
        (3, "submission", 5),
        (4, "submission", 10),
        (5, "submission", 12),
    ],
)
def test_every_row_of_every_table_is_there(table, edition, count):
    numbers = printed(table, edition)
    assert len(numbers) == count
    measures = {frozenset(values) for values in numbers.values()}
    capcorr = {"posX", "posY", "orientation", "scale", "e_eq"}
    assert measures == {frozenset(capcorr if table in (2, 5) else {"log_p", "e_eq"})}
    assert all(deviation >= 0 for values in numbers.values() for _, deviation in values.values())


def test_the_submission_prints_the_same_in_its_main_and_its_full_tables():
    for main, full in ((1, 4), (2, 5)):
        everything = printed(full, "submission")
        for name, numbers in printed(main, "submission").items():
            means = {key: mean for key, (mean, _) in numbers.items()}
            assert means == {key: mean for key, (mean, _) in everything[name].items()}
            for key, (_, deviation) in numbers.items():
                assert deviation == pytest.approx(everything[name][key][1], abs=0.11)


def test_rows_of_noise_have_the_error_of_noise():
    """13,274 and 6,934 are the values for independent latents without an offset."""
    for row in ROWS:
        for entry in row.printed:
            noise = 13_274 if row.frames == 18 else 6_934
            part = entry.numbers["e_eq"][0] / noise
            assert part == pytest.approx(1, abs=2e-3) if row.builder == "VAE" else part < 1


def test_the_printed_numbers_are_those_of_the_paper():
    """One number from each table and edition, from the paper."""
    assert printed(1, "paper")["tvae-mnist-0"] == {"log_p": (-218.5, 0.9), "e_eq": (3217, 105)}
    assert printed(1, "submission")["tvae-mnist-half"]["e_eq"] == (386.7, 1.0)
    assert printed(2, "paper")["bubble-sprites-third"]["scale"] == (0.50, 0.0)
    assert printed(2, "submission")["tvae-sprites-sixth"]["posY"] == (0.69, 0.02)
    assert printed(3, "submission")["vae-mnist-weight"]["log_p"] == (-192.5, 0.5)
    assert printed(4, "submission")["bubble-mnist-half"]["e_eq"] == (2066.5, 596.7)
    assert printed(5, "submission")["tvae-sprites-four-fifteenths"]["orientation"] == (0.9, 0.01)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_a_preset_of_our_recipe_and_of_each_edition_that_prints_it(row: Row):
    ours = preset(row.name).experiment
    assert ours.training.optimizer == "Adam" and ours.builder == row.builder
    assert ours.training.examples < 0.11 * 48_000 * 100
    for entry in row.printed:
        faithful = preset(row.faithful(entry.edition)).experiment
        training, model = faithful.training, faithful.model
        assert training.examples == 100 * (48_000 if row.frames == 18 else 50_624)
        assert (training.optimizer, training.batch_size) == ("SGD", 8)
        assert (training.learning_rate, training.optimizer_options) == (1e-4, {"momentum": 0.9})
        assert (model["initialisation"], model["output_bias"]) == ("reference", "channel")
        assert model["clamp_logits"] and model["activation"] == "relu"
        assert model["width"] is None and model["depth"] is None  # the paper's nets
        assert faithful.builder == row.builder and faithful.data == ours.data
        if row.builder != "VAE":
            assert model["mu"] == -30 and not model["standardise"] and model["reference_window"]
        weight = entry.edition == "submission" and row.builder != "VAE"
        normalised = row.normalisation or ("weight" if weight else "none")
        assert model["normalisation"] == normalised


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_setting_has_a_topography(row: Row):
    if row.builder == "VAE":
        return
    for name in (row.name, *(row.faithful(entry.edition) for entry in row.printed)):
        model = preset(name).experiment.model
        size = (row.frames, row.frames, row.frames, row.window, row.neighbourhood)
        moves = int(row.builder == "TVAE")
        topography = Topography(*size, shift=moves, reference_window=model["reference_window"])
        reached = int((topography.matrix()[0] > 0).sum())
        assert reached >= 3 or not model["standardise"]


def test_rows_that_share_their_settings_share_their_faithful_runs():
    by_name = {row.name: row for row in ROWS}
    for row in ROWS:
        if row.trained_as:
            other = by_name[row.trained_as]
            assert row.faithful("submission") == other.faithful("submission")
            assert (row.window, row.neighbourhood) == (other.window, other.neighbourhood)


def test_names_say_the_setting():
    window = {"half": 18, "13-36": 13, "quarter": 9, "5-36": 5}
    for name, extent in window.items():
        for suffix in ("", "-paper"):
            model = preset(f"tvae-mnist-{name}{suffix}").experiment.model
            assert (model["window"], model["neighbourhood"]) == (extent, 3)
            assert model["normalisation"] == "none"
    for name, eps in (("tvae-sprites-0-paper", 1e-3), ("tvae-sprites-0-k10-submission", 1e-6)):
        assert preset(name).experiment.model["eps"] == eps
    assert {"VAE", "TVAE, L = ⅓ S, K = 1"} <= {row.label for row in rows(15)}
