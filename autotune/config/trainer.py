"""Section `trainer`."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from autotune.config.enums import Batching, Keep, Precision, Schedule, Sharding
from autotune.config.section import Fraction, Interval, OptionalPositive, Share, Strict

EMBEDDINGS, ALL = "embeddings", "all"
FREEZE = rf"^({EMBEDDINGS}|{ALL}|[1-9][0-9]*)$"
"""Pattern of the part of a model that is frozen."""


@dataclass
class TrainerConfig(Strict):
    """The training loop."""

    epochs: Annotated[float | None, Field(gt=0)] = None
    """Passes over the training rows. null: model.epochs, or as many as `min_steps` needs, whichever is more."""
    min_steps: Annotated[int, Field(ge=0)] = 200
    """While `epochs` is null: with few rows, passes are added until there are at least this many optimizer steps. A base model
    needs hundreds of steps, however few the rows (Mosbach et al. 2021; Zhang et al. 2021). `max_steps` limits these, too.
    0: model.epochs alone."""
    max_steps: OptionalPositive = None
    """Stops after this many optimizer steps; the schedule ends there. null: no limit but `epochs`."""
    batch_size: OptionalPositive = None
    """Rows per optimizer step, over all processes. null: 32, with fewer than 400 training rows 16, with fewer than 200 8.
    `micro_batch_tokens` decides how many are in memory at once."""
    batching: Batching = Batching.exact
    """exact: a step's rows are drawn at random; packed: the same rows one after another in a single sequence, without
    any padding, where the architecture allows it; bucketed: rows of nearly equal length, another order of examples."""
    micro_batch_tokens: OptionalPositive = None
    """Padded tokens per forward pass. null: derived from the CPU's cache, or measured on the GPU. Changes speed and
    memory; of the result only the random numbers of dropout."""
    gradient_checkpointing: bool = False
    """Computes each layer's activations a second time in the backward pass instead of keeping them: about a third
    more work, much less memory."""
    compile: bool = False
    """Compiles the model with torch.compile: takes minutes at the start, and rounds every length up to one of eight.
    For long runs on a GPU."""
    sharding: Sharding = Sharding.none
    """fsdp: each of several processes holds its share of weights, gradients and optimizer, for models that do not fit one
    GPU; the weights alone must fit, for predictions. none: each holds all of them, which is faster."""
    learning_rate: Annotated[float | None, Field(ge=0)] = None
    """Peak learning rate. null: peft.learning_rate with an adapter, else model.learning_rate."""
    head_learning_rate: Annotated[float | None, Field(gt=0)] = None
    """Peak learning rate of the head, which is new, while the layers below it are pretrained. null: that of the rest."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the learning rate of each layer that the one below it has, from the head down to the embeddings (Clark et al.
    2020): with 0.9, the top layer has 0.9 of trainer.learning_rate, the one below it 0.81. 1: all have the same."""
    freeze: Annotated[str | None, Field(pattern=FREEZE)] = None
    """Pretrained weights that stay as they are, which saves memory and time: `embeddings`; a number of layers from the bottom (of
    an encoder-decoder: of its encoder) with the embeddings; `all` but the head. null: none."""
    schedule: Schedule = Schedule.linear
    """Shape of the learning rate after warm-up."""
    warmup_ratio: Fraction = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay (AdamW, Loshchilov & Hutter 2019); not on biases and norms."""
    adam_beta1: Fraction = 0.9
    """Decay of AdamW's mean of gradients."""
    adam_beta2: Fraction = 0.999
    """Decay of AdamW's mean of squared gradients."""
    adam_epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Term added to AdamW's denominator."""
    max_grad_norm: Annotated[float | None, Field(gt=0)] = 1.0
    """Clips the norm of the gradient of a whole step. null: no clipping."""
    precision: Precision = Precision.auto
    """auto: bf16 on GPUs since Ampere and on CPUs with AMX from a hidden size of 384, else fp32. tf32: fp32 numbers
    whose products a GPU rounds to 10 bits."""
    evaluate_every: Interval = "1ep"
    """Interval of evaluations on validation: epochs (1ep, 0.5ep) or steps (200st). Where `min_steps` adds passes, an interval in
    epochs becomes long enough for at most ten evaluations; so does `checkpoint.every`."""
    keep: Keep = Keep.auto
    """Weights that are the result: those that scored `best` on validation, or the `last` ones. auto: best with 100 or more rows
    of validation, or where `patience` lets validation decide; fewer rows choose mostly by chance. Without validation: last."""
    patience: OptionalPositive = None
    """Early stopping: ends after this many evaluations without a better score. Evaluations in warm-up, or before the model
    does more than guess, do not count. null: never."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """A score counts as better if it is better than the best one by more than this."""
    max_hours: Annotated[float | None, Field(gt=0)] = None
    """Interrupts the run after this many hours of training, with a checkpoint: a job's limit, less what saving takes."""
    pause_at: Share | None = None
    """Interrupts the run after this share of its steps, with a checkpoint, and predicts the rows that judge it with the weights
    that `keep` asks for: its fold with `dataset.fold`, else validation, never test (predictions_paused.jsonl). The same command
    with a later share, or null, continues it; 1 is the last step. For searches, which compare runs before they score test."""
    rank_timeout: Annotated[float, Field(gt=0)] = 30.0
    """Minutes to wait for another process that does not answer, before all end."""
