"""Certificates: measures every claim, tries to break it, and writes down the result.

`certify` is the function; users reach it as ``darboux.certify``. Because that name is
also the package's, other modules import from the submodules by their full names, for
instance ``from darboux.certify.certificate import Certificate``.

Attacks on structures or premises of one's own are added by ``attack.register`` and
``attack_premise.register``: they get a `Target` and return a `Finding`.
"""

from darboux.certify.certificate import Certificate
from darboux.certify.certify import certify
from darboux.certify.effort import Effort
from darboux.certify.finding import Finding, NotAttackedError, Trial
from darboux.certify.registry import attack, attack_premise, known_structures
from darboux.certify.row import Row
from darboux.certify.target import Target

__all__ = [
    "Certificate",
    "Effort",
    "Finding",
    "NotAttackedError",
    "Row",
    "Target",
    "Trial",
    "attack",
    "attack_premise",
    "certify",
    "known_structures",
]
