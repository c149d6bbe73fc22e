"""Rules as such: offers, keys of lineage, and doing what was offered."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Dataset, Lineage
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Listed, Requirement, match
from dmod.errors import DatasetError, OutputError
from dmod.model.formulation import Formulation
from dmod.model.realization import read_realization
from dmod.plugins import Group
from dmod.prepare.config_rules import ConfigRule, RealizationRule, realization_needed
from dmod.prepare.rules import Offer, derive, lineage_key, rules, the_one

DIGEST = "sha256:" + "7" * 64
EVERYTHING = Coverage(ALL, ALL, ALL)
PLAIN = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class Writes:
    """A rule that writes what its parameters say, or stops half-way."""

    name = "writes"
    version = "1"
    makes = (Format.GENERIC,)

    def __init__(self, fails=None):
        self.fails = fails
        self.times = 0

    def offers(self, requirement, candidates):
        return None

    def apply(self, offer, parents, folder, *, progress=None):
        self.times += 1
        (folder / "made.txt").write_text(offer.parameters["text"])
        if self.fails is not None:
            raise self.fails
        return folder / "made.txt"


def offer(text="hello", *, parents=(), version="1"):
    """What `Writes` would do."""
    return Offer("writes", version, tuple(parents), {"text": text}, Format.GENERIC, EVERYTHING, "it writes")


def parent(digest=DIGEST, name="parent"):
    """A dataset to derive from."""
    return Dataset(name, name, Category.CONFIG, Format.GENERIC, EVERYTHING, digest, 1, (), "/nowhere")


@given(st.dictionaries(st.text(max_size=3), PLAIN, max_size=4), st.randoms())
def test_a_key_does_not_depend_on_the_order_in_which_parameters_are_told(parameters, random):
    order = list(parameters.items())
    random.shuffle(order)
    assert lineage_key(Lineage("a", "1", (DIGEST,), parameters)) == lineage_key(
        Lineage("a", "1", (DIGEST,), dict(order))
    )


def test_a_key_tells_apart_whatever_gives_other_bytes():
    other = "sha256:" + "8" * 64
    lineages = [
        Lineage("a", "1", (DIGEST, other), {"x": 1}),
        Lineage("b", "1", (DIGEST, other), {"x": 1}),
        Lineage("a", "2", (DIGEST, other), {"x": 1}),
        Lineage("a", "1", (other, DIGEST), {"x": 1}),
        Lineage("a", "1", (DIGEST,), {"x": 1}),
        Lineage("a", "1", (DIGEST, other), {"x": 2}),
        Lineage("a", "1", (DIGEST, other), {"x": "1"}),
    ]
    assert len(set(map(lineage_key, lineages))) == len(lineages)


def test_a_key_is_the_same_in_another_process():
    code = (
        "from dmod.data.dataset import Lineage; from dmod.prepare.rules import lineage_key; "
        f"print(lineage_key(Lineage('a', '1', ('{DIGEST}',), {{'y': [1, 'ü'], 'x': None}})))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == lineage_key(Lineage("a", "1", (DIGEST,), {"x": None, "y": [1, "ü"]}))


def test_what_was_derived_is_given_again_and_not_made_again(tmp_path):
    rule = Writes()
    first = derive(offer(), [], tmp_path, known=[rule])
    again = derive(offer(), [], tmp_path, known=[rule])
    assert first == again
    assert first.path.read_text() == "hello"
    assert rule.times == 1
    assert derive(offer("other"), [], tmp_path, known=[rule]).path != first.path


def test_what_was_derived_states_what_it_was_derived_from(tmp_path):
    source = tmp_path / "source"
    source.write_text("x")
    made = derive(offer(parents=[parent()]), [source], tmp_path / "made", known=[Writes()])
    assert made.lineage == Lineage("writes", "1", (DIGEST,), {"text": "hello"})
    assert lineage_key(made.lineage) == offer(parents=[parent()]).key


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), DatasetError("no"), KeyboardInterrupt()])
def test_nothing_half_made_is_left_or_given(tmp_path, problem):
    with pytest.raises(OutputError if isinstance(problem, OSError) else type(problem)):
        derive(offer(), [], tmp_path, known=[Writes(problem)])
    assert list(tmp_path.iterdir()) == []
    assert derive(offer(), [], tmp_path, known=[Writes()]).path.read_text() == "hello"


def test_what_a_killed_process_left_is_not_taken_for_whole(tmp_path):
    left = tmp_path / f".{offer().key[:16]}.abc.partial"
    left.mkdir()
    (left / "made.txt").write_text("hel")
    assert derive(offer(), [], tmp_path, known=[Writes()]).path.read_text() == "hello"


def test_two_that_derive_the_same_at_once_both_get_it(tmp_path):
    class Raced(Writes):
        def apply(self, offer, parents, folder, *, progress=None):
            derive(offer, [], tmp_path, known=[Writes()])
            return super().apply(offer, parents, folder, progress=progress)

    assert derive(offer(), [], tmp_path, known=[Raced()]).path.read_text() == "hello"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_rule_that_is_not_there_any_more_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no rule 'writes' of version 2[\s\S]*writes 1"):
        derive(offer(version="2"), [], tmp_path, known=[Writes()])


def test_a_parent_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match="'parent' is not where it should be"):
        derive(offer(parents=[parent()]), [tmp_path / "gone"], tmp_path, known=[Writes()])
    with pytest.raises(DatasetError, match="derives from 1 datasets"):
        derive(offer(parents=[parent()]), [], tmp_path, known=[Writes()])


def test_a_place_that_cannot_be_written_to_is_an_error_of_the_output(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no place to derive"):
        derive(offer(), [], tmp_path / "file" / "folder", known=[Writes()])


def test_rules_are_made_of_the_plug_ins(monkeypatch):
    there = Group({"configs": ConfigRule, "realization": RealizationRule}, ())
    monkeypatch.setattr("dmod.prepare.rules.plugins.load", lambda group: {"dmod.rules": there}[group])
    assert [rule.name for rule in rules()] == ["configs", "realization"]


def test_the_one_file_of_a_dataset_is_found_in_its_directory(tmp_path):
    (tmp_path / "a.nc").write_text("")
    (tmp_path / "readme.txt").write_text("")

    def fits(path):
        return path.suffix == ".nc"

    assert the_one(tmp_path, fits, "file") == the_one(tmp_path / "a.nc", fits, "file") == tmp_path / "a.nc"
    (tmp_path / "b.nc").write_text("")
    with pytest.raises(DatasetError, match="2 of what should be one file"):
        the_one(tmp_path, fits, "file")
    with pytest.raises(DatasetError, match="there is no file"):
        the_one(tmp_path / "readme.txt", fits, "file")


def test_a_realization_is_derived_from_a_formulation_alone(tmp_path):
    formulation = Formulation.load("cfe").for_catchments({"cat-2": {"satdk": 1e-6}})
    needed = realization_needed(formulation, "2016-09-01", "2016-09-01 05:00")
    (found,) = match([needed], Listed([]), [RealizationRule()])
    assert isinstance(found, Derivable)
    assert str(found).endswith("it is written from the formulation; 1 catchments differ")
    made = derive(found.offer, [], tmp_path, known=[RealizationRule()])
    assert json.loads(made.path.read_text()) == formulation.to_realization("2016-09-01", "2016-09-01 05:00")
    realization, report = read_realization(made.path)
    assert report.ok
    assert made.coverage.spans == (Span(realization.start_s, realization.end_s + 3600),)


def test_a_realization_of_which_nothing_is_known_is_not_promised():
    needed = Requirement("realization", Category.CONFIG, (Format.REALIZATION,), EVERYTHING)
    assert RealizationRule().offers(needed, Listed([])) is None
