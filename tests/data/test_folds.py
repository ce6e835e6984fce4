"""`folds.csv`: further columns per recording or per line, and what is amiss in them."""

from __future__ import annotations

import pandas as pd
import pytest

from rfcx_lab.config import DataConfig
from rfcx_lab.data.clips import load_clips
from rfcx_lab.errors import LabError
from tests.data.folders import edit_table, load, rewrite


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


def test_recording_without_a_line_in_folds_is_fatal_unless_its_rows_are_rejected_anyway(rfcx_folder):
    root = rfcx_folder()
    (root / "folds.csv").write_text("recording_id,site\n" + "".join(f"rec{i},s{i}\n" for i in range(6)))
    rewrite(root, lambda text: text.replace("rec1,", "rec01,", 1))
    clips = load(root)
    [row] = clips.rejected.to_dict("records")
    reason = "no file rec01.flac or rec01.wav in train"
    assert row == {"line": 6, "recording_id": "rec01", "field": "recording_id", "reason": reason}
    assert clips.groups("site").tolist() == [f"s{i}" for i in range(6) for _ in range(4 - (i == 1))]
    assert "unlisted" not in clips.table
    with pytest.raises(
        LabError, match=r"folds\.csv has no line for recording rec01, which line 6 of train_tp\.csv names"
    ):
        load_clips(root, DataConfig(kind="rfcx"), seed=0, sound=False)
    (root / "folds.csv").write_text("recording_id,site\n" + "".join(f"rec{i},s{i}\n" for i in range(5)))
    with pytest.raises(
        LabError, match=r"no line for recording rec5, which line 22 of train_tp\.csv names; it must hold"
    ):
        load(root)


@pytest.mark.parametrize("by_row", [False, True])
def test_row_without_a_group_is_laid_to_the_file_that_leaves_it_open(rfcx_folder, by_row):
    root = rfcx_folder()
    names = [f"rec{i}" for i in range(6) for _ in range(4 if by_row else 1)]
    lines = [f"{name},{'' if i in (3, 5) else 'a'}" for i, name in enumerate(names)]
    (root / "folds.csv").write_text("\n".join(["recording_id,site", *lines]))
    with pytest.raises(LabError, match=r"split.group=site: .*folds.csv, line 5, has no value .*; fill it in, or group"):
        load(root).groups("site")
    edit_table(root, lambda t: t.__setitem__("songtype_id", ["1", "", *t["songtype_id"][2:]]))
    with pytest.raises(LabError, match=r"train_tp.csv, line 3, has no value in that column; fill it in, or group"):
        load(root).groups("songtype_id")


def test_misaligned_folds_are_fatal(rfcx_folder):
    root = rfcx_folder()
    table = pd.read_csv(root / "train_tp.csv").assign(fold=1)
    for folds, message in (
        (table.iloc[::-1], "folds.csv, line 2: recording_id is rec5, and rec0 in line 2 of train_tp.csv; it must hold"),
        (table.iloc[:-1], "holds 23 rows, train_tp.csv 24; it must hold"),
        (table.drop(index=6), "folds.csv, line 8: species_id is 0, and 1 in line 8 of train_tp.csv; it must hold"),
        (table.drop(index=7), "folds.csv, line 9: recording_id is rec2, and rec1 in line 9 of train_tp.csv; it must"),
    ):
        folds.to_csv(root / "folds.csv", index=False)
        with pytest.raises(LabError, match=message):
            load(root)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "folds.csv holds a header but no row; it must hold one line per recording"),
        ("rec0,a rec1,b rec2,c rec1,a rec3,b rec4,b rec5,b", "line 5: the recording rec1 stands there a second time"),
        ("rec0,a ,b rec2,c rec1,a", "line 3: recording_id is empty; it must hold one line per recording"),
    ],
)
def test_faults_of_folds_by_recording_are_named(rfcx_folder, lines, message):
    root = rfcx_folder()
    (root / "folds.csv").write_text("\n".join(["recording_id,site", *lines.split(" ")]))
    with pytest.raises(LabError, match=message):
        load(root)
