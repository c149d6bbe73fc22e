"""Several who conduct at once get in nobody's way: each job is run once, and by one of them."""

from __future__ import annotations

from collections import Counter

import pytest
from places import TTL_S, names, until, values

from dmod.errors import JobError
from dmod.gateway.serve import serve_until_stopped
from dmod.job.lifecycle import State
from dmod.session import request_of


def test_two_conductors_at_once_run_each_of_fifty_jobs_once(place, tiny, undisturbed):
    targets = [place.out.parent / str(number) for number in range(50)]
    jobs = [place.submit(tiny, output=target) for target in targets]
    other = place.start(ttl_s=60)  # so long that no lease runs out, however busy the machine
    assert until(place.service.served, 30), other.log.read_text()
    place.conduct(ttl_s=60)
    assert Counter(place.ended(job, 120) for job in jobs) == {State.COMPLETE: 50}
    ledger = place.service.ledger
    for job, target in zip(jobs, targets, strict=True):
        assert Counter(place.states(job)).most_common(1)[0][1] == 1, f"{job} was taken twice over some stretch"
        assert values(target) == undisturbed[tiny]
    assert names(place.out.parent) == sorted(target.name for target in targets)
    assert ledger.allocations(live=False) == []


def test_one_that_dies_among_fifty_jobs_leaves_none_of_them(place, tiny, undisturbed):
    targets = [place.out.parent / str(number) for number in range(50)]
    jobs = [place.submit(tiny, output=target) for target in targets]
    other = place.start("killed", change=300)  # some thirty for each job
    assert until(lambda: not other.lives(), 120), other.log.read_text()
    assert 3 <= sum(place.state(job).is_final for job in jobs) < 50
    place.conduct()
    assert Counter(place.ended(job, 120) for job in jobs) == {State.COMPLETE: 50}
    assert all(values(target) == undisturbed[tiny] for target in targets)
    assert names(place.out.parent) == sorted(target.name for target in targets)


def test_cores_are_not_given_twice(place, tiny):
    """Two conductors with two jobs that want all cores: one waits for the other."""
    first = place.start("before monitor", ttl_s=60)
    one = place.submit(tiny, workers=4)
    assert until(first.holds_still, 60), first.log.read_text()
    two = place.submit(tiny, workers=4, output=place.out.with_name("two"))
    place.conduct(ttl_s=60)
    assert until(lambda: place.state(two) is State.PARTITIONED, 30)
    assert not until(lambda: place.state(two) is not State.PARTITIONED, TTL_S)
    assert sum(grant.cores for grant in place.service.ledger.allocations()) == 4
    first.go.touch()
    assert (place.ended(one), place.ended(two)) == (State.COMPLETE, State.COMPLETE)


def test_a_job_that_held_all_cores_gets_them_again_when_its_conductor_dies(place, tiny):
    first = place.start("before monitor")
    job = place.submit(tiny, workers=4)
    assert until(first.holds_still, 60), first.log.read_text()
    assert sum(grant.cores for grant in place.service.ledger.allocations()) == 4
    first.kill()
    place.conduct()
    assert place.ended(job, 60) is State.COMPLETE


def test_a_second_server_on_one_machine_is_refused_while_the_first_lives(place):
    first = place.start()
    assert until(place.service.served, 30)
    with pytest.raises(JobError, match="another `dmod serve`") as caught:
        serve_until_stopped(place.settings)
    assert caught.value.facts["process"] == first.pid
    first.kill()
    assert not place.service.served()


def test_jobs_of_a_session_are_its_own_affair_until_somebody_serves(place, tiny):
    mine, other = place.session(), place.session()
    with mine, other:
        job = mine.submit(request_of(tiny, output=place.out))
        kept = place.submit(tiny, output=place.out.with_name("kept"))
        job.wait(60)
        assert other.job(job.id).state == "complete"
        assert place.state(kept) is State.REQUESTED
