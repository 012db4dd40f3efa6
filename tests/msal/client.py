"""MSAL for Python, told by its standard input what to do: one JSON command a line, one JSON answer.

It decides nothing and checks nothing: tests/gateway/msal.rs does. What it adds to MSAL is the
platform's part (the creator tenant's header, through MSAL's `http_client`) and two witnesses that
MSAL cannot get round:
- `sent` in each answer: every request MSAL made, with its `client-request-id`;
- `connections`: every address this process connected to, by an audit hook of the interpreter.

    client.py --ca FILE [--resolve HOST=ADDRESS:PORT]
"""

import argparse
import json
import os
import sys

CONNECTED = []


def witness(event, arguments):
    """Notes every connection, whoever makes it and however (connect and connect_ex alike)."""
    if event == "socket.connect":
        address = arguments[1]
        CONNECTED.append(f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address))


sys.addaudithook(witness)

import msal  # noqa: E402  (the witness comes first)
import requests  # noqa: E402
import urllib3.util.connection  # noqa: E402


class PlatformSession(requests.Session):
    """The platform's HTTP client: trusts one CA, says for whom a connection is made."""

    def __init__(self, ca, creator):
        super().__init__()
        # Without this, proxies and CA bundles of the environment win over `verify`.
        self.trust_env = False
        self.verify = ca
        self.sent = []
        if creator is not None:
            self.headers["x-ms-client-tenant-id"] = creator

    def send(self, request, **kwargs):
        entry = {
            "method": request.method,
            "url": request.url,
            "correlation_id": request.headers.get("client-request-id"),
        }
        self.sent.append(entry)
        response = super().send(request, **kwargs)
        entry["status"] = response.status_code
        return response


class App:
    """One MSAL application with a token cache of its own."""

    def __init__(self, ca, command):
        self.session = PlatformSession(ca, command.get("creator"))
        self.flow = None
        options = {"instance_discovery": False}
        if command.get("instance_discovery"):
            options = {}
        self.msal = msal.ConfidentialClientApplication(
            command.get("client_id", "msal-test"),
            authority=command["authority"],
            client_credential=command.get("credential", "any"),
            http_client=self.session,
            **options,
        )

    def describe(self):
        authority = self.msal.authority
        return {
            "token_endpoint": authority.token_endpoint,
            "authorization_endpoint": authority.authorization_endpoint,
            "device_authorization_endpoint": authority.device_authorization_endpoint,
            "tenant": authority.tenant,
        }

    def client_credentials(self, command):
        return self.msal.acquire_token_for_client(command["scopes"])

    def start_code(self, command):
        self.flow = self.msal.initiate_auth_code_flow(
            command["scopes"],
            redirect_uri=command["redirect_uri"],
            login_hint=command["login_hint"],
        )
        return {name: self.flow[name] for name in ("auth_uri", "code_verifier")}

    def finish_code(self, command):
        return self.msal.acquire_token_by_auth_code_flow(self.flow, command["response"])

    def silent_refresh(self, command):
        accounts = self.msal.get_accounts()
        result = self.msal.acquire_token_silent_with_error(
            command["scopes"], account=accounts[0] if accounts else None, force_refresh=True
        )
        return result or {"error": "nothing_cached"}

    def refresh_token(self, command):
        return self.msal.acquire_token_by_refresh_token(command["refresh_token"], command["scopes"])

    def on_behalf_of(self, command):
        return self.msal.acquire_token_on_behalf_of(command["assertion"], command["scopes"])


GRANTS = {
    name: getattr(App, name)
    for name in (
        "client_credentials",
        "start_code",
        "finish_code",
        "silent_refresh",
        "refresh_token",
        "on_behalf_of",
    )
}


def resolve(text):
    """Name resolution as an operator would change it: `host` leads to `address:port`."""
    host, _, target = text.partition("=")
    address, _, port = target.rpartition(":")
    plain = urllib3.util.connection.create_connection

    def create_connection(wanted, *arguments, **options):
        if wanted[0] == host:
            wanted = (address, int(port))
        return plain(wanted, *arguments, **options)

    urllib3.util.connection.create_connection = create_connection


def answer(ca, apps, command):
    do = command["do"]
    if do == "version":
        return {"msal": msal.__version__, "python": sys.version.split()[0]}
    if do == "connections":
        return {"connections": CONNECTED}
    if do == "open":
        app = App(ca, command)
        apps[command["app"]] = app
        return {"result": app.describe(), "sent": app.session.sent}
    app = apps[command["app"]]
    app.session.sent = []
    result = GRANTS[do](app, command)
    return {"result": result, "sent": app.session.sent}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ca", required=True, help="the only CA to trust, PEM")
    parser.add_argument("--resolve", metavar="HOST=ADDRESS:PORT")
    arguments = parser.parse_args()
    if arguments.resolve:
        resolve(arguments.resolve)
    # Answers go to the real standard output; whatever a library prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    apps = {}
    for line in sys.stdin:
        command = json.loads(line)
        try:
            reply = answer(arguments.ca, apps, command)
        except Exception as error:  # the test wants to see it, and the process to live on
            reply = {"raised": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"id": command.get("id"), **reply}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
