"""What is reached without learning anything of a recording: the loss of the best constant guess."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


def chance_loss(train: Labels, validation: Labels, *, classes: int) -> float:
    """Mean log loss in nats, on the labels `validation`, of the best guess that is the same for every row.

    Either equal probabilities, ln `classes`, or the class frequencies of the labels `train`, each class counted once
    more than it is there (Laplace), so that none is impossible. That one is learnt by a bias alone, so whoever has not
    come below it has learnt nothing of the sound. No class may be left out of `classes`.
    """
    counts = np.bincount(train, minlength=classes) + 1.0
    of_frequencies = -np.log(counts / counts.sum())[validation].mean() if len(validation) else math.inf
    return float(min(math.log(classes), of_frequencies))
