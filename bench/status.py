"""Measure `dropbatch status` over 100,000 runs, and check that its memory does not grow with their number.

The whole command, as a person calls it: a process from start to end. A server in another process answers as AWS does:
the SSM parameter, and pages of 1 MB as items lie in the table (1,000 of about 1 KB), cut to what is asked for, each
after 40 ms. The runs were created evenly over ten minutes, as after a drop of so many files. Side by side, against the
same server: the usual way, a process with a paginator of boto3 over the same index, a shard after the other.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.runs import State

RUNS = 100_000
GOAL_SECONDS = 2.0
PAGE = 1000
LATENCY = 0.040
OVER = timedelta(minutes=10)
TODAY = datetime.now(UTC).date().isoformat()
NAMES = {"#state": "state", "#day": "day"}
CALLS = 3
MORE_MIB = 8.0
"""By so much memory may differ; a page is 1 MB, and eight come at a time."""
PARAMETER = {
    "version": 1,
    "environment": "bench",
    "region": "eu-central-1",
    "input_bucket": "i",
    "output_bucket": "o",
    "ledger_table": "t",
    "log_group": "l",
    "groups": ["lab"],
    "pipelines": ["wordcount"],
}
OURS = [sys.executable, "-m", "dropbatch.cli", "--env", "bench", "status", "--json"]
USUAL = [sys.executable, "-m", "bench.status", "usual"]


@cache
def times(size: int) -> list[str]:
    """Return the creation times of a shard's runs."""
    begun = datetime.now(UTC) - OVER - timedelta(seconds=30)
    return [ledger.timestamp(begun + OVER * number / size) for number in range(size)]


def item(number: int, at: str) -> dict[str, Any]:
    """Return a run's item as the functions write it; about 1 KB."""
    identity = f"r-{number:020x}"
    return ledger.to_item(
        {
            "id": ledger.run_key("lab", identity),
            "group": "lab",
            "run_id": identity,
            "pipeline": "wordcount",
            "state": State.SUCCEEDED if number % 10 else State.RUNNING,
            "attempt": 1,
            "order": 19,
            "input": keys.uri("some-input-bucket", f"lab/wordcount/{number}/notes.txt"),
            "version_id": "v" * 32,
            "output_prefix": keys.output_prefix("lab", "wordcount", f"{number}/notes.txt", identity),
            "parameters": {},
            "pool": "spot",
            "job_name": "wordcount-lab-0123456789abcdef",
            "job_id": "01234567-89ab-cdef-0123-456789abcdef:17",
            "usage": {"vcpu_ms": 60_000, "mib_ms": 31_457_280, "micro_usd": 700},
            "day": f"lab#{TODAY}#0",
            **dict.fromkeys(("created_at", "updated_at", "started_at", "stopped_at"), at),
        }
    )


@cache
def answer(wanted: tuple[str, ...], total: int, numbers: range, *, more: bool) -> bytes:
    """Body of an answer: these of a shard's items, with the fields that were asked for."""
    items = [item(number, times(total)[number]) for number in numbers]
    cut = [{name: value for name, value in each.items() if not wanted or name in wanted} for each in items]
    last = {"LastEvaluatedKey": {name: items[-1][name] for name in ("id", "day", "created_at")}} if more else {}
    return json.dumps({"Items": cut, "Count": len(cut), "ScannedCount": len(cut), **last}).encode()


class Table(BaseHTTPRequestHandler):
    """HTTP handler that answers Query and GetParameter."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with one page of items, or the SSM parameter."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.headers["X-Amz-Target"]:
            case "AmazonSSM.GetParameter":
                self._answer(json.dumps({"Parameter": {"Value": json.dumps(PARAMETER)}}).encode())
            case "DynamoDB_20120810.GetItem":  # it is not paused
                self._answer(b"{}")
            case _:
                self._answer(self._page(asked))

    def _page(self, asked: dict[str, Any]) -> bytes:
        values = asked["ExpressionAttributeValues"]
        of_today = values[":day"]["S"].startswith(f"lab#{TODAY}")
        total = self.server.runs // ledger.SHARDS if of_today else 0  # type: ignore[attr-defined]
        first = bisect_left(times(total), values.get(":first", {"S": ""})["S"])
        end = bisect_right(times(total), values.get(":last", {"S": "9"})["S"])
        if "ExclusiveStartKey" in asked:
            first = bisect_right(times(total), asked["ExclusiveStartKey"]["created_at"]["S"])
        numbers = range(first, end) if asked.get("ScanIndexForward", True) else range(end - 1, first - 1, -1)
        size = asked.get("Limit", PAGE)
        wanted = tuple(NAMES.get(name, name) for name in asked.get("ProjectionExpression", "").split(", ") if name)
        return answer(wanted, total, numbers[:size], more=len(numbers) > size)

    def _answer(self, body: bytes) -> None:
        time.sleep(LATENCY)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 – the base's name
        """Write no log."""


def serve(runs: int, port: Connection) -> None:
    """Start the server and send its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Table)
    server.runs = runs  # type: ignore[attr-defined]
    times(runs // ledger.SHARDS)  # made here, not by several threads at once
    port.send(server.server_port)
    server.serve_forever()


@contextmanager
def table(runs: int) -> Iterator[dict[str, str]]:
    """Yield environment variables for a process that should use a server with this many runs."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(runs, there), daemon=True)
    server.start()
    try:
        aws = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{here.recv()}", "AWS_REGION": "eu-central-1"}
        yield {**os.environ, **aws, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    finally:
        server.terminate()
        server.join()


@dataclass(frozen=True)
class Call:
    """Time and memory of one process."""

    seconds: float
    cpu_seconds: float
    mib: float
    counts: dict[str, int]


def call(command: list[str], environ: dict[str, str]) -> Call:
    """Run a process that prints its counts as JSON, and measure it."""
    begun = time.perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, code, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(code)
    assert process.returncode == 0
    counts = {state: count for state, count in json.loads(printed)["counts"].items() if count}
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Call(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / unit, counts)


def usual() -> int:
    """Read all pages of all shards in sequence."""
    import boto3  # noqa: PLC0415 – in its own process only

    counts: Counter[str] = Counter()
    client = boto3.client("dynamodb", region_name="eu-central-1")
    for shard in ledger.day_keys("lab", TODAY):
        for answered in client.get_paginator("query").paginate(
            TableName="t",
            IndexName=ledger.BY_DAY,
            KeyConditionExpression="#day = :day",
            ExpressionAttributeNames={"#day": "day"},
            ExpressionAttributeValues=ledger.to_item({":day": shard}),
        ):
            counts.update(each["state"]["S"] for each in answered["Items"])
    print(json.dumps({"counts": counts}))
    return 0


def main() -> int:
    """Measure, print, and return 1 if a target is missed."""
    with table(RUNS // 10) as environ:
        small = call(OURS, environ)
    with table(RUNS) as environ:
        pairs = [(call(OURS, environ), call(USUAL, environ)) for _ in range(CALLS)]
    full, peer = (sorted(calls, key=lambda each: each.seconds)[CALLS // 2] for calls in zip(*pairs, strict=True))
    print(
        f"dropbatch status over {RUNS:,} runs: {full.seconds:.2f} s (median of {CALLS}), {full.cpu_seconds:.2f} of "
        f"CPU, {full.mib:.0f} MiB (over {RUNS // 10:,} runs: {small.seconds:.2f} s, {small.mib:.0f} MiB)"
    )
    assert full.counts == peer.counts == {State.SUCCEEDED: RUNS * 9 // 10, State.RUNNING: RUNS // 10}
    print(
        f"a paginator of boto3: {peer.seconds:.2f} s, {peer.cpu_seconds:.2f} of CPU, {peer.mib:.0f} MiB: "
        f"{peer.seconds / full.seconds:.1f} × as long"
    )
    good = full.seconds <= GOAL_SECONDS and full.mib <= small.mib + MORE_MIB
    print(f"goal: at most {GOAL_SECONDS} s in constant memory: {'held' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(usual() if sys.argv[1:] == ["usual"] else main())
