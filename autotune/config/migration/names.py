"""Keys of AutoTrain and of the example scripts of transformers, under one vocabulary, and what has no counterpart.

The vocabulary is that of `settings` and `data`: learning_rate, batch_size, max_length, path, train, text, target …
"""

import re
from collections.abc import Mapping

AUTOTRAIN, SCRIPTS = "AutoTrain", "the example scripts"
"""Names of the tools."""

AUTOTRAIN_TASKS: Mapping[str, str] = {
    "text_classification": "classification", "text_binary_classification": "classification",
    "text_multi_class_classification": "classification", "text_regression": "regression",
    "text_single_column_regression": "regression", "token_classification": "ner", "text_token_classification": "ner",
    "seq2seq": "summarization",
}  # fmt: skip
"""Our task by AutoTrain's, and by its aliases."""

OTHER_TASKS: Mapping[str, str] = {
    r"llm|lm_training": "TRL or axolotl; summaries by a decoder: task=summarization model=tucano_160m",
    r"image|object|vlm|dreambooth": "the example scripts of transformers and diffusers for images",
    r"st(:|$)|sentence": "sentence-transformers",
    r"ext|.*question_answering": "run_qa.py of transformers",
    r"tabular": "scikit-learn",
    r"asr|automatic_speech": "the example scripts of transformers for speech",
}
"""What trains AutoTrain's other tasks, by a pattern of their names."""

AUTOTRAIN_KEYS: Mapping[str, str] = {
    "base_model": "model", "model": "model", "project_name": "project", "log": "tracker", "backend": "backend",
    "path": "path", "data_path": "path", "train_split": "train", "valid_split": "validation", "text_column": "text",
    "text": "text", "target_column": "target", "label": "target", "tokens_column": "text", "tokens": "text",
    "tags_column": "target", "tags": "target", "lr": "learning_rate", "epochs": "epochs", "batch_size": "batch_size",
    "gradient_accumulation": "accumulation", "warmup_ratio": "warmup_ratio", "scheduler": "scheduler",
    "optimizer": "optimizer", "weight_decay": "weight_decay", "max_grad_norm": "max_grad_norm", "seed": "seed",
    "mixed_precision": "precision", "max_seq_length": "max_length", "max_target_length": "max_target_length",
    "eval_strategy": "eval_strategy", "logging_steps": "logging_steps", "save_total_limit": "keep",
    "early_stopping_patience": "patience", "early_stopping_threshold": "min_delta",
    "auto_find_batch_size": "auto_batch_size", "max_samples": "limit", "peft": "peft", "quantization": "quantization",
    "lora_r": "lora_r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout", "target_modules": "target_modules",
    "merge_adapter": "merge", "username": "username", "token": "token", "push_to_hub": "push",
}  # fmt: skip
"""The vocabulary by the last part of AutoTrain's keys, which no two sections share; training_params.json has only that."""

SCRIPT_KEYS: Mapping[str, str] = {
    "model_name_or_path": "model", "model_revision": "revision", "output_dir": "project", "dataset_name": "path",
    "dataset_config_name": "config", "train_file": "train_file", "validation_file": "validation_file",
    "test_file": "test_file", "train_split_name": "train", "validation_split_name": "validation",
    "test_split_name": "test", "text_column": "text", "text_column_name": "text", "text_column_names": "text",
    "label_column_name": "target", "summary_column": "target", "task_name": "task_name", "do_regression": "regression",
    "max_seq_length": "max_length", "max_source_length": "max_length", "max_target_length": "max_target_length",
    "val_max_target_length": "generated_length", "generation_max_length": "generated_length",
    "num_beams": "num_beams", "generation_num_beams": "num_beams", "source_prefix": "source_prefix", "lang": "lang",
    "learning_rate": "learning_rate", "num_train_epochs": "epochs", "max_steps": "max_steps",
    "per_device_train_batch_size": "batch_size", "gradient_accumulation_steps": "accumulation",
    "warmup_ratio": "warmup_ratio", "warmup_steps": "warmup_steps", "lr_scheduler_type": "scheduler",
    "optim": "optimizer", "weight_decay": "weight_decay", "adam_beta1": "adam_beta1", "adam_beta2": "adam_beta2",
    "adam_epsilon": "adam_epsilon", "max_grad_norm": "max_grad_norm", "seed": "seed", "fp16": "fp16", "bf16": "bf16",
    "tf32": "tf32", "gradient_checkpointing": "gradient_checkpointing", "torch_compile": "compile",
    "label_smoothing_factor": "label_smoothing", "group_by_length": "group_by_length",
    "eval_strategy": "eval_strategy", "evaluation_strategy": "eval_strategy", "eval_steps": "eval_steps",
    "save_total_limit": "keep", "early_stopping_patience": "patience", "early_stopping_threshold": "min_delta",
    "max_train_samples": "limit", "push_to_hub": "push", "hub_model_id": "repo", "hub_private_repo": "private",
    "hub_token": "token", "token": "token", "use_auth_token": "token", "push_to_hub_token": "token",
    "report_to": "tracker", "auto_find_batch_size": "auto_batch_size",
}  # fmt: skip
"""The vocabulary by arguments of run_glue, run_classification, run_ner and run_summarization."""

SUMMARY_KEYS = ("summary_column", "max_source_length", "max_target_length", "val_max_target_length", "source_prefix",
                "ignore_pad_token_for_loss", "text_column")  # fmt: skip
NER_KEYS = ("text_column_name", "label_all_tokens", "return_entity_level_metrics")
CLASSIFICATION_KEYS = ("text_column_names", "text_column_delimiter", "metric_name", "do_regression")
"""Arguments that only one of the example scripts has."""
NER_TASKS = ("ner", "pos", "chunk")
"""Values of run_ner's task_name."""
OTHER_SCRIPTS = ("source_lang", "target_lang", "doc_stride", "question_column", "block_size", "mlm_probability",
                 "image_column_name", "audio_column_name", "language", "train_language")  # fmt: skip
"""Arguments of example scripts for other tasks: translation, questions, language models, images, speech, XNLI."""

GLUE: Mapping[str, tuple[str, ...]] = {
    "cola": ("sentence",), "sst2": ("sentence",), "mnli": ("premise", "hypothesis"), "qnli": ("question", "sentence"),
    "qqp": ("question1", "question2"), **dict.fromkeys(("mrpc", "rte", "stsb", "wnli"), ("sentence1", "sentence2")),
}  # fmt: skip
"""Columns of the texts in the data sets of GLUE, by run_glue's task_name."""
GLUE_PATH = "nyu-mll/glue"
"""Hub id of GLUE."""

COMMANDS = "training, checking and predicting are commands: autotune --help"
HISTORY = "history.jsonl in the run folder has every step and every evaluation"
BEST = "trainer.keep says which weights are saved, and the same command resumes an interrupted run"
MACHINE = "devices and processes are found as they are; several processes: launcher.num_processes=auto"
PADDING = "batches are padded to their longest text, and tables are cached by content"
OWN_MODEL = "configuration, tokenizer and head come with the base model"
CODE = "code of a model or data repository is never run"
ROWS = "dataset.limit holds for every split"
GENERATED = "validation and test are always scored on generated summaries"
ALL_PIECES = "the first piece of a word carries its tag, and the scores of all types are always shown"
SCRIPT_DROPS: Mapping[str, str] = {
    r"do_(train|eval|predict)|eval_(on_start|delay)": COMMANDS,
    r"log(ging)?_.*|disable_tqdm|run_name|project|include_.*|debug|skip_memory_metrics|trackio_.*": HISTORY,
    r"save_.*|load_best_model_at_end|metric_for_best_model|greater_is_better|resume_from_checkpoint|metric_name"
    r"|overwrite_output_dir|restore_callback_.*|ignore_data_skip|enable_jit_checkpoint": BEST,
    r"(dataloader|ddp|fsdp|deepspeed|accelerator|parallelism|tpu|torch|jit|liger|use_liger)_?.*|local_rank|use_cpu"
    r"|no_cuda|per_device_eval_batch_size|eval_accumulation_steps|.*_full_eval|average_tokens_.*|batch_eval_metrics"
    r"|eval_do_concat_batches|eval_use_gather_object|full_determinism|.*_kwargs|half_precision_backend": MACHINE,
    r"overwrite_cache|preprocessing_num_workers|pad_to_max_length|cache_dir|remove_.*|shuffle_.*|length_column_name"
    r"|ignore_pad_token_for_loss|train_sampling_strategy|sortish_sampler|data_seed|text_column_delimiter": PADDING,
    r"config_name|tokenizer_name|use_fast_tokenizer|ignore_mismatched_sizes|low_cpu_mem_usage|label_names"
    r"|resize_position_embeddings|forced_bos_token|use_cache|generation_config": OWN_MODEL,
    r"trust_remote_code": CODE,
    r"max_(eval|predict)_samples": ROWS,
    r"predict_with_generate|prediction_loss_only": GENERATED,
    r"label_all_tokens|return_entity_level_metrics": ALL_PIECES,
}  # fmt: skip
"""Why arguments of the scripts are left out, by a pattern of their names."""


def reason_to_drop(key: str) -> str | None:
    """Returns why an argument of the scripts has no counterpart; None if it is unknown."""
    return next((reason for pattern, reason in SCRIPT_DROPS.items() if re.fullmatch(pattern, key)), None)
