"""Makes lightning.csv and lightning_steps.csv: `python make_lightning.py`, with PyTorch and Lightning beside it.

A network too large for 16 noisy rows, logged by Lightning's own CSVLogger. In the first file training is logged per
step and per epoch, and a learning-rate monitor adds rows of its own; in the second as in Lightning's quick start, per
step alone, and validation runs twice an epoch.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

FOLDER = Path(__file__).parent


class Regressor(lightning.LightningModule):
    def __init__(self, per_epoch: bool) -> None:
        super().__init__()
        self.per_epoch = per_epoch
        self.net = nn.Sequential(nn.Linear(12, 128), nn.Tanh(), nn.Linear(128, 1))

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        loss = nn.functional.mse_loss(self.net(batch[0]), batch[1])
        if self.per_epoch:
            self.log("train_loss", loss, on_step=True, on_epoch=True)
        else:
            self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self) -> dict[str, object]:
        optimiser = torch.optim.Adam(self.parameters(), lr=1e-3)
        return {"optimizer": optimiser, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimiser, 1000)}


def draw(rows: int) -> TensorDataset:
    x = torch.randn(rows, 12)
    return TensorDataset(x, x[:, :1] + 0.5 * x[:, 1:2] + 0.7 * torch.randn(rows, 1))


def fit(name: str, *, epochs: int, per_epoch: bool, checks: float) -> None:
    lightning.seed_everything(1)
    training, validation = DataLoader(draw(16), batch_size=4, shuffle=True), DataLoader(draw(200), batch_size=200)
    with tempfile.TemporaryDirectory() as folder:
        logger = CSVLogger(folder, name="fit", version=0)
        trainer = lightning.Trainer(
            max_epochs=epochs, logger=logger, log_every_n_steps=2, accelerator="cpu", enable_progress_bar=False,
            enable_checkpointing=False, enable_model_summary=False, val_check_interval=checks,
            callbacks=[LearningRateMonitor("epoch")] if per_epoch else [],
        )  # fmt: skip
        trainer.fit(Regressor(per_epoch), training, validation)
        shutil.copy(Path(folder) / "fit" / "version_0" / "metrics.csv", FOLDER / name)
    print(f"{name}: Lightning {lightning.__version__}, PyTorch {torch.__version__}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    fit("lightning.csv", epochs=60, per_epoch=True, checks=1.0)
    fit("lightning_steps.csv", epochs=60, per_epoch=False, checks=0.5)
