"""Enums of the configuration: keys that allow only some values. `autotune schema` prints the docstrings of the classes."""

from enum import StrEnum


class Overflow(StrEnum):
    """What happens to a text that is longer than `task.max_length`."""

    window = "window"
    truncate = "truncate"
    error = "error"


class Calibrate(StrEnum):
    """How probabilities are calibrated on validation."""

    none = "none"
    temperature = "temperature"


class ClassWeights(StrEnum):
    """How much each class counts in the loss."""

    none = "none"
    balanced = "balanced"


class Keep(StrEnum):
    """Which weights of a training are its result."""

    auto = "auto"
    """best with 100 or more rows of validation or with `trainer.patience`, else last."""
    best = "best"
    """Those that scored best on validation."""
    last = "last"
    """Those of the last step."""


class Loss(StrEnum):
    """How wrong a predicted label is."""

    cross_entropy = "cross_entropy"
    focal = "focal"


class Format(StrEnum):
    """Format of the data at `dataset.path`."""

    auto = "auto"
    hub = "hub"
    csv = "csv"
    json = "json"
    jsonl = "jsonl"
    parquet = "parquet"
    arrow = "arrow"
    xlsx = "xlsx"
    conll = "conll"
    spans = "spans"
    brat = "brat"
    fasttext = "fasttext"
    folders = "folders"


class Normalize(StrEnum):
    """Unicode normal form of all texts and words (Unicode Standard Annex 15)."""

    nfc = "nfc"
    nfkc = "nfkc"
    none = "none"


class Dedup(StrEnum):
    """Which rows of train are left out because their text, apart from case, accents and blanks, occurs again.

    Rows of validation and test are never left out: every gold value is scored.
    """

    none = "none"
    repeats = "repeats"
    """Later copies within train."""
    leaks = "leaks"
    """Rows of train that are also in validation or test."""
    all = "all"
    """Both."""


class CheckLevel(StrEnum):
    """How `check` treats its findings."""

    none = "none"
    """Only problems that make a run impossible are checked."""
    warn = "warn"
    """Errors stop the run, warnings are shown."""
    strict = "strict"
    """Warnings stop the run, too."""


class CheckFormat(StrEnum):
    """How `autotune check` prints what it finds."""

    text = "text"
    json = "json"


class TagScheme(StrEnum):
    """How entity borders are written in tags. See Ramshaw & Marcus 1995 (IOB1), Ratnaparkhi 1998 (IOB2)."""

    auto = "auto"
    iob2 = "iob2"
    iob1 = "iob1"
    io = "io"
    iobes = "iobes"


class TagRepair(StrEnum):
    """What happens to an illegal transition in gold tags, such as I-LOCAL after O."""

    repair = "repair"
    error = "error"


class Architecture(StrEnum):
    """Tiny models that are built locally; `auto` lets the task choose."""

    auto = "auto"
    bert = "bert"
    roberta = "roberta"
    deberta = "deberta"
    modernbert = "modernbert"
    t5 = "t5"
    bart = "bart"
    gpt2 = "gpt2"
    llama = "llama"


class BaselineMethod(StrEnum):
    """Models without a neural network."""

    tfidf = "tfidf"
    """Linear model of TF-IDF weights of words and characters: every kind of classification, regression."""
    tagger = "tagger"
    """Averaged structured perceptron: NER."""
    first_sentences = "first_sentences"
    """The first sentences of a document: summarization."""
    centroid = "centroid"
    """The sentences that are most like their document: summarization."""


class PeftMethod(StrEnum):
    """Parameter-efficient methods: Hu 2021 (lora), Liu 2024 (dora), Kalajdzievski 2023 (rslora), Liu 2022 (ia3)."""

    lora = "lora"
    dora = "dora"
    rslora = "rslora"
    ia3 = "ia3"


class Quantization(StrEnum):
    """Number format of the frozen base model in memory."""

    none = "none"
    int8 = "int8"
    nf4 = "nf4"


class Precision(StrEnum):
    """Arithmetic of forward and backward; weights and optimizer stay fp32."""

    auto = "auto"
    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"
    fp16 = "fp16"


class Batching(StrEnum):
    """Which rows an optimizer step learns from; each row occurs once per epoch in any case."""

    exact = "exact"
    """The next rows in a random order of all rows."""
    packed = "packed"
    """The same rows, concatenated into one sequence without padding."""
    bucketed = "bucketed"
    """Rows of nearly equal length from about fifty steps of that order: less padding, but another order of rows."""


class Sharding(StrEnum):
    """What each of several processes holds of the model while it is trained."""

    none = "none"
    """Everything: weights, gradients and both moments of Adam."""
    fsdp = "fsdp"
    """Its share of them (FSDP2, Zhao et al. 2023)."""


class Schedule(StrEnum):
    """Learning rate after the warmup."""

    linear = "linear"
    cosine = "cosine"
    constant = "constant"


class Offline(StrEnum):
    """Whether the Hub may be asked."""

    auto = "auto"
    always = "always"
    never = "never"


class Visibility(StrEnum):
    """Whether a finished run is pushed to the Hub, and who may see it there."""

    none = "none"
    private = "private"
    public = "public"


class WhenOffline(StrEnum):
    """What to do if a run is to be pushed but the Hub cannot be reached."""

    refuse = "refuse"
    """The run is refused before training."""
    queue = "queue"
    """The run is trained, and `autotune push RUN` uploads it later."""


class CardLanguage(StrEnum):
    """Language of the model card."""

    pt = "pt"
    en = "en"


class ReportFormat(StrEnum):
    """Whether a finished run gets a report for people."""

    html = "html"
    """report.html in the run folder: one file that opens without a network."""
    none = "none"


class TrackerName(StrEnum):
    """Experiment trackers."""

    none = "none"
    tensorboard = "tensorboard"
    wandb = "wandb"
    mlflow = "mlflow"
    trackio = "trackio"


class Guard(StrEnum):
    """What to do if training goes wrong without an error."""

    warn = "warn"
    stop = "stop"
    none = "none"


class Resume(StrEnum):
    """What to do if the run's folder exists."""

    auto = "auto"
    never = "never"


class SpaceType(StrEnum):
    """What values a search may try."""

    float = "float"
    int = "int"
    categorical = "categorical"


class RegressionMetric(StrEnum):
    """Figure of a regression that chooses the best checkpoint."""

    mse = "mse"
    mae = "mae"
    pearson = "pearson"
    qwk = "qwk"
