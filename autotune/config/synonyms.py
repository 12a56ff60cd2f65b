"""Names and values that other tools use for our keys: transformers, AutoTrain, Lightning, Hydra templates."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NO = ("false", "null", "none", "no", "0", "off")
"""Values that mean off, in lower case."""


@dataclass(frozen=True)
class Synonym:
    """Our counterpart of a key of another tool."""

    key: str | None = None
    """Our key; None: no single key, see `note` or `values`."""
    form: str = "{}"
    """Format of our value, with {} for theirs."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Our overrides by their value in lower case; the one of "" is for every value that is invalid for `key`."""
    also: str = ""
    """An additional override that is needed."""
    note: str = ""
    """The difference, for the user."""


def _switch(on: str, off: str, other: str | None = None) -> dict[str, str]:
    """Returns the overrides for true and false, and `other` for any other value."""
    table = {"true": on, "yes": on, "1": on, "on": on} | dict.fromkeys(NO, off)
    return table if other is None else table | {"": other}


HISTORY = "history.jsonl in the run folder has every step and every evaluation; tracking=tensorboard shows them as they come"
TRACKED = "trackers are tensorboard, wandb, mlflow and trackio; history.jsonl in the run folder has every step in any case"
ROWS = (
    "trainer.batch_size is the number of rows of an optimizer step, over all processes; how many of them fit into "
    "memory at once is found out"
)
ADAMW = "the optimizer is AdamW: trainer.weight_decay, trainer.adam_beta1, trainer.adam_beta2, trainer.adam_epsilon"
LAUNCHER = "one GPU is used as it is found; several: launcher.num_processes=auto; none: CUDA_VISIBLE_DEVICES= autotune …"
BEST = "trainer.keep=best saves the weights that score best on validation; trainer.evaluate_every says how often they are scored"
COMMANDS = "train, check, evaluate and predict are commands: autotune evaluate RUN"
WARMUP = "it is a share of all steps here"
TOKEN = "the token comes from HF_TOKEN or hf auth login, and is written nowhere"

PRECISIONS = {
    "16": "trainer.precision=fp16", "16-mixed": "trainer.precision=fp16", "16-true": "trainer.precision=fp16",
    "float16": "trainer.precision=fp16", "half": "trainer.precision=fp16", "bf16-mixed": "trainer.precision=bf16",
    "bf16-true": "trainer.precision=bf16", "bfloat16": "trainer.precision=bf16", "32": "trainer.precision=fp32",
    "32-true": "trainer.precision=fp32", "float32": "trainer.precision=fp32", "": "trainer.precision=auto",
} | dict.fromkeys(NO, "trainer.precision=fp32")  # fmt: skip
EVERY = {
    "epoch": "trainer.evaluate_every=1ep",
    "steps": "trainer.evaluate_every=200st",
    "": "trainer.evaluate_every=1ep",
}
SAVING = {"epoch": "checkpoint.every=1ep", "steps": "checkpoint.every=500st", "": "checkpoint.every=1ep"}
INT8 = "peft=lora peft.quantization=int8"
TRACKERS = {name: f"tracking={name}" for name in ("tensorboard", "wandb", "mlflow", "trackio")} | _switch(
    "tracking=tensorboard", "tracking=none", "tracking=tensorboard"
)
PUSH = _switch("hub=private", "hub=none", "hub=private")
LORA = _switch("peft=lora", "peft=none", "peft=lora")

_TABLE: tuple[tuple[str, Synonym], ...] = (
    ("lr learning_rate base_lr max_lr peak_lr optimizer.lr optim.lr", Synonym("trainer.learning_rate")),
    ("epochs num_epochs num_train_epochs max_epochs n_epochs train_epochs", Synonym("trainer.epochs")),
    ("max_steps max_updates max_train_steps num_training_steps total_steps",
     Synonym("trainer.max_steps", values={"-1": "trainer.max_steps=null"})),
    ("bs batch batch_size train_batch_size per_device_train_batch_size per_gpu_train_batch_size",
     Synonym("trainer.batch_size", note=ROWS)),
    ("gradient_accumulation_steps gradient_accumulation accumulate_grad_batches grad_accum eval_batch_size val_batch_size "
     "per_device_eval_batch_size auto_find_batch_size", Synonym(note=ROWS)),
    ("early_stopping early_stop early_stopping_patience early_stopping_rounds",
     Synonym("trainer.patience", values=_switch("trainer.patience=3", "trainer.patience=null", "trainer.patience=3"))),
    ("early_stopping_threshold", Synonym("trainer.min_delta")),
    ("cv kfold k_fold k_folds n_folds num_folds n_splits cross_validation", Synonym("folds")),
    ("head_lr lr_head classifier_lr classifier_learning_rate head_learning_rate lr_classifier",
     Synonym("trainer.head_learning_rate")),
    ("llrd layerwise_lr_decay layer_wise_lr_decay layer_lr_decay layerwise_decay layerwise_learning_rate_decay lr_layer_decay",
     Synonym("trainer.layer_decay", values={"": "trainer.layer_decay=0.9"} | dict.fromkeys(NO, "trainer.layer_decay=1"))),
    ("freeze_layers num_frozen_layers n_frozen_layers frozen_layers freeze_n_layers num_layers_to_freeze freeze_first_n_layers",
     Synonym("trainer.freeze", values=dict.fromkeys(NO, "trainer.freeze=null") | {"": "trainer.freeze=embeddings"})),
    ("freeze_embeddings freeze_embedding",
     Synonym(values=_switch("trainer.freeze=embeddings", "trainer.freeze=null", "trainer.freeze=embeddings"))),
    ("freeze_bert freeze_encoder freeze_base freeze_base_model freeze_backbone freeze_transformer",
     Synonym(values=_switch("trainer.freeze=all", "trainer.freeze=null", "trainer.freeze=all"))),
    ("warmup warmup_ratio warmup_proportion warmup_fraction warmup_steps num_warmup_steps lr_warmup_steps",
     Synonym("trainer.warmup_ratio", values={"": "trainer.warmup_ratio=0.1"}, note=WARMUP)),
    ("lr_scheduler scheduler lr_scheduler_type lr_schedule scheduler_type",
     Synonym("trainer.schedule", values={"constant_with_warmup": "trainer.schedule=constant", "": "trainer.schedule=linear"})),
    ("wd decay", Synonym("trainer.weight_decay")),
    ("optim optimizer optimizer_name", Synonym(note=ADAMW)),
    ("gradient_clip_val gradient_clipping grad_clip clip_grad_norm max_norm clip", Synonym("trainer.max_grad_norm")),
    ("fp16 half_precision use_fp16",
     Synonym(values=_switch("trainer.precision=fp16", "trainer.precision=fp32", "trainer.precision=fp16"))),
    ("bf16 use_bf16",
     Synonym(values=_switch("trainer.precision=bf16", "trainer.precision=fp32", "trainer.precision=bf16"))),
    ("tf32", Synonym(values=_switch("trainer.precision=tf32", "trainer.precision=fp32", "trainer.precision=tf32"))),
    ("precision mixed_precision dtype torch_dtype amp", Synonym("trainer.precision", values=PRECISIONS)),
    ("torch_compile", Synonym("trainer.compile")),
    ("gradient_checkpointing_enable activation_checkpointing use_gradient_checkpointing",
     Synonym("trainer.gradient_checkpointing")),
    ("group_by_length length_grouped bucket_by_length",
     Synonym(values=_switch("trainer.batching=bucketed", "trainer.batching=exact", "trainer.batching=bucketed"))),
    ("packing sample_packing padding_free",
     Synonym(values=_switch("trainer.batching=packed", "trainer.batching=exact", "trainer.batching=packed"))),
    ("pause_at_end", Synonym("trainer.pause_at", values=_switch("trainer.pause_at=1", "trainer.pause_at=null"))),
    ("max_time time_limit", Synonym("trainer.max_hours", values={"": "trainer.max_hours=8"})),
    ("eval_strategy evaluation_strategy eval_mode",
     Synonym(values=EVERY)),
    ("eval_steps evaluation_steps val_every eval_every", Synonym("trainer.evaluate_every", "{}st", EVERY)),
    ("check_val_every_n_epoch", Synonym("trainer.evaluate_every", "{}ep", EVERY)),
    ("val_check_interval", Synonym("trainer.evaluate_every", "{}ep", EVERY)),
    ("save_strategy", Synonym(values=SAVING)),
    ("save_steps checkpointing_steps save_every", Synonym("checkpoint.every", "{}st", SAVING)),
    ("save_total_limit save_top_k", Synonym("checkpoint.keep", values={"": "checkpoint.keep=2"})),
    ("resume_from_checkpoint resume_training ckpt_path",
     Synonym(values={"": "resume=auto"} | _switch("resume=auto", "resume=never"))),
    ("overwrite_output_dir", Synonym(values=_switch("resume=never", "resume=auto", "resume=auto"))),
    ("load_best_model_at_end metric_for_best_model greater_is_better monitor", Synonym(note=BEST)),
    ("report_to log_with logger loggers log tracker trackers", Synonym(values=TRACKERS, note=TRACKED)),
    *((name, Synonym(values=_switch(f"tracking={name}", "tracking=none", f"tracking={name}"), note=TRACKED))
      for name in ("tensorboard", "wandb", "mlflow", "trackio")),
    ("use_wandb", Synonym(values=_switch("tracking=wandb", "tracking=none", "tracking=wandb"))),
    ("wandb_project", Synonym("tracking.project", also="tracking=wandb")),
    ("logging log_level logging_steps logging_strategy logging_first_step log_every_n_steps comet", Synonym(note=HISTORY)),
    ("output_dir out_dir output output_path save_dir logging_dir default_root_dir checkpoint_dir hydra_run_dir log_dir",
     Synonym("runs")),
    ("run_name experiment_name project_name job_name exp_name", Synonym("name")),
    ("random_state random_seed seed_everything data_seed manual_seed", Synonym("seed")),
    ("max_length max_len max_seq_length max_seq_len max_input_length max_source_length model_max_length block_size "
     "sequence_length seq_len", Synonym("task.max_length")),
    ("max_target_length max_output_length generation_max_length max_summary_length val_max_target_length",
     Synonym("task.max_new_tokens")),
    ("generation_num_beams beams beam_size beam_width", Synonym("task.num_beams")),
    ("label_smoothing_factor", Synonym("task.label_smoothing")),
    ("class_weight weighted_loss", Synonym("task.class_weights",
     values=_switch("task.class_weights=balanced", "task.class_weights=none", "task.class_weights=balanced"))),
    ("loss_function loss_fn loss_type criterion", Synonym("task.loss", values={"": "task.loss=cross_entropy"} | dict.fromkeys(
     ("focal_loss", "focalloss"), "task.loss=focal"))),
    ("focal_loss use_focal_loss focal",
     Synonym(values=_switch("task.loss=focal", "task.loss=cross_entropy", "task.loss=focal"))),
    ("gamma focal_loss_gamma focal_gamma", Synonym("task.focal_gamma", also="task.loss=focal")),
    ("weight_o o_weight o_loss_weight", Synonym("task.o_weight")),
    ("stride doc_stride", Synonym("task.overlap")),
    ("truncation", Synonym(values=_switch("task.on_overflow=truncate", "task.on_overflow=window", "task.on_overflow=truncate"))),
    ("path data data_path data_dir data_file train_file train_path training_file train_data dataset_name dataset_path "
     "dataset_dir", Synonym("dataset.path")),
    ("validation_file valid_file val_file eval_file dev_file validation_path", Synonym("dataset.splits.validation")),
    ("test_file predict_file test_path", Synonym("dataset.splits.test")),
    ("train_split", Synonym("dataset.splits.train")),
    ("valid_split validation_split val_split eval_split dev_split", Synonym("dataset.splits.validation")),
    ("test_split", Synonym("dataset.splits.test")),
    ("dataset_config dataset_config_name config_name subset", Synonym("dataset.name")),
    ("dataset_revision", Synonym("dataset.revision")),
    ("text_column text_column_name text_col", Synonym("dataset.columns.text")),
    ("label_column label_column_name target_column target_col label_col", Synonym("dataset.columns.label")),
    ("tokens_column token_column_name", Synonym("dataset.columns.tokens")),
    ("tags_column tag_column_name", Synonym("dataset.columns.tags")),
    ("document_column source_column", Synonym("dataset.columns.document")),
    ("summary_column", Synonym("dataset.columns.summary")),
    ("id2label label2id label_mapping", Synonym("dataset.label_map", values={"": "dataset.label_map=null"})),
    ("label_list class_names classes", Synonym("dataset.labels", values={"": "dataset.labels=[negativo,positivo]"})),
    ("sep separator", Synonym("dataset.delimiter")),
    ("test_size", Synonym("dataset.test_fraction", values={"": "dataset.test_fraction=0.2"})),
    ("val_size validation_size valid_size validation_split_percentage dev_size",
     Synonym("dataset.validation_fraction", values={"": "dataset.validation_fraction=0.1"})),
    ("max_train_samples max_samples max_eval_samples limit_train_batches limit_val_batches num_samples nrows",
     Synonym("dataset.limit", note="it holds for every split")),
    ("base_model model_name model_id checkpoint_path model_name_or_path model_path pretrained pretrained_model "
     "pretrained_model_name_or_path model.path model.id model.name model.checkpoint backbone", Synonym("model.name_or_path")),
    ("model_revision", Synonym("model.revision")),
    ("peft use_peft lora use_lora adapter", Synonym(values=LORA)),
    ("lora_r lora_rank rank", Synonym("peft.r", also="peft=lora")),
    ("lora_alpha", Synonym("peft.alpha", also="peft=lora")),
    ("lora_dropout", Synonym("peft.dropout", also="peft=lora")),
    ("lora_target_modules target_modules", Synonym("peft.target_modules", also="peft=lora", values={
        "all-linear": "peft=lora peft.target_modules=[auto]", "": "peft=lora peft.target_modules=[auto]"})),
    ("merge_adapter merge_lora", Synonym("peft.merge", also="peft=lora")),
    ("load_in_4bit qlora", Synonym(values=_switch("peft=qlora", "peft=lora", "peft=qlora"))),
    ("load_in_8bit", Synonym(values=_switch(INT8, "peft=lora", INT8))),
    ("quantization bits", Synonym(values={"int4": "peft=qlora", "nf4": "peft=qlora", "4": "peft=qlora", "": "peft=qlora",
     "int8": INT8, "8": INT8} | dict.fromkeys(NO, "peft=lora"))),
    ("push_to_hub push hub_push upload", Synonym(values=PUSH)),
    ("hub_model_id repo_id hub_repo push_to_hub_model_id", Synonym("hub.repo", also="hub=private")),
    ("hub_private_repo private", Synonym(values=_switch("hub=private", "hub=public", "hub=private"))),
    ("hub_token use_auth_token token", Synonym(note=TOKEN)),
    ("hub_revision", Synonym("hub.revision", also="hub=private")),
    ("dry_run fast_dev_run smoke_test debug_mode", Synonym(values=_switch("debug=smoke", "debug=none", "debug=smoke"))),
    ("overfit_batches overfit", Synonym(values=_switch("debug=overfit", "debug=none", "debug=overfit"))),
    ("num_processes nproc_per_node nproc num_gpus n_gpu",
     Synonym("launcher.num_processes",
             values=_switch("launcher.num_processes=auto", "launcher.num_processes=1", "launcher.num_processes=auto"))),
    ("device accelerator use_cpu no_cuda gpus devices num_nodes strategy local_rank ddp", Synonym(note=LAUNCHER)),
    ("do_train do_eval do_predict do_test mode stage", Synonym(note=COMMANDS)),
    ("lang locale", Synonym("dataset.language")),
)  # fmt: skip

SYNONYMS: Mapping[str, Synonym] = {name: synonym for names, synonym in _TABLE for name in names.split()}
"""Synonyms by full key or last part of the key."""


def synonym(key: str) -> Synonym | None:
    """Looks up a key of another tool, by its full name or else its last part; None if it is in no known tool."""
    normalized = key.lower().replace("-", "_")
    return SYNONYMS.get(normalized) or SYNONYMS.get(normalized.rpartition(".")[2])
