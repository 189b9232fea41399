"""Measures one case: state, values, gradients, claims and constants, in float64."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch import nn

from darboux import structure
from tests.frozen.lookup import asked, called, has, named
from tests.frozen.numbers_of import flat, seed, short, summary

FIELD_FLAGS = ("autonomous", "separable", "canonical", "divergence_free", "exact_parts")
INTEGRATOR_FLAGS = ("b_stable", "symplectic", "symmetric", "by_parts", "energy_exact")
ACTIVATION_FLAGS = ("separable", "nonnegative", "odd", "conservative", "uniform")


def measure(key, recipe, build):
    """Return the record of a case, by the way of calling that its recipe names."""
    thing = prepared(key, build)
    with torch.random.fork_rng():
        record = CALLS[recipe["call"]](key, thing, recipe)
    return {name: value for name, value in record.items() if value is not None}


def prepared(key, build):
    """Build a case and move its parameters, all in float64: draws in float32 vary with CPUs."""
    with torch.random.fork_rng(), drawn_in_float64():
        seed(key)
        thing = build()
        if isinstance(thing, nn.Module):
            thing = thing.double().eval()
            move(key, thing)
            for name, part in gauged(thing):
                fix_gauge(f"{key}:{name}", part)
    return thing


@contextmanager
def drawn_in_float64():
    """Make float64 what tensors have by default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def move(key, module):
    """Add a tenth of normal numbers to the parameters, each seeded by its name."""
    with torch.no_grad():
        for name, parameter in parameters_of(module):
            seed(f"{key}:{name}")
            parameter.add_(0.1 * torch.randn(parameter.shape, dtype=torch.float64))


def gauged(module):
    """Return the parts whose parameters are coefficients of an orthonormal basis, sorted by name.

    Which basis of a space of kernels or shifts an SVD finds depends on the machine.
    """
    kinds = tuple(named(f"symmetry.{n}") for n in ("EquivariantMap", "TensorProductActivation"))
    affine = named("compose.Affine")
    return sorted(
        (name, part)
        for name, part in module.named_modules()
        if isinstance(asked(part, "map") if isinstance(part, affine) else part, kinds)
    )


def fix_gauge(key, part):
    """Turn the parameters w to ∇⟨A_w x, r⟩: then A_w does not depend on the basis."""
    seed(key)
    linear = asked(part, "map") if has(part, "map") else part
    channels = asked(asked(linear, "source"), "channels")
    space = (6, 5, 4)[: asked(linear, "dim")] if has(linear, "dim") else ()
    y = part(torch.randn(2, channels, *space))
    weights = [parameter for _, parameter in parameters_of(part)]
    turned = torch.autograd.grad((y * torch.randn(y.shape)).sum(), weights)
    with torch.no_grad():
        for weight, direction in zip(weights, turned, strict=True):
            size = weight.norm() / direction.norm().clamp(min=1e-12)
            weight.copy_(size * direction)


def parameters_of(module):
    """Return the parameters that learn, sorted by name."""
    return sorted((n, p) for n, p in module.named_parameters() if p.requires_grad)


def given(key, recipe, name="shape"):
    """Return the input of a recipe, or its context; None where there is none."""
    if recipe.get(name) is None:
        return None
    seed(f"{key}:{name}")
    x = torch.randn(recipe[name], dtype=torch.float64)
    return x.sigmoid() if name == "shape" and recipe.get("unit") else x


def gradient(module, output):
    """Return the gradient of the sum of squares with respect to all parameters.

    Of weights whose basis depends on the machine, the norm of the gradient does not.
    """
    if not parameters_of(module) or not flat(output).requires_grad:
        return None
    module.zero_grad(set_to_none=True)
    flat(output).square().sum().backward()
    turned = {id(p) for _, part in gauged(module) for p in part.parameters()}
    grads = [
        torch.zeros_like(p) if p.grad is None else p.grad.norm() if id(p) in turned else p.grad
        for _, p in parameters_of(module)
    ]
    return summary(grads)


def valued(key, module, evaluate):
    """Return state, output and gradient of a module."""
    seed(f"{key}:call")
    output = evaluate()
    return {
        "state": sorted(module.state_dict()),
        "output": summary(output),
        "gradient": gradient(module, output),
    }


def promised(module):
    """Return the claims of a module, with the classes of their premises, and its gaps."""
    found = named("structure.claims_of")(module)
    return {
        "claims": sorted([claim_of(claim) for claim in asked(found, "claims")]),
        "gaps": sorted({asked(gap, "path") for gap in asked(found, "gaps")}),
    }


def condition_of(premise):
    """Return the name of the condition of a premise."""
    known = vars(structure).items()
    return next(name for name, thing in known if thing == premise.condition)


def claim_of(claim):
    """Return [structure, kind, formula, premises]."""
    structure = asked(claim, "structure")
    premises = sorted({condition_of(premise) for premise in asked(claim, "premises")})
    kind = asked(claim, "kind").name
    return [type(structure).__name__, kind, asked(structure, "describe")(), premises]


def flags(thing, names):
    """Return the declared properties that are true."""
    return [name for name in names if asked(thing, name)]


def of_map(key, module, recipe):
    """Record a module of one tensor."""
    x = given(key, recipe)
    return {**valued(key, module, lambda: module(x)), **promised(module)}


def of_activation(key, module, recipe):
    """Record an activation, with its slopes and its potential."""
    record = of_map(key, module, recipe)
    record["flags"] = flags(module, ACTIVATION_FLAGS)
    record["slopes"] = [short(slope) for slope in asked(module, "slopes")()]
    if asked(module, "conservative"):
        record["potential"] = summary(asked(module, "antiderivative")(given(key, recipe)))
    return record


def of_linear(key, module, recipe):
    """Record a linear map, with its adjoint and its bounds."""
    record = of_map(key, module, recipe)
    y = module(given(key, recipe))
    record["adjoint"] = summary(asked(module, "adjoint")(torch.sin(y.detach())))
    record["norm_bound"] = short(asked(module, "norm_bound")())
    record["row_bound"] = short(asked(module, "row_bound")().sum())
    record["lower_bound"] = short(asked(module, "lower_bound")())
    return record


def of_field(key, module, recipe):
    """Record a field, with its constants and its energy."""
    z = given(key, recipe)
    record = valued(key, module, lambda: module(0.3, z))
    record["flags"] = flags(module, FIELD_FLAGS)
    for constant in ("lipschitz", "one_sided_lipschitz", "cocoercivity"):
        record[constant] = short(asked(module, constant)())
    record["premises"] = sorted({condition_of(premise) for premise in asked(module, "premises")()})
    if has(module, "energy"):
        record["energy"] = summary(asked(module, "energy")(0.3, z))
    return record


def of_bijection(key, module, recipe):
    """Record a bijection, with its log-determinant and its inverse."""
    x, context = given(key, recipe), given(key, recipe, "context")
    forward, back = (asked(module, f"{way}_and_log_det") for way in ("forward", "inverse"))
    record = {**valued(key, module, lambda: forward(x, context)), **promised(module)}
    seed(f"{key}:back")
    y = forward(x, context)[0].detach()
    record["inverse"] = summary(back(0.9 * y, context))
    return record


def of_density(key, module, recipe):
    """Record a density or a base, and samples of it."""
    x, context = given(key, recipe), given(key, recipe, "context")
    if context is None:
        record = valued(key, module, lambda: asked(module, "log_prob")(x))
    else:
        record = valued(key, module, lambda: asked(module, "log_prob")(x, context))
    seed(f"{key}:sample")
    with torch.no_grad():
        record["sample"] = summary(drawn(module, context))
    return record


def drawn(module, context):
    """Return samples of a base, or of a flow given its context."""
    if has(module, "sample"):
        return asked(module, "sample")(3)
    return asked(module(context), "sample")((3,))


class Driven(nn.Module):
    """The field tanh(W z + t) with learned W."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4) / 4)

    def forward(self, t, z):
        return torch.tanh(z @ self.weight + t)


class Steps(nn.Module):
    """Two steps of an integrator."""

    def __init__(self, field, integrator):
        super().__init__()
        self.field = field
        self.integrator = integrator

    def forward(self, z):
        integrator, h = self.integrator, 0.3
        state = asked(integrator, "init")(self.field, 0.1, h, z)
        for t in (0.1, 0.4):
            state = asked(integrator, "step")(self.field, t, h, state)
        return asked(integrator, "value")(state)


def phase_field():
    """Return a field with two shears, whose parts have closed flows."""
    return called("fields.CoupledField", dense(2, 2), named("activations.Tanh")())


def energy_field():
    """Return a field with an energy."""
    return called("fields.HamiltonianField", dense(2, 5), dense(2, 4), named("activations.Tanh")())


def dense(inputs, outputs):
    """Return a dense map."""
    return called("linear.Dense", inputs, outputs)


FIELDS = {"driven": Driven, "phase": phase_field, "energy": energy_field}


def of_integrator(key, integrator, recipe):
    """Record two steps of an integrator on a small field, and its properties."""
    module = prepared(f"{key}:field", lambda: Steps(FIELDS[recipe["field"]](), integrator))
    z = given(key, recipe)
    record = valued(key, module, lambda: module(z))
    record["flags"] = flags(integrator, (*INTEGRATOR_FLAGS, "equivariant", "doubled"))
    record["order"] = asked(integrator, "order")
    record["radius"] = short(asked(integrator, "radius"))
    if integrator.invertible and not asked(integrator, "doubled"):
        back = asked(integrator, "step_back")(module.field, 0.1, 0.3, z)
        record["step_back"] = summary(back)
    return record


def of_group(key, group, recipe):
    """Record a group: its elements, its action and its representations."""
    del key
    names = asked(group, "irreps")(recipe.get("degree"))
    generators = asked(group, "generators")()
    irrep = asked(group, "irrep")
    return {
        "describe": asked(group, "describe")(),
        "order": asked(group, "order"),
        "dim": asked(group, "dim"),
        "irreps": [[n, asked(group, "size")(n), asked(group, "commutant")(n)] for n in names],
        "generators": len(generators),
        "grid": len(asked(group, "grid_elements")()),
        "action": summary([asked(group, "action")(g) for g in generators]),
        "matrices": summary([irrep(n, g) for n in names for g in generators]),
    }


CALLS = {
    "map": of_map,
    "activation": of_activation,
    "linear": of_linear,
    "field": of_field,
    "bijection": of_bijection,
    "density": of_density,
    "integrator": of_integrator,
    "group": of_group,
}
