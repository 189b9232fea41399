"""The training loop, which can be stopped, stored and continued at any step."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from darboux.data._patches import Patches
from darboux.training._files import pack_optimizer, prefixed, under, unpack_optimizer


class Trainer:
    """Adam on a loss between network(noisy) and clean, on one process or many.

    Step k uses batch k of the patches and the learning rate of step k, and nothing else that
    changes: so the state is the network, the optimiser, torch's random numbers, and k.

    Args:
        network: what is trained; images (batch, channels, H, W) to images of the same shape.
        patches: the batches; the global one is cut into equal shares, one per process.
        schedule: the learning rate of every step.
        loss: of (estimate, clean), a mean over all entries.
        accelerator: Hugging Face Accelerate's view of devices and processes.

    Example:
        >>> from torch.nn.functional import mse_loss
        >>> patches = Patches({"a": torch.rand(1, 20, 20)}, patch=8, batch=4, sigma=0.1)
        >>> trainer = Trainer(
        ...     nn.Conv2d(1, 1, 3, padding=1),
        ...     patches,
        ...     schedule=OneCycle(peak=1e-2, steps=9),
        ...     loss=mse_loss,
        ...     accelerator=Accelerator(),
        ... )
        >>> trainer.advance(3).shape, trainer.step
        (torch.Size([3]), 3)
    """

    def __init__(
        self,
        network: nn.Module,
        patches: Patches,
        *,
        schedule: OneCycle,
        loss: Loss,
        accelerator: Accelerator,
    ) -> None:
        patches.batch_at(0, parts=accelerator.num_processes)  # refuses unequal shares at once
        self.network, self.step = network.to(accelerator.device), 0
        self._patches, self._schedule, self._loss = patches, schedule, loss
        self._accelerator = accelerator
        # Fused: one kernel for all parameters; the update is the same.
        adam = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99), fused=True)
        self._adam = adam
        self._wrapped, self._optimizer = accelerator.prepare(self.network, adam)

    def advance(self, steps: int, *, on_step: Callable[[int], None] | None = None) -> Tensor:
        """Train for some steps.

        Args:
            steps: how many, at most what the schedule has left.
            on_step: called after each step with the number of steps done so far.

        Returns:
            The loss of each step, (steps,), over the global batch, on the CPU.

        Raises:
            FloatingPointError: if a loss is not finite.
        """
        self._wrapped.train()
        losses = []
        for _ in range(steps):
            losses.append(self._one_step())
            if on_step is not None:
                on_step(self.step)
        mean = self._accelerator.reduce(torch.stack(losses), reduction="mean").cpu()
        self._refuse_divergence(mean)
        return mean

    def _one_step(self) -> Tensor:
        """Make one step, and return this process' loss."""
        accelerator = self._accelerator
        noisy, clean = self._patches.batch_at(
            self.step, part=accelerator.process_index, parts=accelerator.num_processes
        )
        device = accelerator.device
        for group in self._adam.param_groups:
            group["lr"] = self._schedule.at(self.step)
        estimate = self._wrapped(noisy.to(device))
        loss = self._loss(estimate, clean.to(device))
        self._optimizer.zero_grad()
        accelerator.backward(loss)
        self._optimizer.step()
        self.step += 1
        return loss.detach()

    def _refuse_divergence(self, losses: Tensor) -> None:
        """Refuse to go on, and so to overwrite a good checkpoint, after a divergence."""
        if not losses.isfinite().all():
            first = self.step - len(losses) + int((~losses.isfinite()).nonzero()[0])
            raise FloatingPointError(
                f"Expected a finite training loss; got {losses[~losses.isfinite()][0]} at step "
                f"{first}: the training diverged. Start anew with a smaller learning rate."
            )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return everything that a continuation needs: tensors, and a JSON description."""
        optimizer, about = pack_optimizer(self._adam)
        tensors = {
            **prefixed("network", self.network.state_dict()),
            **prefixed("optimizer", optimizer),
            **prefixed("rng", _random_state()),
        }
        return tensors, {"step": self.step, "optimizer": about}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Continue from what `state` returned.

        Args:
            tensors: its tensors.
            about: its description.

        Raises:
            ValueError: if it belongs to another network.
        """
        try:
            self.network.load_state_dict(under("network", tensors))
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"Expected the state of this network; got another's: {reason}"
            ) from error
        unpack_optimizer(self._adam, under("optimizer", tensors), about["optimizer"])
        _restore_random_state(under("rng", tensors))
        self.step = int(about["step"])


def _random_state() -> dict[str, Tensor]:
    """Return the states of torch's random number generators, as byte tensors."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_random_state(states: Mapping[str, Tensor]) -> None:
    """Set torch's random number generators."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


Loss = Callable[[Tensor, Tensor], Tensor]

_EPSILON = 1e-3  # where Charbonnier's loss turns from quadratic to linear, in units of the image


def loss_named(name: str) -> Loss:
    """Return a loss (estimate, clean) -> mean over all entries, by its name.

    Args:
        name: "mse", (a - b)²; "l1", |a - b|; "charbonnier", √((a - b)² + ε²), ε = 10⁻³.

    Raises:
        ValueError: if there is no loss of that name.

    Example:
        >>> float(loss_named("l1")(torch.zeros(2), torch.ones(2)))
        1.0
    """
    losses: dict[str, Loss] = {
        "mse": functional.mse_loss,
        "l1": functional.l1_loss,
        "charbonnier": _charbonnier,
    }
    if name not in losses:
        raise ValueError(f"Expected a loss among {', '.join(losses)}; got {name!r}.")
    return losses[name]


def _charbonnier(estimate: Tensor, clean: Tensor) -> Tensor:
    """Return the mean of √((a - b)² + ε²)."""
    return torch.sqrt((estimate - clean).square() + _EPSILON**2).mean()


@dataclass(frozen=True)
class OneCycle:
    """A linear rise from 0 to the peak, then half a cosine down to 0.

    A pure function of the step, so that a resumed run needs no state for it.

    Args:
        peak: highest learning rate.
        steps: number of steps in all.
        warmup: share of the steps in which it rises, in [0, 1).

    Example:
        >>> cycle = OneCycle(peak=1.0, steps=100, warmup=0.1)
        >>> [round(cycle.at(step), 3) for step in (0, 9, 10, 55, 99)]
        [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    peak: float
    steps: int
    warmup: float = 0.1

    def at(self, step: int) -> float:
        """Return the learning rate of step 0 <= step < steps."""
        rise = max(1, round(self.warmup * self.steps))
        if step < rise:
            return self.peak * (step + 1) / rise
        past = (step - rise) / max(1, self.steps - rise)
        return self.peak * (1 + math.cos(math.pi * past)) / 2


def make_accelerator() -> Accelerator:
    """Return the accelerator of this process, as torchrun or accelerate launch started it."""
    # Accelerate joins processes without a GPU only when it is told that they have none.
    accelerator = Accelerator(cpu=not _has_device())
    wanted = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != wanted:
        raise ValueError(
            f"Expected the {wanted} processes of WORLD_SIZE; got {accelerator.num_processes}. "
            "Start them with torchrun, or run a single process without WORLD_SIZE."
        )
    return accelerator


def _has_device() -> bool:
    """Return whether torch sees a device that computes in float64, as the bounds need."""
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return device is not None and device.type != "mps"
