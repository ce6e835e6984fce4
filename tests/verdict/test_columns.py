from __future__ import annotations

import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict.columns import AmbiguousError, choose_columns, guess_mode


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["epoch", "accuracy", "loss", "val_accuracy", "val_loss"], ("loss", "val_loss")),
        (["epoch", "step", "train_loss_epoch", "train_loss_step", "val_loss"], ("train_loss_epoch", "val_loss")),
        (["epoch", "step", "train_loss_step", "val_loss"], ("train_loss_step", "val_loss")),
        (["step", "train_loss_step", "train_loss_epoch", "val_loss_step", "val_loss_epoch"],
         ("train_loss_epoch", "val_loss_epoch")),
        (["loss/train", "loss/val", "loss/val_best", "gap_final"], ("loss/train", "loss/val")),
        (["trainLoss", "validLoss"], ("trainLoss", "validLoss")),
        (["Training Loss", "Validation Loss"], ("Training Loss", "Validation Loss")),
        (["loss", "eval_loss", "eval_runtime", "epoch"], ("loss", "eval_loss")),
        (["train", "val"], ("train", "val")),
        (["train_acc", "val_acc", "lr"], ("train_acc", "val_acc")),
        (["train_loss", "test_loss"], ("train_loss", "test_loss")),
        (["train_loss", "test_loss", "val_loss"], ("train_loss", "val_loss")),
        (["loss", "a_loss", "b_loss", "val_loss", "val_a_loss", "val_b_loss"], ("loss", "val_loss")),
    ],
)  # fmt: skip
def test_names_in_use_are_understood(names, pair):
    assert choose_columns(names, source="log") == pair
    assert choose_columns(names[::-1], source="log") == pair


@pytest.mark.parametrize(
    ("names", "candidates"),
    [
        (["acc", "mae", "val_acc", "val_mae"], ["acc with val_acc", "mae with val_mae"]),
        (["loss", "train_loss", "val_loss"], ["loss with val_loss", "train_loss with val_loss"]),
        (["loss", "val_loss", "valid_loss"], ["loss with val_loss", "loss with valid_loss"]),
    ],
)
def test_what_can_mean_more_than_one_pair_is_listed(names, candidates):
    with pytest.raises(AmbiguousError) as caught:
        choose_columns(names, source="log.csv")
    assert all(candidate in str(caught.value) for candidate in ("log.csv", "--train", "--val", *candidates))


@pytest.mark.parametrize("names", [["loss", "acc"], ["val_loss", "acc"], ["epoch", "val"], ["a", "b"], [""]])
def test_without_a_pair_the_columns_are_listed(names):
    with pytest.raises(LabError, match=f"no pair .* it has {', '.join(names) or 'one without a name'}"):
        choose_columns(names, source="log")


def test_what_is_told_goes_before_guesses():
    names = ["loss", "val_loss", "mae", "val_mae", "x"]
    assert choose_columns(names, source="log", train="mae") == ("mae", "val_mae")
    assert choose_columns(names, source="log", val="val_mae") == ("mae", "val_mae")
    assert choose_columns(names, source="log", train="x", val="loss") == ("x", "loss")
    with pytest.raises(LabError, match=r"no column val_los \(nearest: val_loss\)"):
        choose_columns(names, source="log", val="val_los")
    with pytest.raises(LabError, match="the same column"):
        choose_columns(names, source="log", train="x", val="x")
    with pytest.raises(LabError, match="no pair"):
        choose_columns(names, source="log", train="x")


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val_loss", "min"), ("val_accuracy", "max"), ("valAcc", "max"), ("val/f1", "max"), ("val_f1_loss", "min"),
     ("val_mae", "min"), ("x", "min")],
)  # fmt: skip
def test_mode_is_guessed_from_the_name(name, mode):
    assert guess_mode(name) == mode
