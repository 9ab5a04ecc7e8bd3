"""The words of the mails that tell people of their runs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dropbatch.contract.keys import split_uri
from dropbatch.contract.runs import State
from dropbatch.contract.usage import UNKNOWN, Usage, usd

__all__ = ["Letter", "about_many", "about_one"]

_MAX_SUBJECT = 100  # SNS: shorter than that, printable ASCII, no line breaks
_SHOWN = 5
_WORDS = {
    State.SUCCEEDED: "is done",
    State.FAILED: "failed",
    State.REJECTED: "was refused",
    State.CANCELLED: "was cancelled",
}

_Run = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail."""

    subject: str
    body: str


def about_one(run: _Run, *, region: str) -> Letter:
    """The mail about a single run."""
    state = State(run["state"])
    lines = [f"{_name(run)} {_WORDS[state]} (pipeline {run['pipeline']}, group {run['group']}).", ""]
    if run.get("output"):
        lines += [f"Result:   {run['output']}", f"          {link(run['output'], region)}"]
    lines += [f"Input:    {run['input']}", f"Time:     {_duration([run])}", f"Cost:     {_cost([run])}"]
    if run["attempt"] > 1:
        before = "; ".join(f"{each['cause']} on {each['pool']}" for each in run.get("earlier", ()))
        lines += [f"Attempts: {run['attempt']} ({before})"]
    lines += _failure(run)
    lines += ["", f"Run {run['run_id']}: dropbatch show {run['run_id']}"]
    return Letter(subject=_subject(f"{run['pipeline']}: {_name(run)} {_WORDS[state]}"), body="\n".join(lines))


def about_many(runs: Sequence[_Run], *, region: str, failures: str | None) -> Letter:
    """The mail about the runs of a request or a drop window. `failures` is the URI of the list of those that failed."""
    good = [run for run in runs if run["state"] == State.SUCCEEDED]
    bad = [run for run in runs if run["state"] != State.SUCCEEDED]
    pipelines = ", ".join(sorted({run["pipeline"] for run in runs}))
    head = f"{len(good):,} of {len(runs):,} succeeded"
    lines = [f"{head} (pipeline {pipelines}, group {runs[0]['group']}).", ""]
    if good:
        folder = _common_folder([run["output"] for run in good])
        lines += [f"Results: {folder}", f"         {link(folder, region)}"]
    lines += [f"Time:    {_duration(runs)}", f"Cost:    {_cost(runs)}"]
    if bad:
        lines += ["", f"{len(bad):,} did not succeed; all of them are listed in", f"  {failures}", ""]
        lines += [f"  {_name(run)}: {run.get('reason') or _WORDS[State(run['state'])]}" for run in bad[:_SHOWN]]
        lines += [f"  and {len(bad) - _SHOWN:,} more"] if len(bad) > _SHOWN else []
    return Letter(subject=_subject(f"{pipelines}: {head}"), body="\n".join(lines))


def link(uri: str, region: str) -> str:
    """Where a browser shows what is below an ``s3://`` URI."""
    bucket, key = split_uri(uri)
    return f"https://{region}.console.aws.amazon.com/s3/buckets/{bucket}?region={region}&prefix={quote(key)}"


def _failure(run: _Run) -> list[str]:
    lines = [f"Reason:   {run['reason']}"] if run.get("reason") else []
    lines += [f"Phase:    {run['phase']}"] if run.get("phase") else []
    if run.get("not_started"):
        lines += [f"Not started because of that: {', '.join(run['not_started'])}"]
    if run.get("log_tail"):
        lines += ["", "The last lines of its log:", *(f"  {line}" for line in run["log_tail"])]
    return lines


def _name(run: _Run) -> str:
    return str(run["input"]).rstrip("/").rpartition("/")[2] or str(run["input"])


def _duration(runs: Sequence[_Run]) -> str:
    starts = [run["started_at"] for run in runs if run.get("started_at")]
    ends = [run["stopped_at"] for run in runs if run.get("stopped_at")]
    if not starts or not ends:
        return UNKNOWN
    seconds = (datetime.fromisoformat(max(ends)) - datetime.fromisoformat(min(starts))).total_seconds()
    hours, rest = divmod(max(0, round(seconds)), 3600)
    minutes, seconds = divmod(rest, 60)
    return " ".join(
        f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if value or unit == "s"
    )


def _cost(runs: Sequence[_Run]) -> str:
    known = [cost for run in runs if (cost := Usage.from_item(run).micro_usd) is not None]
    if len(known) == len(runs):
        return f"about {usd(sum(known))} USD"
    if not sum(known):
        return UNKNOWN
    return f"at least {usd(sum(known))} USD; of {len(runs) - len(known):,} runs it is unknown"


def _common_folder(uris: Sequence[str]) -> str:
    first, last = min(uris), max(uris)
    same = next((i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[: first.rfind("/", 0, same) + 1] if first != last else first


def _subject(text: str) -> str:
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    return plain if len(plain) < _MAX_SUBJECT else f"{plain[: _MAX_SUBJECT - 4]}..."
