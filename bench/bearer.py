"""Bearer tokens for the connection route: what a client shows where connections are created. Good ones of every tenant,
thousands of distinct ones for the load, and such as nobody may accept."""
import os, time, uuid
from concurrent.futures import ThreadPoolExecutor

from gen import AUDIENCE, CLIENT, TENANT, b64u, compact, noise, writer

LENGTH = 1640  # of a token of the load: 1.6 KiB
MANY = 2000    # distinct tokens of the load


def claims(tenant, **extra):
    now = int(time.time())
    return {**dict(
        aud=AUDIENCE, iss=f"https://login.microsoftonline.com/{tenant}/v2.0", iat=now - 60, nbf=now - 60,
        exp=now + 86400, aio=noise(120), azp=CLIENT, azpacr="1", name="Adele Vance", oid=str(uuid.uuid4()),
        preferred_username="adele.vance@example.com", rh="1." + noise(56) + ".", roles=["Connection.Creator"],
        scp="Connections.ReadWrite Files.Read.All Mail.Read Sites.Read.All User.Read", sid=str(uuid.uuid4()),
        sub=noise(43), tid=tenant, uti=noise(22), ver="2.0"), **extra}


def sized(signer, tenant):
    """A token of LENGTH characters, give or take one: an opaque claim fills it up."""
    content = claims(tenant, xms_ftd="")
    around = len(signer.header()) + 2 + len(b64u(bytes(256)))
    return signer.token({**content, "xms_ftd": noise((LENGTH - around) * 3 // 4 - len(compact(content)))})


def refused(signer):
    """Tokens that no verification may let through, by what is wrong with them."""
    tenant = TENANT["fabrikam"]
    good = signer.token(claims(tenant))
    header, _, signature = good.split(".")
    last = "A" if good[-20] != "A" else "B"
    nothing = dict(typ="JWT", alg="none", kid=signer.keys[0][0])
    unsigned = ".".join(b64u(compact(part)) for part in (nothing, claims(tenant)))
    return {
        "a bad signature": good[:-20] + last + good[-19:],
        "another token's signature": f"{header}.{b64u(compact(claims(TENANT['contoso'])))}.{signature}",
        "signed with another key than it names": signer.token(claims(tenant), key=1, named=0),
        "expired": signer.token(claims(tenant, exp=int(time.time()) - 3600)),
        "not signed": unsigned + ".",
        "no token at all": "a.b.c",
    }


def make(out, signer):
    """Writes keys for the peers and tokens for wrk; returns the tokens of the correctness cases."""
    put = writer(out)
    for number, (_, path) in enumerate(signer.keys):
        put(f"signing-{number}.pem", signer.public(path))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        many = list(pool.map(lambda _: sized(signer, TENANT["fabrikam"]), range(MANY)))
    put("B-many.tokens", "".join(token + "\n" for token in many))
    groups = [str(uuid.uuid4()) for _ in range(200)]  # the most a provider puts into a token
    cloud = f"https://login.partner.microsoftonline.cn/{TENANT['fabrikam']}/v2.0"
    return dict(
        {name: sized(signer, tenant) for name, tenant in TENANT.items()},
        second=signer.token(claims(TENANT["fabrikam"]), key=1),
        big=signer.token(claims(TENANT["northwind"], groups=groups)),
        audience=signer.token(claims(TENANT["fabrikam"], aud="another-application")),
        elsewhere=signer.token(claims(TENANT["fabrikam"], iss=cloud)), refused=refused(signer))


def envoy_rules(policy):
    """The policy as rules of Envoy's RBAC filter, which refuses whatever one of them fits."""
    creator = lambda tenant: {"header": {"name": "x-ms-creator-tenant-id", "string_match": {"exact": tenant}}}
    claim = lambda name, match: {"metadata": {"filter": "envoy.filters.http.jwt_authn", "value": {
        "string_match": match}, "path": [{"key": "jwt"}, {"key": name}]}}
    exact = lambda tenant: {"exact": tenant}
    anything = [{"any": True}]
    no_creator = {"header": {"name": "x-ms-creator-tenant-id", "present_match": False}}
    ours = claim("iss", {"prefix": "https://login.microsoftonline.com/"})
    rules = {
        "no-creator": dict(permissions=[no_creator], principals=anything),
        "issuer": dict(permissions=anything, principals=[{"not_id": ours}]),
    }
    for tenant, (on, out, inn) in policy.items():
        if on and "*" not in out:
            known = {"or_ids": {"ids": [claim("tid", exact(t)) for t in [tenant, *out]]}}
            rules["outbound-" + tenant] = dict(permissions=[creator(tenant)], principals=[{"not_id": known}])
        if on and "*" not in inn:
            known = {"or_rules": {"rules": [creator(t) for t in [tenant, *inn]]}}
            rules["inbound-" + tenant] = dict(permissions=[{"not_rule": known}],
                                              principals=[claim("tid", exact(tenant))])
    return {"action": "DENY", "policies": rules}
