"""What the two ASGI applications here share: a request read to its end, an answer."""

import json
import urllib.parse


class Request:
    """One request: `headers` as a list of pairs, the names in lower case, the body in bytes."""

    def __init__(self, scope, body):
        self.method = scope["method"]
        self.path = scope["path"]
        self.query = parameters(scope["query_string"])
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self.body = body

    def header(self, name):
        return next((value for known, value in self.headers if known == name), None)

    def form(self):
        return parameters(self.body)


class Answer:
    def __init__(self, status, body=b"", media_type=None, headers=()):
        self.status = status
        self.body = body
        self.headers = [*headers, ("content-length", str(len(body)))]
        if media_type:
            self.headers.append(("content-type", media_type))


def parameters(encoded):
    return dict(urllib.parse.parse_qsl(encoded.decode("ascii"), keep_blank_values=True))


def document(status, value, headers=()):
    return Answer(status, json.dumps(value).encode(), "application/json", headers)


def page(status, text):
    return Answer(status, text.encode(), "text/html; charset=utf-8")


def application(answer):
    """The ASGI application that answers each HTTP request by a function."""

    async def app(scope, receive, send):
        assert scope["type"] == "http", scope["type"]
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        made = answer(Request(scope, body))
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in made.headers]
        await send({"type": "http.response.start", "status": made.status, "headers": headers})
        await send({"type": "http.response.body", "body": made.body})

    return app
