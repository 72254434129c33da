"""A line chart as SVG: panels side by side with the same axes, a line for each name. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0f5ea8", "#c2570c", "#1b6b40", "#8a3a8f", "#66540a", "#5a645f")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4", "1 4")
"""Lines differ in these too, for whoever does not tell the colours apart."""

PANEL_WIDTH, PANEL_HEIGHT = 420, 240
LEFT, TOP, BOTTOM, GAP = 56, 84, 44, 44


@dataclass(frozen=True, slots=True)
class Panel:
    """`lines` are points of hour and value by name."""

    title: str
    lines: dict[str, list[tuple[float, float]]]


def draw(title: str, panels: Sequence[Panel], unit: str) -> str:
    """The chart as an SVG document."""
    points = [point for panel in panels for line in panel.lines.values() for point in line]
    first = math.floor(min((hour for hour, _ in points), default=0))
    last = max(math.ceil(max((hour for hour, _ in points), default=1) + 0.5), first + 1)
    step = _step(max((value for _, value in points), default=1.0))
    top = step * max(1, math.ceil(max((value for _, value in points), default=1.0) / step))
    width = LEFT + len(panels) * PANEL_WIDTH + (len(panels) - 1) * GAP + 24
    height = TOP + PANEL_HEIGHT + BOTTOM
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="system-ui, sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" font-weight="600" fill="#1c2421">'
        f"{escape(title)}, {escape(unit)}</text>",
    ]
    x = LEFT
    for place, name in enumerate(names):
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        out.append(
            f'<line x1="{x}" x2="{x + 26}" y1="42" y2="42" stroke="{colour}" stroke-width="2.5"'
            f' stroke-dasharray="{dash}"/>'
        )
        out.append(f'<text x="{x + 32}" y="46" fill="#1c2421">{escape(name)}</text>')
        x += 60 + 8 * len(name)
    for place, panel in enumerate(panels):
        left = LEFT + place * (PANEL_WIDTH + GAP)

        def across(hour: float, left: int = left) -> float:
            return left + PANEL_WIDTH * (hour - first) / (last - first)

        def down(value: float) -> float:
            return TOP + PANEL_HEIGHT * (1 - value / top)

        out.append(
            f'<text x="{left}" y="{TOP - 12}" font-weight="600" fill="#56625c">'
            f"{escape(panel.title)}</text>"
        )
        for mark in range(round(top / step) + 1):
            y = down(mark * step)
            out.append(
                f'<line x1="{left}" x2="{left + PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"'
                ' stroke="#dde1db"/>'
            )
            out.append(
                f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#56625c">'
                f"{mark * step:g}</text>"
            )
        every = max(1, math.ceil((last - first) / 8))
        out += [
            f'<text x="{across(hour):.1f}" y="{TOP + PANEL_HEIGHT + 20}" text-anchor="middle"'
            f' fill="#56625c">{hour % 24:02}:00</text>'
            for hour in range(first, last + 1, every)
        ]
        for line, name in enumerate(names):
            drawn = " ".join(
                f"{across(hour):.1f},{down(value):.1f}" for hour, value in panel.lines.get(name, ())
            )
            colour, dash = COLOURS[line % len(COLOURS)], DASHES[line % len(DASHES)]
            out.append(
                f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2.5"'
                f' stroke-dasharray="{dash}" stroke-linejoin="round"/>'
            )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _step(most: float) -> float:
    """Between the marks of an axis that must reach `most`: 1, 2 or 5, or such times ten."""
    rough = max(most, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
