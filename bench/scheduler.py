"""Benchmark: an array job of 10,000 no-op children, on the sandbox's scheduler alone, and in a whole sandbox.

Alone: CPU per job, memory, whether each child's events came once and in order, and the ratio of CPU to a baseline that
starts a thread which ends at once and writes each event as JSON once. In a whole sandbox: what its server needs from
SubmitJob by HTTP until all events are in a queue of SQS behind a rule of EventBridge. Limits for each: 5 ms of CPU per
job, 500 MB. Exit code 1 above one. An argument is another number of children.
"""

import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dropbatch.sandbox.batch.events import EventSender
from dropbatch.sandbox.batch.runner_stub import StubRunner
from tests.sandbox.batch_stack import BatchStack
from tests.sandbox.batch_world import World
from tests.sandbox.conftest import client_of, sandbox_in

CHILDREN = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
MOST_CPU_MS, MOST_MB = 5.0, 500.0
STATES = ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
PARENT_STATES = ["SUBMITTED", "PENDING", "SUCCEEDED"]


def baseline(sample: dict[str, Any]) -> float:
    """Return the CPU milliseconds of a minimal job: a thread and five events written as JSON."""
    begun = time.process_time()
    for _ in range(2000):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
        for _ in STATES:
            json.dumps(sample)
    return (time.process_time() - begun) / 2000 * 1000


def report(what: str, seconds: float, cpu_ms: float, mb: float) -> bool:
    """Print the figures of one measurement, and return whether they are within the limits."""
    print(f"{what}: {CHILDREN} children in {seconds:.1f} s")
    print(f"  CPU per job {cpu_ms:.2f} ms (limit {MOST_CPU_MS:g}), memory {mb:.0f} MB at most (limit {MOST_MB:g})")
    return cpu_ms <= MOST_CPU_MS and mb <= MOST_MB


def alone() -> bool:
    """Measure the scheduler in this process; check its events and discard them."""
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

    cpu, begun = time.process_time(), time.monotonic()
    parent = world.submit("exit", "0", arrayProperties={"size": CHILDREN})
    while world.job(parent)["status"] != "SUCCEEDED":
        time.sleep(0.05)
    sender.stop()
    per_job = (time.process_time() - cpu) / CHILDREN * 1000
    wall = time.monotonic() - begun
    world.scheduler.stop()

    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    within = report("scheduler alone", wall, per_job, memory)
    wrong = [index for index in range(CHILDREN) if seen.get(f"{parent}:{index}") != STATES]
    print(f"  events: {sum(map(len, seen.values()))}, children with other than {len(STATES)} in order: {len(wrong)}")
    plain = baseline(sample)
    print(f"  baseline {plain:.2f} ms CPU per job: ratio {per_job / plain:.1f}")
    return within and not wrong


def in_a_sandbox() -> bool:
    """The server's process; its figures are the kernel's."""
    with tempfile.TemporaryDirectory() as directory:
        sandbox = sandbox_in(Path(directory))
        sandbox.up(runner="stub")
        try:
            aws, pid = client_of(sandbox), sandbox.status().pid
            stack = BatchStack(sandbox, aws)
            url = events_queue(aws, stack.name)
            begun, cpu = time.monotonic(), _cpu_ms(pid)
            parent = stack.submit("true", arrayProperties={"size": CHILDREN})
            while stack.job(parent)["status"] != "SUCCEEDED":
                time.sleep(0.5)
            wall, per_job = time.monotonic() - begun, (_cpu_ms(pid) - cpu) / CHILDREN
            within = report("in a whole sandbox", wall, per_job, _most_mb(pid))
            wanted, told = CHILDREN * len(STATES) + len(PARENT_STATES), waiting(aws("sqs"), url)
            print(f"  events in the queue: {told} of {wanted}")
            return within and told == wanted
        finally:
            sandbox.destroy_state()


def events_queue(aws: Any, name: str) -> str:
    """Create a queue that receives every state change of Batch, and return its URL."""
    url = str(aws("sqs").create_queue(QueueName=name)["QueueUrl"])
    events = aws("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["aws.batch"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": f"arn:aws:sqs:eu-central-1:000000000000:{name}"}])
    return url


def waiting(sqs: Any, url: str) -> int:
    """Return the number of messages in a queue."""
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _cpu_ms(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1000


def _most_mb(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> int:
    """Run both measurements."""
    within = [alone(), in_a_sandbox() if sys.platform == "linux" else True]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main())
