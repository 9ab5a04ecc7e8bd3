"""Two jobs for one attempt, 200 times; sudden death at any moment, then another try."""

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from dropbatch.contract.jobs import ExitCode
from tests.runtime.conftest import Cloud, Job

ROUNDS = 200
DEATHS = int(os.environ.get("DROPBATCH_DEATHS", "12"))


def test_of_two_jobs_for_one_attempt_one_runs(cloud: Cloud):
    first = cloud.job()
    racer = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("racer.py")],
        env=first.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert racer.stdin is not None
    assert racer.stdout is not None
    winners = []
    for round_ in range(ROUNDS):
        one = cloud.job(name=f"race{round_}.txt")
        two = cloud.again(one, job_id=f"rival-{round_}")
        print(json.dumps([one.env, two.env]), file=racer.stdin, flush=True)
        codes = json.loads(racer.stdout.readline())

        assert sorted(codes) == [0, ExitCode.SUPERSEDED]
        winner = (one, two)[codes.index(0)].env["AWS_BATCH_JOB_ID"]
        assert one.get("who") == f"{winner}\n".encode()
        assert one.names == ["_log.txt", "_run.json", "who"]
        record = one.record
        assert record is not None
        assert (record["job_id"], record["status"]) == (winner, "SUCCEEDED")
        versions = cloud.s3.list_object_versions(Bucket="runtime-output", Prefix=one.spec.output)
        assert len(versions["Versions"]) == 3, "the superseded one wrote nothing"
        winners.append(codes.index(0))
    racer.stdin.close()
    assert racer.wait(timeout=60) == 0
    assert 0 < sum(winners) < ROUNDS, "a race that the same one always wins is none"


MANY = 'for i in $(seq 30); do cat "$1"/* | sha256sum > "$2/$i"; done; head -c 9000000 /dev/zero > "$2/large"'
COMMAND = ("sh", "-c", MANY, "sh", "{input}", "{output}")


def test_killed_at_any_moment_another_try_gives_the_same(cloud: Cloud):
    seed = random.randrange(10**6)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    files = {f"{number:02d}": bytes([number]) * 50_000 for number in range(40)}
    calm = cloud.folder(files, name="calm")
    began = time.monotonic()
    assert calm.run(*COMMAND).code == 0
    seconds = time.monotonic() - began
    wanted = contents(calm)
    assert len(wanted) == 31

    reached = []
    for death in range(DEATHS):
        job = cloud.again(
            calm, job_id=f"mortal-{seed}-{death}", attempt=death + 2, output=f"{calm.spec.output}{death}/"
        )
        with watch(job) as seen:
            # Evenly over a run's life, of which the first quarter is imports.
            reached += [die(job, chance.uniform(0.25, 1.05) * seconds) for _ in range(chance.randint(1, 2))]
            ended = job.run(*COMMAND, AWS_BATCH_JOB_ATTEMPT="3")
        assert ended.code == 0, f"seed {seed}: {ended.err}"
        assert contents(job) == wanted, f"seed {seed}, death {death}"
        assert seen == [], f"seed {seed}, death {death}"
    print(f"seed {seed}; objects there at each death: {sorted(reached)}")


def die(job: Job, seconds: float) -> int:
    """Start a try and kill all of it after some seconds, as a machine does that is taken away."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dropbatch.runtime", "--", *COMMAND],
        env=job.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(seconds)
    while pids := session(process.pid):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
    process.wait()
    return len(job.names)


def session(leader: int) -> list[int]:
    """Processes of a session that are alive."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(leader)], capture_output=True, text=True, check=False
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def contents(job: Job) -> dict[str, str]:
    """Digest of every result; the record must name exactly these."""
    names = [name for name in job.names if name not in {"_run.json", "_log.txt"}]
    record = job.record
    assert record is not None
    listed = {each["uri"].rpartition(job.spec.output)[2]: each["sha256"] for each in record["outputs"]}
    found = {name: hashlib.sha256(job.get(name) or b"").hexdigest() for name in names}
    assert found == listed
    return found


class watch:  # noqa: N801 – reads like a word
    """Someone who waits for the record, and then takes what is there."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._done = threading.Event()
        self.incomplete: list[str] = []
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> list[str]:
        self._thread.start()
        return self.incomplete

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        for _ in self._ticks():
            record = self._job.record
            if record is None:
                continue
            names = set(self._job.names)
            # Between the two questions a new try may have begun, which takes the record away first.
            if record["status"] == "SUCCEEDED" and self._job.record == record:
                wanted = {each["uri"].rpartition(self._job.spec.output)[2] for each in record["outputs"]}
                if not wanted | {"_run.json", "_log.txt"} <= names:
                    self.incomplete.append(f"{sorted(wanted - names)} missing")

    def _ticks(self) -> Iterator[None]:
        while not self._done.wait(0.02):
            yield
