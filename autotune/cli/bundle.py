"""`autotune bundle`."""

from collections.abc import Sequence
from pathlib import Path

from autotune.cli.command import COMPOSED, Command
from autotune.cli.environment import set_offline_mode
from autotune.errors import ConfigError, format_override
from autotune.runtime.imports import uncollected

OUTPUT = "output="


def run(words: list[str], plugins: Sequence[str]) -> int:
    """Checks a run and writes everything that training it reads into one file."""
    from autotune.config.compose import members

    outputs = [word.removeprefix(OUTPUT) for word in words if word.startswith(OUTPUT)]
    runs = members([word for word in words if not word.startswith(OUTPUT)])
    if not runs:
        return 0
    if len(outputs) != 1 or not outputs[0]:
        raise ConfigError("a bundle needs one file to be written to", where="output", fix="output=bundle.tar")
    if len(runs) > 1:
        raise ConfigError(
            "a bundle holds one run; the sweep is asked for when it trains",
            found=f"{len(runs)} runs",
            fix=f"autotune bundle … {format_override('output', outputs[0])}, then "
            f"autotune train {format_override('bundle', outputs[0])} -m seed=1,2,3",
        )
    config = runs[0].config
    if config.bundle is not None:
        raise ConfigError(
            "a bundle is made of data and a model, not of a bundle", where="bundle", fix="leave it out"
        )
    set_offline_mode([config])
    with uncollected():
        from autotune.pipeline.bundle import make_bundle

    return make_bundle(config, plugins, Path(outputs[0]).expanduser())


COMMAND = Command(
    "bundle",
    "[key=value …] output=FILE",
    "gather data and model in a file for nodes without a network",
    run,
    "task=ner dataset=lener_br model=bertimbau_base output=bundle.tar",
    COMPOSED,
    logs_to_stdout=True,
)
