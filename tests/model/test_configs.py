"""Configuration files: one by one and thousands at once, with the same values and the same complaints."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from dmod.engine.modules.cfe import Cfe
from dmod.engine.modules.pet import Pet
from dmod.model.config_batch import read_many
from dmod.model.configs import ConfigSchema, Key, parse, read, stack

SCHEMA = ConfigSchema(
    keys=(
        Key("depth", unit="m", doc="how deep", spellings=("soil.depth", "soil.D"), bounds=(0.0, 10.0)),
        Key("layers", "integer", doc="how many", default=2.0, bounds=(1, 9)),
        Key("scheme", "choice", doc="which", choices={"wet": 1.0, "dry": 2.0}, default=1.0),
        Key("frozen", "flag", doc="whether", default=0.0),
        Key("shares", "numbers", doc="shares", default=math.nan),
        Key("note", "text", doc="anything", default=math.nan),
    ),
    ignored=frozenset({"DEBUG"}),
)
CFE = """forcing_file=BMI
surface_partitioning_scheme=Schaake
soil_params.depth=2.0[m]
soil_params.b=4.05[]
soil_params.satdk=0.00000338[m s-1]
soil_params.satpsi=0.355[m]
soil_params.slop=0.1[m/m]
soil_params.smcmax=0.439[m/m]
soil_params.wltsmc=0.066[m/m]
max_gw_storage=0.05[m]
Cgw=0.000018[m h-1]
expon=7.0[]
gw_storage=0.05[m/m]
alpha_fc=0.33
soil_storage=0.5[m/m]
K_nash=0.03[]
K_lf=0.01[]
nash_storage=0.0,0.0
verbosity=0
giuh_ordinates=0.06,0.51,0.28,0.12,0.03
"""


def test_every_kind_of_value():
    config = parse(SCHEMA, "soil.D=2.5[m]\nlayers=3\nscheme=dry\nfrozen=TRUE\nshares=0.25, .75,\nnote=a=b\n")
    assert config.problems == ()
    assert (config.values["depth"], config.values["layers"]) == (2.5, 3.0)
    assert (config.values["scheme"], config.values["frozen"]) == (2.0, 1.0)
    assert config.values["shares"] == [0.25, 0.75]
    assert config.text["note"] == "a=b"


def test_defaults_comments_blanks_and_carriage_returns():
    config = parse(SCHEMA, "# soil\r\n\r\n  soil.depth = 2 \r\nDEBUG=1\r\nno sense here\r\n")
    assert config.problems == ()
    assert (config.values["depth"], config.values["layers"], config.values["frozen"]) == (2.0, 2.0, 0.0)


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("", "is missing and required", "add soil.depth= a number in m from 0 to 10: how deep"),
        ("soil.depth=deep", "is 'deep', which is not a number", "give soil.depth= a number in m"),
        ("soil.depth=", "is '', which is not a number", "give soil.depth= a number in m"),
        ("soil.depth=1 2", "is '1 2', which is not a number", "give soil.depth= a number in m"),
        ("soil.depth=11", "is 11, outside 0 to 10", "give soil.depth= a number in m"),
        ("soil.depth=nan", "is nan, outside 0 to 10", "give soil.depth= a number in m"),
        ("soil.depth=1\nlayers=2.5", "is '2.5', which is not a whole number", "give layers= "),
        ("soil.depth=1\nscheme=icy", "is 'icy'", "give scheme as one of dry, wet"),
        ("soil.depth=1\nfrozen=maybe", "is 'maybe'", "give frozen=1 or frozen=0"),
        ("soil.depth=1\nshares=0.5,x", "is '0.5,x', which is not a number", "give shares= numbers"),
        ("soil.depth=1\nshares=", "is empty", "give shares= numbers"),
    ],
)  # fmt: skip
def test_a_bad_value_stops_the_run_and_says_what_to_write(text, message, remedy):
    (problem,) = parse(SCHEMA, text).problems
    assert problem.fatal
    assert problem.message == message
    assert problem.remedy.startswith(remedy)


def test_percent_is_named_for_what_ngen_makes_of_it():
    (problem,) = parse(SCHEMA, "soil.depth=50%").problems
    assert problem.message == "is '50%': ngen ignores the percent sign and takes 50 as a fraction"


def test_a_unit_that_ngen_would_not_convert_is_a_warning():
    (problem,) = parse(SCHEMA, "soil.depth=2[ft]").problems
    assert not problem.fatal
    assert problem.message == "is written in [ft], but ngen reads it as [m] and converts nothing"
    assert parse(SCHEMA, "soil.depth=2[meters]").problems == ()


@pytest.mark.parametrize("unit", ["????", "+", "m m**", "(", "0", "[", "\x00", "*"])
def test_no_unit_is_too_odd_to_be_read(unit):
    problems = parse(SCHEMA, f"soil.depth=2[{unit}]").problems
    assert not any(problem.fatal for problem in problems)


def test_a_key_nobody_reads_names_the_nearest():
    (problem,) = parse(SCHEMA, "soil.depth=2\nsoil.dept=3").problems
    assert (problem.key, problem.remedy, problem.fatal) == ("soil.dept", "did you mean soil.depth?", False)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    (problem,) = read(SCHEMA, tmp_path / "none.ini").problems
    assert problem.message == "cannot be read: No such file or directory"
    (problem,) = read(SCHEMA, tmp_path).problems
    assert problem.message == "cannot be read: Is a directory"


def test_lists_of_different_lengths_are_padded():
    configs = [parse(SCHEMA, "soil.depth=1\nshares=1"), parse(SCHEMA, "soil.depth=2\nshares=0.4,0.6")]
    table = stack(SCHEMA, configs)
    assert table["depth"].tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(table["shares"], [[1.0, np.nan], [0.4, 0.6]])


def test_older_and_newer_spellings_of_cfe_give_one_table():
    newer = (
        CFE.replace("surface_partitioning", "surface_water_partitioning")
        .replace("K_nash", "K_nash_subsurface")
        .replace("nash_storage", "nash_storage_subsurface")
        .replace("soil_params.depth", "soil_params.D")
    )
    old, new = parse(Cfe.schema, CFE), parse(Cfe.schema, newer)
    assert old.problems == new.problems == ()
    for key, value in old.values.items():
        np.testing.assert_array_equal(value, new.values[key])


@pytest.mark.parametrize(
    ("old", "new", "key", "fatal"),
    [
        ("giuh_ordinates=0.06", "giuh_ordinates=0.16", "giuh_ordinates", False),
        ("Schaake", "Xinanjiang", "a_Xinanjiang_inflection_point_parameter", True),
        ("wltsmc=0.066", "wltsmc=0.5", "soil_params.wltsmc", True),
        ("soil_params.b=4.05", "soil_params.b=1", "soil_params.b", True),
        ("verbosity=0", "verbosity=0\naet_rootzone=1", "soil_layer_depths", True),
        ("verbosity=0", "verbosity=0\nis_sft_coupled=1", "ice_content_threshold", True),
    ],
)
def test_what_single_keys_of_cfe_cannot_tell(old, new, key, fatal):
    problems = {p.key: p for p in parse(Cfe.schema, CFE.replace(old, new)).problems}
    assert problems[key].fatal == fatal


def test_the_order_ngen_needs_is_checked():
    swapped = CFE.replace("max_gw_storage=0.05[m]\n", "") + "max_gw_storage=0.05[m]\n"
    (problem,) = parse(Cfe.schema, swapped).problems
    assert problem.message.startswith("stands before max_gw_storage")


def test_pet_says_what_ngen_ignores():
    text = "pet_method=1\nwind_speed_measurement_height_m=10\nzero_plane_displacement_height_m=0.1\n"
    text += "surface_longwave_emissivity=1\nsurface_shortwave_albedo=0.2\nmomentum_transfer_roughness_length=0.1\n"
    (problem,) = parse(Pet.schema, text).problems
    assert (problem.key, problem.fatal) == ("momentum_transfer_roughness_length", False)


# many at once


def written(folder: Path, texts: list[str]) -> list[str]:
    """Files cat-0.ini, cat-1.ini ... and their paths."""
    paths = [folder / f"cat-{i}.ini" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return [str(path) for path in paths]


def many() -> list[str]:
    """Files that are alike, files of another kind, and files of a kind of their own."""
    alike = [CFE.replace("0.00000338", f"{1e-6 * (i + 1):g}") for i in range(6)]
    alike = [text.replace("0.06,0.51", f"0.0{i},0.5{7 - i}") for i, text in enumerate(alike)]
    other = [text.replace("=0.1[m/m]", f"=0.{i + 1}") + "# end\n" for i, text in enumerate(alike)]
    own = [
        alike[0].replace("0.06,0.51,0.28,0.12,0.03", "0.5,0.5"),
        alike[1] + "K_nash=0.5\n",
        "\n\n" + alike[2],
    ]
    return [*alike, *other, *own]


def test_reading_many_gives_what_reading_each_gives(tmp_path):
    texts = many()
    paths = written(tmp_path, texts)
    batch = read_many(Cfe.schema, paths)
    table = stack(Cfe.schema, [parse(Cfe.schema, text) for text in texts])
    assert batch.problems == ()
    for name, values in table.items():
        np.testing.assert_array_equal(batch.parameters[name], values, err_msg=name)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("soil_params.b=4.05[]", "soil_params.b=four[]"),
        ("soil_params.smcmax=0.439", "soil_params.smcmax=1.439"),
        ("gw_storage=0.05[m/m]", "gw_storage=50%"),
        ("gw_storage=0.05[m/m]", "gw_storage=nan"),
        ("alpha_fc=0.33\n", ""),
        ("alpha_fc=0.33\n", "alpha_fc=0.33\nalpha_fg=1\n"),
        ("0.28,0.12,0.03", "0.28,0.12,0.53"),
        ("0.28,0.12,0.03", "0.28,0.12,x"),
        ("Schaake", "Xinanjiang"),
        ("depth=2.0[m]", "depth=200[cm]"),
        ("wltsmc=0.066", "wltsmc=0.5"),
        ("soil_params.satpsi=0.355", "soil_params.satpsi=1e6"),
        ("verbosity=0", "verbosity=0\nis_sft_coupled=1"),
    ],
)
def test_one_bad_file_among_many_is_found_and_only_that_one(tmp_path, place, old, new):
    texts = many()[:6]
    texts[place] = texts[place].replace(old, new)
    batch = read_many(Cfe.schema, written(tmp_path, texts))
    expected = [(i, p) for i, text in enumerate(texts) for p in parse(Cfe.schema, text).problems]
    assert expected
    assert list(batch.problems) == expected
    assert bool(batch.parameters) == (not any(p.fatal for _, p in expected))


def test_a_path_named_twice_is_read_once_and_counts_twice(tmp_path):
    (path,) = written(tmp_path, [CFE])
    batch = read_many(Cfe.schema, [path, path, path])
    assert batch.parameters["satdk"].tolist() == [3.38e-6] * 3
    Path(path).unlink()
    assert [place for place, _ in read_many(Cfe.schema, [path, path]).problems] == [0, 1]


def test_the_digest_follows_the_content(tmp_path):
    paths = written(tmp_path, many())
    first = read_many(Cfe.schema, paths).digest
    assert read_many(Cfe.schema, paths).digest == first
    Path(paths[3]).write_text(CFE + "K_nash=0.04\n")
    assert read_many(Cfe.schema, paths).digest != first
