"""Laying out flow charts: nothing lies on anything else, arrows end where they should, and go down
unless they lead back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from cordboard.ivr.layout import Box, Link, Picture, Point, Way, lay_out

TOUCH = 0.5


@st.composite
def charts(draw: st.DrawFn) -> tuple[list[Box], list[Link]]:
    count = draw(st.integers(1, 14))
    sizes = st.sampled_from((16.0, 90.0, 160.0, 230.0))
    boxes = [
        Box(str(n), draw(sizes), draw(st.sampled_from((16.0, 40.0, 110.0))), draw(sizes) - 16)
        for n in range(count)
    ]
    numbers = st.integers(0, count - 1)
    links = draw(
        st.lists(
            st.builds(
                lambda a, b, size, pointer: Link(str(a), str(b), *size, pointer),
                numbers,
                numbers,
                st.sampled_from(((0.0, 0.0), (30.0, 19.0), (150.0, 48.0))),
                st.sampled_from((False, False, False, True)),
            ),
            max_size=24,
        )
    )
    return boxes, links


Rectangle = tuple[float, float, float, float]


def rectangles(links: list[Link], picture: Picture) -> Iterator[tuple[str, Rectangle]]:
    """All boxes and labels: left, top, right, bottom."""
    for name, box in picture.boxes.items():
        yield name, (box.x, box.y, box.x + box.width, box.y + box.height)
    for n, (link, way) in enumerate(zip(links, picture.ways, strict=True)):
        assert (way.label is None) == (link.width == 0)
        if way.label is not None:
            x, y = way.label
            w, h = link.width / 2, link.height / 2
            yield f"label {n}", (x - w, y - h, x + w, y + h)


def drawn(way: Way) -> Iterator[Point]:
    """Points along a way, no two far from each other."""
    start = way.points[0]
    yield start
    for n in range(1, len(way.points), 3):
        one, two, end = way.points[n : n + 3]
        for part in range(1, 13):
            t = part / 12
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield (
                a * start[0] + b * one[0] + c * two[0] + d * end[0],
                a * start[1] + b * one[1] + c * two[1] + d * end[1],
            )
        start = end


def inside(point: Point, rectangle: Rectangle) -> bool:
    left, top, right, bottom = rectangle
    return left + TOUCH < point[0] < right - TOUCH and top + TOUCH < point[1] < bottom - TOUCH


@settings(max_examples=150, deadline=None)
@given(charts())
def test_no_two_boxes_or_labels_lie_on_each_other_and_all_are_in_the_picture(
    chart: tuple[list[Box], list[Link]],
) -> None:
    boxes, links = chart
    picture = lay_out(boxes, links)
    found = list(rectangles(links, picture))
    for (one, a), (other, b) in combinations(found, 2):
        apart = (
            a[2] <= b[0] + TOUCH
            or b[2] <= a[0] + TOUCH
            or a[3] <= b[1] + TOUCH
            or b[3] <= a[1] + TOUCH
        )
        assert apart, (one, other)
    for name, (left, top, right, bottom) in found:
        assert left >= 0, name
        assert top >= 0, name
        assert right <= picture.width, name
        assert bottom <= picture.height, name
    for box in boxes:
        assert picture.boxes[box.id].x - box.left >= 0


@settings(max_examples=150, deadline=None)
@given(charts())
def test_arrows_begin_and_end_at_their_boxes_and_pass_through_no_other(
    chart: tuple[list[Box], list[Link]],
) -> None:
    boxes, links = chart
    picture = lay_out(boxes, links)
    for link, way in zip(links, picture.ways, strict=True):
        source, target = picture.boxes[link.source], picture.boxes[link.target]
        first, last = way.points[0], way.points[-1]
        if way.kind == "down":
            assert first == (source.x + source.width / 2, source.y + source.height)
            assert last == (target.x + target.width / 2, target.y)
        else:
            assert first[0] == source.x + source.width
            assert source.y <= first[1] <= source.y + source.height
        if way.kind in ("back", "self"):
            assert last[0] == target.x + target.width
            assert target.y <= last[1] <= target.y + target.height
        points = list(drawn(way))
        for name, box in picture.boxes.items():
            rectangle = (box.x, box.y, box.x + box.width, box.y + box.height)
            assert not any(inside(point, rectangle) for point in points), (link, name)


@settings(max_examples=150, deadline=None)
@given(charts())
def test_layers_go_down_but_for_arrows_that_lead_back(chart: tuple[list[Box], list[Link]]) -> None:
    boxes, links = chart
    picture = lay_out(boxes, links)
    layers = picture.layers
    for link, way in zip(links, picture.ways, strict=True):
        if link.pointer:
            assert way.kind == "pointer"
        elif link.source == link.target:
            assert way.kind == "self"
        elif way.kind == "down":
            assert layers[link.source] < layers[link.target]
            heights = [y for _, y in drawn(way)]
            assert all(a <= b + TOUCH for a, b in pairwise(heights))
        else:
            assert way.kind == "back"
            assert layers[link.source] > layers[link.target]
    assert lay_out(boxes, links) == picture


def test_an_arrow_leads_back_only_to_where_it_came_from() -> None:
    boxes = [Box(name, 100, 40) for name in "abcd"]
    links = [Link("a", "b"), Link("b", "c"), Link("c", "b"), Link("a", "d"), Link("c", "d")]
    picture = lay_out(boxes, links)
    assert [way.kind for way in picture.ways] == ["down", "down", "back", "down", "down"]
    assert picture.layers == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_what_goes_straight_on_is_drawn_straight_beside_a_long_branch() -> None:
    boxes = [Box(name, 100, 40) for name in "abcde"]
    links = [Link("a", "b"), Link("b", "c"), Link("c", "d"), Link("d", "e"), Link("a", "e", 60, 19)]
    picture = lay_out(boxes, links)
    assert len({picture.boxes[name].x for name in "bcd"}) == 1
    straight = [way for way in picture.ways if len({x for x, _ in way.points}) == 1]
    assert len(straight) >= 2
    branch = picture.ways[-1].label
    assert branch is not None
    assert branch[0] > picture.boxes["c"].x + 100


def test_a_box_that_is_only_pointed_at_stands_below_whoever_points() -> None:
    boxes = [Box(name, 100, 40) for name in "abc"]
    links = [Link("a", "b"), Link("b", "c", 60, 19, pointer=True)]
    picture = lay_out(boxes, links)
    assert picture.layers == {"a": 0, "b": 1, "c": 2}


def test_labels_of_parallel_arrows_stand_beside_each_other() -> None:
    links = [Link("a", "b", 60, 19), Link("a", "b", 60, 19)]
    picture = lay_out([Box("a", 100, 40), Box("b", 100, 40)], links)
    one, other = (way.label for way in picture.ways)
    assert one is not None
    assert other is not None
    assert one[1] == other[1]
    assert abs(one[0] - other[0]) >= 60


def test_a_script_of_sixty_steps_is_laid_out_at_once() -> None:
    boxes = [Box(str(n), 180, 80, 90) for n in range(60)]
    links = [Link(str((n - 1) // 2), str(n), 70, 34) for n in range(1, 60)]
    links += [Link(str(n), str(n // 4), 70, 34) for n in range(30, 60, 3)]
    links += [Link(str(n), str(n + 25), 70, 34) for n in range(5, 30, 4)]
    began = time.process_time()
    lay_out(boxes, links)
    assert time.process_time() - began < 0.2  # a tenth of that, where nobody else is at work
