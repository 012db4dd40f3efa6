"""Samples to Markdown: a table for each scenario, and the ratios the project is judged by."""
import statistics

INSPECTING, PASSING = ("haproxy", "nginx-lua", "nginx-lua+4096", "envoy", "envoy+4096"), ("nginx-pass", "haproxy-pass")


def median(rows, key):
    return statistics.median(r[key] for r in rows)


def by_peer(rows, scenario, load):
    """The samples that count: the quiet ones, or all of them where a peer has none."""
    grouped = {}
    for r in rows:
        if (r["scenario"], r["load"]) == (scenario, load):
            grouped.setdefault(r["peer"], []).append(r)
    return {peer: [r for r in some if not r["noisy"]] or some for peer, some in grouped.items()}


def line(*cells):
    print("| " + " | ".join(map(str, cells)) + " |")


def head(*cells):
    line(*cells)
    line(*["---"] * len(cells))


def spread(rows, key):
    return f"{median(rows, key):.0f} ({min(r[key] for r in rows):.0f}-{max(r[key] for r in rows):.0f})"


def rounds(rows):
    return f"{len(rows)}, noisy" if rows[0]["noisy"] else len(rows)


def saturated(peers):
    top = median(peers["direct"], "rps") if "direct" in peers else None
    head("peer", "rounds", "req/s (min-max)", "/ direct", "p50 us", "p99 us", "CPU us/req", "proxy busy %",
         "provider %", "wrk %", "PSS MiB")
    for name, rows in sorted(peers.items(), key=lambda x: -median(x[1], "rps")):
        own = ["-"] * 2 if name == "direct" else [f"{median(rows, 'cpu_us'):.1f}", f"{median(rows, 'busy'):.0f}"]
        line(name, rounds(rows), spread(rows, "rps"), f"{median(rows, 'rps') / top:.2f}" if top else "-",
             f"{median(rows, 'p50'):.0f}", f"{median(rows, 'p99'):.0f}", *own, f"{median(rows, 'upstream'):.0f}",
             f"{median(rows, 'generator'):.0f}", "-" if name == "direct" else f"{median(rows, 'pss'):.0f}")
    slack = [n for n, rows in peers.items() if n != "direct" and median(rows, "busy") < 95]
    if slack:
        print(f"\nNot at its limit (proxy under 95 % busy): {', '.join(slack)}. The rig or other jobs were the limit: compare only CPU a request.")


def ratio(peers, name, other):
    """Throughput as a ratio of medians, with the extremes of the ratios of single rounds."""
    theirs = {r["round"]: r["rps"] for r in peers[other]}
    each = [r["rps"] / theirs[r["round"]] for r in peers[name] if r["round"] in theirs]
    whole = median(peers[name], "rps") / median(peers[other], "rps")
    return f"{whole:.2f} ({min(each):.2f}-{max(each):.2f})" if each else f"{whole:.2f}"


def ratios(peers, ours):
    ours = [n for n in ours if n in peers]
    against = [n for n in INSPECTING if n in peers]
    passing = [n for n in PASSING if n in peers]
    if passing:
        against.append(max(passing, key=lambda n: median(peers[n], "rps")))
    against += [n for n in ours[:1] if len(ours) > 1]
    if not ours or not against:
        return
    label = lambda n: f"best of passing ({n})" if n in PASSING else n
    print("\nRatios of this run: throughput (min-max of the rounds); CPU a request, the other's over ours:\n")
    head("build", *(f"/ {label(n)}" for n in against), *(f"CPU: {n} / it" for n in against))
    for name in ours:
        line(name, *(ratio(peers, name, n) for n in against),
             *(f"{median(peers[n], 'cpu_us') / median(peers[name], 'cpu_us'):.2f}" for n in against))


def latency(peers):
    base = peers.get("direct")
    head("peer", "rounds", "req/s", "p50 us (min-max)", "p99 us (min-max)", "added p50 us", "added p99 us",
         "CPU us/req")
    for name, rows in sorted(peers.items(), key=lambda x: median(x[1], "p50")):
        added = ["-"] * 2 if name == "direct" or not base else [
            f"{median(rows, k) - median(base, k):.0f}" for k in ("p50", "p99")]
        line(name, rounds(rows), f"{median(rows, 'rps'):.0f}", spread(rows, "p50"), spread(rows, "p99"), *added,
             "-" if name == "direct" else f"{median(rows, 'cpu_us'):.1f}")


def report(rows, ours, setup):
    for load in dict.fromkeys(r["load"] for r in rows):
        for scenario in dict.fromkeys(r["scenario"] for r in rows):
            peers = by_peer(rows, scenario, load)
            if not peers:
                continue
            print(f"\n### {scenario}: {load}, {setup}\n")
            if rows[0]["kind"] == "latency":
                latency(peers)
            else:
                saturated(peers)
                ratios(peers, ours)
    print(f"\nOther jobs on the machine, per cent of one processor: median {median(rows, 'others'):.0f}, "
          f"worst {max(r['others'] for r in rows):.0f}; noisy samples: {sum(r['noisy'] for r in rows)} of {len(rows)}. "
          "They are left out, but for peers that have no quiet one; those are marked.")


def memory(rows, policies, setup):
    print(f"\n### Memory with {policies:,} policies, {setup}\n")
    head("peer", "idle after start: RSS MiB", "PSS MiB", "idle after load: RSS MiB", "PSS MiB")
    for r in rows:
        line(r["peer"], *(f"{x:.1f}" for x in r["start"] + r["after"]))
