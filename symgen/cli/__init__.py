"""The command line `symgen`: the only place that prints, draws progress and reads arguments."""

import sys
from collections.abc import Callable, Sequence

from symgen import training
from symgen.cli._terminal import console, errors
from symgen.cli.controlling import control
from symgen.cli.drawing import manifold, traverse
from symgen.cli.evaluating import evaluate
from symgen.cli.exporting import export
from symgen.cli.looking import data, presets
from symgen.cli.reproducing import reproduce
from symgen.cli.starting import train
from symgen.training.optimisation import nearest

__all__ = ["main"]

_HELP = """\
symgen: generative models whose latent space carries the symmetries of the data

  symgen presets                  list the experiments that have a name
  symgen data PRESET              look at what a preset trains on
  symgen data inspect PATH        look at what is understood of your own recordings
  symgen train PRESET             train one; leaves a run folder runs/PRESET
  symgen train tvae --data PATH   train on your own recordings; bubble and vae take them, too
  symgen train --resume RUN       continue a run that was stopped
  symgen evaluate RUN             measure it on held-out data
  symgen export RUN --out FOLDER  weights, model card and programs for others to use

Topographic VAE, symmetries learned from sequences:
  symgen traverse RUN             draw capsule traversals (PNG and GIF), or the torus map

ACE with symmetry statistics, poses factored out:
  symgen manifold RUN             draw the manifold of every class, and images without their pose
  symgen control RUN IMAGE        read an image, turn, scale and shift what it shows

What the papers print or claim, beside ours:
  symgen reproduce table1         train and measure every line of a table, with three seeds
  symgen reproduce ace            train, measure and judge ACE; --smoke for two minutes of it

Each takes --help. Start with: symgen train demo, or symgen train ace-digits
"""

_VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    "presets": presets,
    "data": data,
    "train": train,
    "evaluate": evaluate,
    "export": export,
    "traverse": traverse,
    "manifold": manifold,
    "control": control,
    "reproduce": reproduce,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after `symgen`; None takes them from the process.

    Returns:
        The exit status: 0 for success, 1 for a run that ended early, 2 for bad input.

    Example:
        >>> main(["trian", "demo"])
        2
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words else "--help"
    try:
        if verb in ("-h", "--help", "help"):
            console.print(_HELP, markup=False)
            return 0
        if verb not in _VERBS:
            raise ValueError(f"unknown command {verb!r}: {nearest(verb, _VERBS)}")
        _VERBS[verb](words[1:])
        return 0
    except training.TrainingStopped as stopped:
        errors.print(str(stopped), markup=False, soft_wrap=True)
        return 1
    except training.TrainingDiverged as diverged:
        errors.print(f"symgen: {diverged}", markup=False, soft_wrap=True)
        return 1
    except (ValueError, OSError, ModuleNotFoundError) as error:
        errors.print(f"symgen: {error}", markup=False, soft_wrap=True)
        return 2
