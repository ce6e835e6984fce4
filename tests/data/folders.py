"""Folders in the RFCX layout, read as a study reads them, and their tables changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from rfcx_lab.config import DataConfig
from rfcx_lab.data.clips import load_clips


def load(root: Path, **options):
    return load_clips(root, DataConfig(kind="rfcx", **options), seed=0)


def edit_table(root: Path, change) -> None:
    table = pd.read_csv(root / "train_tp.csv", dtype=object)
    change(table)
    table.to_csv(root / "train_tp.csv", index=False)


def rewrite(root: Path, change, *, encoding: str = "utf-8") -> None:
    path = root / "train_tp.csv"
    path.write_bytes(change(path.read_text()).encode(encoding))
