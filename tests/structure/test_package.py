"""The package itself: light to import, every room one attribute away."""

import subprocess
import sys

import pytest

import darboux

WORKSHOP = ("matplotlib", "typer", "accelerate", "rich", "PIL", "tifffile")
HEAVY = (*WORKSHOP, "skimage", "onnx", "jinja2")

SCRIPT = f"""
import sys, torch
known = set(sys.modules)
import darboux
print([name for name in {HEAVY} if name in set(sys.modules) - known])
print("darboux.data" in sys.modules, darboux.data.__name__)
"""


def test_import_is_light():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["[]", "False darboux.data"]


def test_layers_of_torch_have_claims_whatever_was_imported():
    script = "import torch, darboux as dx; print(dx.structure.claims_of(torch.nn.Linear(2, 2)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Lipschitz" in ran.stdout


def test_shown_names_can_be_reached():
    assert {"certification", "cli", "data", "flow", "testing", "training"} <= set(dir(darboux))
    assert all(hasattr(darboux, name) for name in dir(darboux))
    assert darboux.certify is darboux.certification.certify
    with pytest.raises(AttributeError, match="module 'darboux' has no attribute 'nothing'"):
        darboux.nothing  # noqa: B018
