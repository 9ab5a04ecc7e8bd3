"""Groups of a stack and their people, from the settings of its environment."""

from constructs import Construct

from constructs_lib.contacts import Contacts, ContactsProps
from constructs_lib.group import Group, GroupProps, Places
from constructs_lib.site import Site
from constructs_lib.user import User, UserProps
from dropbatch.settings import Settings

__all__ = ["make_contacts", "make_groups"]


def make_contacts(scope: Construct, settings: Settings, site: Site) -> Contacts | None:
    """Mail to people of groups; none where no group has contacts."""
    addresses = {name: group.contacts for name, group in sorted(settings.group.items()) if group.contacts}
    return Contacts(scope, "Contacts", ContactsProps(site=site, addresses=addresses)) if addresses else None


def make_groups(scope: Construct, settings: Settings, site: Site, places: Places) -> None:
    """What members of each group may do, and IAM users for those who have no other way in."""
    groups = {
        name: Group(
            scope,
            f"Group-{name}",
            GroupProps(
                site=site,
                name=name,
                places=places,
                members=group.members,
                read_prefixes=group.read_prefixes,
            ),
        )
        for name, group in sorted(settings.group.items())
    }
    for user in sorted({user for group in settings.group.values() for user in group.users}):
        belongs = {name: group for name, group in groups.items() if user in settings.group[name].users}
        User(scope, f"User-{user}", UserProps(site=site, name=user, groups=belongs))
