"""`reconstruct`: what converges to what, and what is refused."""

import copy
import pickle

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.imaging import (
    Blur,
    Inpainting,
    NonexpansiveDenoiser,
    Prior,
    RidgeRegularizer,
    reconstruct,
)
from darboux.structure import Averaged, Claim, Kind, Lipschitz


class Step(nn.Module):
    """A gradient step on a convex energy, averaged with 1/2 · size; it may say something else."""

    def __init__(self, size=1.0, alpha=None, *, structure=None):
        super().__init__()
        self.prior = RidgeRegularizer(filters=8, kernel_size=3, sharpness=10.0)
        self.size = size
        self.said = structure or Averaged(size / 2 if alpha is None else alpha)

    def forward(self, x):
        return x - self.size / self.prior.lipschitz() * self.prior.grad(x)

    def claims(self):
        return [Claim(self.said, Kind.CONSTRUCTION, "a gradient step")]


def operators():
    torch.manual_seed(0)
    return {
        "identity": None,
        "inpainting": Inpainting(torch.rand(12, 12) < 0.6),
        "blur": Blur(torch.rand(3, 3) / 4),  # of a norm that is not 1
    }


def data(operator, *, batch=2, size=12, dtype=torch.float32):
    x = (
        torch.rand(batch, 1, size // 3, size // 3, dtype=dtype)
        .repeat_interleave(3, 2)
        .repeat_interleave(3, 3)
    )
    y = x if operator is None else operator(x)
    return y + 0.05 * torch.randn_like(y)


def prior(weak=0.0, **options):
    return RidgeRegularizer(filters=8, kernel_size=3, weak=weak, sharpness=10.0, **options)


@pytest.mark.parametrize("name", operators())
@pytest.mark.parametrize("method", ["pgd", "douglas-rachford", "admm"])
def test_averaged_denoisers_converge_to_a_fixed_point(name, method):
    operator = operators()[name]
    y, denoiser = data(operator), Step()
    made = reconstruct(operator, denoiser, y, method=method, tol=1e-4, max_iter=4000)
    assert made.status == "converged"
    again = reconstruct(operator, denoiser, y, method=method, x0=made.image, tol=1e-4)
    assert made.history["residual"].shape[1] == 2
    if method == "pgd":  # others need more than the image to go on from
        assert len(again.history["residual"]) <= 2
    if name == "blur":
        assert made.certificate.verdict == "holds", str(made.certificate)


class Square(Prior):
    """g = c ‖x‖² / 2, by its gradient or by its proximal map, and the denoiser of the latter."""

    channels, dim, c = 1, 2, 0.3

    def __init__(self, *, smooth=True, step=None):
        super().__init__()
        self.smooth, self.step = smooth, step

    def g(self, x, sigma=None):
        return self.c * x.square().flatten(1).sum(1) / 2

    def grad(self, x, sigma=None):
        return self.c * x

    def prox(self, x, sigma=None, *, gamma=1.0):
        return x / (1 + gamma * self.c)

    def lipschitz(self):
        return self.c if self.smooth else torch.inf

    def weak_convexity(self):
        return 0.0


class Shrink(nn.Module):
    """The proximal map of Square."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, x):
        return Square().prox(x, gamma=self.gamma)

    def claims(self):
        return [Claim(Averaged(0.5), Kind.CONSTRUCTION, "a proximal map")]


@pytest.mark.parametrize("name", operators())
@pytest.mark.parametrize("method", ["gradient", "prox", "pgd", "douglas-rachford", "admm"])
def test_all_methods_find_the_minimiser(name, method):
    operator = operators()[name]
    operator = nn.Identity() if operator is None else operator.double()
    y = data(operator, batch=1, dtype=torch.float64)
    basis = torch.eye(144, dtype=torch.float64).reshape(144, 1, 12, 12)
    matrix = operator(basis).reshape(144, 144).T
    normal = matrix.T @ matrix + Square.c * torch.eye(144, dtype=torch.float64)
    expected = torch.linalg.solve(normal, matrix.T @ y.flatten()).reshape(y.shape)
    operator = None if name == "identity" else operator
    settings = {"tol": 1e-9, "max_iter": 5000}
    if method in ("gradient", "prox"):
        made = reconstruct(operator, Square(smooth=method == "gradient"), y, **settings)
    else:
        norm = 1.0 if operator is None else float(operator.norm_bound())
        denoiser = Shrink(1 / norm**2)
        made = reconstruct(operator, denoiser, y, method=method, box=None, **settings)
    assert made.status == "converged"
    torch.testing.assert_close(made.image, expected, atol=1e-6, rtol=0)
    assert made.certificate.verdict == "holds"


def test_conjugate_gradients_serve_where_there_is_no_formula():
    """With zero padding a blur has no resolvent."""
    operator = Blur(torch.rand(3, 3) / 4, padding_mode="zeros")
    assert operator.resolvent is None
    made = reconstruct(operator, Step(), data(operator), method="admm", tol=1e-4)
    assert made.status == "converged"
    assert made.certificate.verdict == "holds"


def test_five_starts_end_at_one_image_where_there_is_one():
    y, weak = data(None), prior(0.5)
    made = [reconstruct(None, weak, y, x0=k * torch.randn_like(y)) for k in range(5)]
    mu = 1 - weak.weak_convexity()
    for one in made[1:]:
        apart = (one.image - made[0].image).flatten(1).norm(dim=1)
        left = one.history["residual"][-1] + made[0].history["residual"][-1]
        assert bool((apart <= left / mu).all())


def test_five_starts_end_at_one_value_and_one_image_of_the_operator_where_it_is_only_convex():
    operator = operators()["inpainting"].double()
    y = data(operator, dtype=torch.float64)
    convex = prior().double()
    starts = [k * torch.randn_like(y) for k in range(5)]
    made = [reconstruct(operator, convex, y, x0=x0, tol=1e-9, max_iter=9000) for x0 in starts]
    values = torch.stack([one.history["objective"][-1] for one in made])
    torch.testing.assert_close(values, values[:1].expand_as(values), rtol=1e-7, atol=0)
    for one in made[1:]:
        torch.testing.assert_close(operator(one.image), operator(made[0].image), atol=1e-4, rtol=0)


def test_a_change_of_the_data_changes_the_image_by_the_claimed_factor_at_most():
    y = data(None).double()
    weak = prior(0.5).double()
    made = reconstruct(None, weak, y, tol=1e-8)
    factor = made.certificate.lipschitz
    assert factor == pytest.approx(2.0, rel=1e-4)
    for size in (1e-3, 0.1, 1.0):
        change = size * torch.randn_like(y)
        other = reconstruct(None, weak, y + change, tol=1e-8)
        apart = (other.image - made.image).flatten(1).norm(dim=1)
        assert bool((apart <= factor * change.flatten(1).norm(dim=1) + 1e-5).all())


@pytest.mark.parametrize("name", ["inpainting", "blur"])
def test_turned_data_make_the_turned_image(name):
    if name == "blur":
        kernel = torch.rand(3, 3, dtype=torch.float64)
        operator = Blur(sum(torch.rot90(kernel, k) for k in range(4)) / 40)
    else:
        half = torch.rand(12, 12) < 0.3
        operator = Inpainting(sum(torch.rot90(half, k).int() for k in range(4)) > 0)
    operator, convex = operator.double(), prior().double()
    y = data(operator, dtype=torch.float64)
    made = reconstruct(operator, convex, y, weight=0.1, tol=1e-8, max_iter=5000)
    turned = reconstruct(operator, convex, operator.turned(y), weight=0.1, tol=1e-8, max_iter=5000)
    torch.testing.assert_close(
        turned.image, torch.rot90(made.image, 1, (-2, -1)), atol=2e-5, rtol=0
    )


def test_it_stops_with_its_best_iterate_and_says_so():
    y = data(None)
    made = reconstruct(None, prior(), y, tol=1e-6, max_iter=2)
    assert made.status == "not converged"
    assert bool((made.history["objective"][-1] <= made.history["objective"][0]).all())
    assert made.certificate.verdict == "undecided"
    assert "max_iter" in made.certificate.missing[0]


def test_progress_is_told():
    told = []
    made = reconstruct(None, prior(), data(None), progress=lambda *news: told.append(news))
    assert [news[0] for news in told] == list(range(1, len(made.history["objective"])))
    assert torch.equal(torch.stack([news[1] for news in told]), made.history["objective"][1:])


def test_what_it_returns_lives_on():
    made = reconstruct(None, prior(), data(None))
    again = pickle.loads(pickle.dumps(made))
    assert torch.equal(again.image, made.image)
    assert copy.deepcopy(made).certificate.verdict == "holds"
    assert not made.image.requires_grad


@pytest.mark.parametrize("make", [prior, Step])
def test_no_samples_make_no_images(make):
    made = reconstruct(None, make(), torch.zeros(0, 1, 8, 8))
    assert made.image.shape == (0, 1, 8, 8)
    assert made.status == "converged"
    assert made.certificate.refuted == ()


def test_a_changed_prior_has_no_certificate():
    learned = prior()
    made = reconstruct(None, learned, data(None))
    with torch.no_grad():
        learned.bank.weight.mul_(1.05)
    with pytest.raises(RuntimeError, match="changed since"):
        _ = made.certificate


class Wrong(Blur):
    """Its adjoint is not its own."""

    def adjoint(self, y):
        return 1.1 * Blur.adjoint(self, y)


class NoAdjoint:
    def A(self, x):  # noqa: N802
        return x


Y = torch.rand(1, 1, 8, 8)

BAD = {
    "no adjoint": (lambda: reconstruct(NoAdjoint(), prior(), Y), TypeError, "A_adjoint"),
    "wrong adjoint": (
        lambda: reconstruct(Wrong(torch.ones(3, 3) / 9), prior(), Y),
        ValueError,
        "differ by",
    ),
    "shape of y": (
        lambda: reconstruct(Inpainting(torch.ones(4, 4) > 0), prior(), Y),
        ValueError,
        "shape",
    ),
    "axes of y": (lambda: reconstruct(None, prior(), Y[0, 0]), ValueError, "batch, channels"),
    "channels": (lambda: reconstruct(None, prior(), Y.repeat(1, 3, 1, 1)), ValueError, "shape"),
    "integers": (lambda: reconstruct(None, prior(), Y.int()), TypeError, "float32 or float64"),
    "half": (lambda: reconstruct(None, prior(), Y.half()), TypeError, "float32 or float64"),
    "complex": (lambda: reconstruct(None, prior(), Y + 0j), TypeError, "parts as channels"),
    "dtype": (lambda: reconstruct(None, prior(), Y.double()), TypeError, "dtype"),
    "NaN": (lambda: reconstruct(None, prior(), Y / Y.new_zeros(())), ValueError, "finite numbers"),
    "sigma": (lambda: reconstruct(None, prior(), Y, sigma=-1.0), ValueError, "sigma"),
    "sigma NaN": (lambda: reconstruct(None, prior(), Y, sigma=torch.nan), ValueError, "sigma"),
    "sigma not trained": (lambda: reconstruct(None, prior(), Y, sigma=0.5), ValueError, "sigma"),
    "sigma of a denoiser": (
        lambda: reconstruct(None, Step(), Y, sigma=0.1),
        ValueError,
        "takes no σ",
    ),
    "x0": (lambda: reconstruct(None, prior(), Y, x0=Y[..., :4]), ValueError, "x0"),
    "weight": (lambda: reconstruct(None, prior(), Y, weight=-1.0), ValueError, "weight"),
    "step": (lambda: reconstruct(None, Step(), Y, weight=0.5), ValueError, "weight > 1/2"),
    "box": (lambda: reconstruct(None, prior(), Y, box=(1.0, 0.0)), ValueError, "ascending"),
    "box without a prox": (
        lambda: reconstruct(Blur(torch.ones(3, 3) / 9), Step(), Y, method="admm", box=(0.0, 1.0)),
        ValueError,
        "box=None",
    ),
    "method of denoisers": (
        lambda: reconstruct(None, prior(), Y, method="pgd"),
        ValueError,
        "Leave method out",
    ),
    "method of priors": (
        lambda: reconstruct(None, Step(), Y, method="gradient"),
        ValueError,
        "needs a darboux.imaging.Prior",
    ),
    "no claim": (
        lambda: reconstruct(None, nn.Conv2d(1, 1, 3, padding=1), Y),
        ValueError,
        "averaged or nonexpansive",
    ),
    "nonexpansive": (
        lambda: reconstruct(None, Step(2.0, structure=Lipschitz(1.0)), Y),
        ValueError,
        "douglas-rachford",
    ),
    "method": (lambda: reconstruct(None, prior(), Y, method="fista"), ValueError, "method"),
    "prior": (lambda: reconstruct(None, "wcrr", Y), TypeError, "prior"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_it_refuses(name):
    call, error, words = BAD[name]
    with pytest.raises(error, match=words):
        call()


def test_more_noise_makes_a_denoiser_less_averaged():
    """Its strength grows with σ²; at 1/α there is no iteration that surely converges."""
    denoiser = NonexpansiveDenoiser(Step(), sigma=0.1)
    alphas = [
        reconstruct(None, denoiser, Y, sigma=sigma)._run.scheme.denoise.alpha
        for sigma in (None, 0.1, torch.tensor([0.05]), 0.12)
    ]
    assert alphas == pytest.approx([0.5, 0.5, 0.125, 0.72])
    with pytest.raises(ValueError, match="averaged with method 'pgd'"):
        reconstruct(None, denoiser, Y, sigma=0.1 * 2**0.5)


def test_nonexpansive_denoisers_are_halved():
    made = reconstruct(None, Step(2.0, structure=Lipschitz(1.0)), data(None), method="admm")
    assert made.status == "converged"
    assert made.certificate.verdict == "holds"


def test_the_face_of_the_package_has_it():
    assert dx.imaging.reconstruct is reconstruct
