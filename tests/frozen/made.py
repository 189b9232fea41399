"""Cases that are in no catalogue: groups and ready-made networks, by name and arguments."""

from __future__ import annotations

from tests.frozen.lookup import called

FLOW = {"call": "density", "shape": [3, 2]}
SQUARE = {"call": "map", "shape": [2, 1, 8, 8]}
INSIDE = {"call": "map", "shape": [2, 4, 6, 5]}
OWN = ("groups", "models")
CHANNELS = {"call": "map", "shape": [2, 3, 6, 6]}

GROUPS = {
    **{f"Cyclic({n})": ("Cyclic", [n], {}) for n in range(1, 9)},
    **{f"Dihedral({n})": ("Dihedral", [n], {}) for n in range(1, 9)},
    **{name: (name, [], {}) for name in ("SO2", "O2", "SO3", "O3", "Icosahedral", "Octahedral")},
    "Octahedral(reflections)": ("Octahedral", [], {"reflections": True}),
    **{f"Permutations({n})": ("Permutations", [n], {}) for n in range(1, 5)},
    "PermutationGroup": ("PermutationGroup", [((1, 2, 3, 0), (1, 0, 2, 3))], {}),
}
DEGREES = {"SO2": 3, "O2": 3, "SO3": 2, "O3": 2}

MODELS = {
    "coupling_classifier": ([1, 10], {"channels": 8, "depth": (2, 2), "hidden": 4}, SQUARE),
    "coupling_flow": ([2], {"layers": 2, "hidden": (8,)}, FLOW),
    "denoiser": ([], {"features": 8, "units": 8, "depth": 2}, SQUARE),
    "unconstrained_denoiser": ([], {"features": 8, "units": 8, "depth": 2}, SQUARE),
    "equivariant_classifier": (
        [1, 10],
        {"group": "Cyclic(4)"},
        {"call": "map", "shape": [2, 1, 18, 18]},
    ),
    "ordinary_denoiser": ([], {"width": 8, "depth": 2}, CHANNELS),
    "equivariant_denoiser": ([], {"width": 16, "depth": 2}, CHANNELS),
    "equivariant_nonexpansive_denoiser": ([], {"group": "Cyclic(4)", "steps": 2}, SQUARE),
    "image_flow": (
        [(1, 8, 8)],
        {"steps": 2, "hidden": 8},
        {"call": "density", "shape": [2, 1, 8, 8], "unit": True},
    ),
    "iunet": ([1, 3], {"channels": 8, "depth": (1, 1)}, SQUARE),
    "plain_unet": ([1, 2], {"channels": 4, "depth": (1, 1)}, SQUARE),
    "parabolic_block": ([4], {"depth": 2}, INSIDE),
    "hamiltonian_block": ([4], {"depth": 2}, INSIDE),
    "hyperbolic_block": ([4], {"depth": 2}, INSIDE),
    "plain_resnet_classifier": ([1, 10], {"widths": (4, 8), "depth": (1, 1)}, SQUARE),
    "residual_classifier": ([1, 10], {"channels": 4, "depth": (1, 1), "hidden": 4}, SQUARE),
    "residual_flow": ([2], {"blocks": 2, "hidden": (8,)}, FLOW),
}


def recipes():
    """Return "module/case" -> how it is called."""
    groups = {f"groups/{name}": group_recipe(name) for name in GROUPS}
    return {**groups, **{f"models/{name}": recipe for name, (_, _, recipe) in MODELS.items()}}


def group_recipe(name):
    """Return how a group is asked, up to which degree where it has infinitely many irreps."""
    degree = {"degree": DEGREES[name]} if name in DEGREES else {}
    return {"call": "group", **degree}


def factory(key):
    """Return the factory of "groups/..." or "models/..."; None for other keys."""
    module, name = key.split("/", 1)
    return {"groups": group, "models": model}[module](name) if module in OWN else None


def group(name):
    """Return the factory of a group."""
    cls, arguments, options = GROUPS[name]
    return lambda: called(f"symmetry.{cls}", *arguments, **options)


def model(name):
    """Return the factory of a network; its group, if any, is named."""
    arguments, options, _ = MODELS[name]
    groups = {"group": group(options["group"])()} if "group" in options else {}
    return lambda: called(f"models.{name}", *arguments, **{**options, **groups})
