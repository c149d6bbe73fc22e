"""A widget that leaves something to see where no kernel is: in a saved notebook, a page, or another editor."""

from __future__ import annotations

from typing import Any

import anywidget

__all__ = ["StillWidget"]


class StillWidget(anywidget.AnyWidget):
    """A widget beside which a notebook keeps HTML that needs nothing around it."""

    def still(self) -> str:
        """What it looks like now, as HTML; all text is escaped."""
        raise NotImplementedError

    def close(self) -> None:
        """End the widget; what it looked like can still be shown."""
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # a closed widget would show nothing

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        told = {"text/html": self.still(), "text/plain": repr(self)}
        bundle: Any = None if self.comm is None else super()._repr_mimebundle_(**kwargs)
        return told if bundle is None else ({**bundle[0], **told}, bundle[1])
