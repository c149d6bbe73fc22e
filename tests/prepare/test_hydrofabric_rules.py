"""Pieces of a river as files of their own, and its cut into parts."""

from __future__ import annotations

import json

import pytest

from dmod.data.coverage import ALL, Coverage
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Found, Listed, Missing, Requirement, match
from dmod.domain.domain import Domain
from dmod.domain.partitioning import Partitioning
from dmod.errors import DatasetError, SelectionError
from dmod.prepare.hydrofabric_rules import FABRICS, PartitionRule, SubsetRule, open_fabric, partitions_needed
from dmod.prepare.rules import derive

SOME = ["cat-2861379", "cat-2861380", "cat-2861391"]
RULES = [SubsetRule(), PartitionRule()]


def source(data):
    """A real river of 88 catchments."""
    return data / "hydrofabric" / "v2.2" / "gage-10109001_subset.gpkg"


def dataset(path, ids, kind=Format.GEOPACKAGE, name="fabric"):
    """A hydrofabric as a dataset, in place."""
    coverage = Coverage.of(spans=ALL, ids=ids, variables=ALL)
    return Dataset(name, name, Category.HYDROFABRIC, kind, coverage, "sha256:" + "4" * 64, 1, (), str(path))


def need(ids, *formats):
    """A hydrofabric of some catchments."""
    coverage = Coverage.of(spans=ALL, ids=ids, variables=ALL)
    return Requirement("hydrofabric", Category.HYDROFABRIC, formats or (Format.GEOPACKAGE,), coverage)


def made(needed, parents, folder):
    """What the rules make of a requirement."""
    (found,) = match([needed], [one for _, one in parents], RULES)
    assert isinstance(found, Derivable)
    return derive(found.offer, [path for path, _ in parents], folder, known=RULES)


def everything(data):
    """The ids of all its catchments."""
    return list(Domain.open(source(data)).catchments)


@pytest.mark.parametrize("kind", FABRICS)
def test_a_piece_of_river_has_what_the_river_says_of_it(data, tmp_path, kind):
    whole = Domain.open(source(data))
    parents = [(source(data), dataset(source(data), everything(data), kind=Format.GEOPACKAGE))]
    needed = need(SOME, kind)
    offer = SubsetRule().offers(needed, Listed([parents[0][1]]))
    piece = open_fabric(derive(offer, [source(data)], tmp_path, known=RULES).path, kind)
    wanted = whole.select(SOME)
    assert sorted(piece.catchments) == sorted(SOME)
    assert sorted(piece.nexus_ids) == sorted(wanted.nexus_ids)
    assert piece.area_km2 == pytest.approx(wanted.area_km2)


def test_a_geopackage_cut_by_the_rule_keeps_every_layer_and_attribute(data, tmp_path):
    whole = Domain.open(source(data))
    offer = SubsetRule().offers(need(SOME), Listed([dataset(source(data), everything(data))]))
    piece = Domain.open(derive(offer, [source(data)], tmp_path, known=RULES).path)
    assert set(piece.layers()) == set(whole.layers())
    held, wanted = piece.attributes().sort_index(), whole.attributes().loc[SOME].sort_index()
    assert held.equals(wanted)


@pytest.mark.parametrize("kind", [Format.GEOJSON, Format.GEOPARQUET])
def test_a_geopackage_is_made_of_other_formats(data, tmp_path, kind):
    ids = everything(data)
    first = SubsetRule().offers(need(ids, kind), Listed([dataset(source(data), ids)]))
    other = derive(first, [source(data)], tmp_path / "other", known=RULES).path
    piece = made(need(SOME), [(other, dataset(other, ids, kind=kind))], tmp_path / "piece")
    assert sorted(Domain.open(piece.path).catchments) == sorted(SOME)


def test_a_river_that_has_all_the_catchments_is_taken_as_it_is(data):
    (found,) = match([need(SOME)], [dataset(source(data), everything(data))], RULES)
    assert isinstance(found, Found)


def test_a_river_without_one_of_the_catchments_is_never_taken(data):
    held = [dataset(source(data), everything(data))]
    for needed in (need([*SOME, "cat-1"], Format.GEOPARQUET), partitions_needed([*SOME, "cat-1"], 2)):
        assert isinstance(match([needed], held, RULES)[0], Missing)


def test_the_same_piece_has_the_same_bytes(data, tmp_path):
    offer = SubsetRule().offers(need(SOME), Listed([dataset(source(data), everything(data))]))
    one, two = (derive(offer, [source(data)], tmp_path / name, known=RULES).path.read_bytes() for name in "ab")
    assert one == two


def test_a_cut_is_the_one_of_the_domain_in_the_file_that_ngen_reads(data, tmp_path):
    # The first DMOD asked another service for this, which read every layer of the river first.
    ids = everything(data)
    cut = made(partitions_needed(ids, 4), [(source(data), dataset(source(data), ids))], tmp_path)
    assert cut.path.name == "partitions_4.json"
    assert cut.facts == {"parts": 4}
    domain = Domain.open(source(data))
    assert (Partitioning.read(cut.path, domain.network).part_of == domain.partition(4).part_of).all()
    held = [one for rank in json.loads(cut.path.read_text())["partitions"] for one in rank["cat-ids"]]
    assert sorted(held) == sorted(ids)


def test_a_cut_of_a_piece_has_the_piece_alone(data, tmp_path):
    ids = everything(data)[:20]
    cut = made(partitions_needed(ids, 2), [(source(data), dataset(source(data), everything(data)))], tmp_path)
    held = [one for rank in json.loads(cut.path.read_text())["partitions"] for one in rank["cat-ids"]]
    assert sorted(held) == sorted(ids)


def test_more_parts_than_there_can_be_are_refused(data, tmp_path):
    held = dataset(source(data), everything(data))
    offer = PartitionRule().offers(partitions_needed(SOME, 50), Listed([held]))
    with pytest.raises(SelectionError, match="cannot be cut into 50 parts"):
        derive(offer, [source(data)], tmp_path, known=RULES)
    assert list(tmp_path.iterdir()) == []


def test_a_cut_with_other_numbers_of_parts_is_not_taken(data):
    coverage = Coverage.of(spans=ALL, ids=SOME, variables=ALL)
    cut = Dataset(
        "c", "cut", Category.CONFIG, Format.PARTITIONS, coverage, "sha256:" + "4" * 64, 1, (), "/cut.json",
        facts={"parts": 4},
    )  # fmt: skip
    assert isinstance(match([partitions_needed(SOME, 4)], [cut])[0], Found)
    assert isinstance(match([partitions_needed(SOME, 2)], [cut])[0], Missing)


def test_the_rules_keep_to_their_own():
    coverage = Coverage(ALL, ALL, ALL)
    troute = Requirement("troute", Category.CONFIG, (Format.TROUTE_CONFIG,), coverage)
    uncounted = Requirement("partitions", Category.CONFIG, (Format.PARTITIONS,), coverage)
    for rule in RULES:
        assert rule.offers(troute, Listed([])) is None
        assert rule.offers(uncounted, Listed([])) is None


def test_a_dataset_without_its_file_is_refused(tmp_path):
    for kind in FABRICS:
        with pytest.raises(DatasetError):
            open_fabric(tmp_path, kind)
