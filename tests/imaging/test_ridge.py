"""Ridge regularisers: constants at every size, exact gradients, and faults that are found."""

import math
import pickle

import pytest
import torch

import darboux as dx
from darboux.certification import Effort, Target, attack, attack_premise
from darboux.imaging import RidgeRegularizer, _filters
from darboux.imaging._potential import ClipDifference
from darboux.solvers import ConvergenceError
from darboux.structure import gradient_of_values, norm_at_most, slopes_within
from darboux.symmetry import Cyclic, Dihedral, move
from darboux.testing import (
    LIFECYCLE,
    assert_close,
    check_adjoint,
    check_norm_bound,
    check_row_bound,
)
from tests.catalogue.priors import CASES, example, ridge
from tests.lifecycles import lifecycle_cases

RIDGES = {name: build for name, build in CASES.items() if name.startswith("ridge")}
SIZES = {1: [(1,), (2,), (9,)], 2: [(1, 2), (5, 4)], 3: [(2, 1, 3), (3, 4, 2)]}


def sigma_of(prior):
    """Return a noise level between those that were given, where there are several."""
    return 0.07 if len(prior.levels) > 1 else None


def made(name):
    prior = RIDGES[name]().double()
    return prior, example(prior).double(), sigma_of(prior)


@pytest.mark.parametrize(("name", "check"), lifecycle_cases(RIDGES))
def test_lifecycle(name, check):
    build = RIDGES[name]
    prior = build()
    sigma = sigma_of(prior)
    LIFECYCLE[check](build, example(prior) if sigma is None else (example(prior), sigma))


@pytest.mark.parametrize("name", RIDGES)
def test_filters_keep_what_they_report_at_every_size(name):
    bank = RIDGES[name]().double().bank
    for size in SIZES[bank.dim]:
        check_adjoint(bank, torch.randn(2, bank.in_features, *size, dtype=torch.float64))
        check_norm_bound(bank, size)
        check_row_bound(bank, size)
    assert 0.9 < bank.norm_bound().detach() <= 1


def test_bound_is_close_and_holds_for_trained_filters_at_the_border():
    """These taps have 1.39 times the norm at a mirrored border if their mirror image is missing."""
    prior = ridge(dim=1, filters=2, kernel_size=5).double()
    with torch.no_grad():
        prior.bank.weight.copy_(100 * torch.tensor([[[0.05, 0.14, 0.31, 0.5, -1.0]]]))
    eye = torch.eye(60, dtype=torch.float64)[:, None]
    with torch.no_grad():
        norm = torch.linalg.matrix_norm(prior.bank(eye).flatten(1), 2)
        assert 0.97 < norm <= prior.bank.norm_bound() <= 1


@pytest.mark.parametrize("name", RIDGES)
def test_gradient_is_that_of_the_values(name):
    prior, x, sigma = made(name)
    start = x.clone().requires_grad_()
    values = prior(start, sigma)
    (wanted,) = torch.autograd.grad(values.sum(), start)
    for follow in (True, False):  # filters that are followed, and strips
        with torch.set_grad_enabled(follow):
            assert_close(prior.grad(x, sigma), wanted, size=200)
            total, grad = prior.value_and_grad(x, sigma)
        assert_close(grad, wanted, size=200)
        assert_close(total, values, size=1000)
        assert total.dtype == torch.float64


@pytest.mark.parametrize("name", ["ridge-weak", "ridge-levels", "ridge-1d", "ridge-3d"])
def test_second_derivatives(name):
    prior, x, sigma = made(name)
    v = torch.randn_like(x)
    _, wanted = torch.autograd.functional.jvp(lambda x: prior.grad(x, sigma), x, v)
    assert_close(prior.hessian(x, sigma)(v), wanted, size=200)
    along = prior.directional(x, v, sigma)
    assert_close(along, (prior.grad(x, sigma) * v).flatten(1).sum(1), size=1000)
    by_filters = torch.autograd.grad(along.sum(), prior.bank.weight)[0]
    full = torch.autograd.grad((prior.grad(x, sigma) * v).sum(), prior.bank.weight)[0]
    assert_close(by_filters, full, size=1000)


def test_strips_of_every_height_agree(monkeypatch):
    prior, x = ridge(weak=1.0, kernel_size=7, channels=3), torch.rand(3, 3, 23, 11)
    with torch.no_grad():
        whole = prior.value_and_grad(x)
        for entries in (1, 2000, 5000):
            monkeypatch.setattr("darboux.imaging._strips._ENTRIES", entries)
            for part, wanted in zip(prior.value_and_grad(x), whole, strict=True):
                assert_close(part.float(), wanted.float(), size=200)


def test_levels_are_interpolated_and_others_refused():
    prior, x = ridge(levels=(0.05, 0.2)), torch.rand(2, 1, 6, 6)
    both = prior(x, torch.tensor([0.05, 0.2]))
    for k, level in enumerate((0.05, 0.2)):
        assert_close(prior(x[k : k + 1], level), both[k : k + 1], size=100)
    middle = prior.thresholds(1, 0.1).log()
    ends = [prior.thresholds(1, level).log() for level in (0.05, 0.2)]
    assert_close(middle, (ends[0] + ends[1]) / 2, size=1)
    with pytest.raises(ValueError, match=r"within \[0.05, 0.2\], for which the prior was made"):
        prior(x, 0.3)
    with pytest.raises(ValueError, match="within"):
        prior(x, torch.nan)
    with pytest.raises(ValueError, match="one for each of 2 samples"):
        prior(x, torch.tensor([0.05, 0.1, 0.2]))
    with pytest.raises(ValueError, match="expected sigma"):
        prior(x)
    with pytest.raises(TypeError, match="a number or a tensor of numbers; got 'low'"):
        prior.grad(x, "low")


@pytest.mark.parametrize("padding_mode", ["symmetric", "circular"])
def test_denoising_commutes_with_turns_and_reflections(padding_mode):
    prior = ridge(weak=0.9, kernel_size=5, padding_mode=padding_mode).double()
    x, group = torch.rand(1, 1, 12, 12, dtype=torch.float64), Dihedral(4)
    denoised = prior.prox(x, tol=1e-10)
    for g in (1, 5):
        turned = prior.prox(move(group.action(g), x), tol=1e-10)
        assert float((turned - move(group.action(g), denoised)).abs().max()) < 1e-8
    if padding_mode == "circular":
        shifted = prior.prox(x.roll(3, 2), tol=1e-10)
        assert float((shifted - denoised.roll(3, 2)).abs().max()) < 1e-8


@pytest.mark.parametrize("weak", [0.0, 0.9])
def test_prox_is_as_close_as_it_says(weak):
    prior, x = ridge(weak=weak).double(), torch.rand(2, 1, 9, 8, dtype=torch.float64)
    exact, tol = prior.prox(x, tol=1e-11), 1e-3
    slope = (exact - x + prior.grad(exact)).detach()
    assert float(slope.flatten(1).norm(dim=1).max()) < 1e-10 * float(x.norm())
    off = (prior.prox(x, tol=tol) - exact).flatten(1).norm(dim=1)
    assert bool((off <= tol * x.flatten(1).norm(dim=1) / (1 - weak)).all())


def test_prox_refuses_what_it_cannot_do():
    prior, x = ridge(weak=1.0), torch.rand(1, 1, 9, 8)
    with pytest.raises(ValueError, match=r"gamma from 0 to 1 / weak_convexity\(\)"):
        prior.prox(x, gamma=1.1)
    with pytest.raises(ConvergenceError, match="Allow more iterations"):
        prior.prox(x, tol=1e-6, max_iter=1)
    with pytest.raises(RuntimeError, match="no derivative"):
        prior.prox(x.clone().requires_grad_())
    assert prior.prox(x[:0]).shape == (0, 1, 9, 8)


def test_refusals_say_what_to_do():
    with pytest.raises(ValueError, match="multiple of 8, the order of D4"):
        RidgeRegularizer(filters=12)
    with pytest.raises(ValueError, match="the reflections of all axes"):
        RidgeRegularizer(group=Cyclic(4))
    with pytest.raises(ValueError, match="a grid of 2 axes to itself; got C3"):
        RidgeRegularizer(group=Cyclic(3), padding_mode="circular")
    with pytest.raises(ValueError, match="ascending noise levels"):
        RidgeRegularizer(levels=(0.2, 0.1))
    prior = ridge()
    with pytest.raises(ValueError, match=r"\(batch, 1, \*space\)"):
        prior(torch.ones(1, 3, 8, 8))
    with pytest.raises(TypeError, match=r"like the filters; got torch\.float64"):
        prior(torch.ones(1, 1, 8, 8, dtype=torch.float64))


# --- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["ridge-weak", *(pytest.param(n, marks=pytest.mark.slow) for n in RIDGES if n != "ridge-weak")],
)
def test_certificate_holds(name):
    prior = RIDGES[name]() if name != "ridge-levels" else ridge(weak=1.0, channels=2)
    certificate = dx.certify(prior, example(prior), effort="quick")
    assert certificate.holds, str(certificate)
    assert {row.kind.name for row in certificate.rows if row.kind is not None} == {"CONSTRUCTION"}


def test_invariance_is_attacked():
    prior = ridge(weak=1.0)
    target, same = target_of(prior, (1, 1, 8, 8)), structures(prior)[2]
    prior.double()
    assert not attack(same, target).refuted
    prior.bank.images = prior.bank.images.roll(1)
    prior.bank.weight.data *= 2  # what was remembered is no longer true
    assert attack(same, target).refuted


def test_claims_stay_true_when_weights_are_edited_and_images_have_another_size():
    saved = pickle.loads(pickle.dumps(ridge(weak=1.0).state_dict()))
    saved["bank.weight"][0, 0, 1, 2] += 7.0
    saved["bank.weight"][0] *= 1.05
    prior = ridge(weak=1.0)
    prior.load_state_dict(saved)
    prior.double()
    assert prior.bank.norm_bound().detach() <= 1
    certificate = dx.certify(prior, torch.rand(1, 1, 5, 11).double(), effort="quick")
    assert certificate.holds, str(certificate)


def structures(prior):
    return [claim.structure for claim in prior.claims()]


def premises(prior):
    return {premise.condition: premise for claim in prior.claims() for premise in claim.premises}


def target_of(prior, shape=(1, 1, 24)):
    x = torch.rand(shape, dtype=torch.float64)
    return Target(prior, x, Effort.named("quick"), torch.Generator().manual_seed(0))


def test_a_norm_that_is_too_small_is_found(monkeypatch):
    prior = ridge(weak=1.0, kernel_size=5).double()
    target = target_of(prior, (1, 1, 16, 16))
    assert not attack_premise(norm_at_most(prior.bank), target).refuted
    right = _filters._bound
    monkeypatch.setattr(_filters, "_bound", lambda *args: 0.85 * right(*args))
    prior.bank.weight.data *= 3  # what was remembered is no longer true
    assert attack_premise(norm_at_most(prior.bank), target).refuted


def test_a_missing_mirror_image_is_found():
    prior = ridge(dim=1, filters=2, kernel_size=5, weak=1.0, sharpness=15.0).double()
    with torch.no_grad():
        prior.bank.weight.copy_(100 * torch.tensor([[[0.05, 0.14, 0.31, 0.5, -1.0]]]))
    prior.bank.images = torch.arange(5).repeat(2)  # the filter twice
    target = target_of(prior)
    assert attack_premise(norm_at_most(prior.bank), target).refuted
    weak, smooth = (attack(structure, target) for structure in structures(prior)[:2])
    assert weak.refuted
    assert smooth.refuted


def test_a_mirror_at_the_wrong_place_is_found(monkeypatch):
    """About the centre of the last pixel, not its edge."""

    def places(bank, n, device):
        line = torch.arange(-bank.reach, n + bank.reach, device=device).abs()
        return torch.where(line > n - 1, 2 * (n - 1) - line, line)

    prior = ridge(dim=1, filters=2, kernel_size=5, weak=1.0).double()
    with torch.no_grad():
        prior.bank.weight.copy_(100 * torch.tensor([[[0.04, 0.15, 0.3, 0.5, -1.0]]]))
    monkeypatch.setattr(_filters.FilterBank, "_places", places)
    assert attack_premise(norm_at_most(prior.bank), target_of(prior)).refuted


def test_a_slope_that_is_too_steep_is_found(monkeypatch):
    prior = ridge(weak=1.0, sharpness=15.0).double()
    target, right = target_of(prior, (1, 1, 9, 9)), ClipDifference.totals_and_slope

    def steeper(self, u, *, totals):
        energy, slope = right(self, u, totals=totals)
        return energy, 1.02 * slope

    monkeypatch.setattr(ClipDifference, "totals_and_slope", steeper)
    for condition in (slopes_within, gradient_of_values):
        assert attack_premise(premises(prior)[condition], target).refuted


def test_a_wrong_gradient_is_found(monkeypatch):
    prior = ridge().double()
    target, premise = target_of(prior, (1, 1, 9, 9)), premises(prior)[gradient_of_values]
    assert not attack_premise(premise, target).refuted
    monkeypatch.setattr(
        RidgeRegularizer, "grad", lambda self, x, sigma=None: 1.001 * self.value_and_grad(x)[1]
    )
    assert attack_premise(premise, target).refuted


@pytest.mark.parametrize("sharpness", [0.5, math.nan, math.inf])
def test_sharpness_below_one_is_refused_later_too(sharpness):
    potential = ClipDifference(sharpness=15.0, weak=0.2)
    with pytest.raises(ValueError, match="finite, 1 or more"):
        potential.sharpness = sharpness
    assert potential.sharpness == 15.0


def test_slopes_premise_knows_the_potential():
    potential = ClipDifference(sharpness=15.0, weak=1.0)
    for upper, refuted in ((14.0, False), (13.9, True)):
        premise = slopes_within(potential, lower=-1.0, upper=upper)
        assert attack_premise(premise, target_of(potential)).refuted == refuted
