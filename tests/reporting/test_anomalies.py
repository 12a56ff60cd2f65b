"""The page names anomalies in its own language."""

import ast
from pathlib import Path

from autotune.config.enums import CardLanguage
from autotune.reporting.texts import translated
from autotune.training import guards


def test_each_anomaly_has_a_name_in_portuguese():
    calls = [
        node
        for node in ast.walk(ast.parse(Path(guards.__file__).read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    names = [call.args[0].value for call in calls if ast.unparse(call.func) == "Anomaly" and call.args]
    assert len(names) >= 8
    portuguese = translated(CardLanguage.pt)
    assert [name for name in names if portuguese(name) == name] == []
    assert portuguese("flat loss") == "perda estagnada"
