"""Classify an arrived file: it starts a run, is a request, is ignored, or is rejected with a reason. Pure."""

from typing import NamedTuple

from dropbatch.contract import keys
from dropbatch.contract.deployment import Deployment, Pipeline
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import run_id
from dropbatch.contract.suggestions import known_names
from lambdas.common.messages import Arrival

__all__ = ["REQUESTS", "Admitted", "Ignored", "Rejected", "Requested", "classify", "rejection_of"]

REQUESTS = ("submit", "retry", "rerun", "reproduce", "cancel", "backfill")
"""Kinds of requests. The name of a request file ends in its kind and ``.json`` or ``.toml``."""


class Admitted(NamedTuple):
    """A run to be claimed, with its job definition and queue."""

    run: RunSpec
    definition: str
    """Name of the job definition, for its newest revision; or ``name:revision``."""
    pool: str
    queue: str
    overrides: Overrides = Overrides()
    name: str = ""
    """Label that a request gives to its runs."""
    request: str = ""
    """Identity of the request that starts the run; empty for a dropped input."""
    parent: str = ""
    """Id of the run that this run follows in a chain of pipelines."""
    repeats: str = ""
    """Id of the run whose input this run processes again."""
    reproduces: str = ""
    """Id of the run whose results this run reproduces."""


class Rejected(NamedTuple):
    """A rejected file or request. It is written to the ledger, so that its owner can read the reason."""

    group: str
    pipeline: str
    run_id: str
    arrival: Arrival
    reason: str
    request: str = ""
    """Identity of the request; empty for any other file."""


class Ignored(NamedTuple):
    """An object that starts nothing, and need not: a folder marker, for example."""

    arrival: Arrival
    reason: str


class Requested(NamedTuple):
    """A request file, whose content has not been read yet."""

    arrival: Arrival
    group: str
    kind: str
    """One of `REQUESTS`."""


class _UnmatchedError(ValueError):
    """No pipeline takes the file; the setting `unmatched` decides whether it is rejected or ignored."""


class _UnfitError(ValueError):
    """The file can never be processed: it is rejected."""


class _NotMeantError(ValueError):
    """The file need not start anything: it is ignored."""


def classify(arrival: Arrival, deployment: Deployment) -> Admitted | Requested | Rejected | Ignored:
    """Classify an arrival."""
    key = keys.InputKey.parse(arrival.key)
    try:
        return _classify(arrival, key, deployment)
    except _NotMeantError as reason:
        return Ignored(arrival=arrival, reason=str(reason))
    except _UnmatchedError as reason:
        if deployment.unmatched == "ignore":
            return Ignored(arrival=arrival, reason=str(reason))
        return rejection_of(arrival, deployment, str(reason))
    except _UnfitError as reason:
        return rejection_of(arrival, deployment, str(reason))


def rejection_of(arrival: Arrival, deployment: Deployment, reason: str) -> Rejected:
    """Return the rejection of an arrival; its run id depends on the object version only."""
    key = keys.InputKey.parse(arrival.key)
    group = key.group if key.group in deployment.groups else keys.SYSTEM_GROUP
    identity = _identity(arrival, group, key.folder, arrival.key)
    return Rejected(group=group, pipeline=key.folder, run_id=identity, arrival=arrival, reason=reason)


def _classify(arrival: Arrival, key: keys.InputKey, deployment: Deployment) -> Admitted | Requested:
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
        raise _UnmatchedError(f"the file is at the root of the bucket: put it below {shape}")
    if key.group not in deployment.groups:
        raise _UnmatchedError(f"no group is named {key.group!r}: {known_names(key.group, deployment.groups)}")
    if key.folder in (keys.INPUTS, keys.CONFIGS):
        raise _NotMeantError(f"{key.folder}/ triggers nothing")
    if not key.folder:
        raise _UnmatchedError(f"the file is not in a pipeline's folder: put it below {shape}")
    if key.folder == keys.SUBMISSIONS:
        return
    if key.folder not in deployment.pipelines:
        raise _UnmatchedError(f"no pipeline is named {key.folder!r}: {known_names(key.folder, deployment.pipelines)}")
    if key.group not in deployment.pipelines[key.folder].definitions:
        raise _UnmatchedError(
            f"pipeline {key.folder!r} is not set up for group {key.group!r}: ask an operator to add it"
        )


def _check_fitness(arrival: Arrival) -> None:
    if arrival.key.endswith("/"):
        raise _UnfitError("the key ends in '/' but the object holds data: give the file a name")
    length = len(arrival.key.encode("utf-8", errors="surrogatepass"))
    if length > keys.MAX_KEY_BYTES:
        raise _UnfitError(f"the key is {length} bytes long, at most {keys.MAX_KEY_BYTES} are taken: shorten the name")
    if not arrival.version_id:
        raise _UnfitError("the bucket has no versioning, so the file could change during the run: enable versioning")


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
        raise _NotMeantError(f"its folder is processed when {pipeline.marker} is put into it")
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
