"""Wrong calls of every public name get a sentence: one argument or input wrong at a time."""

import random
from types import ModuleType

import pytest

import darboux as dx
from tests.conventions.wrong_calls import (
    Recorder,
    build_cases,
    outcome,
    run_examples,
    summary,
    wrong_arguments,
)

ROOMS = [
    name for name in dx.__all__ if name != "testing" and isinstance(getattr(dx, name), ModuleType)
]

# What is accepted though the signature alone does not say so, and why: room.Name.parameter.
SENSIBLE = {
    "activations.LeakyReLU.slope": "any finite number",
    "compose.Residual.scale": "any finite number",
    "compose.Translated.offset": "any finite number",
    "deploy.FrozenShears.h": "any finite number",
    "deploy.scaled_rows.scale": "any finite number",
    "imaging.reconstruct.physics": "None is the identity",
    "linear.Scaled.factor": "any finite number",
    "manifolds.frechet_mean.dim": "an axis from the end",
    "manifolds.sym_powm.p": "any finite number",
    "density.bits_per_dimension.nll": "any number, also infinite",
    "structure.Premise.subject": "anything that meets a condition",
    "diagnostics.modified_hamiltonian.h": "any number or array, of steps and times",
    "diagnostics.spectrum.t": "any number or array, of steps and times",
    "flow.field_energy.time": "any number or array, of steps and times",
    "flow.odeint.t": "any number or array, of steps and times",
    "symmetry.equivariance_error.g": "the identity",
}

# Records that the library makes and hands out, and functions that every step calls with what it
# made: nobody else calls them, and checks would cost as much as they do.
RECORDS = {
    "fields.DriftPart",
    "fields.KickPart",
    "fields.PlanarPart",
    "fields.PreparedGradientField",
    "fields.Shear",
    "fields.halves",
    "fields.join",
    "fields.prepare_together",
    "flow.Step",
    "flow.StepBijection",
    "flow.advance",
    "flow.as_float",
    "flow.required_limit",
    "flow.step_limit",
    "integrators.Increment",
    "integrators.lacks",
    "integrators.require",
    "gradients.DriftReport",
    "gradients.gradients_of",
    "gradients.propagate",
    "structure.average",
    "structure.closure",
    "structure.composition",
    "structure.endomorphism",
    "structure.merge_premises",
    "structure.residual",
    "density.DiscretisationError",
    "density.FlowDistribution",
    "density.FlowTransform",
    "density.History",
    "density.Transported",
    "imaging.Reconstruction",
    "transport.GeodesicDeviation",
    "transport.LineShape",
    "transport.TransportScore",
}


def wrong_calls(room, *, examples):
    """Return the wrong calls of a room's public names, and of the forward of its modules."""
    record = Recorder(room)
    for thing in record.names if examples else ():
        run_examples(thing, record)
    build_cases(room, record)
    good = [call for name in record.good if name not in RECORDS for call in record.good[name]]
    return [(call, *wrong) for call in good for wrong in wrong_arguments(call, SENSIBLE)]


def require_clear(calls):
    """Assert that nothing hangs, no nonsense is accepted, and errors say what to do."""
    outcomes = [outcome(*rest, fine=fine) for *rest, fine in calls]
    bad = [o for o in outcomes if o.kind in ("cryptic", "nonsense")]
    cryptic = [o for o in bad if o.kind == "cryptic"]
    hangs = [o for o in cryptic if "takes more" in o.said]
    if hangs or len(cryptic) < len(bad) or len(cryptic) > 0.02 * len(outcomes):
        lines = "\n".join(map(str, bad))
        pytest.fail(f"{dict(summary(outcomes))} of {len(outcomes)} wrong calls\n{lines}")


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_wrong_calls_of_a_room(room):
    require_clear(wrong_calls(room, examples=True))


@pytest.mark.long
def test_some_wrong_calls():
    rooms = ("activations", "density", "fields", "flow", "integrators", "linear", "symmetry")
    calls = [call for room in rooms for call in wrong_calls(room, examples=False)]
    require_clear(random.sample(calls, 600))
