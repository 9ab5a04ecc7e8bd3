"""Resolve the inputs that a request names, and check that the group may use them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from dropbatch.contract import globs, keys
from dropbatch.contract.deployment import Deployment
from lambdas.arrival.requests.faults import Fault, shown

__all__ = ["AllowedInputs", "NamedInput"]


@dataclass(frozen=True, kw_only=True)
class NamedInput:
    """An object, folder or pattern that a request names."""

    place: str
    """Position in the request, for faults."""
    text: str
    """The text in the request."""
    bucket: str
    key: str
    """Key of an object, prefix of a folder (ending in ``/``), or pattern."""

    @property
    def is_glob(self) -> bool:
        """Whether it is a pattern: every matching object is an input."""
        return globs.is_glob(self.key)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, which is one input."""
        return self.key.endswith("/") and not self.is_glob

    @property
    def prefix(self) -> str:
        """The common prefix of the keys that it names."""
        return globs.literal_prefix(self.key)


class AllowedInputs:
    """The inputs that a group's requests may name for a pipeline: exactly those that the group's jobs may read."""

    def __init__(self, *, group: str, pipeline: str, bucket: str, deployment: Deployment) -> None:
        """`bucket` is the input bucket."""
        self._group = group
        self._bucket = bucket
        self._groups = deployment.groups
        self._own = tuple(f"{group}/{folder}/" for folder in (pipeline, keys.INPUTS, keys.CONFIGS))
        self._shared_folders = deployment.read_prefixes.get(group, ())
        self._buckets = deployment.pipelines[pipeline].read_buckets

    def resolve(
        self, entries: Sequence[tuple[str, str]], faults: list[Fault], *, single: bool = False
    ) -> list[NamedInput]:
        """Return the inputs that entries name, and add faults for the others.

        Args:
            entries: place and text of each.
            faults: the list to add to.
            single: whether each entry must name one file.
        """
        inputs = []
        for place, text in entries:
            named = self._named(place, text)
            reason = named if isinstance(named, str) else self._refusal(named, single=single)
            if reason:
                faults.append(Fault(place=place, text=reason))
            elif isinstance(named, NamedInput):
                inputs.append(named)
        return inputs

    def _named(self, place: str, text: str) -> NamedInput | str:
        if not text.startswith("s3://"):
            return NamedInput(place=place, text=text, bucket=self._bucket, key=text)
        try:
            bucket, key = keys.split_uri(text)
        except ValueError:
            return f"is not an S3 URI, got {shown(text)}: write s3://<bucket>/<key>"
        return NamedInput(place=place, text=text, bucket=bucket, key=key)

    def _refusal(self, named: NamedInput, *, single: bool) -> str | None:
        got = shown(named.text)
        if ".." in named.key.split("/"):
            return f"must not contain .., got {got}: name the folder itself"
        if single and (named.is_glob or named.is_folder):
            return f"must be one file, got {got}: name it"
        if named.key.count("*") > globs.MAX_STARS:
            return f"must have at most {globs.MAX_STARS} stars, got {got}: choose a simpler pattern"
        if len(named.key.encode()) > keys.MAX_KEY_BYTES:
            return f"must have at most {keys.MAX_KEY_BYTES} bytes, got {len(named.key.encode())}: shorten the name"
        return self._own_bucket(named, got) if named.bucket == self._bucket else self._other_bucket(named, got)

    def _own_bucket(self, named: NamedInput, got: str) -> str | None:
        group, below, _ = named.key.partition("/")
        if named.prefix.startswith((*self._own, *self._shared_folders)):
            return None
        places = " or ".join(self._own[:2])
        if below and group in self._groups and group != self._group:
            return f"belongs to group {group!r}, got {got}: only objects {self._allowed()} may be named"
        if f"/{keys.CONTROL_PREFIX}" in f"/{named.key}":
            return f"is a control object, got {got}: name a file below {places}"
        if named.key.startswith(f"{self._group}/{keys.SUBMISSIONS}/"):
            return f"is in the folder for requests, got {got}: name a file below {places}"
        if named.is_glob and not named.prefix.startswith(f"{self._group}/"):
            return f"must begin with the group's folder, got {got}: begin the pattern with {places}"
        return f"must be below {places}, where the pipeline's jobs may read, got {got}: put the file there"

    def _allowed(self) -> str:
        return " or ".join(f"below {folder}" for folder in (f"{self._group}/", *self._shared_folders))

    def _other_bucket(self, named: NamedInput, got: str) -> str | None:
        for allowed in self._buckets:
            bucket, _, prefix = allowed.partition("/")
            if named.bucket == bucket and named.prefix.startswith(prefix):
                return (
                    None if named.prefix or named.is_glob else f"names a whole bucket, got {got}: name a folder in it"
                )
        allowed = ", ".join(self._buckets)
        fix = f"allowed are {allowed}" if allowed else "put the file below the group's own folder"
        return f"is in a bucket that the pipeline may not read, got {got}: {fix}"
