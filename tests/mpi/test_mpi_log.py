"""What lines of ngen and MPI tell of a run."""

from __future__ import annotations

import pytest

from dmod.errors import RunError
from dmod.execution.mpi_log import LogReader, explain_exit, rank_of


def reader_of(*lines: str, catchments: tuple[int, ...] = (2, 3), steps: int = 200) -> LogReader:
    reader = LogReader(catchments, steps)
    for line in lines:
        reader.feed(None, line)
    return reader


def test_each_rank_counts_for_its_own_catchments():
    reader = LogReader([2, 3], 200)
    assert (reader.done, reader.phase) == (0, "starting")
    reader.feed(0, "Updating layer: 'surface layer' at output step 100\n")
    assert (reader.done, reader.phase) == (200, "running")
    reader.feed(1, "Running timestep 50")
    assert reader.done == 200 + 150
    reader.feed(1, "Finished 200 timesteps.")
    assert reader.done == 200 + 600


def test_lines_without_a_rank_count_for_the_smallest_ranks_that_may_have_said_them():
    line = "Updating layer: 'surface layer' at output step 100"
    reader = reader_of(line)
    assert reader.done == 2 * 100  # either rank said it, the first has fewer catchments
    reader.feed(None, line)
    assert reader.done == 5 * 100
    reader.feed(None, "Finished 200 timesteps.")
    assert reader.done == 5 * 100 + 2 * 100


def test_two_kinds_of_lines_are_not_counted_as_two_ranks():
    reader = reader_of("Updating layer: 'surface layer' at output step 0", "Running timestep 0")
    reader.feed(None, "Updating layer: 'surface layer' at output step 100")
    reader.feed(None, "Running timestep 100")
    assert reader.done == 2 * 100


def test_progress_never_goes_back_and_never_passes_the_end():
    reader = LogReader([4], 200)
    reader.feed(0, "Running timestep 150")
    reader.feed(0, "Running timestep 100")
    assert reader.done == 600
    reader.feed(0, "Finished 1000 timesteps.")
    assert reader.done == 800


def test_a_run_with_routing_is_routing_until_it_tells_its_timings():
    reader = reader_of("Using Routing", "Running Models", "Finished 200 timesteps.")
    assert reader.phase == "running"  # one of two ranks has finished
    reader.feed(None, "Finished 200 timesteps.")
    assert reader.phase == "routing"
    reader.feed(None, "NGen top-level timings:")
    assert reader.phase == "finished"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("[1] Running Models", (1, "Running Models")),
        ("[1,3]<stdout>:Running Models", (3, "Running Models")),
        ("[prterun-here-77@1,2]<stderr>: Running Models", (2, "Running Models")),
        ("[x] is no rank", (None, "[x] is no rank")),
    ],
)
def test_a_rank_in_front_of_a_line_is_known_however_mpi_writes_it(line, found):
    assert rank_of(line) == found


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["terminate called after throwing an instance of 'std::runtime_error'",
          "  what():  Forcing data could not be found for 'cat-1'"], "Forcing data could not be found for 'cat-1'"),
        (["  what():  map::at"], "map::at: a name in the realization is not known to this ngen"),
        (["  what():  std::bad_alloc"], "the memory did not suffice"),
        (["/x/ngen: error while loading shared libraries: libudunits2.so.0: cannot open shared object file: No such"],
         "the shared library libudunits2.so.0 is missing, so the program cannot start"),
        (["Missing required argument for partition file path."], "several ranks were started without a partition file"),
        (["execvp error on file /dmod/bin/ngen-parallel (No such file or directory)"],
         "the program /dmod/bin/ngen-parallel cannot be started"),
        (["YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)"], "a rank was killed (signal 9)"),
        (["mpirun noticed that process rank 1 with PID 0 on node x exited on signal 11 (Segmentation fault)."],
         "a rank touched memory that is not its own (segmentation fault)"),
        (["application called MPI_Abort(MPI_COMM_WORLD, 1) - process 0"],
         "MPI was aborted: MPI_COMM_WORLD, 1) - process 0"),
        (["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'numpy'"],
         "ModuleNotFoundError: No module named 'numpy'"),
        (["WARNING: Groundwater flux larger than storage"], ""),
    ],
)  # fmt: skip
def test_a_reason_is_found_among_the_lines(lines, reason):
    assert reader_of(*lines).reason == reason


def test_what_an_exception_says_counts_for_more_than_what_follows_from_it():
    reader = reader_of(
        "terminate called after throwing an instance of 'std::out_of_range'", "  what():  first", "  what():  second",
        "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)",
    )  # fmt: skip
    assert reader.reason == "first"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (255, "refused its arguments"), (134, "stopped with an exception"), (-6, "stopped with an exception"),
        (139, "segmentation fault"), (137, "killed"), (143, "told to end"), (127, "was not found"),
        (126, "may not be executed"), (125, "could not be started"), (3, "exit code 3"), (0, "before its last step"),
    ],
)  # fmt: skip
def test_an_exit_code_is_said_in_words(code, says):
    problem = explain_exit(code, reader_of("the last line"))
    assert isinstance(problem, RunError)
    assert says in problem.headline
    assert "the last line" in str(problem)


def test_mpich_lays_signals_over_each_other_and_still_an_abort_is_told():
    reader = reader_of("YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Terminated (signal 15)")
    assert explain_exit(15, reader).facts["exit"] == 134
    assert explain_exit(9, reader).facts["exit"] == 137


def test_mpich_that_killed_the_others_first_is_not_taken_for_want_of_memory():
    reader = reader_of(
        "forcing path 'nowhere' not readable", "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Killed (signal 9)"
    )
    problem = explain_exit(9, reader)
    assert "ended or was killed" in problem.headline
    assert problem.facts["reason"] == "forcing path 'nowhere' not readable"


def test_want_of_memory_is_told_apart_when_the_system_says_so():
    problem = explain_exit(137, reader_of("the last line"), out_of_memory=True)
    assert "memory" in problem.headline
    assert "more memory" in problem.hint


def test_only_the_last_lines_are_kept():
    reader = reader_of(*(f"line {number}" for number in range(1000)))
    assert reader.last[-1] == "line 999"
    assert len(reader.last) < 50
