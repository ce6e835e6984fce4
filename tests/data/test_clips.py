from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from rfcx_lab.config import DataConfig
from rfcx_lab.data.clips import RejectionError, reject_rows
from rfcx_lab.data.recordings import find_recording
from rfcx_lab.errors import LabError
from tests.data.folders import edit_table, load, rewrite


def test_reads_rows_labels_and_names(rfcx_folder):
    root = rfcx_folder(species=3)
    (root / "species.csv").write_text("species_id,name\n0,owl\n1,frog\n2,toad\n")
    clips = load(root)
    assert len(clips.table) == 24
    assert clips.species == (0, 1, 2)
    assert clips.species_names == ("owl", "frog", "toad")
    np.testing.assert_array_equal(clips.labels, clips.table["species_id"].to_numpy())
    assert clips.recordings["rec0"].seconds == pytest.approx(6.0)
    assert clips.rejected.empty


@pytest.mark.parametrize(
    "header",
    [
        "code,name,species_id",
        "species_id,common_name,name",
        "species_id,code,Species_Name",
        "scientific_name,x,species_id",
    ],
)
def test_species_are_called_by_the_column_that_names_them(rfcx_folder, header):
    root = rfcx_folder()
    columns = header.split(",")
    named = next(c for c in ("name", "Species_Name", "scientific_name") if c in columns)
    rows = [
        ",".join({"species_id": str(i), named: name}.get(c, "same") for c in columns) for i, name in enumerate("ab")
    ]
    (root / "species.csv").write_text("\n".join([header, *rows]))
    assert load(root).species_names == ("a", "b")


def test_optional_columns_may_be_missing(rfcx_folder):
    root = rfcx_folder()
    edit_table(root, lambda t: t.drop(columns=["songtype_id", "f_min", "f_max"], inplace=True))
    assert len(load(root).table) == 24


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("t_max", "0.1", "t_max is not after t_min"),
        ("t_max", "", "t_max is not a number"),
        ("t_min", "soon", "t_min is not a number"),
        ("t_min", "-1", "t_min is negative"),
        ("t_max", "6.5", "t_max lies beyond the end of the recording"),
        ("species_id", "1.5", "species_id is not a whole number"),
        ("species_id", "1e300", "species_id is not a whole number"),
        ("species_id", "inf", "species_id is not a whole number"),
        ("t_max", "1e400", "t_max lies beyond the end of the recording"),
        ("recording_id", "", "recording_id is not a plain file name"),
        ("recording_id", "x" * 5000, "File name too long"),
        ("recording_id", "a\0b", "recording_id is not a plain file name"),
        ("recording_id", "nowhere", "no file nowhere.flac"),
        ("recording_id", "../train/rec0", "recording_id is not a plain file name"),
        ("recording_id", "/etc/passwd", "recording_id is not a plain file name"),
    ],
)
def test_bad_row_is_rejected_and_listed(rfcx_folder, field, value, reason):
    root = rfcx_folder()
    edit_table(root, lambda t: t.__setitem__(field, [value, *t[field][1:]]))
    clips = load(root)
    assert len(clips.table) == 23
    [row] = clips.rejected.to_dict("records")
    assert (row["line"], row["field"]) == (2, field)
    assert reason in row["reason"]
    with pytest.raises(LabError, match="line 2"):
        load(root, on_bad_row="stop")


def test_box_that_rounding_puts_behind_the_recording_is_rejected(rfcx_folder):
    """It ends within what the tables may round, and no sound is left of it."""
    root = rfcx_folder()
    rewrite(root, lambda text: text.replace("rec0,0,1,0.2,100.0,1.2,", "rec0,0,1,6.002,100.0,6.008,"))
    clips = load(root)
    assert clips.rejected[["line", "field"]].to_numpy().tolist() == [[2, "t_min"]]
    assert clips.rejected["reason"][0] == "t_min lies beyond the end of the recording at 6.00 s"


def test_rows_that_stand_there_twice_are_rejected_once(rfcx_folder):
    root = rfcx_folder()
    edit_table(root, lambda t: t.__setitem__(slice(1, 2), t.iloc[0:1].to_numpy()))
    clips = load(root)
    assert clips.rejected["line"].tolist() == [3]


@pytest.mark.parametrize(("content", "reason"), [(b"", "is empty"), (b"no sound here", "is not readable audio")])
def test_file_that_is_no_audio_is_rejected(rfcx_folder, content, reason):
    root = rfcx_folder(recordings=12)
    (root / "train" / "rec0.flac").write_bytes(content)
    clips = load(root)
    assert len(clips.rejected) == 4
    assert f"rec0.flac {reason}" in clips.rejected["reason"][0]


def test_link_that_leaves_the_folder_is_rejected(rfcx_folder, tmp_path):
    root = rfcx_folder(recordings=12)
    inside = root / "train" / "rec0.flac"
    inside.rename(tmp_path / "elsewhere.flac")
    inside.symlink_to(tmp_path / "elsewhere.flac")
    assert "leaves" in load(root).rejected["reason"][0]


def test_too_many_rejected_rows_are_fatal(rfcx_folder):
    root = rfcx_folder()
    edit_table(root, lambda t: t.__setitem__("t_max", ["x"] * 5 + list(t["t_max"][5:])))
    with pytest.raises(LabError, match=r"5 of 24 rows .*max_rejected=0.1: line 2"):
        load(root)


def test_fingerprint_follows_rows_and_sound(rfcx_folder):
    root = rfcx_folder()
    before = load(root).fingerprint
    assert load(root).fingerprint == before
    edit_table(root, lambda t: t.__setitem__("t_max", [*t["t_max"][:-1], "5.9"]))
    row_changed = load(root).fingerprint
    sf.write(root / "train" / "rec0.flac", np.zeros(48000), 8000, subtype="PCM_16")
    assert len({before, row_changed, load(root).fingerprint}) == 3


def test_fingerprint_follows_the_sampling_rate(rfcx_folder):
    """The same samples at another rate are another sound, though FLAC's own checksum is the same."""
    samples = np.random.default_rng(0).normal(0, 0.1, 120_000)
    roots = [rfcx_folder(name="slow"), rfcx_folder(name="fast")]
    for root, rate in zip(roots, (8000, 16000), strict=True):
        sf.write(root / "train" / "rec0.flac", samples, rate, subtype="PCM_16")
    assert load(roots[0]).fingerprint != load(roots[1]).fingerprint


def test_shuffled_labels_keep_the_counts_and_lose_the_order(rfcx_folder):
    root = rfcx_folder(recordings=20, species=4)
    plain, shuffled = load(root), load(root, shuffle_labels=True)
    np.testing.assert_array_equal(np.bincount(plain.labels), np.bincount(shuffled.labels))
    assert (plain.labels == shuffled.labels).mean() < 0.6
    assert plain.fingerprint != shuffled.fingerprint


def test_folder_in_the_place_of_a_file_and_a_file_that_may_not_be_read(rfcx_folder, monkeypatch):
    root = rfcx_folder(recordings=24)
    (root / "train" / "rec0.flac").unlink()
    (root / "train" / "rec0.flac").mkdir()
    original = Path.open

    def refuse(self, *args, **kwargs):
        if self.name == "rec1.flac":  # root may read everything
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    reasons = load(root).rejected.groupby("recording_id")["reason"].first()
    assert "no file rec0.flac" in reasons["rec0"]
    assert "rec1.flac can't be opened (Permission denied)" in reasons["rec1"]


def test_length_is_counted_where_a_flac_header_has_none(rfcx_folder):
    path = rfcx_folder() / "train" / "rec0.flac"
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of "total samples", which an encoder that writes to a pipe leaves at zero
    content[22:26] = bytes(4)
    path.write_bytes(content)
    found = find_recording(path.parent, "rec0")
    assert 48000 - 256 <= found.frames <= 48000


def test_rows_rejected_later_are_listed_and_labels_close_ranks(rfcx_folder):
    root = rfcx_folder(species=3)
    clips = load(root, max_rejected=1.0)
    gone = dict.fromkeys(np.flatnonzero(clips.labels == 0), "cut short")
    config = DataConfig(kind="rfcx", max_rejected=1.0)
    left = reject_rows(clips, gone, config=config, seed=0)
    assert left.species == (1, 2)
    assert left.labels.tolist() == [label - 1 for label in clips.labels if label]
    assert left.rejected["line"].tolist() == clips.table["line"].iloc[list(gone)].tolist()
    assert set(left.rejected["reason"]) == {"cut short"}
    assert left.fingerprint != clips.fingerprint
    with pytest.raises(RejectionError, match=r"8 of 24 rows are unusable, more than data.max_rejected=0.1") as caught:
        reject_rows(clips, gone, config=DataConfig(kind="rfcx"), seed=0)
    assert len(caught.value.rejected) == 8
    with pytest.raises(RejectionError, match="no row is usable"):
        reject_rows(clips, dict.fromkeys(range(24), "cut short"), config=config, seed=0)
