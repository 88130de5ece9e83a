"""`check_method` accepts every method of the table, and names faults that are planted in one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from unpaired.losses.adversarial import generator_loss
from unpaired.losses.distances import l1
from unpaired.methods import METHODS, MethodInfo
from unpaired.methods.base import Batch, Method, Player, StepContext, Turn, Turns, discriminator_loss_joint
from unpaired.networks import NetworkFactory
from unpaired.routes import Route
from unpaired.testing import check_method


class Sound(Method):
    """A correct method, which the others spoil."""

    def __init__(self, net: NetworkFactory, *, cycle_weight: float = 1.0) -> None:
        super().__init__()
        self.G, self.F, self.D = net.generator("X", "Y"), net.generator("Y", "X"), net.discriminator("Y")
        self.players: dict[str, Player] = {
            "generators": Player(("G", "F"), 1e-3),
            "discriminator": Player(("D",), 1e-3),
        }
        self.loss_weights = {"adversarial": 1.0, "cycle": cycle_weight}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        fake = self.G(batch["X"])
        yield Turn("generators", adversarial=generator_loss(self.D(fake)), cycle=l1(self.F(fake), batch["X"]))
        yield Turn("discriminator", adversarial=discriminator_loss_joint(self.D, batch["Y"], fake))

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        y: Tensor = self.G(x)
        return y


class UnusedPart(Sound):
    """Has a parameter that no loss reaches."""

    def __init__(self, net: NetworkFactory) -> None:
        super().__init__(net)
        self.G.unused = nn.Parameter(torch.zeros(3))


class NoPlayer(Sound):
    """Has a network that no player trains."""

    def __init__(self, net: NetworkFactory) -> None:
        super().__init__(net)
        self.extra = net.generator("X", "Y")


class TwoPlayers(Sound):
    """Gives one network to two players."""

    def __init__(self, net: NetworkFactory) -> None:
        super().__init__(net)
        self.players = {**self.players, "discriminator": Player(("D", "F"), 1e-3)}


class NoTurn(Sound):
    """Never trains its discriminator."""

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        yield next(iter(super().play(batch, context)))


class Nan(Sound):
    """Has a loss that is not finite."""

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        for turn in super().play(batch, context):
            assert isinstance(turn, Turn)
            yield Turn(*turn.players, **{name: loss * float("nan") for name, loss in turn.losses.items()})


class WrongRoute(Sound):
    """Names the wrong network for its route."""

    def __init__(self, net: NetworkFactory) -> None:
        super().__init__(net)
        self.routes = (Route("X", "Y", ("G", "F")),)


class HiddenNeed(Sound):
    """Translates with a network that the route does not name."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        return self.F(super().translate(x, source, target))  # type: ignore[no-any-return]


class Noisy(Sound):
    """Translates with noise."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        return super().translate(x, source, target) * torch.rand(())


class Mixing(Sound):
    """Lets items of a batch depend on each other."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        return super().translate(x, source, target) * x.mean().abs()


class Loud(Sound):
    """Leaves the range of values."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        return 1.5 + super().translate(x, source, target)


class Small(Sound):
    """Returns smaller images."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        return super().translate(x, source, target)[..., 1:]


class Idle(Sound):
    """Returns its input."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        return x


class NeedsSetting(Sound):
    """Has a setting without a default."""

    def __init__(self, net: NetworkFactory, *, cycle_weight: float) -> None:
        super().__init__(net, cycle_weight=cycle_weight)


class WrongPreset(Sound):
    """Has a preset of a setting that it does not have."""

    presets = {"small": {"nonsense": 1}}  # noqa: RUF012 - data


def create_info(cls: type[Method]) -> MethodInfo:
    return MethodInfo("mine", cls, 2026, "Nobody", "2", "direct", "none", unsupported={"voice": "not tried"})


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_the_table_pass(name: str) -> None:
    check_method(METHODS[name])


def test_settings_are_used() -> None:
    check_method(create_info(Sound), cycle_weight=2.0)
    with pytest.raises(TypeError, match="nonsense"):
        check_method(create_info(Sound), nonsense=2.0)


@pytest.mark.parametrize(
    ("cls", "fault"),
    [
        (UnusedPart, "without a gradient in its turns: G.unused"),
        (NoPlayer, "of no player: extra"),
        (TwoPlayers, "two players: F"),
        (NoTurn, "without a turn: discriminator"),
        (WrongRoute, "does not need its role F"),
        (HiddenNeed, "needs more networks than its roles G"),
        (Noisy, "another translation the second time"),
        (Mixing, "depends on the other items"),
        (Loud, "values beyond"),
        (Small, "shape"),
        (Idle, "is the input"),
        (NeedsSetting, "without a default: cycle_weight"),
        (WrongPreset, "small has unknown settings: nonsense"),
    ],
)
def test_planted_faults_are_named(cls: type[Method], fault: str) -> None:
    with pytest.raises(AssertionError, match=f"method 'mine'.*{fault}"):
        check_method(create_info(cls))


def test_losses_that_are_not_finite_are_found() -> None:
    with pytest.raises(Exception, match=r"finite|diverged"):
        check_method(create_info(Nan))


def test_unnamed_losses_and_missing_docstrings_are_found() -> None:
    class Unnamed(Sound):
        """Yields a loss without a weight."""

        def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
            for turn in super().play(batch, context):
                assert isinstance(turn, Turn)
                yield Turn(*turn.players, surprise=next(iter(turn.losses.values())))

    class Undocumented(Sound):
        pass

    Undocumented.__doc__ = None
    with pytest.raises((AssertionError, KeyError), match="surprise"):
        check_method(create_info(Unnamed))
    with pytest.raises(AssertionError, match="no docstring"):
        check_method(create_info(Undocumented))
