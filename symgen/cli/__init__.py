"""The command line `symgen`: the only place that prints, draws progress and takes options."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from symgen import __version__
from symgen._errors import nearest
from symgen._signals import asked_to_save, signals_wait

_HELP = """\
symgen: generative models whose latent space carries the symmetries of the data

  symgen presets [WORD]           list the experiments that have a name
  symgen models                   list the weights that come with the package
  symgen data PRESET              look at what a preset trains on
  symgen data inspect PATH        show how your own recordings are understood; --images: images
  symgen train PRESET             train one; leaves a run folder runs/PRESET
  symgen train tvae --data PATH   train on your own recordings; bubble and vae take them, too
  symgen train --resume RUN       continue a run that was stopped
  symgen evaluate RUN             measure it on held-out data
  symgen encode RUN --out FILE    write the latents of every frame of its data, or of other data
  symgen decode RUN LATENTS --out FILE    decode them to frames
  symgen export RUN --out FOLDER  weights, model card and programs for others to use
  symgen report RUN               one page of HTML: verdict, pictures, measures, reruns
  symgen explore [RUN|MODEL]      a page to play with: roll capsules, move poses; or one HTML file

Topographic VAE, symmetries learned from sequences:
  symgen traverse RUN             draw capsule traversals (PNG and GIF), or the torus map
  symgen forecast RUN --out FILE  continue recordings: the frames that follow their last ones

ACE with symmetry statistics, poses factored out:
  symgen train ace --data PATH    train on your own images, with labels, with some or without
  symgen manifold RUN             draw the manifold of every class, and images without their pose
  symgen control RUN IMAGE        encode an image, turn, scale and shift what it shows
  symgen align RUN --out FOLDER   write every image in its canonical pose, and averages of classes

Many runs, on several processes or a cluster:
  symgen sweep PRESET --window 5 9 13 --seed 0 1    train all combinations, compare them

What the papers print or claim, compared with ours:
  symgen reproduce table1         train and measure every line of a table, with three seeds
  symgen reproduce ace            train, measure and judge ACE; --budget smoke takes two minutes

Each takes --help. Start with: symgen train demo, or symgen train ace-digits
"""

VERBS = (
    *("presets", "models", "data", "train", "evaluate", "encode", "decode", "export", "report"),
    *("explore", "traverse", "forecast", "manifold", "control", "align", "reproduce", "sweep"),
)
"""The verbs: each is a module of this package with a function of that name, imported on call. The
function's arguments are the options, or it takes the `words` that follow."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after `symgen`; None takes them from the process.

    Returns:
        The exit status: 0 for success, 1 for a training that diverged or runs that failed, 2 for
        bad input and for files that cannot be read or written; 128 and the number of the signal
        that stopped it, 130 after Ctrl-C.
    """
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        if arguments is None:  # the process ends with this: a second one has nothing to stop
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return _fail("symgen: stopped", 128 + signal.SIGINT)
    except BrokenPipeError:  # whoever reads has seen enough, as in `symgen presets --all | head`
        return 0
    except OSError as error:
        named = error.filename is not None and error.strerror
        return _fail(f"symgen: {f'{error.filename}: {error.strerror}' if named else error}", 2)
    except (ValueError, OverflowError, ModuleNotFoundError) as error:
        return _fail(f"symgen: {error}", 2)
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or "memory" in str(error)):
            raise
        what = str(error).partition("\n")[0] or "all is taken"
        return _fail(f"symgen: not enough memory ({what}): give smaller sizes or batches", 2)
    finally:
        if arguments is None:  # while Python ends, Ctrl-C would print a trace
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(words: list[str]) -> int:
    """Run a verb; say in one line why a training ended early."""
    verb = words[0] if words else "--help"
    if verb in ("-h", "--help", "help"):
        print(_HELP)
        return 0
    if verb == "--version":
        print(__version__)
        return 0
    if verb not in VERBS:
        return _fail(f"symgen: unknown command {verb!r}: {nearest(verb, VERBS)}", 2)
    with asked_to_save(lambda: _tell(f"symgen: {verb} has nothing to save yet, and goes on")):
        return _call(verb, words[1:])


def _call(verb: str, words: list[str]) -> int:
    # Ctrl-C has to wait: a library that is interrupted while it is imported fails in odd ways.
    with signals_wait():
        from symgen import training  # here, since it imports torch, which takes a second
        from symgen.cli._options import call
        from symgen.cli._terminal import Unfinished

        run = getattr(import_module(f"symgen.cli.{verb}"), verb)
    try:
        call(run, verb, words)
    except training.TrainingStopped as stopped:
        return _fail(str(stopped), 128 + stopped.signal)
    except training.TrainingDiverged as diverged:
        return _fail(f"symgen: {diverged}", 1)
    except Unfinished as unfinished:
        return _fail(str(unfinished), 1)
    return 0


def _fail(message: str, status: int) -> int:
    """Print an error and return the status."""
    _tell(message)
    return status


def _tell(message: str) -> None:
    """Print in one line on standard error, where names may hold anything."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    print(shown, file=sys.stderr)
