"""What a module must hold, as a class of tests to inherit.

An author subclasses `ModuleContract`, names the module and, where made-up numbers make
no sense for it, says in ``make`` how a small instance comes about; pytest does the rest.
Numbers are compared to the last bit: the engine cuts time and catchments as it pleases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from bmipy import Bmi
from numpy.typing import NDArray

from dmod.model.configs import Key
from dmod.model.module import ModuleSpec
from dmod.units import is_known

__all__ = ["Block", "ModuleContract"]

#: Values of one variable, shape (catchments, steps) or (catchments, 1).
Block = NDArray[Any]

_CATCHMENTS, _STEPS = 3, 24
#: Lengths that blocks are cut to, in turn: one, a few, many.
_CUTS = (1, 5, 2, 11, 1, 3, 17)
_TOLERANCE = 1.0e-10
_NO_POINTS = ("spacing", "origin", "edge_nodes", "face_edges", "face_nodes", "nodes_per_face")


class ModuleContract:
    """Tests of a module on a grid of catchments; subclass it as ``class TestMine(ModuleContract)``.

    Examples
    --------
    >>> class TestSloth(ModuleContract):
    ...     from dmod.engine.modules.sloth import Sloth as module
    ...     spec = ModuleSpec("bmi_c++", "SLoTH", params={"ice(1,double,m,node)": 0.5})
    >>> TestSloth().test_counts_equal_names()
    """

    #: The class under test.
    module: ClassVar[Any]
    #: How a realization would ask for it; only modules whose variables depend on it need more.
    spec: ClassVar[ModuleSpec] = ModuleSpec("bmi_c", "module under test")
    #: Inputs or outputs that bring water, each with the factor that makes it [m per step].
    water_in: ClassVar[Mapping[str, float]] = {}
    #: The same for water that leaves.
    water_out: ClassVar[Mapping[str, float]] = {}

    def make(self) -> tuple[Any, dict[str, Block]]:
        """A module of a few catchments, initialized, and weather for it; the same at every call.

        Made up here from the schema's defaults and bounds, and inputs in [0, 1). Override it
        where that makes no sense.

        Returns
        -------
        module : module under test
            At its start, two catchments at least, no two of them alike.
        inputs : dict of str to array, shape (catchments, steps)
            Every input, in its units; twenty steps or more.
        """
        schema = self.module.schema
        parameters = {key.name: _made_up(key) for key in schema.keys} if schema is not None else {}
        for name, value in self.spec.params.items():
            self.module.apply(parameters, name, value + np.arange(_CATCHMENTS))
        module = self.module.build(self.spec, parameters, _CATCHMENTS)
        chance = np.random.default_rng(1)
        return module, {name: chance.random((_CATCHMENTS, _STEPS)) for name in module.get_input_var_names()}

    def subset(self, module: Any, places: NDArray[np.intp]) -> Any:
        """A module of some catchments of *module*, at its start.

        Parameters
        ----------
        module : module under test
            As `make` gave it.
        places : array of int, shape (catchments wanted,)
            Which of its catchments.
        """
        chosen = {name: values[places].copy() for name, values in module.parameters.items()}
        return type(module).build(self.spec, chosen, len(places))

    # -- blocks ----------------------------------------------------------------------

    def test_a_block_equals_single_steps(self) -> None:
        """``update_block(n)`` gives what n times ``set_value``, ``update``, ``get_value`` give."""
        module, inputs = self.make()
        stepped, _ = self.make()
        steps = _length(inputs)
        blocks = _run(module, inputs, [steps])
        for t in range(steps):
            for name, block in inputs.items():
                stepped.set_value(name, _column(block, t).astype(np.float64))
            stepped.update()
            for name, block in blocks.items():
                _same(_now(stepped, name), block[:, t], f"{name} in step {t}")
        assert module.get_current_time() == stepped.get_current_time(), "a block advances time as steps do"

    def test_blocks_of_any_length_give_the_same(self) -> None:
        """Where a run is cut in time does not matter."""
        module, inputs = self.make()
        cut, _ = self.make()
        steps = _length(inputs)
        edges = np.append(np.cumsum(np.resize(_CUTS, steps)), steps)
        lengths = np.diff(np.unique(np.minimum(edges, steps)), prepend=0).tolist()
        whole = _run(module, inputs, [steps])
        for name, block in _run(cut, inputs, lengths).items():
            _same(block, whole[name], f"{name}, cut into {lengths} steps")

    def test_a_block_of_width_one_holds_through_all_steps(self) -> None:
        """One value stands for the same value in every step."""
        module, inputs = self.make()
        repeated, _ = self.make()
        steps = _length(inputs)
        narrow = {name: block[:, :1] for name, block in inputs.items()}
        wide = {name: np.repeat(block, steps, axis=1) for name, block in narrow.items()}
        expected = _run(repeated, wide, [steps])
        for name, block in _run(module, narrow, [steps]).items():
            _same(block, expected[name], f"{name}, inputs of width one")

    def test_catchments_do_not_see_each_other(self) -> None:
        """Some catchments, in another order, give the numbers they give among all."""
        module, inputs = self.make()
        places = np.arange(module.get_grid_size(0))[::-1][:-1]
        alone = self.subset(self.make()[0], places)
        steps = _length(inputs)
        whole = _run(module, inputs, [steps])
        for name, block in _run(alone, {n: b[places] for n, b in inputs.items()}, [steps]).items():
            _same(block, whole[name][places], f"{name} of catchments {places.tolist()}")

    def test_what_is_kept_does_not_change_values(self) -> None:
        """Each output alone, and behind the one that follows it, is the output among all."""
        module, inputs = self.make()
        steps = _length(inputs)
        whole = _run(module, inputs, [steps])
        for name, other_name in zip(whole, [*list(whole)[1:], *list(whole)[:1]], strict=True):
            for kept in ([name], [other_name, name]):
                other, _ = self.make()
                other.request(kept)
                for one, block in _run(other, inputs, [steps], kept).items():
                    _same(block, whole[one], f"{one} with only {kept} kept")

    def test_outputs_are_numbers(self) -> None:
        """Sensible weather gives finite values."""
        module, inputs = self.make()
        for name, block in _run(module, inputs, [_length(inputs)]).items():
            assert np.isfinite(block).all(), f"{name} is not finite everywhere"

    @pytest.mark.parametrize("steps", [1, 3])
    @pytest.mark.parametrize("catchments", [1, 2])
    def test_blocks_given_are_left_alone(self, steps: int, catchments: int) -> None:
        """Neither running nor ``set_value`` writes into an array that belongs to the caller."""
        module, inputs = self.make()
        module = self.subset(module, np.arange(catchments))
        given = {name: block[:catchments, :steps].copy() for name, block in inputs.items()}
        before = {name: block.copy() for name, block in given.items()}
        for name, block in given.items():
            module.set_block(name, block)
        module.update_block(steps)
        for name, block in given.items():
            values = 0.1 + np.arange(catchments)
            module.set_value(name, values)
            _same(_now(module, name), values, f"{name}, set after a block")
            _same(block, before[name], f"{name}, as it was given to set_block")

    def test_water_is_kept(self) -> None:
        """What came in left, is stored, or is owned up to by ``made()``, to 1e-10 of what passed."""
        module, inputs = self.make()
        if not hasattr(module, "stored") or not self.water_in:
            pytest.skip("no stored(), or no water_in: there is no balance to close")
        before = np.array(module.stored())
        flows = {name: block.astype(np.float64) for name, block in inputs.items()}
        flows |= _run(module, inputs, [_length(inputs)])
        came, left = (
            sum((factor * flows[name].sum(axis=1) for name, factor in side.items()), np.zeros(len(before)))
            for side in (self.water_in, self.water_out)
        )
        made = module.made() if hasattr(module, "made") else 0.0
        rest = came + made - left - (module.stored() - before)
        passed = came + np.abs(made) + np.abs(before)
        assert (np.abs(rest) <= _TOLERANCE * passed).all(), f"water lost per catchment [m]: {rest}"

    # -- BMI 2.0 ---------------------------------------------------------------------

    def test_bmi_is_complete(self) -> None:
        """Every method of `bmipy.Bmi` is there, and none is the abstract one."""
        module, _ = self.make()
        assert isinstance(module, Bmi), f"{type(module).__name__} must derive from bmipy.Bmi"
        missing = [n for n in Bmi.__abstractmethods__ if getattr(type(module), n) is getattr(Bmi, n)]
        assert not missing, f"missing: {', '.join(sorted(missing))}"
        assert module.get_component_name(), "a model has a name"

    def test_counts_equal_names(self) -> None:
        """As many variables as counted, each name once."""
        module, _ = self.make()
        for names, count in (
            (module.get_input_var_names(), module.get_input_item_count()),
            (module.get_output_var_names(), module.get_output_item_count()),
        ):
            assert len(set(names)) == len(names) == count, f"{count} counted, but the names are {names}"

    def test_variables_say_what_they_are(self) -> None:
        """Type, units, sizes, place and grid of every variable fit its values."""
        module, _ = self.make()
        size = module.get_grid_size(0)
        for name in _names(module):
            values = module.get_value_ptr(name)
            assert values.shape == (size,), f"{name} has shape {values.shape} for {size} catchments"
            assert np.dtype(module.get_var_type(name)) == values.dtype, f"{name}: get_var_type"
            assert module.get_var_itemsize(name) == values.itemsize, f"{name}: get_var_itemsize"
            assert module.get_var_nbytes(name) == values.nbytes, f"{name}: get_var_nbytes"
            assert is_known(module.get_var_units(name)), f"{name}: cannot read {module.get_var_units(name)!r}"
            assert module.get_var_grid(name) == 0, f"{name}: catchments are grid 0"
            assert module.get_var_location(name) == "node", f"{name}: a catchment is a node"

    def test_an_unknown_variable_is_refused(self) -> None:
        """No answer is made up for a name nobody has."""
        module, _ = self.make()
        for ask in (module.get_var_units, module.get_var_type, module.get_var_grid, module.get_value_ptr):
            _refused(ask, "no such variable")

    def test_the_grid_is_points(self) -> None:
        """Grid 0 is one point per catchment, without edges and faces."""
        module, _ = self.make()
        size = module.get_grid_size(0)
        assert (module.get_grid_rank(0), module.get_grid_type(0)) == (1, "points")
        assert module.get_grid_shape(0, np.empty(1, dtype=np.int64)).tolist() == [size]
        assert module.get_grid_node_count(0) == size
        assert (module.get_grid_edge_count(0), module.get_grid_face_count(0)) == (0, 0)
        for axis in "xyz":
            positions = getattr(module, f"get_grid_{axis}")(0, np.full(size, np.nan))
            assert np.isfinite(positions).all(), f"get_grid_{axis}"
        for what in _NO_POINTS:
            _refused(getattr(module, f"get_grid_{what}"), 0, np.empty(size))
        _refused(module.get_grid_size, 1)

    def test_time_advances_by_its_step(self) -> None:
        """The clock starts at the start, moves a step at a time, and its units can be read."""
        module, inputs = self.make()
        start, step = module.get_start_time(), module.get_time_step()
        assert is_known(module.get_time_units()), f"time units {module.get_time_units()!r}"
        assert module.get_current_time() == start, "a module begins at its start"
        assert step > 0, "time runs forward"
        assert start + step < module.get_end_time(), "there is time for a step"
        _give(module, inputs, 0, 1)
        module.update()
        assert module.get_current_time() == start + step, "update() is one step"
        module.update_block(3)
        assert module.get_current_time() == start + 4 * step, "update_block(3) is three steps"

    def test_update_until_is_update_repeated(self) -> None:
        """Three steps at once are three steps, and the past is over."""
        module, inputs = self.make()
        stepped, _ = self.make()
        for one in (module, stepped):
            _give(one, inputs, 0, 1)
        module.update_until(module.get_start_time() + 3 * module.get_time_step())
        for _ in range(3):
            stepped.update()
        for name in module.get_output_var_names():
            _same(_now(module, name), _now(stepped, name), f"{name} after update_until")
        assert module.get_current_time() == stepped.get_current_time(), "update_until arrives in time"
        _refused(module.update_until, module.get_start_time())

    def test_values_go_in_and_come_out(self) -> None:
        """``set_value``, ``get_value``, ``get_value_ptr`` and the ``_at_indices`` pair agree on inputs."""
        module, inputs = self.make()
        size = module.get_grid_size(0)
        for name in inputs:
            values = 0.5 + np.arange(size)
            module.set_value(name, values)
            _same(_now(module, name), values, f"{name} as set")
            _same(module.get_value_ptr(name), values, f"{name} by pointer")
            module.set_value_at_indices(name, np.array([size - 1]), np.array([0.25]))
            _same(_now(module, name), np.append(values[:-1], 0.25), f"{name} set at the last catchment")
            one = module.get_value_at_indices(name, np.empty(1), np.array([size - 1]))
            _same(one, np.array([0.25]), f"{name} at the last catchment")
            module.get_value_ptr(name)[0] = 0.125
            _same(_now(module, name)[:1], np.array([0.125]), f"{name} written through its pointer")

    def test_outputs_are_copied_out(self) -> None:
        """What ``get_value`` gave stays as it was; the pointer to an output stays good."""
        module, inputs = self.make()
        pointers = {name: module.get_value_ptr(name) for name in module.get_output_var_names()}
        _give(module, inputs, 0, _length(inputs))
        module.update_block(_length(inputs))
        for name, pointer in pointers.items():
            _same(pointer, _now(module, name), f"{name}: a pointer taken before the run")
            copied = _now(module, name)
            places = np.arange(len(copied))[::-1]
            picked = module.get_value_at_indices(name, np.empty(len(places)), places)
            _same(picked, copied[places], f"{name} at indices")
            before = copied.copy()
            pointer[:] = -1.0
            _same(copied, before, f"{name}: get_value must copy")

    def test_finalize_ends_it(self) -> None:
        """A module can be let go of."""
        module, _ = self.make()
        module.finalize()


def _made_up(key: Key) -> NDArray[np.float64]:
    """Values of one configuration key for a few catchments: its default, else something inside its bounds."""
    low, high = key.bounds
    if key.kind == "text" or (key.default is not None and np.isnan(key.default)):
        values = np.full(_CATCHMENTS, np.nan)
    elif key.default is not None:
        values = np.full(_CATCHMENTS, key.default)
    elif key.kind == "choice":
        values = np.full(_CATCHMENTS, next(iter(key.choices.values())))
    elif key.kind == "flag":
        values = np.zeros(_CATCHMENTS)
    elif np.isfinite(low) and np.isfinite(high):
        values = low + (high - low) * np.arange(1, _CATCHMENTS + 1) / (_CATCHMENTS + 1)
    else:
        values = np.maximum(low, min(1.0, high)) * np.ones(_CATCHMENTS)
    if key.kind == "integer":
        values = np.ceil(values)
    return values[:, None] if key.kind == "numbers" else values


def _length(inputs: Mapping[str, Block]) -> int:
    """How many steps there is weather for."""
    return max((block.shape[1] for block in inputs.values()), default=_STEPS)


def _column(block: Block, t: int) -> Block:
    """The values of step *t*, shape (catchments,)."""
    column: Block = block[:, t if block.shape[1] > 1 else 0]
    return column


def _give(module: Any, inputs: Mapping[str, Block], start: int, stop: int) -> None:
    """Set the inputs of steps [start, stop)."""
    for name, block in inputs.items():
        module.set_block(name, block[:, start:stop] if block.shape[1] > 1 else block)


def _run(
    module: Any, inputs: Mapping[str, Block], lengths: Sequence[int], kept: Sequence[str] | None = None
) -> dict[str, Block]:
    """Outputs of a run in blocks of *lengths* steps, shape (catchments, sum of lengths)."""
    names = module.get_output_var_names() if kept is None else kept
    pieces: dict[str, list[Block]] = {name: [] for name in names}
    start = 0
    for steps in lengths:
        _give(module, inputs, start, start + steps)
        module.update_block(steps)
        for name, blocks in pieces.items():
            block = module.get_block(name)
            assert block.shape[1] in (1, steps), f"{name}: {block.shape[1]} columns for {steps} steps"
            blocks.append(np.array(np.broadcast_to(block, (len(block), steps))))
        start += steps
    return {name: np.hstack(blocks) for name, blocks in pieces.items()}


def _names(module: Any) -> list[str]:
    """Every variable."""
    return [*module.get_input_var_names(), *module.get_output_var_names()]


def _now(module: Any, name: str) -> Block:
    """A copy of the current values."""
    values: Block = module.get_value(name, np.empty(module.get_grid_size(0), dtype=module.get_var_type(name)))
    return values


def _same(one: Block, other: Block, what: str) -> None:
    """Hold two arrays to be equal to the last bit."""
    assert one.shape == other.shape, f"{what}: shapes {one.shape} and {other.shape}"
    differs = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    if differs.any():
        place = tuple(int(k) for k in np.argwhere(differs)[0])
        found = f"{one[place]!r} and {other[place]!r} at {place}"
        raise AssertionError(f"{what}: {found}; {differs.sum()} of {one.size} differ")


def _refused(ask: Callable[..., object], *given: object) -> None:
    """Hold *ask* to raise an error."""
    try:
        ask(*given)
    except Exception:  # which error it is, is the module's own matter
        return
    raise AssertionError(f"{getattr(ask, '__name__', ask)}({', '.join(map(str, given))}) must be refused")
