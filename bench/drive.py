#!/usr/bin/env python3
"""Runs the peers one at a time, rounds interleaved, and prints medians and ratios as Markdown. See README.md."""
import argparse, json, os, platform, re, shlex, shutil, signal, subprocess, sys, tempfile, time
from dataclasses import dataclass

sys.dont_write_bytecode = True
import gen, measure, proxies, report  # noqa: E402, after the setting above: no __pycache__ in the repository
from cases import DEFAULT, SCENARIOS, check, prepare  # noqa: E402
from proxies import Failure  # noqa: E402


@dataclass(frozen=True)
class Load:
    connections: int
    rate: int = 0     # requests a second over all connections; 0: as fast as the answers come

    def __str__(self):
        s = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return s + (f", about {self.rate:,} req/s" if self.rate else ", back to back")


def options():
    ap = argparse.ArgumentParser(prog="bench/run", description="End-to-end load, the gateway beside nginx and HAProxy.")
    mode = ap.add_mutually_exclusive_group()
    mode.add_argument("--low-load", action="store_true", help="latency at low load instead of throughput")
    mode.add_argument("--memory", action="store_true", help="resident memory idle, with 1,000 policies")
    mode.add_argument("--check", action="store_true", help="only: does every peer decide rightly?")
    ap.add_argument("--tls", action="store_true", help="TLS 1.3 between wrk and the proxy")
    ap.add_argument("--route", choices=["A", "B"], default="A", help="A: token route, the default; B: connection route")
    ap.add_argument("--scenarios", metavar="LIST",
                    help="of " + ", ".join(SCENARIOS) + "; those of the other route are left out")
    ap.add_argument("--only", default="", metavar="LIST", help="peers, by name; default: all")
    ap.add_argument("--tidegate", default=os.path.join(proxies.ROOT, "target/release/tidegate"), metavar="PATH",
                    help="the build under test; default: target/release/tidegate")
    ap.add_argument("--variant", action="append", default=[], metavar="NAME=PATH",
                    help="one more build as a peer of its own; settings of its environment may stand before "
                         "the path: 'quiet=NAME=VALUE PATH'. May be given again")
    ap.add_argument("--envoy", default="envoy", metavar="PATH", help="route B; default: the PATH's")
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--seconds", type=int, default=4, help="per sample, after 1 s of warming up")
    ap.add_argument("--connections", type=int, default=64)
    ap.add_argument("--rate", type=int, default=1000, help="--low-load: requests a second of the second table")
    ap.add_argument("--threads", type=int, default=1, help="of the proxy, one processor each")
    ap.add_argument("--tenants", type=int, metavar="N", help="policies in force; default 11, with --memory 1000")
    ap.add_argument("--audit", metavar="FILE", help="the gateway writes its audit records here, not to /dev/null")
    ap.add_argument("--noise", type=float, default=10, metavar="PERCENT",
                    help="a sample with other jobs above this, of one processor, is taken again (default 10)")
    ap.add_argument("--patience", type=int, default=60, metavar="S", help="wait for a quiet machine, per sample")
    ap.add_argument("--json", metavar="FILE", help="append every sample here, a JSON line each")
    ap.add_argument("--keep", action="store_true", help="leave the run's directory (configurations, logs) behind")
    a = ap.parse_args()
    chosen = a.scenarios.split(",") if a.scenarios else DEFAULT[a.route]
    for s in chosen:
        if s not in SCENARIOS:
            ap.error(f"--scenarios: {s} is none of {', '.join(SCENARIOS)}")
    # `bench/run all` asks every route with the same list: where none of it is this route's, its own are meant.
    a.scenarios = [s for s in chosen if s[0] == a.route] or DEFAULT[a.route]
    a.tenants = a.tenants or (1000 if a.memory else 11)
    if a.tenants < 11:
        ap.error("--tenants: at least 11")
    if a.audit:
        a.audit = os.path.abspath(a.audit)
        # The file is emptied at each start of the gateway: nothing but audit records may be in it.
        if os.path.exists(a.audit):
            with open(a.audit, "rb") as f:
                if f.read(8) not in (b"", b'{"time":'):
                    ap.error(f"--audit: {a.audit} holds something else and would be overwritten")
    return a


def all_peers(a, route):
    peers = proxies.stock(route, a.envoy) + proxies.tidegate(route, "tidegate", a.tidegate)
    for v in a.variant:
        name, _, command = v.partition("=")
        peers += proxies.tidegate(route, name, command)
    return peers


def choose(a):
    peers = all_peers(a, a.route)
    names = [p.name for p in peers]
    if len(set(names)) != len(names):
        raise Failure("two peers have the same name: " + ", ".join(names))
    only = a.only.split(",") if a.only else names
    # `bench/run all` asks every route with the same list.
    every = {p.name for route in DEFAULT for p in all_peers(a, route)}
    unknown = [n for n in only if n not in every]
    if unknown:
        raise Failure(f"--only: no peer named {', '.join(unknown)}; there are {', '.join(names)}")
    peers = [p for p in peers if p.name in only and not (a.memory and p.role != "inspect")]
    for p in peers if not a.only else []:
        need = p.optional and proxies.own_need(p)
        if need:
            print(f"!! {p.name} is left out. Missing: {need}", file=sys.stderr)
            peers = [q for q in peers if q is not p]
    if not peers:
        raise Failure("no peer is left to run")
    gone = proxies.missing(peers)
    if gone:
        raise Failure("Missing:\n  " + "\n  ".join(gone) + "\nOn Debian: apt-get install nginx " + proxies.LUA
                      + " haproxy wrk openssl\nTo leave peers out: --only direct,nginx-pass,haproxy-pass,...")
    return peers


def first_line(*command):
    # nginx names its version on the error output, wrk ends with 1 after naming it.
    done = subprocess.run(command, capture_output=True, text=True)
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else "?"


def preamble(a, bench, peers):
    with open("/proc/cpuinfo") as f:
        model = next((x.split(":")[1].strip() for x in f if x.startswith("model name")), platform.machine())
    commit = first_line("git", "-C", proxies.ROOT, "describe", "--always", "--dirty")
    commit = "none" if commit.startswith("fatal") else commit
    print(f"## bench/run {shlex.join(sys.argv[1:])}".rstrip())
    print(f"\n{time.strftime('%Y-%m-%d')}, commit {commit}; {model}, {os.cpu_count()} processors, "
          f"Linux {platform.release()}. Processors: proxy {bench.proxy_cpus}, provider {bench.provider_cpu}, "
          f"wrk {bench.wrk_cpus}.")
    tools = [first_line("nginx", "-v")]
    if shutil.which("haproxy"):
        tools.append(first_line("haproxy", "-v").split(" - ")[0])
    if any("envoy.yaml" in p.files for p in peers):
        found = re.search(r"/(\d+\.\d+\.\d+)/", first_line(a.envoy, "--version"))
        tools.append("Envoy " + (found[1] if found else "?"))
    tools.append(first_line("wrk", "-v").split(" Copyright")[0])
    print("Versions: " + "; ".join(tools) + ".", flush=True)


def measure_one(a, bench, peer, process, provider, scenario, load):
    """The quietest of up to three samples; the first one that is quiet enough ends it."""
    port = process.port if process is not provider else bench.upstream_tls if bench.tls else bench.upstream
    best, sent = None, 0
    for _ in range(3):
        measure.wait_quiet(a.patience)
        r = measure.sample(bench, process, provider, scenario, load, port, a.seconds)
        sent += r["requests"] + r["warm"]
        wanted = r["requests"] if peer.role == "inspect" and SCENARIOS[scenario] == 403 else 0
        # wrk counts a status above 399 as refused.
        if r["failed"] or r["refused"] != wanted:
            raise Failure(f"{peer.name}, {scenario}: wrong answers under load: {r}\n{process.tail()}")
        if r["opened"] > r["requests"] / 2:
            print(f"!! {peer.name}, {scenario}: {r['opened']} new TCP connections for {r['requests']} requests: "
                  "no keep-alive?", file=sys.stderr)
        if best is None or r["others"] < best["others"]:
            best = r
        if r["others"] <= a.noise:
            break
    best.update(peer=peer.name, scenario=scenario, load=str(load), noisy=best["others"] > a.noise, sent=sent)
    best["rss"], best["pss"] = measure.memory(process)
    return best


def audited(a, sent, peer):
    """One record for each exchange; those wrk broke off at its end may add some."""
    with open(a.audit, "rb") as f:
        lines = sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))
    if lines < sent:
        raise Failure(f"{peer.name}: {lines} audit records for {sent} exchanges")


def rounds(a, bench, peers, provider, asked):
    # Both tables of --low-load take the same shape of row, so one loop serves all kinds of run.
    loads = [Load(1), Load(16, a.rate)] if a.low_load else [Load(a.connections)]
    rows, checked = [], set()
    for number in range(a.rounds):
        turn = number % len(peers)
        for peer in peers[turn:] + peers[:turn]:
            scenarios = [s for s in a.scenarios if peer.role == "inspect" or SCENARIOS[s] == 200]
            if a.audit and peer.ours:
                open(a.audit, "w").close()
            process = provider if peer.role == "direct" else bench.start(peer)
            try:
                if peer.name not in checked:
                    port = process.port if process is not provider else bench.upstream
                    check(peer, port, bench.tls and process is not provider, asked)
                    checked.add(peer.name)
                sent = 0
                for load in loads:
                    for scenario in scenarios if not a.check else []:
                        r = measure_one(a, bench, peer, process, provider, scenario, load)
                        sent += r["sent"]
                        r.update(round=number + 1, kind="latency" if a.low_load else "saturated", tls=a.tls,
                                 threads=a.threads, tenants=a.tenants, at=int(time.time()))
                        rows.append(r)
                        keep(a, r)
                        print(f"  round {number + 1}  {peer.name:14} {scenario:8} {load!s:38} {r['rps']:8.0f} req/s  "
                              f"p99 {r['p99']:6} us  {r['cpu_us']:6.1f} us CPU  other jobs {r['others']:.0f} %",
                              file=sys.stderr, flush=True)
            finally:
                if process is not provider:
                    process.stop()
            if a.audit and peer.ours:
                audited(a, sent, peer)
        if a.check:
            break
    return rows


def idle_memory(a, bench, peers, provider, asked):
    rows = []
    for peer in peers:
        process = bench.start(peer)
        try:
            time.sleep(2)
            start = measure.memory(process)
            check(peer, process.port, bench.tls, asked)
            for scenario in a.scenarios:
                measure.wrk(bench, scenario, Load(a.connections), process.port, a.seconds)
            time.sleep(2)
            rows.append(dict(peer=peer.name, kind="memory", start=start, after=measure.memory(process), tls=a.tls,
                             tenants=a.tenants, at=int(time.time())))
            keep(a, rows[-1])
        finally:
            process.stop()
    return rows


def keep(a, row):
    if a.json:
        with open(a.json, "a") as f:
            f.write(json.dumps(row) + "\n")


def main():
    # So that the proxies end with the script: each is in a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    a = options()
    peers = choose(a)
    run = tempfile.mkdtemp(prefix="tidegate-bench-")
    bench = proxies.Bench(run, a.threads, a.tls, a.audit)
    try:
        asked = prepare(a.route, run, bench.upstream, gen.tenants(a.tenants - len(gen.TENANT)), a.scenarios)
        bench.values = asked.values
        provider = bench.provider()
        try:
            if not a.check:
                preamble(a, bench, peers)
            setup = (f"{'TLS 1.3' if a.tls else 'plain HTTP'} to the proxy, {a.threads} proxy "
                     f"thread{'s' if a.threads > 1 else ''}, audit to {'a file' if a.audit else '/dev/null'}")
            if a.memory:
                report.memory(idle_memory(a, bench, peers, provider, asked), a.tenants, setup)
            else:
                rows = rounds(a, bench, peers, provider, asked)
                if rows:
                    report.report(rows, [p.name for p in peers if p.ours], f"{setup}, {a.tenants:,} policies")
        finally:
            provider.stop()
    finally:
        if a.keep:
            print(f"kept: {run}", file=sys.stderr)
        else:
            shutil.rmtree(run, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except Failure as e:
        sys.exit(f"bench/run: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
