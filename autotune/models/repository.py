"""Locates a model in a folder or on the Hub, checks its files, and translates errors of libraries into messages."""

import re
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import HfApi, get_token, metadata_load
from huggingface_hub.errors import HfHubHTTPError
from tokenizers import Tokenizer
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file, resolve_revision

from autotune.errors import AutotuneError, ModelError, format_text_override, listing, shell_words
from autotune.models.files import COPY_AGAIN, refuse_foreign_code
from autotune.runtime.hub_errors import HubFailure, cause_chain, classify_hub_error
from autotune.runtime.library_errors import library_errors, message_of
from autotune.runtime.os_errors import is_refusal, system_error
from autotune.runtime.records import Record, read_record

TOKENIZER, WEIGHTS, ADAPTER_WEIGHTS = "tokenizer.json", "model.safetensors", "adapter_model.safetensors"
LFS_POINTER = b"version https://git-lfs.github.com"
HTML_STARTS = (b"<!doctype html", b"<html")
CHECKED_JSON_FILES = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
                      "added_tokens.json", "adapter_config.json")  # fmt: skip
"""Files that transformers expects to be JSON objects; tokenizer.json is large, and its Rust reader checks it."""
HUB = "https://huggingface.co"
HUB_PREFIX = "hub:"


def locate(name: str, revision: str | None) -> tuple[str, str | None]:
    """Returns the path to load from and its revision: an absolute folder and None, or a Hub id and its commit.

    Args:
        name: folder or Hub id; hub:ORG/NAME or hub:ORG/NAME@REVISION is always a Hub id, even if such a folder exists.
        revision: branch, tag or commit; a revision after @ takes precedence.

    Raises:
        ModelError: the folder does not exist, is a file or does not hold a model; or the model asks for code.
    """
    path, commit = _resolve(name, revision)
    refuse_code(name, path, commit)
    return path, commit


def refuse_code(name: str, path: str, revision: str | None) -> None:
    """Checks that the files of a folder or Hub repository do not make transformers import or fetch code.

    Raises:
        ModelError: a file asks for code.
    """
    refuse_foreign_code(name, lambda file: read_json(path, file, revision), _is_tokenizer)


def _is_tokenizer(name: str) -> bool:
    """Returns whether transformers has a tokenizer class of this name, slow or fast."""
    if not re.search(r"Tokenizer|Backend$", name):
        return False  # `tokenizer_class_from_name` also finds functions and models of transformers.
    return any(tokenizer_class_from_name(class_name) is not None for class_name in (name, f"{name}Fast"))


def _resolve(name: str, revision: str | None) -> tuple[str, str | None]:
    """Returns path and revision like `locate`, without the search for code."""
    if name.startswith(HUB_PREFIX):
        name, _, revision_in_name = name.removeprefix(HUB_PREFIX).partition("@")
        resolved = resolve_revision(name, revision_in_name or revision)
        return name, getattr(resolved, "resolved", resolved)
    folder = Path(name).expanduser()
    if folder.is_dir():
        refuse_broken_files(folder)
        return str(folder.resolve()), None
    if folder.is_file():
        raise ModelError(
            "a model is a folder or a Hub id, not a file",
            where="model.name_or_path",
            found=name,
            fix=format_text_override("model.name_or_path", str(folder.parent)),
        )
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise ModelError(
            "the model's folder does not exist",
            where="model.name_or_path",
            found=f"{name} (here: {Path.cwd()})",
            fix="correct the path, or give the id of a model on the Hub",
        )
    resolved = resolve_revision(name, revision)
    return name, getattr(resolved, "resolved", resolved)


def refuse_absent_weights(name: str, path: str, revision: str | None, *, allow_pickle: bool) -> None:
    """Checks by file names that a model has weights; downloads nothing.

    Args:
        name: the user's name for the model.
        path: Hub id or folder.
        revision: commit on the Hub.
        allow_pickle: `model.allow_pickle`.

    Raises:
        ModelError: there are no weights, or only pickled ones without `allow_pickle`.
    """
    files = file_names(path, revision)
    if files is None or any(file.endswith(".safetensors") for file in files):
        return
    pickled = [file for file in files if re.fullmatch(r"pytorch_model.*\.bin", file)]
    if not pickled:
        raise ModelError(
            "the model has no weights",
            where=f"model.name_or_path={name}",
            found=f"files: {listing(sorted(files))}",
            fix="a folder or repository with model.safetensors",
        )
    if not allow_pickle:
        raise pickled_weights_error(name)


def pickled_weights_error(name: str) -> ModelError:
    """Returns the error for a model whose weights can only be read by unpickling."""
    return ModelError(
        "the model has no weights in safetensors form",
        where=f"model.name_or_path={name}",
        fix="model.allow_pickle=true reads pytorch_model.bin, if you trust where it comes from",
    )


def file_names(path: str, revision: str | None) -> list[str] | None:
    """Returns the names of the files of a folder or a Hub repository; None if the Hub cannot be reached."""
    if Path(path).is_dir():
        return [file.name for file in Path(path).iterdir()]
    try:
        return HfApi().list_repo_files(path, revision=revision)
    except (OSError, HfHubHTTPError):
        return None


def hub_user() -> str | None:
    """Returns the user that the Hub knows by our token: a name, "an invalid token", or None without a token.

    Raises:
        OSError: the Hub cannot be reached.
    """
    token = get_token()
    if token is None:
        return None
    try:
        return str(HfApi(token=token).whoami()["name"])
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            return "an invalid token"
        raise OSError(str(error)) from error


def refuse_broken_files(folder: Path) -> None:
    """Refuses downloads that are git-lfs pointers or web pages, and indexes with paths outside the folder.

    Raises:
        ModelError: a file is broken; names it.
    """
    for file in sorted(folder.iterdir()):
        if file.is_file():
            with file.open("rb") as stream:
                head = stream.read(64).lstrip().lower()
            if head.startswith(LFS_POINTER):
                raise ModelError(
                    "the file is a git-lfs pointer, not what it points to",
                    where=str(file),
                    fix=f"git -C {shell_words(folder)} lfs pull",
                )
            if head.startswith(HTML_STARTS):
                raise ModelError(
                    "the file is a web page, not a part of a model",
                    where=str(file),
                    fix="download the folder again: hf download ID --local-dir FOLDER",
                )
    for name in CHECKED_JSON_FILES:
        read_record(folder / name, Record, fix=COPY_AGAIN, nan=True, twice=True)
    for index in folder.glob("*.index.json"):
        content = read_record(index, Index, fix=COPY_AGAIN, nan=True, twice=True) or {}
        for shard in content.get("weight_map", {}).values():
            if Path(shard).name != shard:
                raise ModelError("the index names a file outside the folder", where=str(index), found=shard)


def read_json(
    path: str, file: str, revision: str | None, schema: type[Record] = Record
) -> dict[str, Any] | None:
    """Reads a JSON file of a folder or a Hub repository; returns None if it does not exist.

    Raises:
        ModelError: the file is damaged.
    """
    cached_path = cached_file(
        path,
        file,
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    if cached_path is None:
        return None
    return read_record(Path(cached_path), schema, fix=COPY_AGAIN, nan=True, twice=True)


def license_of(path: str, revision: str | None) -> str | None:
    """Returns the licence identifier in the card of a folder or Hub repository; None if there is none."""
    card = cached_file(
        path,
        "README.md",
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    try:
        with translate_errors(path):
            license_id = (metadata_load(card) or {}).get("license") if card is not None else None
    except ModelError:  # A card is written for people: a damaged one must not stop a run.
        return None
    return license_id if isinstance(license_id, str) else None


@contextmanager
def quiet() -> Iterator[None]:
    """Hides load reports, progress bars and deprecation warnings that libraries raise about each other."""
    verbosity = transformers_logging.get_verbosity()
    had_progress_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", message="fan_in_fan_out")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_progress_bars:
            transformers_logging.enable_progress_bar()


def translate_errors(name: str, file: str | None = None) -> AbstractContextManager[None]:
    """Turns errors of transformers, the Hub, tokenizers and safetensors, raised while a model is opened, into ModelError.

    Args:
        name: Hub id or folder of the model.
        file: file of the model that is read in the block.

    Raises:
        ModelError: says what is wrong with the model, and what to do.
    """

    def translate(error: BaseException) -> AutotuneError:
        # transformers may have rephrased an error of the operating system.
        os_error = next((e for e in cause_chain(error) if isinstance(e, OSError) and is_refusal(e)), None)
        if os_error is not None:
            return system_error(os_error, doing="read", elsewhere="model.name_or_path=FOLDER")
        return to_model_error(name, error, file)

    return library_errors(translate)


class Index(Record):
    """Schema of the index of weights in several files."""

    weight_map: dict[str, str] = {}


@dataclass(frozen=True)
class Reason:
    """One way in which opening a model fails, recognized by the failure of the Hub, names of exception classes or a phrase."""

    failures: tuple[HubFailure, ...]
    error_types: frozenset[str]
    phrases: tuple[str, ...]
    what: str
    fix: str
    quote: bool = False
    """Whether the message quotes the first line of the library's error."""


def _hub_reason(*failures: HubFailure, what: str, fix: str) -> Reason:
    return Reason(failures, frozenset(), (), what, fix)


def _reason(
    error_types: str, phrases: tuple[str, ...], what: str, fix: str, *, quote: bool = False
) -> Reason:
    return Reason((), frozenset(error_types.split()), phrases, what, fix, quote)


REASONS = (
    _hub_reason(
        HubFailure.gated,
        what="the model is gated: its owners ask you to accept their terms first",
        fix=f"open {HUB}/{{name}}, accept the terms, then: hf auth login",
    ),
    _hub_reason(
        HubFailure.no_revision,
        what="the model has no such revision",
        fix=f"choose one of {HUB}/{{name}}/commits or model.revision=main",
    ),
    _hub_reason(
        HubFailure.no_repository,
        what="there is no folder and no public model of this name on the Hub",
        fix="correct the name; for a private model: hf auth login",
    ),
    _reason("SafetensorError", (), "the weights are damaged", "download the model again", quote=True),
    _reason(
        "UnpicklingError", (),
        "the weights are not only numbers: reading them would run code, which autotune never does",
        "choose a model with safetensors weights",
    ),
    _hub_reason(
        HubFailure.offline, HubFailure.unreachable,
        what="the model is not on this machine and the Hub cannot be reached",
        fix="with network: hf download {name}; or model.name_or_path=FOLDER; or model=tiny",
    ),
    _reason(
        "", ("sentencepiece", "tiktoken", "protobuf"),
        "a package that the model's tokenizer needs is missing",
        "pip install sentencepiece protobuf",
        quote=True,
    ),
    _reason(
        "ImportError", (),
        "the model needs a package that autotune does not come with",
        "choose a model that transformers opens by itself",
    ),
    _reason(
        "", ("trust_remote_code", "custom code"),
        "the model needs code from its own repository, which autotune never runs",
        "choose a model of a kind that transformers knows",
    ),
    _reason(
        "", ("Should have a `model_type`",),
        "the model has no config.json that names its kind",
        "choose a repository or folder with a whole transformers model",
    ),
    _reason(
        "", ("model type",),
        f"transformers {transformers.__version__} does not know this kind of model",
        "pip install --upgrade transformers, or choose another model",
        quote=True,
    ),
)  # fmt: skip
"""Reasons in order of precedence: the first that applies is reported."""


def _is_readable(tokenizer: Path) -> bool:
    """Returns whether a tokenizer.json can be read; if it can, another file is the cause of an error."""
    try:
        with library_errors(lambda error: ModelError(message_of(error))):
            Tokenizer.from_file(str(tokenizer))
    except ModelError:
        return False
    return True


def to_model_error(name: str, error: BaseException, file: str | None = None) -> ModelError:
    """Returns the ModelError that explains an error of a library.

    Args:
        name: Hub id or folder of the model.
        error: error of a library.
        file: file that was being read, if known.
    """
    diagnosis = classify_hub_error(error)
    type_names = diagnosis.type_names
    text = str(error).strip() or type(error).__name__
    folder = Path(name).expanduser()
    if "SafetensorError" in type_names:
        file = next((weights for weights in (WEIGHTS, ADAPTER_WEIGHTS) if (folder / weights).exists()), None)
    elif file == TOKENIZER and _is_readable(folder / TOKENIZER):
        file = "tokenizer_config.json"
    path = folder / file if file is not None else None
    where = str(path) if path is not None and path.exists() else f"model.name_or_path={name}"
    for reason in REASONS:
        if (
            diagnosis.failure in reason.failures
            or type_names & reason.error_types
            or any(phrase in text for phrase in reason.phrases)
        ):
            message = text.splitlines()[0] if reason.quote else None
            return ModelError(
                reason.what, where=where, found=message, fix=reason.fix.format(name=shell_words(name))
            )
    # Advice of libraries is left out: it may tell the user to install or trust what autotune refuses.
    advice = re.compile(r"pip install|trust_remote_code|allow_all_kernels")
    lines = [line for line in str(error).splitlines() if line.strip() and not advice.search(line)]
    message = f"{type(error).__name__}: {lines[0].strip()}"[:300] if lines else type(error).__name__
    return ModelError("the model cannot be opened", where=where, found=message, fix=COPY_AGAIN)
