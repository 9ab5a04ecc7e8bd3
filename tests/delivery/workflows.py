"""Run workflows as their files say, with a simulation of GitHub: which jobs run, and each step of a job.

A deleted step, or a changed condition or command, has the same effect here as on GitHub.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from tests.project import ROOT

__all__ = ["Workflow", "evaluate", "filled"]

_WORD = re.compile(r"'[^']*'|&&|\|\||!(?!=)|[A-Za-z_][\w.-]*\(?")
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_OF_STATUS = re.compile(r"\b(always|cancelled|failure|success)\(\)")
Contexts = Mapping[str, Any]


def evaluate(expression: str, contexts: Contexts) -> Any:
    """Evaluate a GitHub expression, with the functions that our workflows use; a missing value is an empty text."""

    def python(word: re.Match[str]) -> str:
        text = word[0]
        if text in _PYTHON:
            return _PYTHON[text]
        return text if text.startswith("'") or text.endswith("(") else f"at({text!r})"

    def at(path: str) -> Any:
        found: Any = contexts
        for name in path.split("."):
            found = found.get(name, "") if isinstance(found, Mapping) else ""
        return found

    known: dict[str, Callable[..., Any]] = {
        "at": at,
        "contains": lambda whole, part: part in whole,
        "fromJSON": json.loads,
        "cancelled": lambda: False,
        "failure": lambda: "failure" in contexts["results"],
    }
    return eval(_WORD.sub(python, " ".join(expression.split())), known)  # noqa: S307 -- our own files


def filled(text: Any, contexts: Contexts) -> str:
    """Return a text with its ``${{ … }}`` replaced."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1], contexts)), str(text))


class Workflow:
    """One file of ``.github/workflows``."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def jobs(self) -> dict[str, dict[str, Any]]:
        body: dict[str, Any] = YAML(typ="safe").load(ROOT / ".github/workflows" / self.name)
        found: dict[str, dict[str, Any]] = body["jobs"]
        return found

    def jobs_that_run(
        self,
        contexts: Contexts,
        outputs: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        failing: str = "",
    ) -> list[str]:
        """Return the names of the jobs that run, given jobs' `outputs` and the `failing` job."""
        needs: dict[str, dict[str, Any]] = {}
        for name, job in self.jobs.items():
            wanted = job.get("needs", [])
            own = {each: needs[each] for each in ([wanted] if isinstance(wanted, str) else wanted)}
            results = [each["result"] for each in own.values()]
            condition = str(job.get("if", "true"))
            # A condition without a status function implies success().
            tried = _OF_STATUS.search(condition) or all(result == "success" for result in results)
            runs = tried and evaluate(condition, {**contexts, "needs": own, "results": results})
            result = "skipped" if not runs else "failure" if name == failing else "success"
            needs[name] = {"result": result, "outputs": outputs.get(name, {}) if result == "success" else {}}
        return [name for name, each in needs.items() if each["result"] != "skipped"]

    def act(self, name: str, machine: "Machine", contexts: Contexts) -> dict[str, str]:
        """Run the steps of a job in order; return the job's outputs."""
        job = self.jobs[name]
        steps: dict[str, Any] = {}
        github = {**contexts.get("github", {}), "workspace": machine.root, "token": "a-token"}
        own: dict[str, Any] = {**contexts, "steps": steps, "github": github}
        environment = {key: filled(value, own) for key, value in job.get("env", {}).items()}
        # The subject of the token: a job of an environment, of a pull request, or of the branch.
        named = filled(job.get("environment", {}).get("name", ""), own)
        branch = "pull_request" if github.get("event_name") == "pull_request" else "ref:refs/heads/main"
        subject = f"environment:{named}" if named else branch
        for step in job["steps"]:
            if not evaluate(str(step.get("if", "true")), own):
                continue
            given = {key: filled(value, own) for key, value in step.get("with", {}).items()}
            if "run" in step:
                more = {key: filled(value, own) for key, value in step.get("env", {}).items()}
                outputs = machine.run(step["run"], {**environment, **more})
                steps[step.get("id", "")] = {"outputs": outputs}
            else:
                action = step["uses"].partition("@")[0].rpartition("/")[2]
                getattr(machine, action.replace("-", "_"))(given, subject)
        return {key: filled(value, own) for key, value in job.get("outputs", {}).items()}


class Machine:
    """A machine for a job, with a checkout only. Its methods have the names of actions."""

    def __init__(self, root: Path, artifacts: Path) -> None:
        self.root = root
        self.artifacts = artifacts
        """Artifacts of jobs."""

    def run(self, command: str, environment: Mapping[str, str]) -> dict[str, str]:
        """Run a command of a step; return the step's outputs."""
        raise NotImplementedError

    def configure_aws_credentials(self, given: Mapping[str, str], subject: str) -> None:
        """Assume an AWS role as `subject`."""
        raise NotImplementedError

    def checkout(self, given: Mapping[str, str], subject: str) -> None:
        """Do nothing: the tool exists here."""

    def tools(self, given: Mapping[str, str], subject: str) -> None:
        """Do nothing: the tools exist here."""

    def upload_artifact(self, given: Mapping[str, str], subject: str) -> None:
        """Upload a file, or the content of a folder."""
        source, target = self.root / given["path"], self.artifacts / given["name"]
        if not source.exists() and given["if-no-files-found"] == "ignore":
            return
        target.mkdir(parents=True, exist_ok=True)
        for path in source.iterdir() if source.is_dir() else [source]:
            shutil.copy(path, target)

    def download_artifact(self, given: Mapping[str, str], subject: str) -> None:
        """Download one artifact by name, or all that match a pattern, each into a folder unless merged."""
        pattern = given.get("pattern", given.get("name", ""))
        found = [path for path in sorted(self.artifacts.glob("*")) if fnmatch(path.name, pattern)]
        assert found or "pattern" in given, pattern
        for path in found:
            alone = "name" in given or given.get("merge-multiple") == "True"
            target = self.root / given["path"] / ("" if alone else path.name)
            shutil.copytree(path, target, dirs_exist_ok=True)
