"""The command that forecasts what training a model will take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsuite.cli.app import Json, Out, app
from benchsuite.errors import UsageError

Sharded = Annotated[
    bool, typer.Option("--sharded", help="Data ranks share weights, gradients and optimizer (FSDP, ZeRO 3).")
]
ShardedOptimizer = Annotated[
    bool, typer.Option("--sharded-optimizer", help="Data ranks share the optimizer's state only (ZeRO 1).")
]
Network = Annotated[
    float | None, typer.Option(metavar="GBIT", help="Gb/s of one device to other nodes, one direction.")
]
Hidden = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Of the data ranks' messages behind arithmetic; none: measured."),
]
Spread = Annotated[
    float, typer.Option(metavar="SHARE", help="Standard deviation of the nodes' step times over their mean.")
]
SlowNode = Annotated[float, typer.Option(metavar="SHARE", help="Part of its rate that one slow node lacks: 0.1.")]
Failures = Annotated[
    float | None, typer.Option(metavar="RATE", help="Interruptions per device and year; Llama 3's were 0.173.")
]


@app.command("predict-training")
def predict_training(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A shape of 'benchsuite catalog models', or a config.json.")
    ],
    machine: Annotated[
        str, typer.Option(metavar="MACHINE", help="One node: a run, or a key of 'catalog hardware' with :N devices.")
    ],
    tokens: Annotated[str, typer.Option(metavar="COUNT", help="Tokens of the whole training: 300B, 15.6T.")] = "1T",
    batch: Annotated[
        str, typer.Option(metavar="COUNT", help="Tokens of a step, of all devices: 4Mi, 4194304.")
    ] = "4Mi",
    length: Annotated[int, typer.Option(min=1, help="Tokens of a sequence.")] = 4096,
    data: Annotated[int, typer.Option(min=1, help="Copies that share the tokens of a step.")] = 1,
    tensor: Annotated[int, typer.Option(min=1, help="Devices that share each layer.")] = 1,
    pipeline: Annotated[int, typer.Option(min=1, help="Stages of layers.")] = 1,
    expert: Annotated[int, typer.Option(min=1, help="Data ranks over which experts are spread.")] = 1,
    micro: Annotated[int, typer.Option(min=1, help="Sequences of a micro-batch.")] = 1,
    interleave: Annotated[int, typer.Option(min=1, help="Chunks of layers of each stage.")] = 1,
    sharded: Sharded = False,
    sharded_optimizer: ShardedOptimizer = False,
    recompute: Annotated[
        str, typer.Option(metavar="WHAT", help="attention: as flash attention does anyway; layers: every layer.")
    ] = "attention",
    network: Network = None,
    hidden: Hidden = None,
    spread: Spread = 0.0,
    slow_node: SlowNode = 0.0,
    failures: Failures = None,
    checkpoint: Annotated[float, typer.Option(metavar="SECONDS", help="That writing a checkpoint stops it.")] = 60.0,
    restart: Annotated[float, typer.Option(metavar="SECONDS", help="Until work goes on after a failure.")] = 600.0,
    usd_per_hour: Annotated[
        float | None, typer.Option(metavar="PRICE", help="US dollars of one device for an hour.")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that opens offline.")] = None,
    catalog: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Your own machines and models (docs/catalog.md).")
    ] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Forecast what training a model will take: step time, MFU, tokens/s, days, dollars, memory."""
    from benchsuite.commands import predict_training as commands

    if sharded and sharded_optimizer:
        raise UsageError("--sharded shares the optimizer's state too.", "Give one of the two.")
    sharding = "all" if sharded else "optimizer" if sharded_optimizer else "none"
    asked = commands.Asked(
        model=model, machine=machine, tokens=tokens, batch=batch, length=length, data=data, tensor=tensor,
        pipeline=pipeline, expert=expert, micro=micro, interleave=interleave, sharding=sharding, recompute=recompute,
        network=network, hidden=hidden, spread=spread, slower=slow_node, failures=failures, checkpoint=checkpoint,
        restart=restart, usd_per_hour=usd_per_hour, catalog=tuple(catalog or ()), out=out,
    )  # fmt: skip
    commands.predict_training(asked, html, as_json=json)
