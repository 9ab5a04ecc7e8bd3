"""Texts of the mails about runs. Pure."""

import unicodedata
from datetime import datetime
from urllib.parse import quote

from dropbatch.contract.items import Run
from dropbatch.contract.keys import SUBMISSIONS, rejection_key, split_uri, uri
from dropbatch.contract.mail_items import LimitNotice
from dropbatch.contract.runs import State
from dropbatch.contract.usage import UNKNOWN
from lambdas.common.mail import Mail
from lambdas.run_events.blocked_queues import BlockedQueue
from lambdas.run_events.tally import Tally

__all__ = ["about_blocked_queue", "about_limit", "about_many", "about_one"]

_MAX_SUBJECT = 100  # SNS: shorter than that, printable ASCII, no line breaks
_SHOWN = 5
_CENT = 10_000  # in millionths of a dollar; below, two digits would say 0.00
_WORDS = {
    State.SUCCEEDED: "is done",
    State.FAILED: "failed",
    State.REJECTED: "was refused",
    State.CANCELLED: "was cancelled",
}
_COUNTED = {State.FAILED: "failed", State.REJECTED: "refused", State.CANCELLED: "cancelled"}
_PHASES = {
    "refused": "it could not be done as asked, nothing was run",
    "stage-in": "its input could not be brought in",
    "stage-out": "its results could not be published",
    "lost": "its machine or its place in the queue was lost",
}


def about_blocked_queue(blocked: BlockedQueue) -> Mail:
    """Return the mail about a job queue whose first job cannot be placed."""
    lines = [
        f"A job queue is blocked: {blocked.queue}. Its first job cannot be placed, and those behind it wait.",
        "",
        f"Job:      {blocked.job_id}",
        f"Reason:   {blocked.reason or 'not known'}",
    ]
    return Mail(subject=_subject(f"job queue {blocked.queue} is blocked"), body="\n".join(lines))


def about_one(run: Run, *, region: str, bucket: str) -> Mail:
    """Return the mail about a single run. `bucket` is the output bucket."""
    state = run.state
    # A run over its group's limit can be retried as it is.
    if state is State.REJECTED and not run.over_limit:
        return _about_refusal(run, region=region, bucket=bucket)
    alone = Tally.of([run])
    lines = [f"{_name(run)} {_WORDS[state]} (pipeline {run.pipeline}, group {run.group}).", ""]
    if run.output:
        lines += ["Result:", *_where(run.output, region), ""]
    else:
        lines += _failure(run)
    lines += [f"Input:    {run.input}", f"Time:     {_duration(alone)}", f"Cost:     {_cost(alone)}"]
    if run.attempt > 1:
        before = "; ".join(f"{each['cause']} on {each['pool']}" for each in run.earlier)
        lines += [f"Attempts: {run.attempt} (before: {before})"]
    if not run.output and run.output_prefix:
        lines += ["", "Its log and its record:", *_where(uri(bucket, run.output_prefix), region)]
    lines += ["", f"Everything about it:  dropbatch show {run.run_id}"]
    if state is not State.SUCCEEDED:
        lines += [f"To try it again:      dropbatch retry {run.run_id}"]
    return Mail(subject=_subject(f"{run.pipeline}: {_name(run)} {_WORDS[state]}"), body="\n".join(lines))


def _about_refusal(run: Run, *, region: str, bucket: str) -> Mail:
    """A file or a request that started nothing."""
    request = run.request
    name = _request_name(request) if request else _name(run)
    what = f"The request {name}" if request else name
    reason = run.reason.partition(": see s3://")[0]  # the link to it follows
    lines = [f"{what} was refused: nothing was started (group {run.group}).", "", f"Reason:   {reason}"]
    lines += ["", f"File:     {run.input}"]
    if request:
        lines += ["", "All that is wrong with it:", *_where(uri(bucket, rejection_key(request)), region)]
        lines += ["", "Fix the file and upload it again: that is a new request."]
    else:
        lines += ["", "Fix that and upload the file again. The rejected file stays where it is and does no harm."]
    return Mail(subject=_subject(f"{'request ' if request else ''}refused: {name}"), body="\n".join(lines))


def about_many(runs: Tally, *, region: str, failures: str | None) -> Mail:
    """Return the mail about the runs of a window. `failures` is the URI of the list of those that failed."""
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
        listed = "All of them" if count == len(runs.failures) else f"The first {len(runs.failures):,} of them"
        lines += ["", f"{listed}:", *_where(failures or "", region)]
        if counts[State.FAILED] or counts[State.CANCELLED]:
            lines += ["", "To try them again:  dropbatch retry --all --dry-run"]
    return Mail(subject=_subject(f"{pipelines}: {head}"), body="\n".join(lines))


def about_limit(notice: LimitNotice) -> Mail:
    """Return the mail about runs that were rejected because they are over their group's limit."""
    lines = [
        f"Runs of group {notice.group} are being refused: they are {notice.reason}.",
        "",
        f"Limit of {notice.month}: {notice.limit}",
        f"Left:             {notice.remaining}",
        "",
        f"Which runs: dropbatch --group {notice.group} status",
        "Whoever runs this deployment can raise the limit. This mail comes once a day at most.",
    ]
    return Mail(subject=_subject(f"group {notice.group}: over the limit of {notice.month}"), body="\n".join(lines))


def link(uri: str, region: str) -> str:
    """Return the console's address of an ``s3://`` URI: of an object, or of a folder, which ends in ``/``."""
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
        lines += [f"Not started because of that: {', '.join(run.not_started)}"]
    if run.log_tail:
        count = len(run.log_tail)
        last = f"The last {count} lines" if count > 1 else "The last line"
        lines += ["", f"{last} of its log:", *(f"  {line}" for line in run.log_tail)]
    return [*lines, ""]


def _reasons(runs: Tally) -> list[str]:
    """The most frequent reasons, each with its number and an example."""
    lines = [
        f"  {count:,} x {reason} (such as {_file_name(runs.examples[reason])})"
        for reason, count in runs.reasons.most_common(_SHOWN)
    ]
    more = len(runs.reasons) - _SHOWN
    return [*lines, f"  and {more:,} other reasons"] if more > 0 else lines


def _request_name(key: str) -> str:
    """The part of a request's key that its author chose."""
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
    return f"{_usd(runs.micro_usd)}, and that of {runs.unknown_cost:,} runs, which is unknown"


def _usd(micro_usd: int) -> str:
    return f"about {micro_usd / 1_000_000:,.2f} USD" if micro_usd >= _CENT else "less than 0.01 USD"


def _common_folder(first: str, last: str) -> str:
    """The folder that holds two URIs and all between them."""
    same = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[: first.rfind("/", 0, same) + 1] if first != last else first


def _subject(text: str) -> str:
    # Accents go: what is left of most names in Latin letters is ASCII.
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in plain)
    return plain if len(plain) < _MAX_SUBJECT else f"{plain[: _MAX_SUBJECT - 4]}..."
