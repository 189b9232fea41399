"""The ways to a gradient of a flow agree with backpropagation, and keep what they say."""

import copy
import io
import math
import pickle
from fractions import Fraction

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.gradients import Checkpoint, DriftWarning, OpenLayerError
from darboux.gradients._checkpoint import part
from darboux.integrators import (
    DormandPrince,
    Euler,
    Gauss,
    Kutta3,
    Kutta4,
    LeapfrogMidpoint,
    LobattoIIIC,
    RadauIA,
    RadauIIA,
    ReversibleHeun,
    RungeKutta,
    StormerVerlet,
    Tableau,
)
from tests.catalogue.fields.on_manifolds import HOMOGENEOUS, states_of
from tests.catalogue.integrators import CASES, ON_MANIFOLDS, SYMPLECTIC

F64 = torch.float64
EXACT = ["adjoint", "checkpoint", Checkpoint(1), Checkpoint(3)]
STEPS = 5
MECHANICAL = {"rattle", "variational_rigid_body"}  # of systems with constraints
SLOW = {
    *(name for name in CASES if name.startswith(("composition", "adaptive", "itoh", "dormand"))),
    *("gauss2_newton", "gauss4", "gauss6", "radau_iia5", "lobatto_iiic4", "mean-value"),
    *("crouch_grossman4", "munthe_kaas2", "munthe_kaas3"),
} - {"composition4", "itoh-abe", "dormand_prince_coarse"}
NAMES = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name in sorted(set(CASES) - MECHANICAL)
]


def residual(features=4):
    return dx.fields.ResidualField(dx.linear.Dense(features, features), dx.activations.Tanh())


def canonical():
    maps = dx.linear.Dense(2, 3), dx.linear.Dense(2, 3)
    return dx.fields.HamiltonianField(*maps, dx.activations.Tanh())


def energetic():
    return dx.fields.GradientField(dx.linear.Dense(4, 6), dx.activations.Tanh())


def fields_for(method, count=STEPS):
    """Return fields that a method steps, and points of theirs."""
    for build in (residual, canonical, energetic):
        try:
            method.require(build())
        except TypeError:
            continue
        return [build().double() for _ in range(count)], torch.randn(3, 4, dtype=F64)
    of = "tangent-sphere" if "Projected" in repr(method) else "generator-so3"
    fields = [HOMOGENEOUS[of]().double() for _ in range(count)]
    return fields, states_of(fields[0])


def gradient_of(flow, z, *, every=False):
    """Return values and one vector of all derivatives."""
    z = z.clone().requires_grad_()
    out = flow.trajectory(z) if every else flow(z)
    weights = torch.linspace(0.5, 1.5, out.numel(), dtype=out.dtype).reshape(out.shape)
    wanted = [z, *(p for p in flow.parameters() if p.requires_grad)]
    found = torch.autograd.grad((out * weights).sum(), wanted, materialize_grads=True)
    return out.detach(), torch.cat([g.flatten() for g in found])


def difference(found, exact):
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("every", [False, True], ids=["end", "trajectory"])
@pytest.mark.parametrize("name", NAMES)
def test_exact_ways_agree_with_backpropagation(name, every):
    method = CASES[name]()
    fields, z = fields_for(method, 3 if name in ON_MANIFOLDS else STEPS)
    value, exact = gradient_of(dx.Flow(fields, method), z, every=every)
    for way in EXACT:
        found = gradient_of(dx.Flow(fields, method, gradient=way), z, every=every)
        torch.testing.assert_close(found[0], value, rtol=0, atol=0)
        assert difference(found[1], exact) < 1e-12


@pytest.mark.parametrize("name", sorted(set(SYMPLECTIC) - SLOW))
def test_steps_undone_give_the_gradient_to_the_accuracy_of_their_monitor(name):
    method = SYMPLECTIC[name]()
    fields, z = fields_for(method, 12)
    flow = dx.Flow(fields, method, gradient="reversible")
    _, exact = gradient_of(dx.Flow(fields, method), z)
    _, found = gradient_of(flow, z)
    assert difference(found, exact) < 1e-10
    report = flow.drift_report()
    assert report.links == 12
    assert report.error <= flow.monitor.accuracy_for(F64)
    assert report.checkpoints == (0,)
    if method.doubled:
        x = flow.doubled().start(z).detach()
        _, exact = gradient_of(dx.Flow(fields, method).doubled(), x)
        assert difference(gradient_of(flow.doubled(), x)[1], exact) < 1e-10


def test_where_undoing_magnifies_rounding_gradients_come_from_checkpoints():
    field, z = canonical().double(), torch.randn(4, 4, dtype=F64)
    with torch.no_grad():
        for p in field.parameters():
            p.mul_(8)
    given = {"horizon": 20.0, "steps": 80}
    flow = dx.Flow(field, StormerVerlet(), **given, gradient="reversible")
    _, exact = gradient_of(dx.Flow(field, StormerVerlet(), **given), z)
    with pytest.warns(DriftWarning):
        _, found = gradient_of(flow, z)
    assert difference(found, exact) < 10 * flow.monitor.accuracy_for(F64)
    assert len(flow.drift_report().checkpoints) > 1


class Stiff(dx.fields.VectorField):
    """A stiff linear field with a forcing that looks at the time."""

    def __init__(self):
        super().__init__()
        self.rates = nn.Parameter(torch.tensor([-900.0, -1.0, -0.1]))

    def forward(self, t, z):
        return z * self.rates + torch.cos(torch.as_tensor(t, dtype=z.dtype)) * self.rates[1]


class Lorenz(dx.fields.VectorField):
    """The chaotic field of Lorenz."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([10.0, 28.0, 8 / 3]))

    def forward(self, t, z):
        x, y, w = z.unbind(1)
        a, b, c = self.weights
        return torch.stack([a * (y - x), x * (b - w) - y, x * y - c * w], dim=1)


@pytest.mark.parametrize("way", EXACT, ids=repr)
def test_stiff_and_chaotic_fields(way):
    z = torch.randn(2, 3, dtype=F64)
    for field, method, horizon, steps in (
        (Stiff(), RadauIIA(3), 1.0, 8),
        (Stiff(), Kutta4(), 0.05, 30),
        (Lorenz(), Kutta4(), 5.0, 150),
        (Lorenz(), DormandPrince(rtol=1e-4), 1.0, 2),
    ):
        if way == Checkpoint(1) and steps > 100:
            continue  # it would take 11000 steps
        field, given = field.double(), {"horizon": horizon, "steps": steps}
        _, exact = gradient_of(dx.Flow(field, method, **given), z)
        _, found = gradient_of(dx.Flow(field, method, **given, gradient=way), z)
        assert difference(found, exact) < 1e-12


def partner(tableau, field, h, z, p):
    """Return p_k and ∂E/∂θ by the symplectic partner, ã_ij = b_j a_ji / b_i, in dense algebra."""
    a = torch.tensor([[float(x) for x in row] for row in tableau.a], dtype=F64)
    b = torch.tensor([float(x) for x in tableau.b], dtype=F64)
    s, n = len(b), len(z)

    def f(y):
        return field(0.0, y.unsqueeze(0))[0]

    stages = z.repeat(s, 1)
    for _ in range(12):  # Newton's method on all stages
        slopes = torch.stack([f(y) for y in stages])
        jacobians = torch.stack([torch.func.jacrev(f)(y) for y in stages])
        residues = (stages - z - h * a @ slopes).reshape(-1)
        matrix = torch.eye(s * n, dtype=F64) - h * torch.einsum(
            "ij,jkl->ikjl", a, jacobians
        ).reshape(s * n, s * n)
        stages = stages - torch.linalg.solve(matrix, residues).reshape(s, n)
    stages = stages.detach()
    jacobians = torch.stack([torch.func.jacrev(f)(y) for y in stages]).detach()
    tilde = b.unsqueeze(0) * a.T / b.unsqueeze(1)
    coupled = torch.einsum("ij,jlk->ikjl", tilde, jacobians).reshape(s * n, s * n)
    costates = torch.linalg.solve(torch.eye(s * n, dtype=F64) - h * coupled, p.repeat(s))
    costates = costates.reshape(s, n)
    before = p + h * torch.einsum("i,ilk,il->k", b, jacobians, costates)
    total = sum(
        h
        * b[i]
        * torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(f(stages[i]), list(field.parameters()), costates[i])
            ]
        )
        for i in range(s)
    )
    return before, total


TABLEAUS = [Euler(), Kutta3(), Kutta4(), Gauss(2), RadauIA(2), RadauIIA(3), LobattoIIIC(3)]


@pytest.mark.parametrize("method", TABLEAUS, ids=repr)
def test_the_adjoint_of_a_step_is_the_symplectic_partner(method):
    field, h = residual(3).double(), 0.7
    z, p = torch.randn(3, dtype=F64), torch.randn(3, dtype=F64)
    flow = dx.Flow(field, method, horizon=h, steps=1, gradient="adjoint")
    start = z.unsqueeze(0).requires_grad_()
    found = torch.autograd.grad(flow(start), [start, *field.parameters()], p.unsqueeze(0))
    before, total = partner(method.tableau, field, h, z, p)
    torch.testing.assert_close(found[0][0], before, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(
        torch.cat([g.flatten() for g in found[1:]]), total, rtol=1e-12, atol=1e-13
    )


class Counting(dx.fields.VectorField):
    """Counts its evaluations, with and without graph, and the derivatives that are taken."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(4, dtype=F64))
        self.plain, self.recorded, self.pulled = 0, 0, 0

    def forward(self, t, z):
        if not torch.is_grad_enabled():
            self.plain += 1
            return (z @ self.weight).tanh()
        self.recorded += 1
        out = (z @ self.weight).tanh()
        out.register_hook(self._pull)
        return out

    def _pull(self, gradient):
        self.pulled += 1


@pytest.mark.parametrize("method", [Euler(), Kutta3(), Kutta4()], ids=repr)
def test_the_adjoint_takes_two_evaluations_and_one_product_a_stage(method):
    field, steps = Counting(), 9
    flow = dx.Flow(field, method, steps=steps, gradient="adjoint")
    flow(torch.randn(2, 4, dtype=F64)).sum().backward()
    stages = steps * method.stages
    assert (field.plain, field.recorded, field.pulled) == (stages, stages, stages)


@pytest.mark.parametrize(("states", "links"), [(1, 6), (2, 9), (3, 20), (4, 40), (None, 30)])
def test_checkpoints_take_the_fewest_evaluations(states, links):
    rule = Checkpoint(states)
    count = rule.states_for(links)
    best = {(1, s): 0 for s in range(1, count + 1)}  # by dynamic programming
    for n in range(2, links + 1):
        best[n, 1] = n * (n - 1) // 2
        for s in range(2, count + 1):
            cuts = [m + best[n - m, s - 1] + best[m, s] for m in range(1, n)]
            best[n, s] = min(cuts)
            m = part(n, s)
            assert m + best[n - m, s - 1] + best[m, s] == best[n, s]
    field = Counting()
    flow = dx.Flow(field, Euler(), steps=links, gradient=rule)
    flow(torch.randn(2, 4, dtype=F64)).sum().backward()
    assert len(rule.kept(links)) <= count
    # the forward pass goes to the end, beyond the last state that it keeps
    beyond = links - rule.kept(links)[-1]
    assert field.plain == best[links, count] + beyond
    assert field.recorded == field.pulled == links
    if states is None:
        assert field.plain <= 2 * links


def saved(flow, z):
    """Return how many entries of the size of z autograd keeps."""
    kept = {}

    def pack(tensor):
        if tensor.numel() >= z.numel():
            kept[tensor.data_ptr()] = tensor.numel() / z.numel()
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        flow(z)
    return sum(kept.values())


def test_what_is_kept():
    fields, z = [residual().double() for _ in range(20)], torch.randn(50, 4, dtype=F64)
    z.requires_grad_()

    def of(way):
        return saved(dx.Flow(fields, Kutta4(), gradient=way), z)

    assert of("autograd") > 100
    assert of("adjoint") <= 20 + 1  # z_0, ..., z_K
    assert of(Checkpoint(4)) <= 4 + 1
    assert of("checkpoint") <= math.sqrt(2 * 20) + 1
    assert of("continuous") <= 1
    phase = [canonical().double() for _ in range(20)]
    assert saved(dx.Flow(phase, StormerVerlet(), gradient="reversible"), z) <= 2


ORDERS = [(Euler(), 1), (Kutta3(), 3), (Kutta4(), 4)]


@pytest.mark.parametrize(("method", "order"), ORDERS, ids=lambda x: repr(x))
def test_the_error_of_the_continuous_adjoint_falls_like_that_of_the_method(method, order):
    field, z = residual().double(), torch.randn(3, 4, dtype=F64)
    errors = []
    for steps in (20, 40):
        given = {"horizon": 2.0, "steps": steps}
        _, exact = gradient_of(dx.Flow(field, method, **given), z)
        flow = dx.Flow(field, method, **given, gradient="continuous")
        errors.append(difference(gradient_of(flow, z)[1], exact))
    assert abs(math.log2(errors[0] / errors[1]) - order) < 0.35
    assert errors[0] > 1e-9


def test_the_continuous_adjoint_of_symmetric_symplectic_methods_is_exact():
    field, z = residual().double(), torch.randn(3, 4, dtype=F64)
    _, exact = gradient_of(dx.Flow(field, Gauss(2), steps=5), z)
    _, found = gradient_of(dx.Flow(field, Gauss(2), steps=5, gradient="continuous"), z)
    assert difference(found, exact) < 1e-13


class Timed(dx.fields.VectorField):
    """A gradient field that looks at the time."""

    def __init__(self):
        super().__init__()
        self.inner = dx.fields.GradientField(
            dx.linear.Dense(4, 6), dx.activations.ReLU(), metric="norm"
        )

    def forward(self, t, z):
        return self.inner(t, z) * torch.exp(-torch.as_tensor(t, dtype=z.dtype))

    def cocoercivity(self):
        return self.inner.cocoercivity()


@pytest.mark.parametrize("way", [*EXACT, "reversible"], ids=repr)
@pytest.mark.parametrize("rule", [dx.ContractiveSteps(), dx.LearnedSteps(STEPS)], ids=repr)
def test_steps_that_have_gradients(way, rule):
    method = LeapfrogMidpoint() if isinstance(rule, dx.LearnedSteps) else Kutta4()
    if way == "reversible" and not method.invertible:
        return
    fields = [Timed().double() for _ in range(STEPS)]
    z = torch.randn(8, 4, dtype=F64)
    _, exact = gradient_of(dx.Flow(fields, method, steps=rule), z)
    _, found = gradient_of(dx.Flow(fields, method, steps=rule, gradient=way), z)
    assert difference(found, exact) < 1e-12


def test_refusals():
    field = residual()
    with pytest.raises(TypeError, match="gradient='reversible': expected a method that can be und"):
        dx.Flow(field, Euler(), steps=2, gradient="reversible")
    with pytest.raises(TypeError, match="gradient='continuous': expected a Runge-Kutta method"):
        dx.Flow(canonical(), StormerVerlet(), steps=2, gradient="continuous")
    with pytest.raises(ValueError, match="a positive integer"):
        Checkpoint(0)
    with pytest.raises(ValueError, match="'adjont'"):
        dx.Flow(field, Euler(), steps=2, gradient="adjont")
    free = dx.Flow([field] * 2, Euler(), steps=dx.LearnedSteps(2), gradient="continuous")
    with pytest.raises(ValueError, match="expected steps that are numbers"):
        free(torch.randn(2, 4))
    flow = dx.Flow(field, Euler(), steps=2, gradient="continuous")
    with pytest.raises(RuntimeError, match="expected derivatives of first order"):
        torch.autograd.grad(flow(torch.randn(2, 4)).sum(), field.parameters(), create_graph=True)


@pytest.mark.parametrize("way", [*EXACT, "continuous"], ids=repr)
def test_a_tensor_that_a_field_hides_is_refused(way):
    hidden = torch.ones(4, requires_grad=True)

    class Reaching(dx.fields.VectorField):
        def forward(self, t, z):
            return z * hidden

    flow = dx.Flow(Reaching(), Euler(), steps=3, gradient=way)
    with pytest.raises(OpenLayerError, match="its own"):
        flow(torch.randn(2, 4, requires_grad=True)).sum().backward()
    # where nothing else is differentiated, the hidden tensor gets its gradient
    flow(torch.randn(2, 4)).sum().backward()
    assert hidden.grad is not None


@pytest.mark.parametrize("way", [*EXACT, "reversible"], ids=repr)
def test_life(way):
    """Copies, pickles, hooks, torch.func, second derivatives, empty batches, the meta device."""
    fields, z = [canonical().double() for _ in range(4)], torch.randn(3, 4, dtype=F64)
    plain = dx.Flow(fields, StormerVerlet())
    flow = dx.Flow(fields, StormerVerlet(), gradient=way)
    assert flow.state_dict().keys() == plain.state_dict().keys()
    assert "gradient=" in repr(flow)
    _, exact = gradient_of(plain, z)
    for other in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        assert difference(gradient_of(other, z)[1], exact) < 1e-12
    calls = []
    hook = fields[0].map_p.weight.register_hook(calls.append)
    assert difference(gradient_of(flow, z)[1], exact) < 1e-12
    assert len(calls) == 1
    hook.remove()

    def loss(flow):
        return lambda z: flow(z).square().sum()

    torch.testing.assert_close(
        torch.func.hessian(loss(flow))(z), torch.func.hessian(loss(plain))(z)
    )
    torch.testing.assert_close(torch.func.vmap(flow)(z.unsqueeze(1)).squeeze(1), plain(z))
    seconds = []
    for each in (plain, flow):
        start = z.clone().requires_grad_()
        first = torch.autograd.grad(loss(each)(start), start, create_graph=True)[0]
        seconds.append(torch.autograd.grad(first.square().sum(), [start, *each.parameters()]))
    for one, other in zip(*seconds, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    assert flow(torch.zeros(0, 4, dtype=F64, requires_grad=True)).shape == (0, 4)
    flow(torch.zeros(0, 4, dtype=F64, requires_grad=True)).sum().backward()
    meta = dx.Flow(residual(), Euler(), steps=2, gradient="adjoint").to("meta")
    assert meta(torch.zeros(2, 4, device="meta")).shape == (2, 4)
    with torch.no_grad():
        torch.testing.assert_close(flow(z), plain(z))


@pytest.mark.parametrize("way", ["adjoint", "checkpoint"])
def test_training_noise_and_autocast_are_repeated(way):
    class Noisy(dx.fields.VectorField):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 4))

        def forward(self, t, z):
            return self.net(z)

    fields, z = [Noisy() for _ in range(6)], torch.randn(5, 4)
    found = []
    for each in ("autograd", way):
        torch.manual_seed(3)
        flow = dx.Flow(fields, Kutta3(), gradient=each)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found.append(gradient_of(flow, z)[1])
        assert flow.training
    assert difference(found[1], found[0]) < 2e-2

    torch.manual_seed(3)
    one = gradient_of(dx.Flow(fields, Kutta3()), z)[1]
    torch.manual_seed(3)
    assert difference(gradient_of(dx.Flow(fields, Kutta3(), gradient=way), z)[1], one) < 1e-6


def test_a_field_that_is_not_the_same_again_is_refused():
    class Fickle(dx.fields.VectorField):
        calls = 0

        def forward(self, t, z):
            type(self).calls += 1
            return z * self.calls

    flow = dx.Flow(Fickle(), Euler(), steps=4, gradient="adjoint")
    with pytest.raises(RuntimeError, match="another result when it was evaluated again"):
        flow(torch.randn(2, 4, requires_grad=True)).sum().backward()


# dynamo itself looks at .grad of what an eager part returns
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("way", ["adjoint", "reversible"])
def test_compiled_flows_run(way):
    fields, z = [canonical().double() for _ in range(3)], torch.randn(3, 4, dtype=F64)
    flow = dx.Flow(fields, StormerVerlet(), gradient=way)
    _, exact = gradient_of(flow, z)
    torch.compiler.reset()
    run = torch.compile(flow, backend="eager")
    start = z.clone().requires_grad_()
    out = run(start)
    weights = torch.linspace(0.5, 1.5, out.numel(), dtype=F64).reshape(out.shape)
    found = torch.autograd.grad((out * weights).sum(), [start, *flow.parameters()])
    assert difference(torch.cat([g.flatten() for g in found]), exact) < 1e-12


def test_nothing_is_written_to_what_the_state_is_made_of():
    half = Fraction(1, 2)
    midpoint = RungeKutta(Tableau(((0, 0), (half, 0)), (0, 1), (0, half), "midpoint"))
    fields, z = [residual().double() for _ in range(4)], torch.randn(2, 4, dtype=F64)
    before = z.clone()
    for method in (midpoint, ReversibleHeun()):
        flow = dx.Flow(fields, method, gradient="adjoint")
        states = flow.trajectory(z.requires_grad_())
        states.sum().backward()
        torch.testing.assert_close(z.detach(), before, rtol=0, atol=0)
    buffer = io.BytesIO()
    torch.save(flow.state_dict(), buffer)
