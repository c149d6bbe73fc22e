"""A conductor is killed before each change it makes to the folder of outputs: the next one ends the job well."""

from __future__ import annotations

import pytest
from places import names, until, values

from dmod.job.lifecycle import State

#: More than a run makes that writes one file; Zarr makes a thousand.
CHANGES = 200


@pytest.mark.parametrize(
    ("on", "output_format", "earlier", "first", "every"),
    [
        ("dask", "netcdf", False, 1, 1),
        ("dask", "netcdf", True, 21, 2),
        ("dask", "ngen", True, 3, 8),
        ("dask", "zarr", False, 19, 90),
        ("host", "netcdf", False, 12, 1),
    ],
)
def test_a_conductor_killed_at_any_change_loses_nothing(
    place, tiny, undisturbed, monkeypatch, programs, on, output_format, earlier, first, every
):
    monkeypatch.setenv("PATH", programs)
    options = {"output_format": output_format, "overwrite": earlier, "on": on}
    reference = place.folder / "undisturbed"
    if earlier:
        place.conduct()
        assert place.ended(place.submit(tiny, **options)) is State.COMPLETE
    else:
        place.conduct()
    assert place.ended(place.submit(tiny, output=reference, **options)) is State.COMPLETE
    place.conductors.pop().stop()
    expected = sorted(path.relative_to(reference) for path in reference.rglob("*"))
    for change in range(first, CHANGES, every):
        out = place.out if earlier else place.out.with_name(f"out-{change}")
        job = place.submit(tiny, output=out, **options)
        killed = place.start("killed", change=change)
        assert until(lambda killed=killed, job=job: not killed.lives() or place.state(job).is_final, 60)
        if killed.lives():
            break
        assert not place.state(job).is_final, "the last change is made before it is said to be complete"
        place.conduct()
        assert place.ended(job) is State.COMPLETE, place.service.status(job).problem
        place.conductors.pop().stop()
        assert sorted(path.relative_to(out) for path in out.rglob("*")) == expected
        assert not [name for name in names(out.parent) if "." in name], "nothing is left beside it"
        if output_format == "netcdf":
            assert values(out) == undisturbed[tiny]
    assert change > 10
    assert place.service.ledger.allocations(live=False) == []
