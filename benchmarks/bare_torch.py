"""One process that fits rungs in a plain PyTorch loop, as `throughput.py` asks it to: a line of JSON in, one out.

The same layers, Adam, batches and epochs as `bare_keras.py`, both parts evaluated after each epoch in batches of 128.
Needs PyTorch and NumPy alone, so it can run in an environment of its own. BENCHMARK_THREADS sets its threads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import torch
from measure import Material, read_requests
from torch import nn


class Rung(nn.Module):
    """LSTM layers, then the dense head on the last frame; gives logits."""

    def __init__(self, rung: dict[str, Any], *, width: int, classes: int) -> None:
        super().__init__()
        self.lstms, self.lstm_dropout, head = nn.ModuleList(), nn.Dropout(rung["lstm_dropout"]), []
        for units in rung["lstm"]:
            self.lstms.append(nn.LSTM(width, units, batch_first=True))
            width = units
        for units, rate in zip(rung["dense"], rung["dense_dropout"] or [0.0] * len(rung["dense"]), strict=True):
            head += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(rate)]
            width = units
        self.head = nn.Sequential(*head, nn.Linear(width, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[batch, T, F]` -> `[batch, classes]`."""
        for lstm in self.lstms:
            x = self.lstm_dropout(lstm(x)[0])
        return self.head(x[:, -1])


def fit(material: Material, rung: dict[str, Any], training: dict[str, Any], seed: int) -> list[tuple[float, ...]]:
    """The losses `(train, validation)` of every epoch."""
    torch.manual_seed(seed)
    (x, y), (val_x, val_y) = [tuple(map(torch.from_numpy, part)) for part in material.parts()]
    mean, deviation = x.mean(dim=(0, 1)), x.std(dim=(0, 1))
    x, val_x = (x - mean) / deviation, (val_x - mean) / deviation
    model = Rung(rung, width=x.shape[2], classes=material.classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=training["learning_rate"], eps=1e-7)
    curve: list[tuple[float, ...]] = []
    for _ in range(training["epochs"]):
        model.train()
        order = torch.randperm(len(x)) if training["shuffle"] else torch.arange(len(x))
        for rows in order.split(training["batch_size"]):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        model.eval()
        curve.append((_loss(model, x, y), _loss(model, val_x, val_y)))
    return curve


@torch.no_grad()
def _loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    logits = torch.cat([model(batch) for batch in x.split(128)])
    (logits.argmax(1) == y).float().mean().item()  # accuracy is measured too
    return float(nn.functional.cross_entropy(logits, y))


def main() -> None:
    """Answer requests until there are no more."""
    if threads := os.environ.get("BENCHMARK_THREADS"):
        torch.set_num_threads(int(threads))
    for request, material in read_requests():
        begin = time.perf_counter()
        curve = fit(material, request["rung"], request["training"], request["seed"])
        json.dump({"seconds": time.perf_counter() - begin, "last": curve[-1]}, sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
