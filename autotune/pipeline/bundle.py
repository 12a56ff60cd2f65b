"""`autotune bundle`: checks a run and gathers everything that training it reads in one file."""

import hashlib
import io
import json
import logging
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from autotune import __version__
from autotune.checks.show import log_report
from autotune.config.load import to_dict
from autotune.config.schema import RunConfig
from autotune.data.bundled import write_rows
from autotune.data.cache_use import entries_in_use
from autotune.errors import ConfigError, format_override, shell_words
from autotune.models.gather import model_files
from autotune.pipeline.check import cache_folder
from autotune.pipeline.prepare import Prepared, PreparedRows, run_preflight
from autotune.run.bundle import FEATURES, FORMAT, MANIFEST, MODEL, PLUGINS, ROWS, library_versions
from autotune.run.manifest import sha256
from autotune.runtime import signals
from autotune.runtime.files import OUTPUT, atomic_write, scratch

logger = logging.getLogger(__name__)


@entries_in_use()
def make_bundle(config: RunConfig, plugins: Sequence[str], output: Path) -> int:
    """Writes a bundle, whole or not at all; equal inputs give equal bytes. Returns the exit code.

    Args:
        config: fully resolved.
        plugins: files that register tasks.
        output: file to write.

    Raises:
        AutotuneError: the check refuses the run, or a file of the model cannot be had.
        DiskError: the file cannot be written.
    """
    if config.dataset.streaming:
        raise ConfigError(
            "a bundle holds all rows, so they cannot be streamed",
            where="dataset.streaming",
            fix="dataset.streaming=false, perhaps with dataset.splits.train='train[:100000]'",
        )
    state = run_preflight(config, cache_folder(config))
    log_report(state.report)
    prepared = state.result() if config.model.baseline is None else state.rows_result()
    with scratch() as temporary:
        rows = Path(temporary)
        write_rows(prepared.rows, rows)
        files = {f"{ROWS}/{path.name}": path for path in sorted(rows.glob("[!.]*"))}
        files |= _other_files(config, prepared, plugins)
        manifest = json.dumps(
            _manifest(config, prepared, plugins, files), ensure_ascii=False, indent=1
        ).encode()
        with atomic_write(output, elsewhere=OUTPUT) as file:
            _write_tar(file, manifest, files)
    size = output.stat().st_size / 1e6
    logger.info(
        "%s: %d files, %.1f MB, manifest %s", output, len(files), size, hashlib.sha256(manifest).hexdigest()
    )
    logger.info(
        "train without a network: autotune train %s", shell_words(format_override("bundle", str(output)))
    )
    return 0


def _other_files(config: RunConfig, prepared: PreparedRows, plugins: Sequence[str]) -> dict[str, Path]:
    """Returns model, features and plug-ins, by their names in the bundle."""
    files = {f"{PLUGINS}/{Path(plugin).name}": Path(plugin) for plugin in plugins}
    if not isinstance(prepared, Prepared):
        return files
    model = model_files(prepared.base, allow_pickle=config.model.allow_pickle)
    features = [
        Path(cached["filename"]) for table in prepared.features.values() for cached in table.cache_files
    ]
    return (
        {f"{MODEL}/{name}": path for name, path in model.items()}
        | {f"{FEATURES}/{path.name}": path for path in features}
        | files
    )


def _manifest(
    config: RunConfig, prepared: PreparedRows, plugins: Sequence[str], files: Mapping[str, Path]
) -> dict[str, object]:
    base = prepared.base if isinstance(prepared, Prepared) else None
    return {
        "format": FORMAT,
        "autotune": __version__,
        "libraries": library_versions(),
        "config": to_dict(config),
        "model": {"name": base.name, "revision": base.revision} if base is not None else None,
        "plugins": {Path(plugin).name: sha256(Path(plugin)) for plugin in plugins},
        "files": {
            name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for name, path in files.items()
        },
    }


def _write_tar(target: IO[bytes], manifest: bytes, files: Mapping[str, Path]) -> None:
    """Writes the manifest and then the files, without owners and times."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, MANIFEST, len(manifest), io.BytesIO(manifest))
        for name, path in files.items():
            signals.raise_if_stopped()
            with path.open("rb") as content:
                _add(tar, name, path.stat().st_size, content)


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    tar.addfile(info, content)
