"""`autotune suspects`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FILES, Command
from autotune.cli.environment import set_offline_mode
from autotune.config.formats import Form
from autotune.errors import ConfigError

FORMS = (Form.csv, Form.tsv, Form.xlsx, Form.jsonl)
"""Forms of the file."""


def run(words: list[str], _: Sequence[str]) -> int:
    """Writes the rows whose label or entities are probably wrong, the most suspicious first."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="folder of a finished run; without it, key=value as in training"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="suspects.csv",
        help="csv, tsv, xlsx or jsonl (default: suspects.csv)",
    )
    parser.add_argument("--to", metavar="FORM", help="form, where the name of FILE does not say it")
    parser.offer("--force")
    overrides = parser.take_overrides(words)
    arguments = parser.parse_intermixed_args(words)
    if (arguments.run is None) != bool(overrides):
        raise ConfigError(
            "give the folder of a run, or task and data",
            where="autotune suspects",
            fix="autotune suspects RUN, or autotune suspects task=sentiment dataset=csv dataset.path=FILE",
        )
    from autotune.pipeline import outputs

    output = outputs.checked(
        arguments.output, inputs=[], to=arguments.to, allowed=FORMS, default=Form.csv, force=arguments.force
    )
    if arguments.run is not None:
        from autotune.cli.environment import set_modes_for

        set_modes_for(arguments.run)
        from autotune.pipeline.suspects import suspects_of_run

        return suspects_of_run(arguments.run, output)
    from autotune.config.compose import compose

    configs = compose(overrides)
    if len(configs) != 1:
        raise ConfigError("suspects are found in one data set", where="autotune suspects", found=f"{len(configs)} runs",
                          fix="without seeds")  # fmt: skip
    set_offline_mode(configs)
    from autotune.pipeline.suspects import suspects_of_data

    return suspects_of_data(configs[0], output)


COMMAND = Command(
    "suspects",
    "RUN | [key=value …] [-o FILE]",
    "list rows whose label is probably wrong",
    run,
    "runs/my-run -o suspects.csv",
    COMMON | {"--force": "", "--to": "csv tsv xlsx jsonl", "-o": FILES, "--output": FILES},
    takes_files=True,
    logs_to_stdout=True,
)
