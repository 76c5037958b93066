"""What the reproduction of ACE spends."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from symgen.experiments.ace import ACEExperiment
from symgen.experiments.reproduce.plan import planned

__all__ = ["FULL", "SMOKE", "Budget"]


@dataclass(frozen=True)
class Budget:
    """How much work goes into a reproduction."""

    samples: int = 2
    """Samples of the posteriors for each test image; the bounds are means of both."""
    checked: int = 1000
    """Test images of the checks that look inside a model."""
    drawn: int = 100
    """Samples of the prior for each class, for a judge to name."""
    painted: int = 5_000
    """Samples of the prior whose distance to test images is taken."""
    judge: dict[str, Any] = field(default_factory=dict)
    """Numbers of the judges' training to replace."""
    images: Literal["digits"] | None = None
    """Images to take in place of every preset's; None leaves them."""
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of every preset's model to replace."""
    training: dict[str, Any] = field(default_factory=dict)
    """Numbers of every preset's training to replace."""

    def experiment(self, name: str, seed: int, root: Path | None = None) -> ACEExperiment:
        """Return the experiment of a preset with a seed, within the budget.

        Example:
            >>> FULL.experiment("ace-rts", 2).training.seed
            2
            >>> SMOKE.experiment("ace-tc", 0).data.images
            'digits'
        """
        return planned(
            name,
            ACEExperiment,
            model=self.model,
            data={} if self.images is None else {"images": self.images},
            training={**self.training, "seed": seed},
            root=root,
        )


FULL = Budget()
SMOKE = Budget(
    samples=2,
    checked=100,
    drawn=5,
    painted=300,
    judge={"sequences": 4_000, "batch_size": 50, "warmup": 400},
    images="digits",
    model={
        "hidden": (32,),
        "decoder_hidden": (32,),
        "classifier_channels": (8, 16),
        "classifier_hidden": 32,
        "pose_channels": (8, 8),
    },
    training={"sequences": 4_000, "batch_size": 50, "warmup": 200, "kl_warmup": 1_000},
)
"""Every path of the code in two minutes and without files, to no claim."""
