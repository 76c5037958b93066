"""Runs that were stopped, opened from their folders and continued there."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_helpers import assert_same_weights, without_times

import symgen
from symgen import TVAE
from symgen.data import Batches, MovingSprites
from symgen.experiments.datasets import ArrayData, ImageData, RecordingData, SpritesData
from symgen.experiments.experiment import Experiment
from symgen.experiments.runs import open_run
from symgen.experiments.starting import resume_run, start_run
from symgen.training import Training, TrainingStopped, read_records

SMALL: dict[str, Any] = {"hidden": (8,), "decoder_hidden": (8,), "classifier_hidden": 8}
SMALL |= {"classifier_channels": (2, 2), "pose_channels": (2, 2), "pose_hidden": 4}
EXPERIMENTS = {
    "TVAE": Experiment(
        "TVAE",
        {"capsules": 2, "width": 8},
        SpritesData(length=4),
        Training(examples=48, batch_size=8, log_every=2, rolled=0.5, kl_warmup=32, seed=3),
    ),
    "ACE": Experiment(
        "ACE",
        SMALL,
        ImageData(images="digits", distortion="rts"),
        Training(
            examples=48,
            batch_size=8,
            log_every=2,
            optimizer="AdamW",
            decay=0.1,
            learning_rates={"pose": 1e-4},
        ),
    ),
}


def interrupt(_: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def clips_model(**parts: Any) -> TVAE:
    torch.manual_seed(0)
    given: dict[str, Any] = {"capsules": 2, "units": 4, "frames": 4, "width": 8} | parts
    return TVAE((1, 6, 6), **given, likelihood="gaussian")


@pytest.mark.parametrize("kind", EXPERIMENTS)
def test_a_stopped_run_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    experiment = EXPERIMENTS[kind]
    whole = start_run("mine", experiment, tmp_path / "whole", command="symgen train mine")
    folder = tmp_path / "part"
    with pytest.raises(TrainingStopped, match=r"resume with: symgen train --resume") as stopped:
        start_run("mine", experiment, folder, command="", observe=interrupt)
    assert 0 < stopped.value.run.step < whole.step == 6
    described = (folder / "config.json").read_text()
    run = resume_run(open_run(folder))
    assert run.finished
    assert_same_weights(run.model, whole.model)
    assert without_times(run.records) == without_times(whole.records)
    assert read_records(folder / "metrics.jsonl") == list(run.records)
    assert (folder / "config.json").read_text() == described


def test_a_run_folder_tells_the_experiment_that_made_it(tmp_path: Path) -> None:
    for kind, experiment in EXPERIMENTS.items():
        with pytest.raises(TrainingStopped):
            start_run("mine", experiment, tmp_path / kind, command="words", observe=interrupt)
        run = open_run(tmp_path / kind)
        assert run.experiment == experiment
        assert (run.name, run.config["command"]) == ("mine", "words")


def test_other_data_than_those_it_was_started_with_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        start_run("mine", EXPERIMENTS["TVAE"], tmp_path, command="", observe=interrupt)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"data": config["data"] | {"split_seed": 1}}))
    with pytest.raises(ValueError, match=r"data_source was .* and is"):
        resume_run(open_run(tmp_path))


# Run folders of symgen.fit


def test_a_run_folder_of_fit_is_read_for_every_kind_of_data(tmp_path: Path) -> None:
    clips = torch.randn(16, 4, 1, 6, 6)
    path = tmp_path / "films.npy"
    np.save(path, torch.randint(256, (12, 8, 6, 6)).byte().numpy())
    kinds: list[tuple[Any, type | None]] = [
        (clips, ArrayData),
        (path, RecordingData),
        (list(clips), None),
        (torch.utils.data.DataLoader(clips, batch_size=8), None),
    ]
    for number, (data, kind) in enumerate(kinds):
        folder = tmp_path / f"run{number}"
        settings: dict[str, Any] = {"batch_size": 8, "learning_rates": {"mu": 0.1}, "seed": 2}
        run = symgen.fit(clips_model(), data, examples=16, folder=folder, **settings)
        opened = open_run(folder)
        assert opened.training == Training(examples=16, **settings)
        assert (opened.kind, opened.name) == (TVAE, folder.name)
        assert_same_weights(opened.model(), run.model)
        if kind is None:
            with pytest.raises(ValueError, match=r"that no file names: name recordings with --"):
                opened.require_data()
        else:
            assert isinstance(opened.require_data(), kind)


def test_a_source_that_can_be_named_is_opened_again(tmp_path: Path) -> None:
    source = MovingSprites("train", split_seed=4, mode="position", frames=4)
    model = TVAE((1, 64, 64), capsules=2, frames=4, width=8)
    symgen.fit(model, source, examples=8, batch_size=8, folder=tmp_path)
    opened = open_run(tmp_path)
    assert opened.experiment.data == SpritesData("position", 4, split_seed=4)
    assert opened.batches(train=True).batch(0).frames.shape[1:] == (4, 1, 64, 64)


def test_a_tensor_is_found_again_in_a_file_that_is_named(tmp_path: Path) -> None:
    clips, settings = torch.randn(16, 4, 1, 6, 6), {"batch_size": 8}
    whole = symgen.fit(clips_model(), clips, examples=64, **settings)
    with pytest.raises(TrainingStopped, match="resume from Python"):
        symgen.fit(
            clips_model(), clips, examples=64, folder=tmp_path, observe=interrupt, **settings
        )
    with pytest.raises(ValueError, match=r"name a file of such items, .* with --data PATH"):
        resume_run(open_run(tmp_path))
    np.save(tmp_path / "clips.npy", clips.numpy())
    run = resume_run(open_run(tmp_path, tmp_path / "clips.npy"))
    assert_same_weights(run.model, whole.model)
    np.save(tmp_path / "clips.npy", clips.flip(0).numpy())
    with pytest.raises(ValueError, match=r"data_source was .*fingerprint"):
        resume_run(open_run(tmp_path, tmp_path / "clips.npy"))


def test_parts_of_one_s_own_are_handed_in_again(tmp_path: Path) -> None:
    clips = torch.randn(16, 4, 1, 6, 6)

    def own() -> dict[str, Any]:
        return {"encoder": nn.Sequential(nn.Flatten(), nn.Linear(36, 32))}

    def train(folder: Path | None, **given: Any) -> Any:
        torch.manual_seed(1)
        model = clips_model(**own())
        return symgen.fit(model, clips, batch_size=8, examples=64, folder=folder, **given)

    whole = train(None)
    with pytest.raises(TrainingStopped, match="resume from Python, with a model and data made as"):
        train(tmp_path, observe=interrupt)
    np.save(tmp_path / "clips.npy", clips.numpy())
    with pytest.raises(ValueError, match=r"parts of one's own, .*: hand them in again"):
        resume_run(open_run(tmp_path, tmp_path / "clips.npy"))
    run = resume_run(open_run(tmp_path, tmp_path / "clips.npy", **own()))
    assert_same_weights(run.model, whole.model)


def test_a_run_that_was_made_longer_stays_longer(tmp_path: Path) -> None:
    source = MovingSprites("train", frames=4)

    def train(examples: int, **given: Any) -> Any:
        torch.manual_seed(0)
        model = TVAE((1, 64, 64), capsules=2, frames=4, width=8)
        return symgen.fit(model, source, examples=examples, batch_size=8, **given)

    train(16, folder=tmp_path)
    with pytest.raises(TrainingStopped):
        train(48, folder=tmp_path, resume=True, observe=interrupt)
    run = resume_run(open_run(tmp_path))
    assert (run.step, run.finished) == (6, True)
    assert_same_weights(run.model, train(48).model)


@pytest.mark.parametrize("given", [{"seed": 5}, {"shuffle": False}])
def test_an_order_of_the_data_that_no_setting_names_is_resumed_from_python(
    given: dict[str, Any], tmp_path: Path
) -> None:
    source = MovingSprites("train", frames=4)
    data = Batches(source, len(source) // 5, **given)
    data.batch = lambda step: source.batch(torch.arange(4), torch.Generator())
    model = TVAE((1, 64, 64), capsules=2, frames=4, width=8)
    with pytest.raises(TrainingStopped, match="resume from Python, with a model and data made as"):
        symgen.fit(model, data, folder=tmp_path, observe=interrupt)


def test_data_without_files_are_nowhere_else(tmp_path: Path) -> None:
    start_run("mine", EXPERIMENTS["TVAE"], tmp_path / "run", command="")
    with pytest.raises(ValueError, match=r"trained on sprites, which need no files: leave"):
        open_run(tmp_path / "run", tmp_path / "films.npy")


def test_what_is_no_run_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not a run folder, it has no config\.json"):
        open_run(tmp_path)
    symgen.fit(clips_model(), torch.randn(8, 4, 1, 6, 6), examples=8, folder=tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    changes: list[tuple[dict[str, Any], str]] = [
        ({"training": {"exampels": 3}}, "did you mean examples"),
        ({"model": "Mine"}, "a Mine, is none that symgen can make"),
        ({"model": {"model": "TVEA", "arguments": {}}}, "did you mean TVAE"),
        ({"data": {"kind": "videos"}}, "data of kind 'videos'"),
    ]
    for change, message in changes:
        path.write_text(json.dumps(config | change))
        with pytest.raises(ValueError, match=message):
            open_run(tmp_path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match="is damaged or of another version"):
        open_run(tmp_path)
