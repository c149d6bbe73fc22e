"""All commands, gathered where the ``dmod`` script finds them.

Exit codes: 0 done, 1 the run failed or was stopped, 2 the input was wrong. What people read
goes to the terminal, errors to standard error; with ``--json`` standard output holds one
JSON object and nothing else.
"""

from dmod.cli import datasets, domains, evaluating, images, jobs, running
from dmod.cli.answer import app, main

__all__ = ["app", "datasets", "domains", "evaluating", "images", "jobs", "main", "running"]
