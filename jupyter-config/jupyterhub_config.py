"""A JupyterHub with the roles of medilytica_widgets, which works as it is.

::

    pip install "medilytica-widgets[hub]"
    npm install --global configurable-http-proxy
    MEDILYTICA_HUB_TRY=1 jupyterhub --config jupyterhub_config.py

That is for trying it on one's own computer: everybody signs in with any name and the password that
MEDILYTICA_HUB_PASSWORD holds (made up and printed if it is unset), and all servers run under one account. Without
MEDILYTICA_HUB_TRY the hub signs people in by the system's accounts (PAM) and starts each server under its person's.

Roles on somebody's server are custom scopes, always for that one server or person:

    custom:medilytica:owner!user=alice        everything, and decides who else may
    custom:medilytica:editor!server=alice/    changes experiments and files, and runs code as alice
    custom:medilytica:viewer!server=alice/    looks

The server's own user is always an owner there. Others get a role by a share or a share code, which an owner makes in
the People panel, or by a hub role such as the one at the end of this file.
"""

import os
import secrets
import sys
from pathlib import Path

c = get_config()  # noqa: F821

TRYING = os.environ.get("MEDILYTICA_HUB_TRY", "").lower() in {"1", "on", "true", "yes"}
HERE = Path(os.environ.get("MEDILYTICA_HUB_FOLDER", Path.cwd())).resolve()

# -- the hub ---------------------------------------------------------------------

# Where browsers find it. Change it to the address and port that people use; give it a certificate (c.JupyterHub.ssl_key
# and ssl_cert) or put it behind a proxy that has one, because log-in cookies travel over it.
c.JupyterHub.bind_url = os.environ.get("MEDILYTICA_HUB_URL", "http://127.0.0.1:8000")

# Its memory of people, shares and tokens. Keep both files, and keep them private.
c.JupyterHub.db_url = f"sqlite:///{HERE / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(HERE / "jupyterhub_cookie_secret")

# The proxy comes from npm; name it here if it is not on the PATH.
if os.environ.get("MEDILYTICA_HUB_PROXY"):
    c.ConfigurableHTTPProxy.command = os.environ["MEDILYTICA_HUB_PROXY"].split()
c.ConfigurableHTTPProxy.pid_file = str(HERE / "jupyterhub-proxy.pid")

# -- who signs in ----------------------------------------------------------------

if TRYING:
    c.JupyterHub.authenticator_class = "dummy"
    password = os.environ.get("MEDILYTICA_HUB_PASSWORD") or secrets.token_urlsafe(12)
    if "MEDILYTICA_HUB_PASSWORD" not in os.environ:
        sys.stderr.write(f"Everybody signs in with any name and the password {password}\n")
    c.DummyAuthenticator.password = password
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(HERE / "homes" / "{username}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # root is refused unless told; whoever tries a hub in a container means it
        c.Spawner.args = ["--allow-root"]
else:
    # Change this to what your house signs in with: oauthenticator, ldapauthenticator, …
    c.JupyterHub.authenticator_class = "pam"

# Who may sign in at all. Narrow it (allowed_users, allow_existing_users or your authenticator's groups) if not
# everybody whom the authenticator knows shall.
c.Authenticator.allow_all = True
c.Authenticator.admin_users = set(os.environ.get("MEDILYTICA_HUB_ADMINS", "").split())

# -- the servers -----------------------------------------------------------------

c.Spawner.default_url = "/lab"
# A busy machine needs a while to start one.
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120

# A folder that all servers see, for data sets: a link named "shared" in each home. On a real hub give it a group and
# make it writable for that group alone; with containers, mount it instead of linking it.
SHARED = HERE / "shared"
SHARED.mkdir(parents=True, exist_ok=True)


def link_shared(spawner):
    """Put a link to the shared folder into a person's home before the server starts."""
    if not TRYING:
        # the home belongs to the person; an administrator links or mounts the folder there
        return
    home = Path(c.SimpleLocalProcessSpawner.home_dir_template.format(username=spawner.user.name))
    home.mkdir(parents=True, exist_ok=True)
    link = home / "shared"
    if not link.is_symlink() and not link.exists():
        link.symlink_to(SHARED, target_is_directory=True)


c.Spawner.pre_spawn_hook = link_shared

# Sharing is on at every server from its first moment, so that a share never gives more than its role. With "off",
# people with access to a server may do everything there until its owner turns sharing on.
c.Spawner.environment = {"MEDILYTICA_SHARING": "on"}

# -- roles -----------------------------------------------------------------------

c.JupyterHub.custom_scopes = {
    "custom:medilytica:owner": {
        "description": "Do everything on a server, and decide who else may",
        "subscopes": ["custom:medilytica:editor"],
    },
    "custom:medilytica:editor": {
        "description": "Change experiments and files on a server, and run code as its owner",
        "subscopes": ["custom:medilytica:viewer"],
    },
    "custom:medilytica:viewer": {"description": "Look at a server's experiments"},
}
ROLES = [f"custom:medilytica:{role}" for role in ("owner", "editor", "viewer")]

# A server learns these scopes of a person who comes to it, for itself ("!server") and no other server.
c.Spawner.oauth_client_allowed_scopes = [f"{scope}!server" for scope in ROLES]

# A server may make and take back share codes for itself: the People panel's invitations. Take "shares!server" out here
# if only administrators shall share.
c.Spawner.server_token_scopes = [
    "users:activity!user",
    "access:servers!server",
    "shares!server",
    *(f"{scope}!server" for scope in ROLES),
]

c.JupyterHub.load_roles = [
    {
        # what everybody has for himself: one can only give away what one has
        "name": "user",
        "description": "One's own servers, and sharing them",
        "scopes": ["self", "shares!user", *(f"{scope}!user" for scope in ROLES)],
    },
    # A team whose members look at Alice's server, without any share. Uncomment it and name your own people:
    # {
    #     "name": "alices-viewers",
    #     "scopes": ["access:servers!server=alice/", "custom:medilytica:viewer!server=alice/"],
    #     "groups": ["team"],
    # },
]
