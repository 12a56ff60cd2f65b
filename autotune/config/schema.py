"""The typed configuration: every key, its type, its default and what it does.

The string under a field is its manual: `autotune explain` and `autotune schema` print it, and the docstrings of the
classes. YAML files in configs/ hold only values that differ from the defaults here. OmegaConf enforces the types while
Hydra composes; pydantic checks ranges afterwards (`autotune.config.load`). Never import torch here: composing, or
refusing a bad override, must take less than a second.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

from omegaconf import MISSING
from pydantic import ConfigDict, Field

from autotune.config.enums import (
    Architecture,
    Batching,
    CardLanguage,
    CheckFormat,
    CheckLevel,
    Dedup,
    Format,
    Guard,
    Normalize,
    Offline,
    PeftMethod,
    Precision,
    Quantization,
    Resume,
    Schedule,
    TagRepair,
    TagScheme,
    Visibility,
    WhenOffline,
)

Positive = Annotated[int, Field(gt=0)]
OptionalPositive = Annotated[int | None, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Strict:
    """Base of all sections: pydantic refuses keys that the section does not have."""

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass
class TaskConfig(Strict):
    """What every task has; each task module derives its own class from this one."""

    name: str = MISSING
    """Registered name of the task."""
    max_length: OptionalPositive = None
    """Longest input in tokens, special tokens included. null: what the model can take, 512 at most."""


@dataclass
class ColumnsConfig(Strict):
    """Which column of the data plays which role. null: the column is called like the role."""

    id: str | None = None
    """Identifier of a row, kept in predictions. Without one, rows are numbered from 0 in each split."""
    text: str | None = None
    """Sentiment, spans: the text."""
    label: str | None = None
    """Sentiment: the class."""
    tokens: str | None = None
    """NER: list of words."""
    tags: str | None = None
    """NER: list of tags, one a word."""
    spans: str | None = None
    """NER from character offsets: list of {start, end, label}; `end` is exclusive."""
    document: str | None = None
    """Summarization: what is summarized."""
    summary: str | None = None
    """Summarization: the reference."""
    group: str | None = None
    """Rows with the same value stay together when a split is made."""


@dataclass
class SplitsConfig(Strict):
    """Name of each split (on the Hub or in a folder), or a file. A slice may follow: train[:1000]."""

    train: str | None = "train"
    """Rows to learn from."""
    validation: str | None = "validation"
    """Rows that choose the best checkpoint; made from train when it does not exist."""
    test: str | None = "test"
    """Rows that are scored once, at the end; never used to choose anything."""


@dataclass
class DatasetConfig(Strict):
    """Where the rows come from and how they are read."""

    path: str = MISSING
    """Hub id, file, folder of splits, or `sample/<task>` for the data that ship with autotune. In a YAML of your own a
    relative path starts at the folder of the YAML where it exists there, else at the working folder."""
    name: str | None = None
    """Configuration of a Hub data set that has several."""
    revision: str | None = None
    """Branch, tag or commit of a Hub data set."""
    format: Format = Format.auto
    """Form of the files; `auto` goes by their names."""
    data_files: dict[str, str] = field(default_factory=dict)
    """Hub: which files are which split, when a repository holds several forms: {train: train.jsonl, test: test.jsonl}."""
    splits: SplitsConfig = field(default_factory=SplitsConfig)
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    delimiter: str | None = None
    """CSV: between fields; CoNLL: between columns. null: found in the first lines (CSV), any blank or tab (CoNLL)."""
    header: bool = True
    """CSV, Excel: the first row names the columns. false: it is a row, and the columns are called 0, 1, 2 …, so that
    dataset.columns.text=0 dataset.columns.label=1 name them."""
    encoding: str | None = None
    """Text files. null: UTF-8, with or without a byte order mark, else cp1252 with a warning."""
    token_column: int = 0
    """CoNLL: which column holds the word, from 0; negative counts from the right."""
    tag_column: int = -1
    """CoNLL: which column holds the tag."""
    tag_scheme: TagScheme = TagScheme.auto
    """How the tags are written; all become IOB2."""
    tag_repair: TagRepair = TagRepair.repair
    """Illegal transitions in gold tags: read as conlleval reads them and counted, or refused."""
    normalize: Normalize = Normalize.nfc
    """Unicode normal form. Of ã there are two spellings, and a cased vocabulary reads the longer one as [UNK]."""
    dedup: Dedup = Dedup.none
    """Rows of train that are left out because their text occurs again: repeats within train, leaks from test, all."""
    labels: list[str] | None = None
    """Names of the classes or entity types in the order of their ids. null: sorted."""
    label_map: Any = None
    """Renames labels, {1: negativo, 2: negativo, 5: positivo}; null drops the row: {3: null}; the key null is a missing label.
    Keys are text as typed (1 and 1.0 are one label, 01 is another). On the command line it replaces the data set's own."""
    validation_fraction: Fraction = 0.1
    """Share of train that becomes validation when there is none; stratified by label, seeded. 0: none."""
    test_fraction: Fraction = 0.0
    """Share of train that becomes test when there is none. Taken before train is sliced, so that runs with other slices
    are scored on the same rows."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Of the splits that are made from train. The run's own `seed` does not change them, so runs with other seeds are
    scored on the same rows."""
    limit: OptionalPositive = None
    """At most so many rows a split, the first ones; for trying things out."""
    streaming: bool = False
    """For train sets larger than the disk: rows are read section by section while training goes on, and only the
    section that is being learned from is kept. Needs trainer.max_steps; a pass of the schedule is a section."""
    section_rows: Positive = 100_000
    """Rows of a section. They are shuffled within it."""
    task: str | None = None
    """The task that the data are made for; another `task=` is refused."""
    license: str | None = None
    """Licence identifier, for the model card."""
    language: str = "pt"
    """Language tag (BCP 47) of the texts."""


@dataclass
class ModelConfig(Strict):
    """The base model that is fine-tuned."""

    name_or_path: str | None = None
    """Hub id or local folder; hub:ORG/NAME@REVISION says both at once."""
    tiny: Architecture | None = None
    """Instead of a base model: a tiny random one of this architecture, built from the training text."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    tokenizer_kwargs: dict[str, Any] = field(default_factory=dict)
    """Passed to the tokenizer, for repositories that do not say it themselves: {do_lower_case: false}."""
    max_length: OptionalPositive = None
    """Longest input the model can take, where its configuration does not tell."""
    allow_pickle: bool = False
    """Reads weights that exist only as pytorch_model.bin (through torch's weights_only reader)."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    """Full fine-tuning: peak learning rate that suits this model, used while trainer.learning_rate is null."""
    epochs: Annotated[float, Field(gt=0)] = 3.0
    """Passes over the data that suit this model, used while trainer.epochs is null."""


@dataclass
class PeftConfig(Strict):
    """Adapters instead of full fine-tuning."""

    method: PeftMethod = PeftMethod.lora
    r: Positive = 16
    """Rank of the update (not for ia3)."""
    alpha: Positive = 32
    """The update is scaled by alpha / r (rslora: alpha / sqrt(r))."""
    dropout: Fraction = 0.05
    """Dropout before the adapter (not for ia3)."""
    target_modules: list[str] = field(default_factory=lambda: ["auto"])
    """Names of the layers that get an adapter. auto: every linear layer but the new head (ia3: keys, values, feed-forward)."""
    merge: bool = True
    """`model/` holds the merged plain model and `adapter/` the adapter; false: `model/` holds the adapter alone."""
    quantization: Quantization = Quantization.none
    """Holds the frozen base in 8 or 4 bits (needs bitsandbytes: pip install 'autotune[quant]')."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Peak learning rate that suits adapters, used while trainer.learning_rate is null."""


@dataclass
class TrainerConfig(Strict):
    """The training loop."""

    epochs: Annotated[float | None, Field(gt=0)] = None
    """Passes over the training rows. null: model.epochs."""
    max_steps: OptionalPositive = None
    """Stops after so many optimizer steps; the schedule ends there."""
    batch_size: Positive = 32
    """Rows an optimizer step, over all processes. What fits into memory at once is micro_batch_tokens' business."""
    batching: Batching = Batching.exact
    """exact: a step's rows are drawn at random; packed: the same rows one after another in a single sequence, without
    any padding, where the architecture allows it; bucketed: rows of nearly equal length, another order of examples."""
    micro_batch_tokens: OptionalPositive = None
    """Padded tokens in one forward. null: what fits into the CPU's cache, or into the GPU's memory by a measurement.
    Changes speed and memory; of the result only the random numbers of dropout."""
    gradient_checkpointing: bool = False
    """Computes each layer's activations a second time in the backward pass instead of keeping them: about a third
    more work, much less memory."""
    compile: bool = False
    """Lets torch.compile make kernels for this model: minutes at the start, and every length is rounded up to one of
    eight. For long runs on a GPU."""
    learning_rate: Annotated[float | None, Field(ge=0)] = None
    """Peak learning rate. null: peft.learning_rate with an adapter, else model.learning_rate."""
    schedule: Schedule = Schedule.linear
    warmup_ratio: Fraction = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled (AdamW, Loshchilov & Hutter 2019); not on biases and norms."""
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: Annotated[float, Field(gt=0)] = 1e-8
    max_grad_norm: Annotated[float | None, Field(gt=0)] = 1.0
    """Clips the norm of the gradient of the whole step. null: no clipping."""
    precision: Precision = Precision.auto
    """auto: bf16 on GPUs since Ampere and on CPUs with AMX from a hidden size of 384, else fp32. tf32: fp32 numbers
    whose products a GPU rounds to 10 bits."""
    evaluate_every: str = "1ep"
    """Between evaluations on validation: epochs (1ep, 0.5ep) or steps (200st)."""
    patience: OptionalPositive = None
    """Early stopping: ends after so many evaluations without a better score. Those in warm-up, or before the model has
    done more than guess, do not count. null: never."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """What counts as better: more than this above the best score."""
    max_hours: Annotated[float | None, Field(gt=0)] = None
    """The run is interrupted after so long a training, with a checkpoint: a job's limit, less what saving takes."""
    rank_timeout: Annotated[float, Field(gt=0)] = 30.0
    """Minutes after which a process of several that does not answer is given up, and all end."""


@dataclass
class CheckpointConfig(Strict):
    """What a run goes on from after it was killed or interrupted."""

    every: str = "1ep"
    """Between checkpoints: epochs (1ep, 0.5ep) or steps (200st)."""
    minutes: Annotated[float, Field(gt=0)] = 15.0
    """A checkpoint is also written when the last one is so old."""
    keep: Positive = 2
    """How many remain while the run goes on; each has weights, two moments of Adam and the best weights so far."""


@dataclass
class ReportConfig(Strict):
    """What is told of a run beside its figures."""

    examples: Annotated[int, Field(ge=0)] = 0
    """So many rows of the scored split stand in the model card, with gold and prediction; e-mail addresses, phone
    numbers, CPF, CNPJ, names of users and URLs in them are masked. 0: no text of the data leaves the run folder."""


@dataclass
class HubConfig(Strict):
    """The Hugging Face Hub."""

    offline: Offline = Offline.auto
    """auto: asks once whether the Hub answers and works from the cache if not; always; never."""
    visibility: Visibility = Visibility.none
    """Whether the finished run is pushed, and who may see it. A repository that is already public is refused
    unless this says so."""
    repo: str | None = None
    """Where to: NAME or OWNER/NAME. null: your own namespace and the name of the run."""
    revision: str = "main"
    """Branch; made where it does not exist."""
    every: Annotated[int | None, Field(ge=1)] = None
    """Evaluations after which the weights of the moment go to the branch `last`, while training goes on. null: only
    the last weights, when the run is finished, and only where they are not the best ones."""
    create_pr: bool = False
    """Opens a pull request to main instead of writing to it; a second push goes on with the open one."""
    tag: str | None = None
    """Name of a tag on the commit."""
    adapter_only: bool = False
    """With peft: the adapter alone, which needs its base model; otherwise the merged model, the adapter beside it."""
    overwrite_card: bool = False
    """Gives up what people changed in autotune's own part of the card on the Hub; text of theirs above and below it, and
    metadata of theirs, stay in any case."""
    when_offline: WhenOffline = WhenOffline.refuse
    """Hub out of reach: the run is refused before training, or trained and left for `autotune push RUN`."""
    patience: Annotated[float, Field(ge=0)] = 300.0
    """Seconds for which a push tries again where the Hub is busy or away."""
    language: CardLanguage = CardLanguage.pt
    """Of the model card."""
    license: str | None = None
    """Licence identifier of the model. null: carried over from base model and data."""


@dataclass
class CheckConfig(Strict):
    """What is looked for before a model is loaded, and what becomes of it."""

    level: CheckLevel = CheckLevel.warn
    format: CheckFormat = CheckFormat.text
    """Of `autotune check` and `autotune plan`: a table for people, JSON for programs."""
    near_duplicates: Annotated[float | None, Field(gt=0, lt=1)] = 0.8
    """Texts whose sets of five-letter pieces have at least this Jaccard similarity are near duplicates. null: not
    looked for."""


@dataclass
class BudgetConfig(Strict):
    """What a run may cost; `autotune plan` ends with exit code 3 where its estimate is more. null: no limit."""

    hours: Annotated[float | None, Field(gt=0)] = None
    """Of training and evaluation together."""
    memory_gb: Annotated[float | None, Field(gt=0)] = None
    """Of the GPU where there is one, else of the process."""
    disk_gb: Annotated[float | None, Field(gt=0)] = None
    """Of the run folder and the cached tables."""


@dataclass
class PlanConfig(Strict):
    """`autotune plan`."""

    budget: BudgetConfig = field(default_factory=BudgetConfig)


@dataclass
class RunConfig(Strict):
    """One run, fully resolved."""

    task: TaskConfig = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    peft: PeftConfig | None = None
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    seed: Annotated[int, Field(ge=0)] = 42
    """Of the order of rows, new weights and dropout. The splits have a seed of their own, dataset.seed."""
    name: str | None = None
    """Folder of the run. null: task, data set, model and a hash of everything that shapes the result."""
    runs: str = "runs"
    """Where run folders are."""
    guard: Guard = Guard.warn
    """Losses that are no number, collapse to one class, a flat loss, exploding gradients, summaries that are empty or do
    not end. warn: told once, with advice, and three steps in a row that are not finite stop the run; stop: any
    of them stops it; none: nothing is told. A step that is not finite is never done."""
    resume: Resume = Resume.auto
    """auto: a run whose folder exists goes on, and a finished one is not trained again; never: the old folder is
    set aside and the run starts anew. On the command line also a run folder, which goes on as it was configured."""
