"""How long `dropbatch status` takes over 100,000 runs, and whether its memory grows with their number.

A server in another process answers as DynamoDB does: pages of 1 MB as items lie in the table (1,000 of about 1 KB), cut
to what is asked for, each after 40 ms. Side by side, against the same server: the usual way, a paginator of boto3 over
the same index, one shard after the other.
"""

import json
import multiprocessing
import sys
import time
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any

from dropbatch.cli.counting import tally
from dropbatch.cli.deployed import Deployed, Description
from dropbatch.cli.runs import newest
from dropbatch.contract import keys, ledger
from dropbatch.contract.runs import State

RUNS = 100_000
GOAL_SECONDS = 2.0
PAGE = 1000
LATENCY = 0.040
TODAY = datetime.now(UTC).date().isoformat()
NAMES = {"#state": "state", "#day": "day"}


def item(number: int) -> dict[str, Any]:
    """A run as the functions leave it; about 1 KB."""
    identity = f"r-{number:020x}"
    at = ledger.timestamp(datetime.now(UTC) - timedelta(seconds=30))
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
def page(wanted: tuple[str, ...], size: int) -> list[dict[str, Any]]:
    """Items of a page, with the fields that were asked for."""
    items = [item(number) for number in range(size)]
    return [{name: value for name, value in each.items() if not wanted or name in wanted} for each in items]


@cache
def answer(wanted: tuple[str, ...], size: int, following: int) -> bytes:
    """Body of an answer."""
    more = {"LastEvaluatedKey": {"id": {"S": str(following)}}} if following else {}
    return json.dumps({"Items": page(wanted, size), "Count": size, "ScannedCount": size, **more}).encode()


class Table(BaseHTTPRequestHandler):
    """Answers Query."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One page."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        of_today = asked["ExpressionAttributeValues"][":day"]["S"].startswith(f"lab#{TODAY}")
        done = int(asked.get("ExclusiveStartKey", {"id": {"S": "0"}})["id"]["S"])
        total = self.server.runs // ledger.SHARDS if of_today else 0  # type: ignore[attr-defined]
        size = min(asked.get("Limit", PAGE), total - done)
        wanted = tuple(NAMES.get(name, name) for name in asked.get("ProjectionExpression", "").split(", ") if name)
        body = answer(wanted, size, done + size if done + size < total else 0)
        time.sleep(LATENCY)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 – the base's name
        """Say nothing."""


def serve(runs: int, port: Connection) -> None:
    """Serve, and tell on which port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Table)
    server.runs = runs  # type: ignore[attr-defined]
    port.send(server.server_port)
    server.serve_forever()


class Lab(Deployed):
    """A deployment whose ledger is the server's."""

    def __init__(self, url: str) -> None:
        super().__init__("bench")
        self._url = url
        self.__dict__["description"] = Description(
            environment="bench",
            region="eu-central-1",
            input_bucket="i",
            output_bucket="o",
            ledger_table="t",
            log_group="l",
            groups=("lab",),
            pipelines=("wordcount",),
        )

    def _client(self, service: str, region: str | None = None, connections: int = 10) -> Any:
        from boto3.session import Session  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        session = Session("key", "secret", region_name="eu-central-1")
        return session.client(service, endpoint_url=self._url, config=Config(max_pool_connections=connections))  # type: ignore[call-overload]


def ours(lab: Lab) -> Counter[State]:
    """What `status` does."""
    since = datetime.now(UTC) - timedelta(days=6)
    newest(lab, "lab", since=since, limit=20)
    return tally(lab, "lab", since=since).counts


def usual(lab: Lab) -> Counter[State]:
    """Page after page, shard after shard."""
    counts: Counter[State] = Counter()
    for shard in ledger.day_keys("lab", TODAY):
        for answered in lab.dynamodb.get_paginator("query").paginate(
            TableName="t",
            IndexName=ledger.BY_DAY,
            KeyConditionExpression="#day = :day",
            ExpressionAttributeNames={"#day": "day"},
            ExpressionAttributeValues=ledger.to_item({":day": shard}),
        ):
            counts.update(State(each["state"]["S"]) for each in answered["Items"])
    return counts


def measure(runs: int, way: Any, *, memory: bool = True) -> tuple[float, float, float, Counter[State]]:
    """Seconds, those of CPU, and the most MiB that Python held beyond before, the latter in a run of its own."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(runs, there), daemon=True)
    server.start()
    try:
        lab = Lab(f"http://127.0.0.1:{here.recv()}")
        newest(lab, "lab", since=datetime.now(UTC), limit=1)  # the client is made
        begun, cpu = time.perf_counter(), time.process_time()
        counts = way(lab)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        peak = 0.0
        if memory:  # in a call of its own, since watching it takes time
            tracemalloc.start()
            way(lab)
            peak = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
    finally:
        server.terminate()
        server.join()
    return seconds, cpu, peak, counts


def main() -> int:
    """Measure and judge."""
    small = measure(RUNS // 10, ours)
    full = measure(RUNS, ours)
    print(
        f"status over {RUNS:,} runs: {full[0]:.2f} s, {full[1]:.2f} of them CPU, {full[2]:.1f} MiB "
        f"({RUNS // 10:,} runs: {small[2]:.1f} MiB)",
        flush=True,
    )
    peer = measure(RUNS, usual, memory=False)
    assert full[3] == peer[3] == Counter({State.SUCCEEDED: RUNS * 9 // 10, State.RUNNING: RUNS // 10})
    print(f"a paginator of boto3:      {peer[0]:.2f} s, {peer[1]:.2f} of them CPU: {peer[0] / full[0]:.1f} × as long")
    good = full[0] <= GOAL_SECONDS and full[2] <= 1.5 * small[2] + 1
    print(f"goal: at most {GOAL_SECONDS} s in constant memory: {'held' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
