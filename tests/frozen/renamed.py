"""What was renamed or dropped on purpose since the snapshot was taken.

Old names are those of the JSON files beside this module. Whatever stands in no table must be as
it was. The lines that start with ``# "`` show the form.
"""

# Old room -> new one: a package inside darboux, or the full name of a module elsewhere.
ROOMS: dict[str, str] = {
    "certify": "certification",
    "experiments": "reproductions",
}

# Premises were classes; they are conditions now, called with the module.
PREMISES = {
    "SlopesWithin": "slopes_within",
    "AdjointOf": "adjoint_of",
    "NormAtMost": "norm_at_most",
    "RowsAtMost": "rows_at_most",
    "IsometryOf": "isometry_of",
    "CocoerciveField": "cocoercive_field",
    "LipschitzField": "lipschitz_field",
    "GradientOfEnergy": "gradient_of_energy",
    "StepWithin": "step_within",
    "CanonicalField": "canonical_field",
    "SeparableField": "separable_field",
    "ReversibleField": "reversible_field",
    "AutonomousField": "autonomous_field",
    "PassiveForm": "passive_form",
    "OneSidedField": "one_sided_field",
    "EquivariantField": "equivariant_field",
}

OF_PREMISES = (*PREMISES, "DivergenceFreeField", "Nonnegative")

# Modules of experiments, which `import reproductions` imports no longer.
TOPICS = [
    "approximate_equivariance",
    "deep_hamiltonian",
    "digits_density",
    "energy",
    "equivariant_denoiser",
    "half_moons",
    "invertible_classifiers",
    "rotated_images",
    "sample_complexity",
    "stability",
    "volume_segmentation",
]

# "room.Old" -> "room.New", or None where it is public no longer; "darboux.Old" for the top level.
# The room on the left is the old one, that on the right the new one.
NAMES: dict[str, str | None] = {
    "flow.PairBijection": "flow.FlowBijection",
    "flow.PairStepBijection": "flow.StepBijection",
    "fields.BoundGradientField": "fields.PreparedGradientField",
    "fields.bind_together": "fields.prepare_together",
    "structure.DivergenceFreeField": "structure.divergence_free_parts",
    "structure.Nonnegative": "structure.nonnegative_entries",
    **{f"structure.{old}": f"structure.{new}" for old, new in PREMISES.items()},
    "structure.chain": "structure.composition",
    "structure.parts_of": "structure.maps_of",
    "testing.check_bind": "testing.check_prepare",
    **{f"experiments.{topic}": None for topic in TOPICS},
    # "testing.tolerance": None,
}

# The reason of each None above and below, by the same key.
DROPPED: dict[str, str] = {
    **{
        f"structure.{old}.{name}": "Premise has it"
        for old in OF_PREMISES
        for name in ("key", "statement")
    },
    "fields.GradientField.bind_to": "PreparedGradientField(field, scale) says the same",
    "bijections.CouplingLaw.volume_preserving": "nothing reads it",
    "scalars": "a function: symmetry.scalars(group, channels), beside Feature",
    **{f"experiments.{topic}": "a module, imported when it is run" for topic in TOPICS},
    # "testing.tolerance": "only the checks use it",
}

# Old parameter -> new one, everywhere or in one place ("room.Name.old"); None where dropped.
PARAMETERS: dict[str, str | None] = {
    "flow.PairBijection.doubled": "flow",
    "kernel": "kernel_size",
    "padding": "padding_mode",
    "symmetry.mackey_matrix.kernel": "kernel",
    "flow.advance.bound": "prepared",
    # "linear.Conv.dim": "spatial_dims",
}

# "room.Name" -> why its signature was changed beyond names of parameters; it is not compared.
SIGNATURES: dict[str, str] = {
    **{f"structure.{old}": "a condition, called with the module" for old in PREMISES},
    "structure.DivergenceFreeField": "a condition, called with the module",
    "structure.Nonnegative": "a condition, called with the module",
    "structure.Premise": "has its condition and values as data",
    "certify.Finding": "an attack may be undecided",
    "certify.Target": "points may have to stay near the inputs, and values may not be finite",
    "density.FlowDistribution": "takes the bijection and the base instead of the whole flow",
    "data.Picture": "the type of the samples and their levels instead of the number of bits",
    # "flow.odeint": "times come before the field",
}

# Old public member -> new one, everywhere or in one class ("room.Name.old"); None where dropped.
METHODS: dict[str, str | None] = {
    **{f"structure.{old}.{name}": None for old in OF_PREMISES for name in ("key", "statement")},
    "bijections.CouplingLaw.volume_preserving": None,
    "flow.FlowBijection.parts": "maps",
    "flow.PairBijection.parts": "maps",
    "fields.GradientField.bind_to": None,
    "bind": "prepare",
    "bound": "prepare",
    "chain": "maps",
    "scalars": None,
    "data.Picture.bits": "dtype",
    "linear.Stencil.kernel": "kernel_size",
    "training.DenoiseConfig.kernel": "kernel_size",
    # "bijections.Bijection.push": None,
}

# Old class of a structure or a premise -> new one, also where it stands in a sentence.
STRUCTURES: dict[str, str] = {
    "DivergenceFreeField": "divergence_free_parts",
    "Nonnegative": "nonnegative_entries",
    **PREMISES,
    # "LipschitzField": "LipschitzOfField",
}

# Prefix of "module/case" of the catalogue -> its new form; the longest one that fits counts.
CASES: dict[str, str] = {
    "implicit/": "integrators/",
    "symplectic/": "integrators/",
    "discrete_gradients/": "integrators/",
    "adaptive/": "integrators/",
    "geometric_flows/": "flow/",
    "phase_fields/": "fields/",
    "passive/": "fields/",
    "couplings/": "bijections/couplings-",
    "linear_bijections/": "bijections/linear_bijections-",
    "residual_bijections/": "bijections/residual_bijections-",
    "chains/": "bijections/chains-",
    "densities/": "density/",
}

# Old module of the tests -> new one, beyond what ROOMS says about tests/<room>.
MODULES: dict[str, str] = {
    # "tests.certify.geometric_faults": "tests.certification.faults",
}

# Cases whose claims rest on more premises: constants, properties and methods are attacked.
MORE_PREMISES: dict[str, tuple[str, ...]] = {
    "chains": (
        "flow",
        "flow-in-chain",
        "flow-step",
        "leapfrog",
        "leapfrog-step",
        "reversible-heun",
    ),
    "flow": (
        "average",
        "euler-conv-clip",
        "euler-norm",
        "euler-rows",
        "improved-euler-shared",
        "kutta3-limit",
        "kutta4-horizon",
        "lifted",
        "linear-damped",
        "post-activation",
        "ralston2-uniform",
        "ralston3-uniform",
        "residual",
    ),
    "geometric_flows": (
        "composition",
        "coupled-verlet",
        "gauss-hamiltonian",
        "gonzalez-hamiltonian",
        "gonzalez-interconnection",
        "gonzalez-port-damped",
        "implicit-euler-stiff",
        "itoh-abe-gradient",
        "leapfrog-doubled",
        "lifted-hyperbolic",
        "lobatto-stiff",
        "mean-value-learned",
        "radau-stiff",
        "reversible-heun-doubled",
        "splitting-coupled",
        "splitting-divergence-free",
        "splitting-shears",
        "symplectic-euler",
        "symplectic-euler-kick",
        "verlet",
        "verlet-conv",
        "verlet-implicit",
        "verlet-reversible",
    ),
    "models": (
        "denoiser",
        "equivariant_nonexpansive_denoiser",
        "hamiltonian_block",
        "hyperbolic_block",
        "parabolic_block",
        "unconstrained_denoiser",
    ),
}

# "module/case/number" or "fault" -> why that number of the snapshot is compared no longer.
CHANGED: dict[str, str] = {
    **{
        f"{module}/{name}/claims": "more premises"
        for module, names in MORE_PREMISES.items()
        for name in names
    },
    **dict.fromkeys(
        ("flows/step 1.5 times too long", "flows/negative step"),
        "the limit is stated with the fraction of it that the rule keeps to",
    ),
    **dict.fromkeys(
        (
            "flows/integrator goes further than told",
            "geometric/coefficients are not symmetric",
            "geometric/explicit Euler, sold as symplectic",
            "geometric/Euler back, sold as an inverse",
            "geometric/explicit Euler, sold as B-stable",
            "geometric/midpoint rule, sold as a discrete gradient",
        ),
        "refuted as a premise, too",
    ),
    # "flow/euler-rows/gradient": "...",
}
