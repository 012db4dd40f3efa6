"""The exchanges of the load, and the cases every peer has to decide rightly before its figures count."""
import http.client, json, ssl, sys
from dataclasses import dataclass, field

import bearer, gen
from gen import CONNECTION_PATH, CREATED, TENANT, TOKEN_PATH
from proxies import Failure

FORM = ("grant_type=authorization_code&client_id=" + gen.CLIENT + "&code=" + "0.AX0A" * 100
        + "&redirect_uri=https%3A%2F%2Flocalhost%2Fredirect")
CONNECTION = '{"properties":{"api":{"name":"office365"}}}'

# The answer every inspecting peer has to give. The first letter is the route.
SCENARIOS = {
    "A-allow": 200,  # allowed cross-tenant, on both sides' lists
    "A-block": 403,  # the path names no tenant: only the reply tells
    "A-early": 403,  # the path tells: Tidegate need not ask the provider
    "A-fresh": 200,  # A-allow, from thousands of different replies
    "B-one": 200,    # allowed cross-tenant, one token again and again
    "B-many": 200,   # the same, thousands of distinct tokens in turn
    "B-block": 403,  # not listed
}
DEFAULT = {"A": ["A-allow", "A-block"], "B": ["B-one", "B-many", "B-block"]}


@dataclass
class Route:
    """What is asked of a peer on one route, and what its configuration has to be told for it."""
    load: dict    # scenario -> request
    checks: list  # (what, request, statuses that are right, the body if it is relayed)
    values: dict = field(default_factory=dict)


def exchange(creator, segment, **headers):
    """`creator` asks for a token at the path that starts with `segment`."""
    named = {"x-ms-client-tenant-id": TENANT[creator]} if creator else {}
    return ("POST", TOKEN_PATH.format(TENANT.get(segment, segment)),
            {"Content-Type": "application/x-www-form-urlencoded", **named, **headers}, FORM)


def token_route(replies):
    load = {
        "A-allow": exchange("contoso", "fabrikam"),
        "A-block": exchange("fabrikam", "organizations"),
        "A-early": exchange("fabrikam", "contoso"),
        "A-fresh": exchange("contoso", "common"),
    }
    checks = [
        ("same tenant", exchange("contoso", "contoso"), 200),
        ("allowed by both sides", exchange("contoso", "fabrikam"), 200),
        ("outbound blocked", exchange("contoso", "northwind"), 403),
        ("inbound blocked", exchange("northwind", "contoso"), 403),
        ("blocked, told by the reply alone", exchange("fabrikam", "organizations"), 403),
        ("inbound blocked, told by the reply alone", exchange("northwind", "organizations"), 403),
        ("no creator", exchange(None, "contoso"), 403),
        ("200 groups, same tenant", exchange("northwind", "consumers"), 200),
        ("200 groups, outbound blocked", exchange("contoso", "consumers"), 403),
        ("client takes gzip, blocked", exchange("fabrikam", "organizations", **{"Accept-Encoding": "gzip"}), 403),
    ]
    relayed = lambda request: None if "Accept-Encoding" in request[2] else replies[request[1].split("/")[1]]
    return Route(load, [(what, request, {want}, relayed(request)) for what, request, want in checks])


def creation(creator, token):
    """`creator` makes a connection for the account that the token is for."""
    named = {"x-ms-creator-tenant-id": TENANT[creator]} if creator else {}
    shown = {"Authorization": "Bearer " + token} if token else {}
    return "PUT", CONNECTION_PATH, {"Content-Type": "application/json", **named, **shown}, CONNECTION


def connection_route(tokens):
    load = {
        "B-one": creation("contoso", tokens["fabrikam"]),
        "B-many": creation("contoso", None),  # wrk adds the tokens
        "B-block": creation("fabrikam", tokens["contoso"]),
    }
    checks = [
        ("same tenant", creation("contoso", tokens["contoso"]), {200}),
        ("allowed by both sides", creation("contoso", tokens["fabrikam"]), {200}),
        ("a token that was allowed, another creator", creation("northwind", tokens["fabrikam"]), {403}),
        ("the provider's second key", creation("contoso", tokens["second"]), {200}),
        ("outbound blocked", creation("contoso", tokens["northwind"]), {403}),
        ("inbound blocked", creation("northwind", tokens["contoso"]), {403}),
        ("no creator", creation(None, tokens["contoso"]), {403}),
        ("200 groups, same tenant", creation("northwind", tokens["big"]), {200}),
        ("200 groups, outbound blocked", creation("contoso", tokens["big"]), {403}),
        # Tidegate says that nobody signed in: a bad request.
        ("no token", creation("contoso", None), {400, 401}),
        # Envoy finds an issuer with the rules of its policy, and says 403 to both.
        ("another cloud's issuer", creation("contoso", tokens["elsewhere"]), {401, 403}),
        ("a wrong audience", creation("contoso", tokens["audience"]), {401, 403}),
    ] + [(what, creation("contoso", token), {401}) for what, token in tokens["refused"].items()]
    # Everything twice: what a peer remembers must change nothing.
    twice = [(what + again, request, right) for again in ("", ", again") for what, request, right in checks]
    return Route(load, [(*case, CREATED) for case in twice])


def prepare(route, run, upstream, policy, scenarios):
    """Makes what the run needs in its directory, and says what is asked of the peers."""
    signer, replies = gen.make(run, upstream, policy, "A-fresh" in scenarios)
    if route == "A":
        asked = token_route(replies)
    else:
        asked = connection_route(bearer.make(run, signer))
        asked.values = {f"KID{i}": kid for i, (kid, _) in enumerate(signer.keys)}
        asked.values["ENVOYRULES"] = json.dumps(bearer.envoy_rules(policy))
    for name, (method, path, headers, body) in asked.load.items():
        with open(f"{run}/{name}.request", "w") as f:
            lines = "".join(f"{k}: {v}\n" for k, v in headers.items())
            f.write(f"{method} {path}\n{lines}\n{body}")
    return asked


def ask(port, tls, method, path, headers, body):
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as e:
        return 0, repr(e).encode()
    finally:
        connection.close()


def check(peer, port, tls, asked):
    """Every case decided rightly, and what is relayed relayed byte for byte: or its figures mean nothing."""
    wrong = []
    for what, request, right, relayed in asked.checks:
        if peer.role != "inspect":
            right = {200}
        status, answer = ask(port, tls, *request)
        if status not in right:
            wrong.append(f"{what}: {status}, expected {' or '.join(map(str, sorted(right)))}: {answer[:100]!r}")
        elif status == 200 and relayed is not None and answer != relayed.encode():
            wrong.append(f"{what}: the reply is not the provider's, byte for byte")
        elif status != 200 and (b"access_token" in answer or answer == CREATED.encode()):
            wrong.append(f"{what}: refused, but what was withheld is in the answer")
    if wrong:
        raise Failure(f"{peer.name} decides wrongly:\n  " + "\n  ".join(wrong))
    print(f"{peer.name}: all {len(asked.checks)} cases as they should be", file=sys.stderr)
