"""A bundle of a model and a data set of the Hub."""

import json

from tests.support import SAMPLES
from tests.support.runs import result

UPLOAD = """
from huggingface_hub import HfApi
api = HfApi()
for kind, folder in (("model", {model!r}), ("dataset", {data!r})):
    api.create_repo("acme/base", repo_type=kind)
    api.upload_folder(repo_id="acme/base", folder_path=folder, repo_type=kind)
"""


def test_model_and_data_of_the_hub_are_trained_elsewhere_while_the_hub_is_away(
    forks, elsewhere, trained, tmp_path
):
    done = forks.python(UPLOAD.format(model=str(trained / "model"), data=str(SAMPLES / "ner")))
    assert done.returncode == 0, done.stderr
    words = ["task=ner", "dataset=hub", "dataset.path=acme/base", "model.name_or_path=acme/base", "peft=lora",
             "debug=smoke", "dataset.limit=16", "check=none", "guard=none", "report=none"]  # fmt: skip
    for command in (["train", "runs=here"], ["bundle", "runs=here", "output=b.tar"]):
        done = forks(*command, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    forks.hub.seen.clear()
    with forks.hub.away():
        done = elsewhere("train", "bundle=b.tar", "runs=there", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not forks.hub.seen
    (plain,), (run,) = (tmp_path / "here").glob("[!.]*"), (tmp_path / "there").glob("[!.]*")
    assert plain.name == run.name
    assert result(plain) == result(run)
    adapter, commits = (
        [json.loads((folder / file).read_text()) for folder in (plain, run)]
        for file in ("adapter/adapter_config.json", "data.json")
    )
    assert adapter[0] == adapter[1]
    assert adapter[1]["base_model_name_or_path"] == "acme/base" and adapter[1]["revision"]
    assert commits[0]["source"] == commits[1]["source"]
