"""Runs the steps of training; a run that is ended at any moment goes on where it was.

What is random in a step follows from the step's number alone, so a state needs no generators: a run
that was interrupted ends with the same weights as one that was not, given as many threads.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sdcoreml.ground.aside import file_aside

SAVE_EVERY = 300.0
"""Seconds between two saved states."""
SHOW_EVERY = 50
"""Steps between two lines of progress."""
WARM = 0.03
"""The share of the steps in which the rate rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One part of training: what it trains, how many steps, and the loss of a step.

    `loss` takes a step's number and its torch.Generator, and returns a scalar. The modules' mean
    over the last steps (`remember`: the share of the former mean that a step keeps) is the result.
    """

    name: str
    steps: int
    rate: float
    modules: torch.nn.Module
    loss: Callable[[int, torch.Generator], torch.Tensor]
    remember: float = 0.998


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a run saves its state, and after how many of its own steps it ends."""

    save_every: float = SAVE_EVERY
    steps: int | None = None


def generator(*names: object) -> torch.Generator:
    """Return a torch.Generator seeded with the digest of some names."""
    digest = hashlib.sha256(" ".join(map(str, names)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def train(stage: Stage, folder: Path, pace: Pace, say: Callable[[str], None]) -> bool:
    """Run a stage to its end, from the state in the folder if there is one.

    Returns False if the pace ended it before. At the end the modules have the mean weights.
    """
    run = Run.begin(stage, folder / f"{stage.name}.pt")
    first, saved, losses = run.step, time.monotonic(), []
    while run.step < stage.steps:
        if pace.steps is not None and run.step - first >= pace.steps:
            run.save()
            return False
        losses.append(run.advance())
        if len(losses) == SHOW_EVERY:
            say(run.describe(sum(losses) / len(losses)))
            losses.clear()
        if run.step == stage.steps or time.monotonic() - saved >= pace.save_every:
            run.save()
            saved = time.monotonic()
    run.finish()
    return True


class Run:
    """A stage under way: its optimizer, its mean weights, and the CPU time that it has taken."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.step = 0
        self._stage, self._path = stage, path
        self._weights = _join(list(stage.modules.parameters()))
        self._mean = self._weights.detach().clone()
        self._start = time.process_time()
        self._optimizer = torch.optim.AdamW(
            [self._weights], stage.rate, betas=(0.9, 0.99), weight_decay=1e-3
        )

    @classmethod
    def begin(cls, stage: Stage, path: Path) -> Run:
        """Take up the state in a file, or begin anew where there is none."""
        run = cls(stage, path)
        if path.exists():
            state = torch.load(path)
            stage.modules.load_state_dict(state["modules"])
            run._optimizer.load_state_dict(state["optimizer"])
            run.step, run._mean = state["step"], state["mean"]
            run._start -= state["seconds"]
        return run

    def save(self) -> None:
        """Write the state, aside at first."""
        state = {
            "step": self.step,
            "seconds": time.process_time() - self._start,
            "mean": self._mean,
            "modules": self._stage.modules.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        write(self._path, state)

    def advance(self) -> float:
        """Make one step; returns its loss."""
        stage = self._stage
        for group in self._optimizer.param_groups:
            group["lr"] = stage.rate * share_of_rate(self.step / stage.steps)
        loss = stage.loss(self.step, generator("sample", stage.name, self.step))
        self._optimizer.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([self._weights], 1.0)
        self._optimizer.step()
        kept = min(stage.remember, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            self._mean.lerp_(self._weights, 1 - kept)
        self.step += 1
        return float(loss)

    def describe(self, loss: float) -> str:
        """Say how far the stage is, and what it will take at this pace."""
        used = time.process_time() - self._start
        left = used / self.step * (self._stage.steps - self.step)
        return (
            f"{self._stage.name} {self.step}/{self._stage.steps} loss {loss:.4f},"
            f" {used:.0f} CPU seconds, {left:.0f} to go"
        )

    def finish(self) -> None:
        """Give the modules the mean weights."""
        with torch.no_grad():
            self._weights.copy_(self._mean)


def _join(parameters: Sequence[torch.nn.Parameter]) -> torch.nn.Parameter:
    """Make every parameter and its gradient a part of one: a step of many is a quarter slower."""
    joined = torch.nn.Parameter(torch.cat([part.detach().flatten() for part in parameters]))
    joined.grad = torch.zeros_like(joined)
    sizes = [part.numel() for part in parameters]
    weights, grads = joined.detach().split(sizes), joined.grad.split(sizes)
    for part, values, grad in zip(parameters, weights, grads, strict=True):
        part.data, part.grad = values.view_as(part), grad.view_as(part)
    return joined


def share_of_rate(done: float) -> float:
    """Return the share of the highest rate that a step has, by the share of steps before it."""
    if done < WARM:
        return 0.02 + 0.98 * done / WARM
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done))


def write(path: Path, content: Mapping[str, object]) -> None:
    """Write what torch.load reads, aside; then rename it."""
    with file_aside(path) as handle, open(handle, "wb", closefd=False) as stream:
        torch.save(content, stream)
