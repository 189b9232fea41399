"""The certificate: what was promised, how it is known, and what attacks found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

from darboux.certification._encode import decode, encode
from darboux.certification._environment import Environment
from darboux.certification._finding import Row
from darboux.certification._inputs import check_structure
from darboux.certification._page import page
from darboux.certification._summary import left_open, missing, table, verdict
from darboux.structure import Claim, Gap, Kind, Lipschitz, Structure, closure
from darboux.structure._arguments import checked

Verdict = Literal["holds", "refuted", "undecided"]


@final
class NotCertifiedError(ValueError):
    """A certificate does not show what `Certificate.require` asks for; the text says why.

    Example:
        >>> import torch
        >>> import darboux as dx
        >>> made = dx.certify(torch.nn.Hardshrink(), torch.ones(1, 4), effort="quick")
        >>> try:
        ...     made.require(dx.Lipschitz(1.0))
        ... except dx.certification.NotCertifiedError:
        ...     made.verdict
        'undecided'
    """


@final
@checked
@dataclass(frozen=True, repr=False)
class Certificate:
    """The rows of all attacks, the gaps, and where it was made.

    A certificate that holds says: something is claimed of the whole map, everything that is
    claimed or was asked for was attacked, and nothing was refuted. What proves a claim, if
    anything does, is its kind and reason, not the attacks.

    Args:
        rows: claims about the whole, about its parts, and their premises.
        gaps: places where claims stopped, and why.
        environment: module, input, versions, seed.

    Example:
        >>> import torch
        >>> import darboux as dx
        >>> from darboux.certification import Certificate, certify
        >>> made = certify(torch.nn.Tanh(), torch.ones(1, 4), effort="quick")
        >>> made.verdict, made.lipschitz, made.require(dx.Lipschitz(1.0)).kind.name
        ('holds', 1.0, 'CONSTRUCTION')
        >>> Certificate.from_json(made.to_json()) == made
        True
    """

    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]
    environment: Environment

    @property
    def verdict(self) -> Verdict:
        """What the attacks say of all claims: "holds", "refuted", or "undecided" (`missing`)."""
        if self.refuted:
            return "refuted"
        return "undecided" if self.missing else "holds"

    @property
    def holds(self) -> bool:
        """Whether the verdict is "holds"."""
        return self.verdict == "holds"

    @property
    def refuted(self) -> tuple[Row, ...]:
        """The rows with a counterexample."""
        return tuple(row for row in self.rows if row.refuted)

    @property
    def missing(self) -> tuple[str, ...]:
        """What was not claimed, not attacked or not concluded, a sentence each."""
        return missing(self.rows, self.gaps)

    @property
    def lipschitz(self) -> float | None:
        """The best Lipschitz constant that is known rigorously and stands, or None.

        A constant is dropped with every refuted row, and where it, a premise, or a part was not
        attacked.
        """
        proved = [claim for claim in self._standing() if claim.kind > Kind.MEASURED]
        implied = [structure for claim in proved for structure in closure(claim.structure)]
        constants = [one.constant for one in implied if isinstance(one, Lipschitz)]
        return min(constants, default=None)

    @checked
    def require(self, structure: Structure) -> Claim:
        """Return the claim that shows a structure of the whole map, with its kind and reason.

        Args:
            structure: what must have been attacked and stand, or follow from what does.

        Raises:
            NotCertifiedError: if a row is refuted; if nothing that was claimed or asked for
                implies the structure; or if a row that it rests on was not attacked.
            TypeError: if it is no structure.
        """
        shown = evidence(check_structure(structure), self._standing())
        if shown is None:
            raise NotCertifiedError(self._lack(structure))
        return shown

    def _claimed(self) -> list[tuple[Row, Claim]]:
        """Return the claims about the whole map whose structures are known as data."""
        return [
            (row, Claim(row.structure, row.kind, row.reason))
            for row in self.rows
            if row.level == "claim" and row.structure is not None and row.kind is not None
        ]

    def _standing(self) -> list[Claim]:
        """Return the claims about the whole map that stand, with all that they rest on."""
        return [claim for row, claim in self._claimed() if not (self.refuted or self._open(row))]

    def _open(self, claim: Row) -> list[Row]:
        """Return the rows that a claim rests on and that attacks left open."""
        return [row for row in self.rows if row.open and _supports(row, claim)]

    def _lack(self, structure: Structure) -> str:
        """Return why nothing shows a structure, and what to do."""
        asked = f"Expected a certificate that shows {structure.describe()}; this one"
        for row in self.refuted:
            return f"{asked} refutes {row.place}: {row.statement}. See its `refuted` rows."
        for row, claim in self._claimed():
            if claim.structure.at_least(structure):
                return f"{asked} leaves open {left_open(self._open(row))[0]}. See its `missing`."
        known = dict.fromkeys(row.statement for row in self.rows if row.level == "claim")
        return (
            f"{asked} is about {'; '.join(known)}" if known else f"{asked} says: {self.missing[0]}"
        ) + f". Ask for it: certify(module, example, claims=[{structure!r}])."

    def __repr__(self) -> str:
        """Return one line."""
        return f"<Certificate of {self.environment.module}: {verdict(self.rows, self.gaps)}>"

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        return self.to_html()

    def __str__(self) -> str:
        """Return the table for a terminal."""
        return table(self.rows, self.gaps, self.environment)

    def to_json(self) -> str:
        """Return the certificate as strict JSON (`darboux.certification._encode`)."""
        rows, gaps, made = self.rows, self.gaps, self.environment
        return encode(rows, gaps, made, verdict=self.verdict, missing=self.missing)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Return the certificate that `to_json` wrote.

        Raises:
            ValueError: if the text is no certificate, or one of another schema version.
        """
        return cls(*decode(text))

    def to_html(self) -> str:
        """Return a self-contained fragment of HTML."""
        return page(self.rows, self.gaps, self.environment)


def evidence(structure: Structure, claims: Iterable[Claim]) -> Claim | None:
    """Return a structure with the best evidence that claims have for it, None where they do not."""
    proofs = [claim for claim in claims if claim.structure.at_least(structure)]
    if not proofs:
        return None
    best = max(proofs, key=lambda claim: claim.kind)
    reason = f"follows from {best.structure.describe()}: {best.reason}"
    if best.structure == structure:
        reason = best.reason
    return Claim(structure, best.kind, reason, best.premises)


def _supports(row: Row, claim: Row) -> bool:
    """Return whether a claim about the whole map rests on what a row says."""
    if row.level == "claim":
        return row.statement == claim.statement  # the same in the other precision
    if row.structure is None or claim.structure is None:
        return True  # premises are listed once, for all claims that rest on them
    return not _families(row.structure).isdisjoint(_families(claim.structure))


def _families(structure: Structure) -> set[type[Structure]]:
    return {type(implied) for implied in closure(structure)}
