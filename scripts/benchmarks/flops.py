"""Work that is needed and work that the machine can do: FLOPs of real tokens, and the peak of its matrix products.

What a step needs are its matrix products over real tokens; norms, softmax and the optimizer count nothing. A product of
a weight matrix with N elements takes 2N a position forwards, 2N more for the gradient of its input (unless that
needs none) and 2N more for the gradient of the weight (unless it is frozen): 6N a token for full fine-tuning
(Kaplan et al. 2020, section 2.1) and 4N for the frozen matrices under LoRA. Attention adds 4·d a pair of
positions forwards, for scores and mixing, and twice that backwards (Chowdhery et al. 2022, appendix B); causal
attention has half the pairs. Where each matrix stands is found by sending one row with known lengths through
the model: heads that read one position a row, cross-attention and frozen parts count as what they are. Of a
language model's head only positions with a target are needed.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

GEMM_SHAPES = (
    (512, 384, 384), (2048, 384, 1536), (2048, 1536, 384), (4096, 384, 384), (2048, 768, 768),
    (2048, 768, 3072), (1024, 1024, 1024), (2048, 2048, 2048), (4096, 512, 2048),
)  # fmt: skip
"""Rows, inner and outer size: those of the models here, and squares."""

SOURCE, TARGET = 11, 5


class Work:
    """FLOPs of training steps on rows of given lengths.

    Args:
        model: the model in training mode, adapters included.
        probe: makes the model's inputs of one row with SOURCE input tokens and TARGET tokens of the target.
        causal: whether positions see only those before.
        generates: whether the model's head makes words.
    """

    def __init__(
        self, model: Any, probe: Callable[[int, int], dict[str, Tensor]], *, causal: bool, generates: bool
    ) -> None:
        self.causal, self.generates = causal, generates
        config = model.config
        self.per_position: dict[str, float] = {"source": 0.0, "target": 0.0, "row": 0.0}
        self.pairs: dict[str, float] = {"source": 0.0, "target": 0.0, "cross": 0.0}
        head = model.get_output_embeddings() if generates else None
        hooks = [
            module.register_forward_pre_hook(self._counter(head))
            for module in model.modules()
            if isinstance(module, nn.Linear)
        ]
        inputs = probe(SOURCE, TARGET)
        self.joined = causal and generates and not config.is_encoder_decoder
        # A classifying encoder-decoder reads the text once more in its decoder.
        self.twice = config.is_encoder_decoder and not generates
        model(**inputs)
        for hook in hooks:
            hook.remove()
        layers, width = config.num_hidden_layers, _attention_width(config)
        # Scores and mixing, forwards and twice backwards.
        self.pairs["source"] = 12.0 * width * layers
        if config.is_encoder_decoder:
            decoder = getattr(config, "num_decoder_layers", None) or config.decoder_layers
            self.pairs["target"] = self.pairs["cross"] = 12.0 * width * decoder

    def _counter(self, head: Any) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def count(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            positions = int(np.prod(arguments[0].shape[:-1]))
            where = {SOURCE: "source", TARGET: "target", SOURCE + TARGET: "source"}.get(positions, "row")
            if module is head:
                where = "target"
            passes = 1 + arguments[0].requires_grad + module.weight.requires_grad
            self.per_position[where] += 2.0 * module.weight.numel() * passes

        return count

    def of(self, lengths: NDArray[np.int64]) -> float:
        """FLOPs of a step over features of these lengths: int64 (features, tensors)."""
        source = lengths[:, 0].astype(np.float64)
        target = lengths[:, 1].astype(np.float64) if lengths.shape[1] > 1 else np.zeros(len(lengths))
        read = source + target if self.joined else source
        matrices = (
            self.per_position["source"] * read.sum()
            + self.per_position["target"] * target.sum()
            + self.per_position["row"] * len(lengths)
        )
        target = source if self.twice else target
        pairs = (
            self.pairs["source"] * (read * read).sum() / (2 if self.causal else 1)
            + self.pairs["target"] * (target * target).sum() / 2
            + self.pairs["cross"] * (source * target).sum()
        )
        return float(matrices + pairs)


def _attention_width(config: Any) -> int:
    """Width of all heads together."""
    if getattr(config, "d_kv", None) is not None:
        return int(config.d_kv * config.num_heads)
    return int(config.hidden_size)


def gemm_rates(seconds: float = 0.15, dtype: torch.dtype = torch.float32) -> dict[str, dict[str, float]]:
    """GFLOP/s of torch.mm at several sizes, by CPU time (of all threads together) and by the wall clock.

    Args:
        seconds: how long each size is tried; its best multiplication counts.
        dtype: of the matrices.
    """
    rates = {}
    for rows, inner, outer in GEMM_SHAPES:
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, outer, dtype=dtype)
        out = torch.empty(rows, outer, dtype=dtype)
        torch.mm(left, right, out=out)
        best_cpu = best_wall = float("inf")
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            wall, cpu = time.perf_counter(), time.process_time()
            torch.mm(left, right, out=out)
            best_cpu = min(best_cpu, time.process_time() - cpu)
            best_wall = min(best_wall, time.perf_counter() - wall)
        work = 2e-9 * rows * inner * outer
        rates[f"{rows}x{inner}x{outer}"] = {"cpu": work / best_cpu, "wall": work / best_wall}
    return rates


def peak(rates: dict[str, dict[str, float]], clock: str) -> float:
    """The highest rate, GFLOP/s."""
    return max(rate[clock] for rate in rates.values())
