"""Makes what a run needs in one directory: keys, Entra-shaped token replies, the mock provider's answers, and ONE
policy in each peer's own form. Python's standard library and the openssl command; nothing else.

Every token is really signed (RS256) with a key the mock provider publishes, so that a gateway may verify them.
"""
import base64, hashlib, json, os, random, secrets, subprocess, time, uuid
from concurrent.futures import ThreadPoolExecutor

AUDIENCE = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
CLIENT = "4b3d4e2c-0000-4444-8888-9a1b2c3d4e5f"
TENANT = {n: str(uuid.uuid5(uuid.NAMESPACE_DNS, n + ".example")) for n in ("contoso", "fabrikam", "northwind")}
FRESH = 4096  # distinct replies behind /common/: one for each value of three hexadecimal digits
TOKEN_PATH = "/{}/oauth2/v2.0/token"
CONNECTION_PATH = "/connections/shared-office365-1"
CREATED = json.dumps(dict(name="shared-office365-1", properties=dict(statuses=[dict(status="Connected")])))


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def noise(length):
    """Characters of a base64url alphabet: what opaque claims and refresh tokens look like."""
    return b64u(secrets.token_bytes(length))[:length]


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Signer:
    """Three RSA keys, as a provider publishes several; tokens use the first."""

    def __init__(self, out):
        self.jwks, self.keys = [], []  # keys: the name and the file of each
        for i in range(3):
            path = os.path.join(out, f"signing-{i}.key")
            openssl("genrsa", "-out", path, "2048")
            modulus = openssl("rsa", "-in", path, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
            kid = b64u(hashlib.sha1(modulus.encode()).digest())
            self.jwks.append(dict(kty="RSA", use="sig", kid=kid, x5t=kid, n=b64u(bytes.fromhex(modulus)), e="AQAB",
                                  issuer="https://login.microsoftonline.com/{tenantid}/v2.0"))
            self.keys.append((kid, path))

    def header(self, key=0):
        return b64u(compact(dict(typ="JWT", alg="RS256", kid=self.keys[key][0])))

    def token(self, claims, key=0, named=None):
        """Signed with one of the keys, whose name it bears unless another is `named`."""
        text = self.header(key if named is None else named) + "." + b64u(compact(claims))
        return text + "." + b64u(openssl("dgst", "-sha256", "-sign", self.keys[key][1], "-binary", data=text.encode()))

    def public(self, path):
        return openssl("rsa", "-in", path, "-pubout").decode()

    def reply(self, tenant, **extra):
        """A token reply of the usual shape and size: access, refresh and id token, 4.7 kB."""
        now = int(time.time())
        common = lambda: dict(
            aud=AUDIENCE, iss=f"https://login.microsoftonline.com/{tenant}/v2.0", iat=now - 60, nbf=now - 60,
            exp=now + 86400, aio=noise(120), name="Adele Vance", oid=str(uuid.uuid4()),
            preferred_username="adele.vance@example.com", rh="1." + noise(56) + ".", sid=str(uuid.uuid4()),
            sub=noise(43), tid=tenant, uti=noise(22), ver="2.0")
        access = dict(
            common(), azp=CLIENT, azpacr="1", email="adele.vance@example.com", xms_ftd=noise(60),
            scp="Connections.ReadWrite Files.Read.All Mail.Read Sites.Read.All User.Read",
            groups=[str(uuid.uuid4()) for _ in range(5)], wids=["b79fbf4d-3ef9-4689-8143-76b194e85509"],
            roles=["Connection.Creator"])
        access.update(extra)
        return json.dumps(dict(
            token_type="Bearer", scope="Files.Read.All Mail.Read openid profile offline_access", expires_in=4799,
            ext_expires_in=4799, access_token=self.token(access), refresh_token="1.AX0A" + noise(1146),
            id_token=self.token(dict(common(), **extra))))


def pieces(body):
    """nginx takes at most 4096 characters a parameter."""
    return [body[i:i + 3000] for i in range(0, len(body), 3000)]


def location(where, body):
    parts = pieces(body)
    sets = "".join(f"set $p{i} '{part}'; " for i, part in enumerate(parts))
    return f"location {where} {{ {sets}return 200 $p{'$p'.join(map(str, range(len(parts))))}; }}\n"


def fresh_maps(signer):
    """A different reply for each request, drawn from FRESH of them."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        replies = [pieces(r) for r in pool.map(lambda _: signer.reply(TENANT["fabrikam"]), range(FRESH))]
    width = max(map(len, replies))
    maps = "map $request_id $pick { ~(?<last3>...)$ $last3; }\n"
    for part in range(width):
        rows = "".join(f"  {i:03x} '{r[part] if part < len(r) else ''}';\n" for i, r in enumerate(replies))
        maps += f"map $pick $fresh{part} {{\n{rows}}}\n"
    path = TOKEN_PATH.format("common")
    return maps, f"location = {path} {{ return 200 ${'$'.join(f'fresh{i}' for i in range(width))}; }}\n"


def tenants(extra):
    """tenant -> (isolation on, outbound list, inbound list). Contoso -> Fabrikam is allowed on both sides."""
    policy = {TENANT["contoso"]: (True, [TENANT["fabrikam"]], []),
              TENANT["fabrikam"]: (True, [], [TENANT["contoso"]]),
              TENANT["northwind"]: (False, [], [])}
    ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"t{i}.example")) for i in range(extra)]
    near = lambda i, steps: [ids[(i + j) % extra] for j in steps]
    for i, tenant in enumerate(ids):
        policy[tenant] = (True, ["*"] if i % 7 == 0 else near(i, (1, 2, 3)), near(i, (4, 5, 6)))
    return policy


def write_policy(put, policy):
    """The same policy as Microsoft's documents (Tidegate), a Lua table (nginx) and lists of strings (HAProxy)."""
    for tenant, (on, out, inn) in policy.items():
        entries = [dict(tenantId=t, direction=dict(inbound=t in inn, outbound=t in out))
                   for t in dict.fromkeys(out + inn)]
        document = dict(properties=dict(tenantId=tenant, isDisabled=not on, allowedTenants=entries))
        put(f"policies/{tenant}.json", json.dumps(document, indent=1))
    # A tenant missing here is open in that direction: isolation off, or "*" on the list.
    closed = {"outbound": {t: p[1] for t, p in policy.items() if p[0] and "*" not in p[1]},
              "inbound": {t: p[2] for t, p in policy.items() if p[0] and "*" not in p[2]}}
    for name, side in closed.items():
        put(f"{name}.on", "".join(f"{t}\n" for t in side))
        put(f"{name}.ok", "".join(f"{t}|{x}\n" for t, listed in side.items() for x in listed))
    quote = lambda side: ",".join(f'["{t}"]={{' + ",".join(f'["{x}"]=true' for x in listed) + "}"
                                  for t, listed in side.items())
    put("policy.lua", f"""local OUT = {{{quote(closed['outbound'])}}}
local INN = {{{quote(closed['inbound'])}}}
return function(creator, signin)
  if creator == signin then return true end
  local o, i = OUT[creator], INN[signin]
  if o and not o[signin] then return false, "outbound" end
  if i and not i[creator] then return false, "inbound" end
  return true
end
""")


def writer(out):
    def put(name, text):
        with open(os.path.join(out, name), "w") as f:
            f.write(text)
    return put


def make(out, upstream, policy, fresh):
    """Fills `out`; `upstream` is the mock provider's port. Returns the signer, and replies by first path segment."""
    os.makedirs(os.path.join(out, "policies"), exist_ok=True)
    put, signer = writer(out), Signer(out)
    replies = {tenant: signer.reply(tenant) for tenant in TENANT.values()}
    replies["organizations"] = replies[TENANT["contoso"]]
    # 200 groups are the most a provider puts into a token.
    groups = [str(uuid.UUID(int=random.getrandbits(128))) for _ in range(200)]
    replies["consumers"] = signer.reply(TENANT["northwind"], groups=groups)
    locations = "".join(location("= " + TOKEN_PATH.format(s), body) for s, body in replies.items())
    maps, fresh_location = fresh_maps(signer) if fresh else ("", "")
    base = f"http://127.0.0.1:{upstream}"
    keys = json.dumps({"keys": signer.jwks})
    for version, issuer in (("/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0"),
                            ("", "https://sts.windows.net/{tenantid}/")):
        document = json.dumps(dict(issuer=issuer, jwks_uri=f"{base}/common/discovery{version}/keys",
                                   token_endpoint=f"{base}/common/oauth2{version}/token",
                                   id_token_signing_alg_values_supported=["RS256"]))
        dotted = version.replace(".", r"\.")
        locations += location(rf"~ ^/[^/]+{dotted}/\.well-known/openid-configuration$", document)
        locations += location(rf"~ ^/[^/]+/discovery{dotted}/keys$", keys)
    put("upstream.maps", maps)
    put("upstream.locations", locations + location("/connections/", CREATED) + fresh_location)
    write_policy(put, policy)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", os.path.join(out, "tls.key"), "-out", os.path.join(out, "tls.crt"))
    with open(os.path.join(out, "tls.crt")) as crt, open(os.path.join(out, "tls.key")) as key:
        put("tls.pem", crt.read() + key.read())
    return signer, replies
