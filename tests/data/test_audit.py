"""The audit on tables whose answer is known, and on the real ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rfcx_lab.data.tables import join_folds, read_clip_table
from tests.conftest import real_data
from tests.data.tables import as_table, audit, planned, signal, split


@pytest.fixture(scope="module")
def plain():
    return planned()


@pytest.fixture(scope="module")
def templated():
    return planned(templated_boxes=True)


def exposed_pair(table, *, by="recording_id") -> tuple[int, int]:
    """Rows that the first repeat puts into validation and training, of different recordings."""
    part = split(table, by=by)[0]
    row = int(part.validation[0])
    other = next(int(r) for r in part.train if table["recording_id"][r] != table["recording_id"][row])
    return row, other


def prints_of(table) -> np.ndarray:
    return np.array([f"window {i}" for i in range(len(table))])


@pytest.mark.parametrize("window", ["fixed", "crop"])
def test_plain_boxes_are_green(plain, window):
    found = audit(plain, window=window, prints=prints_of(plain))
    assert [one.status for one in found.signals] == ["green"] * 4
    assert (found.status, found.sentence) == ("green", "Nothing was found that tells the species but sound.")
    for name in ("box_seconds", "visible_frames"):
        assert signal(found, name).accuracy[2] < found.majority + 0.05


def test_templated_boxes_are_red_where_the_model_sees_them(templated):
    found = audit(templated, window="crop")
    assert found.status == "red"
    for name in ("box_seconds", "visible_frames"):
        one = signal(found, name)
        assert (one.status, one.visible) == ("red", True)
        assert one.accuracy[1] > 0.95
        assert "window=fixed hides it" in one.sentence


def test_templated_boxes_are_amber_where_a_fixed_window_hides_them(templated):
    found = audit(templated, window="fixed", prints=prints_of(templated))
    seconds, frames = signal(found, "box_seconds"), signal(found, "visible_frames")
    assert (found.status, seconds.status, seconds.visible) == ("amber", "amber", False)
    assert seconds.accuracy[1] > 0.95
    assert (frames.status, frames.visible) == ("green", False)
    assert frames.accuracy[0] == found.majority
    assert frames.accuracy[2] < found.majority + 0.05
    assert "126 frames" in frames.sentence


def test_a_crop_that_cuts_every_box_hides_its_length(templated):
    """What is visible is measured, not taken from the window's name."""
    long = templated[templated["t_max"] - templated["t_min"] > 0.5].reset_index(drop=True)
    long["label"] = np.unique(long["label"], return_inverse=True)[1]
    frames = np.minimum(((long["t_max"] - long["t_min"]) / 0.1).astype(int).to_numpy(), 5)
    from rfcx_lab.data.audit import audit_table

    found = audit_table(long, split(long), frames=frames, window="crop", split_by="recording_id", margin=0.05)
    assert (signal(found, "box_seconds").status, signal(found, "visible_frames").status) == ("amber", "green")


def test_length_that_is_the_recordings_is_not_the_species():
    """Every recording has one species and boxes of a length of its own: to know a recording is to know both.

    Without grouping each row's twins would name it, and the audit would cry red.
    """
    rng = np.random.default_rng(0)
    rows = []
    for i in range(150):
        species, length = int(rng.integers(6)), float(rng.uniform(0.3, 7.0))
        rows += [(f"rec{i:03d}", species, 8.0 * j, 8.0 * j + length) for j in range(5)]
    found = audit(as_table(rows), window="crop")
    assert signal(found, "box_seconds").accuracy[0] < 0.35
    assert signal(found, "box_seconds").status != "red"
    assert signal(found, "visible_frames").status != "red"


def test_recording_is_seen_only_where_the_split_puts_it_on_two_sides():
    rng = np.random.default_rng(1)
    species = rng.integers(0, 6, 100)
    rows = [
        (f"rec{i:02d}", int(species[i]), 5.0 * j, 5.0 * j + rng.uniform(1, 2)) for i in range(100) for j in range(4)
    ]
    table = as_table(rows)
    grouped = signal(audit(table), "recording")
    assert (grouped.status, grouped.visible, grouped.rows, grouped.accuracy) == ("green", False, 0, None)
    assert grouped.sentence == "Not visible: the split is by recording_id."
    by_row = signal(audit(table, by="line"), "recording")
    assert (by_row.status, by_row.visible) == ("red", True)
    assert by_row.accuracy[1] > 0.75  # rows that no repeat exposed stay at a guess
    assert by_row.rows > 300
    assert "split.group=recording_id" in by_row.sentence


def test_recording_that_tells_nothing_is_green_on_two_sides(plain):
    """All species as often in every recording: to know it is to know nothing."""
    one = signal(audit(plain, by="line"), "recording")
    assert (one.status, one.visible) == ("green", True)
    assert one.rows > 1000


def test_split_by_row_is_amber_even_where_recordings_tell_nothing(plain):
    """As the article splits: the model has heard this very background with other calls."""
    one = signal(audit(plain.assign(row=plain["line"]), by="row"), "recording")
    assert (one.status, one.visible) == ("amber", True)
    assert "the same background stands on both sides; set split.group=recording_id" in one.sentence


def test_same_recording_under_two_names_is_found(plain):
    sounds = plain["recording_id"].to_numpy(dtype=str).copy()
    row, other = exposed_pair(plain)
    sounds[sounds == sounds[row]] = sounds[other]
    one = signal(audit(plain, sounds=sounds), "recording")
    assert one.rows >= 10
    lines = {line for pair in one.pairs for line in (pair.line, pair.other_line)}
    concerned = plain["recording_id"][[line - 2 for line in lines]]
    assert set(concerned) == {plain["recording_id"][row], plain["recording_id"][other]}


def test_planted_duplicate_is_found_and_named(plain):
    prints = prints_of(plain)
    row, other = exposed_pair(plain)
    prints[row] = prints[other]
    one = signal(audit(plain, prints=prints), "duplicate_windows")
    assert (one.status, one.visible, one.rows) == ("red", True, len({pair.line for pair in one.pairs}))
    first = next(pair for pair in one.pairs if pair.repeat == 0)
    assert (first.line, first.side, first.other_line, first.other_side) == (
        row + 2,
        "validation",
        other + 2,
        "training",
    )
    assert f"line {row + 2}" in one.sentence


def test_duplicate_on_its_own_side_is_green(plain):
    prints = prints_of(plain)
    test = split(plain)[0].test
    prints[test[0]] = prints[test[1]]
    one = signal(audit(plain, prints=prints), "duplicate_windows")
    assert (one.status, one.rows) == ("green", 0)
    assert one.sentence.startswith("1 windows repeat")


def test_without_recordings_duplicates_are_undecided(plain):
    one = signal(audit(plain), "duplicate_windows")
    assert (one.status, one.accuracy) == ("amber", None)
    assert "without the recordings" in one.sentence


def test_planted_source_is_found_and_named(plain):
    sources = np.array([f"file {i}" for i in range(len(plain))])
    row, other = exposed_pair(plain)
    sources[row] = sources[other]
    found = audit(plain.assign(src_file=sources), prints=prints_of(plain))
    one = signal(found, "same_src_file")
    assert (one.status, one.visible, found.status) == ("amber", True, "amber")
    assert {(p.line, p.other_line) for p in one.pairs} <= {(row + 2, other + 2), (other + 2, row + 2)}
    assert f"line {row + 2} in validation" in one.sentence


def test_sources_all_over_the_split_are_red(plain):
    """Each source is of one species, and its takes lie in any recording."""
    rng = np.random.default_rng(2)
    sources = [f"{label}/{rng.integers(20)}" for label in plain["label"]]
    one = signal(audit(plain.assign(src_file=sources)), "same_src_file")
    assert one.status == "red"
    assert one.accuracy[1] > 0.75
    assert len(one.pairs) == 20 < one.rows


def test_split_by_source_keeps_sources_apart(plain):
    sources = [f"{label}/{i % 30}" for i, label in enumerate(plain["label"])]
    found = audit(plain.assign(src_file=sources), by="src_file")
    assert signal(found, "same_src_file").sentence == "Not visible: the split is by src_file."
    assert signal(found, "recording").visible


def test_columns_that_name_no_source_are_told(plain):
    table = plain.assign(site=[i % 5 for i in range(len(plain))], category=plain["label"], take=range(len(plain)))
    found = audit(table, prints=prints_of(plain))
    assert len(found.signals) == 4
    assert any("site, category" in missing for missing in found.not_checked)
    assert any("Near-duplicates" in missing for missing in found.not_checked)


def test_rows_without_a_source_share_none(plain):
    table = plain.assign(src_file=[f"file {i // 2}" if i < 60 else None for i in range(len(plain))])
    one = signal(audit(table), "same_src_file")
    assert (one.status, one.rows) == ("green", 0)  # neighbours lie in one recording


def test_few_species_and_a_rare_rest_leave_room_to_be_red():
    """Where one species makes 97 % nothing is 5 points above it: the bar lies half-way to all."""
    rng = np.random.default_rng(3)
    rows = []
    for i in range(900):
        species = int(rng.random() < 0.03)
        rows.append((f"rec{i:03d}", species, 1.0, 2.0 + species + rng.uniform(0, 0.5)))
    found = audit(as_table(rows), window="crop")
    assert found.majority > 0.95
    assert signal(found, "visible_frames").status == "red"


@pytest.mark.parametrize(("recordings", "status"), [(40, "amber"), (2000, "red")])
def test_what_few_recordings_show_is_undecided(recordings, status):
    """Two species as frequent, whose length is the other's in 7 of 20 calls: 15 points above chance either way."""
    rows = []
    for i in range(recordings):
        species, swapped = i % 2, i // 2 % 20 < 7
        rows.append((f"rec{i:04d}", species, 1.0, 2.0 + (species ^ swapped)))
    found = audit(as_table(rows), window="crop")
    for name in ("box_seconds", "visible_frames"):
        one = signal(found, name)
        assert one.accuracy[0] == pytest.approx(0.65, abs=0.001)
        assert one.status == status
    if status == "amber":
        assert "Too few recordings to say whether it is 5 percentage points better" in found.sentence


def test_same_table_same_audit_and_plain_json(templated):
    one, two = (audit(templated, window="crop").to_dict() for _ in range(2))
    assert json.loads(json.dumps(one, allow_nan=False)) == one == two


@pytest.mark.parametrize(
    ("window", "status", "seconds", "frames"), [("crop", "red", "red", "red"), ("fixed", "amber", "amber", "green")]
)
def test_real_tables(window, status, seconds, frames):
    """The competition's boxes are templates: their lengths name 99.8 % of the calls, their frames 95 %."""
    root = real_data("rfcx_metadata")
    table = read_clip_table(root)
    table["label"] = np.unique(table["species_id"], return_inverse=True)[1]
    found = audit(table, window=window)
    assert (found.status, found.majority) == (status, pytest.approx(100 / 1216, abs=1e-3))
    box, seen = signal(found, "box_seconds"), signal(found, "visible_frames")
    assert (box.status, seen.status) == (seconds, frames)
    assert box.accuracy[0] >= 0.99
    if window == "crop":
        assert seen.accuracy[0] >= 0.90
    else:
        assert seen.accuracy[2] < found.majority + 0.05


def test_real_tables_by_row_show_their_recordings():
    table = read_clip_table(real_data("rfcx_metadata"))
    table["label"] = np.unique(table["species_id"], return_inverse=True)[1]
    one = signal(audit(table, by="line"), "recording")
    assert one.visible
    assert 100 <= one.rows <= 151  # of 151 rows in recordings with more than one, those that a split parts


def test_real_recordings_sources_that_two_recordings_share_are_named():
    """ESC-50 itself has two files cut into clips of two folds, and of two species: no recording holds them whole."""
    root = real_data("esc_rfcx")
    table = join_folds(read_clip_table(root), root)
    table["label"] = np.unique(table["species_id"], return_inverse=True)[1]
    one = signal(audit(table), "same_src_file")
    files = table.set_index("line")["src_file"]
    assert {files[pair.line] for pair in one.pairs} == {files[pair.other_line] for pair in one.pairs}
    assert {files[pair.line] for pair in one.pairs} <= {"234879", "134049"}
    assert (one.status, one.visible) == ("amber", True)
    by_row = signal(audit(table, by="line"), "same_src_file")
    assert by_row.status == "red"
