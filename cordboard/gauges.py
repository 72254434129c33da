"""What the server measures of itself, for Prometheus."""

from __future__ import annotations

from collections.abc import Collection, Sized

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cordboard.cti.fastagi import FastAgiServer
from cordboard.cti.link import AmiLink
from cordboard.desk.board import Board
from cordboard.ivr.prompts import Counters as PromptCounters
from cordboard.ledger import Ledger
from cordboard.recorder import Recorder
from cordboard.spool import Spool


class Counters:
    """What is counted as it happens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.surprises = Counter(
            "cordboard_surprises", "Steps that the PBX took and no table has", registry=registry
        )
        self.forged = Counter(
            "cordboard_forged_callers",
            "Calls whose caller wrote control characters into his number or the one he called",
            registry=registry,
        )
        self.fallbacks = Counter(
            "cordboard_fallbacks",
            "Callers who took the PBX's default way without us, as the PBX counts them",
            registry=registry,
        )
        self.route_seconds = Histogram(
            "cordboard_route_seconds",
            "From the AGI session's first line to the route decided",
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        )


def watch(
    registry: CollectorRegistry,
    *,
    board: Board,
    inbox: Sized,
    ledger: Ledger,
    spool: Spool,
    recorder: Recorder,
    links: Collection[AmiLink],
    agi: FastAgiServer,
    prompts: PromptCounters,
) -> None:
    """What is read off when it is asked for."""

    def total(counter: str) -> int:
        return sum(int(getattr(link.counters, counter)) for link in links)

    gauges = {
        "cordboard_live_calls": ("Calls in progress", lambda: board.live_calls),
        "cordboard_inbox_items": ("Items that wait for the consumer", lambda: len(inbox)),
        "cordboard_unsaved_records": (
            "Records that wait for the database, on disk and in memory",
            lambda: ledger.unsaved,
        ),
        "cordboard_held_records": (
            "Records that are in memory alone, because the disk takes none",
            lambda: ledger.held,
        ),
        "cordboard_spool_bytes": ("Size of the spool", lambda: spool.size),
        "cordboard_lost_records": (
            "Records given up: there was no room, or the database refused them",
            lambda: ledger.lost,
        ),
        "cordboard_unrecorded_items": (
            "Items that the flight recorder could not write down",
            lambda: recorder.lost,
        ),
        "cordboard_ami_frames": ("AMI frames read", lambda: total("frames")),
        "cordboard_ami_quarantined": (
            "AMI frames that Asterisk would not write so",
            lambda: total("quarantined"),
        ),
        "cordboard_ami_cut_tails": (
            "AMI connections that ended in mid-frame",
            lambda: total("cut_tails"),
        ),
        "cordboard_ami_oversize": (
            "AMI frames given up because they had no end",
            lambda: total("oversize"),
        ),
        "cordboard_ami_lag_seconds": (
            "Seconds by which AMI events are read later than the PBX writes them",
            lambda: lag(links),
        ),
        "cordboard_ami_overloads": (
            "AMI links dropped because events came faster than they were handled",
            lambda: total("overloads"),
        ),
        "cordboard_ami_resyncs": (
            "Snapshots taken on a standing AMI link, because something did not fit",
            lambda: total("resyncs"),
        ),
        "cordboard_agi_sessions": ("AGI sessions", lambda: agi.counters.sessions),
        "cordboard_agi_broken": (
            "AGI sessions that broke off",
            lambda: agi.counters.broken,
        ),
        "cordboard_agi_refused": (
            "AGI sessions over the limit",
            lambda: agi.counters.refused,
        ),
        "cordboard_prompts_spoken": (
            "Texts spoken while a caller waited for them",
            lambda: prompts.spoken,
        ),
        "cordboard_prompts_late": (
            "Texts left out because they were not spoken within the deadline",
            lambda: prompts.late,
        ),
        "cordboard_prompts_failed": (
            "Texts and recordings left out because they could not be played",
            lambda: prompts.failed,
        ),
    }
    for name, (text, read) in gauges.items():
        Gauge(name, text, registry=registry).set_function(read)


def lag(links: Collection[AmiLink]) -> float:
    """Seconds by which the link that is worst off is behind its PBX."""
    return max(link.lag for link in links)
