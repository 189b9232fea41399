"""The conformance kit: prove your own class with the checks that the built-in ones pass.

A check is a function that returns None or raises AssertionError with the numbers.
Those of this module take a factory and an example; those of a room take the thing
itself, for instance a linear map. `tolerance` says how much rounding is allowed.
`tests.catalogue` holds the cases to which our own tests apply them.

Example:
    >>> import torch
    >>> from darboux.testing import check_gradients
    >>> check_gradients(lambda: torch.nn.Linear(3, 2), torch.ones(4, 3))
"""

from darboux.testing._checks.activations import check_antiderivative, check_claims, check_slopes
from darboux.testing._checks.bijections import (
    check_log_det,
    check_round_trip,
    check_tails,
    check_undo,
)
from darboux.testing._checks.contractivity import (
    check_contraction_at_any_step,
    check_lipschitz_factor,
    check_radius,
    check_radius_is_sharp,
    largest_linear_growth,
)
from darboux.testing._checks.discrete_gradients import (
    check_balance,
    check_convergence,
    check_discrete_gradient,
    check_energy_drift,
)
from darboux.testing._checks.edges import (
    check_empty_batch,
    check_export,
    check_half_precision,
    check_meta_device,
    check_nan,
)
from darboux.testing._checks.equivariance import check_equivariant
from darboux.testing._checks.fields import check_constants, check_energy, check_prepare, check_shape
from darboux.testing._checks.flow import check_descent, check_trajectory
from darboux.testing._checks.lifecycle import (
    LIFECYCLE,
    check_batch_is_loop,
    check_dtypes,
    check_gradients,
    check_input_untouched,
    check_lifecycle,
    check_train_equals_eval,
)
from darboux.testing._checks.linear import (
    check_adjoint,
    check_estimate,
    check_fused,
    check_lower_bound,
    check_norm_bound,
    check_row_bound,
    check_symbol,
    explicit_matrix,
)
from darboux.testing._checks.manifold_batches import (
    check_manifold_batches,
    check_smooth_distance,
)
from darboux.testing._checks.manifold_motions import check_action, check_retraction
from darboux.testing._checks.manifolds import (
    check_distance,
    check_exp_and_log,
    check_geodesic,
    check_points,
    check_projection,
    check_transport,
)
from darboux.testing._checks.passive import (
    check_determinant,
    check_interconnection,
    check_part_volumes,
    check_power,
)
from darboux.testing._checks.phase_fields import (
    check_canonical,
    check_divergence_free,
    check_gradient_form,
    check_part_flows,
    check_reversible,
    check_separable,
    check_time,
)
from darboux.testing._checks.state import check_deepcopy, check_pickle, check_state_dict
from darboux.testing._checks.steps import check_derivatives_of_step, check_order, check_step_sizes
from darboux.testing._checks.symplectic import (
    check_hamiltonian_order,
    check_step_back,
    check_symmetric,
    check_symplectic,
    check_volume,
)
from darboux.testing._checks.transforms import (
    check_autocast,
    check_compile,
    check_derivatives,
    check_functional,
    check_vmap,
)
from darboux.testing._tolerance import assert_close, tolerance

__all__ = [
    "LIFECYCLE",
    "assert_close",
    "check_action",
    "check_adjoint",
    "check_antiderivative",
    "check_autocast",
    "check_balance",
    "check_batch_is_loop",
    "check_canonical",
    "check_claims",
    "check_compile",
    "check_constants",
    "check_contraction_at_any_step",
    "check_convergence",
    "check_deepcopy",
    "check_derivatives",
    "check_derivatives_of_step",
    "check_descent",
    "check_determinant",
    "check_discrete_gradient",
    "check_distance",
    "check_divergence_free",
    "check_dtypes",
    "check_empty_batch",
    "check_energy",
    "check_energy_drift",
    "check_equivariant",
    "check_estimate",
    "check_exp_and_log",
    "check_export",
    "check_functional",
    "check_fused",
    "check_geodesic",
    "check_gradient_form",
    "check_gradients",
    "check_half_precision",
    "check_hamiltonian_order",
    "check_input_untouched",
    "check_interconnection",
    "check_lifecycle",
    "check_lipschitz_factor",
    "check_log_det",
    "check_lower_bound",
    "check_manifold_batches",
    "check_meta_device",
    "check_nan",
    "check_norm_bound",
    "check_order",
    "check_part_flows",
    "check_part_volumes",
    "check_pickle",
    "check_points",
    "check_power",
    "check_prepare",
    "check_projection",
    "check_radius",
    "check_radius_is_sharp",
    "check_retraction",
    "check_reversible",
    "check_round_trip",
    "check_row_bound",
    "check_separable",
    "check_shape",
    "check_slopes",
    "check_smooth_distance",
    "check_state_dict",
    "check_step_back",
    "check_step_sizes",
    "check_symbol",
    "check_symmetric",
    "check_symplectic",
    "check_tails",
    "check_time",
    "check_train_equals_eval",
    "check_trajectory",
    "check_transport",
    "check_undo",
    "check_vmap",
    "check_volume",
    "explicit_matrix",
    "largest_linear_growth",
    "tolerance",
]
