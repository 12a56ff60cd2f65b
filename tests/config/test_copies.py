"""The configurations that are kept as merged: what a run gets is a copy, and no run changes what the next one gets."""

import copy
from collections.abc import Iterator

from omegaconf import DictConfig, ListConfig, Node

from autotune.config.compose import compose
from autotune.config.hydra_loader import _merged, copy_config


def nodes(node: Node) -> Iterator[Node]:
    """The node and those below it."""
    yield node
    if isinstance(node, DictConfig | ListConfig) and isinstance(content := node._content, dict | list):
        for child in content.values() if isinstance(content, dict) else content:
            assert child._get_parent() is node
            yield from nodes(child)


def facts(node: Node) -> dict[str, object]:
    """What is known of a node, without its parent, its children and what is found out again."""
    again = ("resolver_cache", "_metadata", "_parent", "_flags_cache", "_content")
    known = {name: value for name, value in (vars(node) | vars(node._metadata)).items() if name not in again}
    content = vars(node).get("_content")
    return known | {
        "type": type(node),
        "content": list(content) if isinstance(content, dict) else type(content),
    }


def test_a_copy_is_that_of_the_standard_library_and_shares_no_node():
    compose(["task=ner", "peft=lora", "trainer=long", "check=none"])
    _, merged = list(_merged.values())[-1]
    found = list(nodes(copy_config(merged)))
    assert len(found) > 200
    assert [*map(facts, found)] == [*map(facts, nodes(copy.deepcopy(merged)))]
    kept = {id(part) for node in nodes(merged) for part in (node, node._metadata, node._metadata.flags)}
    assert kept.isdisjoint(
        id(part) for node in found for part in (node, node._metadata, node._metadata.flags)
    )
