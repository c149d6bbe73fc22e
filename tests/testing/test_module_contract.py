"""The contract of modules passes a good module and catches each way of being a bad one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from dmod.engine.native import NativeModule
from dmod.model.configs import ConfigSchema, Key
from dmod.model.module import Description, Variable
from dmod.testing.modules import ModuleContract

RAIN = "atmosphere_water__liquid_equivalent_precipitation_rate"


class Reservoir(NativeModule):
    """A linear reservoir: a share *k* of what it holds leaves in an hour. The one of the documentation."""

    name: ClassVar[str] = "reservoir"
    schema = ConfigSchema((Key("k", unit="h-1", doc="share that leaves in an hour", bounds=(0.0, 1.0)),))
    description = Description(
        "Reservoir",
        inputs=(Variable(RAIN, "mm h-1", "precipitation"),),
        outputs=(Variable("flow", "m", "depth that leaves in the step"), Variable("held", "m", "depth stored")),
    )

    def _derive(self, changed=""):
        if not changed:
            self._storage = np.zeros(self.size)

    def _advance(self, inputs, out, slots):
        rain = inputs[RAIN]
        for t in range(out.shape[2]):
            self._storage += rain[:, t if rain.shape[1] > 1 else 0] / 1000.0
            flow = self.flow(t)
            self._storage -= flow
            for slot, values in zip(slots, (flow, self._storage), strict=True):
                if slot >= 0:
                    out[slot, :, t] = values

    def flow(self, t):
        return self.parameters["k"] * self._storage

    def stored(self):
        return self._storage


class TestReservoirByItself(ModuleContract):
    module = Reservoir


class TestReservoirWithItsBalance(ModuleContract):
    module = Reservoir
    water_in: ClassVar[dict[str, float]] = {RAIN: 1e-3}
    water_out: ClassVar[dict[str, float]] = {"flow": 1.0}


class ForgetsTheBlock(Reservoir):
    """The first step of every block counts double."""

    def flow(self, t):
        return super().flow(t) * (1.5 if t == 0 else 1.0)


class LooksAcross(Reservoir):
    """Flow depends on what the neighbours hold."""

    def flow(self, t):
        return 0.5 * super().flow(t) + 1e-12 * self._storage.mean()


class Leaks(Reservoir):
    """A millionth vanishes."""

    def flow(self, t):
        flow = super().flow(t)
        self._storage -= 1e-6 * flow
        return flow


class LooksAtWhatIsKept(Reservoir):
    """Flow is another when *held* is not kept."""

    def flow(self, t):
        return super().flow(t) * (1.0 if self._slots[1] >= 0 else 0.5)


class IgnoresWidthOne(Reservoir):
    """Rain of width one falls in the first step only."""

    def _advance(self, inputs, out, slots):
        rain = inputs[RAIN]
        if rain.shape[1] == 1 < out.shape[2]:
            rain = np.hstack([rain, np.zeros((self.size, out.shape[2] - 1))])
        super()._advance({RAIN: rain}, out, slots)


class ScribblesOnItsInput(Reservoir):
    """It converts units where the caller's numbers are."""

    def _advance(self, inputs, out, slots):
        super()._advance(inputs, out, slots)
        inputs[RAIN][:] *= 0.5


class SpeaksNoUnits(Reservoir):
    description = Description(
        "Reservoir", Reservoir.description.inputs, (Variable("flow", "furlongz"), Variable("held"))
    )


class TwoOfAName(Reservoir):
    description = Description("Reservoir", Reservoir.description.inputs, (Variable("flow"), Variable("flow")))


class SaysSingle(Reservoir):
    def get_var_type(self, name):
        return "float32"


class StandsStill(Reservoir):
    def get_current_time(self):
        return 0.0


class JumpsInTime(Reservoir):
    """update_until takes one step, whatever the distance."""

    def update_until(self, time):
        self.update()
        self._steps = int(time // 3600)


class AnswersAnything(Reservoir):
    def get_var_units(self, name):
        return "m"


class GivesItsOwnArray(Reservoir):
    def get_value(self, name, dest):
        return self.get_value_ptr(name)


class GoesBlank(Reservoir):
    def flow(self, t):
        return super().flow(t) * np.nan


class HasEdges(Reservoir):
    def get_grid_edge_count(self, grid):
        return 3


@pytest.mark.parametrize(
    ("bad", "caught"),
    [
        (ForgetsTheBlock, {"test_blocks_of_any_length_give_the_same", "test_a_block_equals_single_steps"}),
        (LooksAcross, {"test_catchments_do_not_see_each_other"}),
        (Leaks, {"test_water_is_kept"}),
        (LooksAtWhatIsKept, {"test_what_is_kept_does_not_change_values"}),
        (IgnoresWidthOne, {"test_a_block_of_width_one_holds_through_all_steps"}),
        (ScribblesOnItsInput, {"test_blocks_given_are_left_alone"}),
        (SpeaksNoUnits, {"test_variables_say_what_they_are"}),
        (TwoOfAName, {"test_counts_equal_names"}),
        (SaysSingle, {"test_variables_say_what_they_are"}),
        (StandsStill, {"test_time_advances_by_its_step"}),
        (JumpsInTime, {"test_update_until_is_update_repeated"}),
        (AnswersAnything, {"test_an_unknown_variable_is_refused"}),
        (GivesItsOwnArray, {"test_outputs_are_copied_out"}),
        (GoesBlank, {"test_outputs_are_numbers"}),
        (HasEdges, {"test_the_grid_is_points"}),
    ],
)
def test_a_bad_module_is_caught(bad, caught):
    """Each fault fails the tests that are about it, at least."""
    contract = type("Contract", (TestReservoirWithItsBalance,), {"module": bad})()
    failed = set()
    for name in [n for n in dir(contract) if n.startswith("test_")]:
        given = {"steps": 3, "catchments": 2} if name == "test_blocks_given_are_left_alone" else {}
        try:
            getattr(contract, name)(**given)
        except Exception:
            failed.add(name)
    assert caught <= failed


def test_what_differs_is_said_with_place_and_numbers():
    contract = type("Contract", (TestReservoirByItself,), {"module": ForgetsTheBlock})()
    with pytest.raises(
        AssertionError, match=r"flow, cut into \[1, 5, 2, .*\] steps: .* and .* at \(0, 1\); \d+ of 72 differ"
    ):
        contract.test_blocks_of_any_length_give_the_same()


def test_a_contract_without_a_balance_says_so():
    with pytest.raises(pytest.skip.Exception, match="no water_in"):
        TestReservoirByItself().test_water_is_kept()


def test_made_up_instances_are_alike_and_their_catchments_are_not():
    (one, first), (other, second) = TestReservoirByItself().make(), TestReservoirByItself().make()
    assert one.parameters["k"].tolist() == other.parameters["k"].tolist() == [0.25, 0.5, 0.75]
    assert np.array_equal(first[RAIN], second[RAIN])
    assert first[RAIN].shape == (3, 24)
