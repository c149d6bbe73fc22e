"""What is wrong with the original's scores, what it does to a grade, and what dmod does instead.

The tests go through them one by one; the documentation shows them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the original's scoring."""

    #: Number, from 1.
    number: int
    #: What it does.
    what: str
    #: What that does to a grade.
    effect: str
    #: What dmod does, unless ``scoring="dmod"`` is asked for.
    cure: str


_TOLD = (
    (
        "A metric whose total is exactly 0 is taken out of the average.",
        "POD 0 and accuracy 0.67 with equal weights are graded 66.7 in place of 33.3.",
        "Zero counts as zero.",
    ),
    (
        "A frequency bias above 1 is scaled on a line without slope.",
        "Twice or ten times as many events as were observed score a perfect 1.",
        "It falls to 0 at twice as many events, as it does at none.",
    ),
    (
        "Where no event is simulated the false alarm ratio is 0 and precision 1; where none is missing POFD is 0.",
        "A model that never simulates an event scores full marks in both.",
        "They are not defined there, stay out of the grade, and the weight they had is told.",
    ),
    (
        "An equitable threat score of exactly 0 is taken as not defined.",
        "A forecast as good as chance is left out in place of scoring 0.",
        "It scores 0.",
    ),
    (
        "Volume error is not scaled, and is in nanoseconds or rows of a table times flow.",
        "1.4e13 goes into a sum of numbers in [0, 1]; the grade is that of the volume error.",
        "It is taken relative to the observed volume, and falls to 0 at an error of all of it.",
    ),
    (
        "A missing value is a correct negative, and NNSE leaves it out above the fraction and not below.",
        "2 % missing raises NNSE by 0.01 in the median; POD is off by up to 0.03, FAR by 0.13.",
        "Pairs with a missing value do not count anywhere.",
    ),
    (
        "Units of thresholds are read and not used.",
        "A threshold in m3/s against observations in ft3/s is 35 times too low.",
        "They are converted to the units of the observations.",
    ),
    (
        "The largest possible score adds objects.",
        "Asking for it raises an error.",
        "Shares of weight are on the result; they sum to 1.",
    ),
    (
        "Scale factors of KGE multiply its terms in place of their distances from 1.",
        "With a factor of 2 a perfect simulation has a KGE of 0.",
        "Factors weigh the distances, as in Gupta et al. (2009), eq. 10.",
    ),
    (
        "Weights of places cannot be said.",
        "Every place weighs 1.",
        "scheme: {location_weights: {cat-27: 2}}.",
    ),
    (
        "The JSON writer divides sums that are weighed by thresholds by weights of metrics.",
        "Scaled results of thresholds in the file are no shares of anything.",
        "A cell has its value, its scaled value in [0, 1] and its share of all weight.",
    ),
    (
        "A place without a threshold stops everything.",
        '"No tables are available": no place is graded.',
        "It has no values there, and the others are graded.",
    ),
    (
        "A threshold that is blank leaves the average without a word.",
        "A grade of 64.60 becomes 84.13.",
        "It leaves the average, and the grade says which weight had no value.",
    ),
    (
        "Values that stand for a missing one, such as -999999, are flows.",
        "They are correct negatives of every threshold.",
        "They are missing; a source may say which values these are.",
    ),
    (
        "An instant that is there twice counts twice.",
        "1,000 repeated observations move a grade of 64.60 to 63.33.",
        "It counts once; which of its values, and whether it is an error, can be said.",
    ),
)

#: All of them; 1 to 11 as they are numbered in the notes on the original.
FAULTS: tuple[Fault, ...] = tuple(Fault(number, *told) for number, told in enumerate(_TOLD, start=1))
