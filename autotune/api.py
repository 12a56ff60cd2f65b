"""The Python API: what the commands do, for notebooks and scripts.

    import autotune

    run = autotune.train(["task=sentiment", "debug=smoke"])
    model = autotune.load(run.path)
    model.predict(["O atendimento foi bom."])

Mistakes raise `autotune.errors.AutotuneError`; nothing calls `sys.exit`, and signal handlers are put back.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune import registry
from autotune.cli.environment import console_logging, set_defaults, set_modes_for, set_offline_mode
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, raise_all
from autotune.runtime import external

if TYPE_CHECKING:
    from autotune.pipeline.load import SavedModel


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path
    """Its folder."""
    metrics: dict[str, Any]
    """The content of metrics.json."""


class Model:
    """A saved model, ready to predict; see `load`."""

    def __init__(self, run: str, saved: "SavedModel") -> None:
        self.run, self._saved = run, saved

    def predict(
        self, data: Sequence[str] | str | PathLike[str], pairs: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Predicts for texts or for the rows of a file.

        Args:
            data: a list of texts, or the path of a file in any form that training takes; gold values are not needed.
            pairs: second texts of a model of pairs, one for each of the list.

        Returns:
            One dict per row, in order, as in `autotune predict`: `prediction`, with `probabilities` (classification) or entities
            with offsets (NER).

        Raises:
            AutotuneError: the file cannot be read.
        """
        from autotune.pipeline.predict import rows_to_predict

        file, texts = (fspath(data), []) if isinstance(data, str | PathLike) else (None, list(data))
        rows = rows_to_predict(self._saved, file, texts, None, list(pairs))
        return [dict(prediction) for prediction in self._saved.predictor.stream(rows)]

    def evaluate(
        self, data: str | PathLike[str] | None = None, *, split: str | None = None
    ) -> dict[str, Any]:
        """Scores the model on a file, or on its run's own data.

        Args:
            data: path of a file with gold values; None: the data of the run.
            split: of the run's own data; None: test, else validation.

        Returns:
            The scores, as `autotune evaluate -o` writes them.

        Raises:
            AutotuneError: the data cannot be read or scored.
        """
        from autotune.pipeline.predict import figures_of, score

        path = None if data is None else fspath(data)
        return figures_of(self._saved, score(self._saved, self.run, data=path, split=split, form=None))


def train(overrides: Sequence[str] = (), *, plugins: Sequence[str] = ()) -> Run:
    """Trains one run, or returns it where it is finished already.

    Args:
        overrides: as on the command line: `["task=ner", "dataset=lener_br", "trainer.epochs=3"]`.
        plugins: Python files that register tasks.

    Raises:
        AutotuneError: a mistake of the configuration or the data, or training failed; Interrupted after a signal.
    """
    from autotune.config.rules.search import not_searched
    from autotune.pipeline.train import train as train_one
    from autotune.run.status import command_words

    config = _one(overrides, plugins)
    raise_all(list(not_searched([config])))
    token = command_words.set(["train", *(f"--plugin={plugin}" for plugin in plugins), *overrides])
    try:
        with console_logging(sys.stdout):
            code = train_one(config, plugins)
    finally:
        command_words.reset(token)
    folder = Path(config.runs).expanduser() / str(config.name)
    if code:  # of processes that the run has started; a run in this process raises
        error = AutotuneError("the processes of the run have failed, and printed why", where=str(folder))
        error.exit_code = code
        raise error
    return Run(folder, json.loads((folder / "metrics.json").read_text(encoding="utf-8")))


def check(overrides: Sequence[str] = (), *, plugins: Sequence[str] = ()) -> dict[str, Any]:
    """Checks a run before any weights are loaded.

    Args:
        overrides: as for `train`.
        plugins: as for `train`.

    Returns:
        The report, as `autotune check check.format=json` prints it: `findings` and figures.

    Raises:
        ConfigError: the overrides do not compose.
    """
    from autotune.pipeline.check import cache_folder
    from autotune.pipeline.prepare import run_preflight

    config = _one(overrides, plugins)
    with console_logging(sys.stderr):
        return run_preflight(config, cache_folder(config)).report.as_dict()


def load(run: str | PathLike[str]) -> Model:
    """Opens a run folder, the folder of a saved model, or `hub:ORG/NAME[@REVISION]`.

    Raises:
        ModelError: there is no saved model, or it is damaged.
    """
    set_defaults()
    set_modes_for(fspath(run))
    from autotune.pipeline.load import load_saved

    return Model(fspath(run), load_saved(fspath(run), lambda config: config))


def _one(overrides: Sequence[str], plugins: Sequence[str]) -> RunConfig:
    """Composes the configuration of a single run."""
    set_defaults()
    external.recognize()
    for plugin in plugins:
        if plugin not in registry.plugins:
            registry.load_plugin(plugin)
    from autotune.run.resume import members

    configs = [member.config for member in members(overrides)]
    if len(configs) != 1:
        raise ConfigError(
            "the Python API does one run at a time",
            found=f"{len(configs)} runs",
            fix="a loop over autotune.train",
        )
    set_offline_mode(configs)
    return configs[0]
