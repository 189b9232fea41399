"""Matrix groups: exponentials, logarithms, coordinates, quaternions, Cayley maps."""

import math
import pickle

import numpy as np
import pytest
import scipy.linalg
import torch

from darboux.manifolds import GL, SE, SO, Affine, Symplectic, U, from_quaternion, to_quaternion
from darboux.manifolds._logm import logm, unitary_logm

GROUPS = (SO(2), SO(3), SO(4), SE(2), SE(3), SE(4), GL(1), GL(3), Affine(2), Symplectic(4), U(2))


def _elements(group, count=8, scale=1.0):
    c = scale * torch.randn(count, group.dim, dtype=torch.float64)
    return group.hat(c), c


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_coordinates(group):
    xi, c = _elements(group)
    torch.testing.assert_close(group.vee(xi), c)
    torch.testing.assert_close(group.project_algebra(xi), xi)
    eye = group.identity(8, dtype=torch.float64)
    torch.testing.assert_close(group.norm(eye, xi), c.norm(dim=1))
    assert group.dim == len(group.basis())
    assert pickle.loads(pickle.dumps(group)) == group


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_group_laws(group):
    x = group.random_point(5, dtype=torch.float64)
    xi, _ = _elements(group, 5, 0.3)
    unit = group.identity(5, dtype=torch.float64)
    torch.testing.assert_close(group.compose(x, group.inverse(x)), unit, rtol=0, atol=1e-12)
    assert group.check(group.compose(x, group.expm(xi)))[0]
    torch.testing.assert_close(group.expm(xi), torch.linalg.matrix_exp(xi))
    torch.testing.assert_close(group.logm(group.expm(xi)), xi)
    moved = group.adjoint(x, xi)
    torch.testing.assert_close(group.project_algebra(moved), moved)
    left = group.compose(x, group.expm(xi))
    torch.testing.assert_close(group.compose(group.expm(moved), x), left)


@pytest.mark.parametrize("group", [SO(3), SO(5), SE(3), Symplectic(4), U(3)], ids=str)
def test_cayley_stays_in_the_group(group):
    xi, _ = _elements(group)
    assert group.check(group.cayley(xi))[0]
    third = torch.linalg.matrix_norm(group.cayley(1e-3 * xi) - group.expm(1e-3 * xi))
    assert (third < 1e-9 * torch.linalg.matrix_norm(xi) ** 3).all()


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9])
def test_rotations_near_half_turns(gap):
    axis = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1)
    wanted = (math.pi - gap) * axis
    rotation = SO(3).expm(SO(3).hat(wanted)).requires_grad_()
    found = SO(3).vee(SO(3).logm(rotation))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-15 / gap)
    found.sum().backward()
    assert rotation.grad.isfinite().all()
    turns = scipy.linalg.block_diag(rotation[0].detach(), rotation[1].detach())
    log, unique = unitary_logm(torch.from_numpy(turns))
    assert unique
    torch.testing.assert_close(log[:3, :3], SO(3).hat(wanted[0]), rtol=0, atol=3e-14 / gap)


@pytest.mark.parametrize("group", [SO(2), SO(3), SE(2), SE(3)], ids=str)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_closed_forms_have_two_derivatives(group, scale):
    c = (scale * torch.randn(group.dim, dtype=torch.float64)).requires_grad_()

    def there_and_back(c):
        return group.vee(
            group.logm(group.expm(group.hat(c)) @ group.expm(group.hat(0.3 * c + 0.1)))
        )

    assert torch.autograd.gradcheck(there_and_back, c, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(there_and_back, c)


def test_hat_is_the_cross_product():
    w, u = torch.randn(2, 3)
    torch.testing.assert_close(SO(3).hat(w) @ u, torch.linalg.cross(w, u))


def test_quaternions():
    q = torch.nn.functional.normalize(torch.randn(200, 4, dtype=torch.float64), dim=1)
    q[:3] = torch.eye(4, dtype=torch.float64)[1:]  # half turns
    rotation = from_quaternion(q)
    assert SO(3).check(rotation)[0]
    torch.testing.assert_close(from_quaternion(-3 * q), rotation)
    found = to_quaternion(rotation)
    assert (found[:, 0] >= 0).all()
    torch.testing.assert_close((found * q).sum(1).abs(), torch.ones(200, dtype=torch.float64))
    w, axis = q[:, 0], q[:, 1:]
    angle = 2 * torch.atan2(axis.norm(dim=1), w.abs())
    torch.testing.assert_close(SO(3).dist(torch.eye(3, dtype=torch.float64), rotation), angle)
    product = from_quaternion(torch.tensor([0.0, 1.0, 0.0, 0.0])) @ from_quaternion(
        torch.tensor([0.0, 0.0, 1.0, 0.0])
    )
    torch.testing.assert_close(to_quaternion(product).abs(), torch.tensor([0.0, 0.0, 0.0, 1.0]))


@pytest.mark.parametrize("kind", ["general", "positive", "triangular"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_logm_is_the_principal_logarithm(n, kind):
    rng = np.random.default_rng(0)
    a = scipy.linalg.expm(rng.normal(size=(n, n)))
    if kind == "positive":
        q = np.linalg.qr(rng.normal(size=(n, n)))[0]
        a = (q * np.logspace(0, 4, n)) @ q.T
    if kind == "triangular":
        a = np.triu(a, 1) + np.diag([2.0] * n)  # no basis of eigenvectors
    found = logm(torch.from_numpy(a)).numpy()
    np.testing.assert_allclose(found, scipy.linalg.logm(a), atol=1e-11)


def test_logm_has_two_derivatives():
    a = torch.linalg.matrix_exp(torch.randn(2, 2, dtype=torch.float64)).requires_grad_()
    for point in (a, torch.eye(2, dtype=torch.float64, requires_grad=True)):
        assert torch.autograd.gradcheck(logm, point, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(logm, point)
    big = 1e8 * torch.randn(2, 2, dtype=torch.float64)
    (scaled,) = torch.autograd.grad(logm(a), a, big)
    (usual,) = torch.autograd.grad(logm(a), a, big / 1e8)
    torch.testing.assert_close(scaled, 1e8 * usual)
    batch = torch.stack([a.detach(), 2 * a.detach()])
    torch.testing.assert_close(torch.func.vmap(logm)(batch), logm(batch))


def test_large_translations_keep_their_digits():
    for group in (Affine(2), SE(2), SE(3), SE(4)):
        xi, _ = _elements(group, 8, 0.3)
        xi[:, :-1, -1] *= 1e6
        error = (group.logm(group.expm(xi)) - xi).abs().amax(0)
        assert error[:, :-1].max() < 1e-13
        assert error[:, -1].max() < 1e-7


def test_nearest_rotation_and_symplectic_matrix():
    reflection = torch.diag(torch.tensor([1.0, 1.1, -0.9], dtype=torch.float64))
    torch.testing.assert_close(SO(3).nearest(reflection), torch.eye(3, dtype=torch.float64))
    assert not SO(3).check(reflection.sign())[0]
    x = Symplectic(4).random_point(6, dtype=torch.float64)
    q = Symplectic(4).nearest(x + 0.05 * torch.randn_like(x))
    assert Symplectic(4).check(q)[0]
    torch.testing.assert_close(Symplectic(4).nearest(x), x)


REFUSALS = {
    "half turn": (lambda: SO(3).log(torch.eye(3), torch.diag(torch.tensor([1.0, -1, -1]))), "cut"),
    "negative eigenvalue": (lambda: GL(2).logm(torch.diag(torch.tensor([-1.0, -2.0]))), "cut"),
    "near it": (lambda: GL(2).logm(torch.tensor([[-1.0, 1e-4], [-1e-4, -1.0]])), "cut"),
    "affine": (lambda: Affine(2).logm(torch.diag(torch.tensor([-1.0, -1, 1]))), "cut"),
    "rigid": (lambda: SE(2).logm(torch.diag(torch.tensor([-1.0, -1, 1]))), "cut"),
    "unitary": (lambda: U(1).logm(-torch.ones(1, 1, dtype=torch.complex64)), "cut"),
    "odd size": (lambda: Symplectic(3), "even integer of 2 or more; got 3"),
    "one dimension": (lambda: SO(1), "an integer of 2 or more; got 1"),
    "quaternion": (lambda: from_quaternion(torch.ones(3)), r"expected \(\*batch, 4\)"),
    "rotation": (lambda: to_quaternion(torch.ones(2, 2)), r"expected rotations \(\*batch, 3, 3\)"),
    "far from symplectic": (lambda: Symplectic(2).nearest(-torch.ones(2, 2)), "without a"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name):
    build, message = REFUSALS[name]
    with pytest.raises(ValueError, match=message):
        build()


def test_off_the_manifold_says_by_how_much():
    ok, reason = SO(3).check(2 * torch.eye(3))
    assert not ok
    assert "got a defect of 5.2" in reason
    assert not GL(2).check(torch.diag(torch.tensor([1.0, -1.0])))[0]
    assert not SE(2).check(torch.ones(3, 3))[0]


def test_single_precision_and_complex_dtypes():
    assert SO(3).random_point(2).dtype == torch.float32
    assert U(2).random_point(2, dtype=torch.float64).dtype == torch.complex128
    assert U(2).identity().dtype == torch.complex64
    x = SO(5).random_point(4)
    y = SO(5).exp(x, SO(5).random_tangent(x) / 10)
    torch.testing.assert_close(SO(5).exp(x, SO(5).log(x, y)), y)


def test_empty_batches():
    for group in GROUPS:
        x = group.random_point(0, dtype=torch.float64)
        assert group.log(x, x).shape == (0, *group.shape)
        assert group.nearest(x).shape == group.dist(x, x).shape + group.shape


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_nan_stays_nan(group):
    x = group.random_point(2, dtype=torch.float64)
    y = torch.stack([torch.full_like(x[0], torch.nan), x[1]])
    log, distance = group.log(x, y), group.dist(x, y)
    assert log[0].isnan().any()
    assert distance[0].isnan()
    torch.testing.assert_close(log[1], torch.zeros_like(x[1]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_quaternions_of_any_length(size):
    q = torch.randn(20, 4, dtype=torch.float64)
    torch.testing.assert_close(from_quaternion(size * q), from_quaternion(q))
    with pytest.raises(ValueError, match="expected quaternions other than 0"):
        from_quaternion(0 * q)


def test_a_cayley_map_that_does_not_exist():
    with pytest.raises(ValueError, match="expected ξ with invertible 1 - ξ/2"):
        GL(2).cayley(2 * torch.eye(2))
