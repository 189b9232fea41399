"""The coefficients of the embedded pairs of order 2, 3 and 5."""

from __future__ import annotations

from fractions import Fraction

from darboux.integrators._embedded_pair import EmbeddedPair, hermite, lower_triangle
from darboux.integrators._tableau import Tableau

_HALF = Fraction(1, 2)

_HEUN = lower_triangle((), (1,), (_HALF, _HALF))

HEUN_EULER = EmbeddedPair(
    Tableau(_HEUN, _HEUN[-1], (0, 1, 1), "Heun-Euler"), (1, 0, 0), hermite(_HEUN[-1]), order=2
)

_FEHLBERG = lower_triangle(
    (),
    (_HALF,),
    (Fraction(1, 256), Fraction(255, 256)),
    (Fraction(1, 512), Fraction(255, 256), Fraction(1, 512)),
)

# Fehlberg 1969, Low-order classical Runge-Kutta formulas with stepsize control, RK1(2).
FEHLBERG = EmbeddedPair(
    Tableau(_FEHLBERG, _FEHLBERG[-1], (0, _HALF, 1, 1), "Fehlberg(2)"),
    (Fraction(1, 256), Fraction(255, 256), 0, 0),
    hermite(_FEHLBERG[-1]),
    order=2,
)

_BOGACKI_SHAMPINE = lower_triangle(
    (), (_HALF,), (0, Fraction(3, 4)), (Fraction(2, 9), Fraction(1, 3), Fraction(4, 9))
)

# Bogacki and Shampine 1989, A 3(2) pair of Runge-Kutta formulas.
BOGACKI_SHAMPINE = EmbeddedPair(
    Tableau(
        _BOGACKI_SHAMPINE,
        _BOGACKI_SHAMPINE[-1],
        (0, _HALF, Fraction(3, 4), 1),
        "Bogacki-Shampine",
    ),
    (Fraction(7, 24), Fraction(1, 4), Fraction(1, 3), Fraction(1, 8)),
    hermite(_BOGACKI_SHAMPINE[-1]),
    order=3,
)

_DORMAND_PRINCE = lower_triangle(
    (),
    (Fraction(1, 5),),
    (Fraction(3, 40), Fraction(9, 40)),
    (Fraction(44, 45), Fraction(-56, 15), Fraction(32, 9)),
    (
        Fraction(19372, 6561),
        Fraction(-25360, 2187),
        Fraction(64448, 6561),
        Fraction(-212, 729),
    ),
    (
        Fraction(9017, 3168),
        Fraction(-355, 33),
        Fraction(46732, 5247),
        Fraction(49, 176),
        Fraction(-5103, 18656),
    ),
    (
        Fraction(35, 384),
        0,
        Fraction(500, 1113),
        Fraction(125, 192),
        Fraction(-2187, 6784),
        Fraction(11, 84),
    ),
)

DORMAND_PRINCE = Tableau(
    a=_DORMAND_PRINCE,
    b=_DORMAND_PRINCE[-1],
    c=(0, Fraction(1, 5), Fraction(3, 10), Fraction(4, 5), Fraction(8, 9), 1, 1),
    name="Dormand-Prince",
)
"""The seven stages of Dormand and Prince 1980, order 5."""

# The difference of the embedded weights from b is two thirds of that of Dormand and Prince.
# Shampine 1986, Some practical Runge-Kutta formulas; the dense weights, of order 4, too.
DORMAND_PRINCE_5 = EmbeddedPair(
    DORMAND_PRINCE,
    (
        Fraction(1951, 21600),
        Fraction(0),
        Fraction(22642, 50085),
        Fraction(451, 720),
        Fraction(-12231, 42400),
        Fraction(649, 6300),
        Fraction(1, 60),
    ),
    (
        (
            1,
            Fraction(-8048581381, 2820520608),
            Fraction(8663915743, 2820520608),
            Fraction(-12715105075, 11282082432),
        ),
        (0, 0, 0, 0),
        (
            0,
            Fraction(131558114200, 32700410799),
            Fraction(-68118460800, 10900136933),
            Fraction(87487479700, 32700410799),
        ),
        (
            0,
            Fraction(-1754552775, 470086768),
            Fraction(14199869525, 1410260304),
            Fraction(-10690763975, 1880347072),
        ),
        (
            0,
            Fraction(127303824393, 49829197408),
            Fraction(-318862633887, 49829197408),
            Fraction(701980252875, 199316789632),
        ),
        (
            0,
            Fraction(-282668133, 205662961),
            Fraction(2019193451, 616988883),
            Fraction(-1453857185, 822651844),
        ),
        (
            0,
            Fraction(40617522, 29380423),
            Fraction(-110615467, 29380423),
            Fraction(69997945, 29380423),
        ),
    ),
    order=5,
)

_TSITOURAS = lower_triangle(
    (),
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (
        5.86145544294642,
        -12.92096931784711,
        8.159367898576159,
        -0.071584973281401,
        -0.028269050394068383,
    ),
    (
        0.09646076681806523,
        0.01,
        0.4798896504144996,
        1.379008574103742,
        -3.290069515436081,
        2.324710524099774,
    ),
)

# Tsitouras 2011, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying
# assumption; the dense weights, of order 4, too.
TSITOURAS = EmbeddedPair(
    Tableau(
        _TSITOURAS,
        _TSITOURAS[-1],
        (0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1),
        "Tsitouras",
    ),
    (
        0.09468075576583945,
        0.009183565540343253,
        0.4877705284247616,
        1.234297566930479,
        -2.7077123499835256,
        1.866628418170587,
        1 / 66,
    ),
    (
        (1, -2.7637061972752357, 2.9132554618221977, -1.0530884977290216),
        (0, 0.1317, -0.2234, 0.1017),
        (0, 3.930296236894751, -5.941033872131505, 2.490627285651253),
        (0, -12.411077166933676, 30.338188630282318, -16.548102889244902),
        (0, 37.50931341651104, -88.1789048947664, 47.37952196281928),
        (0, -27.896526289197286, 65.09189467479368, -34.87065786149661),
        (0, 1.5, -4, 2.5),
    ),
    order=5,
)
