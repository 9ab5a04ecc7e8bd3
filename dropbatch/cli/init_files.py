"""What `init` writes: an environment file from five answers, and the folder of a new pipeline."""

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
    """To the five questions."""

    name: str = "dev"
    region: str = "eu-central-1"
    email: str = "you@example.org"
    monthly_usd: int = 50
    max_vcpus: int = 64


def environment_text(answers: Answers) -> str:
    """The environment file."""
    # As JSON: what is typed cannot end the string it stands in.
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
    """What the environment file made of these answers would be refused for; none when it is good."""
    from dropbatch.settings import SettingsError, load  # noqa: PLC0415 – heavy

    with tempfile.TemporaryDirectory() as scratch:
        # A name that is none must not become part of a path; it is the rule about names that is to speak then.
        plain = answers.name if answers.name.isalnum() else "x"
        path = Path(scratch, f"{plain}.toml")
        path.write_text(environment_text(answers), encoding="utf-8")
        try:
            load(path)
        except SettingsError as error:
            return [each.removeprefix(f"{path}: ") for each in error.faults]
    return []


def pipeline_table(name: str) -> str:
    """The table that declares the pipeline, for the environment file.

    Raises:
        UsageFault: the name is not one of a pipeline.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 – heavy

    from dropbatch.settings.models import RESERVED_FOLDERS, PipelineName  # noqa: PLC0415 – heavy

    try:
        TypeAdapter(PipelineName).validate_python(name)
    except ValidationError:
        raise UsageFault(
            f"{name!r} is no pipeline's name: 2 to 20 lower-case letters, digits and dashes, a letter first"
        ) from None
    if name in RESERVED_FOLDERS:
        raise UsageFault(f"{name} is a folder with a meaning of its own: choose another name")
    return _filled("pipeline.toml", {"NAME": name})


def pipeline_files(name: str) -> dict[str, str]:
    """Files of the pipeline's folder, by name."""
    return {
        "Dockerfile": _filled("Dockerfile", {}),
        "requirements.txt": _filled("requirements.txt", {}),
        "checksums.txt": _filled("checksums.txt", {}),
        name: _filled("program", {"NAME": name}),
        f"test_{name.replace('-', '_')}.py": _filled("test_program", {"NAME": name}),
    }


def write_all(folder: Path, contents: Mapping[str, str], *, executable: str = "") -> list[Path]:
    """Write files that must not be there yet; one that is there stops it all.

    Raises:
        UsageFault: one of them exists.
    """
    paths = {folder / name: text for name, text in contents.items()}
    for path in paths:
        if path.exists():
            raise UsageFault(f"{path} exists already and is left as it is: choose another name, or move it away")
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
