from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from rfcx_lab.config import SplitConfig
from rfcx_lab.data.splits import Split, assert_disjoint, make_splits
from rfcx_lab.errors import LabError

CONFIG = SplitConfig(group="recording_id", test_fraction=0.2, validation_fraction=0.25)


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, 400)
    groups = np.repeat([f"rec{i}" for i in range(50)], 8)
    return labels, groups


def split(rows, *, repeats=4, seed=0, config=CONFIG):
    labels, groups = rows
    names = [f"species {i}" for i in range(labels.max() + 1)]
    return make_splits(labels, groups, config=config, repeats=repeats, seed=seed, species_names=names)


def test_sides_share_no_group_and_cover_every_row(rows):
    _, groups = rows
    for part in split(rows):
        sides = [set(groups[r]) for r in (part.train, part.validation, part.test)]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
        everyone = np.sort(np.concatenate([part.train, part.validation, part.test]))
        np.testing.assert_array_equal(everyone, np.arange(400))


def test_sizes_are_about_the_fractions(rows):
    part = split(rows)[0]
    assert len(part.test) / 400 == pytest.approx(0.2, abs=0.05)
    assert part.validation_fraction == pytest.approx(0.25, abs=0.05)


def test_test_part_is_drawn_once_and_repeats_are_redrawn(rows):
    parts = split(rows)
    assert all(np.array_equal(parts[0].test, p.test) for p in parts)
    assert len({p.key for p in parts}) == 4


def test_a_repeat_does_not_depend_on_how_many_there_are(rows):
    assert [p.key for p in split(rows, repeats=2)] == [p.key for p in split(rows, repeats=7)][:2]


def test_seed_decides(rows):
    assert split(rows, seed=0)[0].key == split(rows, seed=0)[0].key
    assert split(rows, seed=0)[0].key != split(rows, seed=1)[0].key


def test_species_are_spread_evenly(rows):
    labels, _ = rows
    part = split(rows)[0]
    shares = np.bincount(labels[part.validation], minlength=5) / np.bincount(labels, minlength=5)
    assert shares.min() > 0.1
    assert shares.max() < 0.3


def test_every_recording_is_as_likely_to_be_held_out(rows):
    """The splitter's first fold has favourites, whatever the seed."""
    labels, groups = rows
    labels = np.where(np.arange(400) < 40, 0, labels)  # a few recordings stand out by their species
    drawn = np.array([np.isin(np.unique(groups), groups[s.validation]) for s in split((labels, groups), repeats=200)])
    in_rest = np.isin(np.unique(groups), groups[np.setdiff1d(np.arange(400), split((labels, groups))[0].test)])
    share = drawn[:, in_rest].mean(axis=0)
    spread = np.sqrt(0.25 * 0.75 / 200)
    assert np.abs(share - 0.25).max() < 4.5 * spread


def test_fraction_that_no_whole_number_of_parts_gives_is_refused(rows):
    config = SplitConfig(group="recording_id", test_fraction=0.2, validation_fraction=0.42)
    with pytest.raises(LabError, match=r"split.validation_fraction=0.42: must be one of .* nearest is 0.500"):
        split(rows, config=config)


def test_group_on_two_sides_raises():
    groups = np.array(["a", "a", "b", "c"])
    leaking = Split(0, train=np.array([0]), validation=np.array([1]), test=np.array([2, 3]))
    with pytest.raises(LabError, match="a stands in both training and validation"):
        assert_disjoint(leaking, groups)


def test_species_in_too_few_recordings_is_named(rows):
    labels, groups = rows
    labels = labels.copy()
    labels[:2] = 5
    with pytest.raises(LabError, match=r"species 5 is in 1 group.* at least 3"):
        split((labels, groups))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 0.9])
def test_fraction_out_of_range_is_named(rows, fraction):
    config = SplitConfig(group="recording_id", test_fraction=fraction, validation_fraction=0.25)
    with pytest.raises(LabError, match=r"split.test_fraction"):
        split(rows, config=config)


def test_parts_that_could_come_out_empty_are_refused(rows):
    labels, groups = rows
    few = np.isin(groups, np.unique(groups)[:4])
    with pytest.raises(LabError, match=r"split.test_fraction=1/5 needs 5 groups of recording_id, and there are 4"):
        split((labels[few] % 2, groups[few]))
    many_species = np.repeat(np.arange(10), 3), np.array([f"g{i}" for i in range(30)])
    with pytest.raises(
        LabError, match=r"split.test_fraction=1/5 needs a species with 5 rows, and none has more than 3"
    ):
        split(many_species)


def test_whatever_the_rows_a_split_is_whole_or_refused_in_a_sentence():
    """Small and lopsided data, of which the splitter itself would raise or leave a part empty."""
    rng, outcomes = np.random.default_rng(0), Counter()
    for _ in range(300):
        species, recordings, count = rng.integers(2, 6), rng.integers(1, 15), rng.integers(4, 50)
        labels = np.unique(rng.integers(0, species, count), return_inverse=True)[1]
        groups = np.array([f"g{i}" for i in rng.integers(0, recordings, count)])
        fractions = {"test_fraction": rng.choice([0.2, 0.25, 0.5]), "validation_fraction": rng.choice([0.1, 0.25, 0.5])}
        try:
            splits = split((labels, groups), config=SplitConfig(group="recording_id", **fractions))
        except LabError as error:
            outcomes["refused"] += 1
            assert "\n" not in str(error)
            continue
        outcomes["split"] += 1
        for one in splits:
            assert min(len(one.train), len(one.validation), len(one.test)) > 0
            assert len(one.train) + len(one.validation) + len(one.test) == count
            assert set(labels[one.train]) == set(labels)
    assert min(outcomes.values()) > 50


ROWS = SplitConfig(group="row", test_fraction=0.25, validation_fraction=0.25, row_seed=123)


def by_row(rows, **options):
    labels, _ = rows
    return split((labels, np.arange(len(labels)).astype(str)), config=options.pop("config", ROWS), **options)


def test_split_by_row_is_scikit_learn_s_own_with_a_seed_per_repeat(rows):
    labels, groups = rows
    parts = by_row(rows, repeats=3)
    rest, test = train_test_split(np.arange(400), test_size=0.25, random_state=123, stratify=labels)
    for repeat, part in enumerate(parts):
        train, validation = train_test_split(rest, test_size=0.25, random_state=123 + repeat)
        np.testing.assert_array_equal(part.train, train)
        np.testing.assert_array_equal(part.validation, validation)
        np.testing.assert_array_equal(part.test, test)
    with pytest.raises(LabError, match="stands in both training and validation"):
        assert_disjoint(parts[0], groups)  # which a split by recording would never get past


def test_split_by_row_takes_any_fraction_and_refuses_what_can_t_be(rows):
    assert len(by_row(rows, config=replace(ROWS, test_fraction=0.4))[0].test) == 160
    with pytest.raises(LabError, match=r"split.test_fraction=0.01: that part of 400 calls can't hold one of each of 5"):
        by_row(rows, config=replace(ROWS, test_fraction=0.01))
    with pytest.raises(LabError, match=r"split.row_seed=-1: must be 0 to"):
        by_row(rows, config=replace(ROWS, row_seed=-1))
