from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from rfcx_lab.config import DataConfig
from rfcx_lab.data.clips import load_clips
from rfcx_lab.errors import LabError


def load(root: Path, **options):
    return load_clips(root, DataConfig(kind="rfcx", **options), seed=0)


def edit_table(root: Path, change) -> None:
    table = pd.read_csv(root / "train_tp.csv", dtype=object)
    change(table)
    table.to_csv(root / "train_tp.csv", index=False)


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


def test_rows_that_stand_there_twice_are_rejected_once(rfcx_folder):
    root = rfcx_folder()
    edit_table(root, lambda t: t.__setitem__(slice(1, 2), t.iloc[0:1].to_numpy()))
    clips = load(root)
    assert clips.rejected["line"].tolist() == [3]


@pytest.mark.parametrize("content", [b"", b"no sound here"])
def test_file_that_is_no_audio_is_rejected(rfcx_folder, content):
    root = rfcx_folder(recordings=12)
    (root / "train" / "rec0.flac").write_bytes(content)
    clips = load(root)
    assert len(clips.rejected) == 4
    assert "rec0.flac is not readable audio" in clips.rejected["reason"][0]


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


def test_blank_lines_and_trailing_commas_shift_nothing(rfcx_folder):
    root = rfcx_folder(recordings=12)
    path = root / "train_tp.csv"
    header, *lines = path.read_text().splitlines()
    broken = lines[0].replace("rec0", "nowhere")
    path.write_text("\n".join([header, lines[0] + ",", "", *[line + "," for line in (broken, *lines[1:])], "", ""]))
    clips = load(root)
    assert clips.rejected["line"].tolist() == [4]
    assert len(clips.table) == len(lines)


def test_missing_table_and_missing_column_are_named(rfcx_folder, tmp_path):
    with pytest.raises(LabError, match=r"train_tp.csv does not exist; point data.root"):
        load(tmp_path)
    root = rfcx_folder()
    edit_table(root, lambda t: t.drop(columns="t_min", inplace=True))
    with pytest.raises(LabError, match="lacks the column t_min"):
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


def test_folds_per_recording_or_per_line(rfcx_folder):
    root = rfcx_folder()
    names = [f"rec{i}" for i in range(6)]
    pd.DataFrame({"recording_id": names, "site": list("aabbcc")}).to_csv(root / "folds.csv", index=False)
    assert load(root).groups("site").tolist() == [s for s in "aabbcc" for _ in range(4)]
    table = pd.read_csv(root / "train_tp.csv")
    table.assign(source=range(24)).drop(columns="songtype_id").to_csv(root / "folds.csv", index=False)
    assert load(root).groups("source").tolist() == [str(i) for i in range(24)]
    with pytest.raises(LabError, match=r"split.group=site: no such column"):
        load(root).groups("site")


def test_misaligned_folds_are_fatal(rfcx_folder):
    root = rfcx_folder()
    table = pd.read_csv(root / "train_tp.csv").assign(fold=1)
    table.iloc[::-1].to_csv(root / "folds.csv", index=False)
    with pytest.raises(LabError, match=r"folds.csv, line 2: recording_id differs from train_tp.csv"):
        load(root)
    table.iloc[:-1].to_csv(root / "folds.csv", index=False)
    with pytest.raises(LabError, match="holds 23 lines"):
        load(root)
