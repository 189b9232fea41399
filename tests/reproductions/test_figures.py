"""What all figures have in common: ticks, legends beside curves, the palette by default."""

import pytest
from matplotlib.colors import to_hex

from reproductions.common.figures import COLOURS, canvas, legend, legend_beside, line, save


def drawn():
    figure, ((axes,),) = canvas(1, 1, side=(4, 3))
    for k in range(6):
        axes.plot([1, 2], [2, 3 + k], label=f"curve {k}", **line(k))
    axes.set_yscale("log")
    return figure, axes


def test_minor_ticks_are_no_larger_than_major_ones():
    figure, axes = drawn()
    figure.draw_without_rendering()
    major, minor = axes.yaxis.get_major_ticks()[0], axes.yaxis.get_minor_ticks()[0]
    assert minor.label1.get_fontsize() <= major.label1.get_fontsize()
    assert minor.tick1line.get_markersize() <= major.tick1line.get_markersize()


@pytest.mark.parametrize("beside", [False, True])
def test_legends_hide_nothing(beside, tmp_path):
    figure, axes = drawn()
    legend_beside(axes) if beside else legend(figure, axes)
    save(figure, tmp_path / "a.png")
    box = (axes.get_legend() or figure.legends[0]).get_window_extent()
    assert box.x0 >= axes.get_window_extent().x1
    assert box.x1 <= figure.bbox.x1


def test_curves_without_a_style_take_the_palette():
    _, ((axes,),) = canvas(1, 1, side=(4, 3))
    found = [to_hex(axes.plot([0, 1])[0].get_color()) for _ in COLOURS]
    assert found == list(COLOURS)
