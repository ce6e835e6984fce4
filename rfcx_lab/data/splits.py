"""Splits: one test part per study, then paired redraws of training and validation from the rest.

Groups (recordings, by default) never stand on two sides; species are spread as evenly as groups allow. Where the
split is by row, there are no groups: rows are drawn as the article draws them.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rfcx_lab.config import SplitConfig
from rfcx_lab.errors import LabError

Rows = NDArray[np.int64]
ROW = "row"
"""In a group's place: each row is one of its own."""

_TEST, _REPEAT = 0, 1  # streams of the study's seed
_FRACTION_TOLERANCE = 0.04
_HIGHEST_SEED = 2**31  # scikit-learn takes twice as much, and repeats count on


@dataclass(frozen=True)
class Split:
    """Row indices of one repeat; `test` is the same in every repeat of a study."""

    repeat: int
    train: Rows
    validation: Rows
    test: Rows

    @property
    def validation_fraction(self) -> float:
        """Validation rows as a share of those the repeats are redrawn from."""
        return len(self.validation) / (len(self.train) + len(self.validation))

    @property
    def key(self) -> str:
        """A hash of who is trained and who is validated on."""
        digest = hashlib.blake2b(digest_size=8)
        for rows in (self.train, self.validation):
            digest.update(rows.tobytes() + b"|")
        return digest.hexdigest()


def make_splits(
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    *,
    config: SplitConfig,
    repeats: int,
    seed: int,
    species_names: Sequence[str],
) -> list[Split]:
    """Draw the test part, then `repeats` times training and validation.

    `labels` and `groups` are `[N]`. Repeat r depends on `seed` and r alone, not on how many repeats there are. By row
    it is `config.row_seed` that decides, and rows stand in the order in which they were drawn.

    Raises:
        LabError: a fraction that leaves nothing, a species in too few groups, or a group on two sides.
    """
    _check(labels, groups, config=config, species_names=species_names)
    everyone = np.arange(len(labels))
    if config.group == ROW:
        splits = _split_rows(labels, config=config, repeats=repeats)
        for split in splits:
            _assert_all_species(split, labels, groups, config=config, species_names=species_names)
        return splits
    _check_parts(everyone, labels, groups, key="split.test_fraction", config=config)
    rest, test = _hold_out(everyone, labels, groups, fraction=config.test_fraction, seed=[seed, _TEST])
    _check_parts(rest, labels, groups, key="split.validation_fraction", config=config)
    splits = []
    for repeat in range(repeats):
        fraction, stream = config.validation_fraction, [seed, _REPEAT, repeat]
        train, validation = _hold_out(rest, labels, groups, fraction=fraction, seed=stream)
        split = Split(repeat, train, validation, test)
        assert_disjoint(split, groups)
        _assert_all_species(split, labels, groups, config=config, species_names=species_names)
        splits.append(split)
    return splits


def assert_disjoint(split: Split, groups: NDArray[np.str_]) -> None:
    """Raise LabError where a group stands on two sides of `split`."""
    sides = {"training": split.train, "validation": split.validation, "test": split.test}
    names = list(sides)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            shared = set(groups[sides[one]]) & set(groups[sides[other]])
            if shared:
                raise LabError(f"repeat {split.repeat}: {sorted(shared)[0]} stands in both {one} and {other}.")


def _hold_out(
    rows: Rows, labels: NDArray[np.int64], groups: NDArray[np.str_], *, fraction: float, seed: list[int]
) -> tuple[Rows, Rows]:
    """Part `rows` into (kept, held out), the latter about `fraction` of them.

    One fold of a stratified partition, drawn at random: the splitter deals groups out in an order of its own, so that
    some would stand in its first fold whatever the seed, and repeats would be more alike than chance makes them.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # a second to import, and a worker splits nothing

    folds = _fold_count(fraction)
    state, drawn = np.random.SeedSequence(seed).generate_state(2).tolist()
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of species with fewer rows than folds: _check has its own bound
        parts = list(splitter.split(rows, labels[rows], groups[rows]))
    kept, held = parts[drawn % folds]
    return rows[kept], rows[held]


def _split_rows(labels: NDArray[np.int64], *, config: SplitConfig, repeats: int) -> list[Split]:
    """The article's two calls: the test part stratified, the validation part not. Repeat 0 has its seed for both."""
    from sklearn.model_selection import train_test_split

    species, rows = int(labels.max()) + 1, len(labels)
    if math.ceil(rows * config.test_fraction) < species:
        raise LabError(
            f"split.test_fraction={config.test_fraction}: that part of {rows} calls can't hold one of each of "
            f"{species} species; raise it."
        )
    everyone, seed = np.arange(rows), config.row_seed
    rest, test = train_test_split(everyone, test_size=config.test_fraction, random_state=seed, stratify=labels)
    splits = []
    for repeat in range(repeats):
        options = {"test_size": config.validation_fraction, "random_state": seed + repeat}
        train, validation = train_test_split(rest, **options)
        splits.append(Split(repeat, train, validation, test))
    return splits


def _fold_count(fraction: float) -> int:
    return max(2, round(1 / fraction))


def _check(
    labels: NDArray[np.int64], groups: NDArray[np.str_], *, config: SplitConfig, species_names: Sequence[str]
) -> None:
    for name in ("test_fraction", "validation_fraction"):
        value = getattr(config, name)
        if not 0 < value <= 0.5:
            raise LabError(f"split.{name}={value}: must be above 0 and at most 0.5.")
        possible = 1 / _fold_count(value)
        if config.group != ROW and abs(possible - value) > _FRACTION_TOLERANCE:
            raise LabError(f"split.{name}={value}: must be one of 1/2, 1/3, 1/4 …; the nearest is {possible:.3f}.")
    if not 0 <= config.row_seed <= _HIGHEST_SEED:
        raise LabError(f"split.row_seed={config.row_seed}: must be 0 to {_HIGHEST_SEED}.")
    needed = 3  # one group for each of training, validation and test
    for label, name in enumerate(species_names):
        count = len(set(groups[labels == label]))
        if count < needed:
            raise LabError(
                f"{name} is in {count} group(s) of {config.group}; a split needs at least {needed}: "
                "add recordings of it, or leave its rows out."
            )


def _check_parts(
    rows: Rows, labels: NDArray[np.int64], groups: NDArray[np.str_], *, key: str, config: SplitConfig
) -> None:
    """Refuse a fraction so small that its part could come out empty."""
    folds, there = _fold_count(getattr(config, key.removeprefix("split."))), len(set(groups[rows]))
    if there < folds:
        raise LabError(
            f"{key}=1/{folds} needs {folds} groups of {config.group}, and there are {there} to draw from: add "
            f"recordings, or set {key} to {1 / max(2, there):.2f} or more."
        )
    most = int(np.bincount(labels[rows]).max())
    if most < folds:
        raise LabError(
            f"{key}=1/{folds} needs a species with {folds} rows, and none has more than {most} to draw from: add "
            f"calls, or set {key} to {1 / max(2, most):.2f} or more."
        )


def _assert_all_species(
    split: Split,
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    *,
    config: SplitConfig,
    species_names: Sequence[str],
) -> None:
    absent = set(range(len(species_names))) - set(labels[split.train].tolist())
    if absent:
        name, count = species_names[min(absent)], len(set(groups[labels == min(absent)]))
        raise LabError(
            f"{name} is in {count} group(s) of {config.group}, and repeat {split.repeat} holds them all out: add "
            f"recordings of it (at least {count + 1} are needed), leave its rows out, or change the seed."
        )
