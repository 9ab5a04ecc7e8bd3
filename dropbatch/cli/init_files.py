"""Files that `init` writes: an environment file from five answers, and the folder of a new pipeline."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dropbatch.cli.errors import UsageFault

__all__ = ["Answers", "environment_text", "faults", "pipeline_files", "pipeline_table", "write_all"]

_EXECUTABLE = 0o755


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Answers to the five questions, with their defaults."""

    name: str = "dev"
    region: str = "eu-central-1"
    email: str = "you@example.org"
    monthly_usd: int = 50
    max_vcpus: int = 64


def environment_text(answers: Answers) -> str:
    """Return the content of the environment file."""
    # Encoded as JSON: typed text cannot break out of its string.
    return _filled(
        "environment.toml",
        {
            '"NAME"': json.dumps(answers.name),
            "deploy NAME": f"deploy {answers.name}" if answers.name.isalnum() else "deploy …",
            '"REGION"': json.dumps(answers.region),
            '"EMAIL"': json.dumps(answers.email),
            "MONTHLY_USD": str(answers.monthly_usd),
            "MAX_VCPUS": str(answers.max_vcpus),
            "HALF_VCPUS": str(max(answers.max_vcpus // 2, 1)),
        },
    )


def faults(answers: Answers) -> list[str]:
    """Return the validation errors of the environment file with these answers; none when it is valid."""
    from dropbatch.settings import SettingsError, load  # noqa: PLC0415 – heavy

    with tempfile.TemporaryDirectory() as scratch:
        # An invalid name must not become part of a path; validation reports it.
        plain = answers.name if answers.name.isalnum() else "x"
        path = Path(scratch, f"{plain}.toml")
        path.write_text(environment_text(answers), encoding="utf-8")
        try:
            load(path)
        except SettingsError as error:
            return [each.removeprefix(f"{path}: ") for each in error.faults]
    return []


def pipeline_table(name: str) -> str:
    """Return the table that declares the pipeline in the environment file.

    Raises:
        UsageFault: the name is not valid for a pipeline.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 – heavy

    from dropbatch.settings.models import RESERVED_FOLDERS, PipelineName  # noqa: PLC0415 – heavy

    try:
        TypeAdapter(PipelineName).validate_python(name)
    except ValidationError:
        raise UsageFault(
            f"{name!r} is not a valid pipeline name: use 2 to 20 lower-case letters, digits and dashes, "
            "starting with a letter"
        ) from None
    if name in RESERVED_FOLDERS:
        raise UsageFault(f"{name} is a reserved folder name: choose another name")
    return _filled("pipeline.toml", {"NAME": name})


def pipeline_files(name: str) -> dict[str, str]:
    """Return the files of the pipeline's folder, by name."""
    return {
        "Dockerfile": _filled("Dockerfile", {}),
        "requirements.txt": _filled("requirements.txt", {}),
        "checksums.txt": _filled("checksums.txt", {}),
        name: _filled("program", {"NAME": name}),
        f"test_{name.replace('-', '_')}.py": _filled("test_program", {"NAME": name}),
    }


def write_all(folder: Path, contents: Mapping[str, str], *, executable: str = "") -> list[Path]:
    """Write files that must not exist yet; if one exists, write none.

    Raises:
        UsageFault: one of them exists.
    """
    paths = {folder / name: text for name, text in contents.items()}
    for path in paths:
        if path.exists():
            raise UsageFault(f"{path} exists already and was not changed: choose another name, or move it")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        path.write_text(text, encoding="utf-8")
        if path.name == executable:
            path.chmod(_EXECUTABLE)
    return list(paths)


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = (files("dropbatch.cli") / "templates" / template).read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
