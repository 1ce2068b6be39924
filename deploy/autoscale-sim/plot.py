# SPDX-License-Identifier: Apache-2.0
"""plot.py - lines over time as SVG: panels below each other in columns, one time axis per column.

The text carries its own background and its colours for light and dark pages; what must be told
apart differs in its dashes as well. Nothing but the standard library.
"""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

LIGHT = {"page": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#dfe4e9",
         "one": "#0969da", "two": "#bc4c00", "three": "#1a7f37", "four": "#8250df"}
DARK = {"page": "#0d1117", "ink": "#e6edf3", "soft": "#9198a1", "grid": "#30363d",
        "one": "#58a6ff", "two": "#f0883e", "three": "#3fb950", "four": "#bc8cff"}
SERIES = ("one", "two", "three", "four")
DASHES = {"one": "", "two": "6 3", "three": "2 2", "four": "8 3 2 3"}

LEFT, RIGHT, PANEL, GAP, HEAD, FOOT = 52, 14, 132, 46, 58, 40


@dataclass(frozen=True)
class Line:
    label: str
    points: list  # (x, y)
    colour: str  # of SERIES
    steps: bool = False
    area: bool = False


@dataclass(frozen=True)
class Panel:
    title: str
    lines: list
    least_top: float = 1  # the axis goes at least up to here
    whole: bool = False  # only whole numbers on the axis


@dataclass(frozen=True)
class Column:
    title: str
    panels: list
    end: float  # of the time axis
    axis: str  # its title
    marks: tuple = ()  # x of vertical lines; the title says what they mean


def ticks(top, count=4, whole=False):
    """Round numbers from 0 to at least top."""
    raw = max(top, 1e-9) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    if whole:
        step = max(math.ceil(step), 1)
    return [i * step for i in range(max(math.ceil(top / step - 1e-9), 1) + 1)]


def number(value):
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:g}"


def style():
    def rules(colours):
        lines = [f".page{{fill:{colours['page']}}} .ink{{fill:{colours['ink']}}} .soft{{fill:{colours['soft']}}} "
                 f".grid{{stroke:{colours['grid']}}} .mark{{stroke:{colours['soft']}}}"]
        lines += [f".{name}{{stroke:{colours[name]}}} .{name}-area{{fill:{colours[name]}}}" for name in SERIES]
        return "\n".join(lines)

    return (f"<style>\ntext{{font:12px system-ui,sans-serif}} .head{{font-size:16px;font-weight:600}} "
            f".name{{font-weight:600}} .line{{fill:none;stroke-width:1.8;stroke-linejoin:round}} .area{{opacity:.16}} "
            f".grid,.mark{{stroke-width:1}} .mark{{stroke-dasharray:3 3}}\n{rules(LIGHT)}\n"
            f"@media (prefers-color-scheme: dark) {{\n{rules(DARK)}\n}}\n</style>")


def text(x, y, words, kind="soft", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def thin(points, pixels):
    """As many points as can be seen: the highest and the lowest of each pixel."""
    if len(points) <= 2 * pixels:
        return points
    width = (points[-1][0] - points[0][0]) / pixels or 1
    bins = {}
    for point in points:
        bins.setdefault(int((point[0] - points[0][0]) / width), []).append(point)
    return [p for b in bins.values() for p in sorted({min(b, key=lambda q: q[1]), max(b, key=lambda q: q[1])})]


class Drawing:
    """One panel's place on the page."""

    def __init__(self, panel, column, x, y, width):
        self.panel, self.column, self.x, self.y, self.width = panel, column, x, y, width
        highest = max([panel.least_top] + [v for line in panel.lines for _, v in line.points])
        self.ticks = ticks(highest, whole=panel.whole)

    def across(self, value):
        return self.x + LEFT + (self.width - LEFT - RIGHT) * min(max(value / self.column.end, 0), 1)

    def up(self, value):
        return self.y + PANEL - PANEL * value / self.ticks[-1]

    def draw(self):
        out = [text(self.x + LEFT, self.y - 10, self.panel.title, "ink name")]
        for tick in self.ticks:
            out.append(f'<line class="grid" x1="{self.across(0):.1f}" x2="{self.across(self.column.end):.1f}" '
                       f'y1="{self.up(tick):.1f}" y2="{self.up(tick):.1f}"/>')
            out.append(text(self.across(0) - 6, self.up(tick) + 4, number(tick), anchor="end"))
        for at in self.column.marks:
            out.append(f'<line class="mark" x1="{self.across(at):.1f}" x2="{self.across(at):.1f}" '
                       f'y1="{self.y:.1f}" y2="{self.y + PANEL:.1f}"/>')
        return out + [part for line in self.panel.lines for part in self.line(line)] + self.legend()

    def line(self, line):
        if not line.points:
            return []
        points = [(x, y) for x, y in line.points if x <= self.column.end]
        points = points if line.steps else thin(points, self.width - LEFT - RIGHT)
        path = f"M{self.across(points[0][0]):.1f} {self.up(points[0][1]):.1f}"
        for x, y in points[1:]:
            path += f"H{self.across(x):.1f}V{self.up(y):.1f}" if line.steps else f"L{self.across(x):.1f} {self.up(y):.1f}"
        out = []
        if line.area:
            out.append(f'<path class="area {line.colour}-area" d="{path}V{self.up(0):.1f}H{self.across(points[0][0]):.1f}Z"/>')
        dash = f' stroke-dasharray="{DASHES[line.colour]}"' if DASHES[line.colour] else ""
        return out + [f'<path class="line {line.colour}"{dash} d="{path}"/>']

    def legend(self):
        out, x = [], self.x + self.width - RIGHT
        for line in reversed(self.panel.lines):
            x -= 6.6 * len(line.label)
            out.append(text(x, self.y - 10, line.label))
            dash = f' stroke-dasharray="{DASHES[line.colour]}"' if DASHES[line.colour] else ""
            out.append(f'<path class="line {line.colour}"{dash} d="M{x - 26:.1f} {self.y - 14:.1f}h20"/>')
            x -= 38
        return out


def axis(column, x, y, width, drawing):
    out = []
    for tick in ticks(column.end, 8):
        if tick <= column.end:
            out.append(text(drawing.across(tick), y + 16, number(tick), anchor="middle"))
    out.append(text(x + LEFT + (width - LEFT - RIGHT) / 2, y + 33, column.axis, anchor="middle"))
    return out


def draw(title, columns):
    """The whole file."""
    width = max(960, 400 * len(columns))
    rows = max(len(column.panels) for column in columns)
    height = HEAD + rows * (PANEL + GAP) + FOOT - 8
    each = width / len(columns)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
           f"<title>{escape(title)}</title>", style(), f'<rect class="page" width="{width}" height="{height}"/>',
           text(16, 24, title, "ink head")]
    for i, column in enumerate(columns):
        x, y = i * each, HEAD + 22
        out.append(text(x + LEFT, 44, column.title, "soft"))
        for panel in column.panels:
            drawing = Drawing(panel, column, x, y, each)
            out += drawing.draw()
            y += PANEL + GAP
        out += axis(column, x, y - GAP, each, drawing)
    return "\n".join(out + ["</svg>"]) + "\n"
