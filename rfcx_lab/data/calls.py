"""The calls of 24 invented species: a table of voices, and a synthesis that makes every call an individual.

A voice is a prototype; `synthesise` varies it (pitch, rate, number and loudness of notes, envelope, time
warp, harmonics, reverberation), so two calls of a species are as unlike as two calls in a forest.
The table is fixed: the species are the same whatever the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

Samples = NDArray[np.float32]

PITCH_SPREAD = 0.05
"""Standard deviation of an individual's pitch, in octaves."""

PITCH_LIMIT = 2.0
"""Individuals stay within this many standard deviations, so a voice has a known highest frequency."""

RATE_SPREAD = 0.1
"""Standard deviation of the natural logarithm of an individual's note and pulse rate."""

NOTE_DETUNE = 0.02
"""Largest departure of one note from the pitch of its call, in octaves."""

TAIL = 0.1
"""Seconds that the reverberation of a call rings on after its last note."""

TOP = 0.45
"""Highest frequency of a call as a share of the sample rate: anti-aliasing filters cut above."""


@dataclass(frozen=True)
class Voice:
    """How one song sounds. Frequencies and rates in Hz, changes of pitch in octaves."""

    pitch: float
    rate: float
    """Notes per second."""
    duty: float = 0.8
    """Share of a note's period that sounds."""
    sweep: float = 0.0
    """Pitch at the end of a note minus pitch at its beginning."""
    bend: float = 0.0
    """How far the middle of a note lies above its ends."""
    drift: float = 0.0
    """Pitch of the last note minus pitch of the first."""
    vibrato: float = 0.0
    depth: float = 0.0
    """Vibrato rate, and its excursion to either side."""
    pulse: float = 0.0
    """Pulses per second inside a note; 0: a steady tone."""
    harmonics: float = 0.08
    """Amplitude of each overtone relative to the one below."""


@dataclass(frozen=True)
class Species:
    """A name, its song (songtype 1) and, for a few, a second song (songtype 4, as in the real tables)."""

    name: str
    song: Voice
    second: Voice | None = None


WHISTLES = (
    Species("glass whistler", Voice(3050, 1.3, 0.9, sweep=0.06, harmonics=0.03)),
    Species("pale whistler", Voice(3550, 1.8, 0.9, sweep=-0.15, harmonics=0.10)),
    Species("cloud solitaire", Voice(2450, 3.0, drift=-0.40), Voice(3900, 1.2, 0.9, sweep=-0.3)),
    Species("dusk solitaire", Voice(2750, 3.6, drift=0.35)),
    Species("reed flutebird", Voice(1650, 1.4, 0.9, vibrato=6, depth=0.07, harmonics=0.20)),
    Species("hollow flutebird", Voice(1950, 1.4, 0.9, vibrato=14, depth=0.10, harmonics=0.10)),
)
SWEEPS = (
    Species("mist tanager", Voice(5000, 3.0, sweep=0.65)),
    Species("fern tanager", Voice(5800, 4.4, 0.7, sweep=0.45)),
    Species("ember vireo", Voice(4200, 2.6, sweep=-0.65)),
    Species("moss vireo", Voice(4900, 4.2, 0.7, sweep=-0.40)),
    Species("arch wren", Voice(3300, 4.5, bend=0.55)),
    Species("bowl wren", Voice(3900, 5.5, bend=-0.50), Voice(4400, 9.0, 0.6, bend=-0.25)),
)
TRILLS = (
    Species("spark warbler", Voice(6100, 9, 0.6, sweep=-0.20)),
    Species("thorn warbler", Voice(6900, 13, 0.6, sweep=0.20)),
    Species("silver tody", Voice(7800, 16, 0.6)),
    Species("needle tody", Voice(8900, 24, 0.6)),
    Species("bramble spindalis", Voice(5000, 8, 0.6, drift=0.35)),
    Species("canopy spindalis", Voice(5600, 13, 0.6, drift=-0.35)),
)
FROGS = (
    Species("creek coqui", Voice(1150, 2.0, drift=0.60, harmonics=0.15)),
    Species("ridge coqui", Voice(1450, 3.2, drift=0.40, harmonics=0.15)),
    Species("puddle frog", Voice(600, 3.5, pulse=45, harmonics=0.5)),
    Species("bark frog", Voice(800, 5.5, pulse=75, harmonics=0.5), Voice(900, 2.0, pulse=35, harmonics=0.5)),
    Species("bromeliad frog", Voice(2150, 1.6, pulse=22, harmonics=0.25)),
    Species("litter frog", Voice(2600, 2.2, pulse=38, harmonics=0.30)),
)

SPECIES: tuple[Species, ...] = tuple(
    species for row in zip(WHISTLES, SWEEPS, TRILLS, FROGS, strict=True) for species in row
)
"""Families take turns, so that the first few species already differ. The index is the `species_id`."""


def top_frequency(voice: Voice) -> float:
    """The highest frequency in Hz that the fundamental of any individual of `voice` reaches."""
    # The factors are the largest that `_individual` draws.
    glide = 0.65 * (abs(voice.sweep) + abs(voice.drift)) + 1.3 * (abs(voice.bend) + voice.depth)
    factor: float = 2.0 ** (glide + PITCH_LIMIT * PITCH_SPREAD + NOTE_DETUNE)
    return voice.pitch * factor


def synthesise(voice: Voice, rng: np.random.Generator, *, seconds: float, sample_rate: int) -> Samples:
    """One individual call of `voice`.

    Returns:
        (round(seconds * sample_rate),) samples of unit mean power, reverberation included.
    """
    voice = _individual(voice, rng)
    total = round(seconds * sample_rate)
    sounding = max(total - round(TAIL * sample_rate), 1)
    # A whole number of notes: a call ends with its last note, not in the middle of one.
    notes = max(1, round(voice.rate * sounding / sample_rate))
    place = np.arange(sounding) / sounding
    warped = notes * (place + rng.uniform(-0.2, 0.2) * place * (1 - place))
    note = np.minimum(warped.astype(int), notes - 1)
    within = (warped - note) / voice.duty

    octaves = _pitch_contour(voice, rng, place=place, within=within, sample_rate=sample_rate)
    octaves += rng.uniform(-NOTE_DETUNE, NOTE_DETUNE, notes)[note]
    loudness = rng.uniform(0.6, 1.0, notes)[note] * (1 + rng.uniform(-0.6, 0.6) * (place - 0.5))
    loudness *= _note_envelope(within, rng) * _pulses(voice, rng, size=sounding, sample_rate=sample_rate)
    tone = _overtones(voice.pitch * 2.0**octaves, harmonics=voice.harmonics, sample_rate=sample_rate)
    wet = _reverberate(loudness * tone, rng, size=total, sample_rate=sample_rate)
    call: Samples = (wet / np.sqrt(np.mean(wet**2))).astype(np.float32)
    return call


def _individual(voice: Voice, rng: np.random.Generator) -> Voice:
    """A variant of `voice`: another animal, another day."""
    shift = PITCH_SPREAD * np.clip(rng.standard_normal(), -PITCH_LIMIT, PITCH_LIMIT)
    stretch = rng.uniform(0.7, 1.3, size=4)
    pace = np.exp(RATE_SPREAD * rng.standard_normal(3))
    return replace(
        voice,
        pitch=voice.pitch * 2.0**shift,
        rate=voice.rate * pace[0],
        duty=min(0.95, voice.duty * rng.uniform(0.8, 1.2)),
        sweep=voice.sweep * stretch[0],
        bend=voice.bend * stretch[1],
        drift=voice.drift * stretch[2],
        vibrato=voice.vibrato * pace[1],
        depth=voice.depth * stretch[3],
        pulse=voice.pulse * pace[2],
        harmonics=voice.harmonics * rng.uniform(0.4, 1.6),
    )


def _pitch_contour(
    voice: Voice,
    rng: np.random.Generator,
    *,
    place: NDArray[np.float64],
    within: NDArray[np.float64],
    sample_rate: int,
) -> NDArray[np.float64]:
    """Octaves from the voice's pitch; `place` runs over the call, `within` over a note (> 1: the pause)."""
    inside = np.minimum(within, 1.0)
    seconds = np.arange(len(place)) / sample_rate
    wobble = np.sin(2 * np.pi * (voice.vibrato * seconds + rng.uniform()))
    arch = 4 * inside * (1 - inside) - 0.5
    contour: NDArray[np.float64] = voice.drift * (place - 0.5) + voice.sweep * (inside - 0.5)
    contour += voice.bend * arch + voice.depth * wobble
    return contour


def _note_envelope(within: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rise and fall of every note, its peak anywhere from early to late; silent in the pauses."""
    skew, roundness = rng.uniform(0.5, 1.6), rng.uniform(0.5, 1.2)
    envelope: NDArray[np.float64] = np.sin(np.pi * np.minimum(within, 1.0) ** skew).clip(0) ** roundness
    return envelope


def _pulses(voice: Voice, rng: np.random.Generator, *, size: int, sample_rate: int) -> NDArray[np.float64]:
    if voice.pulse == 0:
        return np.ones(size)
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * (voice.pulse * np.arange(size) / sample_rate + rng.uniform()))
    return wave ** rng.uniform(1.5, 3.0)


def _overtones(frequency: NDArray[np.float64], *, harmonics: float, sample_rate: int) -> NDArray[np.float64]:
    """The fundamental and up to four overtones; what would lie above `TOP` is left out."""
    phase = 2 * np.pi * np.cumsum(frequency) / sample_rate
    tone = np.zeros(len(frequency))
    for order in range(1, 6):
        amplitude = harmonics ** (order - 1)
        if amplitude < 0.01:
            break
        tone += amplitude * np.sin(order * phase) * (order * frequency < TOP * sample_rate)
    return tone


def _reverberate(
    dry: NDArray[np.float64], rng: np.random.Generator, *, size: int, sample_rate: int
) -> NDArray[np.float64]:
    """Add the echoes of trunks and leaves: noise that dies away within `TAIL`, below the direct sound."""
    length = size - len(dry) + 1
    echo = rng.standard_normal(length) * np.exp(-np.linspace(0.0, 5.0, length))
    echo *= rng.uniform(0.1, 0.5) / np.sqrt(np.sum(echo**2))
    echo[0] = 1.0
    wet: NDArray[np.float64] = oaconvolve(dry, echo)
    return wet
