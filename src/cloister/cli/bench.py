"""`cloister bench`: measurements, each with its floor or its peer beside it."""

from __future__ import annotations

from typing import Final

import click

_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DEVICES: Final = click.option(
    "--devices",
    type=click.IntRange(100, 16_000),
    default=2000,
    show_default=True,
    help="Idle devices, for the memory of one.",
)


@click.group()
def bench() -> None:
    """Measure what things cost on this machine.

    \b
    Examples:
      cloister bench mls
      cloister bench vault --size 500
      cloister bench codec
      cloister bench cover
      cloister bench relay --json
      cloister bench fleet --devices 2000
      cloister bench peers
      cloister bench hostile --attack stalled --members 200
      cloister bench linking
      cloister bench oracle
      cloister bench start
      cloister bench tui
    """


@bench.command("mls")
@click.option("--size", "sizes", type=click.IntRange(2, 2000), multiple=True, help="Group size.")
@_JSON
def mls(sizes: tuple[int, ...], *, as_json: bool) -> None:
    """Join, commit, encrypt, decrypt, store in groups, beside the primitives that this calls.

    All four sizes, 2, 50, 500 and 2000, take one to two minutes.
    """
    from cloister.bench import mls as measurement

    measurement.run(sizes or measurement.DEFAULT_SIZES, json=as_json)


@bench.command("vault")
@click.option("--size", "sizes", type=click.IntRange(2, 1000), multiple=True, help="Group size.")
@_JSON
def vault(sizes: tuple[int, ...], *, as_json: bool) -> None:
    """Bytes that a text writes on a device, in groups in which nobody or everybody has sent."""
    from cloister.bench import vault as measurement

    measurement.run(sizes or measurement.DEFAULT_SIZES, json=as_json)


@bench.command("cover")
@click.option("--size", "sizes", type=click.IntRange(2, 8), multiple=True, help="Devices.")
@click.option("--hours", type=click.FloatRange(0.5, 24), default=4.0, show_default=True)
@_JSON
def cover(sizes: tuple[int, ...], *, hours: float, as_json: bool) -> None:
    """Bytes and messages a day that cover traffic costs a device and its relay.

    Plays HOURS of conversations in one process, without cover and with it.
    """
    from cloister.bench import cover as measurement

    measurement.run(sizes or measurement.DEFAULT_SIZES, hours=hours, json=as_json)


@bench.command("codec")
@click.option("--seconds", type=click.FloatRange(0.1, 60), default=1.0, show_default=True)
@_JSON
def codec(*, seconds: float, as_json: bool) -> None:
    """Mutated messages through the decoders, beside a bare loop; and hostile input.

    SECONDS is for each decoder.
    """
    from cloister.bench import codec as measurement

    measurement.run(seconds=seconds, json=as_json)


@bench.command("relay")
@click.option("--seconds", type=click.FloatRange(1, 60), default=5.0, show_default=True)
@_DEVICES
@click.option(
    "--rate",
    type=click.FloatRange(100, 50_000),
    default=5000.0,
    show_default=True,
    help="Messages a second, where the relay is not saturated.",
)
@_JSON
def relay(*, seconds: float, devices: int, rate: float, as_json: bool) -> None:
    """CPU of a message, memory of a device, latency; beside a bare WebSocket server.

    Starts relays of its own on loopback, takes less than two minutes, leaves nothing behind.
    """
    from cloister.bench import relay as measurement

    measurement.run(json=as_json, seconds=seconds, devices=devices, rate=rate)


@bench.command("fleet")
@click.option(
    "--devices",
    type=click.IntRange(4, 20_000),
    default=2000,
    show_default=True,
    help="How many; in pairs.",
)
@click.option(
    "--processes",
    type=click.IntRange(0, 16),
    show_default="as the relay's own auto says",
    help="Processes of home and of entry beside the main ones.",
)
@click.option("--seconds", type=click.FloatRange(0.5, 60), default=6.0, show_default=True)
@_JSON
def fleet(*, devices: int, processes: int | None, seconds: float, as_json: bool) -> None:
    """Thousands of devices at one home and entry: memory, CPU, latency, and their return.

    Connects all through the entry, sends 100, 1,000 and 5,000 messages a second for SECONDS each,
    then cuts all at once and times their return. 20,000 devices take some four minutes, 5 GiB, and
    20,000 open files for each process; nothing is left behind. Never run it beside a relay in
    service.
    """
    from cloister.bench import fleet as measurement

    measurement.run(json=as_json, devices=devices // 2 * 2, processes=processes, seconds=seconds)


@bench.command("peers")
@click.option("--seconds", type=click.FloatRange(1, 60), default=4.0, show_default=True)
@_DEVICES
@click.option(
    "--rate",
    type=click.FloatRange(10, 50_000),
    default=1000.0,
    show_default=True,
    help="Messages a second, where the servers are not saturated.",
)
@_JSON
def peers(*, seconds: float, devices: int, rate: float, as_json: bool) -> None:
    """The relays beside Mosquitto and ejabberd, under the same load, as a table with ratios.

    Starts what is installed, with its own configuration on loopback, and leaves out what is not.
    Takes some two minutes, leaves nothing behind.
    """
    from cloister.bench import peers as measurement

    measurement.run(json=as_json, seconds=seconds, devices=devices, rate=rate)


@bench.command("start")
@click.option("--rounds", type=click.IntRange(1, 100), default=10, show_default=True)
@_JSON
def start(*, rounds: int, as_json: bool) -> None:
    """What loading a program takes, beside Python with the libraries and nothing else."""
    from cloister.bench import start as measurement

    measurement.run(json=as_json, rounds=rounds)


@bench.command("tui")
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True)
@_JSON
def tui(*, rounds: int, as_json: bool) -> None:
    """First frame of the interface, 20,000 messages, a key, and doing nothing.

    ROUNDS is how often the first frame is drawn. Starts programs on ptys of its own.
    """
    from cloister.bench import tui as measurement

    measurement.run(json=as_json, rounds=rounds)


@bench.command("hostile")
@click.option("--seconds", type=click.FloatRange(1, 60), default=30.0, show_default=True)
@click.option(
    "--rate",
    type=click.FloatRange(10, 10_000),
    default=200.0,
    show_default=True,
    help="Messages a second between honest devices.",
)
@click.option(
    "--members",
    type=click.IntRange(10, 10_000),
    default=1000,
    show_default=True,
    help="Members who follow busy channels, and stop reading.",
)
@click.option(
    "--processes",
    type=click.IntRange(0, 32),
    default=0,
    show_default=True,
    help="Beside the main one of each relay.",
)
@click.option(
    "--attack",
    "attacks",
    multiple=True,
    help="Only this one; several times for several, or for several runs and their median.",
)
@_JSON
def hostile(
    *,
    seconds: float,
    rate: float,
    members: int,
    processes: int,
    attacks: tuple[str, ...],
    as_json: bool,
) -> None:
    """What attacks cost honest devices: quiet, attacked and quiet again, on loopback.

    Of strangers: slowloris, floods, a crowd of one address (address). Of members: stalled, who
    follow busy channels and stop reading, beside readers, the same who read; follows, who ask to
    follow without end. Attackers have a processor of their own where there are two. Takes ten
    minutes, leaves nothing behind; ends with an error when p99 is more than twice the quiet one,
    somebody is not cut in time or holds too much, or anything is lost.
    """
    from cloister.bench import hostile as measurement
    from cloister.bench.hostile_process import ATTACKS

    if unknown := sorted(set(attacks) - set(ATTACKS)):
        raise click.UsageError(f"no such attack: {unknown[0]}; there are {', '.join(ATTACKS)}")
    measurement.run(
        json=as_json,
        seconds=seconds,
        rate=rate,
        members=members,
        processes=processes,
        attacks=attacks or tuple(ATTACKS),
    )


@bench.command("linking")
@click.option("--pairs", type=click.IntRange(10, 1000), default=100, show_default=True)
@click.option(
    "--messages",
    type=click.IntRange(5, 60),
    default=50,
    show_default=True,
    help="Texts of each target that the attacker sees.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@_JSON
def linking(*, pairs: int, messages: int, seed: int, as_json: bool) -> None:
    """Who talks with whom, from the times at which connections put messages.

    Plays 20 hours of PAIRS of devices in virtual time, with the product's receipts and cover, and
    attacks them by statistical disclosure; with a planted fault, to show that the attack works.
    Takes some minutes.
    """
    from cloister.bench import linking as measurement

    measurement.run(pairs=pairs, messages=messages, seed=seed, json=as_json)


@bench.command("oracle")
@click.option(
    "--samples",
    type=click.IntRange(40, 10_000_000),
    default=100_000,
    show_default=True,
    help="Of each comparison.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    help="At the socket of a real relay; 0: not there.",
)
@_JSON
def oracle(*, samples: int, seconds: float, as_json: bool) -> None:
    """Whether a relay tells strangers what exists, by its answers or by their time.

    Asks a home's services in every way that a stranger has, about what is there and what is not,
    and a relay with planted faults, which must be found. Takes ten minutes to half an hour.
    """
    from cloister.bench import oracle as measurement

    measurement.run(samples, as_json, seconds)
