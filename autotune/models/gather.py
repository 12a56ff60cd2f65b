"""Finds the files of a base model that training reads; those on the Hub are downloaded first."""

from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import snapshot_download

from autotune.models.repository import refuse_absent_weights, refuse_broken_files, translate_errors
from autotune.models.spec import ModelSpec

SAFETENSORS, PICKLED = "*.safetensors", "pytorch_model*.bin"
PATTERNS = ("*.json", "*.txt", "*.model", "*.spm", "*.jinja", "README.md", SAFETENSORS)
"""Config, tokenizer, card and weights; of a repository, only its top folder."""


def model_files(base: ModelSpec, *, allow_pickle: bool) -> dict[str, Path]:
    """Returns the files of a base model by name.

    Args:
        base: the model, at the commit that was resolved for this run.
        allow_pickle: `model.allow_pickle`: whether pytorch_model.bin is taken if there are no safetensors files.

    Raises:
        ModelError: files cannot be downloaded, are broken, or there are no weights.
    """
    files = _matching(base, PATTERNS)
    if allow_pickle and not any(fnmatch(name, SAFETENSORS) for name in files):
        files = _matching(base, (*PATTERNS, PICKLED))
    folder = str(next(iter(files.values())).parent) if files else base.path
    refuse_broken_files(Path(folder))
    refuse_absent_weights(base.name, folder, None, allow_pickle=allow_pickle)
    return files


def _matching(base: ModelSpec, patterns: tuple[str, ...]) -> dict[str, Path]:
    folder = Path(base.path)
    if base.revision is not None:
        with translate_errors(base.name):
            folder = Path(
                snapshot_download(
                    base.path, revision=base.revision, allow_patterns=list(patterns), ignore_patterns=["*/*"]
                )
            )
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in patterns)
    }
