"""`autotune push`."""

from collections.abc import Sequence
from pathlib import Path

from autotune.cli.arguments import Parser
from autotune.cli.command import COMMON, Command
from autotune.cli.environment import set_push_mode


def run(words: list[str], _: Sequence[str]) -> int:
    """Sends a finished run to the Hub."""
    parser = Parser(COMMAND)
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
    options = vars(parser.parse_args(words))
    set_push_mode()
    # No torch: a push begins at once, and needs no room for a model.
    from autotune.auto.folder import run_of_best
    from autotune.publishing.publish import push_run

    folder, public, dry_run = (options.pop(name) for name in ("run", "public", "dry_run"))
    run_folder = str(run_of_best(Path(folder).expanduser()))
    return push_run(run_folder, options, public=public, dry_run=dry_run)


COMMAND = Command(
    "push",
    "RUN [--repo OWNER/NAME]",
    "send a finished run to the Hub; repeating it changes nothing",
    run,
    "runs/my-run --repo me/my-model --dry-run",
    COMMON
    | {
        "--repo": "-",
        "--revision": "-",
        "--create-pr": "",
        "--tag": "-",
        "--public": "",
        "--adapter-only": "",
    }
    | {"--overwrite-card": "", "--dry-run": ""},
    takes_files=True,
    logs_to_stdout=True,
    writes_scratch=False,
)
