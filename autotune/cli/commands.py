"""All commands, in the order of `autotune --help`."""

from autotune.cli import (
    bundle,
    check,
    clean,
    compare,
    completion,
    convert,
    evaluate,
    explain,
    migrate,
    predict,
    push,
    report,
    schema,
    search,
    show,
    submit,
    suspects,
    sweep,
    table,
    train,
    watch,
)

COMMANDS = {
    command.name: command
    for command in (
        train.COMMAND,
        submit.COMMAND,
        search.COMMAND,
        check.CHECK,
        check.PLAN,
        bundle.COMMAND,
        show.COMMAND,
        explain.COMMAND,
        evaluate.COMMAND,
        compare.COMMAND,
        report.COMMAND,
        suspects.COMMAND,
        predict.COMMAND,
        push.COMMAND,
        sweep.COMMAND,
        table.COMMAND,
        watch.COMMAND,
        convert.COMMAND,
        migrate.COMMAND,
        clean.COMMAND,
        schema.COMMAND,
        completion.COMMAND,
    )
}
