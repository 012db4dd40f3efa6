"""An identity provider like Entra, as an ASGI application. PyJWT makes its tokens, with keys that
cryptography made here: nothing of the gateway's own mock providers is in them.

    GET  /TENANT/v2.0/.well-known/openid-configuration
    GET  /TENANT/discovery/v2.0/keys     each key with its issuer, among keys that are of no use
    GET  /TENANT/oauth2/v2.0/authorize   response_type=code id_token, response_mode=form_post
    POST /TENANT/oauth2/v2.0/token       grant_type=password; at /oauth2/token, version 1.0
    POST /make                           any token that a test orders, right or wrong (see `make`)
    POST /rotate                         another key for enterprise tenants; the old one is gone
"""

import base64
import hashlib
import html
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

from web import application, document, page

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
TENANTS = {
    "contoso.com": "11111111-1111-4111-8111-111111111111",
    "fabrikam.com": "22222222-2222-4222-8222-222222222222",
    "northwind.com": "33333333-3333-4333-8333-333333333333",
    "outlook.com": PERSONAL,
}
SHARED = ("common", "organizations", "consumers")

V1 = "https://sts.windows.net/{tenantid}/"
V2 = "https://login.microsoftonline.com/{tenantid}/v2.0"

# The resource picks the version of its access tokens; Graph's carry a nonce in the header.
GRAPH = "https://graph.microsoft.com"
RESOURCES = {"api://v1": "1.0", "api://v2": "2.0", GRAPH: "1.0"}


class Key:
    """A key pair, and what its JWK says beside the key itself."""

    def __init__(self, private=None, **members):
        self.private = private or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = secrets.token_urlsafe(20)
        self.members = members

    @property
    def public(self):
        return self.private.public_key()

    def encoded(self, encoding):
        return self.public.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)

    def jwk(self):
        algorithm = RSAAlgorithm if isinstance(self.public, rsa.RSAPublicKey) else ECAlgorithm
        jwk = algorithm.to_jwk(self.public, as_dict=True)
        jwk.pop("key_ops", None)  # PyJWT's; Entra's keys have none
        return {**jwk, "use": "sig", "kid": self.kid, **self.members}


def enterprise():
    return Key(issuer=V2)


KEYS = {
    "enterprise": enterprise(),
    "personal": Key(issuer=V2.replace("{tenantid}", PERSONAL)),
    "elliptic": Key(ec.generate_private_key(ec.SECP256R1()), issuer=V2),
    "encrypting": Key(issuer=V2, use="enc"),
    "rs384": Key(issuer=V2, alg="RS384"),
    "unpublished": Key(issuer=V2),
}


def issuer(version, tenant):
    return (V1 if version == "1.0" else V2).replace("{tenantid}", tenant)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(version, tenant, audience):
    now = int(time.time())
    return {
        "aud": audience,
        "iss": issuer(version, tenant),
        "iat": now - 300,
        "nbf": now - 300,
        "exp": now + 3600,
        "oid": secrets.token_hex(16),
        "sub": secrets.token_urlsafe(32),
        "tid": tenant,
        "ver": version,
    }


def key_of(tenant):
    return KEYS["personal" if tenant == PERSONAL else "enterprise"]


def token(tenant, version, audience, **more):
    key = key_of(tenant)
    payload = {**claims(version, tenant, audience), **more}
    if audience == GRAPH:
        return with_nonce(payload, key)
    return jwt.encode(payload, key.private, "RS256", {"kid": key.kid})


def with_nonce(payload, key):
    """A token as Graph's: the header that travels holds the nonce, the signed one its hash."""
    nonce = secrets.token_urlsafe(32)
    hashed = base64url(hashlib.sha256(nonce.encode("ascii")).digest())
    signed = jwt.encode(payload, key.private, "RS256", {"kid": key.kid, "nonce": hashed})
    head, _, rest = signed.partition(".")
    text = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    return base64url(text.replace(hashed.encode(), nonce.encode())) + "." + rest


class AnySecret(HMACAlgorithm):
    """PyJWT refuses a public key as the secret; an attacker's library does not."""

    def prepare_key(self, key):
        return key


SIGNING = {
    "HS256": AnySecret(AnySecret.SHA256),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
}


def make(order):
    """A token as ordered. Each member may be left out but `tenant`:

    tenant, version, audience    whose, and what for
    claims, headers              more of them; null takes one away
    key, named, enclosed         the key that signs, the one that `kid` names, one put into the header
    alg                          the algorithm
    by                           the algorithm that really signs, whatever `alg` says
    secret                       for HS256: "pem", "der" or "jwk", the public key in that form
    """
    key = KEYS[order.get("key", "enterprise")]
    algorithm = order.get("alg", "RS256")
    payload = claims(order.get("version", "2.0"), order["tenant"], order.get("audience", "api://v2"))
    payload = changed(payload, order.get("claims", {}))
    headers = {"kid": KEYS[order["named"]].kid if "named" in order else key.kid}
    if "enclosed" in order:
        headers["jwk"] = KEYS[order["enclosed"]].jwk()
    headers = changed(headers, order.get("headers", {}))
    signing = None if algorithm == "none" else key.private
    by = order.get("by")
    if "secret" in order:
        signing, by = as_secret(key, order["secret"]), "HS256"
    if by is None:
        return jwt.encode(payload, signing, algorithm, headers)
    signer = jwt.PyJWS()
    signer.unregister_algorithm(algorithm)
    signer.register_algorithm(algorithm, SIGNING[by])
    return signer.encode(json.dumps(payload).encode(), signing, algorithm, headers)


def as_secret(key, form):
    if form == "jwk":
        return json.dumps(key.jwk()).encode()
    return key.encoded({"pem": serialization.Encoding.PEM, "der": serialization.Encoding.DER}[form])


def changed(members, changes):
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def metadata(request, tenant):
    base = f"https://{request.header('host')}/{tenant}"
    return document(
        200,
        {
            "issuer": V2 if tenant in SHARED else issuer("2.0", tenant),
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "response_types_supported": ["code", "id_token", "code id_token"],
            "subject_types_supported": ["pairwise"],
        },
    )


def signed_in(username):
    return TENANTS[username.rpartition("@")[2]]


def sign_in(request, version):
    form = request.form()
    if form.get("grant_type") != "password":
        return document(400, {"error": "unsupported_grant_type"})
    tenant = signed_in(form["username"])
    resource = form["scope"].split("/.default")[0]
    named = {"preferred_username": form["username"]}
    return document(
        200,
        {
            "token_type": "Bearer",
            "expires_in": 3600,
            "access_token": token(tenant, RESOURCES[resource], resource, scp="connect"),
            "id_token": token(tenant, version, form["client_id"], **named),
        },
    )


def authorize(request):
    """Whoever `login_hint` names consents at once; the page's script sends the form."""
    query = request.query
    if (query["response_type"], query["response_mode"]) != ("code id_token", "form_post"):
        return document(400, {"error": "unsupported_response_type"})
    tenant = signed_in(query["login_hint"])
    fields = {
        "code": "0." + secrets.token_urlsafe(60),
        "id_token": token(tenant, "2.0", query["client_id"], nonce=query["nonce"]),
        "state": query["state"],
        "session_state": secrets.token_hex(16),
    }
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(value)}"/>' for name, value in fields.items()
    )
    action = html.escape(query["redirect_uri"])
    return page(
        200,
        f'<html><body><form method="POST" action="{action}">{inputs}</form>'
        "<script>document.forms[0].submit();</script></body></html>",
    )


def answer(request):
    if request.path == "/make":
        return document(200, {"token": make(json.loads(request.body))})
    if request.path == "/rotate":
        KEYS["enterprise"] = enterprise()
        return document(200, {})
    tenant, _, rest = request.path.strip("/").partition("/")
    answers = {
        "v2.0/.well-known/openid-configuration": lambda: metadata(request, tenant),
        "discovery/v2.0/keys": lambda: document(
            200, {"keys": [key.jwk() for name, key in KEYS.items() if name != "unpublished"]}
        ),
        "oauth2/v2.0/authorize": lambda: authorize(request),
        "oauth2/v2.0/token": lambda: sign_in(request, "2.0"),
        "oauth2/token": lambda: sign_in(request, "1.0"),
    }
    found = answers.get(rest)
    return found() if found else document(404, {"error": "not_found"})


app = application(answer)
