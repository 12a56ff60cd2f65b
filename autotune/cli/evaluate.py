"""`autotune evaluate`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FILES, FORMATS, Command
from autotune.cli.environment import set_modes_for
from autotune.config.formats import Form
from autotune.runtime.imports import uncollected


def run(words: list[str], _: Sequence[str]) -> int:
    """Scores a finished run again, on its own data or on a file."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "run", metavar="RUN", help="run folder, folder with a saved model, or hub:ORG/NAME[@REVISION]"
    )
    parser.add_argument("--data", metavar="FILE", help="rows with gold values, in any form of training")
    parser.add_argument("--split", help="split of the run's own data (default: test, else validation)")
    parser.add_argument("-o", "--output", metavar="OUT", help="JSON file for the figures")
    parser.add_argument(
        "--robustness",
        action="store_true",
        help="score the same texts without accents, with typos and so on, too",
    )
    parser.offer("--format", "--force")
    overrides = parser.take_overrides(words)
    arguments = parser.parse_intermixed_args(words)
    from autotune.config.saved_overrides import saved_overrides
    from autotune.pipeline import outputs

    changed = saved_overrides(overrides, "evaluate")
    data = arguments.data and (changed.path or arguments.data)
    output = arguments.output and outputs.checked(
        arguments.output, inputs=[data], allowed=[Form.json], default=Form.json, force=arguments.force
    )
    set_modes_for(arguments.run)
    with uncollected():
        from autotune.pipeline import predict

    change, form = changed.changer(data), arguments.format or changed.form
    return predict.evaluate(
        arguments.run,
        change,
        data=data,
        split=arguments.split,
        output=output,
        form=form,
        robustness=arguments.robustness,
        keep=not (data or arguments.split or overrides),
    )


COMMAND = Command(
    "evaluate",
    "RUN [--data FILE] [dataset.…]",
    "score a finished run again, or on other data",
    run,
    "runs/my-run --data new.csv",
    COMMON
    | {
        "--format": FORMATS,
        "--force": "",
        "--output": FILES,
        "-o": FILES,
        "--data": FILES,
        "--split": "train validation test",
        "--robustness": "",
    },
    takes_files=True,
    logs_to_stdout=True,
)
