"""Where criteria find what they judge: runs, their evaluations, judges and baselines."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch

from symgen.data import ImageBatch
from symgen.experiments.ace import ACEExperiment, ImageConfig
from symgen.experiments.reproduce.ace_budget import Budget
from symgen.experiments.reproduce.baselines import baseline
from symgen.experiments.reproduce.judge import (
    JUDGE_TRAINING,
    Judge,
    judge_error,
    train_judge,
)
from symgen.experiments.reproduce.plan import Missing, finished_run, origin
from symgen.experiments.runs import OpenRun, evaluate_run
from symgen.models import ACE
from symgen.training import Progress

__all__ = ["Data", "Evidence"]

Data = Literal["mnist", "rts", "tc", "cifar10"]
_DISTORTIONS = {"mnist": "none", "rts": "rts", "tc": "tc", "cifar10": "none"}


class Evidence:
    """Makes runs, judges and baselines when a criterion first asks for them, and keeps them.

    Args:
        out: folder of the run folders.
        budget: how much work to spend.
        command: words that start this reproduction, for the record.
        root: folder of the image files.
        device: where to train and to measure.
        train: whether to train what is not there or not finished.
        observe: is told what is done of how much, and of what.

    Attributes:
        runs: every run that was asked for, with its origin, by name.
        judges: every judge that was asked for, with its test error in percent, by data.
        baselines: every baseline that was asked for, by data.
    """

    def __init__(
        self,
        out: Path,
        budget: Budget,
        *,
        command: str,
        root: Path | None = None,
        device: str = "cpu",
        train: bool = True,
        observe: Callable[[int, int, str], object] | None = None,
    ) -> None:
        self.out = out
        self.budget = budget
        self.device = device
        self.runs: dict[str, dict[str, Any]] = {}
        self.judges: dict[str, dict[str, Any]] = {}
        self.baselines: dict[str, dict[str, float]] = {}
        self._command = command
        self._root = root
        self._train = train
        self._observe = observe or (lambda done, total, text: None)
        self._found: dict[str, OpenRun | Missing] = {}
        self._loaded: dict[str, Judge] = {}

    # --- runs ------------------------------------------------------------------------------

    def run(self, preset: str, seed: int) -> OpenRun:
        """Return a finished run.

        Raises:
            Missing: if it is not there and could not be made.
        """
        name = f"{preset}-{seed}"
        if name not in self._found:
            self._found[name] = self._make(preset, seed)
        found = self._found[name]
        if isinstance(found, Missing):
            raise Missing(str(found))
        return found

    @torch.enable_grad()  # whoever asks may measure without gradients
    def _make(self, preset: str, seed: int) -> OpenRun | Missing:
        folder = self.out / f"{preset}-{seed}"
        # What a budget replaces cannot be said in one short command: then it is this one.
        alone = f"symgen train {preset} --seed {seed} --out {folder}"
        command = self._command if self.budget.training else alone
        try:
            run = finished_run(
                preset,
                self.budget.experiment(preset, seed, self._root),
                folder,
                command=command,
                train=self._train,
                device=self.device,
                observe=self._training(folder.name),
            )
        except Missing as reason:
            return reason
        self.runs[folder.name] = {"preset": preset, "seed": seed} | _origin(folder)
        return run

    def experiment(self, preset: str, seed: int) -> ACEExperiment:
        """Return the experiment of a run."""
        return self.run(preset, seed).experiment  # pyright: ignore  # finished_run saw to it

    def model(self, preset: str, seed: int) -> ACE:
        """Load the model of a run, ready to evaluate."""
        return self.run(preset, seed).model().to(self.device)

    def evaluation(self, preset: str, seed: int) -> dict[str, Any]:
        """Return the evaluation of a run on all test images, from its summary if it is there.

        It is made anew if the weights are younger or the numbers of images or samples others.
        """
        run = self.run(preset, seed)
        summary, weights = run.folder / "summary.json", run.folder / "model.safetensors"
        if summary.is_file() and summary.stat().st_mtime >= weights.stat().st_mtime:
            measured = json.loads(summary.read_text()).get("evaluation", {})
            wanted = {"images": _count_tests(run.experiment.data), "samples": self.budget.samples}
            if wanted.items() <= measured.items():
                return measured

        def observe(done: int, total: int) -> None:
            self._observe(done, total, f"evaluate {run.folder.name}: batch {done} of {total}")

        samples, device = self.budget.samples, self.device
        return evaluate_run(run, samples=samples, device=device, observe=observe)["evaluation"]

    def bounds(self, preset: str, seed: int) -> dict[str, float]:
        """Return the bounds of an evaluation, in nats per test image."""
        return self.evaluation(preset, seed)["bounds"]

    def tests(self, preset: str, seed: int) -> ImageBatch:
        """Return the first test images of a run, as many as the budget checks, on the device."""
        source = self.experiment(preset, seed).data.source(train=False)
        items = torch.arange(min(self.budget.checked, len(source)))
        batch = source.make(items, torch.Generator())
        return ImageBatch(*(part.to(self.device) for part in batch))

    # --- judges and baselines --------------------------------------------------------------

    @torch.enable_grad()
    def judge(self, data: Data) -> Judge:
        """Return the independent classifier of some data.

        Raises:
            Missing: if it could not be trained.
        """
        if data not in self._loaded:
            folder = self.out / f"judge-{data}"
            training = JUDGE_TRAINING.changed(self.budget.judge)
            try:
                judge = train_judge(
                    folder,
                    self._images(data),
                    training,
                    command=self._command,
                    train=self._train,
                    device=self.device,
                    observe=self._training(folder.name),
                )
            except (FileNotFoundError, ValueError) as error:
                raise Missing(f"{folder.name}: {error}") from error
            self._loaded[data] = judge
            error = judge_error(judge, self._images(data))
            self.judges[data] = {"error": error} | _origin(folder)
        return self._loaded[data]

    def class_mean(self, data: Data) -> float:
        """Return the cost of the class means on the test images, in nats per image."""
        if data not in self.baselines:
            try:
                self.baselines[data] = baseline(self._images(data))
            except FileNotFoundError as error:
                raise Missing(str(error)) from error
        return self.baselines[data]["class_mean"]

    def _images(self, data: Data) -> ImageConfig:
        images = self.budget.images or ("cifar10" if data == "cifar10" else "mnist")
        return ImageConfig(images, _DISTORTIONS[data], root=self._root)  # pyright: ignore

    def _training(self, name: str) -> Callable[[Progress], None]:
        def observe(now: Progress) -> None:
            minutes = now.seconds_left / 60
            text = f"train {name}: loss {now.loss:.1f}, {minutes:.0f} min left"
            self._observe(now.step, now.steps, text)

        return observe


@cache
def _count_tests(data: ImageConfig) -> int:
    return len(data.source(train=False))


def _origin(folder: Path) -> dict[str, Any]:
    """Return how a run came about; what ACE sees are images."""
    found = origin(folder)
    return {"images": found.pop("sequences")} | {
        name: found[name] for name in ("command", "commit", "seconds", "hardware")
    }
