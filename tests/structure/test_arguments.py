"""Arguments checked against their annotations, and inputs that are no tensors."""

import copy
import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from darboux.structure._arguments import Count, Extended, Positive, Within, checked
from darboux.structure._module import Module


class Shape:
    """Takes "square", as well, and says what to do with a number."""

    @classmethod
    def from_argument(cls, value):
        if value == "square":
            return cls()
        raise TypeError("Write Shape()." if isinstance(value, int) else "")


class Everything:
    @checked
    def __init__(
        self,
        shape: Shape | None = None,
        *rest: Count,
        size: float = math.inf,
        sizes: Sequence[Positive] = (),
        pair: tuple[int, int] = (1, 2),
        ratio: Annotated[float, Within("a number in (0, 1)", above=0, below=1)] = 0.5,
        bound: Extended = 1.0,
        kind: Literal["a", "b", 3] = "a",
        flag: bool = False,
        start: Tensor | None = None,
        make: Callable[[float], float] = abs,
        **options: int,
    ):
        self.given = dict(locals())


TAKEN = {
    "nothing": {},
    "its own default, of another kind": {"size": math.inf},
    "integer for a number": {"size": 3},
    "integer of numpy": {"pair": (np.int64(3), 4)},
    "number of numpy": {"size": np.float32(0.5)},
    "fraction": {"size": Fraction(1, 3)},
    "huge integer": {"pair": (10**400, 0)},
    "infinity": {"bound": -math.inf},
    "list": {"sizes": [0.1, 2]},
    "choice": {"kind": 3},
    "class for a function": {"make": float},
    "None": {"start": None},
    "what from_argument takes": {"shape": "square"},
    "option": {"unknown": "x"},
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name):
    given = TAKEN[name]
    made = Everything(**given).given
    for key, value in given.items():
        if key == "shape":
            assert isinstance(made[key], Shape)
        else:
            assert made.get(key, made["options"].get(key)) == value


REFUSED = {
    "NaN": ({"size": math.nan}, ValueError, "size to be a finite number; got nan"),
    "infinite": ({"size": -math.inf}, ValueError, "finite number; got -inf"),
    "huge": ({"size": 10**400}, ValueError, "finite number; got 1000"),
    "truth": ({"size": True}, TypeError, "got True"),
    "truth of numpy": ({"size": np.bool_(1)}, TypeError, "finite number; got"),
    "text": ({"size": "1"}, TypeError, "got '1'"),
    "complex": ({"size": 1j}, TypeError, "got 1j"),
    "tensor": ({"size": torch.ones(())}, TypeError, r"got a tensor .* value\.item\(\)"),
    "fraction of an integer": ({"pair": (1, 2.0)}, TypeError, r"got \(1, 2\.0\)"),
    "wrong length": ({"pair": (1, 2, 3)}, ValueError, r"got \(1, 2, 3\)"),
    "text as a sequence": ({"sizes": "12"}, TypeError, "a sequence .* got '12'"),
    "one for several": ({"sizes": 2.0}, TypeError, r"Write \[2\.0\]"),
    "end of an interval": ({"ratio": 1.0}, ValueError, r"number in \(0, 1\); got 1\.0"),
    "NaN of the extended": ({"bound": math.nan}, ValueError, "or an infinity; got nan"),
    "other choice": ({"kind": "c"}, ValueError, "'a' or 'b' or 3; got 'c'"),
    "number for truth": ({"flag": 1}, TypeError, "True or False; got 1"),
    "array": ({"start": np.ones(2)}, TypeError, r"an array .* torch\.as_tensor"),
    "no function": ({"make": 3}, TypeError, "a function of 1 argument; got 3"),
    "class": ({"shape": Shape}, TypeError, r"got the class Shape. Make one: Shape\(\.\.\.\)"),
    "advice": ({"shape": 3}, TypeError, r"a Shape or None; got 3. Write Shape\(\)\."),
    "no tensor": ({"shape": object()}, TypeError, "got a object|got an object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    given, error, message = REFUSED[name]
    with pytest.raises(error, match=f"^Everything: expected .*{message}"):
        Everything(**given)


def test_several_places_are_checked_one_by_one():
    assert Everything(None, 1, 2).given["rest"] == (1, 2)
    with pytest.raises(ValueError, match="expected rest to be a positive integer; got 0"):
        Everything(None, 1, 0)


def test_python_names_what_is_missing_or_unknown():
    @checked
    def function(size: float) -> float:
        return size

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'size'"):
        function()
    with pytest.raises(TypeError, match="unexpected keyword argument 'length'"):
        function(1.0, length=2)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        function(1.0, 2.0)


@checked
@dataclass(frozen=True)
class Point:
    x: float
    y: Positive = 1.0


def test_data_is_checked_and_stays_data():
    point = Point(1, y=2.0)
    assert point == pickle.loads(pickle.dumps(copy.deepcopy(point)))
    with pytest.raises(ValueError, match="Point: expected y to be a positive finite number; got 0"):
        Point(1.0, 0)


class Doubling(Module):
    def forward(self, x):
        return 2 * x


def test_a_call_is_with_a_tensor():
    double = Doubling()
    assert double(torch.ones(2)).sum() == 4
    assert torch.fx.symbolic_trace(nn.Sequential(double))(torch.ones(2)).sum() == 4
    assert torch.compile(double, backend="eager", fullgraph=True)(torch.ones(2)).sum() == 4
    for value, shown in (
        (None, "got None"),
        (np.ones(2), r"got an array of shape \(2,\).*torch\.as_tensor"),
        ([1.0], r"got \[1\.0\]"),
        (torch.ones(2, dtype=torch.long), r"int64. Use x\.float\(\)"),
        (torch.ones(2, dtype=torch.complex64), "complex64. Give real and imaginary parts"),
    ):
        with pytest.raises(TypeError, match=f"Doubling: expected a tensor.*{shown}"):
            double(value)
