"""`dropbatch-run --input FILE --output DIR -- COMMAND`, without AWS."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dropbatch.contract.endings import ExitCode
from dropbatch.runtime.main import main

ENV = {"PATH": os.environ["PATH"]}


def run(tmp_path: Path, *command: str, **options: str) -> tuple[int, dict[str, Any]]:
    """Run a command on a file of seven bytes; return exit code and record."""
    source = tmp_path / "in put.txt"
    source.write_text("content")
    given = {"input": str(source), "output": str(tmp_path / "out")} | options
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    code = main([*words, "--", *command], ENV)
    record = tmp_path / "out" / "_run.json"
    return code, json.loads(record.read_text()) if record.exists() else {}


def test_results_log_and_record_are_written_to_the_directory(tmp_path: Path):
    code, record = run(tmp_path, "sh", "-c", "mkdir {output}/sub && cp '{input}' {output}/sub/copy && echo said")

    assert code == 0
    assert (tmp_path / "out" / "sub" / "copy").read_text() == "content"
    assert (tmp_path / "out" / "_log.txt").read_text() == "said\n"
    assert record["status"] == "SUCCEEDED"
    assert record["outputs"][0]["uri"] == (tmp_path / "out" / "sub" / "copy").as_uri()


def test_a_directory_may_be_the_input(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1").write_text("1")
    (folder / "2").write_text("2")

    code, record = run(tmp_path, "sh", "-c", "cat {input}/* > {output}/all", input=str(folder))

    assert code == 0
    assert (tmp_path / "out" / "all").read_text() == "12"
    assert len(record["inputs"]) == 2


def test_a_link_keeps_its_name(tmp_path: Path):
    (tmp_path / "blob-17").write_text("content")
    (tmp_path / "reads.fastq").symlink_to("blob-17")

    code, record = run(tmp_path, "sh", "-c", "cat {input} > {output}/r", input=str(tmp_path / "reads.fastq"))

    assert code == 0
    assert record["input"] == (tmp_path / "reads.fastq").as_uri()
    assert (tmp_path / "out" / "r").read_text() == "content"


def test_parameters_reach_the_program(tmp_path: Path):
    code, record = run(tmp_path, "sh", "-c", "echo {param.k} > {output}/k", param="k=a=b")

    assert code == 0
    assert (tmp_path / "out" / "k").read_text() == "a=b\n"
    assert record["parameters"] == {"k": "a=b"}


def test_a_failure_leaves_no_results(tmp_path: Path):
    code, record = run(tmp_path, "sh", "-c", "echo half > {output}/half; exit 9")

    assert code == 9
    assert not (tmp_path / "out" / "half").exists()
    assert (record["status"], record["phase"], record["exit_code"]) == ("FAILED", "program", 9)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "no program to run"),
        (["--"], "no program to run"),
        (["wordcount"], "unrecognized arguments: wordcount"),
        (["--input", "/etc/hostname", "--", "true"], "belong together"),
        (["--output", "/tmp/x", "--", "true"], "belong together"),
        (["--input", "/no/such", "--output", "/tmp/x", "--", "true"], "does not exist"),
        (["--input", "/etc/hostname", "--output", "/etc/passwd", "--", "true"], "is a file: name a directory"),
        (["--input", "/etc/hostname", "--output", "/tmp/x", "--param", "k", "--", "true"], "NAME=VALUE"),
        (["--", "true"], "DROPBATCH_MANIFEST is not set"),
    ],
)
def test_invalid_usage_is_an_error(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]):
    assert main(argv, ENV) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_job_without_an_id_is_an_error(capsys: pytest.CaptureFixture[str]):
    assert main(["--", "true"], ENV | {"DROPBATCH_MANIFEST": "s3://b/k"}) == ExitCode.USAGE
    assert "AWS_BATCH_JOB_ID" in capsys.readouterr().err
