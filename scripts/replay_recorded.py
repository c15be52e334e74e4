#!/usr/bin/env python3
"""Replay a recording through the engine and report how much of it comes out as at the venue.

For example:
  replay_recorded.py --format lobster --messages M.csv.gz --orderbook B.csv.gz
  replay_recorded.py --format shanghai --messages S.csv.gz --as-input --json

Without --as-input the book is rebuilt from every message as the venue printed it and compared with
the venue's own book; with it the flow is sent as orders, and their trades are compared with the
venue's. docs/RECORDED.md says what is compared and what to expect.
"""

import argparse
import json
import sys
from typing import Any

from exchange.simulation.recorded.messages import RecordingError
from exchange.simulation.recorded.read import FORMATS, read_recording
from exchange.simulation.recorded.report import (
    input_report,
    rebuild_recording,
    rebuild_report,
    send_recording,
)


def main() -> int:
    """Run; 0 when the files could be read, 2 when not."""
    arguments = _arguments()
    try:
        report = _report(arguments)
    except RecordingError as error:
        print(f"replay_recorded: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(report))
    else:
        _print_report(report)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument("--messages", required=True, metavar="FILE", help=".csv, .csv.gz or .xz")
    parser.add_argument("--orderbook", metavar="FILE", help="LOBSTER orderbook or Databento MBP-10")
    parser.add_argument("--as-input", action="store_true", help="send the flow as orders")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def _report(arguments: argparse.Namespace) -> dict[str, Any]:
    recording = read_recording(arguments.messages, arguments.format, arguments.orderbook)
    head = {"file": recording.name, "format": arguments.format, "as_input": arguments.as_input}
    adopts = recording.unannounced is not None
    if not arguments.as_input:
        return head | rebuild_report(rebuild_recording(recording), recording)
    if adopts:  # what slides into view must be known before it can be traded with
        recording = rebuild_recording(recording).complete
    corrected = send_recording(recording, corrects=True)
    drifting = send_recording(recording, corrects=False)
    return head | input_report(corrected, drifting, recording)


def _print_report(report: dict[str, Any]) -> None:
    rows, matched = report["rows"], report["matched"]
    print(f"{report['file']}: {report['messages']} messages, {report['rows_per_s']:,} a second")
    if not rows:
        print("no recorded book to compare with")
    for level, n in enumerate(matched if rows else (), 1):
        print(f"level {level:2}: {n} of {rows} rows match ({n / rows:.2%})")
    if report["as_input"]:
        _print_aggressors(report)
    else:
        print(f"adopted_levels: {report['adopted_levels']}")
    for name, n in (report["counts"] | report["notes"]).items():
        if n:
            print(f"{name}: {n}")


def _print_aggressors(report: dict[str, Any]) -> None:
    n = max(report["aggressors"], 1)
    for key in ("exact", "exact_uncorrected"):
        share = f"({report[key] / n:.2%})"
        print(f"{key}: {report[key]} of {report['aggressors']} aggressive orders {share}")
    for reason, count in report["explained"].items():
        print(f"  {reason}: {count}")


if __name__ == "__main__":
    sys.exit(main())
