"""Commands of ours that Terraform runs."""

__all__ = ["project_command"]


def project_command(module: str, *arguments: str) -> str:
    """A shell command that runs a module of the project, in the project's folder.

    Terraform runs it in the folder of the stack, cdktf.out/stacks/<environment>; whoever runs Terraform elsewhere says
    where the project is. `$${` is how Terraform writes the shell's `${`. The project's own Python comes before the one
    on PATH.
    """
    for each in arguments:
        if "'" in each:
            raise ValueError(f"an argument must not hold a quote, got {each!r}: name it otherwise")
    quoted = " ".join(each if each.startswith("--") or each.isalpha() else f"'{each}'" for each in arguments)
    return (
        f'cd "$${{DROPBATCH_PROJECT_ROOT:-../../..}}" && PATH="$PWD/.venv/bin:$PATH" exec python3 -m {module} {quoted}'
    )
