from __future__ import annotations

import csv
import math

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.epochs import LoggedFit, read_fit
from rfcx_lab.verdict.logs import LogTable, read_log
from tests.verdict.test_logs import LOGS


def table(**columns) -> LogTable:
    rows = max(len(cells) for cells in columns.values())
    return LogTable("log", columns, [f"row {i}" for i in range(rows)])


def fit(epochs: list[float], loss: list, val_loss: list, **options) -> LoggedFit:
    return read_fit(table(epoch=epochs, loss=loss, val_loss=val_loss), **options)


def rows_of(name: str) -> list[dict[str, str]]:
    with (LOGS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_keras_counts_from_0():
    read = read_fit(read_log(LOGS / "keras.csv"))
    assert read.epochs == tuple(range(1, 61))
    assert read.val == tuple(float(row["val_loss"]) for row in rows_of("keras.csv"))
    assert read.notes == ("Epochs are counted from 1: the log's epoch 0 is epoch 1.",)


def test_keras_every_fifth_epoch_keeps_its_numbers():
    read = read_fit(read_log(LOGS / "keras_every_fifth.csv"))
    assert read.epochs == tuple(range(5, 151, 5))
    assert "120 of 150 epochs have no val_loss and are left out." in read.notes
    assert "The curves begin at epoch 5." in read.notes


def test_a_resumed_keras_log_keeps_the_later_of_what_comes_again():
    read, rows = read_fit(read_log(LOGS / "keras_resumed.csv")), rows_of("keras_resumed.csv")
    assert len(rows) == 70
    assert read.epochs == tuple(range(1, 61))
    assert read.val == tuple(float(row["val_loss"]) for row in rows[:20] + rows[30:])
    assert "Epochs go back from 29 to 20: of those that come again, 10, the later are kept." in read.notes


def test_a_second_fit_that_goes_on_is_counted_on():
    read, rows = read_fit(read_log(LOGS / "keras_refit.csv")), rows_of("keras_refit.csv")
    assert [row["epoch"] for row in rows[28:32]] == ["28", "29", "0", "1"]
    assert read.epochs == tuple(range(1, 61))
    assert read.val == tuple(float(row["val_loss"]) for row in rows)
    assert "Epochs start over at 0 as training goes on: counted on as 30." in read.notes
    again = read_fit(read_log(LOGS / "keras_refit.csv"), restart="replace")
    assert again.val == read.val[30:]


def test_a_second_fit_from_new_weights_replaces_the_first():
    read = fit([1, 2, 3, 1, 2], [3, 2, 1, 2.9, 1.9], [3, 2, 1, 4, 5])
    assert (read.epochs, read.val) == ((1, 2), (4, 5))
    assert "Epochs go back from 3 to 1: of those that come again, 3, the later are kept." in read.notes
    assert fit([1, 2, 3, 1, 2], [3, 2, 1, 2.9, 1.9], [3, 2, 1, 4, 5], restart="continue").epochs == (1, 2, 3, 4, 5)


def test_lightning_s_halves_are_joined():
    read, rows = read_fit(read_log(LOGS / "lightning.csv")), rows_of("lightning.csv")
    assert (read.train_name, read.val_name, read.epochs) == ("train_loss_epoch", "val_loss", tuple(range(1, 61)))
    assert read.train == tuple(float(row["train_loss_epoch"]) for row in rows if row["train_loss_epoch"])
    assert read.val == tuple(float(row["val_loss"]) for row in rows if row["val_loss"])
    neither = sum(not row["train_loss_epoch"] and not row["val_loss"] for row in rows)
    assert f"{neither} rows hold neither of the two and are left out." in read.notes
    assert "120 rows hold one of the two only, and are joined by epoch." in read.notes


def test_lightning_s_steps_are_averaged_and_its_last_validation_counts():
    read, rows = read_fit(read_log(LOGS / "lightning_steps.csv")), rows_of("lightning_steps.csv")
    last = [row for row in rows if row["epoch"] == "59"]
    steps = [float(row["train_loss"]) for row in last if row["train_loss"]]
    assert len(steps) == 2
    assert read.train[-1] == pytest.approx(sum(steps) / 2, rel=1e-12)
    assert read.val[-1] == [float(row["val_loss"]) for row in last if row["val_loss"]][-1]
    assert "train_loss has up to 2 values per epoch: their mean counts." in read.notes
    assert "val_loss has up to 2 values per epoch: the last counts." in read.notes


def test_halves_that_stand_apart_are_joined_and_disorder_is_sorted():
    read = fit([1, 2, 3, 1, 2, 3], [3, 2, 1, None, None, None], [None, None, None, 6, 5, 4])
    assert (read.train, read.val) == ((3, 2, 1), (6, 5, 4))
    read = fit([3, 2, 1], [1, 2, 3], [4, 5, 6])
    assert (read.epochs, read.train, read.val) == ((1, 2, 3), (3, 2, 1), (6, 5, 4))
    assert read.notes == ("The epochs stand out of order: they are sorted, and their halves joined.",)


def test_an_epoch_that_stands_there_twice_counts_once():
    read = fit([1, 2, 2, 3], [4, 3, 2, 1], [8, 7, 6, 5])
    assert (read.epochs, read.train, read.val) == ((1, 2, 3), (4, 2, 1), (8, 6, 5))
    assert "go back from 2 to 2" in read.notes[0]


def test_without_numbers_rows_are_epochs_and_parts_of_an_epoch_belong_to_it():
    assert read_fit(table(loss=[2, 1], val_loss=[4, 3])).epochs == (1, 2)
    read = fit([0.5, 1.0, 1.0, 1.5, 2.0, 2.0], [4, 2, None, 2, 0, None], [None, None, 5, None, None, 6])
    assert (read.epochs, read.train, read.val) == ((1, 2), (3, 1), (5, 6))


def test_a_labelled_history_names_its_curves():
    labelled = LogTable("log", {"a": [2, 1], "b": [4, 3], "val_loss": [0, 0]}, ["1", "2"], named=("a", "b"))
    assert read_fit(labelled).val == (4, 3)
    assert read_fit(labelled, val="val_loss").val == (0, 0)


def test_values_that_are_no_finite_number_stay():
    read = fit([1, 2], [1, math.nan], [math.inf, 2])
    assert math.isnan(read.train[1])
    assert read.val[0] == math.inf


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"loss": [1, 2, 3], "val_loss": [1, 2]}, "loss has 3 values, val_loss 2"),
        ({"epoch": [1], "loss": [1, 2], "val_loss": [1, 2]}, "epoch has 1 values, the curves 2"),
        ({"epoch": [1, None], "loss": [1, 2], "val_loss": [1, 2]}, "row 1: the epoch is missing"),
        ({"epoch": [1, math.nan], "loss": [1, 2], "val_loss": [1, 2]}, "row 1: the epoch is nan"),
        ({"epoch": [-1, 0], "loss": [1, 2], "val_loss": [1, 2]}, "row 0: the epoch is -1"),
        ({"loss": [1, None], "val_loss": [None, 2]}, "no epoch with a value of both loss and val_loss"),
        ({"loss": [None], "val_loss": [None]}, "no epoch with a value of both"),
        ({"loss": [], "val_loss": []}, "no epoch with a value of both"),
    ],
)
def test_bad_tables_are_one_sentence(columns, sentence):
    with pytest.raises(LabError, match=f"log.*{sentence}"):
        read_fit(table(**columns))
