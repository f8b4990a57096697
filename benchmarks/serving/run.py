"""Compares `mlaas4hep serve` with MLServer: the same network, the same machine, the same clients, in turn.

Needs wrk and h2load (Debian: ``apt-get install wrk nghttp2-client``). MLServer gets an environment of its own in
``benchmarks/.cache`` the first time.

Example:
    python -m benchmarks.serving.run --seconds 5 --rounds 3 --soak 600
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.serving import report
from benchmarks.serving.cases import Case, cases
from benchmarks.serving.load import Measured, check_tools
from benchmarks.serving.models import repository
from benchmarks.serving.servers import Server, mlserver, ours

CACHE = Path(__file__).resolve().parents[1] / ".cache"
RESULTS = Path(__file__).with_name("RESULTS.md")
WARM = 60.0
ROUNDS = 5


def compare(servers: Sequence[Server], chosen: Sequence[Case], rounds: int, seconds: float) -> report.Runs:
    """All runs, of the servers in turn; each server is checked and warmed up before."""
    pairs = [(case, server) for case in chosen for server in servers if server.name in (report.OURS, *case.others)]
    for case, server in pairs:
        case.check(server)
        case.run(server, 1)
    runs: report.Runs = {}
    for number in range(1, rounds + 1):
        for case, server in pairs:
            measured = case.run(server, seconds)
            runs.setdefault((case.key, server.name), []).append(measured)
            _say(f"{number}/{rounds}", case, server, measured)
    return runs


def soak(own: Server, chosen: Sequence[Case], seconds: float) -> report.Soak:
    """Load with all kinds of requests in turn.

    Memory is looked at after each round of all kinds; what counts are the medians of some rounds after a tenth of the
    time (at most a minute), and of as many at the end: it goes up and down by some per cent with the batches under way.
    """
    begin = time.monotonic()
    warm = min(WARM, seconds / 10)
    memory: list[float] = []
    requests, errors = 0, 0
    while (passed := time.monotonic() - begin) < seconds or not memory:
        for case in chosen:
            measured = case.run(own, 2)
            requests += measured.requests
            errors += measured.errors
        if passed >= warm:
            memory.append(own.memory)
    some = min(ROUNDS, max(1, len(memory) // 2))
    before, after = median(memory[:some]), median(memory[-some:])
    return report.Soak(time.monotonic() - begin, requests, errors, before, after)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; see ``--help``."""
    parser = argparse.ArgumentParser(description="Compares our server with MLServer.")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=float, default=60.0, help="seconds of load for the look at memory; 0: none")
    parser.add_argument("--only", nargs="*", help="keys of the cases; nothing is written then")
    parser.add_argument("--alone", action="store_true", help="without MLServer; nothing is written then")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    check_tools()
    chosen = [case for case in cases() if not options.only or case.key in options.only]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ours(repository(folder / "repository"), folder) as own:
            with ExitStack() as stack:
                servers = [own, stack.enter_context(ours(folder / "repository", folder, workers=2))]
                if not options.alone:
                    servers.append(stack.enter_context(mlserver(CACHE, folder / "plain")))
                    servers.append(stack.enter_context(mlserver(CACHE, folder / "quick", quick_parser=True)))
                runs = compare(servers, chosen, options.rounds, options.seconds)
            soaked = soak(own, chosen, options.soak) if options.soak else None
    if soaked is not None:
        print(report.soaked(soaked))
    if not options.only and not options.alone:
        command = f"--seconds {options.seconds:g} --rounds {options.rounds} --soak {options.soak:g}"
        before = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        text = report.page(chosen, runs, soaked, command, load, report.long_load(before))
        options.output.write_text(text, encoding="utf-8")
        print(f"written: {options.output}")


def _say(number: str, case: Case, server: Server, measured: Measured) -> None:
    rate = measured.rate * case.body.rows
    print(
        f"{number}  {case.text:52} {case.connections * case.streams:4}  {server.name:20}"
        f" {rate:10.0f} rows/s  p99 {measured.p99:6.1f} ms  errors {measured.errors}",
        flush=True,
    )


if __name__ == "__main__":
    main()
