"""Speech as telephones want it: 8 kHz, mono, 16 bits, as loud as Asterisk's own sounds.

Run as a program it reads a WAV file on stdin and writes one to stdout: `voices.py` runs it behind
the speaking program, so that the server's own loop does not wait for arithmetic. It therefore
imports nothing but the standard library, and needs no site-packages.
"""

from __future__ import annotations

import math
import sys
from array import array
from operator import mul

RATE = 8000
LOUDNESS = 0.126  # of full scale, -18 dB: the mean of Asterisk's English and Russian sounds
PEAK = 0.95
LEAD, TAIL = 0.04, 0.1  # seconds of silence left around the words, as in those
VERSION = 1
"""Raise it when the same speech comes out differently: prompts made before are spoken again."""

_FULL = 32768
_LOBES = 8  # of the sinc on either side: below -60 dB of what a telephone cannot carry
_FRAME = RATE // 50


class NoSpeech(ValueError):  # noqa: N818 - what is there
    """What came is no sound, or no more than silence."""


def telephone(data: bytes) -> bytes:
    """A WAV file of any rate as one for telephones. Raises `NoSpeech`."""
    samples, rate = read(data)
    return write(_loud(_trimmed(_resampled(samples, rate))))


def read(data: bytes) -> tuple[array[int], int]:
    """Samples of one channel, and their rate. Programs that write to a pipe do not know how much
    is to come, so the sizes in the file's head are not believed."""
    rate, channels, at, size = _head(data)
    body = data[at : at + min(size, len(data) - at)]
    samples = array("h", body[: len(body) // (2 * channels) * 2 * channels])
    if sys.byteorder == "big":
        samples.byteswap()
    return (samples if channels == 1 else _mono(samples, channels)), rate


def kind(head: bytes) -> tuple[int, int]:
    """Rate and channels of a WAV file of 16 bits, by its first bytes. Raises `NoSpeech`."""
    return _head(head)[:2]


def _head(data: bytes) -> tuple[int, int, int, int]:
    """Rate, channels, and where the samples begin and how long they claim to be."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NoSpeech("no WAV file")
    at, rate, channels = 12, 0, 1
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"fmt ":
            coding, channels = (int.from_bytes(data[at + i : at + i + 2], "little") for i in (0, 2))
            rate = int.from_bytes(data[at + 4 : at + 8], "little")
            bits = int.from_bytes(data[at + 14 : at + 16], "little")
            if coding not in (1, 0xFFFE) or bits != 16 or not channels or not rate:
                raise NoSpeech(f"a WAV file of coding {coding} with {bits} bits, not PCM with 16")
            if not 4000 <= rate <= 192_000:
                raise NoSpeech(f"a WAV file of {rate} Hz")
        elif name == b"data" and rate:
            return rate, channels, at, size
        at += size + size % 2
    raise NoSpeech("a WAV file without samples")


def write(samples: array[int]) -> bytes:
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    body = samples.tobytes()
    fields = ((1, 2), (1, 2), (RATE, 4), (RATE * 2, 4), (2, 2), (16, 2))
    fmt = b"".join(value.to_bytes(size, "little") for value, size in fields)
    head = b"fmt " + len(fmt).to_bytes(4, "little") + fmt + b"data"
    rest = b"WAVE" + head + len(body).to_bytes(4, "little") + body
    return b"RIFF" + len(rest).to_bytes(4, "little") + rest


def _mono(samples: array[int], channels: int) -> array[int]:
    tracks = [samples[track::channels] for track in range(channels)]
    return array("h", (sum(each) // channels for each in zip(*tracks, strict=True)))


def _resampled(samples: array[int], rate: int) -> array[float]:
    """By a windowed sinc: what lies above half the new rate must not come back as a hiss."""
    if rate == RATE:
        return array("d", samples)
    shared = math.gcd(rate, RATE)
    steps, phases = rate // shared, RATE // shared
    cutoff = min(1.0, RATE / rate) * 0.95
    half = math.ceil(_LOBES / cutoff)
    kernels = [_kernel(phase / phases, half, cutoff) for phase in range(phases)]
    padded = array("d", bytes(8 * half)) + array("d", samples) + array("d", bytes(8 * half))
    out = array("d")
    for number in range(len(samples) * RATE // rate):
        start, phase = divmod(number * steps, phases)
        out.append(sum(map(mul, kernels[phase], padded[start : start + 2 * half])))
    return out


def _kernel(fraction: float, half: int, cutoff: float) -> list[float]:
    """Weights for the samples around a point `fraction` behind one of them."""
    weights = []
    for place in range(-half, half):
        x = place - fraction
        window = 0.5 + 0.5 * math.cos(math.pi * x / (half + 1))
        angle = math.pi * cutoff * x
        weights.append(window * (math.sin(angle) / angle if angle else 1.0))
    total = sum(weights)
    return [weight / total for weight in weights]


def _trimmed(samples: array[float]) -> array[float]:
    peak = max(map(abs, samples), default=0.0)
    if peak < 64:
        raise NoSpeech("nothing but silence")
    edge = peak / 50
    first = next(at for at, sample in enumerate(samples) if abs(sample) > edge)
    last = next(at for at in reversed(range(len(samples))) if abs(samples[at]) > edge)
    kept = samples[max(0, first - round(LEAD * RATE)) : last + 1]
    return kept + array("d", bytes(8 * round(TAIL * RATE)))


def _loud(samples: array[float]) -> array[int]:
    """By the mean of what is spoken, without the pauses, but never so loud that it clips."""
    frames = [samples[at : at + _FRAME] for at in range(0, len(samples), _FRAME)]
    powers = [sum(map(mul, frame, frame)) / len(frame) for frame in frames]
    loudest = max(powers)
    spoken = [power for power in powers if power > loudest / 100]
    gain = LOUDNESS * _FULL / math.sqrt(sum(spoken) / len(spoken))
    gain = min(gain, PEAK * _FULL / max(map(abs, samples)))
    return array("h", (round(sample * gain) for sample in samples))


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(telephone(sys.stdin.buffer.read()))
    except NoSpeech as error:
        sys.exit(str(error))
