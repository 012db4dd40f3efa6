"""The exchanges of the load, and the cases every peer has to decide rightly before its figures count."""
import http.client, ssl, sys

import gen
from gen import TENANT, TOKEN_PATH
from proxies import Failure

FORM = ("grant_type=authorization_code&client_id=" + gen.CLIENT + "&code=" + "0.AX0A" * 100
        + "&redirect_uri=https%3A%2F%2Flocalhost%2Fredirect")


def request(creator, segment, **headers):
    """One exchange: `creator` asks for a token at the path that starts with `segment`."""
    named = {"x-ms-client-tenant-id": TENANT[creator]} if creator else {}
    return ("POST", TOKEN_PATH.format(TENANT.get(segment, segment)),
            {"Content-Type": "application/x-www-form-urlencoded", **named, **headers}, FORM)


# What the load consists of, and the answer every inspecting peer has to give.
SCENARIOS = {
    "A-allow": (request("contoso", "fabrikam"), 200),        # allowed cross-tenant, on both sides' lists
    "A-block": (request("fabrikam", "organizations"), 403),  # the path names no tenant: only the reply tells
    "A-early": (request("fabrikam", "contoso"), 403),        # the path tells: Tidegate need not ask the provider
    "A-fresh": (request("contoso", "common"), 200),          # A-allow, from thousands of different replies
}
CHECKS = [
    ("same tenant", request("contoso", "contoso"), 200),
    ("allowed by both sides", request("contoso", "fabrikam"), 200),
    ("outbound blocked", request("contoso", "northwind"), 403),
    ("inbound blocked", request("northwind", "contoso"), 403),
    ("blocked, told by the reply alone", request("fabrikam", "organizations"), 403),
    ("inbound blocked, told by the reply alone", request("northwind", "organizations"), 403),
    ("no creator", request(None, "contoso"), 403),
    ("200 groups, same tenant", request("northwind", "consumers"), 200),
    ("200 groups, outbound blocked", request("contoso", "consumers"), 403),
    ("client takes gzip, blocked", request("fabrikam", "organizations", **{"Accept-Encoding": "gzip"}), 403),
]


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


def check(peer, port, tls, replies):
    """Every case decided rightly, and what is relayed relayed byte for byte: or its figures mean nothing."""
    wrong = []
    for what, (method, path, headers, body), want in CHECKS:
        if peer.role != "inspect":
            want = 200
        status, answer = ask(port, tls, method, path, headers, body)
        if status != want:
            wrong.append(f"{what}: {status}, expected {want}: {answer[:100]!r}")
        elif want == 200 and "Accept-Encoding" not in headers and answer != replies[path.split("/")[1]].encode():
            wrong.append(f"{what}: the reply is not the provider's, byte for byte")
        elif want == 403 and b"access_token" in answer:
            wrong.append(f"{what}: refused, but the token is in the answer")
    if wrong:
        raise Failure(f"{peer.name} decides wrongly:\n  " + "\n  ".join(wrong))
    print(f"{peer.name}: all {len(CHECKS)} cases as they should be", file=sys.stderr)
