"""A block of texts reads as the texts do one by one, and its ids as `Names` reads them."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.formats import texts as texts_module
from dmod.formats.names import PREFIXES, Names
from dmod.formats.texts import Texts

#: Ids as files have them, and whatever else may stand in their place.
IDS = st.one_of(
    st.builds("{}-{}".format, st.sampled_from(PREFIXES), st.integers(0, 10**16)),
    st.builds("{}-{}".format, st.sampled_from(PREFIXES), st.text("0123456789:/-. ", max_size=17)),
    st.text(max_size=12),
    st.none(),
    st.just("NA"),
)


@given(st.lists(IDS, max_size=12), st.integers(1, 5))
def test_ids_are_those_that_are_read_one_by_one(values, piece):
    expected = Names.of(None if value == "NA" else value for value in values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts_module, "_PIECE", piece)
        names = Texts.of(values).names()
    assert names.to_list() == expected.to_list()
    assert (names.codes == expected.codes).all()
    assert (names.numbers == expected.numbers).all()


@given(st.lists(st.text(max_size=6), max_size=12), st.integers(0, 12), st.integers(0, 12))
def test_a_block_is_a_sequence_of_its_texts(values, start, stop):
    held = Texts.of(values)
    assert held == values
    assert [held[place] for place in range(len(held))] == values
    assert held[start:stop] == values[start:stop]
    assert held[::-1] == values[::-1]
    assert Texts.joined([held[start:stop], held, Texts.of([])]) == values[start:stop] + values
    assert pickle.loads(pickle.dumps(held[start:stop])) == values[start:stop]


@given(st.lists(st.text("aAbB-1é", max_size=4), max_size=12), st.text("aAbB-1é", max_size=2))
def test_texts_are_found_whatever_their_case(values, wanted):
    held = Texts.of(values)
    assert held.find(wanted).tolist() == [n for n, text in enumerate(values) if text.lower() == wanted.lower()]
    starting = [n for n, text in enumerate(values) if text.lower().startswith(wanted.lower())]
    assert held.starting(wanted).tolist() == starting
    assert list(held.ordered) == sorted(text.lower() for text in values)


@given(st.lists(st.sampled_from(["03N", "16", "", "a region with a long name", "08"]), max_size=9))
def test_kinds_are_numbered_as_they_first_appear(values):
    places, distinct = Texts.of(values).kinds()
    assert list(distinct) == [text for text in dict.fromkeys(values) if text]
    assert [distinct[place] if place >= 0 else "" for place in places] == values


def test_a_place_that_is_not_there_is_an_index_error():
    with pytest.raises(IndexError, match="2 texts, and none at 2"):
        Texts.of(["a", "b"])[2]
