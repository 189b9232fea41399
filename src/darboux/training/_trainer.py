"""The training loop, which can be stopped, stored and continued at any step."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional

from darboux.data._patches import Patches
from darboux.training._files import checked
from darboux.training._one_cycle import OneCycle
from darboux.training._state import (
    OptimizerAbout,
    difference,
    not_finite,
    optimizer_difference,
    pack_optimizer,
    prefixed,
    random_state,
    restore_random_state,
    under,
    unpack_optimizer,
)


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

    Raises:
        ValueError: if the processes cannot share a batch equally, or no parameter of the network
            requires a gradient.

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
        if not any(p.requires_grad for p in network.parameters()):
            raise ValueError(
                "Expected a network with a parameter that requires a gradient; got none: there is "
                "nothing to train. Use parameter.requires_grad_()."
            )
        self.network, self.step = network.to(accelerator.device), 0
        self._patches, self._schedule, self._loss = patches, schedule, loss
        self._accelerator = accelerator
        self._infinite = set(not_finite(self.network.state_dict()))  # masks, for instance
        # Fused: one kernel for all parameters; the update is the same.
        adam = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99), fused=True)
        self._adam = adam
        self._wrapped, self._optimizer = accelerator.prepare(self.network, adam)

    def advance(self, steps: int, *, on_step: Callable[[int], None] | None = None) -> Tensor:
        """Train for some steps.

        Args:
            steps: how many, 0 <= steps <= what the schedule has left.
            on_step: called after each step with the number of steps done so far.

        Returns:
            The loss of each step, (steps,), over the global batch, on the CPU.

        Raises:
            FloatingPointError: if a loss, a weight or the optimiser's state is not finite.
            ValueError: if the schedule has fewer steps left.
        """
        if not 0 <= steps <= self._schedule.steps - self.step:
            raise ValueError(
                f"Expected at most the {self._schedule.steps - self.step} steps that the schedule "
                f"has left; got {steps}."
            )
        self._wrapped.train()
        losses = []
        for _ in range(steps):
            losses.append(self._one_step())
            if on_step is not None:
                on_step(self.step)
        if not losses:
            return torch.empty(0)
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
            raise diverged(f"training loss; got {losses[~losses.isfinite()][0]} at step {first}")
        # The last step has no loss after it; and weights whose moments overflow stand still.
        moments = prefixed("optimizer", pack_optimizer(self._adam)[0])
        for name in not_finite(self.network.state_dict() | moments):
            if name not in self._infinite:
                raise diverged(f"network; got NaN or infinite {name} after step {self.step - 1}")

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return everything that a continuation needs: tensors, and a JSON description."""
        optimizer, about = pack_optimizer(self._adam)
        tensors = {
            **prefixed("network", self.network.state_dict()),
            **prefixed("optimizer", optimizer),
            **prefixed("rng", random_state()),
        }
        return tensors, {"step": self.step, "optimizer": about}

    def restore(
        self, tensors: Mapping[str, Tensor], about: Mapping[str, Any], *, where: str = "the state"
    ) -> None:
        """Continue from what `state` returned, which is checked first.

        Args:
            tensors: its tensors.
            about: its description.
            where: named in the error messages.

        Raises:
            ValueError: if it belongs to another network or schedule, or is damaged.
        """
        progress = checked(about, _Progress, where=where)
        if reason := self._difference(tensors, progress):
            raise ValueError(
                f"Expected the state of this network; got another's in {where}: {reason}. "
                "Restore it from a copy, or train anew."
            )
        restore_random_state(under("rng", tensors), where=where)
        self.network.load_state_dict(under("network", tensors))
        unpack_optimizer(self._adam, under("optimizer", tensors), progress.optimizer)
        self.step = progress.step

    def _difference(self, tensors: Mapping[str, Tensor], progress: _Progress) -> str | None:
        """Return how a state differs from what it should be, or None."""
        if not 0 <= progress.step <= self._schedule.steps:
            return f"expected 0 <= step <= {self._schedule.steps}; got {progress.step}"
        optimizer = under("optimizer", tensors)
        others = {n: t for n, t in tensors.items() if not n.startswith("optimizer/")}
        own = {**prefixed("network", self.network.state_dict()), **prefixed("rng", random_state())}
        if not own.keys() & others.keys() & {"rng/cuda"}:  # begun with a GPU, or continued with one
            own.pop("rng/cuda", None)
            others.pop("rng/cuda", None)
        return difference(others, own) or optimizer_difference(
            self._adam, optimizer, progress.optimizer, step=progress.step
        )


class _Progress(msgspec.Struct):
    """The description of a state."""

    step: int
    optimizer: OptimizerAbout


def diverged(what: str) -> FloatingPointError:
    """Return the error for what should be finite and is not."""
    return FloatingPointError(
        f"Expected a finite {what}: the training diverged. Start anew with a smaller learning rate."
    )


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


def make_accelerator() -> Accelerator:
    """Return the accelerator of this process, as torchrun or accelerate launch started it."""
    # Accelerate joins processes without a GPU only when it is told that they have none.
    accelerator = Accelerator(cpu=not _has_device())
    launched = {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= os.environ.keys()
    if launched and "WORLD_SIZE" not in os.environ and accelerator.num_processes == 1:
        raise ValueError(
            "Expected the processes that accelerate launch was asked for; it started one. Use: "
            "accelerate launch --multi_gpu --num_processes N, with GPUs or without, or torchrun."
        )
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
