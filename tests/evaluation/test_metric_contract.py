"""Every metric of the registry keeps the contract of metrics."""

from __future__ import annotations

from dmod.evaluation.metric import METRICS
from dmod.testing.metrics import MetricContract

#: An angle of a slope changes with the units it is drawn in.
NOT_BY_UNITS = {"error_trend"}
#: Members that are all right are neither sure nor unsure of themselves.
NO_PERFECTION = {"spread_skill"}


def contract(name: str) -> type[MetricContract]:
    """The contract of one metric, as a class that pytest collects."""
    fields = {
        "metric": METRICS[name],
        "follows_units": name not in NOT_BY_UNITS,
        "values_perfection": name not in NO_PERFECTION,
    }
    return type(f"Test_{name}", (MetricContract,), fields)


for _name in METRICS:
    globals()[f"Test_{_name}"] = contract(_name)
