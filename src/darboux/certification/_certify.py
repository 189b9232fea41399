"""`certify`: attack every claim of a module and write down what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

import darboux.certification._attacks as _attacks
import darboux.certification._premises as _premises
from darboux.certification._certificate import Certificate, evidence
from darboux.certification._copies import Watch, exact_copy, private_copy, quiet, stored_dtype
from darboux.certification._engine import claim_row, premise_row
from darboux.certification._environment import Environment
from darboux.certification._finding import Row
from darboux.certification._inputs import (
    check_claims,
    check_example,
    check_module,
    check_value,
    disagreement,
    few_samples,
    unsteady,
)
from darboux.certification._nodes import Located, Node, all_gaps, grow, locate, shield
from darboux.certification._target import Effort, Target, windowed
from darboux.flow import Step
from darboux.structure import Claim, Claims, Gap, Kind, Structure
from darboux.structure._arguments import checked

del _attacks, _premises  # imported for what they register

_SEED = 0


@checked
def certify(
    module: nn.Module,
    example: Tensor,
    *,
    claims: Sequence[Structure] | None = None,
    effort: str = "normal",
    generator: torch.Generator | None = None,
) -> Certificate:
    """Attack every claim of a module: each premise, each part at its own input, and the whole.

    The module is copied first and left as it is: mode, parameters, buffers, gradients
    and the global random state do not change. Attacks run in float64 where the module
    computes in it, and on the whole also in its own dtype.

    Shapes: the example is (batch, channels, *space); samples of a batch are separate
    points, unless the module mixes them, which the certificate says.

    Source: docs, Certificates.

    Args:
        module: any module from one tensor to one tensor.
        example: an input around which to look; its batch gives base points.
        claims: structures to test instead of those that the module itself promises. One
            that nothing proves is of the kind MEASURED: attacked, not proved.
        effort: "quick", "normal" or "thorough".
        generator: the source of randomness; a fixed seed if left out, so that the same
            call gives the same certificate.

    Returns:
        The certificate. Its `verdict` is "holds", "refuted" or "undecided"; `missing` says why.

    Raises:
        TypeError: if module, example or claims are something else.
        ValueError: if example, parameters or values are not finite, or a word or a
            structure is unknown.

    Example:
        >>> from darboux.structure import Lipschitz
        >>> made = certify(
        ...     torch.nn.Linear(4, 4), torch.ones(1, 4), claims=[Lipschitz(0.01)], effort="quick"
        ... )
        >>> made.holds, made.refuted[0].kind.name
        (False, 'MEASURED')
    """
    example = check_example(example)
    check_module(module)
    wanted = None if claims is None else check_claims(claims)
    tried = Effort.named(effort)
    dice = torch.Generator().manual_seed(_SEED) if generator is None else generator
    made = Environment.of(module, example, effort=effort, seed=dice.initial_seed())
    with quiet(example.device):
        session = _Session.begin(module, example.clone(), tried, dice)
        rows = session.rows(wanted)
        gaps = session.gaps()
    return Certificate(rows, gaps, made)


@final
@dataclass(frozen=True)
class _Session:
    """The copies of one call, and how its rows come about."""

    root: Node
    effort: Effort
    generator: torch.Generator
    stored: torch.dtype
    why_not: str
    seen: Mapping[int, Tensor]
    values: tuple[Tensor, Tensor] | None  # of the module and of its exact copy

    @classmethod
    def begin(
        cls, module: nn.Module, example: Tensor, effort: Effort, generator: torch.Generator
    ) -> _Session:
        native, watch = private_copy(module), Watch()
        value, again = watch.run(native, example)
        check_value(value, example)
        why_not = unsteady(native, example, value, again)
        few = example if why_not else few_samples(native, example)
        double = example.dtype != torch.float64 and not why_not
        exact = exact_copy(native, few, watch) if double else None
        root = grow("", native, exact[0] if exact else native, few)
        shield(root, watch)
        values = (
            None if exact is None else (value if few is example else value[: len(few)], exact[1])
        )
        return cls(root, effort, generator, stored_dtype(native, few), why_not, watch.seen, values)

    def gaps(self) -> tuple[Gap, ...]:
        first = (Gap("", self.why_not),) if self.why_not else ()
        return tuple(dict.fromkeys((*first, *all_gaps(self.root))))

    def rows(self, wanted: tuple[Structure, ...] | None) -> tuple[Row, ...]:
        found = self.root.claims
        claims = found.claims if wanted is None else [_evidence(one, found) for one in wanted]
        doubt = self._doubt() if claims else ""
        rows = [row for claim in claims for row in self._whole(claim, doubt)]
        parts = [node for node in self.root.below() if node.claims.claims]
        rows += [self._part(node, claim) for node in parts for claim in node.claims]
        rows += [self._premise(located) for located in locate(self.root)]
        return tuple(rows)

    def _whole(self, claim: Claim, doubt: str) -> list[Row]:
        """Attack a claim about the whole, in float64 and then in the module's own dtype."""
        root = self.root
        rows = [claim_row(claim, self._target(root), path="", level="claim", why_not=self.why_not)]
        if self.values:
            row = claim_row(claim, self._own(), path="", level="claim")
            if row.status == "not refuted" and doubt:
                row = replace(row, status="undecided", note=doubt)
            rows.append(row)
        return rows

    def _own(self) -> Target:
        """Return the whole in its own dtype."""
        root = self.root
        own = replace(self._target(root), module=root.native, inputs=root.inputs, share=0.1)
        return replace(own, twin=root.exact)

    def _doubt(self) -> str:
        return disagreement(self._own(), *self.values) if self.values else ""

    def _part(self, node: Node, claim: Claim) -> Row:
        share = 0.5 / max(1, len(list(self.root.below())))
        target = replace(self._target(node), share=share)
        if isinstance(node.native, Step):
            target = windowed(node.exact, target)
        return claim_row(claim, target, path=node.path, level="part", why_not=self.why_not)

    def _premise(self, located: Located) -> Row:
        count = max(1, self.root.leaves())
        target = replace(self._target(located.node), share=0.5 / count, depth=1, seen=self.seen)
        return premise_row(located, target, why_not=self.why_not)

    def _target(self, node: Node) -> Target:
        return Target(
            module=node.exact,
            inputs=node.exact_inputs,
            effort=self.effort,
            generator=self.generator,
            stored=self.stored,
            depth=node.leaves(),
            twin=_twin(node),
            facts=node.facts,
        )


def _twin(node: Node) -> nn.Module | None:
    """Return the native map beside an exact copy, if it computes in float32."""
    if node.exact is node.native or node.inputs.dtype != torch.float32:
        return None
    return node.native


def _evidence(structure: Structure, found: Claims) -> Claim:
    """Return a claim that the user asked for, with the evidence that the module has for it."""
    asked = Claim(structure, Kind.MEASURED, "asked for; nothing proves it")
    return evidence(structure, found) or asked
