"""`autotune migrate`."""

from collections.abc import Sequence

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, FILES, Command

TASKS = "classification multi_label ordinal regression ner summarization"
"""Values of --task."""


def run(words: list[str], _: Sequence[str]) -> int:
    """Makes an experiment of a configuration of AutoTrain or of an example script of transformers."""
    parser = Parser(COMMAND)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="AutoTrain's YAML or training_params.json, an AutoTrain project, or the JSON of run_glue, "
        "run_classification, run_ner or run_summarization",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="FOLDER/experiment/NAME.yaml, or FOLDER (default: AUTOTUNE_CONFIGS, or config)",
    )
    parser.add_argument("--task", metavar="TASK", help="where the file does not say it")
    parser.offer("--force")
    arguments = parser.parse_intermixed_args(words)
    from autotune.pipeline.migrate import migrate

    return migrate(arguments.file, arguments.output, arguments.task, force=arguments.force)


COMMAND = Command(
    "migrate",
    "FILE|FOLDER [-o FOLDER]",
    "make an experiment of AutoTrain's YAML, or of a script's JSON",
    run,
    "autotrain.yml",
    COMMON | {"--force": "", "-o": FILES, "--output": FILES, "--task": TASKS},
    takes_files=True,
    logs_to_stdout=True,
)
