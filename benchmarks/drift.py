"""Measure drift checks of files and of the prediction log in new processes, compared with other libraries.

    python -m benchmarks.drift [--repeats 5] [--peer-repeats 3] [--only files large wide hourly] [--no-peers]

Prints each result with its target, and the ratios to the other libraries in the same run. A cache folder holds the data
and the libraries' environments (benchmarks/drift_peers.py).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import drift_data
from benchmarks.drift_hourly import measure_hourly
from benchmarks.drift_peers import PEERS, Peer, prepare
from benchmarks.whole_process import Run, median, run

PMMDS = str(Path(sys.executable).with_name("pmmds"))


@dataclass(frozen=True)
class Figure:
    """A row of the table. `target` has the same unit as the value, or is None if there is no target."""

    name: str
    value: str
    target: str
    is_met: bool | None


def compare_command(reference: Path, current: Path, *more: str) -> list[str]:
    return [PMMDS, "drift", "compare", "--reference", str(reference), "--current", str(current), *more]


def repeated(times: int, *commands: Sequence[str]) -> list[Run]:
    """Return the median measurement of each command.

    Commands alternate, so that other load affects all of them equally.
    """
    for command in commands:
        run(command)
    runs = [[run(command) for command in commands] for _ in range(times)]
    return [median([turn[i] for turn in runs]) for i in range(len(commands))]


def measure_files(repeats: int, peer_repeats: int, *, with_peers: bool) -> list[Figure]:
    reference, current = drift_data.reference_file(), drift_data.current_file()
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile.json"
        run(compare_command(reference, current, "--save-profile", str(profile)))
        bare = next(p for p in PEERS if p.name == "bare DuckDB")
        both, saved, least = repeated(
            repeats,
            compare_command(reference, current),
            compare_command(profile, current),
            peer_command(bare, reference, current),
        )
    figures = [
        at_most("1M × 1M rows", both.seconds, 0.8, "s"),
        at_most("saved profile, 1M rows", saved.seconds, 0.4, "s"),
        at_most("1M × 1M over a bare DuckDB GROUP BY per column", both.seconds / least.seconds, 1.5, "times"),
    ]
    for name, found in (("1M × 1M rows", both), ("saved profile, 1M", saved), ("bare DuckDB", least)):
        print(format_measured(name, found), flush=True)
    return figures + (measure_peers(reference, current, peer_repeats) if with_peers else [])


def measure_peers(reference: Path, current: Path, repeats: int) -> list[Figure]:
    """Alternate each library with PMMDS, so that other load on the machine affects both equally."""
    ratios: dict[str, float] = {}
    for peer in (p for p in PEERS if p.name != "bare DuckDB"):
        try:
            prepare(peer)
            theirs, ours = repeated(
                repeats, peer_command(peer, reference, current), compare_command(reference, current)
            )
        except RuntimeError as error:
            print(f"{peer.name:18} not measured: {str(error).strip().splitlines()[-1][:150]}", flush=True)
            continue
        ratio = theirs.seconds / ours.seconds
        cpu_ratio = theirs.cpu_seconds / ours.cpu_seconds
        more = f"PMMDS {ours.seconds:.2f} s: ratio {ratio:.1f}, {cpu_ratio:.1f} by processor time"
        print(f"{format_measured(peer.name, theirs)}, {more}", flush=True)
        ratios[peer.name] = ratio
    figures = []
    if "evidently" in ratios:
        figures.append(at_least("faster than evidently", ratios["evidently"], 35))
    packaged = {p.name: ratios[p.name] for p in PEERS if p.is_packaged and p.name in ratios}
    if packaged:
        fastest = min(packaged, key=lambda name: packaged[name])
        figures.append(at_least(f"faster than the fastest packaged library ({fastest})", packaged[fastest], 6))
    return figures


def measure_large(repeats: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile.json"
        reference = drift_data.reference_file()
        run(compare_command(reference, drift_data.current_file(), "--save-profile", str(profile)))
        (large,) = repeated(repeats, compare_command(profile, drift_data.large_current_file()))
    print(format_measured("saved profile, 10M", large), flush=True)
    return [
        at_most("saved profile, 10M rows", large.seconds, 1.5, "s"),
        at_most("saved profile, 10M rows: memory", large.peak_mb, 400, "MiB"),
    ]


def measure_wide(repeats: int) -> list[Figure]:
    (wide,) = repeated(repeats, compare_command(*drift_data.wide_files()))
    print(format_measured("1,000 × 100k", wide), flush=True)
    return [at_most("1,000 features × 100k rows", wide.seconds, 8, "s")]


def peer_command(peer: Peer, reference: Path, current: Path) -> list[str]:
    return [peer.interpreter, "-c", peer.script, str(reference), str(current)]


def at_most(name: str, value: float, target: float, unit: str) -> Figure:
    return Figure(name, f"{value:.3g} {unit}", f"≤ {target:g} {unit}", value <= target)


def at_least(name: str, value: float, target: float) -> Figure:
    return Figure(name, f"{value:.3g} times", f"≥ {target:g} times", value >= target)


def format_measured(name: str, found: Run) -> str:
    return f"{name:18} {found.seconds:8.2f} s, {found.cpu_seconds:7.2f} s of processor time, {found.peak_mb:6.0f} MiB"


def tell(figures: Sequence[Figure]) -> None:
    print(f"\n{'figure':62} {'measured':>12} {'target':>12}")
    for f in figures:
        print(f"{f.name:62} {f.value:>12} {f.target:>12}  {'met' if f.is_met else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=["files", "large", "wide", "hourly"])
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("TQDM_DISABLE", "1")
    parts: dict[str, Callable[[], list[Figure]]] = {
        "files": lambda: measure_files(options.repeats, options.peer_repeats, with_peers=not options.no_peers),
        "large": lambda: measure_large(options.repeats),
        "wide": lambda: measure_wide(min(options.repeats, 3)),
        "hourly": lambda: [at_most(m.name, m.seconds, m.target, "s") for m in measure_hourly(options.repeats)],
    }
    tell([figure for name in options.only or parts for figure in parts[name]()])


if __name__ == "__main__":
    main()
