"""Reproduce results: read what a run record pins, and compare the results of two records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dropbatch.contract import keys
from dropbatch.contract.manifest import ObjectSpec, RunSpec
from dropbatch.contract.runs import run_id

__all__ = ["Comparison", "NotReproducibleError", "Pins", "compare", "folder_of", "pins_of"]


_BEFORE_READ = ("refused", "stage-in", "lost")
"""Phases of failed runs whose records may not list the complete input."""


class NotReproducibleError(ValueError):
    """The run cannot be reproduced from its record; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Pins:
    """The job definition, object versions and parameters that determine a run's results."""

    definition: str
    """``name:revision`` of the job definition, which fixes the image (by digest), the command and the resources."""
    image: str
    key: str
    bucket: str
    version_id: str
    size: int
    objects: tuple[ObjectSpec, ...]
    """The objects of a folder; empty for a file."""
    config: ObjectSpec | None
    parameters: Mapping[str, str]
    named_inputs: tuple[ObjectSpec, ...] = ()
    """Objects that `s3://` URIs in the command brought in; those without a version are read in their newest one."""
    named_outputs: tuple[str, ...] = ()
    """URIs that the command wrote to outside the run's directory."""

    def identity(self, *, group: str, pipeline: str, original: str, request: str) -> str:
        """Return the id of the run that reproduces run `original`; `request` is the `request_id` of the request."""
        return run_id(
            group=group,
            pipeline=pipeline,
            bucket=self.bucket,
            key=self.key,
            version_id=self.version_id,
            parameters=self.parameters,
            request_id=f"{request}#{original}",
        )

    def run(self, *, run_id: str, group: str, pipeline: str, output: str) -> RunSpec:
        """Return the run that reproduces the original; its results go below `output`."""
        return RunSpec(
            run_id=run_id,
            attempt=1,
            group=group,
            pipeline=pipeline,
            bucket=self.bucket,
            key=self.key,
            version_id=self.version_id,
            size=self.size,
            output=output,
            parameters=self.parameters,
            config=self.config,
            objects=self.objects,
            named_inputs=self.named_inputs,
            named_outputs=self.named_outputs,
        )


def pins_of(record: Mapping[str, Any]) -> Pins:
    """Return the pins of a record.

    Raises:
        NotReproducibleError: the run did not succeed, or the record lacks the definition, the input or a version.
    """
    if record["status"] != "SUCCEEDED":
        raise NotReproducibleError(f"{record['run_id']} has not succeeded, there is nothing to reproduce")
    if not record.get("job_definition"):
        raise NotReproducibleError(f"the record of {record['run_id']} names no job definition: it was not run by Batch")
    inputs = [_object(each) for each in record["inputs"]]
    uri = record.get("input") or (record["inputs"][0]["uri"] if inputs else "")
    if not uri:
        raise NotReproducibleError(f"the record of {record['run_id']} names no input")
    bucket, key = keys.split_uri(uri)
    config = record.get("config")
    folder = key.endswith("/")
    own, named = _split(inputs, bucket, key)
    if not own:
        raise NotReproducibleError(f"the record of {record['run_id']} does not list the objects of {uri}")
    return Pins(
        definition=record["job_definition"],
        image=record.get("image") or "",
        bucket=bucket,
        key=key,
        version_id="" if folder else own[0].version_id,
        size=0 if folder else own[0].size,
        objects=tuple(own) if folder else (),
        config=_object(config) if config else None,
        parameters=record["parameters"],
        named_inputs=tuple(dict.fromkeys(named)),
        named_outputs=tuple(each["uri"] for each in record["outputs"] if not _name_below(record, each["uri"])),
    )


def _split(inputs: Sequence[ObjectSpec], bucket: str, key: str) -> tuple[list[ObjectSpec], list[ObjectSpec]]:
    """The objects of the input itself, which come first, and those that URIs in the command named."""
    if not key.endswith("/"):
        is_own = bool(inputs) and (inputs[0].bucket, inputs[0].key) == (bucket, key)
        return list(inputs[:is_own]), list(inputs[is_own:])
    own: dict[ObjectSpec, None] = {}
    for each in inputs:
        if each.bucket != bucket or not each.key.startswith(key) or each in own:
            break
        own[each] = None
    return list(own), list(inputs[len(own) :])


def folder_of(record: Mapping[str, Any]) -> tuple[ObjectSpec, ...]:
    """Return the object versions of the folder that a run read.

    Empty when its input was a file, or when the run ended before it had read the complete folder.
    """
    uri = record.get("input") or ""
    if record.get("phase") in _BEFORE_READ or not uri.endswith("/"):
        return ()
    bucket, prefix = keys.split_uri(uri)
    objects = map(_object, record["inputs"])
    return tuple(
        each for each in objects if each.bucket == bucket and each.key.startswith(prefix) and each.key != prefix
    )


def _object(file: Mapping[str, Any]) -> ObjectSpec:
    bucket, key = keys.split_uri(file["uri"])
    return ObjectSpec(bucket=bucket, key=key, version_id=file.get("version_id", ""), size=file["size"])


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of the results of two runs, by file name below the runs' directories."""

    equal: tuple[str, ...]
    different: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """In the first run only."""
    added: tuple[str, ...] = ()
    """In the second run only."""
    image_changed: bool = False
    inputs_changed: tuple[str, ...] = ()
    """URIs of inputs whose content differed. This can happen to objects that URIs in the command name."""
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Bytes in the first and the second run, by name of a different file."""

    @property
    def identical(self) -> bool:
        """Whether no result is different, missing or new."""
        return not (self.different or self.missing or self.added)

    @property
    def line(self) -> str:
        """The comparison in one line."""
        if self.identical:
            return f"identical: {len(self.equal)} of {len(self.equal)} files have the same checksum"
        parts = {"different": self.different, "missing": self.missing, "new": self.added}
        return "; ".join(f"{word}: {', '.join(names)}" for word, names in parts.items() if names)


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Comparison:
    """Compare the outputs of two records by SHA-256."""
    before, after = _outputs(first), _outputs(second)
    both = sorted(before.keys() & after.keys())
    different = tuple(name for name in both if before[name]["sha256"] != after[name]["sha256"])
    return Comparison(
        equal=tuple(name for name in both if name not in different),
        different=different,
        missing=tuple(sorted(before.keys() - after.keys())),
        added=tuple(sorted(after.keys() - before.keys())),
        image_changed=first.get("image") != second.get("image"),
        inputs_changed=_inputs_changed(first, second),
        sizes={name: (before[name]["size"], after[name]["size"]) for name in different},
    )


def _inputs_changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = ({each["uri"]: each["sha256"] for each in record["inputs"]} for record in (first, second))
    return tuple(sorted(uri for uri in before.keys() | after.keys() if before.get(uri) != after.get(uri)))


def _outputs(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Outputs by their name below the run's directory; those outside it by their URI."""
    return {_name_below(record, each["uri"]) or each["uri"]: each for each in record["outputs"]}


def _name_below(record: Mapping[str, Any], uri: str) -> str:
    """Name of an output below the run's directory; empty when it is outside."""
    _, mark, name = uri.rpartition(f"/{record['run_id']}/")
    return name if mark else ""
