"""A client of the gateway and of the identity provider, told by its standard input what to do: one
JSON command a line, one JSON answer. It decides nothing and checks nothing: tests/gateway/asgi does.

    client.py --ca FILE
"""

import argparse
import base64
import html.parser
import json
import os
import sys

import requests


class Form(html.parser.HTMLParser):
    """The form of a page, as a browser reads it."""

    def __init__(self, text):
        super().__init__()
        self.action = None
        self.fields = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action = attributes["action"]
        if tag == "input":
            self.fields.append((attributes["name"], attributes["value"]))

    handle_startendtag = handle_starttag


def send(session, command):
    """Any request; `body` in base64."""
    response = session.request(
        command["method"],
        command["url"],
        headers=command.get("headers"),
        data=base64.b64decode(command.get("body", "")),
        allow_redirects=False,
    )
    return answered(response)


def sign_in(session, command):
    response = session.post(
        command["url"],
        data={
            "grant_type": "password",
            "client_id": command["client_id"],
            "username": command["username"],
            "password": "any",
            "scope": command["scope"],
        },
    )
    response.raise_for_status()
    return response.json()


def consent(session, command):
    """What a browser does: it asks to sign in, and sends the form of the page that comes back."""
    shown = session.get(command["url"], params=command["parameters"])
    shown.raise_for_status()
    form = Form(shown.text)
    response = session.post(form.action, data=form.fields, headers=command["headers"], allow_redirects=False)
    return {"action": form.action, "fields": dict(form.fields), **answered(response)}


def answered(response):
    sent = response.request.body or b""
    return {
        "sent": base64.b64encode(sent.encode() if isinstance(sent, str) else sent).decode(),
        "status": response.status_code,
        "headers": {name.lower(): value for name, value in response.headers.items()},
        "text": response.text,
    }


COMMANDS = {"send": send, "sign_in": sign_in, "consent": consent}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ca", required=True, help="the only CAs to trust, PEM")
    arguments = parser.parse_args()
    session = requests.Session()
    # Without this, proxies and CA bundles of the environment win over `verify`.
    session.trust_env = False
    session.verify = arguments.ca
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            reply = {"result": COMMANDS[command["do"]](session, command)}
        except Exception as error:  # the test wants to see it, and the process to live on
            reply = {"raised": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps({"id": command["id"], **reply}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
