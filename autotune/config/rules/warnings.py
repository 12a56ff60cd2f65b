"""Warnings for settings that are allowed but probably not intended. Defaults and shipped options never cause one."""

import math
from collections.abc import Iterator

from autotune.config.enums import PeftMethod, Precision, Quantization
from autotune.config.rules.model import is_t5, tiny_architecture
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError

MAX_RATE_FULL, MAX_RATE_ADAPTERS = 1e-3, 1e-2
"""Learning rates above these make most runs of pretrained models fail to learn."""
MIN_RATE_ADAPTERS = 2e-5
"""A usual learning rate for full fine-tuning; below it, adapters, which start at zero, hardly change."""
MIN_LENGTH = 8
MAX_EPOCHS = 1000


def rates(config: RunConfig) -> Iterator[AutotuneError]:
    """Warns of a learning rate that does not suit full fine-tuning or adapters, whichever the run uses."""
    trainer, peft = config.trainer, config.peft
    rate = trainer.learning_rate or (peft or config.model).learning_rate
    is_pretrained = tiny_architecture(config) is None
    if peft is not None and rate < MIN_RATE_ADAPTERS:
        yield ConfigError(
            "this learning rate suits full fine-tuning; adapters usually need a higher one",
            where="trainer.learning_rate",
            found=f"{rate:g} with peft.method={peft.method}",
            fix=f"trainer.learning_rate={max(peft.learning_rate, 1e-4):g}",
        )
    if is_pretrained and rate > (MAX_RATE_ADAPTERS if peft is not None else MAX_RATE_FULL):
        usual = (peft or config.model).learning_rate
        yield ConfigError(
            "a learning rate this high makes a pretrained model forget what it knows",
            where="trainer.learning_rate",
            found=f"{rate:g}",
            fix=f"trainer.learning_rate={usual if usual < rate else 5e-5:g}",
        )
    if trainer.warmup_ratio > 0.5:
        yield ConfigError(
            "the learning rate rises for more than half of the run",
            where="trainer.warmup_ratio",
            found=str(trainer.warmup_ratio),
            fix="trainer.warmup_ratio=0.1",
        )


def optimizer(config: RunConfig) -> Iterator[AutotuneError]:
    """Warns of unusual values for AdamW and of too many epochs."""
    trainer = config.trainer
    if trainer.adam_beta1 > trainer.adam_beta2:
        yield ConfigError(
            "the first moment of Adam changes more slowly than the second; they may have been swapped",
            where="trainer.adam_beta1, trainer.adam_beta2",
            found=f"{trainer.adam_beta1}, {trainer.adam_beta2}",
            fix=f"trainer.adam_beta1={trainer.adam_beta2} trainer.adam_beta2={trainer.adam_beta1}",
        )
    if trainer.weight_decay >= 1:
        yield ConfigError(
            "this much weight decay outweighs what is learned",
            where="trainer.weight_decay",
            found=str(trainer.weight_decay),
            fix="trainer.weight_decay=0.01",
        )
    if (trainer.epochs or config.model.epochs) > MAX_EPOCHS and trainer.max_steps is None:
        yield ConfigError(
            f"more than {MAX_EPOCHS} passes over the data; perhaps steps were meant",
            where="trainer.epochs",
            found=f"{trainer.epochs or config.model.epochs:g}",
            fix=f"trainer.epochs=3, or trainer.max_steps={trainer.epochs or config.model.epochs:.0f}",
        )


def rows_and_tokens(config: RunConfig) -> Iterator[AutotuneError]:
    """Warns of rows, steps and tokens that do not fit together."""
    trainer, data = config.trainer, config.dataset
    if data.limit is not None and data.limit < (trainer.batch_size or 0) and not data.streaming:
        yield ConfigError(
            "an epoch is one step, of fewer rows than the batch has",
            where="dataset.limit, trainer.batch_size",
            found=f"{data.limit} rows, a batch of {trainer.batch_size}",
            fix=f"trainer.batch_size={max(1, data.limit // 4)}",
        )
    every = trainer.evaluate_every
    if trainer.max_steps is not None and every.endswith("st") and int(every[:-2]) > trainer.max_steps:
        yield ConfigError(
            "training ends before the first evaluation is due, so only the final weights are evaluated",
            where="trainer.evaluate_every",
            found=f"{every} with trainer.max_steps={trainer.max_steps}",
            fix=f"trainer.evaluate_every={max(1, trainer.max_steps // 4)}st",
        )
    budget, longest = trainer.micro_batch_tokens, config.task.max_length
    if budget is not None and longest is not None and budget < longest:
        yield ConfigError(
            "one long text is already more than a micro-batch may hold",
            where="trainer.micro_batch_tokens",
            found=f"{budget} with task.max_length={longest}",
            fix=f"trainer.micro_batch_tokens={longest}",
        )
    if longest is not None and longest < MIN_LENGTH:
        yield ConfigError(
            "this limit leaves hardly any room for text",
            where="task.max_length",
            found=str(longest),
            fix="task.max_length=128",
        )


def splits(config: RunConfig) -> Iterator[AutotuneError]:
    """Warns of a share of train for test if no test split is configured."""
    data = config.dataset
    overfits = data.splits.validation in ("train", data.splits.train)
    if data.splits.test is None and data.test_fraction and not overfits:
        yield ConfigError(
            "a test is made of train only where dataset.splits.test has a name",
            where="dataset.test_fraction",
            found=f"{data.test_fraction} with dataset.splits.test=null",
            fix="dataset.test_fraction=0, or dataset.splits.test=test",
        )


def adapters(config: RunConfig) -> Iterator[AutotuneError]:
    """Warns of unusual settings of adapters."""
    peft = config.peft
    if peft is None:
        return
    if peft.quantization is not Quantization.none and tiny_architecture(config) is not None:
        yield ConfigError(
            "quantizing a tiny model gains nothing",
            where="peft.quantization",
            found=f"{peft.quantization} with model.tiny={config.model.tiny}",
            fix="peft.quantization=none",
        )
    if peft.method is PeftMethod.ia3:
        return
    if not 1 / 16 <= peft.alpha / peft.r <= 16:
        scale = peft.alpha / (math.sqrt(peft.r) if peft.method is PeftMethod.rslora else peft.r)
        yield ConfigError(
            f"the update is scaled by {scale:g}, far from the usual 0.25 to 4",
            where="peft.alpha, peft.r",
            found=f"{peft.alpha}, {peft.r}",
            fix=f"peft.alpha={2 * peft.r}",
        )
    if peft.dropout > 0.5:
        yield ConfigError(
            "adapters hardly learn if most of their inputs are dropped",
            where="peft.dropout",
            found=str(peft.dropout),
            fix="peft.dropout=0.05",
        )


def t5_in_fp16(config: RunConfig) -> Iterator[AutotuneError]:
    """Warns of fp16 for models whose name says T5: they overflow in fp16."""
    base = config.model.name_or_path
    if config.trainer.precision is Precision.fp16 and base is not None and is_t5(base):
        yield ConfigError(
            "the name says T5, and models of that kind overflow in fp16",
            where="trainer.precision",
            found=f"fp16 with {base}",
            fix="trainer.precision=auto",
        )
