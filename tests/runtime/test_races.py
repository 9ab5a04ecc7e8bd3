"""Two jobs for one attempt, 200 times; and tries that are killed at any moment, each followed by another try."""

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
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

from dropbatch.contract.endings import ExitCode
from tests.runtime.conftest import Cloud, Job

ROUNDS = 200
AT_ONCE = 8
DEATHS_AT_ONCE = 3
DEATHS = int(os.environ.get("DROPBATCH_DEATHS", "12"))


def test_one_of_two_jobs_for_one_attempt_runs(cloud: Cloud):
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
    for start in range(0, ROUNDS, AT_ONCE):
        pairs = []
        for round_ in range(start, start + AT_ONCE):
            one = cloud.job(name=f"race{round_}.txt")
            pairs.append((one, cloud.again(one, job_id=f"rival-{round_}")))
        print(json.dumps([[one.env, two.env] for one, two in pairs]), file=racer.stdin, flush=True)
        winners += [
            winner(cloud, pair, codes) for pair, codes in zip(pairs, json.loads(racer.stdout.readline()), strict=True)
        ]
    racer.stdin.close()
    assert racer.wait(timeout=60) == 0
    assert 0 < sum(winners) < ROUNDS, "a race that the same one always wins is none"


def winner(cloud: Cloud, pair: tuple[Job, Job], codes: list[int]) -> int:
    """Return which of two jobs ran; the other must have written nothing."""
    assert sorted(codes) == [0, ExitCode.SUPERSEDED]
    won, one = codes.index(0), pair[0]
    job_id = pair[won].env["AWS_BATCH_JOB_ID"]
    assert one.get("who") == f"{job_id}\n".encode()
    assert one.names == ["_log.txt", "_run.json", "who"]
    record = one.record
    assert record is not None
    assert (record["job_id"], record["status"]) == (job_id, "SUCCEEDED")
    versions = cloud.s3.list_object_versions(Bucket="runtime-output", Prefix=one.spec.output)
    assert len(versions["Versions"]) == 3, "the superseded one wrote nothing"
    return won


RESULTS = 31
MANY = 'for i in $(seq 30); do cat "$1"/* | sha256sum > "$2/$i"; done; head -c 9000000 /dev/zero > "$2/large"'
COMMAND = ("sh", "-c", MANY, "sh", "{input}", "{output}")
FILES = 40
MOST = {"stage-in": FILES, "run": RESULTS, "stage-out": RESULTS + 1}
"""Maximum progress of each phase: files downloaded, files written, objects uploaded (with the log)."""


def test_another_try_after_a_kill_at_any_moment_gives_the_same_result(cloud: Cloud):
    seed = random.randrange(10**6)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    calm = cloud.folder({f"{number:02d}": bytes([number]) * 50_000 for number in range(FILES)}, name="calm")
    assert calm.run(*COMMAND).code == 0
    wanted = contents(calm)
    assert len(wanted) == RESULTS

    def survive(death: int, moments: list[tuple[str, int]]) -> list[str]:
        output = f"{calm.spec.output.rstrip('/')}-mortal{death}/"
        job = cloud.again(calm, job_id=f"mortal-{seed}-{death}", attempt=100 + death, output=output)
        with watch(job) as seen:
            reached = [die(job, cloud.scratch / f"{death}-{number}", *at) for number, at in enumerate(moments)]
            ended = job.run(*COMMAND, AWS_BATCH_JOB_ATTEMPT="3")
        assert ended.code == 0, f"seed {seed}: {ended.err}"
        assert contents(job) == wanted, f"seed {seed}, death {death}"
        assert seen == [], f"seed {seed}, death {death}"
        return [phase for (phase, _), was in zip(moments, reached, strict=True) if was]

    # Each phase in turn, at a random point; every other job is killed twice, the first time anywhere.
    moments = [[(phase, chance.randint(1, MOST[phase]))] for _, phase in zip(range(DEATHS), cycle(MOST), strict=False)]
    for few in moments[::2]:
        phase = chance.choice(list(MOST))
        few.insert(0, (phase, chance.randint(0, MOST[phase])))
    with ThreadPoolExecutor(DEATHS_AT_ONCE) as pool:
        died = Counter(phase for phases in pool.map(survive, range(DEATHS), moments) for phase in phases)
    print(f"seed {seed}; deaths: {dict(died)}")
    assert set(died) == set(MOST), f"seed {seed}: {died}"


def die(job: Job, scratch: Path, phase: str, count: int) -> bool:
    """Start a try, and kill all its processes at this progress, like a lost machine; return whether it got there."""
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "dropbatch.runtime", "--", *COMMAND],
        env=job.env | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (is_there := progress(job, scratch, phase) >= count) and process.poll() is None:
        time.sleep(0.01)
    while pids := session(process.pid):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
    process.wait()
    return is_there


def progress(job: Job, scratch: Path, phase: str) -> int:
    """The progress of a try in a phase."""
    if phase == "stage-in":
        return len(list(scratch.glob("dropbatch-*/in/0/*/*")))
    made = len(list(scratch.glob("dropbatch-*/out/*")))
    if phase == "run":
        return made
    return len(job.names) if made == RESULTS else 0  # before that they are of an earlier try


def session(leader: int) -> list[int]:
    """The running processes of a session."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(leader)], capture_output=True, text=True, check=False
    ).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def contents(job: Job) -> dict[str, str]:
    """The digest of every result; the record must name exactly these results."""
    names = [name for name in job.names if name not in {"_run.json", "_log.txt"}]
    record = job.record
    assert record is not None
    listed = {each["uri"].rpartition(job.spec.output)[2]: each["sha256"] for each in record["outputs"]}
    found = {name: hashlib.sha256(job.get(name) or b"").hexdigest() for name in names}
    assert found == listed
    return found


class watch:  # noqa: N801 – reads like a word
    """A reader that waits for the record, and then reads the results."""

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
            # Between the two reads a new try may have begun, which first removes the record.
            if record["status"] == "SUCCEEDED" and self._job.record == record:
                wanted = {each["uri"].rpartition(self._job.spec.output)[2] for each in record["outputs"]}
                if not wanted | {"_run.json", "_log.txt"} <= names:
                    self.incomplete.append(f"{sorted(wanted - names)} missing")

    def _ticks(self) -> Iterator[None]:
        while not self._done.wait(0.02):
            yield
