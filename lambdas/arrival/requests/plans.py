"""Plans of submissions: list the objects that they name, part by part, and make runs of them.

Each part is stored once. A repeated message reads the stored part instead of listing again, so it finds the same object
versions and makes the same runs.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract import globs, keys
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.manifest import ObjectSpec, RunSpec
from dropbatch.contract.runs import request_id, run_id
from lambdas.arrival.admission import Admitted
from lambdas.arrival.requests.faults import MAX_FAULTS, Fault, FaultsError
from lambdas.arrival.requests.inputs import NamedInput
from lambdas.arrival.requests.listing import Listing
from lambdas.arrival.requests.submission import Submission
from lambdas.common.system_messages import RequestStep

__all__ = ["PART_CALLS", "Cursor", "Part", "Plans", "expand", "runs_of"]


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where the next part continues the listing of a submission's inputs."""

    entry: int = 0
    """Position among the inputs."""
    after: str = ""
    """Key after which the listing of a pattern continues."""
    matched: int = 0
    """Objects that the pattern has matched so far."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a plan."""

    objects: tuple[ObjectSpec, ...]
    """Inputs of this part."""
    config: ObjectSpec | None
    counts: tuple[int, ...]
    """Number of objects in each part up to this one."""
    faults: tuple[Fault, ...]
    """Faults of all parts up to this one."""
    next: Cursor | None
    """Start of the next part; None in the last part."""


class Plans:
    """Stores parts of plans in the output bucket."""

    def __init__(self, *, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def read(self, step: RequestStep, number: int) -> Part:
        """Read a stored part."""
        return _from_json(self._s3.get_object(Bucket=self._bucket, Key=_key(step, number))["Body"].read())

    def write(self, step: RequestStep, number: int, part: Part) -> Part:
        """Write a part unless it exists; return the stored one."""
        body = json.dumps(_to_dict(part), ensure_ascii=False, separators=(",", ":")).encode()
        try:
            self._s3.put_object(Bucket=self._bucket, Key=_key(step, number), Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in {"PreconditionFailed", "412"}:
                raise
            return self.read(step, number)
        return part


def _key(step: RequestStep, number: int) -> str:
    digest = hashlib.sha256(request_id(step.key, step.version_id).encode()).hexdigest()[:20]
    return keys.request_part_key(step.group, digest, number)


def _to_dict(part: Part) -> dict[str, Any]:
    config = part.config._asdict() if part.config else None
    return {**asdict(part), "objects": [each._asdict() for each in part.objects], "config": config}


def _from_json(text: bytes) -> Part:
    body = json.loads(text)
    return Part(
        objects=tuple(ObjectSpec(**each) for each in body["objects"]),
        config=ObjectSpec(**body["config"]) if body["config"] else None,
        counts=tuple(body["counts"]),
        faults=tuple(Fault(**each) for each in body["faults"]),
        next=Cursor(**body["next"]) if body["next"] else None,
    )


PART_CALLS = 200
"""Calls of S3 after which a part ends; they take a few seconds."""

_MAX_OUTPUT_BYTES = 960
"""Longest prefix of results. S3 keys have at most 1,024 bytes, and the names of result files follow the prefix."""


def expand(submission: Submission, before: Part | None, listing: Listing, *, limit: int) -> Part:
    """Return the part after `before`, or the first part. `limit` is the maximum number of runs of the submission."""
    return _Expansion(submission, before, listing, limit).part()


def runs_of(
    submission: Submission, part: Part, step: RequestStep, deployment: Deployment, *, first: int, count: int
) -> Iterator[Admitted]:
    """Yield runs of a part, at most `count`, starting with number `first`.

    Each object has one run for each combination of parameters.
    """
    pipeline = deployment.pipelines[submission.pipeline]
    request = request_id(step.key, step.version_id)
    at, skipped = divmod(first, submission.combinations)
    pairs = (
        (found, parameters)
        for number, found in enumerate(part.objects[at:])
        for parameters in submission.parameters(skipped if number == 0 else 0)
    )
    for found, parameters in itertools.islice(pairs, count):
        identity = run_id(
            group=submission.group,
            pipeline=submission.pipeline,
            bucket=found.bucket,
            key=found.key,
            version_id=found.version_id,
            parameters=parameters,
            request_id=request,
        )
        run = RunSpec(
            run_id=identity,
            attempt=1,
            group=submission.group,
            pipeline=submission.pipeline,
            bucket=found.bucket,
            key=found.key,
            version_id=found.version_id,
            size=found.size,
            output=_output(submission, found, step.bucket, identity),
            parameters=parameters,
            config=part.config,
        )
        yield Admitted(
            run=run,
            definition=pipeline.definitions[submission.group],
            pool=submission.pool,
            queue=deployment.pools[submission.pool].queue,
            overrides=submission.overrides,
            name=submission.name,
            request=request,
        )


def _output(submission: Submission, found: ObjectSpec, bucket: str, identity: str) -> str:
    rest = found.key
    if found.bucket == bucket:
        rest = keys.InputKey.parse(found.key).rest
    rest = f"{submission.results}{rest.removesuffix('/')}"
    return keys.output_prefix(submission.group, submission.pipeline, rest, identity)


class _Expansion:
    """Builds one part."""

    def __init__(self, submission: Submission, before: Part | None, listing: Listing, limit: int) -> None:
        self._submission = submission
        self._listing = listing
        self._limit = limit
        self._calls = listing.calls + PART_CALLS
        self._counts = before.counts if before else ()
        self._config = before.config if before else None
        self._faults = list(before.faults) if before else []
        self._start = (before.next if before else None) or Cursor()
        self._is_first = before is None
        self._found: list[ObjectSpec] = []

    def part(self) -> Part:
        """List inputs until all are listed, or until the part is large enough."""
        if self._is_first and self._submission.config is not None:
            self._config = self._one(self._submission.config)
        following = self._inputs()
        runs = (sum(self._counts) + len(self._found)) * self._submission.combinations
        if runs > self._limit:
            number = f"at least {runs}" if following else str(runs)
            fault = f"make {number} runs, at most {self._limit} are allowed in one request: split the request"
            self._faults.append(Fault(place="inputs", text=fault))
            following = None
        if len(self._faults) > MAX_FAULTS:
            following = None
        return Part(
            objects=tuple(self._found),
            config=self._config,
            counts=(*self._counts, len(self._found)),
            faults=tuple(self._faults[: MAX_FAULTS + 1]),
            next=following,
        )

    def _inputs(self) -> Cursor | None:
        """List inputs; return where the next part starts, or None when all are listed."""
        cursor = self._start
        while cursor.entry < len(self._submission.inputs):
            if self._enough():
                return cursor
            named = self._submission.inputs[cursor.entry]
            if named.is_glob:
                following = self._glob(named, cursor)
                if following is not None:
                    return following
            elif (found := self._one(named)) is not None:
                self._keep(named, found)
            cursor = Cursor(entry=cursor.entry + 1)
        return None

    def _glob(self, named: NamedInput, cursor: Cursor) -> Cursor | None:
        """List a pattern's matches; return where the next part starts, or None when all are listed."""
        matches = globs.matcher(named.key)
        matched, after = cursor.matched, cursor.after
        while True:
            try:
                page = self._listing.page(named.bucket, named.prefix, after=after)
            except ClientError as error:
                self._faults.append(self._listing.refused(named, error))
                return None
            for found in page.objects:
                if matches(found.key):
                    matched += 1
                    self._keep(named, found)
            if page.after is None:
                break
            after = page.after
            if self._enough():
                return Cursor(entry=cursor.entry, after=after, matched=matched)
        if not matched:
            text = f"the pattern matches no object: {named.text}: upload the files first, or correct the pattern"
            self._faults.append(Fault(place=named.place, text=text))
        return None

    def _one(self, named: NamedInput) -> ObjectSpec | None:
        try:
            return self._listing.one(named)
        except FaultsError as error:
            self._faults += error.faults
            return None

    def _keep(self, named: NamedInput, found: ObjectSpec) -> None:
        size = len(_output(self._submission, found, "", "r-" + "0" * 20).encode())
        if size > _MAX_OUTPUT_BYTES:
            text = f"its results would get keys of {size} bytes, at most {_MAX_OUTPUT_BYTES} fit: shorten the name"
            self._faults.append(Fault(place=named.place, text=f"{text}: {found.key}"))
        else:
            self._found.append(found)

    def _enough(self) -> bool:
        many = (sum(self._counts) + len(self._found)) * self._submission.combinations > self._limit
        return many or self._listing.calls >= self._calls or len(self._faults) > MAX_FAULTS
