"""Curves through JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from rfcx_lab.errors import LabError
from rfcx_lab.verdict import Curves


def test_nan_survives_strict_json() -> None:
    curves = Curves((1.0, 0.5), (1.0, math.nan), None, (0.1, math.inf), repeat=3, failure="loss not finite")
    again = Curves.from_dict(json.loads(json.dumps(curves.to_dict(), allow_nan=False)))
    assert again.val_loss[0] == 1.0 and math.isnan(again.val_loss[1])
    assert again.val_accuracy is not None and math.isnan(again.val_accuracy[1])
    assert (again.train_loss, again.train_accuracy) == ((1.0, 0.5), None)
    assert (again.repeat, again.failure, again.epochs) == (3, "loss not finite", 2)


def test_what_is_known_of_a_fit_comes_back_and_what_is_not_leaves_no_key() -> None:
    curves = Curves((1.0,), (1.0,), None, None, repeat=0)
    assert not {"chance_loss", "budget"} & set(curves.to_dict())
    known = replace(curves, chance_loss=3.178, budget=50)
    assert Curves.from_dict(json.loads(json.dumps(known.to_dict()))) == known
    assert Curves.from_dict(curves.to_dict()) == curves


def test_any_sequence_becomes_a_tuple_of_floats() -> None:
    curves = Curves(np.arange(3), [1, 2, 3], None, None, repeat=0)  # type: ignore[arg-type]
    assert curves.train_loss == (0.0, 1.0, 2.0) and isinstance(curves.val_loss[0], float)


def test_unequal_lengths_and_missing_keys_raise() -> None:
    with pytest.raises(LabError, match="one length"):
        Curves((1.0,), (1.0, 2.0), None, None, repeat=0)
    with pytest.raises(LabError, match="val_loss"):
        Curves.from_dict({"train_loss": [1.0], "repeat": 0})
