"""Certificates: `certify` measures every claim, tries to break it, and writes down the result.

Attacks on structures or premises of one's own are added by ``attack.register`` and
`attacks`: they get a `Target` and return a `Finding`.
"""

from darboux.certification._certificate import Certificate, NotCertifiedError
from darboux.certification._certify import certify
from darboux.certification._finding import (
    Finding,
    NotAttackedError,
    Row,
    Trial,
    attack,
    attack_premise,
    attacks,
    known_structures,
)
from darboux.certification._target import Effort, Target

__all__ = [
    "Certificate",
    "Effort",
    "Finding",
    "NotAttackedError",
    "NotCertifiedError",
    "Row",
    "Target",
    "Trial",
    "attack",
    "attack_premise",
    "attacks",
    "certify",
    "known_structures",
]
