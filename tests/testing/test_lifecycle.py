"""Every check of the life cycle passes a sound module and refutes one that breaks its rule."""

import pytest
import torch
from torch import nn
from torch._dynamo.exc import TorchDynamoException

import darboux as dx
from darboux import testing


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return torch.tanh(self.linear(x))


class Unused(Sound):
    def __init__(self):
        super().__init__()
        self.idle = nn.Parameter(torch.ones(()))


class Moody(Sound):
    def forward(self, x):
        return super().forward(x) * (2 if self.training else 1)


class Forgetful(Sound):
    """Holds a tensor that is no buffer, different in every instance."""

    count = 0

    def __init__(self):
        super().__init__()
        Forgetful.count += 1
        self.secret = torch.tensor(float(Forgetful.count))

    def forward(self, x):
        return super().forward(x) * self.secret


class Narrow(Sound):
    def forward(self, x):
        return super().forward(x).float()


class Imprecise(Sound):
    def forward(self, x):
        return super().forward(x) * (1 + 1e-3 * (x.dtype == torch.float32))


class Mixing(Sound):
    def forward(self, x):
        return super().forward(x) - x.mean(0)


class InPlace(Sound):
    def forward(self, x):
        return super().forward(x.mul_(0.5))


class Noisy(Sound):
    def forward(self, x):
        return super().forward(x) + 0 * torch.rand(1)


class Unpicklable(Sound):
    def __init__(self):
        super().__init__()
        self.hook = lambda x: x


class Aliased(Sound):
    """A copy that shares its weights with the original."""

    def __deepcopy__(self, memo):
        other = Sound()
        other.linear = self.linear
        return other


class Branching(Sound):
    def forward(self, x):
        return super().forward(x) if float(x.detach().sum()) > 0 else x


class WrongBackward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient

    @staticmethod
    def jvp(ctx, tangent):
        return 2 * tangent


class Lying(Sound):
    def forward(self, x):
        return WrongBackward.apply(super().forward(x))


class Hidden(Sound):
    """Uses a reference to its weight that torch.func cannot see."""

    def __init__(self):
        super().__init__()
        self.references = [self.linear.weight]

    def forward(self, x):
        return torch.tanh(x @ self.references[0].T)


class Unfaithful(Sound):
    def forward(self, x):
        return super().forward(x) * (2 if torch.compiler.is_compiling() else 1)


class Coarse(Sound):
    def forward(self, x):
        autocast = torch.is_autocast_enabled("cpu")
        return super().forward(x) * (2 if autocast else 1)


class Sized(Sound):
    def forward(self, x):
        return super().forward(x) if len(x) else x.new_zeros(1, 3)


class Aloof(Sound):
    """Leaves its parameters out of a batch of no samples."""

    def forward(self, x):
        return super().forward(x) if len(x) else x


class Losing(Sound):
    """Holds a constant that is no state: `to_empty` leaves nothing of it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("factor", torch.tensor([1.0, 2.0, 4.0]), persistent=False)

    def forward(self, x):
        return super().forward(x) * self.factor


class Few(Sound):
    def forward(self, x):
        return super().forward(x) * (1.5 if x.dtype == torch.float16 else 1)


class Swallowing(Sound):
    def forward(self, x):
        return super().forward(x).nan_to_num()


@pytest.fixture
def example():
    return torch.randn(4, 3)


def test_lifecycle_passes(example):
    testing.check_lifecycle(Sound, example)


@pytest.mark.slow
def test_compile_with_inductor(example):
    testing.check_compile(Sound, example, backend="inductor")


FAULTS = [
    (testing.check_gradients, Unused, "no gradient reaches idle"),
    (testing.check_train_equals_eval, Moody, r"train\(\) and eval\(\) differ"),
    (testing.check_state_dict, Forgetful, "saved with safetensors"),
    (testing.check_deepcopy, Aliased, "changed the original"),
    (testing.check_pickle, Unpicklable, "does not pickle"),
    (testing.check_dtypes, Narrow, "output in torch.float32"),
    (testing.check_dtypes, Imprecise, "float32 against float64"),
    (testing.check_batch_is_loop, Mixing, "loop against batch"),
    (testing.check_vmap, Mixing, "vmap against batch"),
    (testing.check_derivatives, Lying, "J u, v"),
    (testing.check_input_untouched, InPlace, "edits its input"),
    (testing.check_input_untouched, Noisy, "draws global random"),
    (testing.check_functional, Hidden, "torch.func.grad of linear.weight"),
    (testing.check_compile, Unfaithful, "compiled output"),
    (testing.check_autocast, Coarse, "relative error"),
    (testing.check_empty_batch, Sized, r"the output of shape \(0, 3\); got \(1, 3\)"),
    (testing.check_empty_batch, Aloof, "no gradient 0 of linear.weight"),
    (testing.check_meta_device, Losing, "another output"),
    (testing.check_half_precision, Few, "float16: relative error"),
    (testing.check_nan, Swallowing, "turns a NaN"),
    (testing.check_export, Branching, "torch.export fails"),
]


@pytest.mark.parametrize(
    ("check", "broken", "message"), FAULTS, ids=[f"{c.__name__}-{b.__name__}" for c, b, _ in FAULTS]
)
def test_check_refutes(check, broken, message, example):
    with pytest.raises(AssertionError, match=message):
        check(broken, example)


def test_compile_refuses_a_graph_break(example):
    with pytest.raises(TorchDynamoException, match=r"(?i)data-dependent|graph break|\.item"):
        testing.check_compile(Branching, example)


def test_unknown_check_is_named(example):
    with pytest.raises(ValueError, match="got flavour"):
        testing.check_lifecycle(Sound, example, skip=["flavour"])


def test_tolerance_grows_with_size_and_follows_the_format():
    assert testing.tolerance(torch.float64, 10) == 10 * 8 * torch.finfo(torch.float64).eps
    assert testing.tolerance(torch.float32, 1) > testing.tolerance(torch.float64, 1000)


@pytest.mark.parametrize("bad", [torch.tensor([1.0, 2.1]), torch.tensor([1.0, torch.nan])])
def test_assert_close_refuses(bad):
    with pytest.raises(AssertionError, match=r"things: differ by"):
        testing.assert_close(bad, torch.tensor([1.0, 2.0]), what="things")


def test_assert_close_compares_shapes():
    with pytest.raises(AssertionError, match=r"expected shape \(2,\); got \(1, 2\)"):
        testing.assert_close(torch.ones(1, 2), torch.ones(2))


def test_size_must_be_positive():
    with pytest.raises(ValueError, match="expected size to be a positive integer; got 0"):
        testing.tolerance(torch.float32, 0)


def test_nothing_is_close_to_infinity():
    with pytest.raises(AssertionError, match="differ by inf"):
        testing.assert_close(torch.ones(2), torch.tensor([1.0, torch.inf]))


class Undefined(dx.fields.VectorField):
    """A field that claims a constant, and returns NaN."""

    def forward(self, t, z):
        return z * torch.nan

    def lipschitz(self):
        return torch.tensor(1.0)


def test_nan_satisfies_no_bound():
    with pytest.raises(AssertionError, match="fails by nan"):
        testing.check_constants(Undefined(), torch.ones(1, 2))


WRONG = {
    "module instead of a factory": lambda: testing.check_lifecycle(torch.ones(1), torch.ones(1)),
    "number instead of a tensor": lambda: testing.check_gradients(torch.nn.Flatten, 1.0),
    "plain layer": lambda: testing.check_adjoint(torch.nn.Linear(2, 2), torch.ones(1, 2)),
    "text": lambda: testing.check_order("euler"),
    "half a size": lambda: testing.check_symbol(dx.linear.Dense(2, 2), 1.5),
    "a number": lambda: testing.assert_close(1.0, torch.ones(1)),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_arguments_are_named(what):
    with pytest.raises(TypeError, match=r"\w+: expected \w+ to be .*; got "):
        WRONG[what]()
