from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from rfcx_lab.config import DataConfig
from rfcx_lab.data.clips import RejectionError, load_clips, reject_rows
from rfcx_lab.data.recordings import find_recording
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


def rewrite(root: Path, change, *, encoding: str = "utf-8") -> None:
    path = root / "train_tp.csv"
    path.write_bytes(change(path.read_text()).encode(encoding))


@pytest.mark.parametrize(
    ("change", "encoding"),
    [
        (lambda text: text, "utf-8-sig"),
        (lambda text: text.replace("\n", "\r\n"), "utf-8"),
        (lambda text: text.replace(",", ", "), "utf-8"),
        (lambda text: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.split()), "utf-8"),
    ],
)
def test_other_ways_to_write_the_same_table(rfcx_folder, change, encoding):
    root = rfcx_folder()
    expected = load(root)
    rewrite(root, change, encoding=encoding)
    found = load(root)
    assert found.fingerprint == expected.fingerprint
    assert len(found.table) == 24


@pytest.mark.parametrize(
    ("change", "encoding", "message"),
    [
        (lambda text: text.replace(",", ";"), "utf-8", "not separated by commas"),
        (lambda text: text.replace("rec0", "récø"), "latin-1", "not text in UTF-8"),
        (lambda text: text, "utf-16", "not text in UTF-8"),
        (lambda text: "", "utf-8", "is empty"),
        (lambda text: text.split()[0], "utf-8", "a header but no row"),
        (lambda text: text.replace("rec1,", '"rec1,', 1), "utf-8", "line 6: not CSV"),
        (lambda text: text.replace("1,1,", '1,"1,', 1).replace("1,1,", '1,1",', 1), "utf-8", "runs over several lines"),
        (lambda text: text.replace("f_min", "t_min"), "utf-8", "the column t_min stands there twice"),
    ],
)
def test_tables_that_can_not_be_trusted_are_fatal(rfcx_folder, change, encoding, message):
    root = rfcx_folder()
    rewrite(root, change, encoding=encoding)
    with pytest.raises(LabError, match=message) as caught:
        load(root)
    assert str(root / "train_tp.csv") in str(caught.value)


@pytest.mark.parametrize("line", [",,,,,,", ",", " , ,,,,,,,", '"",""'])
def test_line_of_empty_fields_is_rejected_and_not_dropped(rfcx_folder, line):
    root = rfcx_folder()
    rewrite(root, lambda text: text + line + "\n \n\n")
    [row] = load(root).rejected.to_dict("records")
    assert (row["line"], row["field"], row["reason"]) == (26, "line", "all its fields are empty")
    (root / "folds.csv").write_text("recording_id,site\n,\n" + "".join(f"rec{i},a\n" for i in range(6)))
    with pytest.raises(LabError, match=r"folds.csv, line 2: all its fields are empty; mend or remove that line."):
        load(root)


@pytest.mark.parametrize(("line", "count"), [("rec0,0,1,0,2,100,1,2,3000", 9), ("rec0,0,1,0.2,100.0,1.", 6)])
def test_line_with_more_or_fewer_fields_than_the_header_is_rejected(rfcx_folder, line, count):
    """Decimal commas shift every value behind them; a file that was cut off ends in half a number."""
    root = rfcx_folder()
    rewrite(root, lambda text: text + line + "\n")
    [row] = load(root).rejected.to_dict("records")
    assert (row["line"], row["field"]) == (26, "line")
    assert row["reason"] == f"the line has {count} fields, the header 7"


@pytest.mark.parametrize("name", ["007", "NA", "rec 1", "räkä \N{FROG FACE}", "1e3", "x" * 200])
def test_recording_ids_stay_text(rfcx_folder, name):
    root = rfcx_folder()
    (root / "train" / "rec1.flac").rename(root / "train" / f"{name}.flac")
    rewrite(root, lambda text: text.replace("rec1,", f"{name},"))
    clips = load(root)
    assert clips.rejected.empty
    assert name in clips.recordings


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


ADDED = [(name, column) for name in ("folds.csv", "species.csv", "train_tp.csv") for column in ("line", "fault")]


def test_reserved_columns_and_ragged_lines_of_other_tables_are_fatal(rfcx_folder):
    root = rfcx_folder()
    for name, text, message in (
        ("folds.csv", "rec,site\nrec0,a\n", "lacks the column recording_id; it needs recording_id and has rec, site."),
        ("folds.csv", "", "is empty; its first line must name the columns, recording_id among them."),
        ("species.csv", "", "is empty; its first line must name the columns, species_id among them."),
        ("folds.csv", "recording_id,label\nrec0,1\n", "may not be called label"),
        ("folds.csv", "recording_id,fold\nrec0\n", "line 2: the line has 1 fields, the header 2"),
        ("species.csv", "species_id,name\n0,owl\n0,frog\n", "line 3: species_id stands there twice"),
        (
            "species.csv",
            "species_id,code,Common_Name\n0,x,owl\n1,y,owl\n",
            "line 3: the Common_Name owl stands there twice",
        ),
        ("species.csv", "species_id,name\nowl,0\n", "line 2: species_id is not a whole number"),
        *((name, f"recording_id,{column}\nrec0,1\n", f"called {column}, which is taken") for name, column in ADDED),
    ):
        (root / name).write_text(text)
        with pytest.raises(LabError, match=message):
            load(root)
        (root / name).unlink()
