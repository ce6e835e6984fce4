"""One synthetic recording: first a plan (who calls when, in which box), then the sound.

The plan needs no audio, so what the boxes give away can be studied on thousands of rows in a second.
Recording `index` follows from the seed, `index` and the settings of a recording alone: asking for more
recordings leaves the first ones as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import next_fast_len, rfft

from rfcx_lab.data.ambience import background
from rfcx_lab.data.calls import SPECIES, Samples, Voice, synthesise

if TYPE_CHECKING:
    from rfcx_lab.config import SoundscapeData

CALL_SECONDS = (1.0, 1.6)
BOX_SECONDS = (1.6, 3.0)
"""Seconds of a call and of its box, drawn apart, uniformly, alike for all species: neither tells which."""

TEMPLATE_SECONDS = (0.3, 7.7)
"""Shortest and longest box of `templated_boxes`; the real ones run from 0.27 to 7.92 s."""

TEMPLATE_GRID = 512 / 48_000
"""Times of the real tables are multiples of this: 512 samples at 48 kHz."""

FREQUENCY_GRID = 48_000 / 512
"""So are the frequencies of their boxes."""

OFF_CENTRE = 0.2
"""Largest distance in seconds from the middle of a box to that of its call: a window of 2 s holds it all."""

SECOND_SONG = 0.3
"""How often a species that has a second song sings it."""

DISTANT_EVERY = 10.0
DISTANT_SNR_DB = (-12.0, 2.0)
"""Mean seconds between unlabelled calls of other, unnamed animals, and how faint they are."""

_PLAN, _SOUND, _DECK = range(3)
"""Random streams: planning draws nothing from the sound's stream, nor the other way round."""


@dataclass(frozen=True)
class PlannedCall:
    """One labelled call: times in seconds from the recording's beginning."""

    species_id: int
    songtype_id: int
    t_min: float
    t_max: float
    start: float
    seconds: float
    snr_db: float


@dataclass(frozen=True)
class Scene:
    """The two layers of a recording, (samples,) each, and (calls, 2) frequency bounds of the boxes in Hz."""

    plan: list[PlannedCall]
    background: Samples
    calls: Samples
    bands: list[tuple[float, float]]


def recording_id(seed: int, index: int) -> str:
    """Nine hexadecimal digits, as in the real tables."""
    return hashlib.sha256(f"{seed}/{index}".encode()).hexdigest()[:9]


def template_lengths(species: int) -> list[float]:
    """The box length in seconds of each species when boxes are templates, evenly spread on a log scale."""
    shortest, longest = TEMPLATE_SECONDS
    # 7 has no factor in common with 24: neighbours in the table get lengths far apart.
    ranks = [(7 * index) % len(SPECIES) for index in range(species)]
    lengths = [shortest * (longest / shortest) ** (rank / (len(SPECIES) - 1)) for rank in ranks]
    return [_round_down(length, TEMPLATE_GRID) for length in lengths]


def longest_boxes(config: SoundscapeData) -> float:
    """An upper bound, in seconds, on what the boxes of one recording take together."""
    calls = config.calls_per_recording
    if not config.templated_boxes:
        return calls * BOX_SECONDS[1]
    # Cards dealt from shuffled decks: a run of `calls` cards holds each species at most this often.
    repeats = (calls - 2) // config.species + 2
    lengths = sorted(template_lengths(config.species), reverse=True)
    return sum(lengths[card // repeats] for card in range(calls))


def plan_recording(config: SoundscapeData, index: int) -> list[PlannedCall]:
    """Who calls when in recording `index`: boxes in order of time, inside the recording, without overlap."""
    rng = np.random.default_rng([config.seed, _PLAN, index])
    species = _deal_species(config, index)
    grid = TEMPLATE_GRID if config.templated_boxes else 1e-4
    lengths = template_lengths(config.species)
    boxes = [
        lengths[one] if config.templated_boxes else _round_down(rng.uniform(*BOX_SECONDS), grid) for one in species
    ]
    spare = (config.seconds - sum(boxes)) / len(boxes)

    plan, slot = [], 0.0
    for one, box in zip(species, boxes, strict=True):
        # Only half of the spare time is jitter: the rest keeps neighbours out of a window wider than the box.
        t_min = _round_down(slot + spare * rng.uniform(0.25, 0.75), grid)
        seconds = min(rng.uniform(*CALL_SECONDS), box)
        room = (box - seconds) / 2
        sings_second = SPECIES[one].second is not None and rng.uniform() < SECOND_SONG
        plan.append(
            PlannedCall(
                species_id=one,
                songtype_id=4 if sings_second else 1,
                t_min=round(t_min, 4),
                t_max=min(round(t_min + box, 4), config.seconds),
                start=t_min + room + min(room, OFF_CENTRE) * rng.uniform(-1, 1),
                seconds=seconds,
                snr_db=rng.uniform(config.snr_db[0], config.snr_db[1]),
            )
        )
        slot += box + spare
    return plan


def render_scene(config: SoundscapeData, index: int) -> Scene:
    """The sound of recording `index`.

    The signal-to-noise ratio of a call is its mean power over the mean power of the background, distant calls
    included, in the frequency band of its box, both over the call's own duration.
    """
    rng = np.random.default_rng([config.seed, _SOUND, index])
    rate = config.sample_rate
    plan = plan_recording(config, index)
    ambience = background(rng, round(config.seconds * rate), sample_rate=rate)
    _add_distant_calls(ambience, rng, config)
    layer = np.zeros_like(ambience)
    bands = []
    for call in plan:
        song = SPECIES[call.species_id].second if call.songtype_id == 4 else SPECIES[call.species_id].song
        assert song is not None
        samples = synthesise(song, rng, seconds=call.seconds, sample_rate=rate)
        first = round(call.start * rate)
        band = _occupied_band(samples, rate)
        noise = ambience[first : first + len(samples)]
        layer[first : first + len(noise)] += _at_snr(samples, noise, call.snr_db, band, rate)
        bands.append(band)
    return Scene(plan, ambience, layer, bands)


def band_power(samples: Samples, band: tuple[float, float], sample_rate: int) -> float:
    """Mean power of `samples`, (n,), between two frequencies in Hz."""
    # Zeros up to a length that the transform is fast on leave the energy as it is.
    length = next_fast_len(len(samples), real=True)
    first, last = (round(edge * length / sample_rate) for edge in band)
    inside = np.abs(rfft(samples, length)[first : last + 1]) ** 2
    return float(2 * inside.sum() / length / len(samples))


def _round_down(value: float, grid: float) -> float:
    # The small term keeps a value that is on the grid already from slipping to the step below.
    return float(np.floor(value / grid + 1e-6) * grid)


def _deal_species(config: SoundscapeData, index: int) -> list[int]:
    """The species of recording `index`, dealt from an endless row of shuffled decks: all are as frequent."""
    first = index * config.calls_per_recording
    dealt = []
    for card in range(first, first + config.calls_per_recording):
        deck, position = divmod(card, config.species)
        order = np.random.default_rng([config.seed, _DECK, deck]).permutation(config.species)
        dealt.append(int(order[position]))
    return dealt


def _add_distant_calls(ambience: Samples, rng: np.random.Generator, config: SoundscapeData) -> None:
    """Mix in faint calls that nobody labelled; none is of a species of the table."""
    rate = config.sample_rate
    for _ in range(rng.poisson(config.seconds / DISTANT_EVERY)):
        native = SPECIES[rng.integers(len(SPECIES))].song
        stranger = Voice(
            pitch=rng.uniform(0.02, 0.3) * rate,
            rate=native.rate * 2.0 ** rng.uniform(-1, 1),
            sweep=rng.uniform(-0.3, 0.3),
            bend=rng.uniform(-0.2, 0.2),
            pulse=native.pulse,
        )
        seconds = rng.uniform(*CALL_SECONDS)
        samples = synthesise(stranger, rng, seconds=seconds, sample_rate=rate)
        first = int(rng.uniform(0, config.seconds - seconds) * rate)
        noise = ambience[first : first + len(samples)]
        snr_db = rng.uniform(*DISTANT_SNR_DB)
        noise += _at_snr(samples, noise, snr_db, _occupied_band(samples, rate), rate)


def _occupied_band(samples: Samples, sample_rate: int) -> tuple[float, float]:
    """The band in Hz that holds 99 % of the power of a call, widened to the frequency grid."""
    length = next_fast_len(len(samples), real=True)
    share = np.cumsum(np.abs(rfft(samples, length)) ** 2, dtype=np.float64)
    low, high = np.searchsorted(share, np.array([0.005, 0.995]) * share[-1]) * sample_rate / length
    top = min(np.ceil(high / FREQUENCY_GRID) * FREQUENCY_GRID, sample_rate / 2)
    return float(np.floor(low / FREQUENCY_GRID) * FREQUENCY_GRID), float(top)


def _at_snr(samples: Samples, noise: Samples, snr_db: float, band: tuple[float, float], sample_rate: int) -> Samples:
    """`samples` at `snr_db` over `noise` in `band`."""
    ratio = band_power(noise, band, sample_rate) / band_power(samples, band, sample_rate)
    return samples[: len(noise)] * np.float32(np.sqrt(ratio * 10 ** (snr_db / 10)))
