"""dmod: distributed model runs on demand, from a notebook."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dmod.data.coverage import Coverage
    from dmod.data.dataset import Dataset
    from dmod.domain.domain import Domain
    from dmod.evaluation.evaluate import evaluate
    from dmod.evaluation.evaluation import Evaluation
    from dmod.formats.outputs import open_outputs
    from dmod.model.formulation import Formulation
    from dmod.session import Job, Session, connect, run
    from dmod.view.domain_map import DomainMap
    from dmod.view.evaluation_panel import EvaluationPanel
    from dmod.view.job_table import JobTable
    from dmod.view.progress import Progress

__version__ = "0.1.0"

__all__ = [
    "Coverage",
    "Dataset",
    "Domain",
    "DomainMap",
    "Evaluation",
    "EvaluationPanel",
    "Formulation",
    "Job",
    "JobTable",
    "Progress",
    "Session",
    "__version__",
    "connect",
    "evaluate",
    "open_outputs",
    "run",
]

#: Name to the module that has it; looked up when first used, so that importing is cheap.
_HOMES = {
    "Coverage": "dmod.data.coverage",
    "Dataset": "dmod.data.dataset",
    "Domain": "dmod.domain.domain",
    "DomainMap": "dmod.view.domain_map",
    "Evaluation": "dmod.evaluation.evaluation",
    "EvaluationPanel": "dmod.view.evaluation_panel",
    "Formulation": "dmod.model.formulation",
    "Job": "dmod.session",
    "JobTable": "dmod.view.job_table",
    "Progress": "dmod.view.progress",
    "Session": "dmod.session",
    "connect": "dmod.session",
    "evaluate": "dmod.evaluation.evaluate",
    "open_outputs": "dmod.formats.outputs",
    "run": "dmod.session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"dmod has no {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
