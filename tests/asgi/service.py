"""A service that creates connections, as an ASGI application. It believes what arrives.

    PUT or POST /connections/ID    creates a connection, 201
    POST /redirect                 creates one for a browser that comes back from signing in, 302
    GET /connections               lists what was created, each with the headers and bytes it got

It checks one thing, which a consent server must: that the form's `state` is the cookie's, or 400.
"""

import base64
import http.cookies

from web import Answer, application, document

DONE = "https://platform.example/done"

created = []


def create(request):
    created.append(
        {
            "method": request.method,
            "path": request.path,
            "headers": request.headers,
            "body": base64.b64encode(request.body).decode(),
        }
    )


def answer(request):
    collection, _, name = request.path.strip("/").partition("/")
    if collection == "connections" and request.method == "GET" and not name:
        return document(200, created)
    if collection == "connections" and request.method in ("PUT", "POST") and name:
        create(request)
        return document(201, {"name": name, "properties": {"overallStatus": "Connected"}})
    if request.path == "/redirect" and request.method == "POST":
        cookies = http.cookies.SimpleCookie(request.header("cookie") or "")
        if "state" not in cookies or cookies["state"].value != request.form().get("state"):
            return document(400, {"error": "state"})
        create(request)
        return Answer(302, headers=[("location", DONE)])
    return document(404, {"error": "not_found"})


app = application(answer)
