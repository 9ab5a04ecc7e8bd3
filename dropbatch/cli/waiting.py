"""Following runs to their end, as people see it, and finding the runs that a request started."""

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
"""How far the clock of this machine may be ahead of the function's."""


def wait_for(
    deployed: Deployed,
    group: str,
    names: Mapping[str, str],
    voice: Reporter,
    *,
    attempts: Mapping[str, int] | None = None,
    sent: Sent | None = None,
) -> dict[str, runs.Run]:
    """Follow runs to their end and tell of every state seen; Ctrl-C stops following, not the runs.

    Args:
        deployed: where they run.
        group: whose they are.
        names: what to call each run, by its id.
        voice: who is told.
        attempts: the attempt that is meant of each run; how an earlier one ended is passed over.
        sent: the request that started them, which may be refused.

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
        voice.say(f"{duration(time.monotonic() - begun):>8}  {run.state:<9}  {names[run.run_id]}  {run.run_id}{ran}")

    def waiting(seconds: float) -> None:
        nonlocal looked, asked, warned
        voice.now(f"following {counted(len(names), 'run')}, Ctrl-C leaves them running")
        if sent is not None and seconds > 1:
            retry_while_offline(functools.partial(refusal_of, deployed, group, sent), voice.now)
        if seconds > _STILL_SECONDS and not looked:
            looked = True
            pause = retry_while_offline(functools.partial(read_pause, deployed), voice.now)
            if pause is not None:
                warned = True
                voice.say(f"{deployed.environment} is {pause.words}")
        if seconds > _REFUSED_SECONDS and not asked and any(run.state is State.HELD for run in seen.values()):
            asked = True
            known = retry_while_offline(functools.partial(refusals_of, deployed, group), voice.now)
            refused = [found for run in seen.values() if (found := held_by(run, known))]
            if refused:
                warned = True
                voice.say(f"{refused[0].words}: it starts by itself once operators have removed the cause")
        if seconds > _QUIET_SECONDS and not warned:
            warned = True
            voice.say("nothing has moved for a minute: machines are busy, or take their time to start")

    try:
        return runs.follow(deployed, group, list(names), moved, waiting=waiting, away=voice.now, attempts=attempts)
    except RunFailedError:
        raise
    except BaseException:  # interrupted, no answer for too long, credentials that have expired
        _left_alone(voice)
        raise


def raise_if_failed(ended: Iterable[runs.Run]) -> None:
    """Say so when not all succeeded.

    Raises:
        RunFailedError: with the first that did not, and how to see why.
    """
    ended = list(ended)
    bad = [run for run in ended if run.state is not State.SUCCEEDED]
    if not bad:
        return
    first = bad[0]
    # What was refused never ran: its reason is all there is.
    more = "" if first.state is State.REJECTED else f"; see `dropbatch logs {first.run_id}`"
    how = f"{first.run_id} {first.state}: {first.reason or 'no reason given'}{more}"
    raise RunFailedError(
        how if len(ended) == 1 else f"{len(bad)} of {len(ended)} runs did not succeed, the first: {how}"
    )


def refusal_of(deployed: Deployed, group: str, sent: Sent) -> None:
    """Look whether a request was refused; its refusal is kept like a run.

    Raises:
        RunFailedError: it was, with the reason.
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
    """Ids of the runs that a `rerun` makes, by the id of the run each repeats."""
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
    voice: Reporter,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, runs.Run]:
    """The runs of a submission, by id, once as many are there as were expected.

    Raises:
        RunFailedError: the request was refused.
    """
    since = datetime.now(UTC) - _SKEW
    pause = _FIRST_SECONDS

    def look() -> dict[str, runs.Run]:
        found = {run.run_id: run for run in runs.of_request(deployed, group, sent.key, since=since)}
        if not found or any(run.state is State.REJECTED for run in found.values()):
            # A refusal is kept like a run of the request, and is the only one there will ever be.
            refusal_of(deployed, group, sent)
        return found

    try:
        while True:
            found = retry_while_offline(look, voice.now)
            if len(found) >= expected:
                return found
            voice.now(f"{len(found)} of {counted(expected, 'run')} begun, Ctrl-C leaves them running")
            sleep(pause)
            pause = min(pause * 1.3, _LONGEST_SECONDS)
    except RunFailedError:
        raise
    except BaseException:
        _left_alone(voice)
        raise


def _left_alone(voice: Reporter) -> None:
    voice.say("not following any more; the runs go on: `dropbatch status` shows them")


def name_of(run: runs.Run) -> str:
    """What a run is called where it is followed."""
    parameters = run.item.get("parameters") or {}
    listed = ",".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return printable(run.name + (f" [{listed}]" if listed else ""))
