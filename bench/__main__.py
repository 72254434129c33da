"""`python -m bench [names…]`: runs the benchmarks in turn and prints what they found."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.common import CannotMeasure, Options, Report, machine, show

NAMES = (
    *("codec", "calls", "agi", "fanout", "lookup", "route", "outside", "decide", "pop", "cpu"),
    *("simulate", "scripts"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {' '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=5, help="each a turn of every candidate")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--json", action="store_true", help="one JSON object a benchmark")
    parser.add_argument("--customers", type=int, help="in the store, for lookup, route and decide")
    parser.add_argument("--consoles", type=int, help="connected, for fanout and pop")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in NAMES]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    logging.disable(logging.ERROR)  # peers say goodbye with tracebacks
    print(machine(), file=sys.stderr if given.json else sys.stdout, flush=True)
    failed = False
    with tempfile.TemporaryDirectory(prefix="cordboard-bench-") as folder:
        options = Options(
            Path(folder),
            given.rounds,
            given.customers or (20_000 if given.quick else 1_000_000),
            given.consoles or (50 if given.quick else 500),
            given.quick,
        )
        for name in NAMES:
            if given.names and name not in given.names:
                continue
            began = time.monotonic()
            try:
                report: Report = importlib.import_module(f"bench.{name}").run(options)
            except CannotMeasure as reason:
                print(f"\n{name}: not measured: {reason}", file=sys.stderr)
                failed = failed or bool(given.names)
                continue
            seconds = round(time.monotonic() - began, 1)
            if given.json:
                bounds = [asdict(bound) | {"met": bound.met} for bound in report.bounds]
                found = {"bench": name, "machine": machine(), "rounds": options.rounds}
                found |= asdict(report) | {"bounds": bounds, "seconds": seconds}
                print(json.dumps(found, ensure_ascii=False), flush=True)
            else:
                show(report)
                print(f"  (median of {options.rounds} rounds, {seconds:.0f} s)", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
