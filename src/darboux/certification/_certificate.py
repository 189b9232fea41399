"""The certificate: what was promised, how it is known, and what attacks found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from darboux.certification._encode import decode, encode
from darboux.certification._environment import Environment
from darboux.certification._finding import Row
from darboux.certification._page import page
from darboux.certification._summary import table, verdict
from darboux.structure import Gap, Kind, Lipschitz


@final
@dataclass(frozen=True, repr=False)
class Certificate:
    """The rows of all attacks, the gaps, and where it was made.

    A certificate that holds says: nothing that was tried refuted a claim. What proves a
    claim, if anything does, is its kind and reason, not the attacks.

    Args:
        rows: claims about the whole, about its parts, and their premises.
        gaps: places where claims stopped, and why.
        environment: module, input, versions, seed.

    Example:
        >>> import torch
        >>> from darboux.certification import Certificate, certify
        >>> made = certify(torch.nn.Tanh(), torch.ones(1, 4), effort="quick")
        >>> made.holds, made.lipschitz
        (True, 1.0)
        >>> Certificate.from_json(made.to_json()) == made
        True
    """

    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]
    environment: Environment

    @property
    def holds(self) -> bool:
        """Whether no row is refuted."""
        return not any(row.refuted for row in self.rows)

    @property
    def refuted(self) -> tuple[Row, ...]:
        """The rows with a counterexample."""
        return tuple(row for row in self.rows if row.refuted)

    @property
    def lipschitz(self) -> float | None:
        """The best Lipschitz constant that is known rigorously and not refuted, or None.

        A constant is dropped with every refuted row: its proof rests on a false premise.
        """
        if not self.holds:
            return None
        constants = [_constant(row) for row in self.rows if row.level == "claim"]
        return min((c for c in constants if c is not None), default=None)

    def __repr__(self) -> str:
        """Return one line."""
        return f"<Certificate of {self.environment.module}: {verdict(self.rows)}>"

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        return self.to_html()

    def __str__(self) -> str:
        """Return the table for a terminal."""
        return table(self.rows, self.gaps, self.environment)

    def to_json(self) -> str:
        """Return the certificate as strict JSON (`darboux.certification._encode`)."""
        return encode(self.rows, self.gaps, self.environment, holds=self.holds)

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


def _constant(row: Row) -> float | None:
    """Return the Lipschitz constant that a rigorous row implies."""
    if row.structure is None or row.kind is None or row.kind is Kind.MEASURED:
        return None
    if isinstance(row.structure, Lipschitz):
        return row.structure.constant
    return 1.0 if row.structure.at_least(Lipschitz(1.0)) else None
