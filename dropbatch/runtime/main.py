"""``dropbatch-run``: the command line.

In a job, ``dropbatch-run -- COMMAND…``: everything else comes from the manifest named by ``DROPBATCH_MANIFEST``.
On a laptop, ``dropbatch-run --input FILE|DIR --output DIR -- COMMAND…``: no cloud at all.
"""

# ruff: noqa: PLC0415 – imports inside functions: boto3 costs a third of a second, and only a job needs it

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from dropbatch import __version__
from dropbatch.contract import jobs, keys
from dropbatch.contract.manifest import Manifest, ManifestError, RunSpec
from dropbatch.runtime.errors import RefusedError, RunError, UsageError
from dropbatch.runtime.run import Task, execute, tell

__all__ = ["entry", "main"]

_EPILOG = """\
placeholders in COMMAND: {input} {output} {scratch} {input_uri} {output_uri} {param.NAME}

exit codes: the program's own; 128+N when signal N ended it; 126 not executable, 127 not found; 64 usage, 65 refused,
66 stage-in, 73 stage-out, 75 superseded by another job

example: dropbatch-run --input notes.txt --output result -- wordcount {input} {output}/counts.txt
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see dropbatch-run --help")


def entry() -> NoReturn:
    """Console script."""
    sys.exit(main(sys.argv[1:], os.environ))


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one command between stage-in and stage-out; returns the exit code."""
    try:
        options, command = _parse(argv)
        if options.input is not None:
            return _on_laptop(options, command, env)
        return _in_job(command, env)
    except RunError as fault:
        tell(fault.line)
        return fault.exit_code


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = _Parser(
        prog="dropbatch-run",
        usage="dropbatch-run [--input FILE|DIR --output DIR] -- COMMAND…",
        description="Stage the input in, run a program, stage its results out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dropbatch-run {__version__}")
    parser.add_argument("--input", type=Path, metavar="FILE|DIR", help="work on this, without any cloud")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where results, _log.txt and _run.json go")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="value of {param.NAME}")
    own, dashes, command = _split(argv)
    options = parser.parse_args(own)
    if not dashes or not command:
        raise UsageError(
            "no program to run: put its command after --, as in dropbatch-run -- wordcount {input} {output}/counts.txt"
        )
    if (options.input is None) != (options.output is None):
        raise UsageError("--input and --output belong together: give both, or neither inside a job")
    return options, command


def _split(argv: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    words = list(argv)
    if "--" not in words:
        return words, False, []
    at = words.index("--")
    return words[:at], True, words[at + 1 :]


def _on_laptop(options: argparse.Namespace, command: Sequence[str], env: Mapping[str, str]) -> int:
    from dropbatch.runtime.local import LocalStore

    parameters = {}
    for text in options.param:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--param takes NAME=VALUE, got {text}")
        parameters[name] = value
    task = Task(
        run_id="local",
        attempt=1,
        group="",
        pipeline="",
        command=command,
        parameters=parameters,
        git_commit=env.get(jobs.GIT_COMMIT),
    )
    return execute(task, LocalStore(options.input, options.output), env)


def _in_job(command: Sequence[str], env: Mapping[str, str]) -> int:
    uri = env.get(jobs.MANIFEST)
    if not uri:
        raise UsageError(f"{jobs.MANIFEST} is not set: inside a job it is; on a laptop give --input FILE --output DIR")
    job_id = env.get("AWS_BATCH_JOB_ID")
    if not job_id:
        raise UsageError("AWS_BATCH_JOB_ID is not set: AWS Batch sets it in every job")
    from dropbatch.runtime import s3

    client = s3.make_client(env)
    spec = pick(s3.read_manifest(client, uri), env.get("AWS_BATCH_JOB_ARRAY_INDEX"))
    store = s3.S3Store(
        client,
        spec,
        output_bucket=env.get(jobs.OUTPUT_BUCKET) or keys.split_uri(uri)[0],
        job_id=job_id,
        environment=env.get(jobs.ENVIRONMENT, ""),
    )
    tries = env.get("AWS_BATCH_JOB_ATTEMPT", "")
    task = Task(
        run_id=spec.run_id,
        attempt=spec.attempt,
        group=spec.group,
        pipeline=spec.pipeline,
        command=command,
        parameters=spec.parameters,
        job_id=job_id,
        job_try=int(tries) if tries.isdigit() else None,
        image=env.get(jobs.IMAGE),
        job_definition=env.get(jobs.JOB_DEFINITION),
        git_commit=env.get(jobs.GIT_COMMIT),
    )
    tell(f"run {spec.run_id} attempt {spec.attempt}: {store.input_uri}")
    return execute(task, store, env)


def pick(text: bytes, index: str | None) -> RunSpec:
    """The run that this job is for: an array child's own, or the only one.

    Raises:
        RefusedError: the text is no manifest, or has no such run.
    """
    try:
        manifest = Manifest.from_json(text)
    except ManifestError as error:
        raise RefusedError(str(error)) from error
    count = len(manifest.runs)
    if index is None:
        if count != 1:
            raise RefusedError(
                f"manifest {manifest.job_name} has {count} runs, this job is no array child: retry the run"
            )
        return manifest.runs[0]
    if not index.isdigit() or int(index) >= count:
        raise RefusedError(f"manifest {manifest.job_name} has {count} runs, this job's array index is {index}")
    return manifest.runs[int(index)]
