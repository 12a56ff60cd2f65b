"""Measures `model.trim_vocabulary` on a random model of the size of XLM-R base, with a made-up vocabulary of 250,000 tokens.

`PYTHONPATH=scripts python -P -m benchmarks.trimming FOLDER` writes the model (1.1 GB) and tables into FOLDER, and prints what
`autotune plan` measures with the whole and with the trimmed vocabulary.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from string import ascii_lowercase

SCRIPTS = {
    "Latin, letters of Portuguese": (0.45, ascii_lowercase * 3 + "áâãàçéêíóôõú"),
    "Latin, other letters": (0.15, ascii_lowercase * 2 + "şğłżčřåæøţűőđəñöäïœů" * 3),
    "Cyrillic": (0.14, "абвгдежзийклмнопрстуфхцчшщыьэюя"),
    "Arabic": (0.06, "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"),
    "Chinese": (0.10, "".join(map(chr, range(0x4E00, 0x6E00)))),
    "Devanagari": (0.05, "".join(map(chr, range(0x905, 0x93A)))),
    "Hangul": (0.05, "".join(map(chr, range(0xAC00, 0xB400)))),
}
"""Share of the tokens of each script, and its letters. The shares are assumed; those of XLM-R were not available offline."""
TOKENS = 250_002
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
FIGURES = {
    "static_memory_gb": "weights, gradients and optimizer",
    "peak_memory_gb": "memory at the longest batch",
    "disk_gb": "disk of the run",
    "seconds_per_step": "seconds per step",
}


def vocabulary(words: set[str]) -> list[tuple[str, float]]:
    """Returns the tokens with scores that fall like those of words: the given words, single letters, and random ones."""
    generator = random.Random(0)
    tokens = dict.fromkeys(f"▁{word}" for word in sorted(words))
    for _, letters in SCRIPTS.values():
        tokens |= dict.fromkeys(letters)
    for number, (share, letters) in enumerate(SCRIPTS.values()):
        longest = 4 if len(letters) > 1000 else 9
        wanted = len(tokens) + int(share * TOKENS) if number < len(SCRIPTS) - 1 else TOKENS - len(SPECIAL) - 1
        while len(tokens) < wanted:
            word = "".join(generator.choices(letters, k=generator.randint(2, longest)))
            tokens[generator.choice(("▁", "")) + word] = None
    pieces = list(tokens)[: TOKENS - len(SPECIAL) - 1]
    scores = [(piece, -4 - 12 * rank / len(pieces)) for rank, piece in enumerate(pieces)]
    return [*((token, 0.0) for token in SPECIAL), *scores, ("<mask>", 0.0)]


def words_of_samples() -> Iterator[str]:
    """Yields the words of the sample data."""
    file = Path(__file__).parents[2] / "autotune/assets/samples/sentiment/train.jsonl"
    for line in file.read_text("utf-8").splitlines():
        yield from json.loads(line)["text"].split()


def write_base(folder: Path) -> None:
    """Writes a random model with the shape of XLM-R base."""
    import torch
    from transformers import AutoModelForMaskedLM, XLMRobertaConfig, XLMRobertaTokenizer

    tokenizer = XLMRobertaTokenizer(vocab=vocabulary(set(words_of_samples())))
    config = XLMRobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=514, type_vocab_size=1)
    torch.manual_seed(0)
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measure(base: Path, *, trim: bool) -> dict[str, float]:
    """Returns what `autotune plan` measures."""
    words = ["plan", "task=sentiment", f"model.name_or_path={base}", f"model.trim_vocabulary={str(trim).lower()}",
             "trainer.precision=fp32", "check=none", "check.format=json", f"runs={base.parent / 'runs'}"]  # fmt: skip
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "autotune", *words], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    figures: dict[str, float] = report.get("vocabulary", {}) | report["plan"]
    return figures | {"seconds": time.perf_counter() - began}


def main() -> None:
    """Writes the model, measures, and prints a table."""
    base = Path(sys.argv[1]) / "base"
    if not (base / "config.json").exists():
        write_base(base)
    whole, trimmed = (measure(base, trim=trim) for trim in (False, True))
    lines = [
        "| | whole | trimmed |",
        "| --- | --- | --- |",
        f"| tokens | {trimmed['of']:,} | {trimmed['tokens']:,} |",
    ]
    lines += [f"| {words} | {whole[name]} | {trimmed[name]} |" for name, words in FIGURES.items()]
    lines += [f"| seconds of the whole command | {whole['seconds']:.0f} | {trimmed['seconds']:.0f} |"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
