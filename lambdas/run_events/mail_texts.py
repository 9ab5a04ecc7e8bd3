"""Texts of the mails about runs and job queues. Pure."""

import unicodedata
from datetime import datetime
from urllib.parse import quote

from dropbatch.contract.items import Run
from dropbatch.contract.keys import SUBMISSIONS, rejection_key, split_uri, uri
from dropbatch.contract.mail_items import LimitNotice
from dropbatch.contract.runs import State
from dropbatch.contract.usage import UNKNOWN
from lambdas.common.mail import Mail
from lambdas.run_events.job_events import BlockedQueue
from lambdas.run_events.tally import Tally

__all__ = ["about_blocked_queue", "about_limit", "about_many", "about_one"]

_MAX_SUBJECT = 100  # SNS takes subjects of fewer characters, in printable ASCII, without line breaks
_MAX_REASONS = 5
_CENT = 10_000  # in millionths of a dollar; smaller amounts would be rounded to 0.00
_WORDS = {
    State.SUCCEEDED: "is done",
    State.FAILED: "failed",
    State.REJECTED: "was rejected",
    State.CANCELLED: "was cancelled",
}
_COUNTED = {State.FAILED: "failed", State.REJECTED: "rejected", State.CANCELLED: "cancelled"}
_PHASES = {
    "refused": "the run could not be started as requested; the program did not run",
    "stage-in": "the input could not be downloaded",
    "stage-out": "the results could not be uploaded",
    "lost": "the job ended before it could write its record",
}


def about_blocked_queue(blocked: BlockedQueue) -> Mail:
    """Return the mail about a job queue whose first job cannot be placed."""
    lines = [
        f"Job queue {blocked.queue} is blocked: its first job cannot be placed, and the jobs behind it wait.",
        "",
        f"Job:      {blocked.job_id}",
        f"Reason:   {blocked.reason or 'unknown'}",
    ]
    return Mail(subject=_subject(f"job queue {blocked.queue} is blocked"), body="\n".join(lines))


def about_one(run: Run, *, region: str, bucket: str) -> Mail:
    """Return the mail about a single run. `bucket` is the output bucket."""
    state = run.state
    # A run over its group's limit can be retried as it is.
    if state is State.REJECTED and not run.over_limit:
        return _about_rejection(run, region=region, bucket=bucket)
    alone = Tally.of([run])
    lines = [f"{_name(run)} {_WORDS[state]} (pipeline {run.pipeline}, group {run.group}).", ""]
    if run.output:
        lines += ["Result:", *_where(run.output, region), ""]
    else:
        lines += _failure(run)
    lines += [f"Input:    {run.input}", f"Time:     {_duration(alone)}", f"Cost:     {_cost(alone)}"]
    if run.attempt > 1:
        before = "; ".join(f"{each['cause']} on {each['pool']}" for each in run.earlier)
        lines += [f"Attempts: {run.attempt} (earlier: {before})"]
    if not run.output and run.output_prefix:
        lines += ["", "Log and run record:", *_where(uri(bucket, run.output_prefix), region)]
    lines += ["", f"Details:  dropbatch show {run.run_id}"]
    if state is not State.SUCCEEDED:
        lines += [f"Retry:    dropbatch retry {run.run_id}"]
    return Mail(subject=_subject(f"{run.pipeline}: {_name(run)} {_WORDS[state]}"), body="\n".join(lines))


def _about_rejection(run: Run, *, region: str, bucket: str) -> Mail:
    """Return the mail about a file or a request that was rejected."""
    request = run.request
    name = _request_name(request) if request else _name(run)
    subject = f"The request {name}" if request else name
    reason = run.reason.partition(": see s3://")[0]  # the mail links to the list of errors below
    lines = [f"{subject} was rejected: nothing was started (group {run.group}).", "", f"Reason:   {reason}"]
    lines += ["", f"File:     {run.input}"]
    if request:
        lines += ["", "All errors in it:", *_where(uri(bucket, rejection_key(request)), region)]
        lines += ["", "Correct the file and upload it again: that makes a new request."]
    else:
        lines += ["", "Correct this and upload the file again. The rejected file stays in the bucket and does no harm."]
    return Mail(subject=_subject(f"{'request ' if request else ''}rejected: {name}"), body="\n".join(lines))


def about_many(runs: Tally, *, region: str, failures: str | None) -> Mail:
    """Return the mail about the runs of a window. `failures` is the URI of the list of runs that did not succeed."""
    pipelines = ", ".join(sorted(runs.pipelines))
    head = f"{runs.succeeded:,} of {runs.total:,} succeeded"
    word = "pipelines" if ", " in pipelines else "pipeline"
    first = runs.first
    lines = [f"{head} ({word} {pipelines}, group {first.group if first else UNKNOWN}).", ""]
    if first and first.request:
        lines += [f"Request: {first.request}"]
    lines += [f"Time:    {_duration(runs)}", f"Cost:    {_cost(runs)}"]
    if runs.outputs:
        lines += ["", "Results:"]
        for least, greatest in runs.outputs.values():
            lines += _where(_common_folder(least, greatest), region)
    if runs.failures:
        counts = runs.states
        states = ", ".join(f"{counts[state]:,} {_COUNTED[state]}" for state in _COUNTED if counts[state])
        count = runs.total - runs.succeeded
        lines += ["", f"{count:,} did not succeed ({states}):", *_reasons(runs)]
        listed = "all of them" if count == len(runs.failures) else f"the first {len(runs.failures):,} of them"
        lines += ["", f"List of {listed}:", *_where(failures or "", region)]
        if counts[State.FAILED] or counts[State.CANCELLED]:
            lines += ["", "Retry:   dropbatch retry --all --dry-run"]
    return Mail(subject=_subject(f"{pipelines}: {head}"), body="\n".join(lines))


def about_limit(notice: LimitNotice) -> Mail:
    """Return the mail about runs that were rejected because they are over their group's limit."""
    lines = [
        f"Runs of group {notice.group} are being rejected: they are {notice.reason}.",
        "",
        f"Limit for {notice.month}: {notice.limit}",
        f"Remaining:         {notice.remaining}",
        "",
        f"List the runs:     dropbatch --group {notice.group} status",
        "An operator of this deployment can raise the limit. This mail is sent at most once a day.",
    ]
    return Mail(subject=_subject(f"group {notice.group}: over the limit of {notice.month}"), body="\n".join(lines))


def link(uri: str, region: str) -> str:
    """Return the address in the AWS console of an ``s3://`` URI of an object, or of a folder (which ends in ``/``)."""
    bucket, key = split_uri(uri)
    page = "buckets" if key.endswith("/") else "object"
    return f"https://{region}.console.aws.amazon.com/s3/{page}/{bucket}?region={region}&prefix={quote(key)}"


def _where(uri: str, region: str) -> list[str]:
    return [f"  {uri}", f"  {link(uri, region)}"]


def _failure(run: Run) -> list[str]:
    phase = run.phase
    reason = (run.reason or "unknown").removeprefix(f"{phase}: ")
    lines = [f"Reason:   {reason}"]
    if phase:
        lines += [f"Phase:    {phase}: {_PHASES[phase]}" if phase in _PHASES else f"Phase:    {phase}"]
    if run.not_started:
        lines += [f"Pipelines that do not run because of this: {', '.join(run.not_started)}"]
    if run.log_tail:
        count = len(run.log_tail)
        last = f"The last {count} lines" if count > 1 else "The last line"
        lines += ["", f"{last} of its log:", *(f"  {line}" for line in run.log_tail)]
    return [*lines, ""]


def _reasons(runs: Tally) -> list[str]:
    """The most frequent reasons, each with the number of its runs and the input of one of them."""
    lines = [
        f"  {count:,} x {reason} (for example {_file_name(runs.examples[reason])})"
        for reason, count in runs.reasons.most_common(_MAX_REASONS)
    ]
    more = len(runs.reasons) - _MAX_REASONS
    return [*lines, f"  and {more:,} other reasons"] if more > 0 else lines


def _request_name(key: str) -> str:
    """The part of a request's key below the folder for requests."""
    return key.partition(f"/{SUBMISSIONS}/")[2] or key


def _name(run: Run) -> str:
    return _file_name(run.input)


def _file_name(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2] or uri


def _duration(runs: Tally) -> str:
    if not runs.began or not runs.ended:
        return UNKNOWN
    seconds = (datetime.fromisoformat(runs.ended) - datetime.fromisoformat(runs.began)).total_seconds()
    hours, rest = divmod(max(0, round(seconds)), 3600)
    minutes, seconds = divmod(rest, 60)
    return " ".join(
        f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if value or unit == "s"
    )


def _cost(runs: Tally) -> str:
    if not runs.ran:
        return "none: nothing ran"
    if not runs.unknown_cost:
        return _usd(runs.micro_usd)
    if not runs.micro_usd:
        return UNKNOWN
    return f"{_usd(runs.micro_usd)}, plus {runs.unknown_cost:,} runs of unknown cost"


def _usd(micro_usd: int) -> str:
    return f"about {micro_usd / 1_000_000:,.2f} USD" if micro_usd >= _CENT else "less than 0.01 USD"


def _common_folder(first: str, last: str) -> str:
    """The folder that contains two URIs, and so every URI that sorts between them."""
    common = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[: first.rfind("/", 0, common) + 1] if first != last else first


def _subject(text: str) -> str:
    # Without its accents, most text in Latin letters is ASCII.
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in plain)
    return plain if len(plain) < _MAX_SUBJECT else f"{plain[: _MAX_SUBJECT - 4]}..."
