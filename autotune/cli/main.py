"""The door: finds the verb, and is the one place that prints errors and chooses the exit code.

Hydra, and even more so torch, are imported by the verbs that need them: `autotune --help` answers at once.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO, cast

from autotune import __version__, registry
from autotune.cli import environment, failures
from autotune.cli.arguments import Parser, days
from autotune.cli.flags import decoded, take_switch, take_values
from autotune.config.secrets import RedactedStream
from autotune.data.formats.forms import Form
from autotune.errors import AutotuneError, ConfigError, nearest, raise_all, shell_words
from autotune.runtime import child_process, launcher, streams
from autotune.runtime.files import scratch
from autotune.runtime.imports import uncollected
from autotune.runtime.language import check_language
from autotune.runtime.streams import Stream

HELP = """\
usage: autotune [VERB] …

  autotune [train] [group=option …] [key=value …]   fine-tune, evaluate, save and prove (the default verb)
  autotune check [group=option …] [key=value …]     look for everything that is wrong, in seconds; no model is loaded
  autotune plan [group=option …] [key=value …]      check, then measure what the run would cost
  autotune show [group=option …] [key=value …]      print the composed configuration and stop
  autotune evaluate RUN [--data FILE] [dataset.…]   score a finished run again, or on other data
  autotune predict RUN FILE -o OUT.csv [dataset.…]  predict for a file, - (standard input), or --text "…"
  autotune push RUN [--repo OWNER/NAME]             send a finished run to the Hub, again and again without harm
  autotune convert IN OUT [--to FORM] [key=value …] write a data set in another form: OUT.conll, or a folder
  autotune clean [RUNS] [--older-than DAYS]         remove cached tables of the runs folder that no process uses

  RUN is a run folder, the folder of a saved model, or hub:ORG/NAME[@REVISION]
  autotune VERB --help     groups, options and keys; arguments of evaluate and predict
  --plugin FILE            import a Python file that registers a task (may be repeated)
  --config-dir DIR         add your own options: DIR/dataset/mine.yaml is dataset=mine
  --multirun, -m           one run for each combination: seed=1,2,3
  --cfg job, --info        what Hydra composes, and from which files
  --debug                  tracebacks for errors of any kind
  --version

examples:
  autotune task=ner                                 a tiny model on sample data, offline
  autotune task=ner dataset=lener_br model=bertimbau_base
  autotune task=sentiment model=bertimbau_base dataset=csv dataset.path=reviews.csv \\
      dataset.columns.text=review dataset.columns.label=stars

exit codes: 0 done, 2 configuration, data or call, 3 over budget, 65 bad numbers, 69 the Hub refused
            or is away (the model is safe), 74 the system refused, 75 interrupted, 130 Ctrl-C, 70 our bug
shell completion: eval "$(autotune completion bash)", or zsh; autotune completion fish | source
"""

BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the exit code.

    Args:
        argv: words after `autotune`; None: those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    streams.open_descriptors()
    out = cast(TextIO, RedactedStream(Stream(sys.stdout, "standard output", needed=True)))
    err = cast(TextIO, RedactedStream(Stream(sys.stderr, "standard error", needed=False)))
    with redirect_stdout(out), redirect_stderr(err):
        environment.set_defaults()
        failures.tracebacks.set(take_switch(words, "--debug"))
        try:
            check_language()
            code = _dispatch(words)
            out.flush()
            return code
        except BrokenPipeError:
            cast(Stream, out).mute()
            return BROKEN_PIPE
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the place that tells a bug from a mistake
            return failures.show_error(error)


def _dispatch(words: list[str]) -> int:
    plugins = take_values(words, "--plugin")
    first = words[0] if words else ""
    if first in ("--help", "-h", "help"):
        sys.stdout.write(HELP)
        return 0
    if first == "--version":
        sys.stdout.write(f"autotune {__version__}\n")
        return 0
    verb = "train"
    if first and first[0] not in "-+~" and "=" not in first:
        if first not in VERBS:
            near = nearest(first, VERBS)
            raise ConfigError(
                f"there is no verb {first!r}",
                found=f"verbs: {', '.join(VERBS)}",
                fix=f"autotune {near} …" if near else "autotune --help",
            )
        verb = words.pop(0)
    else:
        _refuse_late_verb(words, plugins)
    if verb != "train" and launcher.world_size() > 1:
        raise ConfigError(
            "only training is shared by several processes",
            where=f"autotune {verb}",
            found=f"a launcher started {launcher.world_size()}",
            fix=f"autotune {verb} … without torchrun or accelerate launch",
        )
    for plugin in plugins:
        registry.load_plugin(plugin)
    if verb not in ("check", "show", "push", "clean", "completion"):
        scratch().cleanup()  # that there is none is not found after hours of training
    # What is asked for on stdout stays alone there.
    stream = sys.stdout if verb in ("train", "evaluate", "push", "clean") else sys.stderr
    with environment.console_logging(stream):
        return VERBS[verb](words, plugins)


def _refuse_late_verb(words: list[str], plugins: list[str]) -> None:
    """Raises ConfigError where a verb stands behind flags or overrides."""
    from autotune.cli.completion import FLAGS

    values = [word for flag, word in zip(words, words[1:], strict=False) if FLAGS["train"].get(flag)]
    late = next((word for word in words if word in VERBS and word not in values), None)
    if late is not None:
        rest = [word for word in words if word != late]
        loaded = [word for plugin in plugins for word in ("--plugin", plugin)]
        raise ConfigError(
            "the verb comes first",
            where=late,
            fix=shell_words("autotune", late, *loaded, *rest),
        )


def _train(words: list[str], plugins: list[str]) -> int:
    from autotune.config.rules.hub import push_keys_without_push
    from autotune.run.resume import members

    runs = members(words)
    if not runs:
        return 0
    configs = [run.config for run in runs]
    raise_all(list(push_keys_without_push(configs)))
    environment.set_offline_mode(configs)
    fork = "torch" not in sys.modules and launcher.rank() == 0
    with uncollected():
        from autotune.cli import multirun

    if fork:
        child_process.prepare()
    return multirun.train(runs, plugins)


def _show(words: list[str], _: list[str]) -> int:
    from autotune.config.load import dump_config
    from autotune.run.resume import members

    sys.stdout.write("---\n".join(dump_config(config) for config, _ in members(words)))
    return 0


def _check(words: list[str], _: list[str]) -> int:
    return _run_preflight(words, "check")


def _plan(words: list[str], _: list[str]) -> int:
    return _run_preflight(words, "plan")


def _run_preflight(words: list[str], verb: str) -> int:
    """check and plan: all runs of a sweep are looked at; the worst exit code counts."""
    from autotune.run.resume import members

    try:
        configs = [config for config, _ in members(words)]
    except AutotuneError as error:
        # Programs that read JSON are told of a wrong configuration in JSON, too.
        if "check.format=json" not in words:
            raise
        from autotune.checks.findings import refusal

        streams.print_json(refusal(error))
        return error.exit_code
    environment.set_offline_mode(configs)
    with uncollected():
        from autotune.cli import multirun
        from autotune.pipeline.check import plan

    if verb == "check":
        return multirun.check(configs)
    return max(map(plan, configs), default=0)


def _evaluate(words: list[str], _: list[str]) -> int:
    parser = Parser("evaluate", "Scores a finished run again, or on other data.")
    parser.add_argument(
        "run", metavar="RUN", help="run folder, folder with a saved model, or hub:ORG/NAME[@REVISION]"
    )
    parser.add_argument("--data", metavar="FILE", help="rows with gold values, in any form of training")
    parser.add_argument("--split", help="split of the run's own data (default: test, else validation)")
    parser.add_argument("-o", "--output", metavar="OUT", help="JSON file for the figures")
    parser.offer("--format", "--force")
    overrides = parser.take_overrides(words)
    given = parser.parse_intermixed_args(words)
    from autotune.config.saved_overrides import saved_overrides
    from autotune.pipeline import outputs

    changed = saved_overrides(overrides, "evaluate")
    data = given.data and (changed.path or given.data)
    output = given.output and outputs.checked(
        given.output, inputs=[data], allowed=[Form.json], default=Form.json, force=given.force
    )
    _settle_for(given.run)
    with uncollected():
        from autotune.pipeline import predict

    change, form = changed.changer(data), given.format or changed.form
    return predict.evaluate(given.run, change, data=data, split=given.split, output=output, form=form)


def _predict(words: list[str], _: list[str]) -> int:
    parser = Parser("predict", "Predicts for the rows of a file or for texts, one JSON object a line.")
    parser.add_argument(
        "run", metavar="RUN", help="run folder, folder with a saved model, or hub:ORG/NAME[@REVISION]"
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="rows in any form that training takes; - is standard input"
    )
    parser.add_argument("--text", action="append", default=[], help="instead of a file; may be repeated")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file for the predictions; without it they are printed"
    )
    parser.add_argument(
        "--to", metavar="FORM", help="jsonl json csv tsv xlsx parquet (default: what OUT's suffix says)"
    )
    parser.add_argument("--keep", metavar="COLUMN,COLUMN", nargs="?", const="all", action="append", default=[],
                        help="columns of FILE to write beside the predictions (default: all others)")  # fmt: skip
    parser.offer("--format", "--force")
    overrides = parser.take_overrides(words)
    given = parser.parse_intermixed_args(words)
    from autotune.config.saved_overrides import saved_overrides
    from autotune.pipeline import outputs

    changed = saved_overrides(overrides, "predict")
    file = changed.path or given.file
    if (file is None) == (not given.text):
        raise ConfigError(
            "give a file or --text",
            where="autotune predict",
            fix="autotune predict RUN file.csv -o out.jsonl",
        )
    if given.text and given.keep:
        raise ConfigError("texts have no other columns", where="--keep", fix="leave it out, or give a file")
    inputs = [file]
    output = given.output and outputs.checked(
        given.output,
        inputs=inputs,
        to=given.to,
        allowed=outputs.PREDICTIONS,
        default=Form.jsonl,
        force=given.force,
    )
    if output is None:
        if given.to not in (None, Form.jsonl):
            raise ConfigError("what is printed is JSONL", where=f"--to {given.to}", fix=f"-o out.{given.to}")
        outputs.refuse_stdout(inputs)
    _settle_for(given.run)
    with uncollected():
        from autotune.pipeline import predict

    texts = [decoded(text) for text in given.text]
    form = given.format or changed.form
    return predict.predict(
        given.run, changed.changer(file), file=file, texts=texts, output=output, keep=given.keep, form=form
    )


def _push(words: list[str], _: list[str]) -> int:
    parser = Parser(
        "push", "Sends a finished run to the Hub; where it stands there already, nothing changes."
    )
    parser.add_argument("run", metavar="RUN", help="run folder")
    parser.add_argument(
        "--repo", help="OWNER/NAME (default: that of the run, else your own and the run's name)"
    )
    parser.add_argument("--revision", help="branch (default: main)")
    parser.add_argument("--create-pr", action="store_true", default=None, help="open a pull request instead")
    parser.add_argument("--tag", help="tag on the commit")
    parser.add_argument("--public", action="store_true", help="for everybody to see (default: private)")
    parser.add_argument(
        "--adapter-only", action="store_true", default=None, help="the adapter without its base model"
    )
    parser.add_argument(
        "--overwrite-card", action="store_true", default=None, help="give up edits of the card's own part"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be sent")
    given = vars(parser.parse_args(words))
    environment.set_push_mode()
    # No torch: a push begins at once, and needs no room for a model.
    from autotune.publishing.publish import push_run

    run, public, dry_run = (given.pop(name) for name in ("run", "public", "dry_run"))
    return push_run(run, given, public=public, dry_run=dry_run)


def _convert(words: list[str], _: list[str]) -> int:
    parser = Parser("convert", "Reads a data set as training does and writes its rows in another form.")
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
    given = parser.parse_intermixed_args(words)
    from autotune.pipeline import outputs

    output = outputs.checked(given.target, inputs=[given.source], to=given.to, force=given.force, name="OUT")
    from autotune.config.compose import compose_by_task

    configs = compose_by_task([f"dataset.path={given.source}", *overrides, "dataset.validation_fraction=0"])
    environment.set_offline_mode(list(configs.values()))
    from autotune.pipeline import convert

    return convert.convert(configs, output)


def _clean(words: list[str], _: list[str]) -> int:
    parser = Parser(
        "clean", "Lists the cache of a folder of runs and removes what no process uses; it is made again."
    )
    parser.add_argument(
        "runs", metavar="RUNS", nargs="?", default="runs", help="folder of runs (default: runs)"
    )
    parser.add_argument(
        "--older-than", metavar="DAYS", type=days, default=0, help="keep what was used since then"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    given = parser.parse_intermixed_args(words)
    from autotune.pipeline.clean import clean

    return clean(given.runs.removeprefix("runs="), given.older_than, dry_run=given.dry_run)


def _completion(words: list[str], _: list[str]) -> int:
    from autotune.cli import completion
    from autotune.runtime.places import config_folder

    match words:
        case [("bash" | "zsh" | "fish") as shell]:
            sys.stdout.write(completion.SCRIPTS[shell])
        case ["query", ("bash" | "zsh" | "fish") as shell, line]:
            mine = os.environ.get("AUTOTUNE_CONFIGS")
            folders = [config_folder(), *([Path(mine)] if mine else [])]
            sys.stdout.write(completion.answer(shell, line, folders))
        case _:
            raise ConfigError(
                "completion is for bash, zsh and fish",
                where="autotune completion",
                fix='eval "$(autotune completion bash)"',
            )
    return 0


VERBS: dict[str, Callable[[list[str], list[str]], int]] = {
    "train": _train,
    "check": _check,
    "plan": _plan,
    "show": _show,
    "evaluate": _evaluate,
    "predict": _predict,
    "push": _push,
    "convert": _convert,
    "clean": _clean,
    "completion": _completion,
}


def _settle_for(run: str) -> None:
    if run.startswith("hub:"):
        environment.set_hub_mode()
        return
    from autotune.config.load import load_config
    from autotune.run.folder import RunFolder

    saved = RunFolder.config(run)
    if saved is not None:
        environment.set_offline_mode([load_config(saved)])
