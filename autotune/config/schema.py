"""The typed configuration: every key, its type, its default and what it does.

The string under a field is its manual: `autotune explain` and `autotune schema` print it, and the docstrings of the
classes. YAML files in configs/ hold only values that differ from the defaults here. OmegaConf enforces the types while
Hydra composes; pydantic checks ranges afterwards (`autotune.config.load`). Never import torch here: composing, or
refusing a bad override, must take less than a second.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

from omegaconf import MISSING
from pydantic import Field

from autotune.config.column_names import ColumnsConfig
from autotune.config.enums import (
    Architecture,
    BaselineMethod,
    CheckFormat,
    CheckLevel,
    Dedup,
    Format,
    Guard,
    Normalize,
    PeftMethod,
    Quantization,
    ReportFormat,
    Resume,
    TagRepair,
    TagScheme,
)
from autotune.config.evaluation import EvaluationConfig
from autotune.config.hub import HubConfig
from autotune.config.launcher import LauncherConfig
from autotune.config.plan import PlanConfig
from autotune.config.search import SearchConfig
from autotune.config.section import (
    FOLD,
    Fraction,
    Interval,
    LanguageTag,
    Name,
    OptionalName,
    OptionalPositive,
    Positive,
    Seed,
    Strict,
)
from autotune.config.slurm import SlurmConfig
from autotune.config.tracking import TrackingConfig
from autotune.config.trainer import TrainerConfig


@dataclass
class TaskConfig(Strict):
    """Keys of every task; each task module derives its own class from this one."""

    name: str = MISSING
    """Registered name of the task."""
    max_length: OptionalPositive = None
    """Longest input in tokens, special tokens included. null: what the model can take, 512 at most."""


@dataclass
class SplitsConfig(Strict):
    """Name of each split (on the Hub or in a folder), or a file. A slice may follow: train[:1000]."""

    train: Name = "train"
    """Rows to learn from."""
    validation: OptionalName = "validation"
    """Rows that choose the best checkpoint; made from train when it does not exist."""
    test: OptionalName = "test"
    """Rows that are scored once, at the end; never used to choose anything."""


@dataclass
class FolderFilesConfig(Strict):
    """The file of each split, in a folder whose files are not named after splits. null: the folder has no such split."""

    train: OptionalName = None
    """Rows to learn from."""
    validation: OptionalName = None
    """Rows that choose the best checkpoint."""
    test: OptionalName = None
    """Rows that are scored once, at the end."""


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
    """Format of the files. auto: by their names."""
    data_files: dict[str, str] = field(default_factory=dict)
    """Hub: the files of each split, for repositories with several formats: {train: train.jsonl, test: test.jsonl}."""
    splits: SplitsConfig = field(default_factory=SplitsConfig)
    """Names or files of the splits."""
    folder_files: FolderFilesConfig = field(default_factory=FolderFilesConfig)
    """Files of the splits train, validation and test where dataset.path is a folder that has all these files: for the
    configuration of a data set whose authors named its files otherwise."""
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    """Names of the columns."""
    delimiter: str | None = None
    """Separator of fields (CSV) or columns (CoNLL). null: detected in the first lines (CSV), any blank or tab (CoNLL)."""
    header: bool = True
    """CSV, Excel: whether the first row holds the names of the columns. false: the columns are named 0, 1, 2 …, as in
    dataset.columns.text=0 dataset.columns.label=1."""
    encoding: str | None = None
    """Encoding of text files. null: UTF-8, with or without a byte order mark, else cp1252 with a warning."""
    token_column: int = 0
    """CoNLL: column of the word, from 0; negative numbers count from the right."""
    tag_column: int = -1
    """CoNLL: column of the tag, counted in the same way."""
    tag_scheme: TagScheme = TagScheme.auto
    """Scheme of the tags; all are converted to IOB2. auto: detected."""
    tag_repair: TagRepair = TagRepair.repair
    """Illegal transitions in gold tags: repaired as conlleval reads them, and counted; or refused."""
    normalize: Normalize = Normalize.nfc
    """Unicode normal form of all texts. A decomposed ã becomes [UNK] in many cased vocabularies."""
    dedup: Dedup = Dedup.none
    """Rows of train to leave out because their text occurs again: repeats within train, leaks of validation and test, or all."""
    labels: list[str] | None = None
    """Names of the classes or entity types in the order of their ids. null: sorted."""
    label_map: Any = None
    """Renames labels, {1: negativo, 2: negativo, 5: positivo}; null drops the row: {3: null}; the key null is a missing label.
    Keys are text as typed (1 and 1.0 are one label, 01 is another). On the command line it replaces the data set's own."""
    label_separator: str | None = None
    """Text between the classes where one cell holds them all: "|" in esporte|política. Then an empty text is a
    row without any. null: cells hold lists."""
    label_threshold: float | None = None
    """Least number that means yes where dataset.columns.labels hold counts or shares instead of 0 and 1, such as the votes of
    annotators: 1, or 2 of 3. null: anything but yes and no is refused."""
    label_fixes: str | None = None
    """File of corrected labels, such as what `autotune suspects` writes: `id`, `gold` (the label so far), `label` (the right one;
    empty: unchanged), perhaps `split` and `row`. Its content is part of the run's identity."""
    validation_fraction: Fraction = 0.1
    """Share of train that becomes validation when there is none; stratified by label, seeded. 0: none."""
    test_fraction: Fraction = 0.0
    """Share of train that becomes test when there is none. Taken before train is sliced, so that runs with other slices
    are scored on the same rows."""
    seed: Seed = 42
    """Seed of the splits that are made from train. The run's own `seed` does not change them, so runs with other seeds
    are scored on the same rows."""
    fold: Annotated[str | None, Field(pattern=FOLD)] = None
    """Cross-validation: i/k makes the i-th of k folds of train the test split; the rest trains and gives validation. Groups
    (`columns.group`), duplicates and near duplicates stay whole, labels are stratified, `dataset.seed` draws the folds. A test
    split that there is stays out. `folds=k` trains all of them."""
    leave_out_test: bool = False
    """Whether the run does without its test split, given or made by `test_fraction`: the rows are neither learned nor scored. For
    runs among which one is chosen before test is seen."""
    limit: OptionalPositive = None
    """Uses only the first rows of each split, at most this many; for trying things out."""
    streaming: bool = False
    """For train splits larger than the disk: rows are read section by section during training, and only the current
    section is kept. Needs trainer.max_steps; an epoch is a pass over one section."""
    section_rows: Positive = 100_000
    """Rows per section; they are shuffled within it."""
    task: str | None = None
    """Task of the data; another `task=` is refused."""
    license: str | None = None
    """License identifier of the data, for the model card."""
    language: LanguageTag = "pt"
    """Language tag (BCP 47) of the texts."""


@dataclass
class ModelConfig(Strict):
    """The base model that is fine-tuned."""

    name_or_path: str | None = None
    """Hub id or local folder, or hub:ORG/NAME@REVISION."""
    tiny: Architecture | None = None
    """Builds a tiny random model of this architecture from the training texts, instead of loading a base model."""
    baseline: BaselineMethod | None = None
    """Trains a model without a neural network instead of fine-tuning one: seconds on a CPU, and hard to beat with few rows.
    `model=tfidf`, `model=tagger`, `model=first_sentences` and `model=centroid` set it."""
    C: Annotated[float, Field(gt=0)] = 10.0
    """model=tfidf: inverse strength of regularization, as scikit-learn calls it; smaller values regularize more."""
    max_epochs: OptionalPositive = None
    """model=tagger: passes over the rows at most; it stops where it makes no error. null: 10, with many words 5."""
    revision: str | None = None
    """Branch, tag or commit on the Hub."""
    tokenizer_kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the tokenizer that its repository lacks: {do_lower_case: false}."""
    max_length: OptionalPositive = None
    """Longest input of the model in tokens, if its configuration does not say."""
    trim_vocabulary: bool = False
    """Removes the tokens that texts like those of the run cannot use, and their embeddings: for multilingual models, half of
    whose weights are tokens of other scripts. Texts in the run's letters are tokenized as before."""
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
    """Kind of adapter."""
    r: Positive = 16
    """Rank of the adapter matrices (not for ia3)."""
    alpha: Positive = 32
    """The adapter's output is scaled by alpha / r (rslora: alpha / sqrt(r))."""
    dropout: Fraction = 0.05
    """Dropout before the adapter (not for ia3)."""
    target_modules: list[str] = field(default_factory=lambda: ["auto"])
    """Layers that get an adapter. auto: every linear layer but the new head (ia3: keys, values, feed-forward)."""
    merge: bool = True
    """`model/` holds the merged plain model and `adapter/` the adapter; false: `model/` holds the adapter alone."""
    quantization: Quantization = Quantization.none
    """Holds the frozen base in 8 or 4 bits (needs bitsandbytes: pip install 'autotune[quant]')."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Peak learning rate that suits adapters, used while trainer.learning_rate is null."""


@dataclass
class CheckpointConfig(Strict):
    """What a killed or interrupted run resumes from."""

    every: Interval = "1ep"
    """Interval of checkpoints: epochs (1ep, 0.5ep) or steps (200st)."""
    minutes: Annotated[float, Field(gt=0)] = 15.0
    """A checkpoint is also written when the last one is this many minutes old."""
    keep: Positive = 2
    """Number of checkpoints to keep; each holds weights, both moments of Adam and the best weights so far."""


@dataclass
class ReportConfig(Strict):
    """What is shown beside the scores."""

    format: ReportFormat = ReportFormat.html
    """html: writes report.html into the run folder, with curves, errors and texts of the data; it is never pushed. none: only
    the files for programs."""
    examples: Annotated[int, Field(ge=0)] = 0
    """Rows of the scored split to quote in the model card, with gold value and prediction; e-mail addresses, phone numbers,
    CPF, CNPJ, user names and URLs in them are masked. 0: no text of the data leaves the run folder."""


@dataclass
class CheckConfig(Strict):
    """Checks before a model is loaded."""

    level: CheckLevel = CheckLevel.warn
    """What ends a run: errors (warn), warnings too (strict), errors alone without looking for warnings (none)."""
    format: CheckFormat = CheckFormat.text
    """Output of `autotune check` and `autotune plan`: tables for people (text), or json for programs."""
    near_duplicates: Annotated[float | None, Field(gt=0, lt=1)] = 0.8
    """Texts whose sets of five-letter pieces have at least this Jaccard similarity are near duplicates. null: not
    searched for."""


@dataclass
class SweepConfig(Strict):
    """Several runs of one command line: `-m key=1,2`, or `seeds`."""

    stop_on_failure: bool = False
    """Ends the sweep at the first run that fails. false: the later runs are trained, and the failed one is named at the end."""


@dataclass
class RunConfig(Strict):
    """One run, fully resolved."""

    task: TaskConfig = MISSING
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    peft: PeftConfig | None = None
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    launcher: LauncherConfig = field(default_factory=LauncherConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    check: CheckConfig = field(default_factory=CheckConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    gate: dict[str, str] = field(default_factory=dict)
    """Conditions on the result, checked when it is known; a run that misses one ends with exit code 3 and is not pushed. A
    limit for a metric: gate.macro_f1=">=0.85" (>=, >, <=, <). gate.not_worse_than: a run folder or its metrics.json, of which
    the main score may fall short only by chance (paired tests on the same rows; of a file alone, our 95 % interval).
    gate.better_than=baseline: the best one without a neural network."""
    slurm: SlurmConfig | None = None
    sweep: SweepConfig = field(default_factory=SweepConfig)
    seed: Seed = 42
    """Seed of the order of rows, new weights and dropout. The splits have their own, dataset.seed."""
    seeds: Any = None
    """A sweep over seeds, with or without -m: a number n is n runs with the seeds seed, seed + 1, …; a list [1, 7, 9] has the
    seeds themselves. Each run has its own `seed`, and here null. `autotune sweep` shows mean ± sd over them."""
    folds: Annotated[int | None, Field(ge=2)] = None
    """Cross-validation: k runs, each with another `dataset.fold`, and one score with its interval of all their predictions
    together, each row predicted once. With `seeds` or -m that for each combination. `autotune sweep` shows it."""
    name: str | None = None
    """Folder of the run. null: task, data set, model and a hash of everything that shapes the result."""
    search: SearchConfig | None = None
    runs: str = "runs"
    """Folder of all run folders."""
    bundle: str | None = None
    """File made by `autotune bundle`: rows, base model and features are read from it, and no network is used. Its
    configuration holds; keys of trainer, peft, checkpoint and the like may still be set."""
    guard: Guard = Guard.warn
    """What to do about non-finite losses, collapse to one class, a flat loss, exploding gradients, empty or endless
    summaries. warn: reports each once, with advice; three non-finite steps in a row stop the run. stop: any of them stops
    it. none: reports nothing. A non-finite step is always skipped."""
    resume: Resume = Resume.auto
    """auto: resumes a run whose folder exists, and leaves a finished one alone; never: sets the old folder aside and starts
    again. On the command line also a run folder, which resumes with its own configuration."""
