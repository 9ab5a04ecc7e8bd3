"""Unit tests of the runtime's modules."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from dropbatch.contract.endings import ExitCode
from dropbatch.runtime import command, errors, files, names, program
from dropbatch.runtime.stop import Stop

# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("lab/wordcount/notes.txt", "notes.txt"),
        ("notes.txt", "notes.txt"),
        ("a/ leading space", " leading space"),
        ("a/new\nline", "new\nline"),
        ("a/-rf", "-rf"),
        ("a/..b", "..b"),
        ("a/" + "x" * 255, "x" * 255),
    ],
)
def test_a_valid_file_name_is_kept(key: str, name: str):
    assert names.file_name(key) == name


@pytest.mark.parametrize(
    "key", ["a/..", "a/.", "..", ".", "", "a/", "a/nu\0l.txt", "a/" + "x" * 256, "a/" + "\u00fc" * 200 + ".csv"]
)
def test_an_invalid_file_name_is_replaced_by_a_valid_one(key: str, tmp_path: Path):
    name = names.file_name(key)

    assert name not in {"", ".", ".."}
    assert "/" not in name
    (tmp_path / name).write_bytes(b"")
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()


def test_the_suffix_of_a_long_name_is_kept():
    assert names.file_name("a/" + "x" * 400 + ".fastq").endswith(".fastq")


def test_different_keys_get_different_replacements():
    assert names.file_name("a/" + "x" * 300) != names.file_name("b/" + "x" * 300)


@pytest.mark.parametrize(
    ("relative", "words"),
    [
        ("_run.json", "has a reserved name"),
        ("_log.txt", "has a reserved name"),
        ("x" * 1024, "S3 allows 1024"),
        ("bad\udcff", "not UTF-8"),
    ],
)
def test_a_result_that_cannot_be_published_is_an_error(relative: str, words: str):
    with pytest.raises(errors.StageOutError, match=words):
        names.output_key("lab/p/", PurePosixPath(relative))


def test_a_reserved_name_below_a_directory_is_allowed():
    assert names.output_key("lab/p/", PurePosixPath("sub/_run.json")) == "lab/p/sub/_run.json"


# --- command -------------------------------------------------------------------------------------------------------

VALUES = {"input": "/s/in put", "output": "/s/out", "scratch": "/s/tmp", "config": "/s/config"}


@pytest.mark.parametrize(
    ("words", "filled"),
    [
        (["p", "{input}", "{output}/x"], ["p", "/s/in put", "/s/out/x"]),
        (["p", "--in={input},{input}"], ["p", "--in=/s/in put,/s/in put"]),
        (["awk", "{print $1}", "{}"], ["awk", "{print $1}", "{}"]),
        (["p", "{param.k}"], ["p", "{input}"]),
        (["p", "{{input}}"], ["p", "{/s/in put}"]),
        (["p", "{config}"], ["p", "/s/config"]),
    ],
)
def test_placeholders_are_replaced(words: list[str], filled: list[str]):
    assert command.fill(command.mark(words, {"k": "{input}"}), VALUES) == filled, "values are not looked at again"


def test_a_missing_output_uri_is_an_error():
    with pytest.raises(errors.RefusedError, match="output_uri"):
        command.fill(command.mark(["{output_uri}"], {}), VALUES)


# --- the error tree ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "phase"),
    [
        (errors.UsageError("x"), ExitCode.USAGE, "usage"),
        (errors.RefusedError("x"), ExitCode.REFUSED, "refused"),
        (errors.StageInError("x"), ExitCode.STAGE_IN, "stage-in"),
        (errors.ProgramError("x", 3), 3, "program"),
        (errors.StageOutError("x"), ExitCode.STAGE_OUT, "stage-out"),
        (errors.SupersededError("x"), ExitCode.SUPERSEDED, "superseded"),
        (errors.StoppedError(15, "stage-out"), 143, "stage-out"),
    ],
)
def test_every_error_has_its_exit_code_and_phase(error: errors.RunError, code: int, phase: str):
    assert (error.exit_code, error.phase) == (code, phase)


def test_the_tree_in_the_docstring_is_the_tree_of_errors():
    assert errors.__doc__ is not None
    for kind in errors.RunError.__subclasses__():
        assert kind.__name__ in errors.__doc__


# --- the program ---------------------------------------------------------------------------------------------------


def start(words: list[str], tmp_path: Path, **options: float) -> program.Outcome:
    with Stop() as stop:
        return program.run(words, env=os.environ, log=tmp_path / "log", stop=stop, **options)


def test_output_is_logged_byte_for_byte(tmp_path: Path):
    outcome = start([sys.executable, "-c", "import os; os.write(1, bytes(range(256)) * 4000)"], tmp_path)

    assert outcome.exit_code == 0
    assert (tmp_path / "log").read_bytes() == bytes(range(256)) * 4000


def test_memory_of_child_processes_counts(tmp_path: Path):
    child = "import time; y = b'y' * 60_000_000; time.sleep(1.2)"
    parent = f"import subprocess, sys; x = b'x' * 60_000_000; subprocess.run([sys.executable, '-c', {child!r}])"

    outcome = start([sys.executable, "-c", parent], tmp_path)

    assert outcome.peak_memory_mib > 114


def test_cpu_time_of_child_processes_counts(tmp_path: Path):
    outcome = start(["sh", "-c", f"{sys.executable} -c 'sum(range(10_000_000))'"], tmp_path)

    assert outcome.cpu_seconds > 0.05


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path):
    ignore = "import os, signal, time; signal.signal(15, signal.SIG_IGN); os.kill(os.getppid(), 15); time.sleep(300)"

    outcome = start([sys.executable, "-c", ignore], tmp_path, grace_seconds=0.3)

    assert outcome.exit_code == 137
    assert "stopped by SIGTERM" in (outcome.reason or "")


def test_a_full_disk_truncates_the_log_and_not_the_run(tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    (tmp_path / "log").symlink_to("/dev/full")

    outcome = start(["sh", "-c", "echo text; exit 4"], tmp_path)

    assert (outcome.exit_code, outcome.log_complete) == (4, False)


def test_a_missing_interpreter_is_named(tmp_path: Path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)

    with pytest.raises(errors.ProgramError, match="interpreter in its first line") as caught:
        start([str(script)], tmp_path)

    assert caught.value.exit_code == 127


# --- files ---------------------------------------------------------------------------------------------------------


def test_results_are_found_in_order_and_other_files_named(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2").write_text("2")
    (tmp_path / "a").write_text("1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")

    found, warnings = files.find_results(tmp_path)

    assert [str(path.relative_to(tmp_path)) for path in found] == ["a", "b/2"]
    assert sorted(warning.split()[2] for warning in warnings) == ["dangling", "loop", "pipe"]


# --- start ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["--input", "{file}", "--output", "{dir}", "--", "true"]])
def test_the_aws_sdk_is_not_imported_where_it_is_not_needed(arguments: list[str], tmp_path: Path):
    (tmp_path / "file").touch()
    words = [word.format(file=tmp_path / "file", dir=tmp_path / "dir") for word in arguments]
    check = (
        "import sys; from dropbatch.runtime.main import main\n"
        "try: main(sys.argv[1:], {'PATH': '/usr/bin:/bin'})\n"
        "except SystemExit: pass\n"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", check, *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
