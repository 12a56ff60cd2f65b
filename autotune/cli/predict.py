"""`autotune predict`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FILES, FORMATS, Command
from autotune.cli.environment import set_modes_for
from autotune.cli.flags import decoded
from autotune.config.formats import Form
from autotune.errors import ConfigError
from autotune.runtime.imports import uncollected


def run(words: list[str], _: Sequence[str]) -> int:
    """Predicts for the rows of a file or for texts."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "run", metavar="RUN", help="run folder, folder with a saved model, or hub:ORG/NAME[@REVISION]"
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="rows in any form that training takes; - is standard input"
    )
    parser.add_argument("--text", action="append", default=[], help="instead of a file; may be repeated")
    parser.add_argument("--text-pair", action="append", default=[], metavar="TEXT",
                        help="second text, for a model of pairs: one for each --text")  # fmt: skip
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file for the predictions; without it they are printed"
    )
    parser.add_argument(
        "--to", metavar="FORM", help="jsonl json csv tsv xlsx parquet (default: what OUT's suffix says)"
    )
    parser.add_argument("--keep", metavar="COLUMN,COLUMN", nargs="?", const="all", action="append", default=[],
                        help="columns of FILE to write beside the predictions (default: all others)")  # fmt: skip
    parser.add_argument("--max-error", metavar="SHARE",
                        help="leave rows undecided so that at most this share of the others is wrong: 0.05")  # fmt: skip
    parser.offer("--format", "--force")
    overrides = parser.take_overrides(words)
    arguments = parser.parse_intermixed_args(words)
    from autotune.config.saved_overrides import saved_overrides
    from autotune.pipeline import outputs

    changed = saved_overrides(overrides, "predict")
    file = changed.path or arguments.file
    if (file is None) == (not arguments.text):
        raise ConfigError(
            "give a file or --text",
            where="autotune predict",
            fix="autotune predict RUN file.csv -o out.jsonl",
        )
    if len(arguments.text_pair) not in (0, len(arguments.text)):
        raise ConfigError(
            "each --text needs its --text-pair",
            where="--text-pair",
            found=f"{len(arguments.text)} texts and {len(arguments.text_pair)} second texts",
            fix='autotune predict RUN --text "…" --text-pair "…"',
        )
    if arguments.text and arguments.keep:
        raise ConfigError("texts have no other columns", where="--keep", fix="leave it out, or give a file")
    inputs = [file]
    output = arguments.output and outputs.checked(
        arguments.output,
        inputs=inputs,
        to=arguments.to,
        allowed=outputs.PREDICTIONS,
        default=Form.jsonl,
        force=arguments.force,
    )
    if output is None:
        if arguments.to not in (None, Form.jsonl):
            raise ConfigError(
                "what is printed is JSONL", where=f"--to {arguments.to}", fix=f"-o out.{arguments.to}"
            )
        outputs.refuse_stdout(inputs)
    set_modes_for(arguments.run)
    with uncollected():
        from autotune.pipeline import predict

    texts = [decoded(text) for text in arguments.text]
    form = arguments.format or changed.form
    return predict.predict(
        arguments.run,
        changed.changer(file),
        file=file,
        texts=texts,
        pairs=[decoded(text) for text in arguments.text_pair],
        output=output,
        keep=arguments.keep,
        form=form,
        max_error=None if arguments.max_error is None else _share(arguments.max_error),
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise ConfigError(
            "--max-error is a share of the rows, above 0 and below 1",
            where="--max-error",
            found=text,
            fix="--max-error 0.05",
        )
    return share


COMMAND = Command(
    "predict",
    "RUN FILE -o OUT.csv [dataset.…]",
    'predict for a file, - (standard input), or --text "…"',
    run,
    "runs/my-run new.csv -o predictions.csv",
    COMMON
    | {"--format": FORMATS, "--force": "", "--output": FILES, "-o": FILES}
    | {
        "--text": "-",
        "--text-pair": "-",
        "--max-error": "0.05 0.1",
        "--to": "jsonl json csv tsv xlsx parquet",
        "--keep": "",
    },
    takes_files=True,
)
