"""What the builders of networks refuse."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux import models

MANY = 10**8

SIZES = [
    ("coupling_classifier", (1, 2), {"channels": MANY}),
    ("coupling_flow", (2,), {"hidden": (MANY,)}),
    ("coupling_flow", (2,), {"layers": MANY}),
    ("denoiser", (), {"features": MANY}),
    ("denoiser", (), {"depth": MANY}),
    ("equivariant_classifier", (1, 2), {"group": dx.symmetry.Cyclic(4), "widths": (MANY,)}),
    ("equivariant_denoiser", (), {"width": 16 * MANY}),
    ("hamiltonian_block", (MANY,), {}),
    ("image_flow", ((1, 8, 8),), {"levels": MANY}),
    ("iunet", (1, 1), {"channels": MANY}),
    ("ordinary_denoiser", (), {"width": MANY}),
    ("parabolic_block", (4,), {"kernel_size": MANY}),
    ("pde_network", ("parabolic",), {"in_channels": 1, "classes": MANY}),
    ("plain_resnet_classifier", (1, 2), {"widths": (MANY,) * 3}),
    ("plain_unet", (1, 1), {"depth": (MANY,)}),
    ("residual_classifier", (1, 2), {"hidden": MANY}),
    ("residual_flow", (2,), {"blocks": MANY}),
    ("unconstrained_denoiser", (), {"units": MANY}),
]


@pytest.mark.parametrize(("name", "args", "settings"), SIZES)
def test_sizes_that_no_memory_holds(name, args, settings):
    """Refused before anything is built."""
    with pytest.raises(ValueError, match=rf"{name}: expected .*an integer from 1 to \d+.*; got"):
        getattr(models, name)(*args, **settings)


MAKERS = [
    ("coupling_classifier", (1, 2)),
    ("coupling_flow", (2,)),
    ("hyperbolic_block", (4,)),
    ("image_flow", ((1, 8, 8),)),
    ("iunet", (1, 1)),
    ("plain_resnet_classifier", (1, 2)),
    ("plain_unet", (1, 1)),
    ("residual_classifier", (1, 2)),
    ("residual_flow", (2,)),
]


@pytest.mark.parametrize(("name", "args"), MAKERS)
@pytest.mark.parametrize(
    "wrong",
    [None, nn.Tanh(), "relu", torch.relu, nn.Linear],
    ids=["None", "module", "text", "function", "needs arguments"],
)
def test_activations_that_no_call_makes(name, args, wrong):
    with pytest.raises(TypeError, match=rf"{name}: expected activation to be a class or function"):
        getattr(models, name)(*args, activation=wrong)


@pytest.mark.parametrize(("name", "args"), MAKERS)
def test_functions_that_make_no_module(name, args):
    with pytest.raises(TypeError, match=r"expected what it makes to be .*; got 3"):
        getattr(models, name)(*args, activation=lambda: 3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"bins": 2.5}, TypeError, "SplineCoupling: expected bins to be an integer"),
        ({"tail": -1.0}, ValueError, "SplineCoupling: expected tail to be a positive"),
        ({"law": "affine", "bound": "x"}, TypeError, "AffineCoupling: expected bound to be"),
        ({"context": 0}, ValueError, "coupling_flow: expected context to be a positive integer"),
        ({"normalize": 1}, TypeError, "normalize to be True or False; got 1"),
        ({"generator": 0}, TypeError, "generator to be a Generator or None; got 0"),
    ],
)
def test_options_of_flows(options, error, words):
    with pytest.raises(error, match=words):
        models.coupling_flow(2, **options)


def test_a_group_is_no_text():
    with pytest.raises(TypeError, match=r"group to be a Group; got 'C4'. Write Cyclic\(4\)"):
        models.equivariant_classifier(1, 10, group="C4")


def test_images_are_tensors():
    network = models.iunet(1, 1, channels=4, depth=(1, 1)).eval()
    for image in (torch.ones(1, 1, 4, 4).numpy(), torch.ones(1, 1, 4, 4, dtype=torch.uint8)):
        with pytest.raises(TypeError, match="expected a tensor of real floating-point numbers"):
            network(image)
