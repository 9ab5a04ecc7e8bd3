"""The command line of ``dropbatch-run``.

- In a job: ``dropbatch-run -- COMMAND…``. The manifest named by ``DROPBATCH_MANIFEST`` defines input and output.
- On a laptop: ``dropbatch-run --input FILE|DIR --output DIR -- COMMAND…``, without AWS.
- Anywhere: ``dropbatch-run -- COMMAND…`` with ``s3://`` URIs in the command. Only these are copied.
"""

# ruff: noqa: PLC0415 – boto3 takes a third of a second to import, so it is imported only when needed

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dropbatch import __version__
from dropbatch.contract import job_environment, keys
from dropbatch.contract.manifest import Manifest, ManifestError, RunSpec
from dropbatch.contract.options import Options, OptionsError
from dropbatch.runtime import uris
from dropbatch.runtime.arguments import OriginalUris
from dropbatch.runtime.errors import RefusedError, RunError, UsageError
from dropbatch.runtime.run import Task, execute, log_line

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["entry", "main"]

_EPILOG = """\
placeholders in COMMAND: {input} {output} {config} {scratch} {input_uri} {output_uri} {param.NAME}

s3:// URIs in COMMAND (an argument, --opt=s3://…, comma lists) become local paths: objects that exist are staged in, the
others are staged out if the program succeeds. Local paths are not changed, so the same command works everywhere.

exit codes: that of the program; 128+N when signal N ended it; 126 not executable, 127 not found; 64 usage, 65 refused,
66 stage-in, 73 stage-out, 75 superseded by another job

examples: dropbatch-run --input notes.txt --output result -- wordcount {input} {output}/counts.txt
          dropbatch-run -- wordcount s3://bucket/notes.txt s3://bucket/counts.txt
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see dropbatch-run --help")


def entry() -> NoReturn:
    """Console script."""
    sys.exit(main(sys.argv[1:], os.environ))


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command between stage-in and stage-out; return the exit code."""
    try:
        options, command = _parse(argv)
        if options.input is not None:
            return _on_laptop(options, command, env)
        if not env.get(job_environment.MANIFEST) and uris.find(command):
            return _by_arguments(options, command, env)
        return _in_job(command, env)
    except RunError as fault:
        log_line(fault.line)
        return fault.exit_code


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = _Parser(
        prog="dropbatch-run",
        usage="dropbatch-run [--input FILE|DIR --output DIR [--config FILE]] [--param NAME=VALUE] -- COMMAND…",
        description="Stage the input in, run a program, stage its results out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dropbatch-run {__version__}")
    parser.add_argument("--input", type=Path, metavar="FILE|DIR", help="local input, for a run without AWS")
    parser.add_argument("--output", type=Path, metavar="DIR", help="directory for results, _log.txt and _run.json")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the file for {config}")
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="value of {param.NAME}")
    own, dashes, command = _split(argv)
    options = parser.parse_args(own)
    if not dashes or not command:
        raise UsageError(
            "no program to run: put its command after --, as in dropbatch-run -- wordcount {input} {output}/counts.txt"
        )
    if (options.input is None) != (options.output is None):
        raise UsageError("--input and --output belong together: give both, or neither inside a job")
    if options.config is not None and options.input is None:
        raise UsageError("--config goes with --input and --output: inside a job the request names the config")
    return options, command


def _split(argv: Sequence[str]) -> tuple[list[str], bool, list[str]]:
    words = list(argv)
    if "--" not in words:
        return words, False, []
    at = words.index("--")
    return words[:at], True, words[at + 1 :]


def _on_laptop(options: argparse.Namespace, command: Sequence[str], env: Mapping[str, str]) -> int:
    from dropbatch.runtime.local import LocalStore

    task = Task(run_id="local", command=command, parameters=_parameters(options), options=_options(env))
    task = replace(task, git_commit=_commit(env))
    return execute(task, LocalStore(options.input, options.output, options.config), env, _client(env))


def _by_arguments(options: argparse.Namespace, command: Sequence[str], env: Mapping[str, str]) -> int:
    from dropbatch.runtime.command_store import CommandStore

    task = Task(run_id="local", command=command, parameters=_parameters(options), options=_options(env))
    return execute(task, CommandStore(), env, _client(env))


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    parameters = {}
    for text in options.param:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--param takes NAME=VALUE, got {text}")
        parameters[name] = value
    return parameters


def _options(env: Mapping[str, str]) -> Options:
    try:
        return Options.from_json(env.get(job_environment.OPTIONS, ""))
    except OptionsError as error:
        raise UsageError(f"{job_environment.OPTIONS}: {error}") from error


def _client(env: Mapping[str, str]) -> "Callable[[], S3Client]":
    """Return a function that creates the client at its first call."""

    @cache
    def make() -> "S3Client":
        from dropbatch.runtime.client import make_client

        return make_client(env)

    return make


def _in_job(command: Sequence[str], env: Mapping[str, str]) -> int:
    uri = env.get(job_environment.MANIFEST)
    if not uri:
        raise UsageError(
            f"{job_environment.MANIFEST} is not set: inside a job it is; on a laptop give --input FILE --output DIR"
        )
    job_id = env.get("AWS_BATCH_JOB_ID")
    if not job_id:
        raise UsageError("AWS_BATCH_JOB_ID is not set: AWS Batch sets it in every job")
    from dropbatch.runtime.client import read_manifest
    from dropbatch.runtime.s3 import S3Store

    client = _client(env)
    spec = pick(read_manifest(client(), uri), env.get("AWS_BATCH_JOB_ARRAY_INDEX"))
    store = S3Store(
        client(),
        spec,
        output_bucket=env.get(job_environment.OUTPUT_BUCKET) or keys.split_uri(uri)[0],
        job_id=job_id,
        environment=env.get(job_environment.ENVIRONMENT, ""),
    )
    tries = env.get("AWS_BATCH_JOB_ATTEMPT", "")
    task = Task(
        run_id=spec.run_id,
        attempt=spec.attempt,
        group=spec.group,
        pipeline=spec.pipeline,
        command=command,
        parameters=spec.parameters,
        named=OriginalUris(inputs=spec.named_inputs, outputs=spec.named_outputs),
        options=_options(env),
        earlier=spec.earlier,
        pool=spec.pool or None,
        job_id=job_id,
        job_try=int(tries) if tries.isdigit() else None,
        image=env.get(job_environment.IMAGE),
        job_definition=env.get(job_environment.JOB_DEFINITION),
        git_commit=_commit(env),
    )
    log_line(f"run {spec.run_id} attempt {spec.attempt}: {store.input_uri}")
    return execute(task, store, env, client)


def _commit(env: Mapping[str, str]) -> str | None:
    """The git commit of the image: from the environment, or from the file that dropbatch adds when it builds images."""
    file = Path(__file__).parents[1] / job_environment.COMMIT_FILE
    return env.get(job_environment.GIT_COMMIT) or (file.read_text(encoding="utf-8").strip() if file.is_file() else None)


def pick(text: bytes, index: str | None) -> RunSpec:
    """Return the job's run from the manifest: the one at the array index, or the only one.

    Raises:
        RefusedError: the text is not a manifest, or does not have this run.
    """
    try:
        manifest = Manifest.from_json(text)
    except ManifestError as error:
        raise RefusedError(str(error)) from error
    count = len(manifest.runs)
    if index is None:
        if count != 1:
            raise RefusedError(
                f"manifest {manifest.job_name} has {count} runs, but this job is not a child of an array: retry the run"
            )
        return manifest.runs[0]
    if not index.isdigit() or int(index) >= count:
        raise RefusedError(f"manifest {manifest.job_name} has {count} runs, this job's array index is {index}")
    return manifest.runs[int(index)]
