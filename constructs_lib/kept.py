"""Stop `destroy` before it deletes resources that hold data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf import DataResource, ITerraformDependable, LocalExecProvisioner
from constructs import Construct

from constructs_lib.site import Site

__all__ = ["Kept", "KeptProps"]

_MESSAGE = """\
kept, since they may hold data and this environment is not disposable:
{things}
To delete them too, with all data in them: set disposable = true in environments/{environment}.toml, deploy, \
and destroy again. To leave them and forget them: terraform state rm what terraform state list still shows."""


@dataclass(frozen=True, kw_only=True)
class KeptProps:
    """Resources with data, by kind (``input bucket``), each with the resources that protect it."""

    site: Site
    things: Mapping[str, str]
    whole: Sequence[ITerraformDependable]


class Kept(Construct):
    """End `destroy` with a message before it touches data or the resources that protect data.

    Terraform destroys this first, since it depends on all that is kept; the command fails, and so nothing that it
    depends on is destroyed. What does not hold data goes. The environment's becoming disposable removes this resource
    from the configuration, and with it the command.
    """

    def __init__(self, scope: Construct, id_: str, props: KeptProps) -> None:
        super().__init__(scope, id_)
        things = "\n".join(f"  {what}: {name}" for what, name in props.things.items())
        DataResource(
            self,
            "Message",
            input={"message": _MESSAGE.format(things=things, environment=props.site.environment)},
            depends_on=list(props.whole),
            provisioners=[
                LocalExecProvisioner(
                    type="local-exec",
                    when="destroy",
                    command="printf '%s\\n' \"$KEPT\" >&2; exit 1",
                    environment={"KEPT": "${self.input.message}"},
                )
            ],
        )
