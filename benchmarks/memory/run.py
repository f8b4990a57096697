"""Peak memory of ``mlaas4hep train`` and ``predict`` at two numbers of events, each command alone.

    python -m benchmarks.memory.run --small 2000000 --large 20000000 --limit "500 MB"

The files (two branches of float32, one file for each label) are written once into a temporary folder. A command's peak
is what the system says of its process; what the imports need is the peak of the same command on 2000 events.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import uproot

BLOCK = 1_000_000
TINY = 2_000
MODELS = {
    "SGD": "from sklearn.linear_model import SGDClassifier\n\n\ndef model():\n"
    "    return SGDClassifier(loss='log_loss', random_state=1)\n",
    "XGBoost": "from xgboost import XGBClassifier\n\n\ndef model():\n"
    "    return XGBClassifier(n_estimators=10, max_depth=4, n_jobs=2)\n",
    "Keras": "from keras import Input, Sequential\nfrom keras.layers import Dense\n\n\ndef model(idim):\n"
    "    network = Sequential([Input((idim,)), Dense(8, activation='relu'), Dense(1, activation='sigmoid')])\n"
    "    network.compile(optimizer='adam', loss='binary_crossentropy')\n    return network\n",
}


def write(folder: Path, events: int) -> None:
    """Write ``b.root`` and ``s.root`` with half of the events each, unless they are there."""
    for seed, name in enumerate("bs"):
        path = folder / f"{name}{events}.root"
        if path.exists():
            continue
        rng = np.random.default_rng(seed)
        with uproot.recreate(path, compression=None) as file:
            file.mktree("Events", {"u": "float32", "v": "float32"})
            for start in range(0, events // 2, BLOCK):
                size = min(BLOCK, events // 2 - start)
                file["Events"].extend({key: rng.normal(seed, 1.0, size).astype(np.float32) for key in ("u", "v")})


def workflow(folder: Path, events: int, model: str, limit: str) -> Path:
    """Write the configuration of a training."""
    (folder / f"{model}.py").write_text(MODELS[model], "utf-8")
    path = folder / f"{model}{events}.yaml"
    path.write_text(
        "samples:\n"
        + "".join(f"  - {{name: {n}, files: {n}{events}.root, label: {n}}}\n" for n in "bs")
        + f"reading: {{memory_limit: {limit}}}\n"
        + f"training: {{model: {model}.py, signal: s, epochs: 1, batch_size: 4096, threads: 2}}\n",
        "utf-8",
    )
    return path


REFUSED = 2
"""Exit status of a command that says in one line what it needs, here: more memory than the limit."""


def peak(*command: str) -> tuple[float, float, bool]:
    """Peak resident memory in MB, seconds, and whether the command refused the work; it must not fail otherwise."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, REFUSED):
        sys.exit(errors.decode("utf-8", "replace"))
    if code == REFUSED:
        print(errors.decode("utf-8", "replace").strip(), file=sys.stderr)
    return usage.ru_maxrss / 1000.0, time.perf_counter() - start, code == REFUSED


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=2_000_000)
    parser.add_argument("--large", type=int, default=20_000_000)
    parser.add_argument("--limit", default="500 MB")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--folder", type=Path, help="Where the files are kept; default: a temporary folder.")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="mlaas4hep-memory-"))
    folder.mkdir(exist_ok=True)
    program = str(Path(sys.executable).with_name("mlaas4hep"))
    sizes = (TINY, options.small, options.large)
    try:
        for events in sizes:
            write(folder, events)
        print(f"| command | imports, MB | {options.small:,} events, MB | {options.large:,} events, MB | ratio | s |")
        print("|---|---|---|---|---|---|")
        bundle = folder / "bundle"
        for model in options.models:
            found = []
            for events in sizes:
                configuration = workflow(folder, events, model, options.limit)
                found.append(peak(program, "train", str(configuration), "--fout", str(bundle), "--quiet"))
            row(f"train, {model}", found)
        output = folder / "scores.parquet"
        found = [
            peak(program, "predict", str(bundle), str(folder / f"s{n}.root"), "-o", str(output), "--overwrite")
            for n in sizes
        ]
        row("predict", found)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def row(name: str, found: list[tuple[float, float, bool]]) -> None:
    """Print a line of the table."""
    cells = [f"refused, at {size:.0f}" if refused else f"{size:.0f}" for size, _, refused in found]
    (_, _, _), (small, _, _), (large, seconds, refused) = found
    ratio = "-" if refused else f"{large / small:.2f}"
    print(f"| {name} | {' | '.join(cells)} | {ratio} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
