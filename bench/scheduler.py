"""Benchmark: the sandbox's scheduler on an array of 10,000 no-op children, against one thread per job and nothing else.

Prints CPU per job, memory, and the ratio of CPU to the baseline (starting a thread that ends at once, and one
``json.dumps`` of each event). Limits: 5 ms of CPU per job, 500 MB. Exit code 1 above either.
"""

import json
import resource
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dropbatch.sandbox.batch.events import EventSender
from dropbatch.sandbox.batch.runner_stub import StubRunner
from tests.sandbox.batch_world import World

CHILDREN = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
MOST_CPU_MS, MOST_MB = 5.0, 500.0
STATES = ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]


def baseline(sample: dict[str, Any]) -> float:
    """CPU milliseconds of a job that only gets a thread and five events written as JSON."""
    begun = time.process_time()
    for _ in range(2000):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        for _ in STATES:
            json.dumps(sample)
    return (time.process_time() - begun) / 2000 * 1000


def main() -> int:
    """Run, check the events, print."""
    seen: dict[str, list[str]] = defaultdict(list)
    sample: dict[str, Any] = {}

    def deliver(entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            detail = json.loads(entry["Detail"])
            seen[detail["jobId"]].append(detail["status"])
            sample.update(detail)

    world = World(most_at_once=8)
    world.scheduler._runner = StubRunner()
    sender = EventSender(deliver)
    world.scheduler._emit = sender.send
    sender.start()
    world.environment(vcpus=64)
    world.queue()
    world.definition()
    world.scheduler.start()

    cpu, wall = time.process_time(), time.monotonic()
    parent = world.submit("exit", "0", arrayProperties={"size": CHILDREN})
    while world.job(parent)["status"] != "SUCCEEDED":
        time.sleep(0.05)
    sender.stop()
    per_job = (time.process_time() - cpu) / CHILDREN * 1000
    wall = time.monotonic() - wall
    world.scheduler.stop()

    wrong = [index for index in range(CHILDREN) if seen[f"{parent}:{index}"] != STATES]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    alone = baseline(sample)
    print(f"{CHILDREN} children in {wall:.1f} s: {per_job:.2f} ms CPU per job (limit {MOST_CPU_MS:g})")
    print(f"baseline {alone:.2f} ms per job: ratio {per_job / alone:.1f}")
    print(f"memory {memory:.0f} MB at most (limit {MOST_MB:g})")
    print(f"events: {sum(map(len, seen.values()))}, children with other than {len(STATES)} in order: {len(wrong)}")
    return 1 if wrong or per_job > MOST_CPU_MS or memory > MOST_MB else 0


if __name__ == "__main__":
    sys.exit(main())
