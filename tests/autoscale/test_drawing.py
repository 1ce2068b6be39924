# SPDX-License-Identifier: Apache-2.0
"""Queries on a clock that runs faster, and the plot."""

import random
import xml.etree.ElementTree as ElementTree

import plot
import pods
import prom
import pytest
import sim

QUERIES = [
    ("up", "up"),
    ("rate(x[5m])", "rate(x[30000ms])"),
    ("rate(x[1m30s])", "rate(x[9000ms])"),
    ("max_over_time(rate(x[1m])[1h:15s])", "max_over_time(rate(x[6000ms])[360000ms:1500ms])"),
    ("x offset 10m", "x offset 60000ms"),
    ('x{a="[5m] offset 5m"}[5m]', 'x{a="[5m] offset 5m"}[30000ms]'),
    ("x15s + y5m", "x15s + y5m"),
]


@pytest.mark.parametrize("query, shrunk", QUERIES)
def test_ranges_shrink_with_the_clock(query, shrunk):
    assert prom.shrink(query, 10) == shrunk


@pytest.mark.parametrize("top, whole", ((0.3, False), (1, True), (6, True), (9_999, False), (1234.5, False), (0, False)))
def test_axes_have_a_few_round_ticks_that_reach_the_top(top, whole):
    ticks = plot.ticks(top, whole=whole)
    assert ticks[0] == 0 and ticks[-1] >= top and 2 <= len(ticks) <= 7
    assert not whole or all(tick == int(tick) for tick in ticks)


def figure(points):
    panels = [plot.Panel("a < b", [plot.Line("x & y", points, "one", area=True), plot.Line("z", points, "two", steps=True)])]
    return plot.draw("Title", [plot.Column("left", panels, 10, "minutes", (1,)), plot.Column("right", panels, 10, "m")])


def test_a_plot_is_a_document_of_its_own_for_light_and_dark_pages():
    svg = figure([(i / 10, i % 7) for i in range(100)])
    ElementTree.fromstring(svg)
    assert "prefers-color-scheme: dark" in svg and 'class="page"' in svg and "http" not in svg.replace("http://www.w3.org", "")
    for name in plot.SERIES:
        assert plot.LIGHT[name] in svg and plot.DARK[name] in svg


@pytest.mark.parametrize("colours", (plot.LIGHT, plot.DARK), ids=("light", "dark"))
def test_colours_stand_out_from_their_page(colours):
    """WCAG: 3:1 for lines, 4.5:1 for text."""
    def luminance(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a, b):
        light, dark = sorted((luminance(a), luminance(b)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    assert all(contrast(colours[name], colours["page"]) >= 3 for name in plot.SERIES)
    assert all(contrast(colours[name], colours["page"]) >= 4.5 for name in ("ink", "soft"))


def test_nothing_is_drawn_outside_of_its_panel():
    column = plot.Column("c", [], 10, "m")
    panel = plot.Panel("p", [plot.Line("l", [(0, 0), (5, 123)], "one")])
    drawing = plot.Drawing(panel, column, 0, 50, 400)
    assert 50 <= drawing.up(123) <= 50 + plot.PANEL
    assert drawing.across(99) == 400 - plot.RIGHT


def test_many_points_keep_their_peaks():
    dice = random.Random(1)
    points = [(i, dice.random()) for i in range(20_000)] + [(20_000, 9.0)]
    thinned = plot.thin(points, 300)
    assert len(thinned) <= 700 and max(v for _, v in thinned) == 9.0 and thinned == sorted(thinned)


def test_a_drawing_without_values_is_no_accident():
    ElementTree.fromstring(figure([]))


def test_figures_of_steps():
    assert sim.turns([1, 1, 3, 6, 6, 4, 1, 2]) == 2
    assert sim.area([(0, 1), (10, 3)], 20) == 40


def test_cpu_time_of_a_process_and_its_children_is_seen():
    import os
    import subprocess
    child = subprocess.Popen(["sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done' & wait; read x"],
                             stdin=subprocess.PIPE)
    try:
        for _ in range(1000):
            if pods.cpu_seconds([child.pid])[child.pid] > 0.05:
                break
        assert pods.cpu_seconds([child.pid])[child.pid] > 0.05
        assert pods.cpu_seconds([os.getpid()])[os.getpid()] >= 0
    finally:
        child.communicate(b"\n")
