"""Follow runs until they end, with progress messages, and find the runs that a request started."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from dropbatch.cli import runs
from dropbatch.cli.deployed import Deployed
from dropbatch.cli.errors import RunFailedError
from dropbatch.cli.offline import retry_while_offline
from dropbatch.cli.pause_flag import read_pause
from dropbatch.cli.refused import held_by, refusals_of
from dropbatch.cli.requests import Sent
from dropbatch.cli.text import Reporter, counted, duration, printable
from dropbatch.contract import keys
from dropbatch.contract.runs import State, request_id, run_id

__all__ = ["name_of", "raise_if_failed", "refusal_of", "rerun_ids", "started_by", "wait_for"]

_STILL_SECONDS, _REFUSED_SECONDS, _QUIET_SECONDS = 3, 10, 60
_FIRST_SECONDS, _LONGEST_SECONDS = 0.2, 2.0
_SKEW = timedelta(minutes=2)
"""Tolerance for a local clock that is ahead of the function's."""


def wait_for(
    deployed: Deployed,
    group: str,
    names: Mapping[str, str],
    reporter: Reporter,
    *,
    attempts: Mapping[str, int] | None = None,
    sent: Sent | None = None,
) -> dict[str, runs.Run]:
    """Follow runs until they end, and report every change of state. Ctrl-C stops following, not the runs.

    Args:
        deployed: environment of the runs.
        group: group of the runs.
        names: display name of each run, by id.
        reporter: receives the messages.
        attempts: attempt of each run to wait for; the end of an earlier attempt is ignored.
        sent: the request that started the runs, to report its refusal.

    Raises:
        RunFailedError: the request was refused.
    """
    begun = time.monotonic()
    looked = asked = warned = False
    seen: dict[str, runs.Run] = {}

    def moved(run: runs.Run) -> None:
        seen[run.run_id] = run
        took = runs.took(run)
        ran = "" if took is None else f", ran {duration(took)}"
        reporter.say(f"{duration(time.monotonic() - begun):>8}  {run.state:<9}  {names[run.run_id]}  {run.run_id}{ran}")

    def waiting(seconds: float) -> None:
        nonlocal looked, asked, warned
        reporter.now(f"following {counted(len(names), 'run')}; Ctrl-C stops following, not the runs")
        if sent is not None and seconds > 1:
            retry_while_offline(functools.partial(refusal_of, deployed, group, sent), reporter.now)
        if seconds > _STILL_SECONDS and not looked:
            looked = True
            pause = retry_while_offline(functools.partial(read_pause, deployed), reporter.now)
            if pause is not None:
                warned = True
                reporter.say(f"{deployed.environment} is {pause.words}")
        if seconds > _REFUSED_SECONDS and not asked and any(run.state is State.HELD for run in seen.values()):
            asked = True
            known = retry_while_offline(functools.partial(refusals_of, deployed, group), reporter.now)
            refused = [found for run in seen.values() if (found := held_by(run, known))]
            if refused:
                warned = True
                reporter.say(f"{refused[0].words}: it starts once operators have removed the cause")
        if seconds > _QUIET_SECONDS and not warned:
            warned = True
            reporter.say("no progress for a minute: all machines are busy, or new ones are starting")

    try:
        return runs.follow(deployed, group, list(names), moved, waiting=waiting, away=reporter.now, attempts=attempts)
    except RunFailedError:
        raise
    except BaseException:  # Ctrl-C, a long network failure, expired credentials
        _report_stop(reporter)
        raise


def raise_if_failed(ended: Iterable[runs.Run]) -> None:
    """Check that all runs succeeded.

    Raises:
        RunFailedError: some did not; the message describes the first of them.
    """
    ended = list(ended)
    bad = [run for run in ended if run.state is not State.SUCCEEDED]
    if not bad:
        return
    first = bad[0]
    # A rejected run has no log.
    more = "" if first.state is State.REJECTED else f"; see `dropbatch logs {first.run_id}`"
    how = f"{first.run_id} {first.state}: {first.reason or 'no reason given'}{more}"
    raise RunFailedError(
        how if len(ended) == 1 else f"{len(bad)} of {len(ended)} runs did not succeed, the first: {how}"
    )


def refusal_of(deployed: Deployed, group: str, sent: Sent) -> None:
    """Check that a request was not refused. The ledger keeps a refused request as a rejected run.

    Raises:
        RunFailedError: it was refused; the message has the reason.
    """
    identity = run_id(
        group=group,
        pipeline=keys.SUBMISSIONS,
        bucket=deployed.description.input_bucket,
        key=sent.key,
        version_id=sent.version_id,
    )
    refused = runs.get_many(deployed, group, [identity]).get(identity)
    if refused is not None and refused.state is State.REJECTED:
        raise RunFailedError(f"the request was refused: {printable(refused.reason)}")


def rerun_ids(old: Iterable[runs.Run], sent: Sent) -> dict[str, str]:
    """Return the ids of the runs that a `rerun` creates, by the id of the run that each repeats."""
    mark = request_id(sent.key, sent.version_id)
    found = {}
    for run in old:
        bucket, key = keys.split_uri(run.input)
        found[run.run_id] = run_id(
            group=run.group,
            pipeline=run.pipeline,
            bucket=bucket,
            key=key,
            version_id=run.item["version_id"],
            parameters=run.item["parameters"],
            request_id=f"{mark}#{run.run_id}",
        )
    return found


def started_by(
    deployed: Deployed,
    group: str,
    sent: Sent,
    expected: int,
    reporter: Reporter,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, runs.Run]:
    """Wait until a submission has created the expected number of runs; return them by id.

    Raises:
        RunFailedError: the request was refused.
    """
    since = datetime.now(UTC) - _SKEW
    pause = _FIRST_SECONDS

    def read() -> dict[str, runs.Run]:
        found = {run.run_id: run for run in runs.of_request(deployed, group, sent.key, since=since)}
        if not found or any(run.state is State.REJECTED for run in found.values()):
            # A refused request has exactly one run in the ledger: its refusal.
            refusal_of(deployed, group, sent)
        return found

    try:
        while True:
            found = retry_while_offline(read, reporter.now)
            if len(found) >= expected:
                return found
            reporter.now(f"{len(found)} of {counted(expected, 'run')} started; Ctrl-C stops following, not the runs")
            sleep(pause)
            pause = min(pause * 1.3, _LONGEST_SECONDS)
    except RunFailedError:
        raise
    except BaseException:
        _report_stop(reporter)
        raise


def _report_stop(reporter: Reporter) -> None:
    reporter.say("stopped following; the runs continue: see `dropbatch status`")


def name_of(run: runs.Run) -> str:
    """Return the display name of a run: its file and parameters."""
    parameters = run.item.get("parameters") or {}
    listed = ",".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return printable(run.name + (f" [{listed}]" if listed else ""))
