"""The certificate of a reconstruction: what it claims, and what it finds out."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import darboux as dx
from darboux.imaging import Blur, Inpainting, Prior, RidgeRegularizer, reconstruct
from darboux.imaging._averaged import DataTerm, Denoising, Scheme, iterate
from darboux.imaging._evidence import Scene
from darboux.imaging._scheme_evidence import SchemeRun
from darboux.structure import Averaged, Claim, Kind


class Quadratic(Prior):
    """g = c ‖x‖² / 2 on the first column of images, which says what it likes."""

    channels, dim = 1, 2

    def __init__(self, c=1.0, *, bound=None, rho=None, slope=1.0):
        super().__init__()
        self.c, self.slope = c, slope
        self.bound = abs(c) if bound is None else bound
        self.rho = max(-c, 0.0) if rho is None else rho

    def g(self, x, sigma=None):
        return self.c * x[..., 0].square().flatten(1).sum(1) / 2

    def grad(self, x, sigma=None):
        first = torch.zeros_like(x)
        first[..., 0] = x[..., 0]
        return self.slope * self.c * first

    def lipschitz(self):
        return self.bound

    def weak_convexity(self):
        return self.rho


class Multiple(nn.Module):
    """x -> factor · x in the first column, said to be averaged."""

    def __init__(self, factor, alpha=0.5):
        super().__init__()
        self.factor, self.alpha = factor, alpha

    def forward(self, x):
        return torch.cat([self.factor * x[..., :1], 0.5 * x[..., 1:]], dim=-1)

    def claims(self):
        return [Claim(Averaged(self.alpha), Kind.CONSTRUCTION, "said so")]


class Short(Blur):
    """A blur that says half of its norm."""

    def norm_bound(self):
        return Blur.norm_bound(self) / 2


class Physics:
    """What other libraries call an operator."""

    def A(self, x):  # noqa: N802
        return 2 * x.flip(-1)

    def A_adjoint(self, y):  # noqa: N802
        return 2 * y.flip(-1)


def images(batch=1, dtype=torch.float64):
    return torch.rand(batch, 1, 8, 8, dtype=dtype)


LIES = {
    "a Lipschitz constant of the gradient": lambda y: reconstruct(
        None, Quadratic(30.0, bound=1.0), y
    ),
    "weak convexity": lambda y: reconstruct(None, Quadratic(-0.9, bound=0.9, rho=0.1), y),
    "convexity": lambda y: reconstruct(
        Inpainting(torch.arange(8) % 8 > 0 * torch.ones(8, 8)), Quadratic(-0.1, rho=0.0), y
    ),
    "a gradient of something else": lambda y: reconstruct(
        None, Quadratic(1.0, slope=-3.0), y, max_iter=50
    ),
    "a norm": lambda y: reconstruct(Short(torch.ones(1, 1).double()), Quadratic(0.1), y),
    "averaged with pgd": lambda y: reconstruct(
        None, Multiple(-1.5), y, box=(-9.0, 9.0), weight=5.0, max_iter=50
    ),
    "averaged with the wrong α": lambda y: reconstruct(
        None, Multiple(-0.9, alpha=0.1), y, weight=50.0, max_iter=50
    ),
    "averaged with Douglas-Rachford": lambda y: reconstruct(
        None, Multiple(-3.0), y, method="douglas-rachford", weight=9.0, max_iter=50
    ),
    "averaged with ADMM": lambda y: reconstruct(
        None, Multiple(3.0), y, method="admm", weight=9.0, max_iter=50
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_found_out(lie):
    made = LIES[lie](images())
    assert made.certificate.verdict == "refuted", str(made.certificate)
    assert bool(made.image.isfinite().all())


def test_a_step_that_is_too_long_is_found_out():
    """The theorem holds for steps of less than 2 / ‖A‖²; this one is of 2.5."""
    y, denoiser = images(), Multiple(1.0)
    scene = Scene.of(denoiser, None, 1.0, y)
    told = Denoising(denoiser, None, 0.5, Kind.CONSTRUCTION, "said so")
    honest = Scheme.of("pgd", DataTerm(None, y, 1.0, (0.0, 1.0)), told, 1.0)
    wrong = replace(honest, data=DataTerm(None, y, 2.5, (-99.0, 99.0)))
    for scheme, verdict in ((honest, "holds"), (wrong, "refuted")):
        found = iterate(scheme, torch.zeros_like(y), tol=1e-6, max_iter=40)
        run = SchemeRun(scene, scheme, found, 1e-6)
        assert run.certificate().verdict == verdict


def test_what_it_claims():
    y, weak = images(2), RidgeRegularizer(filters=8, kernel_size=3, weak=0.5).double()
    strong = reconstruct(None, weak, y)
    statements = [row.statement for row in strong.certificate.rows]
    assert any("(1 - μ/L)^k" in statement for statement in statements)
    assert strong.certificate.lipschitz == pytest.approx(1 / (1 - weak.weak_convexity()))
    assert strong.certificate.gaps == ()
    assert "only minimiser" in str(strong.certificate).replace("\n    ", " ")

    convex = reconstruct(
        Inpainting(torch.rand(8, 8) < 0.5),
        RidgeRegularizer(filters=8, kernel_size=3).double(),
        y,
        weight=0.1,
        max_iter=3000,
    )
    statements = [row.statement for row in convex.certificate.rows]
    assert any("(j + 1)²" in statement for statement in statements)
    assert any("‖A x(y) - A x(y')‖" in statement for statement in statements)
    assert convex.certificate.lipschitz is None
    assert "A x" in convex.certificate.gaps[0].reason


def test_a_weakly_convex_prior_and_a_null_space_make_no_convex_energy_and_it_says_so():
    operator = Inpainting(torch.rand(8, 8) < 0.5)
    prior = RidgeRegularizer(filters=8, kernel_size=3, weak=1.0, sharpness=5.0).double()
    made = reconstruct(operator, prior, operator(images()), weight=0.5, max_iter=3000)
    text = str(made.certificate)
    assert made.certificate.verdict == "holds"
    assert "not known to be convex" in text.replace("\n    ", " ")
    assert any("stability" in gap.reason for gap in made.certificate.gaps)
    assert any("inf F" in row.statement for row in made.certificate.rows)


def test_denoising_at_the_largest_weight_is_convex_and_claims_no_factor():
    prior = RidgeRegularizer(filters=8, kernel_size=3, weak=1.0).double()
    made = reconstruct(None, prior, images(), weight=1 / prior.weak_convexity(), max_iter=3000)
    assert made.certificate.lipschitz is None
    assert made.certificate.verdict == "holds"
    assert "uses up" in made.certificate.gaps[0].reason


def test_a_norm_from_a_power_iteration_makes_claims_measured():
    y = images()
    for prior, options in (
        (RidgeRegularizer(filters=8, kernel_size=3).double(), {}),
        (Multiple(0.5), {"max_iter": 500}),
    ):
        made = reconstruct(Physics(), prior, y, **options)
        claims = [row for row in made.certificate.rows if row.level == "claim"]
        assert {row.kind for row in claims} == {Kind.MEASURED}
        assert made.certificate.verdict == "holds"
        assert made._run.scene.norm == pytest.approx(2.1, rel=1e-3)


def test_bounds_of_averaged_iterations_in_random_problems():
    """100 of them: residuals fall, are under their bound, and so is the sum of squares."""
    for k in range(10):
        operator = (None, Inpainting(torch.rand(8, 8) < 0.5), Blur(torch.rand(3, 3)))[k % 3]
        operator = operator if operator is None else operator.double()
        y = images(10) if operator is None else operator(images(10))
        theta = torch.linspace(0, 1, 8, dtype=torch.float64) ** (1 + k)
        denoiser = Shrinking(theta)
        made = reconstruct(operator, denoiser, y, weight=0.6 + k, tol=1e-6, max_iter=200)
        rows = [row for row in made.certificate.rows if row.level == "claim"]
        assert len(rows) == 5
        assert not any(row.refuted for row in rows)
        residual = made.history["residual"].nan_to_num(0.0)
        alpha = made._run.scheme.alpha
        steps = torch.arange(1, len(residual) + 1)[:, None]
        assert bool((residual <= (alpha / (1 - alpha) / steps).sqrt() * 64**0.5).all())
        assert bool((residual.square().sum(dim=0) <= alpha / (1 - alpha) * 64).all())


class Shrinking(nn.Module):
    """x -> θ x + (1 - θ) / 2, column by column: 1/2-averaged."""

    def __init__(self, theta):
        super().__init__()
        self.theta = theta

    def forward(self, x):
        return self.theta * x + (1 - self.theta) / 2

    def claims(self):
        return [Claim(Averaged(0.5), Kind.CONSTRUCTION, "0 <= θ <= 1")]


def test_it_is_a_certificate_like_others():
    made = reconstruct(None, RidgeRegularizer(filters=8, kernel_size=3).double(), images())
    found = made.certificate
    assert dx.Certificate.from_json(found.to_json()) == found
    assert "reconstruct(RidgeRegularizer)" in found.to_html()
    assert all(len(line) <= 100 for line in str(found).splitlines())
    assert found.require(dx.Lipschitz(1.1)).kind is Kind.BOUND
