"""What the fields of section 2.1.2 refuse, and in which words."""

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.fields import halves, join
from tests.catalogue.fields.phase import CASES

LEARNED = ["learned-2-driven", "separable-3", "extended-1-driven"]


@pytest.mark.parametrize("name", ["hamiltonian-1-tanh", "coupled-1-sigmoid", *LEARNED])
@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 4)])
def test_odd_channel_counts_are_refused(name, shape):
    match = rf"even number of channels \(position, momentum\).*got {shape[1]} .*with a Lift"
    with pytest.raises(ValueError, match=match):
        CASES[name]()(0.0, torch.zeros(shape))


def test_states_without_channels_are_refused():
    with pytest.raises(ValueError, match=r"got no channel axis, shape \(4,\)"):
        halves(torch.zeros(4))


def test_join_refuses_unequal_halves():
    with pytest.raises(ValueError, match=r"of one shape; got \(2, 3\) and \(2, 2\)"):
        join(torch.zeros(2, 3), torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("energy", "match"),
    [
        (lambda t, z, p: z * p, r"\(batch,\) = \(3,\); got \(3, 2\).*sum over channels and space"),
        (lambda t, z, p: (z * p).sum(), r"\(batch,\) = \(3,\); got \(\).*not over the batch"),
        (lambda t, z, p: (z * p).sum(1, keepdim=True), r"got \(3, 1\)"),
    ],
)
def test_energies_that_are_no_number_for_each_sample_are_refused(energy, match):
    field = dx.fields.LearnedHamiltonianField(energy)
    x = torch.ones(3, 4)
    z, p = halves(x)
    calls = (
        lambda: field(0.0, x),
        lambda: field.energy(0.0, x),
        lambda: field.drift(0.0, z, p),
        lambda: field.kick(0.0, z, p),
    )
    for call in calls:
        with pytest.raises(ValueError, match=match):
            call()


def test_energies_that_are_no_tensor_are_refused():
    field = dx.fields.LearnedHamiltonianField(lambda t, z, p: 1.0)
    with pytest.raises(
        TypeError, match=r"expected energies of shape \(batch,\) = \(3,\); got float"
    ):
        field(0.0, torch.ones(3, 4))


def test_separable_energies_say_which_one_is_wrong():
    kinetic = dx.fields.KineticEnergy(2)
    field = dx.fields.SeparableHamiltonianField(kinetic, lambda t, z: z)
    with pytest.raises(ValueError, match=r"potential: expected energies.*got \(3, 2\)"):
        field(0.0, torch.ones(3, 4))
    field = dx.fields.SeparableHamiltonianField(lambda t, p: p.sum(), kinetic)
    with pytest.raises(ValueError, match=r"kinetic: expected energies.*got \(\)"):
        field(0.0, torch.ones(3, 4))


def test_what_cannot_be_called_is_no_energy():
    with pytest.raises(TypeError, match=r"energy to be a function of 3 arguments; got 1\.0"):
        dx.fields.LearnedHamiltonianField(1.0)
    with pytest.raises(TypeError, match="potential to be a function of 2 arguments; got None"):
        dx.fields.SeparableHamiltonianField(dx.fields.KineticEnergy(1), None)


@pytest.mark.parametrize("energy", [nn.Linear(2, 1), lambda x: x, dx.fields.NetworkEnergy])
def test_a_network_of_one_input_is_no_energy_yet(energy):
    message = r"function of 3 arguments; got .*\. .*NetworkEnergy\(network\) is one"
    with pytest.raises(TypeError, match=message):
        dx.fields.LearnedHamiltonianField(energy)
    with pytest.raises(TypeError, match=r"potential to be .* of 2 .* of \(t, p\), or \(t, z\)"):
        dx.fields.SeparableHamiltonianField(dx.fields.KineticEnergy(1), energy)


class _Any(nn.Module):
    def forward(self, *arguments):
        return arguments[1].sum(dim=1)


@pytest.mark.parametrize("energy", [_Any(), torch.mean, torch.nn.DataParallel(_Any())])
def test_energies_that_do_not_tell_their_arguments_are_taken(energy):
    assert dx.fields.LearnedHamiltonianField(energy).hamiltonian is energy


def test_a_network_that_reduces_over_the_batch_is_refused():
    field = dx.fields.LearnedHamiltonianField(dx.fields.NetworkEnergy(_Sum()))
    with pytest.raises(ValueError, match=r"batch 3; got \(\).*not reduce over samples"):
        field(0.0, torch.ones(3, 4))


class _Sum(nn.Module):
    def forward(self, x):
        return x.sum()


def test_energies_refuse_other_momenta():
    with pytest.raises(ValueError, match=r"p of shape \(batch, 2, \*space\); got \(3, 4\)"):
        dx.fields.KineticEnergy(2)(0.0, torch.ones(3, 4))
    energy = dx.fields.NetworkEnergy(nn.Linear(4, 1, bias=False))
    for p in (None, [1.0], torch.ones(3, 2, dtype=torch.int64)):
        with pytest.raises(TypeError, match="NetworkEnergy: expected a tensor of real floating"):
            energy(0.0, torch.ones(3, 2), p)


@pytest.mark.parametrize("features", [0, -1, 1.5, True])
def test_kinetic_energy_needs_a_positive_number_of_masses(features):
    error = ValueError if features in (0, -1) else TypeError
    with pytest.raises(error, match=f"features to be a positive integer; got {features}"):
        dx.fields.KineticEnergy(features)


def test_maps_of_a_hamiltonian_field_act_on_one_space():
    dense, tanh = dx.linear.Dense, dx.activations.Tanh()
    with pytest.raises(ValueError, match="got in_features 4 and 3, dim 0 and 0"):
        dx.fields.HamiltonianField(dense(4, 2), dense(3, 2), tanh)
    with pytest.raises(ValueError, match="got in_features 2 and 2, dim 0 and 1"):
        dx.fields.HamiltonianField(dense(2, 2), dx.linear.Conv(2, 2, kernel_size=3, dim=1), tanh)


def test_activations_of_a_hamiltonian_are_elementwise():
    maps = dx.linear.Dense(4, 2), dx.linear.Dense(4, 2)
    sort, tanh = dx.activations.GroupSort(), dx.activations.Tanh()
    for build in (
        lambda: dx.fields.HamiltonianField(*maps, sort),
        lambda: dx.fields.HamiltonianField(*maps, tanh, activation_z=sort),
        lambda: dx.fields.SecondOrderField(maps[0], sort),
        lambda: dx.fields.PotentialEnergy(maps[0], sort),
    ):
        with pytest.raises(TypeError, match="got GroupSort, which mixes channels"):
            build()


def test_the_coupled_field_needs_a_square_map():
    with pytest.raises(ValueError, match=r"got 4 -> 6\. Use a square map, or HamiltonianField"):
        dx.fields.CoupledField(dx.linear.Dense(4, 6), dx.activations.Tanh())


@pytest.mark.parametrize(
    "inner",
    [
        lambda: dx.fields.CoupledField(dx.linear.Dense(2, 2), dx.activations.Tanh()),
        lambda: dx.fields.GradientField(dx.linear.Dense(4, 2), dx.activations.Tanh()),
        lambda: nn.Linear(4, 4),
    ],
)
def test_only_hamiltonian_fields_are_extended(inner):
    field = inner()
    with pytest.raises(TypeError, match=f"got a {type(field).__name__}.* needs an energy"):
        dx.fields.ExtendedPhaseSpace(field)


def test_extended_states_are_dense_and_have_a_time():
    field = CASES["extended-1-driven"]()
    with pytest.raises(ValueError, match="one time and not one for every pixel"):
        field(0.0, torch.zeros(2, 4, 5))
    with pytest.raises(ValueError, match="one time and not one for every pixel"):
        field.extend(torch.zeros(2, 2, 5), t=0.0)
    with pytest.raises(ValueError, match=r"at least 4 channels; got 2\. Use extend"):
        field(0.0, torch.zeros(2, 2))


@pytest.mark.parametrize("t", [torch.zeros(2), torch.zeros(3, 2)])
def test_times_are_one_for_all_or_one_for_each(t):
    match = r"one entry for each sample, \(3, 1\); got \(.*\) for a batch of 3"
    with pytest.raises(ValueError, match=match):
        CASES["learned-2-driven"]()(t, torch.zeros(3, 4))
    with pytest.raises(ValueError, match=match):
        CASES["extended-1-driven"]().extend(torch.zeros(3, 2), t=t)
