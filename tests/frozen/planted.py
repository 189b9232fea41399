"""Planted faults: what a certificate finds in each of them."""

from __future__ import annotations

import torch

from tests.frozen.lookup import called, new_name, room, tests_module
from tests.frozen.numbers_of import seed, without_numbers

BIJECTIONS = {
    "inverse": ("inverse", None),
    "log-determinant": ("log-determinant", None),
    "lower bound": ("", (0.55, 1.5)),
    "upper bound": ("", (0.5, 1.45)),
}


def faults():
    """Return the keys of all faults, "table/name"."""
    tables = {
        "flows": tests_module("tests.certify.faults").FAULTS,
        "geometric": tests_module("tests.certify.geometric_faults").FAULTS,
        "bijections": BIJECTIONS,
        "equivariance": tests_module("tests.certify.test_equivariance").BROKEN,
    }
    return [f"{table}/{name}" for table, names in tables.items() for name in names]


def refuted(key):
    """Return whether the certificate of a fault holds, and what it refutes."""
    table, name = key.split("/", 1)
    with torch.random.fork_rng():
        seed(key)
        certificate = TABLES[table](name)
    rows = sorted({(row.level, told(row)) for row in certificate.refuted})
    return {"holds": certificate.holds, "refuted": [list(row) for row in rows]}


def told(row):
    """Return the class of a refuted structure, or the premise without its numbers."""
    if row.structure is not None:
        return type(row.structure).__name__
    return without_numbers(row.statement)


def certified(module, example, **options):
    """Return a quick certificate."""
    where, name = new_name("darboux.certify")
    if hasattr(room(where), name):
        return called("darboux.certify", module, example, effort="quick", **options)
    return called("certify.certify", module, example, effort="quick", **options)


def in_flow(name):
    """Certify a flow with a false premise."""
    fault = tests_module("tests.certify.faults").make(name)
    return certified(fault.module, fault.example, claims=fault.claims)


def in_geometry(name):
    """Certify a flow that promises a geometric structure."""
    build, _ = tests_module("tests.certify.geometric_faults").FAULTS[name]
    return certified(build(), torch.randn(3, 4))


def in_bijection(name):
    """Certify a bijection with a broken promise."""
    fault, bounds = BIJECTIONS[name]
    tests = tests_module("tests.certify.test_bijections")
    given = () if bounds is None else (called("structure.BiLipschitz", *bounds),)
    return certified(tests.Fault(fault, *given), 3 * torch.randn(8, 4))


def in_symmetry(name):
    """Certify a map that says it is equivariant."""
    tests = tests_module("tests.certify.test_equivariance")
    module, structure, shape = tests.BROKEN[name]
    return certified(tests.Claiming(module, structure), torch.randn(2, *shape))


TABLES = {
    "flows": in_flow,
    "geometric": in_geometry,
    "bijections": in_bijection,
    "equivariance": in_symmetry,
}
