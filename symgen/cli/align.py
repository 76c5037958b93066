"""The verb align: every image in its canonical pose, and what the classes look like then."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from symgen._devices import usable_device
from symgen._signals import signals_clean_up
from symgen.cli._options import Device, RunFolder
from symgen.cli._terminal import (
    errors,
    folder_to_write,
    new_file,
    print_paths,
    progress,
    writing_new,
)
from symgen.data.options import require_whole
from symgen.experiments import alignment
from symgen.experiments.encoding import encoding_of, reel_of_run
from symgen.experiments.latent_files import write_latents
from symgen.experiments.runs import open_run

_MOST = 100  # images in a montage


def align(
    folder: RunFolder,
    /,
    *,
    out: Path | None = None,
    data: Annotated[
        Path | None, arg(help="Images, if others than those of the training, or moved.")
    ] = None,
    split: Literal["all", "train", "validation", "test"] | None = None,
    examples: int = 8,
    png: bool = False,
    force: bool = False,
    device: Device = "cpu",
) -> None:
    """Write all images of an ACE run, or others, in their canonical pose.

    aligned.npy has the images in their order and in the numbers of the data, poses.csv a line for
    each: class, pose and its parts. class-NAME.png shows the average of a class before and after,
    and some of its images.

    Args:
        out: Folder to write to; by default RUN/aligned.
        split: Images of one split only. By default all, of built-in data those of the test.
        examples: Images in a montage.
        png: Also write every image as a PNG file of 8 bits into OUT/images.
        force: Replace files that are there.
    """
    require_whole("examples", examples, 1, _MOST)
    run = open_run(folder, data)
    run.require_verb("align")
    out = run.outputs / "aligned" if out is None else out
    images, poses = out / "aligned.npy", out / "poses.csv"
    for path in (images, poses):
        new_file(path, force)
    model = run.model().to(usable_device(device))
    reel = reel_of_run(run, split)
    for note in reel.notes:
        errors.print(f"symgen: {note}", soft_wrap=True)
    folder_to_write(out)
    with writing_new(images, force), signals_clean_up(), progress("aligning") as show:
        observe = lambda done, total: show(done, total, f"image {done:,} of {total:,}")  # noqa: E731
        how = {"examples": examples, "pictures": png, "observe": observe}
        written = alignment.align(model, reel, out, **how)
        write_latents(poses, encoding_of(model, reel_of_run(run, split), observe=observe))
        written.insert(1, poses)
    print_paths(written)
