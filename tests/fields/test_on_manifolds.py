"""Fields on manifolds, and fields whose weights move on one."""

import pytest
import torch

import darboux as dx
from darboux.activations import GroupSort, Identity, LeakyReLU, ReLU, Tanh
from darboux.fields import EvolvingField, GeneratorField, MechanicalField, PotentialField
from darboux.integrators import Euler, Kutta4, LieEuler, MuntheKaas
from darboux.linear import Conv, Dense
from darboux.manifolds import GL, SO, SPD, CotangentBundle, LevelSet, Sphere, Stiefel
from darboux.testing import LIFECYCLE, check_constants, check_prepare, check_shape
from tests.catalogue.fields.on_manifolds import CASES, EVOLVING, HOMOGENEOUS, MECHANICAL, states_of
from tests.lifecycles import lifecycle_cases


@pytest.mark.parametrize("name", CASES)
def test_shape(name):
    field = CASES[name]()
    check_shape(field, states_of(field, dtype=torch.float32))
    check_shape(field.double(), states_of(field))


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(CASES))
def test_lifecycle(name, check):
    LIFECYCLE[check](CASES[name], (0.3, states_of(CASES[name](), dtype=torch.float32)))


@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_values_are_tangent(name):
    field = HOMOGENEOUS[name]().double()
    x = states_of(field)
    value = field(0.3, x)
    torch.testing.assert_close(field.manifold.project(x, value), value)


@pytest.mark.parametrize("name", MECHANICAL)
def test_forces_of_constraint_keep_velocities_tangent(name):
    """A step of Euler's method leaves the bundle by O(h²) alone."""
    field = MECHANICAL[name]().double()
    x = states_of(field)
    slope = field(0.0, x)
    first, second = (field.manifold.defect(x + h * slope) for h in (1e-4, 1e-5))
    assert (first < 1e-5).all()
    assert (second < 0.02 * first + 1e-12).all()


@pytest.mark.parametrize("name", ["potential-sphere", "potential-spd"])
def test_a_potential_falls_as_fast_as_its_gradient_is_long(name):
    field = HOMOGENEOUS[name]().double()
    x = states_of(field)
    slope = field(0.0, x)
    _, fall = torch.func.jvp(lambda y: field.energy(0.0, y), (x,), (slope,))
    torch.testing.assert_close(fall, -field.manifold.inner(x, slope, slope))


def test_a_potential_on_flat_space_is_the_gradient_field():
    """Equation (16), with the metric of flat space."""
    flat = PotentialField(dx.manifolds.Euclidean(4), Dense(4, 6), ReLU())
    plain = dx.fields.GradientField(flat.map, ReLU(), metric="norm")
    x = torch.randn(3, 4)
    torch.testing.assert_close(flat(0.0, x), plain(0.0, x))
    torch.testing.assert_close(flat.energy(0.0, x), plain.energy(0.0, x))


def test_a_flow_falls_and_stays():
    sphere = Sphere(3)
    field = PotentialField(sphere, Dense(3, 8), Tanh())
    flow = dx.Flow(field, LieEuler(), horizon=2.0, steps=20)
    energies = torch.stack([field.energy(0.0, x) for x in flow.trajectory(sphere.random_point(5))])
    assert (energies.diff(dim=0) <= 1e-6).all()


def test_images_of_points_flow_point_by_point():
    field = HOMOGENEOUS["potential-spd"]()
    flow = dx.Flow(field, LieEuler(), horizon=0.1, steps=2)
    images = SPD(3).random_point(2, 4, 5)
    one = flow(images.reshape(-1, 3, 3)).reshape(images.shape)
    torch.testing.assert_close(flow(images), one)
    assert field.energy(0.0, images).shape == (2,)


@pytest.mark.parametrize("name", EVOLVING)
def test_constants(name):
    field = EVOLVING[name]().double()
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(torch.randn_like(parameter))
    check_constants(field, states_of(field))
    check_prepare(field, states_of(field))


@pytest.mark.parametrize("name", EVOLVING)
@pytest.mark.parametrize("size", [1.0, 100.0])
def test_weights_stay_on_their_manifold(name, size):
    field = EVOLVING[name]()
    with torch.no_grad():
        field.ways.copy_(size * torch.randn_like(field.ways))
    weights = field.weights().double()
    gram = weights.mT @ weights - torch.eye(4)
    assert torch.linalg.matrix_norm(gram, 2).max() <= 1e-6


def test_weights_move_by_exponentials():
    """θ_{k+1} = exp(h M_k) θ_k, equation (59) as the paper discretises it."""
    field = EVOLVING["evolving-so"]().double()
    weights = field.weights()
    for k, way in enumerate(field.ways[1:]):
        turn = SO(4).project(weights[k], way) @ weights[k].T
        torch.testing.assert_close(weights[k + 1], torch.matrix_exp(turn / 3) @ weights[k])


def test_weights_and_features_solve_one_equation():
    """Kutta's method has its order, also along the stages between."""
    field = EvolvingField(SO(3), Tanh(), steps=2, form="residual").double()
    with torch.no_grad():
        field.ways.copy_(torch.randn_like(field.ways))
    z = torch.randn(4, 3, dtype=torch.float64)

    def end(steps):
        return dx.Flow(field, Kutta4(), steps=steps)(z)

    errors = [(end(steps) - end(128)).norm() for steps in (8, 16)]
    assert 3.7 < torch.log2(errors[0] / errors[1]) < 4.4
    times = torch.linspace(0, 1, 129)
    torch.testing.assert_close(dx.odeint(field, z, times, method="rk4")[-1], end(128))


def test_times_may_be_tensors_one_for_each_sample():
    field = EVOLVING["evolving-stiefel"]()
    z = torch.randn(3, 4)
    times = torch.tensor([-0.5, 0.7, 3.0])
    each = torch.cat([field(float(t), z[k : k + 1]) for k, t in enumerate(times)])
    torch.testing.assert_close(field(times[:, None], z), each)
    torch.testing.assert_close(field(times[1], z), field(float(times[1]), z))


@pytest.mark.parametrize("activation", [ReLU(), Tanh()], ids=repr)
def test_contractive_whatever_the_weights(activation):
    field = EvolvingField(Stiefel(6, 4), activation, steps=3)
    flow = dx.Flow(field, Euler(), horizon=6.0, steps=3)
    claim = flow.claims().find(dx.Lipschitz)
    assert claim.structure == dx.Lipschitz(1.0)
    assert claim.kind is dx.structure.Kind.CONSTRUCTION
    assert dx.certify(flow, torch.randn(3, 4), effort="quick").verdict == "holds"


def test_a_rotation_alone_has_no_cocoercivity():
    residual = EvolvingField(SO(4), Tanh(), steps=1, form="residual")
    assert residual.cocoercivity() is None
    assert residual.one_sided_lipschitz() == residual.lipschitz() == 1.0
    assert EvolvingField(SO(4), LeakyReLU(slope=-0.2), steps=1).cocoercivity() is None


def test_learned_jointly():
    """Gradients reach M, and what they find is orthogonal all the same."""
    field = EvolvingField(SO(4), Identity(), steps=2, form="residual")
    flow = dx.Flow(field, Kutta4(), steps=2)
    x = torch.randn(64, 4)
    y = x @ torch.matrix_exp(torch.diag(torch.ones(3), 1) - torch.diag(torch.ones(3), -1))
    optimizer = torch.optim.Adam(field.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (flow(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert SO(4).check(field.weights())[0]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: EvolvingField(Sphere(3), Tanh(), steps=2), "orthonormal columns; got Sphere"),
        (lambda: EvolvingField(GL(3), Tanh(), steps=2), "orthonormal columns; got GL"),
        (
            lambda: EvolvingField(Stiefel(5, 2), Tanh(), steps=2, form="residual"),
            r"square weights.*Use SO\(2\)",
        ),
        (lambda: EvolvingField(SO(4), GroupSort(), steps=2), "acts on every entry alone"),
        (lambda: EvolvingField(SO(4), Tanh(), steps=0), "positive integer"),
        (lambda: PotentialField(Sphere(3), Dense(4, 6), Tanh()), r"3 entries.*Dense\(3, ...\)"),
        (
            lambda: PotentialField(Sphere(3), Conv(3, 3, kernel_size=3, dim=2), Tanh()),
            "3 entries",
        ),
        (lambda: GeneratorField(LevelSet(len, (3,)), Tanh()), "manifold to be a HomogeneousSpace"),
        (lambda: CotangentBundle(SPD(3)), "with the equations of a manifold"),
        (lambda: MechanicalField(Sphere(3), None), "potential to be a function"),
    ],
)
def test_bad_arguments(call, match):
    with pytest.raises((TypeError, ValueError), match=match):
        call()


def test_odeint_takes_fields_on_manifolds():
    """One system, and a batch."""
    field = HOMOGENEOUS["tangent-so3"]().double()
    x = SO(3).random_point(2, dtype=torch.float64)
    method = MuntheKaas(4)
    batch = dx.odeint(field, x, [0.0, 0.5, 1.0], method=method, step_size=0.1)
    one = dx.odeint(field, x[0], [0.0, 0.5, 1.0], method=method, step_size=0.1)
    torch.testing.assert_close(batch[:, 0], one)
    assert SO(3).check(batch)[0]


@pytest.mark.parametrize(
    "manifold",
    [
        *(SO(3), dx.manifolds.SE(3), dx.manifolds.Symplectic(4), Stiefel(5, 2), Sphere(3)),
        *(dx.manifolds.Power(SO(3), 2), dx.manifolds.Product(Sphere(3), SO(2))),
    ],
    ids=str,
)
def test_whatever_a_generator_field_returns_points_stay(manifold):
    """Its values are projected onto the algebra, where elements stay."""
    matrix = torch.randn(manifold.algebra, dtype=torch.float64) / 3
    field = GeneratorField(manifold, lambda t, x: matrix)
    x = manifold.random_point(3, dtype=torch.float64)
    assert manifold.check(dx.Flow(field, MuntheKaas(4), steps=3)(x))[0]
    xi = manifold.project_algebra(matrix)
    torch.testing.assert_close(manifold.project_algebra(xi), xi)
    tangent = manifold.infinitesimal(xi, x)
    torch.testing.assert_close(manifold.project(x, tangent), tangent)


@pytest.mark.parametrize(
    ("field", "x", "expected"),
    [
        (dx.fields.TangentField(Sphere(3), lambda t, x: x), torch.ones(2, 4), "points"),
        (dx.fields.TangentField(Sphere(3), lambda t, x: x[:, :1]), torch.ones(2, 3), "values"),
        (GeneratorField(SO(3), lambda t, x: x[..., 0]), torch.eye(3)[None], "elements"),
        (GeneratorField(SO(3), lambda t, x: x), torch.eye(2)[None], "points"),
        (PotentialField(SO(2), Dense(4, 2), Tanh()), torch.ones(1, 4), "points"),
    ],
)
def test_shapes_that_would_broadcast_are_refused(field, x, expected):
    with pytest.raises(ValueError, match=rf"Field on .*: expected {expected} .*; got \("):
        dx.Flow(field, LieEuler(), steps=1)(x)
