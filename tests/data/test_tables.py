"""Tables as people and programs write them: what is read all the same, rejected, or fatal."""

from __future__ import annotations

import pytest

from rfcx_lab.errors import LabError
from tests.data.folders import edit_table, load, rewrite


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
