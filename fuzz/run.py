"""`./cloister fuzz`: every target for a few seconds under atheris, each in a process of its own.

What was learnt stays in `.fuzz/corpus`, so that the next run goes on; what was found lies in
`.fuzz/findings`. Neither is committed: ``--keep`` copies findings to the corpora that are.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fuzz.corpus import committed, keep  # noqa: E402 (the path comes first)

WORK = ROOT / ".fuzz"
CORPUS = WORK / "corpus"
FINDINGS = WORK / "findings"

SLOWEST_INPUT_S = 10
MEMORY_MIB = 1024
# What starting takes, with all modules instrumented, on a busy machine.
START_S = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one target."""

    name: str
    executions: int
    per_second: int
    corpus: int
    finding: str = ""


def run_target(name: str, seconds: int) -> Outcome:
    """Search one target in a child process."""
    corpus = CORPUS / name
    findings = FINDINGS / name
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(committed(name)):
        (corpus / f"committed-{number}").write_bytes(data)
    before = set(findings.iterdir())
    command = [sys.executable, "-P", str(ROOT / "fuzz/run.py"), "--child", name]
    command += ["--seconds", str(seconds)]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds + START_S,
            errors="replace",
        )  # fmt: skip
        output, status = result.stderr + result.stdout, result.returncode
    except subprocess.TimeoutExpired:
        output, status = "the target did not end in time", 1
    executions = _number(r"stat::number_of_executed_units:\s*(\d+)", output)
    finding = ""
    if status != 0:
        new = sorted(path.name for path in set(findings.iterdir()) - before)
        (findings / "last-output.txt").write_text(output, encoding="utf-8")
        inputs = ", ".join(one for one in new if one != "last-output.txt") or "no input"
        finding = f"{_reason(output)} ({inputs})"
    return Outcome(
        name=name,
        executions=executions,
        per_second=_number(r"stat::average_exec_per_sec:\s*(\d+)", output),
        corpus=sum(1 for _ in corpus.iterdir()),
        finding=finding,
    )


def _number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _reason(output: str) -> str:
    """The line that names the exception, or the library's own word for it."""
    for pattern in (r"^\s*((?:[\w.]+\.)?\w+: .*)$", r"(ERROR: libFuzzer: .*)", r"^(\S.*)$"):
        found = [
            line
            for line in re.findall(pattern, output, re.MULTILINE)
            if not line.startswith(("INFO", "stat", "artifact_prefix", "Base64", "SUMMARY"))
        ]
        if found:
            return str(found[0] if "libFuzzer" in pattern else found[-1])[:200]
    return "the target ended without a word"


def run_child(name: str, seconds: int) -> None:
    """Search one target in this process; does not return."""
    import atheris

    with atheris.instrument_imports(include=["cloister"]):
        from fuzz.targets.registry import TARGETS
    target = TARGETS[name]
    target.run(b"")  # what is made once is made before the first execution is timed
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds}",
            f"-max_len={target.max_bytes}",
            f"-timeout={SLOWEST_INPUT_S}",
            f"-rss_limit_mb={MEMORY_MIB}",
            f"-artifact_prefix={FINDINGS / name}/",
            "-print_final_stats=1",
            str(CORPUS / name),
        ],
        target.run,
    )
    atheris.Fuzz()


def keep_findings() -> int:
    """Copy all findings to the corpora that are committed and replayed."""
    count = 0
    for folder in sorted(FINDINGS.glob("*")):
        inputs = [path.read_bytes() for path in folder.iterdir() if path.suffix != ".txt"]
        if inputs:
            keep(folder.name, inputs)
            count += len(inputs)
    print(f"{count} inputs kept in fuzz/corpus")
    return 0


def run_all(names: list[str], seconds: int) -> int:
    """Search the targets one after the other; returns 1 when something was found."""
    print(f"{'target':24}{'executions':>12}{'per second':>12}{'corpus':>8}  finding")
    outcomes = []
    for name in names:
        outcome = run_target(name, seconds)
        outcomes.append(outcome)
        print(
            f"{outcome.name:24}{outcome.executions:12,}{outcome.per_second:12,}"
            f"{outcome.corpus:8,}  {outcome.finding or 'none'}",
            flush=True,
        )
    found = [outcome.name for outcome in outcomes if outcome.finding]
    total = sum(outcome.executions for outcome in outcomes)
    print(f"{total:,} executions, {len(found)} targets with findings")
    if found:
        print("inputs and output: " + ", ".join(f".fuzz/findings/{name}" for name in found))
    return 1 if found else 0


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="cloister fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all when none is named")
    parser.add_argument("--seconds", type=int, default=5, help="for each target (default 5)")
    parser.add_argument("--list", action="store_true", help="name the targets and end")
    parser.add_argument("--keep", action="store_true", help="add findings to fuzz/corpus and end")
    parser.add_argument("--child", metavar="TARGET", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not 1 <= arguments.seconds <= 86_400:
        parser.error("--seconds is 1 to 86400")
    if arguments.child:
        run_child(arguments.child, arguments.seconds)
        return 0
    if arguments.keep:
        return keep_findings()
    from fuzz.targets.registry import TARGETS

    unknown = [name for name in arguments.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; --list names them")
    if arguments.list:
        print("\n".join(TARGETS))
        return 0
    return run_all(arguments.targets or list(TARGETS), arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())
