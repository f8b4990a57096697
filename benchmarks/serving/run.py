"""Compares `mlaas4hep serve` with Triton and MLServer: the same network, the same machine, the same clients, in turn.

Needs wrk and h2load (Debian: ``apt-get install wrk nghttp2-client``). Each peer gets an environment of its own in
``benchmarks/.cache`` the first time, and is left out with a word if it cannot be had.

Example:
    python -m benchmarks.serving.run --seconds 5 --rounds 3 --soak 600
    python -m benchmarks.serving.run --short --against ../before
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.environments import CACHE, Absent
from benchmarks.serving import report
from benchmarks.serving.bodies import BATCH
from benchmarks.serving.cases import Case, cases
from benchmarks.serving.load import Measured, check_tools
from benchmarks.serving.mlserver import mlserver
from benchmarks.serving.models import repository
from benchmarks.serving.servers import Server, ours
from benchmarks.serving.triton import triton

RESULTS = Path(__file__).with_name("RESULTS.md")
SHORT = ["v2", "keys", "events", "grpc", "batch", "batch_grpc"]
WARM = 60.0
ROUNDS = 5


def compare(servers: Sequence[Server], chosen: Sequence[Case], rounds: int, seconds: float) -> report.Runs:
    """Return all runs, of the servers in turn; each server is checked and warmed up before."""
    pairs = [(case, server) for case in chosen for server in servers if case.asks(server.name)]
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
    parser = argparse.ArgumentParser(description="Compares our server with Triton and MLServer.")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=float, default=60.0, help="seconds of load for the look at memory; 0: none")
    parser.add_argument("--only", nargs="*", help="keys of the cases; nothing is written then")
    parser.add_argument("--alone", action="store_true", help="without peers; nothing is written then")
    parser.add_argument("--short", action="store_true", help="two seconds a run, fewer cases, Triton as the only peer")
    parser.add_argument("--against", type=Path, help="a checkout that is measured in turn with this one")
    parser.add_argument("--cache", type=Path, default=CACHE, help="keeps the peers")
    parser.add_argument("--output", type=Path, help="default: RESULTS.md beside this, if everything is measured")
    options = parser.parse_args(arguments)
    if options.short:
        options.seconds, options.soak, options.only = 2.0, 0.0, options.only or SHORT
    check_tools()
    chosen = [case for case in cases() if not options.only or case.key in options.only]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ours(repository(folder / "repository"), folder) as own:
            with ExitStack() as stack:
                servers = [own, *_others(stack, options, folder)]
                runs = compare(servers, chosen, options.rounds, options.seconds)
            soaked = soak(own, chosen, options.soak) if options.soak else None
    command = f"--seconds {options.seconds:g} --rounds {options.rounds} --soak {options.soak:g}"
    if options.short:
        command = f"--short --rounds {options.rounds}"
    whole = not (options.only or options.alone or options.against)
    output = options.output or (RESULTS if whole else None)
    before = output.read_text(encoding="utf-8") if output is not None and output.exists() else ""
    text = report.page(chosen, runs, soaked, command, load, report.long_load(before))
    if output is None:
        print(text)
    else:
        output.write_text(text, encoding="utf-8")
        print(f"written: {output}")


def _others(stack: ExitStack, options: argparse.Namespace, folder: Path) -> Iterator[Server]:
    """Start ours in two processes, the other checkout, and the peers that can be had."""
    models = folder / "repository"
    yield stack.enter_context(ours(models, folder, workers=2))
    if options.against:
        for workers in (1, 2):
            yield stack.enter_context(ours(models, folder, workers, options.against.resolve()))
    if options.alone:
        return
    peers = [triton(options.cache, folder / f"triton{number}", BATCH, number) for number in (1, 2)]
    if not options.short:
        peers += [mlserver(options.cache, folder / f"mlserver{quick:d}", quick_parser=quick) for quick in (False, True)]
    for peer in peers:
        try:
            yield stack.enter_context(peer)
        except Absent as problem:
            print(f"left out: {problem}", flush=True)


def _say(number: str, case: Case, server: Server, measured: Measured) -> None:
    rate = measured.rate * case.body.rows
    print(
        f"{number}  {case.text:52} {case.connections * case.streams:4}  {server.name:20}"
        f" {rate:10.0f} rows/s  p99 {measured.p99:6.1f} ms  errors {measured.errors}",
        flush=True,
    )


if __name__ == "__main__":
    main()
