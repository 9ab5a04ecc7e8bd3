"""Execute one run, from fence to record, with any store."""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbatch.contract import ledger
from dropbatch.contract.endings import ExitCode
from dropbatch.contract.options import Options
from dropbatch.contract.record import FileRecord, RunRecord
from dropbatch.runtime import command, program
from dropbatch.runtime.arguments import Arguments, OriginalUris
from dropbatch.runtime.errors import ProgramError, RefusedError, RunError, StageInError, StageOutError
from dropbatch.runtime.files import Scratch, find_results
from dropbatch.runtime.stop import Stop
from dropbatch.runtime.store import Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Task", "execute", "log_line"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """The command of a run, and facts about the run for its record."""

    run_id: str
    command: Sequence[str]
    attempt: int = 1
    group: str = ""
    pipeline: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    named: OriginalUris = field(default_factory=OriginalUris)
    options: Options = field(default_factory=Options)
    earlier: Sequence[Mapping[str, Any]] = ()
    job_id: str | None = None
    job_try: int | None = None
    image: str | None = None
    job_definition: str | None = None
    git_commit: str | None = None
    pool: str | None = None


def log_line(text: str) -> None:
    """Print one line to the container's log."""
    print(f"dropbatch-run: {text}", file=sys.stderr, flush=True)


def execute(task: Task, store: Store, env: Mapping[str, str], client: "Callable[[], S3Client]") -> int:
    """Run the task; return the exit code. Once the fence is taken, a record is written last in any case.

    Raises:
        SupersededError, RefusedError: the fence could not be taken; nothing was written.
    """
    with Stop() as stop:
        store.claim()
        store.discard()
        with Scratch(env.get("TMPDIR")) as scratch:
            return _Run(task, store, _RunContext(env, stop, scratch, client)).finish()


@dataclass(frozen=True)
class _RunContext:
    """The environment of a run: variables, signals, scratch directory and S3 client."""

    env: Mapping[str, str]
    stop: Stop
    scratch: Scratch
    client: "Callable[[], S3Client]"


class _Run:
    """A run in progress; collects the facts for its record."""

    def __init__(self, task: Task, store: Store, context: "_RunContext") -> None:
        self._task = task
        self._store = store
        self._env = context.env
        self._stop = context.stop
        self._scratch = context.scratch
        self._client = context.client
        self._started_at = ledger.timestamp(ledger.utc_now())
        self._inputs: list[FileRecord] = store.expected_inputs()
        self._config: FileRecord | None = None
        self._outputs: list[FileRecord] = []
        self._arguments: Arguments | None = None
        self._command = list(task.command)
        self._outcome: program.Outcome | None = None
        self._warnings: list[str] = []

    def finish(self) -> int:
        """Do all phases, then write log and record, whether they succeeded or not."""
        fault = self._attempt()
        if fault is not None:
            log_line(fault.line)
            self._store.withdraw(self._outputs)
            self._outputs = []
            self._keep_log(fault)
        code = fault.exit_code if fault else ExitCode.OK
        try:
            self._store.write_record(self._record(fault, code))
        except StageOutError as error:
            log_line(error.line)
            return code or error.exit_code
        return code

    def _attempt(self) -> RunError | None:
        """Do all phases; return the error that ended them, or None."""
        try:
            self._stage_in()
            self._run_program()
            self._stage_out()
        except RunError as fault:
            return fault
        except Exception as error:
            traceback.print_exc()
            kinds: dict[str | None, type[StageInError | StageOutError | RefusedError]] = {
                "stage-in": StageInError,
                "stage-out": StageOutError,
            }
            phase = self._stop.phase
            return kinds.get(phase, RefusedError)(f"unexpected {type(error).__name__}: {error}")
        finally:
            self._stop.phase = None
        return None

    def _stage_in(self) -> None:
        self._stop.phase = "stage-in"
        self._stop.check()
        options = self._task.options
        if options.requires_config and not self._store.has_config:
            raise RefusedError(options.requires_config)
        marked = command.mark(self._task.command, self._task.parameters)
        self._arguments = Arguments(marked, options, self._client, self._store, self._task.named)
        staged = self._store.stage_in(self._scratch.input)
        records, warnings = self._arguments.stage_in(self._scratch.input / "arguments", self._scratch.elsewhere)
        self._inputs = [*staged.records, *records]
        self._warnings += [*staged.warnings, *warnings]
        self._config = staged.config_record
        values = {
            "input": staged.input,
            "output": self._scratch.output if self._store.output_uri else None,
            "config": staged.config,
            "scratch": self._scratch.tmp,
            "input_uri": self._store.input_uri or None,
            "output_uri": self._store.output_uri or None,
        }
        known = {name: str(value) for name, value in values.items() if value is not None}
        self._command = command.fill(self._arguments.words, known)

    def _run_program(self) -> None:
        self._stop.phase = None
        # The image's root may be read-only, and the scratch directory is removed after the run.
        env = {**self._env, "TMPDIR": str(self._scratch.tmp)}
        outcome = program.run(self._command, env=env, log=self._scratch.log, stop=self._stop)
        self._outcome = outcome
        if not outcome.log_complete:
            self._warnings.append("the log is cut off: it could not be written to scratch")
        if outcome.reason is not None:
            stopped = 128 + self._stop.signal if self._stop.signal else ExitCode.REFUSED
            raise ProgramError(outcome.reason, outcome.exit_code or stopped)

    def _stage_out(self) -> None:
        self._stop.phase = "stage-out"
        self._stop.check()
        assert self._arguments is not None  # noqa: S101 – stage-in came before
        results, warnings = find_results(self._scratch.output)
        elsewhere, more = self._arguments.results()
        self._warnings += [*warnings, *more]
        if not results and not elsewhere:
            if self._task.options.requires_output:
                raise StageOutError("the program succeeded but left no result, and its pipeline requires one")
            if not self._arguments.outputs:
                self._warnings.append("the program succeeded but left no file in its output directory")
        self._outputs = self._store.publish(results, self._scratch.output)
        self._outputs += self._arguments.publish(elsewhere)
        self._store.write_log(self._scratch.log)
        for warning in self._warnings:
            log_line(f"warning: {warning}")

    def _keep_log(self, fault: RunError) -> None:
        try:
            with Path(self._scratch.log).open("ab") as log:
                log.write(f"dropbatch-run: {fault.line}\n".encode("utf-8", "replace"))
            self._store.write_log(self._scratch.log)
        except (StageOutError, OSError) as error:
            log_line(f"the log is not published: {error}")

    def _record(self, fault: RunError | None, code: int) -> RunRecord:
        task, outcome = self._task, self._outcome
        return RunRecord(
            status="FAILED" if fault else "SUCCEEDED",
            run_id=task.run_id,
            attempt=task.attempt,
            group=task.group,
            pipeline=task.pipeline,
            input=self._store.input_uri,
            inputs=self._inputs,
            config=self._config,
            outputs=self._outputs,
            parameters=task.parameters,
            command=self._command,
            phase=fault.phase if fault else None,
            reason=str(fault) if fault else None,
            exit_code=code,
            started_at=self._started_at,
            stopped_at=ledger.timestamp(ledger.utc_now()),
            job_id=task.job_id,
            job_try=task.job_try,
            image=task.image,
            job_definition=task.job_definition,
            git_commit=task.git_commit,
            pool=task.pool,
            earlier=task.earlier,
            peak_memory_mib=outcome.peak_memory_mib if outcome else None,
            cpu_seconds=outcome.cpu_seconds if outcome else None,
            warnings=self._warnings,
        )
