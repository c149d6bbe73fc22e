"""A chain of modules at work on blocks of catchments by steps.

Modules run in order, each through the whole block, its inputs converted once per link.
Where a module needs a later one's value (feedback), the block is taken step by step: a
block of length one, with the value of the step before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dmod.formats.forcing import Floats
    from dmod.model.configs import Parameters
    from dmod.model.coupling import Chain, Link, Source
    from dmod.model.module import ModuleType

__all__ = ["ChainRun"]

Block = NDArray[np.float64]


class ChainRun:
    """Running modules of one chain for one set of catchments.

    Parameters
    ----------
    chain : Chain
        The formulation, resolved.
    types : mapping of str to ModuleType
        Module types by name.
    parameters : sequence of mapping
        For each stage the values of its configuration, shape (catchments, ...).
    size : int
        Number of catchments.
    """

    def __init__(
        self, chain: Chain, types: Mapping[str, ModuleType], parameters: Sequence[Parameters], size: int
    ) -> None:
        self.chain, self.size = chain, size
        self.modules: list[Any] = []
        for stage, values in zip(chain.stages, parameters, strict=True):
            module = types[stage.module].build(stage.spec, values, size)
            module.request(stage.keep)
            self.modules.append(module)
        self._buffers: dict[tuple[int, str], Block] = {}
        self._before = {(link.source.stage, link.source.name): self._start_value(link) for link in self._lagged()}

    def _lagged(self) -> list[Link]:
        return [link for stage in self.chain.stages for link in stage.links if link.lagged]

    def _start_value(self, link: Link) -> Block:
        """What a lagged link holds in the first step: the default, else the module's own start value."""
        if not np.isnan(link.default):
            return np.full((self.size, 1), link.default)
        value = np.zeros(self.size)
        self.modules[link.source.stage].get_value(link.source.name, value)
        return value[:, None]

    def advance(self, forcing: Mapping[str, Floats], steps: int) -> tuple[dict[str, Block], Block]:
        """Advance *steps* steps.

        Parameters
        ----------
        forcing : mapping of str to array, shape (catchments, steps)
            Variables of the forcing file, in its units.
        steps : int
            At least 1.

        Returns
        -------
        columns : dict of str to array, shape (catchments, steps)
            Outputs of modules by header, each valid until the next call. Columns that echo
            forcing are left to the caller.
        main : array, shape (catchments, steps)
            What flows to the nexus [m per step].
        """
        if not self.chain.feedback:
            self._pass(forcing, steps)
            columns = {c.header: self._full(c.source, steps) for c in self.chain.columns if c.source.kind == "module"}
            return columns, self._main(steps)
        return self._step_by_step(forcing, steps)

    def _step_by_step(self, forcing: Mapping[str, Floats], steps: int) -> tuple[dict[str, Block], Block]:
        """The same, one step at a time, for formulations with feedback."""
        columns = {c.header: np.empty((self.size, steps)) for c in self.chain.columns if c.source.kind == "module"}
        main = np.empty((self.size, steps))
        for t in range(steps):
            self._pass({name: block[:, t : t + 1] for name, block in forcing.items()}, 1)
            for column in self.chain.columns:
                if column.source.kind == "module":
                    columns[column.header][:, t] = self._full(column.source, 1)[:, 0]
            main[:, t] = self._main(1)[:, 0]
            for stage, name in self._before:
                self._before[stage, name] = self.modules[stage].get_block(name)[:, -1:].copy()
        return columns, main

    def _pass(self, forcing: Mapping[str, Floats], steps: int) -> None:
        """Every module once, in order."""
        for i, (stage, module) in enumerate(zip(self.chain.stages, self.modules, strict=True)):
            for link in stage.links:
                module.set_block(link.input, self._converted(i, link, forcing))
            module.update_block(steps)

    def _converted(self, i: int, link: Link, forcing: Mapping[str, Floats]) -> Floats:
        """The values of a link in the units of its input."""
        if link.lagged:
            values: Floats = self._before[link.source.stage, link.source.name]
        elif link.source.kind == "forcing":
            values = forcing[link.source.name]
        else:
            values = self.modules[link.source.stage].get_block(link.source.name)
        if link.convert.is_identity:
            return values
        buffer = self._buffers.get((i, link.input))
        if buffer is None or buffer.shape != values.shape:
            buffer = self._buffers[i, link.input] = np.empty(values.shape)
        np.multiply(values, link.convert.slope, out=buffer, dtype=np.float64)
        if link.convert.intercept:
            buffer += link.convert.intercept
        return buffer

    def _full(self, source: Source, steps: int) -> Block:
        """An output as wide as the block, also where the module gives a constant."""
        block: Block = self.modules[source.stage].get_block(source.name)
        return block if block.shape[1] == steps else np.broadcast_to(block, (self.size, steps))

    def _main(self, steps: int) -> Block:
        """The main output [m per step]."""
        block = self._full(self.chain.main, steps)
        convert = self.chain.main_convert
        return block if convert.is_identity else block * convert.slope + convert.intercept
