"""The command line with ACE, as a person uses it."""

import json
import re

import numpy as np
import pytest
import torch
from figure_helpers import places, scale_in
from PIL import Image

from symgen import ACE
from symgen.cli import main
from symgen.experiments.presets import preset
from symgen.models import Motion, draw_poses, move

SMALL = [
    *("--hidden", "20", "--decoder-hidden", "10", "--classifier-hidden", "20"),
    *("--classifier-channels", "4", "4", "4", "--pose-channels", "4", "4", "--pose-hidden", "8"),
    *("--examples", "100", "--batch-size", "50"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Run folders: the pose a latent variable, the pose free with two latents, no pose."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = {
        "variational": ["--variational-pose"],
        "free": ["--no-variational-pose", "--latents", "2"],
        "plain": ["--no-variational-pose", "--pose", "None"],
    }
    for name, words in kinds.items():
        words = ["train", "ace-digits", "--out", str(folder / name), *SMALL, *words]
        assert main([*words, "--log-every", "2"]) == 0
    return folder


def held_out(index):
    source = preset("ace-digits").experiment.data.source(train=False)
    return source.batch(torch.tensor([index]), torch.Generator()).images


def figures(folder):
    return sorted(path.name for path in (folder / "figures").iterdir())


def draw(trained, out, *words, run="variational"):
    return main(["control", str(trained / run), *words, "--out", str(out)])


def test_a_run_folder_explains_itself(trained):
    config = json.loads((trained / "free" / "config.json").read_text())
    assert config["model"]["model"] == "ACE" and config["model"]["arguments"]["latents"] == 2
    assert ACE.from_pretrained(trained / "free").latent_count == 2


def test_training_says_what_comes_next(trained, capsys):
    assert main(["train", "--resume", str(trained / "variational")]) == 0
    text = capsys.readouterr().out
    assert "100 images" in text and f"symgen manifold {trained / 'variational'}" in text


def test_evaluation_prints_the_table_and_writes_the_record(trained, empty_folder, capsys):
    run = trained / "variational"
    words = ["evaluate", str(run), "--examples", "90", "--samples", "2", "--record", "record.json"]
    assert main(words) == 0
    text = capsys.readouterr().out
    record = json.loads((empty_folder / "record.json").read_text())
    assert record == json.loads((run / "summary.json").read_text())
    measured = record["evaluation"]
    assert measured["examples"] == 90 and measured["samples"] == 2
    for name, value in (
        ("error, mean pose", measured["error"]),
        ("error, sampled pose", measured["error_sampled"]),
        ("error, generative", measured["error_generative"]),
        ("R, reconstruction", measured["bounds"]["reconstruction"]),
        ("G, KL of the style", measured["bounds"]["kl_z"]),
        ("KL of the pose", measured["bounds"]["kl_pose"]),
        ("U, paper's convention", measured["bounds"]["paper"]),
        ("U, valid", measured["bounds"]["valid"]),
        ("U, tight", measured["bounds"]["tight"]),
        ("R² of the pose, log scale", measured["pose_r2"]["log_scale"]),
    ):
        (printed,) = re.findall(rf"^{re.escape(name)} +(-?[\d.]+)", text, re.M)
        assert float(printed) == pytest.approx(value, abs=0.051)
    assert "in every U" in text and "bounds −log p(x): compare" in text


def test_the_table_claims_no_more_than_was_measured(trained, capsys):
    for run in ("free", "plain"):
        assert main(["evaluate", str(trained / run), "--examples", "60", "--samples", "1"]) == 0
    free, plain = capsys.readouterr().out.split("ace-digits, held out")[1:]
    assert "free: in no U" in free and free.count("bounds −log p(x | pose)") == 2
    assert "sampled pose" not in free
    assert plain.count("bounds −log p(x)") == 2 and "no pose" in plain
    assert "R²" not in plain and "sampled" not in plain


def test_manifolds_of_one_latent_are_rows(trained, capsys):
    run = trained / "variational"
    assert main(["manifold", str(run), "--points", "5"]) == 0
    assert figures(run) == ["curves.png", "factored.png", "manifold.png"]
    assert str(run / "figures" / "factored.png") in capsys.readouterr().out.splitlines()
    with Image.open(run / "figures" / "manifold.png") as every:
        whole = every.height
    assert main(["manifold", str(run), "--class", "7", "--points", "5"]) == 0
    with Image.open(run / "figures" / "manifold-7.png") as one:
        assert one.height < whole / 3
    with Image.open(run / "figures" / "manifold.png") as every:
        assert every.height == whole


def test_manifolds_of_two_latents_are_grids_as_well(trained):
    run = trained / "free"
    assert main(["manifold", str(run), "--class", "7"]) == 0
    assert figures(run) == ["curves.png", "factored.png", "manifold-7.png"]
    assert main(["manifold", str(run), "--points", "3", "--range", "2"]) == 0
    assert {f"manifold-{label}.png" for label in range(10)} <= set(figures(run))


def test_without_a_pose_none_is_factored_out(trained):
    assert main(["manifold", str(trained / "plain"), "--class", "3"]) == 0
    assert figures(trained / "plain") == ["curves.png", "manifold-3.png"]


def test_control_says_what_it_read_and_draws_what_it_moved(trained, tmp_path, capsys):
    words = ["test:3", "--rotate", "180", "--scale", "1.2", "--shift", "-3", "2", "--steps", "7"]
    assert draw(trained, tmp_path / "out", *words) == 0
    text = capsys.readouterr().out
    assert "test:3, labelled 6" in text
    assert len(re.findall(r"\d \(\d+\.\d %\)", text)) == 3
    assert re.search(r"^pose rotate -?\d+\.\d°, scale \d\.\d\d, shift -?\d+\.\d -?\d", text, re.M)
    assert re.search(r"^style -?\d", text, re.M)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "control.gif",
        "control.png",
    ]
    with Image.open(tmp_path / "out" / "control.gif") as animation:
        assert 2 <= animation.n_frames <= 12  # there and back; equal frames are merged


@torch.no_grad()
def test_the_strip_shows_the_image_its_reconstruction_and_the_end_of_the_way(trained, tmp_path):
    words = ["test:3", "--as", "2", "--style", "1.5", "--rotate", "40", "--draws", "3"]
    assert draw(trained, tmp_path, *words) == 0
    model = ACE.from_pretrained(trained / "variational")
    x = held_out(3)
    reconstruction = model.decode(model.latents(x)).mean[0]
    other = model.latents(x, torch.tensor([2]))
    end = move(model, other, Motion(rotate=40.0), torch.ones(1), torch.tensor([1.5]))[0]
    with Image.open(tmp_path / "control.png") as strip:
        scale = scale_in(strip, x[0])
        across = [places(strip, image, scale)[0][1] for image in (x[0], reconstruction, end)]
    assert across == sorted(set(across))
    poses = draw_poses(model, model.encode(x), 3, seed=0)
    around = other._replace(pose=poses)
    drawn = move(model, around, Motion(rotate=40.0), torch.ones(3), torch.tensor([1.5]))
    with Image.open(tmp_path / "draws.png") as sheet:
        assert all(places(sheet, image, 2) for image in drawn)


def test_an_image_that_stays_is_reconstructed_and_nothing_else(trained, tmp_path):
    assert draw(trained, tmp_path / "out", "test:3", run="plain") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["control.png"]


def test_style_class_and_draws(trained, tmp_path):
    words = ["test:3", "--style", "-1.5", "--as", "2", "--draws", "13"]
    assert draw(trained, tmp_path / "out", *words) == 0
    assert (tmp_path / "out" / "draws.png").is_file()


def test_an_image_file_gives_what_the_same_test_image_gives(trained, tmp_path, capsys):
    image = held_out(5)[0, 0]
    levels = (image * 255).round().numpy().astype(np.uint8)
    Image.fromarray(255 - levels).convert("RGBA").save(tmp_path / "dark.png")
    assert draw(trained, tmp_path / "a", "test:5") == 0
    assert draw(trained, tmp_path / "b", "dark.png", "--invert", "yes") == 0
    read = re.findall(r"^pose.*", capsys.readouterr().out, re.M)
    assert len(read) == 2 and read[0] == read[1]


def test_a_smaller_image_is_laid_on_a_canvas_and_said_so(trained, tmp_path, capsys):
    Image.new("L", (28, 20), 200).save(tmp_path / "small.png")
    assert draw(trained, tmp_path / "out", "small.png") == 0
    told = "small.png, inverted, to lie on a ground of 0.00, 28 × 20, in the middle of a canvas"
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "words", "message"),
    [
        ("variational", "test:x", "test:x: give the number of a test image"),
        ("variational", "test:359", "test:359: test images are numbered from 0 to 358"),
        ("variational", "missing.png", "no image file missing.png"),
        ("variational", "deep.tif", "deep.tif holds float32: save 8 or 16 bits"),
        ("variational", "damaged.png", "damaged.png cannot be read as an image"),
        ("variational", "text.png", "text.png cannot be read as an image"),
        ("variational", "test:0 --as 10", "as=10: there is no such class, choose a number from 0"),
        ("variational", "test:0 --style 1 2", "of which a class of this model has 1"),
        ("variational", "test:0 --style nan", "style=nan: give a finite number"),
        ("variational", "test:0 --hue 20", "the model infers no colour pose"),
        ("variational", "test:0 --steps 1", "steps=1"),
        ("variational", "test:0 --draws -1", "draws=-1"),
        ("free", "test:0 --draws 3", "is no latent variable"),
        ("plain", "test:0 --draws 3", "no symmetry statistics"),
        ("plain", "test:0 --rotate 3", "no symmetry statistics"),
    ],
)
def test_bad_words_get_one_clear_error_and_draw_nothing(
    run, words, message, trained, tmp_path, capsys
):
    Image.effect_noise((42, 42), 90).save(tmp_path / "damaged.png")
    content = (tmp_path / "damaged.png").read_bytes()
    (tmp_path / "damaged.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("no image")
    Image.new("F", (42, 42)).save(tmp_path / "deep.tif")
    assert draw(trained, tmp_path / "out", *words.split(), run=run) == 2
    seen = capsys.readouterr()
    assert seen.err.startswith("symgen: ") and message in seen.err
    assert seen.err.count("\n") == 1 and seen.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words", ["--scale 0", "--scale -1", "--scale nan", "--rotate inf", "--shift nan 0"]
)
def test_motions_that_are_none_are_refused(words, trained, tmp_path, capsys):
    assert draw(trained, tmp_path / "out", "test:0", *words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"symgen: {words.split()[0].removeprefix('--')}=")
    assert error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_file_in_place_of_the_folder_is_refused(trained, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert draw(trained, tmp_path / "taken", "test:0") == 2
    assert "taken is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("manifold RUN --class 10", "class=10: there is no such class, choose a number from 0"),
        ("manifold RUN --points 1", "points=1"),
        ("manifold RUN --range -2", "range=-2.0"),
        ("manifold nowhere", "nowhere is not a run folder"),
        ("control nowhere test:0", "nowhere is not a run folder"),
        ("evaluate RUN --examples 360", "examples=360: give 1 to 359"),
        ("traverse RUN", "symgen manifold RUN"),
        ("data ace-digits --examples 0", "examples=0"),
    ],
)
def test_bad_words_of_other_verbs(words, message, trained, empty_folder, capsys):
    run = str(trained / "variational")
    assert main([run if word == "RUN" else word for word in words.split()]) == 2
    error = capsys.readouterr().err
    assert message.replace("RUN", run) in error and error.startswith("symgen: ")
    assert list(empty_folder.iterdir()) == []


def test_data_draws_images_by_class(tmp_path, capsys):
    assert main(["data", "ace-digits", "--examples", "3"]) == 0
    assert "1,438 images in 10 classes\n1 × 42 × 42" in capsys.readouterr().out
    with Image.open(tmp_path / "images.png") as wide:
        width = wide.width
    assert main(["data", "ace-digits", "--examples", "6", "--distortion", "none"]) == 0
    with Image.open(tmp_path / "images-2.png") as wider:
        assert wider.width > width
    assert "1 × 28 × 28" in capsys.readouterr().out


def test_presets_count_images(capsys):
    assert main(["presets"]) == 0
    (line,) = re.findall(r"^ace-digits .*", capsys.readouterr().out, re.M)
    images = preset("ace-digits").experiment.training.examples
    assert f"{images / 1e6:.2f} million" in line
