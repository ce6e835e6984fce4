from __future__ import annotations

import gzip
import json
import math

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.logs import read_log
from tests.conftest import ROOT

LOGS = ROOT / "tests" / "verdict" / "logs"


@pytest.fixture
def written(tmp_path):
    """Writes a log and reads it."""

    def read(content: str | bytes, name: str = "log.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_log(path)

    return read


def test_keras_writes_the_same_fit_twice():
    table, history = read_log(LOGS / "keras.csv"), read_log(LOGS / "keras_history.json")
    assert set(table.columns) - set(history.columns) == {"epoch"}
    for name in ("loss", "val_loss", "mae", "val_mae"):
        assert table.numbers(name) == history.numbers(name)
    assert len(table.numbers("loss")) == 60


@pytest.mark.parametrize(
    "content",
    [
        "loss,val_loss\n1,2\n0.5,1.5\n",
        "\nloss,val_loss\r\n1,2\r\n\r\n0.5,1.5",
        "loss;val_loss\n1;2\n0,5;1,5\n",
        "loss\tval_loss\n1\t2\n0.5\t1.5\n",
        ' loss , "val_loss"\n1, 2\n5e-1, 1.5\n'.replace(', "val_loss"', ",val_loss "),
        "loss,val_loss\n1,2\n0.5,1.5\n".encode("utf-8-sig"),
        "loss,val_loss\n1,2\n0.5,1.5\n".encode("utf-16"),
        gzip.compress(b"loss,val_loss\n1,2\n0.5,1.5\n", mtime=0),
        json.dumps({"loss": [1, 0.5], "val_loss": ["2", "1.5"], "params": 3}),
        json.dumps({"history": {"loss": [1, 0.5], "val_loss": [2, 1.5]}, "epoch": [0, 1]}),
        json.dumps({"loss": {"0": 1, "1": 0.5}, "val_loss": {"0": 2, "1": 1.5}}),
        json.dumps([{"loss": 1, "val_loss": 2}, {"loss": 0.5, "val_loss": 1.5}]),
        '{"loss": 1, "val_loss": 2}\n{"loss": 0.5, "val_loss": 1.5}\n',
    ],
)
def test_one_table_in_many_forms(written, content):
    table = written(content)
    assert (table.numbers("loss"), table.numbers("val_loss")) == ([1.0, 0.5], [2.0, 1.5])


def test_what_is_missing_is_none_and_what_failed_is_a_number(written):
    table = written("loss,val_loss\n1,NA\nnan,\n-inf,null\n")
    assert table.numbers("val_loss") == [None] * 3
    assert [str(value) for value in table.numbers("loss")] == ["1.0", "nan", "-inf"]
    assert math.isnan(written('{"loss": [null], "val_loss": [NaN]}').numbers("loss")[0])


def test_a_last_line_cut_short_is_left_out_and_said(written):
    table = written("loss,val_loss\n1,2\n0.5")
    assert table.numbers("loss") == [1.0]
    assert table.notes == ("Line 3, the last, is cut short and left out.",)


def test_a_header_that_comes_again_is_no_row(written):
    table = written("loss,val_loss\n1,2\nloss,val_loss\n0.5,1\n")
    assert table.numbers("loss") == [1.0, 0.5]
    assert table.notes == ("The header stands there again 1 time.",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        ("loss,val_loss\n1,2,3\n1,2\n", "line 2 has 3 fields, the header 2"),
        ("loss,val_loss\n1\n1,2\n", "line 2 has 1 field, the header 2"),
        ("loss,val_loss\n1,2\n1\n1,2\n", "line 3 has 1 field, the header 2"),
        ("loss,val_loss\n1,2\n1,2,3\n", "line 3 has 3 fields"),
        ("loss,loss,val_loss\n1,2,3\n", "more than one column loss"),
        ('loss,val_loss\n"1,2\n3,4\n', "no sound CSV"),
        ("loss,größe\n1,2\n".encode("latin-1"), "not text in UTF-8 .byte 7"),
        (b"\x93NUMPY\x01\x00v", "not text in UTF-8"),
        (b"loss\x00,val\n", "no text file"),
        (gzip.compress(b"loss,val_loss\n1,2\n" * 99, mtime=0)[:-30], "can't be read"),
        (b"\x1f\x8b junk", "can't be read"),
        ('{"loss": [1, 2]', "no sound JSON"),
        ("[" * 100_000, "no sound JSON"),
        ('{"loss": 1}', "no named curves"),
        ("{}", "no named curves"),
        ("[1, 2]", "no named curves"),
    ],
)
def test_bad_input_is_one_sentence(written, content, sentence):
    with pytest.raises(LabError, match=sentence) as caught:
        written(content)
    assert "log.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_a_folder_are_said(tmp_path):
    with pytest.raises(LabError, match=r"nowhere\.csv does not exist"):
        read_log(tmp_path / "nowhere.csv")
    with pytest.raises(LabError, match="is a folder"):
        read_log(tmp_path)


@pytest.mark.parametrize("cell", ["high", "[0.1, 0.2]", "0.5.1", "tensor(0.5)", "1,5"])
def test_text_is_told_with_its_line(written, cell):
    table = written(f'loss,val_loss\n1,2\n1,"{cell}"\n')
    with pytest.raises(LabError, match=r"log\.csv, line 3: val_loss is .* no number"):
        table.numbers("val_loss")


@pytest.mark.parametrize("cell", [True, [1], {"a": 1}, 10**400])
def test_what_json_holds_besides_numbers_is_told(written, cell):
    table = written(json.dumps({"loss": [1, cell]}), "log.json")
    with pytest.raises(LabError, match=r"log\.json, value 2: loss is .* no number"):
        table.numbers("loss")
