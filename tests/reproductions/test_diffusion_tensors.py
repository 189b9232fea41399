"""The diffusion tensors: fits, charts and networks beside exact answers; statements can fail."""

import math

import pytest
import torch

import darboux as dx
from darboux.manifolds import SPD
from reproductions import reproduce
from reproductions.diffusion_tensors import scan as scans_of
from reproductions.diffusion_tensors.acquisition import (
    fitted,
    random_directions,
    scanned,
    spread,
)
from reproductions.diffusion_tensors.charts import ENTRIES, LOG_EUCLIDEAN, SCALE, SOFTPLUS
from reproductions.diffusion_tensors.data import tissue
from reproductions.diffusion_tensors.denoisers import OfSignals, OfTensors
from reproductions.diffusion_tensors.measures import Errors, case_of, errors
from reproductions.diffusion_tensors.networks import (
    TensorNetwork,
    gradient_flow,
    tensor_feature,
    turning_error,
)
from reproductions.diffusion_tensors.statements import (
    FIT,
    LOG,
    RAW,
    SIGNALS,
    SOFT,
    lower,
    positivity,
)
from reproductions.diffusion_tensors.tensors import (
    LEAST,
    MOST,
    eigenvalues,
    fractional_anisotropy,
    matrices,
    mean_diffusivity,
    physical,
    six,
)

CHARTS = {chart.name: chart for chart in (ENTRIES, LOG_EUCLIDEAN, SOFTPLUS)}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


@pytest.fixture
def tensors():
    return SPD(3).random_point(50, dtype=torch.float64)


def small_flow(source=None):
    source = tensor_feature() if source is None else source
    return gradient_flow(source, units=1, steps=1, threshold=0.05)


def test_six_coordinates_are_an_isometry_and_those_of_the_manifold(tensors):
    torch.testing.assert_close(matrices(six(tensors)), tensors)
    gaps = (six(tensors[1:]) - six(tensors[:-1])).norm(dim=-1)
    torch.testing.assert_close(gaps, torch.linalg.matrix_norm(tensors[1:] - tensors[:-1]))
    flat = SPD(3, metric="log-euclidean")
    torch.testing.assert_close(six(LOG_EUCLIDEAN.into(tensors)), flat.coordinates(tensors))


@pytest.mark.parametrize("values", [(1.0, 1.0, 1.0), (1.7, 0.3, 0.3), (0.2, 0.2, 3.0)])
def test_anisotropy_and_diffusivity_of_known_tensors(values):
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    values = torch.tensor(values, dtype=torch.float64)
    tensor = turn @ values.diag() @ turn.T
    mean = values.mean()
    expected = math.sqrt(1.5) * (values - mean).norm() / values.norm()
    torch.testing.assert_close(fractional_anisotropy(tensor), expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(mean_diffusivity(tensor), mean)
    torch.testing.assert_close(eigenvalues(tensor), values.sort().values)


def test_clipping_keeps_what_is_physical(generator):
    inside = tissue(1, side=4, generator=generator).tensors
    torch.testing.assert_close(physical(inside), inside, rtol=0, atol=1e-5)
    found = eigenvalues(physical(torch.diag(torch.tensor([-1.0, 1.0, 9.0]))))
    torch.testing.assert_close(found, torch.tensor([LEAST, 1.0, MOST]))


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_charts_are_inverted_and_turn_with_tensors(chart, tensors):
    torch.testing.assert_close(chart.back(chart.into(tensors)), tensors)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    turned = chart.into(turn @ tensors @ turn.T)
    torch.testing.assert_close(turned, turn @ chart.into(tensors) @ turn.T)


@pytest.mark.parametrize("chart", [LOG_EUCLIDEAN, SOFTPLUS], ids=lambda chart: chart.name)
def test_what_comes_back_is_positive(chart):
    far = matrices(3 * SCALE * torch.randn(1000, 6, dtype=torch.float64))
    assert float(eigenvalues(far)[..., 0].min()) < 0
    assert float(eigenvalues(chart.back(far))[..., 0].min()) > 0


@pytest.mark.parametrize("way", [SOFTPLUS.into, SOFTPLUS.back])
@pytest.mark.parametrize("start", ["repeated", "apart"])
def test_the_softplus_chart_has_exact_first_derivatives(way, start, tensors):
    x = torch.eye(3, dtype=torch.float64)[None] if start == "repeated" else tensors[:2]
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: way((a + a.mT) / 2), x)


def test_fits_of_exact_signals_are_the_tensors(generator):
    fields = tissue(2, side=4, generator=generator)
    directions = random_directions(6, generator=generator)
    scan = scanned(*fields, directions, noise=torch.zeros(2))
    torch.testing.assert_close(fitted(scan), fields.tensors, rtol=0, atol=2e-4)


def test_noise_has_its_size_and_makes_fits_that_are_no_tensors(generator):
    fields = tissue(4, side=6, generator=generator)
    directions = random_directions(6, generator=generator)
    noisy = scanned(*fields, directions, noise=torch.full((4,), 0.1), generator=generator)
    clean = scanned(*fields, directions, noise=torch.zeros(4))
    bright = clean.signals > 0.5
    assert float((noisy.signals - clean.signals)[bright].std()) == pytest.approx(0.1, rel=0.05)
    assert float(eigenvalues(fitted(noisy))[..., 0].min()) < 0


def test_chosen_directions_are_spread_and_differ():
    many = torch.nn.functional.normalize(torch.randn(64, 3), dim=1)
    chosen = spread(many, 6, first=5)
    assert int(chosen[0]) == 5
    assert len(set(chosen.tolist())) == 6
    cosines = (many[chosen] @ many[chosen].T).abs().fill_diagonal_(0)
    assert float(cosines.max()) < 0.85


@pytest.mark.parametrize("chart", [LOG_EUCLIDEAN, SOFTPLUS], ids=lambda chart: chart.name)
def test_networks_keep_tensors_apart_no_further_and_turn_with_the_grid(chart, generator):
    network = TensorNetwork(chart, small_flow())
    first, second = tissue(2, side=4, generator=generator).tensors[:, None]
    with torch.no_grad():
        gap = (chart.coordinates(network(first)) - chart.coordinates(network(second))).norm()
    assert float(gap) <= 1.0001 * float(
        (chart.coordinates(first) - chart.coordinates(second)).norm()
    )
    assert turning_error(network, first) < 1e-5
    assert network.claims()[0].structure == dx.OnManifold(SPD(3))


def test_a_network_that_does_not_turn_is_found():
    flow = small_flow()
    conv = torch.nn.Conv3d(6, 6, 3, padding=1)
    assert turning_error(TensorNetwork(ENTRIES, flow), SPD(3).random_point(1, 4, 4, 4)) < 1e-5
    assert turning_error(TensorNetwork(ENTRIES, conv), SPD(3).random_point(1, 4, 4, 4)) > 1e-2


def test_denoising_of_signals_is_the_fit_where_nothing_is_learned(generator):
    fields = tissue(1, side=4, generator=generator)
    scan = scanned(*fields, random_directions(7, generator=generator), noise=torch.zeros(1))
    signals = OfSignals(torch.nn.Identity())
    torch.testing.assert_close(signals.tensors(scan), fitted(scan), rtol=0, atol=1e-3)
    entries = OfTensors(ENTRIES, torch.nn.Identity(), clip=False)
    torch.testing.assert_close(entries.tensors(scan), fitted(scan))


def test_errors_of_the_truth_are_zero_and_those_of_others_known(generator):
    fields = tissue(1, side=4, generator=generator)
    directions = random_directions(64, generator=generator)
    case = case_of(scanned(*fields, directions, noise=torch.zeros(1)), fields.tensors)
    exact = errors(lambda scan: fields.tensors, case, [case.scan] * 2)
    assert exact.anisotropy.tolist() == exact.diffusivity.tolist() == [0.0, 0.0]
    off = errors(lambda scan: fields.tensors - 9 * torch.eye(3), case, [case.scan])
    assert float(off.diffusivity) == pytest.approx(9, rel=1e-5)
    assert float(off.negative) == 1.0
    assert off.least < -5


def found_of(least=0.1, negative=0.2):
    values = torch.tensor([0.1, 0.11, 0.09])
    good = Errors(values, values, torch.zeros(3), least)
    bad = Errors(2 * values, values, torch.full((3,), negative), -1.0)
    return {SOFT: {6: good}, LOG: {6: good}, FIT: {6: bad}, RAW: {6: bad}, SIGNALS: {6: bad}}


def test_statements_can_fail():
    assert [s.holds for s in positivity(found_of(), where="here")] == [True, True]
    assert [s.holds for s in positivity(found_of(least=-0.1), where="here")] == [False, True]
    assert [s.holds for s in positivity(found_of(negative=0.0), where="here")] == [True, False]
    assert lower(found_of(), "anisotropy", SOFT, FIT, 6, where="here").holds
    assert not lower(found_of(), "anisotropy", FIT, SOFT, 6, where="here").holds
    assert not lower(found_of(), "diffusivity", SOFT, FIT, 6, where="here").holds


def test_without_dipy_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(scans_of, "find_spec", lambda name: None)
    with pytest.raises(
        ModuleNotFoundError, match=r'pip install "darboux\[diffusion\]", or --quick'
    ):
        reproduce("diffusion-tensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_scan_of_dipy_and_its_fit():
    pytest.importorskip("dipy")
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel

    scan = scans_of.small_scan()
    assert scan.signals.shape == (1, 10, 10, 10, 65)
    values = torch.cat([torch.zeros(1), 1000 * scan.weights]).numpy()
    vectors = torch.cat([torch.zeros(1, 3), scan.directions]).numpy()
    model = TensorModel(gradient_table(values, bvecs=vectors), fit_method="WLS")
    theirs = 1000 * torch.from_numpy(model.fit(scan.signals.numpy()).quadratic_form)
    # signals of 0 are raised to the least positive one here, to 10⁻⁴ there
    inside = case_of(scan).inside & (scan.signals > 0).all(-1)
    torch.testing.assert_close(fitted(scan)[inside].double(), theirs[inside], rtol=0, atol=1e-4)
