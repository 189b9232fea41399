"""What the measurements measure, against slow and independent computations."""

import math
import pickle

import pytest
import torch
import torch.nn.functional as F

import darboux as dx
from darboux.imaging import Blur, Downsampling, FourierSampling, Inpainting, ParallelBeam, line_mask


def _image(*size, channels=1):
    return torch.rand(2, channels, *size, dtype=torch.float64)


@pytest.mark.parametrize("size", [(3, 3), (4, 5)])
def test_blur_is_a_convolution(size):
    x, kernel = _image(9, 11), torch.rand(size, dtype=torch.float64)
    pads = [p for k in reversed(size) for p in (k - 1 - k // 2, k // 2)]
    mirrored = kernel.flip(0, 1)[None, None]
    whole = F.conv2d(F.pad(x, pads, mode="circular"), mirrored)
    assert torch.allclose(Blur(kernel)(x), whole)
    assert torch.allclose(Blur(kernel, padding_mode="zeros")(x), F.conv2d(F.pad(x, pads), mirrored))
    assert torch.allclose(Blur(kernel, padding_mode="valid")(x), F.conv2d(x, mirrored))


def test_gaussian_blur_keeps_the_mean_and_has_its_width():
    blur = Blur.gaussian(2.0).double()
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1
    y, place = blur(x)[0, 0], torch.arange(41) - 20
    assert float(y.sum()) == pytest.approx(1)
    assert float((y.sum(0) * place**2).sum()) ** 0.5 == pytest.approx(2, rel=1e-2)


def test_downsampling_is_the_mean_of_blocks_and_a_blur_at_every_other_pixel():
    x, kernel = _image(8, 12, channels=2), torch.rand(4, 4, dtype=torch.float64)
    assert torch.allclose(Downsampling(4, channels=2).double()(x), F.avg_pool2d(x, 4))
    blurred = Blur(kernel, channels=2)(x).roll((0, 0), (2, 3))[..., 0::2, 0::2]
    assert torch.allclose(Downsampling(2, kernel=kernel, channels=2)(x), blurred)


def test_downsampling_of_odd_sizes_has_an_adjoint_that_crops():
    half, x, y = Downsampling(2).double(), _image(5, 7), _image(3, 4)
    assert half(x).shape == y.shape
    assert torch.allclose((half(x) * y).sum(), (x * half.restore(y, size=(5, 7))).sum())


def test_fourier_sampling_is_the_centred_transform():
    mask, x = torch.rand(8, 5) > 0.4, _image(8, 5, channels=2)
    z = torch.fft.ifftshift(torch.complex(x[:, 0], x[:, 1]), dim=(1, 2))
    waves = torch.fft.fftshift(torch.fft.fft2(z, norm="ortho"), dim=(1, 2)) * mask
    y = FourierSampling(mask)(x)
    assert torch.allclose(torch.complex(y[:, 0], y[:, 1]), waves)
    real = FourierSampling(mask, channels=1)(x[:, :1])
    assert torch.allclose(real, FourierSampling(mask)(torch.cat([x[:, :1], 0 * x[:, :1]], dim=1)))


def test_coils_see_the_image_through_their_maps():
    mask, x = torch.rand(6, 5) > 0.4, _image(6, 5, channels=2)
    maps = torch.randn(3, 6, 5, dtype=torch.complex128)
    y, z = FourierSampling(mask, maps=maps)(x), torch.complex(x[:, 0], x[:, 1])
    for coil in range(3):
        seen = torch.view_as_real(maps[coil] * z).movedim(-1, 1)
        assert torch.allclose(y[:, 2 * coil : 2 * coil + 2], FourierSampling(mask)(seen))


def test_line_mask():
    mask = line_mask((16, 64), keep=0.25, centre=0.125)
    assert mask.shape == (16, 64)
    assert int(mask[0].sum()) == 16
    assert bool((mask == mask[:1]).all())
    assert bool(mask[0, 28:36].all())
    other = line_mask((16, 64), generator=torch.Generator().manual_seed(1))
    assert not torch.equal(mask, other)
    assert torch.equal(mask, line_mask((16, 64), keep=0.25, centre=0.125))
    with pytest.raises(ValueError, match="expected centre <= keep"):
        line_mask((16, 64), keep=0.1, centre=0.2)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 1.2, math.pi / 2, 2.0, 3.0, 4.4, -0.5])
def test_entries_of_a_scan_are_areas(angle):
    n, fine = 5, 160
    scan = ParallelBeam(n, [angle]).double()
    x = _image(n, n)[:1]
    inside = (torch.arange(n * fine, dtype=torch.float64) + 0.5) / fine - n / 2
    u, v = inside, -inside[:, None]
    place = u * math.cos(angle) + v * math.sin(angle) + scan.detectors / 2
    values = x[0, 0].repeat_interleave(fine, 0).repeat_interleave(fine, 1)
    expected = torch.bincount(
        place.floor().long().flatten(), values.flatten() / fine**2, scan.detectors
    )
    assert torch.allclose(scan(x)[0, 0, 0], expected, atol=2e-2)


def test_a_scan_of_a_disc_is_the_length_of_its_chords():
    n, r = 64, 25.0
    along = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    disc = ((along**2 + along[:, None] ** 2) <= r**2).double()[None, None]
    y = ParallelBeam(n, 12).double()(disc)[0, 0]
    t = torch.arange(y.shape[1]) - (y.shape[1] - 1) / 2
    chords = 2 * (r**2 - t**2).clamp(min=0).sqrt()
    assert (y - chords).abs().mean() < 0.5


def test_all_of_the_image_is_in_every_direction():
    x = _image(9, 14)
    y = ParallelBeam((9, 14), 7).double()(x)
    assert torch.allclose(y.sum(-1), x.sum((-2, -1))[..., None].expand(-1, -1, 7))


def test_directions_share_matrices():
    assert len(ParallelBeam(8, 60)._beams.pixels[0]) == 16 * 12
    some = torch.rand(5).tolist()
    x = _image(8, 8)
    each = [ParallelBeam(8, [angle]).double()(x) for angle in some]
    assert torch.allclose(ParallelBeam(8, some).double()(x), torch.cat(each, dim=2))


def test_a_scan_pickles_with_its_matrix_and_answers_in_both_formats():
    scan = ParallelBeam(8, 6)
    again = pickle.loads(pickle.dumps(scan))
    x = _image(8, 8)
    for image in (x, x.float(), x):
        assert torch.equal(again(image), scan(image))
        assert again(image).dtype == image.dtype


SYMMETRIC = {
    "blur": lambda: Blur.gaussian(1.0),
    "blur-zeros": lambda: Blur.gaussian(1.0, padding_mode="zeros"),
    "downsampling": lambda: Downsampling(2),
    "tomography": lambda: ParallelBeam(12, 8),
    "tomography-full": lambda: ParallelBeam(12, [math.pi * k / 6 for k in range(12)]),
    "fourier": lambda: FourierSampling(_crosses(12), channels=1),
    "fourier-complex": lambda: FourierSampling(_crosses(13)),
    "inpainting": lambda: Inpainting(_corners(12)),
}


def _corners(n):
    mask = torch.rand(n, n) > 0.7
    return mask | mask.rot90() | mask.rot90(2) | mask.rot90(3)


def _crosses(n):
    """A mask that quarter turns about the frequency 0 leave as it is."""
    lines = line_mask((n, n), keep=0.3, centre=0.1)
    index = (n // 2 - (torch.arange(n) - n // 2)) % n  # of the opposite frequency
    both = lines | lines[:, index]
    return both | both.T


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_data_of_a_turned_image(name, quarters):
    operator = SYMMETRIC[name]().double()
    x = _image(*(operator.image_size or (12, 12)), channels=operator.in_features)
    y = operator(x)
    turned = operator(torch.rot90(x, quarters, (2, 3)))
    assert torch.allclose(operator.turned(y, quarters=quarters), turned)
    noise = torch.randn_like(y)
    moved = operator.turned(y + noise, quarters=quarters)
    back = torch.rot90(operator.adjoint(y + noise), quarters, (2, 3))
    assert torch.allclose(operator.adjoint(moved), back)


@pytest.mark.parametrize(
    "operator",
    [
        FourierSampling(line_mask((12, 12), keep=0.25)),
        ParallelBeam(12, [0.0, 0.3, 1.0]),
        Blur(torch.rand(3, 3)),
        Inpainting(torch.arange(144).reshape(12, 12) > 20),
        FourierSampling(torch.ones(12, 12) > 0, maps=torch.randn(2, 12, 12, dtype=torch.cfloat)),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_no_data_of_a_turned_image_where_there_are_none(operator):
    y = operator(torch.rand(1, operator.in_features, 12, 12))
    with pytest.raises(ValueError, match=r"A ρ = ρ' A .* differ by [01].[0-9]+ of A ρ x"):
        operator.turned(y)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Blur(torch.ones(2, 2, 2, 2)), "with 1 to 3 axes"),
        (lambda: Blur(torch.full((3, 3), math.nan)), "finite real numbers"),
        (lambda: Blur(torch.ones(5, 5))(torch.ones(1, 1, 4, 9)), "at least as large as the kernel"),
        (lambda: Blur(torch.ones(3, 3))(torch.ones(1, 2, 8, 8)), r"\(batch, 1, n, n\)"),
        (lambda: Downsampling(2, kernel=torch.ones(3)), "a kernel with 2 axes"),
        (lambda: Inpainting(torch.ones(4, 4)), r"Use mask.bool\(\)"),
        (lambda: Inpainting(torch.ones(4, 4) > 0)(torch.ones(1, 1, 4, 5)), r"\(batch, 1, 4, 4\)"),
        (lambda: FourierSampling(torch.ones(4, 4) > 0, maps=torch.ones(2, 4, 4)), "complex maps"),
        (lambda: ParallelBeam(8, []), "finite directions"),
        (lambda: ParallelBeam(8, torch.tensor([math.nan])), "finite directions"),
        (lambda: ParallelBeam(8, 4)(torch.ones(1, 1, 9, 8)), r"\(batch, 1, 8, 8\)"),
        (lambda: ParallelBeam(8, 4).adjoint(torch.ones(1, 1, 8, 8)), r"\(batch, 1, 4, 12\)"),
        (lambda: Blur(torch.ones(3, 3)).symbol(4), "Expected a map with a symbol"),
    ],
)
def test_refusals(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_a_tampered_operator_is_refuted():
    scan = ParallelBeam(8, 6)
    offsets, index, areas = scan._beams.strips
    object.__setattr__(scan._beams, "strips", (offsets, index, areas * 1.01))
    certificate = dx.certify(scan, torch.rand(2, 1, 8, 8), effort="quick")
    assert certificate.verdict == "refuted"
