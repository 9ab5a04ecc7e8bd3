"""What an arrived file means: a run of a pipeline, nothing at all, or a refusal with its reason. Pure."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import run_id
from lambdas.common.messages import Arrival

__all__ = ["Admitted", "Ignored", "Rejected", "judge"]


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A run to be claimed, with the job definition and queue it asks for."""

    run: RunSpec
    definition: str
    pool: str
    queue: str
    parent: str = ""
    """Run that it comes after."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A file that starts nothing, and why. Kept in the ledger, so that its owner can read the reason."""

    group: str
    pipeline: str
    run_id: str
    arrival: Arrival
    reason: str


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """An object that is not meant to start anything."""

    arrival: Arrival
    reason: str


def judge(arrival: Arrival, deployment: Deployment) -> Admitted | Rejected | Ignored:
    """Decide what an arrival means."""
    key = keys.InputKey.parse(arrival.key)
    if arrival.key.endswith("/") and arrival.size == 0:
        return Ignored(arrival=arrival, reason="a folder marker")
    if key.group in deployment.groups and key.folder in (keys.INPUTS, keys.CONFIGS):
        return Ignored(arrival=arrival, reason=f"{key.folder}/ triggers nothing")
    reason = _refusal(arrival, key, deployment)
    group = key.group if key.group in deployment.groups else keys.SYSTEM_GROUP
    identity = run_id(
        group=group, pipeline=key.folder, bucket=arrival.bucket, key=arrival.key, version_id=arrival.version_id
    )
    if reason:
        return Rejected(group=group, pipeline=key.folder, run_id=identity, arrival=arrival, reason=reason)
    pipeline = deployment.pipelines[key.folder]
    pool = pipeline.pools[0]
    run = RunSpec(
        run_id=identity,
        attempt=1,
        group=group,
        pipeline=key.folder,
        bucket=arrival.bucket,
        key=arrival.key,
        version_id=arrival.version_id,
        size=arrival.size,
        output=keys.output_prefix(group, key.folder, key.rest, identity),
    )
    return Admitted(run=run, definition=pipeline.definitions[group], pool=pool, queue=deployment.pools[pool].queue)


def _refusal(arrival: Arrival, key: keys.InputKey, deployment: Deployment) -> str | None:
    shape = "<group>/<pipeline>/<file>"
    if not key.group:
        return f"the file lies at the bucket's root: put it below {shape}"
    if key.group not in deployment.groups:
        return f"no group is named {key.group!r}: {_choice(key.group, deployment.groups)}"
    if not key.folder:
        return f"the file lies beside the pipelines' folders: put it below {shape}"
    if key.folder == keys.SUBMISSIONS:
        return "requests below submissions/ are not understood by this version: put the file into a pipeline's folder"
    if key.folder not in deployment.pipelines:
        return f"no pipeline is named {key.folder!r}: {_choice(key.folder, deployment.pipelines)}"
    if arrival.key.endswith("/"):
        return "the key ends in '/' but the object holds data: give the file a name"
    length = len(arrival.key.encode("utf-8", errors="surrogatepass"))
    if length > keys.MAX_KEY_BYTES:
        return f"the key is {length} bytes long, at most {keys.MAX_KEY_BYTES} are taken: shorten the name"
    if not arrival.version_id:
        return "the bucket has no versioning, so the file could change under the run: switch versioning on"
    suffixes = deployment.pipelines[key.folder].suffixes
    if suffixes and not arrival.key.endswith(suffixes):
        return f"pipeline {key.folder!r} takes files ending in {' or '.join(suffixes)}"
    return None


def _choice(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known are {', '.join(sorted(known))}"
