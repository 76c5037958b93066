"""The verb encode: the latents of every frame, for analyses elsewhere."""

from pathlib import Path
from typing import Literal

from symgen._devices import usable_device
from symgen._files import file_to_write
from symgen._signals import signals_clean_up
from symgen.cli._options import Data, Device, Factors, Root, RunFolder
from symgen.cli._terminal import errors, new_file, print_paths, progress, writing_new
from symgen.experiments.encoding import encoding_of, reel_of_run
from symgen.experiments.latent_files import require_latents_path, write_latents
from symgen.experiments.runs import open_run, reading_by


def encode(
    folder: RunFolder,
    /,
    *,
    out: Path,
    split: Literal["all", "train", "validation", "test"] | None = None,
    examples: int | None = None,
    posterior: bool = False,
    phase: bool = False,
    force: bool = False,
    root: Root = None,
    data: Data = None,
    axes: str | None = None,
    key: str | None = None,
    factors: Factors = None,
    bad_frames: Path | None = None,
    device: Device = "cpu",
) -> None:
    """Write the latents of a run's data, or of other recordings, one row a frame or image.

    Of a Topographic VAE the recording, the frame, its split, whether its window lies inside the
    recording, and t. Of ACE the class, probabilities, the style and the pose. Recordings may be of
    any length; they are read, encoded and written part by part.

    Args:
        out: File to write: .npz, .h5 or .csv.
        split: Rows of one split only. By default all recordings, or the held-out items of others.
        examples: How many recordings, sequences or images; all by default.
        posterior: Add means and standard deviations of the posteriors.
        phase: Add phase and amplitude of every capsule, those of its first Fourier component.
        force: Replace a file that is there.
        axes: Axes of the arrays of --data, if they are not those of the run.
        key: Name of the array in a file of --data, if it is not that of the run.
        bad_frames: List of the bad frames of --data, if it is not that of the run.
    """
    require_latents_path(out)
    options = {"axes": axes, "key": key, "factors": factors, "bad_frames": bad_frames}
    run = reading_by(open_run(folder, data or root), **options)
    new_file(out, force, getattr(run.data, "data", None))
    model = run.model().to(usable_device(device))
    reel = reel_of_run(run, split, examples)
    for note in reel.notes:
        errors.print(f"symgen: {note}", soft_wrap=True)
    file_to_write(out)
    with writing_new(out, force), signals_clean_up(), progress("encoding") as show:
        observe = lambda done, total: show(done, total, f"row {done:,} of {total:,}")  # noqa: E731
        found = encoding_of(model, reel, posterior=posterior, phase=phase, observe=observe)
        write_latents(out, found)
    print_paths([out])
