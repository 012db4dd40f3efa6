"""Readings of the machine, and one sample of load with wrk."""
import json, os, re, resource, subprocess, time

HERE = os.path.dirname(os.path.abspath(__file__))
HZ = os.sysconf("SC_CLK_TCK")
# The same cipher for every peer; wrk takes OpenSSL's defaults and has no option for it.
OPENSSL_CONF = """openssl_conf=a
[a]
ssl_conf=b
[b]
system_default=c
[c]
MinProtocol=TLSv1.3
Ciphersuites=TLS_AES_128_GCM_SHA256
"""


def cpu(process):
    """Seconds of processor time of a process, its children and all their threads."""
    ticks = 0
    for pid in process.pids():
        with open(f"/proc/{pid}/stat") as f:
            ticks += sum(map(int, f.read().rsplit(") ", 1)[1].split()[11:13]))
    return ticks / HZ


def memory(process):
    """(resident, proportional) MiB of a process and its children; shared pages count once in the second only."""
    sums = {"Rss:": 0, "Pss:": 0}
    for pid in process.pids():
        with open(f"/proc/{pid}/smaps_rollup") as f:
            for line in f:
                if line.split()[0] in sums:
                    sums[line.split()[0]] += int(line.split()[1])
    return sums["Rss:"] / 1024, sums["Pss:"] / 1024


def machine():
    """(busy, stolen) seconds of all processors together since the start."""
    with open("/proc/stat") as f:
        v = [int(x) / HZ for x in f.readline().split()[1:]]
    return sum(v[:3]) + v[5] + v[6], v[7]


def opened():
    """TCP connections this machine has opened."""
    with open("/proc/net/snmp") as f:
        names, values = [line.split() for line in f if line.startswith("Tcp:")]
    return int(values[names.index("ActiveOpens")])


def wait_quiet(patience):
    """Waits until other jobs leave the machine alone, at most `patience` seconds."""
    end = time.time() + patience
    while time.time() < end:
        busy, t = machine()[0], time.time()
        time.sleep(0.5)
        if (machine()[0] - busy) / (time.time() - t) < 0.12:
            return


def wrk(bench, scenario, load, port, seconds):
    scheme = "https" if bench.tls else "http"
    conf = os.path.join(bench.run, "openssl.cnf")
    if not os.path.exists(conf):
        with open(conf, "w") as f:
            f.write(OPENSSL_CONF)
    env = dict(os.environ, OPENSSL_CONF=conf, BENCH_REQUEST=f"{bench.run}/{scenario}.request")
    if os.path.exists(f"{bench.run}/{scenario}.tokens"):
        env["BENCH_TOKENS"] = f"{bench.run}/{scenario}.tokens"
    if load.rate:
        env["BENCH_PAUSE_MS"] = str(round(load.connections / load.rate * 1000))
    command = ["taskset", "-c", bench.wrk_cpus, "wrk", f"-t{min(bench.wrk_threads, load.connections)}",
               f"-c{load.connections}", f"-d{seconds}s", "--timeout", "5s", "-s", HERE + "/wrk.lua",
               f"{scheme}://127.0.0.1:{port}/"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    found = re.search(r"RESULT (.*)", done.stdout)
    if not found:
        raise RuntimeError(f"wrk gave no result:\n{done.stdout}{done.stderr}")
    return json.loads(found[1])


def sample(bench, process, provider, scenario, load, port, seconds):
    """One measured stretch of load after a second of warming up."""
    children = lambda: (lambda u: u.ru_utime + u.ru_stime)(resource.getrusage(resource.RUSAGE_CHILDREN))
    warm = wrk(bench, scenario, load, port, 1)
    direct = process is provider
    p0, u0, (b0, s0), g0, o0, t0 = cpu(process), cpu(provider), machine(), children(), opened(), time.time()
    r = wrk(bench, scenario, load, port, seconds)
    wall, generator = time.time() - t0, children() - g0
    used, upstream, (b1, s1) = cpu(process) - p0, cpu(provider) - u0, machine()
    requests = max(r["requests"], 1)
    r.update(
        warm=warm["requests"], opened=opened() - o0, rps=r["requests"] / r["us"] * 1e6, cpu_us=used / requests * 1e6,
        busy=used / wall / bench.threads * 100, upstream=upstream / wall * 100,
        generator=generator / wall / bench.wrk_threads * 100,
        # Everything that ran and was not ours, and what the host took away: per cent of one processor.
        others=max(0, b1 - b0 - generator - upstream - (0 if direct else used)) / wall * 100 + (s1 - s0) / wall * 100)
    return r
