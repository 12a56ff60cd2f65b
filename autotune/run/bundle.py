"""bundle=FILE: a sealed bundle, which holds the rows, the base model and the features of a run; `autotune bundle` makes it.

A tar file without compression. Its first member, bundle.json, lists all others with sizes and SHA-256; they are read as
regular files with those names only. The checksums find damage; they do not say who made the bundle.
"""

import hashlib
import logging
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, Any

from autotune import __version__, registry
from autotune.config import compose
from autotune.config.compose import Member
from autotune.config.load import changed_at, digest, fill_defaults, parse_config, to_dict
from autotune.config.overrides import key_of
from autotune.config.schema import RunConfig
from autotune.errors import (
    AutotuneError,
    ConfigError,
    DataError,
    hydra_unquote,
    listing,
    raise_all,
    shell_words,
)
from autotune.run.manifest import Digest, find_fault, sha256
from autotune.runtime.files import disk_errors, fsync_tree, make_folder, read_errors
from autotune.runtime.parsing import Unreadable, parse_json, text_of
from autotune.runtime.records import Record, checked

logger = logging.getLogger(__name__)

MANIFEST, ROWS, MODEL, FEATURES, PLUGINS = "bundle.json", "rows", "model", "features", "plugins"
"""The first member of a bundle, and the folders of the others."""
FORMAT = 1
"""Version of the layout of a bundle."""
MAX_MANIFEST_BYTES = 64 << 20
BLOCK = 1 << 20
LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "peft", "accelerate")
"""Packages whose versions a bundle records; with others, the bytes of the result may differ."""
SEALED = ("task", "dataset", "model")
"""Sections whose values rows, model and features of a bundle depend on."""
MAKE_AGAIN = "copy the bundle again, or make it again: autotune bundle … output=FILE"


class BundledModel(Record):
    """Schema of the base model in bundle.json."""

    name: str
    revision: str | None


class BundleManifest(Record):
    """Schema of bundle.json."""

    format: int
    autotune: str
    libraries: dict[str, str]
    config: dict[str, Any]
    model: BundledModel | None
    """None without a neural network."""
    plugins: dict[str, str]
    files: dict[str, Digest]


def library_versions() -> dict[str, str]:
    """Returns the installed versions of the packages that a bundle records."""
    return {name: version(name) for name in LIBRARIES}


def bundle_of(words: Sequence[str]) -> str | None:
    """Returns the file that bundle=FILE names; None if the command line has no such override."""
    values = [word.partition("=")[2] for word in words if key_of(word) == "bundle" and "=" in word]
    return hydra_unquote(values[-1]) if values and values[-1] not in ("", "null") else None


def read_manifest(file: str) -> dict[str, Any]:
    """Reads bundle.json of a bundle.

    Raises:
        ConfigError: there is no such file, or another version of autotune made it.
        DataError: it is no bundle, or damaged.
    """
    with _open_tar(file) as tar:
        return _read_manifest(file, tar)[0]


def members(file: str, argv: Sequence[str]) -> list[Member]:
    """Returns the runs of a command line with bundle=FILE: the bundle's configuration with the overrides applied.

    Args:
        file: the bundle.
        argv: the whole command line, also of a sweep.

    Raises:
        ConfigError: an override needs what the bundle does not hold, or see `read_manifest`.
    """
    manifest = read_manifest(file)
    _require_plugins(file, manifest["plugins"])
    _warn_of_libraries(manifest["libraries"])
    saved = manifest["config"]
    base = parse_config(saved)
    chosen = {key_of(word) for word in argv}
    words = [] if "task" in chosen else [f"task={base.task.name}"]
    if base.peft is not None and "peft" not in chosen:
        words.append("peft=lora")  # any adapter: keys of the section can be set only where it exists
    composed = compose.members([*words, *argv])
    errors: list[AutotuneError] = []
    result = []
    for member in composed:
        own_words = tuple(word for word in member.words if word not in words)
        keys = [key_of(word) for word in own_words if "=" in word or word.startswith("~")]
        refused = [error for key in keys if (error := _refusal(key, file, saved, member.config))]
        errors += refused
        if not refused:
            result.append(Member(_merge(base, member.config, keys), own_words))
    raise_all(list({str(error): error for error in errors}.values()))
    return result


def unpack(file: str, cache: Path) -> Path:
    """Returns the folder of a bundle's files, each with the SHA-256 of the manifest; unpacks them if needed.

    Args:
        file: the bundle.
        cache: folder in which the bundle's own is made, whole or not at all.

    Raises:
        DataError: the bundle is damaged.
        DiskError: the system refused to read or write.
    """
    with _open_tar(file) as tar:
        manifest, key = _read_manifest(file, tar)
        folder = cache / f"bundle-{key[:24]}"
        if folder.is_dir():
            fault = find_fault(folder, manifest["files"])
            if fault is None:
                return folder
            logger.warning("%s is damaged: %s; the bundle is unpacked again", folder, fault)
            with disk_errors(folder):
                shutil.rmtree(folder)
        with disk_errors(cache):
            make_folder(cache)
            partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=cache))
        try:
            _extract(file, tar, manifest["files"], partial)
            with disk_errors(folder):
                fsync_tree(partial)
                _rename(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    logger.info("unpacked %s: %d files, manifest %s", file, len(manifest["files"]), key)
    return folder


def _rename(partial: Path, folder: Path) -> None:
    """Puts an unpacked folder into place, unless another process was faster."""
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _extract(file: str, tar: tarfile.TarFile, files: dict[str, Any], folder: Path) -> None:
    """Writes the members of a tar into a folder: those of the manifest, with their sizes and checksums, and no others."""
    missing = set(files)
    for info in tar:
        if info.name == MANIFEST:
            continue
        if not _is_regular(info) or info.name not in missing or info.size != files[info.name]["bytes"]:
            raise _damaged(file, f"{info.name!r} is not a file of its manifest, or occurs twice")
        missing.remove(info.name)
        target = folder / info.name
        source = tar.extractfile(info)
        assert source is not None, "it is a regular file"
        with disk_errors(target, info.size):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as output:
                content = _copy(source, output)
        if content != files[info.name]["sha256"]:
            raise _damaged(file, f"{info.name} has other content")
    if missing:
        raise _damaged(file, f"missing: {listing(sorted(missing))}")


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    """Copies a stream and returns its SHA-256."""
    content = hashlib.sha256()
    while block := source.read(BLOCK):
        content.update(block)
        target.write(block)
    return content.hexdigest()


@contextmanager
def _open_tar(file: str) -> Iterator[tarfile.TarFile]:
    """Opens a bundle; errors of the tar format inside the context become DataError."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise ConfigError("there is no such bundle", where=f"bundle={file}", found=f"here: {Path.cwd()}",
                          fix="autotune bundle … output=FILE makes one, where there is a network")  # fmt: skip
    try:
        with read_errors(path, elsewhere="bundle=FILE"), tarfile.open(path, "r:") as tar:
            yield tar
    except (tarfile.TarError, ValueError, EOFError, OverflowError) as error:
        raise _damaged(file, str(error)) from error


def _is_regular(info: tarfile.TarInfo) -> bool:
    """Returns whether a member is a plain file: no link, device, folder or file with holes."""
    return info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse()


def _read_manifest(file: str, tar: tarfile.TarFile) -> tuple[dict[str, Any], str]:
    """Returns the manifest of an open bundle, checked, and its SHA-256."""
    info = tar.next()
    if info is None or info.name != MANIFEST or not _is_regular(info) or info.size > MAX_MANIFEST_BYTES:
        raise _damaged(file, f"{MANIFEST} does not come first")
    stream = tar.extractfile(info)
    assert stream is not None, "it is a regular file"
    content = stream.read()
    try:
        value = parse_json(text_of(content))
    except Unreadable as error:
        raise _damaged(file, f"{MANIFEST}: {error}") from error
    found = value.get("autotune") if isinstance(value, dict) else None
    if isinstance(found, str) and found != __version__:
        raise ConfigError(
            "another version of autotune made the bundle",
            where=f"bundle={file}",
            found=f"{found}; this is {__version__}",
            fix=f"pip install autotune=={found}, or make the bundle again",
        )
    manifest = checked(value, BundleManifest, Path(file), fix=MAKE_AGAIN, error_type=DataError)
    if manifest["format"] != FORMAT:
        raise _damaged(file, f"format {manifest['format']}")
    for name in manifest["files"]:
        if not _is_plain(name):
            raise _damaged(file, f"{name!r} is not a name inside the bundle")
    return manifest, hashlib.sha256(content).hexdigest()


def _is_plain(name: str) -> bool:
    """Returns whether a name is FOLDER/FILE… below the bundle's own folder."""
    parts = PurePosixPath(name).parts
    return (
        1 < len(parts) <= 4
        and parts[0] in (ROWS, MODEL, FEATURES, PLUGINS)
        and "/".join(parts) == name
        and not any(part in ("..", ".") or "\0" in part or "\\" in part for part in parts)
    )


def _damaged(file: str, found: str) -> DataError:
    return DataError("the bundle is damaged", where=f"bundle={file}", found=found, fix=MAKE_AGAIN)


def _require_plugins(file: str, plugins: dict[str, str]) -> None:
    """Refuses a bundle whose plug-ins were not named with --plugin: code in a file that was sent is never run unasked."""
    loaded = {sha256(Path(plugin)) for plugin in registry.plugins}
    missing = [f"{PLUGINS}/{name}" for name, digest_ in plugins.items() if digest_ not in loaded]
    if missing:
        options = " ".join(f"--plugin {shell_words(name)}" for name in missing)
        raise ConfigError(
            "the bundle was made with plug-ins, whose code is run only if you name them",
            where=f"bundle={file}",
            found=listing(missing),
            fix=f"tar xf {shell_words(file)} {shell_words(*missing)}; autotune {options} …",
        )


def _warn_of_libraries(libraries: dict[str, str]) -> None:
    """Warns if packages have other versions than where the bundle was made."""
    different = [
        f"{name} {number} here, {libraries.get(name)} there"
        for name, number in library_versions().items()
        if number != libraries.get(name)
    ]
    if different:
        logger.warning(
            "the bundle was made with other versions, so results may differ in the last digits: %s",
            listing(different),
        )


def _refusal(key: str, file: str, saved: dict[str, Any], requested: RunConfig) -> ConfigError | None:
    """Returns the error for an override of what the bundle holds; None if it changes nothing of it."""
    section = key.split(".")[0]
    if section in SEALED:
        differences = changed_at("task" if key == "task" else key, saved, requested)
        if not differences:
            return None
        found = "\n".join(differences)
    elif section in saved or section == "bundle":
        return None
    else:
        found = f"{key} sets keys of several sections"
    return ConfigError(
        "the bundle holds rows, model and features; keys that shape them cannot change",
        where=key,
        found=found,
        fix="leave it out, or make another bundle: autotune bundle … output=FILE",
    )


def _merge(base: RunConfig, requested: RunConfig, keys: Sequence[str]) -> RunConfig:
    """Returns the configuration of a bundle with the values that a command line sets."""
    values, changes = to_dict(base), to_dict(requested)
    named_by_hash = str(base.name).endswith(f"-{digest(base)}")
    if "peft" in keys:
        defaults = (base.peft or base.model).learning_rate
        if base.trainer.learning_rate == defaults:
            values["trainer"]["learning_rate"] = None
    if named_by_hash:
        values["name"] = None
    for key in keys:
        if key.split(".")[0] not in SEALED:
            _copy_value(key.split("."), changes, values)
    config = parse_config(values, to_run=True)
    return fill_defaults(config, str(base.name).rpartition("-")[0])


def _copy_value(path: Sequence[str], source: dict[str, Any], target: dict[str, Any]) -> None:
    """Copies the value at a key path from one nested dict to another."""
    for part in path[:-1]:
        source = source[part]
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    target[path[-1]] = source[path[-1]]
