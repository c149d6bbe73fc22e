"""A conductor may die at any moment: the next one takes its jobs up, and nobody can tell from the results."""

from __future__ import annotations

import json
import signal
import time

import pytest
from places import TTL_S, names, until, values

from dmod.job.lifecycle import LINE, Goal, State

VERBS = [verb.name for verb in LINE]
STATES = [str(verb.before) for verb in LINE]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_conductor_killed_in_any_state_loses_nothing(place, tiny, undisturbed, verb, moment):
    job = place.submit(tiny)
    first = place.start(f"{moment} {verb}")
    assert until(first.holds_still, 30), first.log.read_text()
    assert place.state(job) == STATES[VERBS.index(verb)]
    first.kill()

    place.conduct()
    assert place.ended(job) is State.COMPLETE
    assert values(place.out) == undisturbed[tiny]
    assert names(place.out) == ["provenance.json", "run.nc"]
    assert names(place.out.parent) == ["out"]
    assert place.service.ledger.allocations(live=False) == []
    before = STATES[: VERBS.index(verb) + 1]
    if (verb, moment) == ("publish", "after"):
        after = ["complete"]
    elif VERBS.index(verb) > VERBS.index("allocate"):
        after = ["partitioned", *STATES[STATES.index("partitioned") + 1 :], "complete"]
    else:
        after = [*STATES[len(before) :], "complete"]
    assert place.states(job) == [*before, *after]


def test_whoever_is_killed_on_this_machine_is_missed_at_once_and_not_when_its_lease_has_run_out(place, tiny):
    first = place.start("before monitor")
    job = place.submit(tiny)
    assert until(first.holds_still, 30)
    ledger = place.service.ledger
    ledger.renew(ledger.job(job).holder, [job], 3600)
    first.kill()
    place.conduct()
    assert place.ended(job, 60) is State.COMPLETE


def test_parts_that_were_done_are_not_done_again(place, parted, undisturbed):
    job = place.submit(parted, workers=2)
    first = place.start("parts", parts=3)
    assert until(first.holds_still, 60), first.log.read_text()
    marks = next((place.out.parent / "out.partial" / "RESUME").glob("*/"))
    first.kill()
    done = len(list(marks.glob("part-*.json")))
    place.conduct()
    assert place.ended(job) is State.COMPLETE
    assert values(place.out) == undisturbed[parted]
    assert names(place.out.parent) == ["out"]
    said = [event.message for event in place.service.ledger.events(job) if event.state is State.RUNNING]
    assert said[0] == "8 tasks submitted"
    again = int(said[1].partition(" ")[0])
    assert 3 <= done <= 8 - again
    assert said[1].endswith(f", {8 - again} were done before")


def test_the_kill_of_who_made_the_file_anew_spoils_nothing(place, tiny, undisturbed):
    """Inputs that changed meanwhile are another run: nothing of the first is kept."""
    job = place.submit(tiny)
    first = place.start("after monitor")
    assert until(first.holds_still, 30)
    first.kill()
    realization = tiny / "config" / "realization.json"
    kept = realization.read_text()
    changed = json.loads(kept)
    changed["time"]["end_time"] = "2016-09-01 11:00:00"
    try:
        realization.write_text(json.dumps(changed))
        second = place.start("after monitor")
        assert until(second.holds_still, 30)
        second.kill()
    finally:
        realization.write_text(kept)
    place.conduct()
    assert place.ended(job) is State.COMPLETE
    assert values(place.out) == undisturbed[tiny]
    assert names(place.out) == ["provenance.json", "run.nc"]


@pytest.mark.parametrize("output_format", ["zarr", "ngen"])
def test_other_formats_are_made_anew_too(place, tiny, output_format):
    job = place.submit(tiny, output_format=output_format)
    first = place.start("after publish")
    other = place.submit(tiny, output_format=output_format, output=place.out.with_name("other"))
    assert until(first.holds_still, 30)
    first.kill()
    place.conduct()
    assert (place.ended(job), place.ended(other)) == (State.COMPLETE, State.COMPLETE)
    kept = {p.relative_to(place.out) for p in place.out.rglob("*")}
    assert kept == {p.relative_to(place.out.with_name("other")) for p in place.out.with_name("other").rglob("*")}
    assert names(place.out.parent) == ["other", "out"]


def test_earlier_outputs_survive_a_kill_until_the_new_ones_are_there(place, tiny, undisturbed):
    place.conduct()
    assert place.ended(place.submit(tiny)) is State.COMPLETE
    place.conductors.pop().stop()
    job = place.submit(tiny, overwrite=True)
    first = place.start("before publish")
    assert until(first.holds_still, 30)
    first.kill()
    assert values(place.out) == undisturbed[tiny]
    # The moment in which neither the old nor the new bears the name.
    place.out.rename(place.out.with_name("out.replaced"))
    place.service.set_goal(job, Goal.COMPLETE, attend=False)
    place.conduct()
    assert place.ended(job) is State.COMPLETE
    assert values(place.out) == undisturbed[tiny]
    assert names(place.out.parent) == ["out"]


def test_a_job_whose_conductor_died_can_be_cancelled_and_tells_what_is_left(place, tiny):
    job = place.submit(tiny)
    first = place.start("before monitor")
    assert until(first.holds_still, 30)
    first.kill()
    place.service.set_goal(job, Goal.CANCELLED, attend=False)
    place.conduct()
    assert place.ended(job) is State.CANCELLED
    partial = place.out.with_name("out.partial")
    assert place.service.status(job).facts["partial"] == str(partial)
    assert (partial / "PARTIAL").is_file()
    assert not place.out.exists()
    place.service.restart(job, attend=False)
    assert place.ended(job) is State.COMPLETE
    assert names(place.out.parent) == ["out"]


@pytest.mark.parametrize("held", ["before monitor", "before publish", "after publish"])
def test_a_conductor_that_slept_too_long_lets_go_without_harm(place, tiny, undisturbed, held):
    job = place.submit(tiny)
    sleeper = place.start(held)
    assert until(sleeper.holds_still, 30)
    sleeper.signal(signal.SIGSTOP)
    awake = place.conduct()
    assert place.ended(job, 60) is State.COMPLETE
    told = [(event.number, event.state) for event in place.service.ledger.events(job)]
    sleeper.go.touch()
    sleeper.signal(signal.SIGCONT)
    assert until(lambda: "let go" in sleeper.log.read_text() or held == "after publish", 60), sleeper.log.read_text()
    time.sleep(TTL_S / 2)
    assert [(event.number, event.state) for event in place.service.ledger.events(job)] == told
    assert values(place.out) == undisturbed[tiny]
    assert names(place.out) == ["provenance.json", "run.nc"]
    assert names(place.out.parent) == ["out"]

    awake.stop()
    other = place.submit(tiny, output=place.out.with_name("other"))
    assert place.ended(other, 60) is State.COMPLETE, "who slept conducts again"


def test_a_conductor_that_slept_does_not_spoil_what_the_next_one_is_at(place, tiny, undisturbed):
    job = place.submit(tiny)
    sleeper = place.start("before publish")
    assert until(sleeper.holds_still, 30)
    sleeper.signal(signal.SIGSTOP)
    assert until(lambda: not place.service.ledger.holders(live=True), 60)
    next_one = place.start("before publish")
    assert until(next_one.holds_still, 30), next_one.log.read_text()
    sleeper.go.touch()
    sleeper.signal(signal.SIGCONT)
    time.sleep(1.0)
    assert not place.out.exists(), "whoever lost its lease has published"
    next_one.go.touch()
    assert place.ended(job, 60) is State.COMPLETE
    assert values(place.out) == undisturbed[tiny]
    assert names(place.out.parent) == ["out"]
