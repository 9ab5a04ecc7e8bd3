"""What an arrived file means: a run of a pipeline, a request, nothing at all, or a refusal with its reason. Pure."""

from typing import NamedTuple

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment, Pipeline
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import run_id
from dropbatch.contract.suggestions import known_names
from lambdas.common.messages import Arrival

__all__ = ["REQUESTS", "Admitted", "Ignored", "Rejected", "Requested", "judge", "refused"]

REQUESTS = ("submit", "retry", "rerun", "reproduce", "cancel", "backfill")
"""Kinds of requests: what names of request files end in, before ``.json`` or ``.toml``."""


class Admitted(NamedTuple):
    """A run to be claimed, with the job definition and queue it asks for."""

    run: RunSpec
    definition: str
    """Its name, for the newest revision; ``name:revision`` for exactly that one."""
    pool: str
    queue: str
    overrides: Overrides = Overrides()
    name: str = ""
    """What a request calls its runs."""
    request: str = ""
    """Identity of the request that asked for the run; empty when the input did by itself."""
    parent: str = ""
    """Run that it comes after."""
    repeats: str = ""
    """Run whose input it is to process again."""
    reproduces: str = ""
    """Run that it makes again."""


class Rejected(NamedTuple):
    """A file that starts nothing, and why. Kept in the ledger, so that its owner can read the reason."""

    group: str
    pipeline: str
    run_id: str
    arrival: Arrival
    reason: str
    request: str = ""
    """Its identity, when the file is a request."""


class Ignored(NamedTuple):
    """An object that is not meant to start anything."""

    arrival: Arrival
    reason: str


class Requested(NamedTuple):
    """A request file: what it asks for is in it."""

    arrival: Arrival
    group: str
    kind: str
    """One of `REQUESTS`."""


class _UnmatchedError(ValueError):
    """Nothing is set up for such a file."""


class _UnfitError(ValueError):
    """The file can never be processed."""


class _NotMeantError(ValueError):
    """The file is not meant to start anything."""


def judge(arrival: Arrival, deployment: Deployment) -> Admitted | Requested | Rejected | Ignored:
    """Decide what an arrival means."""
    key = keys.InputKey.parse(arrival.key)
    try:
        return _judge(arrival, key, deployment)
    except _NotMeantError as reason:
        return Ignored(arrival=arrival, reason=str(reason))
    except _UnmatchedError as reason:
        if deployment.unmatched == "ignore":
            return Ignored(arrival=arrival, reason=str(reason))
        return refused(arrival, deployment, str(reason))
    except _UnfitError as reason:
        return refused(arrival, deployment, str(reason))


def refused(arrival: Arrival, deployment: Deployment, reason: str) -> Rejected:
    """The refusal of an arrival; the same object version always has the same identity."""
    key = keys.InputKey.parse(arrival.key)
    group = key.group if key.group in deployment.groups else keys.SYSTEM_GROUP
    identity = _identity(arrival, group, key.folder, arrival.key)
    return Rejected(group=group, pipeline=key.folder, run_id=identity, arrival=arrival, reason=reason)


def _judge(arrival: Arrival, key: keys.InputKey, deployment: Deployment) -> Admitted | Requested:
    if arrival.key.endswith("/") and arrival.size == 0:
        raise _NotMeantError("a folder marker")
    if key.group not in deployment.groups and _is_shared(arrival.key, deployment):
        raise _NotMeantError("data that groups share triggers nothing")
    _check_place(key, deployment)
    if key.folder == keys.SUBMISSIONS:
        kind = _kind(key)
        _check_fitness(arrival)
        return Requested(arrival=arrival, group=key.group, kind=kind)
    pipeline = deployment.pipelines[key.folder]
    _check_fitness(arrival)
    match pipeline.trigger:
        case "submit":
            raise _UnmatchedError(
                f"pipeline {key.folder!r} takes requests only: put files below {key.group}/{keys.INPUTS}/ and name "
                f"them in a submit.json below {key.group}/{keys.SUBMISSIONS}/"
            )
        case "folder":
            return _folder(arrival, key, pipeline, deployment)
    if pipeline.suffixes and not arrival.key.endswith(pipeline.suffixes):
        raise _UnmatchedError(f"pipeline {key.folder!r} takes files ending in {' or '.join(pipeline.suffixes)}")
    return _admit(arrival, key, deployment, input_key=arrival.key, rest=key.rest, size=arrival.size)


def _is_shared(key: str, deployment: Deployment) -> bool:
    return any(key.startswith(prefixes) for prefixes in deployment.read_prefixes.values())


def _check_place(key: keys.InputKey, deployment: Deployment) -> None:
    shape = "<group>/<pipeline>/<file>"
    if not key.group:
        raise _UnmatchedError(f"the file lies at the bucket's root: put it below {shape}")
    if key.group not in deployment.groups:
        raise _UnmatchedError(f"no group is named {key.group!r}: {known_names(key.group, deployment.groups)}")
    if key.folder in (keys.INPUTS, keys.CONFIGS):
        raise _NotMeantError(f"{key.folder}/ triggers nothing")
    if not key.folder:
        raise _UnmatchedError(f"the file lies beside the pipelines' folders: put it below {shape}")
    if key.folder == keys.SUBMISSIONS:
        return
    if key.folder not in deployment.pipelines:
        raise _UnmatchedError(f"no pipeline is named {key.folder!r}: {known_names(key.folder, deployment.pipelines)}")
    if key.group not in deployment.pipelines[key.folder].definitions:
        raise _UnmatchedError(f"pipeline {key.folder!r} is not set up for group {key.group!r}: ask for it")


def _check_fitness(arrival: Arrival) -> None:
    if arrival.key.endswith("/"):
        raise _UnfitError("the key ends in '/' but the object holds data: give the file a name")
    length = len(arrival.key.encode("utf-8", errors="surrogatepass"))
    if length > keys.MAX_KEY_BYTES:
        raise _UnfitError(f"the key is {length} bytes long, at most {keys.MAX_KEY_BYTES} are taken: shorten the name")
    if not arrival.version_id:
        raise _UnfitError("the bucket has no versioning, so the file could change under the run: switch versioning on")


def _kind(key: keys.InputKey) -> str:
    for kind in REQUESTS:
        if key.rest.endswith((f"{kind}.json", f"{kind}.toml")):
            return kind
    names = ", ".join(f"{kind}.json" for kind in REQUESTS)
    raise _UnmatchedError(f"names of requests end in {names} (or .toml): rename the file, or put data below inputs/")


def _folder(arrival: Arrival, key: keys.InputKey, pipeline: Pipeline, deployment: Deployment) -> Admitted:
    rest, slash, name = key.rest.rpartition("/")
    if not slash:
        raise _UnmatchedError(
            f"pipeline {key.folder!r} takes folders: put the files into a folder below {key.group}/{key.folder}/ and "
            f"then a file named {pipeline.marker} beside them"
        )
    if name != pipeline.marker:
        raise _NotMeantError(f"its folder starts when {pipeline.marker} is put into it")
    folder = arrival.key[: -len(name)]
    return _admit(arrival, key, deployment, input_key=folder, rest=rest, size=0, marker=arrival.key)


def _admit(
    arrival: Arrival,
    key: keys.InputKey,
    deployment: Deployment,
    *,
    input_key: str,
    rest: str,
    size: int,
    marker: str = "",
) -> Admitted:
    pipeline = deployment.pipelines[key.folder]
    pool = pipeline.pools[0]
    identity = _identity(arrival, key.group, key.folder, input_key)
    run = RunSpec(
        run_id=identity,
        attempt=1,
        group=key.group,
        pipeline=key.folder,
        bucket=arrival.bucket,
        key=input_key,
        version_id=arrival.version_id,
        size=size,
        output=keys.output_prefix(key.group, key.folder, rest, identity),
        marker=marker,
    )
    return Admitted(run=run, definition=pipeline.definitions[key.group], pool=pool, queue=deployment.pools[pool].queue)


def _identity(arrival: Arrival, group: str, pipeline: str, key: str) -> str:
    return run_id(group=group, pipeline=pipeline, bucket=arrival.bucket, key=key, version_id=arrival.version_id)
