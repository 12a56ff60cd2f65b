"""`autotune convert`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FORMATS, Command
from autotune.cli.environment import set_offline_mode


def run(words: list[str], _: Sequence[str]) -> int:
    """Reads a data set as training does and writes its rows in another form."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "source", metavar="IN", help="file, folder or Hub id; key=value overrides as in training"
    )
    parser.add_argument(
        "target", metavar="OUT", help="file whose suffix says the form, or a folder with --to"
    )
    parser.add_argument(
        "--to", metavar="FORM", help="csv tsv json jsonl parquet arrow xlsx conll spans brat fasttext"
    )
    parser.offer("--force")
    overrides = parser.take_overrides(words)
    arguments = parser.parse_intermixed_args(words)
    from autotune.pipeline import outputs

    output = outputs.checked(
        arguments.target, inputs=[arguments.source], to=arguments.to, force=arguments.force, name="OUT"
    )
    from autotune.config.compose import compose_by_task

    configs = compose_by_task(
        [f"dataset.path={arguments.source}", *overrides, "dataset.validation_fraction=0"]
    )
    set_offline_mode(list(configs.values()))
    from autotune.pipeline import convert

    return convert.convert(configs, output)


COMMAND = Command(
    "convert",
    "IN OUT [--to FORM] [key=value …]",
    "write a data set in another form: OUT.conll, or a folder",
    run,
    "train.csv train.parquet",
    COMMON | {"--to": FORMATS, "--force": ""},
    takes_files=True,
)
