"""All commands, in the order of `autotune --help`."""

from autotune.cli import (
    check,
    clean,
    completion,
    convert,
    evaluate,
    explain,
    predict,
    push,
    schema,
    search,
    show,
    train,
)

COMMANDS = {
    command.name: command
    for command in (
        train.COMMAND,
        search.COMMAND,
        check.CHECK,
        check.PLAN,
        show.COMMAND,
        explain.COMMAND,
        evaluate.COMMAND,
        predict.COMMAND,
        push.COMMAND,
        convert.COMMAND,
        clean.COMMAND,
        schema.COMMAND,
        completion.COMMAND,
    )
}
