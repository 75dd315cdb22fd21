"""People and roles of the Jupyter server: who may do what, invitations, and what was refused.

The page asks the server itself, with the credential of whoever looks: a kernel could only speak for its owner, and a
viewer's page must not get more than the viewer may see.
"""

from __future__ import annotations

from ..report import section, sentence
from ._base import BaseWidget


class PeoplePanel(BaseWidget):
    """Shows people and their roles; an owner turns sharing on, invites, changes roles, revokes and reads the audit log.

    It needs the package's server extension, which comes with it. Roles are the server's: they hold for every notebook
    and workspace on it.
    """

    def static_html(self) -> str:
        """Return a line: who is there is no part of a report."""
        return section("People", sentence("People and roles are shown in JupyterLab, by the server that knows them."))
