"""All commands, in the order of `autotune --help`."""

from autotune.cli import (
    check,
    clean,
    compare,
    completion,
    convert,
    evaluate,
    explain,
    predict,
    push,
    schema,
    show,
    sweep,
    train,
)

COMMANDS = {
    command.name: command
    for command in (
        train.COMMAND,
        check.CHECK,
        check.PLAN,
        show.COMMAND,
        explain.COMMAND,
        evaluate.COMMAND,
        compare.COMMAND,
        predict.COMMAND,
        push.COMMAND,
        sweep.COMMAND,
        convert.COMMAND,
        clean.COMMAND,
        schema.COMMAND,
        completion.COMMAND,
    )
}
