"""A day of 20,000 calls in the simulator, and how near different estimates of the wait come."""

from __future__ import annotations

import time
from collections import defaultdict
from statistics import fmean

from bench.common import Bound, Options, Report, Table, median
from cordboard.events import QueueName
from cordboard.queue.forecast import waits
from cordboard.queue.policy import Policy
from cordboard.queue.results import accuracy
from cordboard.queue.simulation import Outcome, Simulation, Stay
from cordboard.queue.traffic import Traffic

DAY = """
patience = {{ mean = 240 }}
[arrivals]
"08:00-10:00" = {0}
"10:00-16:00" = {1}
"16:00-20:00" = {0}
[[customer]]
name = "regular"
share = 0.7
status = "regular"
[[customer]]
name = "vip"
share = 0.1
status = "vip"
[[customer]]
name = "new"
share = 0.2
known = false
[[operator]]
count = {2}
queues = {{ support = 0 }}
shift = "08:00-20:00"
[[operator]]
count = {3}
queues = {{ support = 1, sales = 0 }}
shift = "08:00-20:00"
"""
POLICY = """
default_queue = "support"
[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
priority = 10
[[rule]]
name = "new"
when = { known = false }
action = "queue"
queue = "sales"
[[rule]]
name = "all"
action = "queue"
raise = { by = 1, every = 30, up_to = 15 }
"""

_HEAD = """
patience = {{ mean = {patience} }}
talk = {{ mean = {talk}, spread = {spread} }}
[arrivals]
"08:00-11:00" = {quiet}
"11:00-13:00" = {busy}
"13:00-20:00" = {quiet}
"""
_ALL = '[[customer]]\nname = "all"\nshare = 1\nstatus = "regular"\n'
_VIPS = _ALL + '[[customer]]\nname = "vip"\nshare = 0.25\nstatus = "vip"\n'
_NEW = _ALL + '[[customer]]\nname = "new"\nshare = 0.4\nknown = false\n'


def _crew(count: int, queues: str) -> str:
    return f'[[operator]]\ncount = {count}\nqueues = {{ {queues} }}\nshift = "08:00-20:00"\n'


def _figures(patience: int, talk: int, spread: float, quiet: int, busy: int) -> str:
    return _HEAD.format(patience=patience, talk=talk, spread=spread, quiet=quiet, busy=busy)


CENTRES = {
    "6 operators, patient callers": _figures(600, 240, 0.7, 75, 110) + _ALL + _crew(6, "support=0"),
    "12 operators": _figures(180, 200, 0.8, 190, 260) + _ALL + _crew(12, "support=0"),
    "60 operators": _figures(240, 240, 0.8, 780, 1000) + _ALL + _crew(60, "support=0"),
    "12 operators, vips go first": _figures(300, 220, 0.8, 170, 210)
    + _VIPS
    + _crew(12, "support=0"),
    "6 of one queue, 6 of two": _figures(300, 220, 0.8, 170, 210)
    + _NEW
    + _crew(6, "support=0")
    + _crew(6, "support=1, sales=0"),
    **dict.fromkeys(
        ("8 for all, 4 more for vips alone", "8 of one skill, 4 of another"),
        _figures(300, 220, 0.8, 150, 185) + _VIPS + _crew(8, "support=0") + _crew(4, "support=10"),
    ),
}

_SENIORS = """
default_queue = "support"
[[rule]]
name = "vip"
when = { status = ["vip"] }
action = "queue"
[[rule]]
name = "all"
action = "queue"
penalties = { most = 5 }
"""
_SKILLS = _SENIORS.replace('"queue"\n[[', '"queue"\npenalties = { least = 10 }\n[[')
POLICIES = {
    "8 for all, 4 more for vips alone": _SENIORS,
    "8 of one skill, 4 of another": _SKILLS,
}
"""Of centres whose callers do not all have the same operators."""

OURS, PEER = "in force", "Asterisk's holdtime, (3 · old + new) / 4"
PATIENT = "position × handling time ÷ operators, in turn with all their queues"
IN_TURN = "… less who gives up, in turn while others wait"
ALONE = "… less who gives up, as if they served this queue alone"
LAST = "the wait of whom was answered last"
ANYBODY = "in force, but as if anybody could have any operator"
RING = "in force, and 6 s until the answer"


class _Watched(Simulation):
    """Every estimate of each caller's wait."""

    def __init__(self, traffic: Traffic, policy: Policy, seed: int) -> None:
        super().__init__(policy, traffic, traffic.day, seed)
        self.told: dict[str, dict[int, float]] = defaultdict(dict)
        self._latest: dict[QueueName, float] = {}

    def _estimate(self, stay: Stay, place: int) -> None:
        super()._estimate(stay, place)
        floor, queue = self._floor, stay.queue
        entries = floor.line(queue).entries
        waiting = {name: len(line) for name, line in floor._lines.items() if len(line)}
        leaving = floor._paces.of(queue).leaving
        ours = stay.estimated or 0.0

        def else_told(callers: int, others: dict[QueueName, int], leaving: float) -> float | None:
            calls = {entry.call for entry in entries}
            teams = floor._crew.teams(queue, calls, callers, others, floor._paces)
            return waits([None] * len(entries), teams, leaving)[place]

        found = {
            OURS: ours,
            PATIENT: else_told(1, dict.fromkeys(floor._lines, 1), 0.0),
            IN_TURN: else_told(1, dict.fromkeys(waiting, 1), leaving),
            ALONE: else_told(1, {}, leaving),
            ANYBODY: else_told(len(entries), waiting, leaving),
            RING: ours + 6,
            LAST: self._latest.get(queue, 0.0),
            PEER: stay.holdtime,
        }
        for name, wait in found.items():
            self.told[name][stay.arrival.number] = wait or 0.0

    def _answer(self, stay: Stay, outcome: Outcome) -> None:
        super()._answer(stay, outcome)
        if stay.outcome == "answered":
            self._latest[stay.queue] = stay.wait


def run(options: Options) -> Report:
    report = Report("simulate: a day in the simulator, and the estimated wait")
    scale = options.sized(1, 10)
    day = DAY.format(1450 // scale, 1890 // scale, 100 // scale, 40 // scale)
    traffic, policy, seconds = Traffic.parse(day), Policy.parse(POLICY), []
    for _ in range(options.rounds):
        began = time.process_time()
        arrivals = list(traffic.made_up(1))
        simulated = Simulation(policy, traffic, traffic.day, 1).run(arrivals)
        seconds.append(time.process_time() - began)
    calls = len(simulated.stays)
    took = median(seconds)
    head = ("", "calls", "CPU s", "µs a call")
    rows: list[tuple[str | float | None, ...]] = [
        ("140 operators", calls, took, took / calls * 1e6)
    ]
    report.tables.append(Table("a day, made up and simulated", head, rows))
    report.bounds.append(Bound(f"a day of {calls:,} calls, CPU", took, 10 / scale, " s"))
    report.tables += _estimates(options.sized(3, 1))
    report.notes.append(
        "estimates: of callers who found nobody free and were answered; near is within 30 s or 25 %"
    )
    return report


def _estimates(days: int) -> list[Table]:
    sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
    tables = []
    for centre, text in CENTRES.items():
        traffic = Traffic.parse(text)
        policy = Policy.parse(POLICIES.get(centre, POLICY))
        watched = [_Watched(traffic, policy, seed) for seed in range(1, days + 1)]
        stays: list[tuple[_Watched, Stay]] = [
            (each, stay)
            for each in watched
            for stay in each.run(list(traffic.made_up(each._seed))).stays
            if stay.outcome == "answered" and each.told[PATIENT].get(stay.arrival.number)
        ]
        rows: list[tuple[str | float | None, ...]] = []
        of = {id(stay): each for each, stay in stays}
        for name in watched[0].told:

            def told(stay: Stay, name: str = name, of: dict[int, _Watched] = of) -> float:
                return of[id(stay)].told[name][stay.arrival.number]

            found = accuracy([stay for _, stay in stays], told)
            assert found
            rows.append((name, found.error, found.bias, found.near))
            sums[name].append((found.error, found.near))
        mean = fmean(stay.wait for _, stay in stays)
        title = f"{centre}: {len(stays):,} callers who waited {mean:.0f} s on the mean"
        tables.append(Table(title, ("", "off by, median s", "mean s", "near %"), rows))
    rows = [(name, fmean(e for e, _ in f), fmean(n for _, n in f)) for name, f in sums.items()]
    tables.append(Table("mean of all", ("", "off by, median s", "near %"), rows))
    return tables
