"""Studies as data: lines that are presets, budgets that replace what they name, commands."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from symgen.cli.train import read_train
from symgen.experiments.presets import EDITIONS, preset
from symgen.experiments.studies import study, study_names
from symgen.experiments.studies.measures import MEASURES
from symgen.experiments.studies.study import Budget, Line, described

KINDS = {
    "digits": "vae-mnist",
    "still": "torus-mnist",
    "sprites": "demo",
    "images": "ace-rts",
    "judge": "judge-rts",
}
BUDGETS = [(name, budget) for name in study_names() for budget in study(name).budgets]


def lines_of(name, budget):
    about = study(name)
    return about.lines(about.budgets[budget]), about.budgets[budget]


def kinds_of_commands():
    """One line for each set of options that a command has."""
    chosen = {}
    for name, which in BUDGETS:
        lines, budget = lines_of(name, which)
        for line in lines:
            settings = budget.settings(line, 3)
            options = tuple(option for part in settings.values() for option in part)
            chosen[preset(line.preset).experiment.builder, options] = (line, budget)
    return list(chosen.values())


@pytest.mark.parametrize(("name", "budget"), BUDGETS)
def test_every_line_trains_a_preset_and_is_measured_by_what_there_is(name, budget):
    lines, spent = lines_of(name, budget)
    assert lines and {*spent.by_kind} <= {"digits", "sprites", "still", "images", "judge"}
    for line in lines:
        assert line.measures and {*line.measures} <= {*MEASURES}
        assert spent.experiment(line, 2).training.seed == 2


def test_lines_differ_in_what_is_trained_or_in_how_it_is_tested():
    for name, budget in BUDGETS:
        lines, _ = lines_of(name, budget)
        if not study(name).budgets[budget].faithful:  # whose plain VAE is that of both editions
            keys = [(line.preset, line.variant, line.test_mode, line.trained) for line in lines]
            assert len({*keys}) == len(keys)
        assert len({line.label for line in lines}) == len(lines)


@pytest.mark.parametrize("name", study_names())
def test_a_smoke_run_needs_no_files(name):
    lines, smoke = lines_of(name, "smoke")
    for line in lines:
        data = smoke.experiment(line, 0).data
        assert data.kind == "sprites" or data.images == "digits"
    if smoke.items is not None:
        sources = {smoke.experiment(line, 0).data for line in lines}
        assert min(len(source.source(train=False)) for source in sources) >= smoke.items


def test_budgets_leave_a_preset_what_they_do_not_name():
    (budget,) = (b for b in study("ace").budgets.values() if b.name == "smoke")
    named = preset("ace-tc").experiment
    line = next(line for line in study("ace").lines(budget) if line.preset == "ace-tc")
    images = budget.by_kind["images"]
    assert budget.experiment(line, 3) == replace(
        named.changed(images["model"], training={**images["training"], "seed": 3}),
        data=replace(named.data, images="digits"),
    )
    assert study("ace").budgets["laptop"].experiment(line, 0) == named


def test_a_budget_of_a_kind_is_for_that_kind_alone():
    budget = Budget(
        "mine",
        by_kind={kind: {"training": {"examples": n}} for n, kind in enumerate(KINDS, start=7)},
    )
    for examples, name in enumerate(KINDS.values(), start=7):
        assert budget.experiment(Line(name, name, name), 0).training.examples == examples


def test_photographs_give_way_to_digits_of_three_channels():
    smoke = study("ace").budgets["smoke"]
    data = smoke.experiment(Line("x", "x", "ace-cifar"), 0).data
    assert (data.images, data.distortion) == ("digits", "hue")
    assert data.source(train=False).data_shape[0] == 3


@pytest.mark.parametrize(
    ("line", "budget"), kinds_of_commands(), ids=lambda value: getattr(value, "name", None)
)
def test_the_command_of_a_run_is_its_experiment(line, budget):
    words = shlex.split(budget.command(line, 3, Path("my runs") / "here"))
    experiment, where = read_train(words[2:])
    assert words[:3] == ["symgen", "train", line.preset]
    assert experiment == budget.experiment(line, 3) and where.out == Path("my runs/here")


def test_runs_have_the_name_of_their_preset_or_of_their_own_settings():
    plain = Line("name", "label", "demo")
    assert plain.run_name(2) == "demo-2" and plain.variant is None
    own = replace(plain, settings={"model": {"mu": -5.0}})
    assert own.run_name(2) == "name-2" and own.variant == "name"
    assert replace(own, settings={"model": {}}).variant is None


@pytest.mark.parametrize("name", [name for name in study_names() if "table" in name])
def test_the_papers_own_recipes_have_a_line_for_every_edition_that_prints_it(name):
    about = study(name)
    ours, faithful = (about.lines(about.budgets[budget]) for budget in ("laptop", "paper"))
    assert len(faithful) == sum(len(line.printed) for line in ours)
    for line in faithful:
        ((edition, numbers),) = line.printed.items()
        assert line.preset.endswith(EDITIONS) and edition in EDITIONS and numbers


def test_what_a_figure_prints_is_there_beside_the_lines_of_its_table():
    lines, _ = lines_of("figure5", "laptop")
    assert all(line.label.startswith("TVAE") for line in lines) and len(lines) > 5
    third = next(line for line in lines if line.preset == "tvae-sprites-third")
    assert {*third.printed} == {*EDITIONS}


def test_every_table_that_is_shown_is_described():
    for name in study_names():
        known = {*described()["tables"], "capcorr", "criteria"}
        assert {*study(name).shown} <= known and study(name).title
    assert study("untrained").budgets["laptop"].items == 500
    assert study("untrained").budgets["smoke"].items < 500


def test_unknown_studies_are_refused():
    with pytest.raises(ValueError, match="no study 'tabel1': did you mean table1"):
        study("tabel1")
