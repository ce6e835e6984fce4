"""Every config schema. Hydra checks YAML and command line against these dataclasses.

The values a study runs with stand in `conf/`; a default here is one that no YAML needs to state. Nothing heavy is
imported: `--help` composes the config too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from omegaconf import MISSING, OmegaConf

from rfcx_lab.engine_config import EngineConfig as EngineConfig
from rfcx_lab.errors import LabError
from rfcx_lab.files import check_name, check_place
from rfcx_lab.ladder_config import LadderConfig, LengthConfig, StepsConfig
from rfcx_lab.ladder_config import RungConfig as RungConfig
from rfcx_lab.ladder_config import StepConfig as StepConfig
from rfcx_lab.sweep_config import SweepConfig
from rfcx_lab.verdict.config import OnsetConfig


@dataclass
class DataConfig:
    """Recordings in the RFCX layout: `train_tp.csv`, `train/<recording_id>.flac`, optional `folds.csv`."""

    kind: str = MISSING
    shuffle_labels: bool = False  # a control: with labels dealt out at random nothing can be learnt
    on_bad_row: str = "reject"  # "reject": counted and listed; "stop": the first bad row is fatal
    max_rejected: float = 0.1  # more than this share of rejected rows is fatal


@dataclass
class RfcxData(DataConfig):
    """One's own recordings."""

    root: str = MISSING


@dataclass
class SoundscapeData(DataConfig):
    """A synthetic rainforest, generated once under `runs_dir` and then read like any recordings."""

    recordings: int = MISSING
    seconds: float = MISSING
    calls_per_recording: int = MISSING
    sample_rate: int = MISSING  # Hz
    species: int = MISSING
    snr_db: list[float] = MISSING  # [lowest, highest] of a call over its background, in its own band
    seed: int = MISSING
    templated_boxes: bool = MISSING  # boxes of constant length per species, as the real tables have


@dataclass
class NoiseData(DataConfig):
    """White noise under the boxes of a table, generated once under `runs_dir`: all it tells is how long a box is."""

    root: str = MISSING  # a folder with train_tp.csv; its recordings need not be there
    sample_rate: int = 32_000  # Hz
    around: float = 1.0  # seconds of noise on both sides of a box: a window of 2 s has noise of its own
    seed: int = 0


@dataclass
class WindowConfig:
    """Which stretch of a recording stands for a clip."""

    kind: str = MISSING  # "fixed": seconds around the box's centre; "crop": the box itself
    seconds: float | None = None  # fixed: length of the window
    frames: int | None = None  # crop: zero-padded or cut to so many frames
    padding: str = "end"  # crop: where the zeros stand; "both": half of them before the box, as in the article


@dataclass
class FeatureConfig:
    """What the model sees of a window."""

    kind: str = MISSING  # a key of features.spectral.FEATURES: "mfcc" or "logmel"
    sample_rate: int = MISSING  # Hz; every recording is resampled to it
    n_fft: int = MISSING  # samples
    hop_length: int = MISSING  # samples
    n_mels: int = MISSING
    n_mfcc: int | None = None
    f_min: float = 0.0  # Hz, lower edge of the mel bands
    f_max: float | None = None  # Hz, upper edge; none: half the sampling rate
    mel_rate: int | None = None  # Hz for which the mel bands are laid out; none: sample_rate
    time_major: bool = True  # False: the article's axes, the LSTM walks along the coefficients


@dataclass
class SplitConfig:
    """Who is trained on, validated on, and left untouched until the end."""

    group: str = MISSING  # rows with the same value stay on one side; "row": each row goes where chance puts it
    test_fraction: float = MISSING
    validation_fraction: float = MISSING  # of what the test part leaves
    row_seed: int = 123  # group=row: scikit-learn's random_state, the article's; repeat r draws validation with + r


@dataclass
class AuditConfig:
    """How well what isn't sound may tell the species before the audit says so; measured before any training."""

    only: bool = False  # audit and stop: nothing is trained, and tables without recordings will do
    margin: float = 0.05  # accuracy above the most frequent species: less is not told from chance by a ladder either


@dataclass
class LookConfig:
    """A page about the data, to look at and to listen to."""

    only: bool = False  # make the page and stop: nothing is trained
    calls: int = 3  # shown of each species


@dataclass
class TrainingConfig:
    """How every rung is trained: the same for all."""

    epochs: int = MISSING  # a fixed budget: early stopping would censor the curve that is to be judged
    batch_size: int = MISSING
    learning_rate: float = MISSING
    shuffle: bool = MISSING
    scaling: str = "train_per_coefficient"  # whose statistics (train, all) of what (per_coefficient, global: min-max)
    train_loss: str = "evaluated"  # at the epoch's end; "running": Keras's own, with dropout on, while weights move
    keep: str = "best"  # the epoch whose weights are kept, by validation loss; or "last"


@dataclass
class TrackingConfig:
    """Where MLflow keeps the curves."""

    uri: str = MISSING
    experiment: str = MISSING


@dataclass
class Config:
    """A whole study."""

    name: str = MISSING  # the experiment's name
    kind: str = "ladder"  # or "sweep": a space of architectures; "steps": mend a pipeline; "length": is it the box's?
    seed: int = MISSING
    runs_dir: str = MISSING  # fits, feature cache, soundscapes and the MLflow store live here
    data: DataConfig = MISSING
    window: WindowConfig = MISSING
    features: FeatureConfig = MISSING
    split: SplitConfig = MISSING
    audit: AuditConfig = field(default_factory=AuditConfig)
    look: LookConfig = field(default_factory=LookConfig)
    ladder: LadderConfig = MISSING
    sweep: SweepConfig = MISSING
    steps: StepsConfig = field(default_factory=StepsConfig)
    length: LengthConfig = field(default_factory=LengthConfig)
    training: TrainingConfig = MISSING
    onset: OnsetConfig = field(default_factory=OnsetConfig)  # its thresholds are documented there
    engine: EngineConfig = MISSING
    tracking: TrackingConfig = MISSING


SCHEMAS: dict[tuple[str | None, str], Any] = {
    (None, "schema"): Config,
    ("data", "schema_rfcx"): RfcxData,
    ("data", "schema_soundscape"): SoundscapeData,
    ("data", "schema_noise"): NoiseData,
}


def signature(node: Any) -> dict[str, Any]:
    """The fields of a config that differ from their defaults: what identifies it.

    A field that is added later, with a default that keeps to the old way, changes no signature, and so no key.
    """
    return {
        f.name: getattr(node, f.name)
        for f in fields(node)
        if f.default != getattr(node, f.name)
        and not (callable(f.default_factory) and f.default_factory() == getattr(node, f.name))
    }


def check_finite(node: Any, key: str = "") -> None:
    """Raise LabError, naming the key, where a number anywhere under `node` is NaN or infinite."""
    if isinstance(node, float) and not math.isfinite(node):
        raise LabError(f"{key}={node}: must be a finite number.")
    if isinstance(node, list):
        for place, child in enumerate(node):
            check_finite(child, f"{key}[{place}]")
    elif is_dataclass(node):
        for f in fields(node):
            check_finite(getattr(node, f.name), f"{key}.{f.name}" if key else f.name)


def register_schemas() -> None:
    """Make the schemas known to Hydra, for the `defaults` lists in `conf/` to name, and the resolvers."""
    from hydra.core.config_store import ConfigStore

    OmegaConf.register_new_resolver("place", check_place, replace=True)  # before Hydra makes its output folder
    OmegaConf.register_new_resolver("plain", check_name, replace=True)
    for (group, name), node in SCHEMAS.items():
        ConfigStore.instance().store(group=group, name=name, node=node)
