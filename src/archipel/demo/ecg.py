"""A 12-lead resting ECG with a beating heart's shape: waves as Gaussians on a dipole, projected on the leads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import TwelveLeadECGWaveformStorage

from archipel.demo.dataset import Series, Visit, code, instance, part10
from archipel.demo.uids import generator

FREQUENCY_HZ = 500
SECONDS = 10
MICROVOLTS_PER_STEP = 2.5

LEADS = (
    ("2:1", "Lead I"), ("2:2", "Lead II"), ("2:61", "Lead III"), ("2:62", "aVR, augmented voltage, right"),
    ("2:63", "aVL, augmented voltage, left"), ("2:64", "aVF, augmented voltage, foot"), ("2:3", "Lead V1"), ("2:4", "Lead V2"),
    ("2:5", "Lead V3"), ("2:6", "Lead V4"), ("2:7", "Lead V5"), ("2:8", "Lead V6"),
)  # fmt: skip

# Wave: time after the start of the beat (s), width (s), dipole in microvolts (left, foot, front).
WAVES = (
    (0.10, 0.024, (90.0, 110.0, 40.0)),  # P
    (0.215, 0.009, (-70.0, -90.0, 160.0)),  # Q, septum
    (0.240, 0.012, (900.0, 1000.0, -350.0)),  # R
    (0.268, 0.011, (-110.0, -220.0, -700.0)),  # S
    (0.465, 0.050, (230.0, 220.0, 190.0)),  # T
)
# Directions of the chest leads in (left, foot, front): a sketch of the anatomy.
CHEST = ((-0.35, 0.1, 0.95), (0.05, 0.1, 1.2), (0.4, 0.15, 1.0), (0.75, 0.2, 0.65), (1.0, 0.2, 0.25), (1.0, 0.2, -0.1))


def ecg(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """One 12-Lead ECG Waveform Storage instance."""
    ds = instance(visit, Series("ecg", 1, "ECG", "ECG de repos", model="Phantom ECG"), TwelveLeadECGWaveformStorage, 1)
    ds.AcquisitionDateTime = ds.ContentDate + ds.ContentTime
    ds.AcquisitionContextSequence = []
    ds.WaveformSequence = [multiplex(leads(visit.key, 2 if small else SECONDS))]
    yield part10(ds)


def leads(seed: str, seconds: int) -> NDArray[np.float64]:
    """(samples, 12) in microvolts."""
    rng = generator(seed, "ecg")
    t = np.arange(seconds * FREQUENCY_HZ) / FREQUENCY_HZ
    dipole = np.zeros((len(t), 3))
    start = 0.15
    while start < seconds:
        for delay, width, strength in WAVES:
            wave = np.exp(-((t - start - delay) ** 2) / (2 * width**2))
            dipole += wave[:, None] * np.array(strength)
        start += 0.84 + 0.03 * np.sin(start * 1.6) + rng.normal(0, 0.008)
    left, foot = dipole[:, 0], dipole[:, 1]
    one, two = left, 0.5 * left + 0.87 * foot
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    chest = [dipole @ np.array(direction) for direction in CHEST]
    drift = 25 * np.sin(2 * np.pi * 0.25 * t)
    traces: NDArray[np.float64] = np.stack([*limb, *chest], axis=1) + drift[:, None] + rng.normal(0, 5, (len(t), 12))
    return traces


def multiplex(microvolts: NDArray[np.float64]) -> Dataset:
    """Waveform module (PS3.3 C.10.9): one multiplex group of twelve channels, 16-bit samples."""
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(LEADS)
    group.NumberOfWaveformSamples = len(microvolts)
    group.SamplingFrequency = FREQUENCY_HZ
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = [channel(*lead) for lead in LEADS]
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.WaveformData = np.round(microvolts / MICROVOLTS_PER_STEP).astype("<i2").tobytes()
    group["WaveformData"].VR = "OW"
    return group


def channel(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.ChannelSourceSequence = [code(value, "MDC", meaning)]
    item.ChannelSensitivity = MICROVOLTS_PER_STEP
    item.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "microvolt")]
    item.ChannelSensitivityCorrectionFactor = 1
    item.ChannelBaseline = 0
    item.ChannelSampleSkew = 0
    item.WaveformBitsStored = 16
    item.FilterLowFrequency, item.FilterHighFrequency = "0.05", "150"
    return item
