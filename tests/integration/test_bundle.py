"""Bundles: made where there is a network, trained where there is none, refused where they were changed."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from autotune.cli.main import main
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, DataError
from autotune.run import bundle
from autotune.run.resume import members
from tests.support.forks import forks
from tests.support.runs import result

CORPUS = [{"text": f"{word} {number}", "label": label} for number in range(8)
          for word, label in (("bom", "sim"), ("mau", "não"))]  # fmt: skip
NO_NETWORK = """
import ctypes, socket, sys
unshare, network, user = ctypes.CDLL(None).unshare, 0x40000000, 0x10000000
unshare(network) and unshare(network | user)  # a network namespace without interfaces, where the system allows it
class Guard(socket.socket):
    def __init__(self, *arguments, **options):
        raise AssertionError("a socket was opened")
socket.socket = Guard
from autotune.cli.main import main
from autotune.runtime import child_process
child_process.prepare()  # as elsewhere; and the process that reads the model back is guarded, too
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with rows.jsonl, b.tar made of it, and a run of the same command line without a bundle."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CORPUS))
    words = ["task=sentiment", "dataset=jsonl", "dataset.path=rows.jsonl", "dataset.test_fraction=0.2",
             "trainer.epochs=2", "check=none", "peft=lora", "runs=here"]  # fmt: skip
    plain = forks().start("train", *words, cwd=folder)
    for output in ("b.tar", "again.tar"):
        ended = forks().start("bundle", *words, f"output={output}", cwd=folder).ended()
        assert ended.returncode == 0, ended.stderr
    assert plain.ended().returncode == 0
    return folder


@pytest.fixture
def elsewhere(made, tmp_path) -> Path:
    """A folder of another machine: the bundle is in it, and nothing else."""
    shutil.copy(made / "b.tar", tmp_path)
    return tmp_path


def rewritten(file: Path, change) -> str:
    """Writes a copy of a bundle whose members `change(info, content)` replaces, each by any number; returns its path."""
    target = file.with_name("changed.tar")
    with tarfile.open(file) as source, tarfile.open(target, "w") as copy:
        for info in source:
            for new, content in change(info, source.extractfile(info).read()):
                copy.addfile(new, io.BytesIO(content))
    return str(target)


def refused(tar: str, cache: Path) -> str:
    with pytest.raises(AutotuneError) as caught:
        bundle.unpack(tar, cache)
    assert not list(cache.parent.rglob("outside"))
    assert not list(cache.glob("bundle-*")), "nothing half unpacked is left"
    return str(caught.value)


def test_equal_inputs_give_equal_bundles(made):
    assert (made / "b.tar").read_bytes() == (made / "again.tar").read_bytes()


def test_it_trains_without_a_network_to_the_same_bytes(made, elsewhere):
    home = elsewhere / "home"
    home.mkdir()
    sealed = forks().start(
        "train", "bundle=b.tar", "runs=there", cwd=elsewhere, code=NO_NETWORK, HOME=str(home)
    )
    ended = sealed.ended()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (plain,), (run,) = (made / "here").glob("[!.]*"), (elsewhere / "there").glob("[!.]*")
    assert plain.name == run.name
    assert result(plain) == result(run)
    assert "found in the cache" in (run / "log.txt").read_text()
    assert not list(home.iterdir())


def test_a_run_is_scored_again_on_the_rows_of_its_bundle(elsewhere):
    done = (
        forks()
        .start("train", "bundle=b.tar", "trainer.max_steps=1", "runs=runs", "name=r", cwd=elsewhere)
        .ended()
    )
    assert done.returncode == 0, done.stderr
    again = forks().start("evaluate", "runs/r", "-o", "scores.json", cwd=elsewhere).ended()
    assert again.returncode == 0, again.stderr
    scores = json.loads((elsewhere / "scores.json").read_text())
    assert (
        scores["macro_f1"] == json.loads((elsewhere / "runs/r/metrics.json").read_text())["test"]["macro_f1"]
    )
    (elsewhere / "b.tar").unlink()
    lost = forks().start("evaluate", "runs/r", cwd=elsewhere).ended()
    assert lost.returncode == 2
    assert "the bundle that the run was trained from is missing" in lost.stderr
    assert "autotune evaluate runs/r --data FILE" in lost.stderr


def test_the_bundle_does_not_hold_code_or_the_working_folder(made):
    with tarfile.open(made / "b.tar") as tar:
        names = tar.getnames()
    assert names[0] == "bundle.json"
    assert {name.split("/")[0] for name in names[1:]} == {"rows", "model", "features"}
    assert "model/model.safetensors" in names
    assert str(made) not in json.dumps(bundle.read_manifest(str(made / "b.tar")))


def configured(tar: Path, *words: str) -> list[RunConfig]:
    return [member.config for member in members([f"bundle={tar}", *words])]


def test_keys_that_shape_no_rows_may_be_set_and_swept(made):
    tar = made / "b.tar"
    (same,) = configured(tar, "trainer.max_hours=2")
    assert (made / "here" / str(same.name)).is_dir()
    runs = configured(tar, "-m", "seed=1,2", "trainer.batch_size=4", "peft.r=4")
    assert [config.seed for config in runs] == [1, 2]
    assert len({config.name for config in [same, *runs]}) == 3
    assert all(config.peft.r == 4 and config.dataset == same.dataset for config in runs)
    (full,) = configured(tar, "peft=none")
    assert full.peft is None
    assert full.trainer.learning_rate == full.model.learning_rate
    (equal,) = configured(tar, "dataset.test_fraction=0.2")
    assert equal.name == same.name


def test_a_bundle_may_have_any_name(made, tmp_path):
    copy = Path(shutil.copy(made / "b.tar", tmp_path / "é (1), d'água.tar"))
    (config,) = configured(copy)
    assert config.bundle == str(copy)


@pytest.mark.parametrize(
    "word", ["dataset.limit=3", "model=tiny_t5", "task=ner", "dataset=sample", "debug=smoke"]
)
def test_what_needs_other_rows_or_another_model_is_refused(made, word):
    with pytest.raises(ConfigError, match="the bundle holds rows, model and features"):
        configured(made / "b.tar", word)


def test_what_needs_a_network_later_is_refused(made):
    with pytest.raises(ConfigError, match="which is only in the bundle"):
        configured(made / "b.tar", "peft.merge=false")
    with pytest.raises(ConfigError, match="cannot be pushed"):
        configured(made / "b.tar", "hub=private")


def test_a_changed_byte_is_found(elsewhere):
    def change(info, content):
        if info.name == "model/model.safetensors":
            content = bytes([content[0] ^ 1]) + content[1:]
        yield info, content

    assert "model.safetensors has other content" in refused(
        rewritten(elsewhere / "b.tar", change), elsewhere / "c"
    )


def member(name: str, content: bytes = b"", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


STRANGERS = {
    "up": member("../outside", b"x"),
    "absolute": member("/tmp/outside", b"x"),
    "not listed": member("model/more.json", b"{}"),
    "device": member("rows/zero", type=tarfile.CHRTYPE),
    "folder": member("outside", type=tarfile.DIRTYPE),
    "symbolic link": member("rows/rows.json", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member("model/config.json", type=tarfile.LNKTYPE, linkname="rows/rows.json"),
    "twice": member("bundle.json/x", b"x"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_members_that_no_bundle_has_are_refused(elsewhere, name):
    def change(info, content):
        yield info, content
        if info.name == "bundle.json":
            yield STRANGERS[name]

    assert "is not a file of its manifest" in refused(
        rewritten(elsewhere / "b.tar", change), elsewhere / "cache"
    )


@pytest.mark.parametrize(
    "name", ["../outside", "/outside", "model/../../outside", "model//x", "other/x", "model"]
)
def test_a_manifest_with_a_name_outside_is_refused(elsewhere, name):
    digest = {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    tar = rewritten(
        elsewhere / "b.tar", lambda info, content: with_manifest(info, content, files={name: digest})
    )
    assert "is not a name inside the bundle" in refused(tar, elsewhere / "cache")


def with_manifest(info, content, **values):
    """Yields a member; of bundle.json, with other values."""
    if info.name == "bundle.json":
        content = json.dumps(json.loads(content) | values).encode()
        info.size = len(content)
    yield info, content


def test_a_file_that_is_missing_or_cut_off_is_noticed(elsewhere):
    tar = elsewhere / "b.tar"
    without = rewritten(tar, lambda info, content: [(info, content)] * (info.name != "rows/rows.json"))
    assert "missing: rows/rows.json" in refused(without, elsewhere / "cache")
    content = tar.read_bytes()
    for length in (0, 700, len(content) // 2):
        tar.write_bytes(content[:length])
        assert "the bundle is damaged" in refused(str(tar), elsewhere / "cache")


def test_a_bundle_of_another_version_is_refused_and_other_libraries_are_named(elsewhere, caplog):
    tar = elsewhere / "b.tar"
    libraries = {"torch": "1.0"}
    configured(Path(rewritten(tar, lambda *item: with_manifest(*item, libraries=libraries))))
    assert "1.0 there" in caplog.text
    with pytest.raises(ConfigError, match=r"pip install autotune==0\.0\.1"):
        bundle.read_manifest(rewritten(tar, lambda *item: with_manifest(*item, autotune="0.0.1")))
    with pytest.raises(DataError, match="the key is missing"):
        bundle.read_manifest(rewritten(tar, lambda info, content: [member(info.name, b"{}")]))


def test_what_is_unpacked_is_verified_and_unpacked_again_where_it_was_changed(elsewhere, caplog):
    tar, cache = str(elsewhere / "b.tar"), elsewhere / "cache"
    folder = bundle.unpack(tar, cache)
    assert bundle.unpack(tar, cache) == folder
    weights = folder / "model" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert bundle.unpack(tar, cache) == folder
    assert weights.read_bytes() == content
    assert "the bundle is unpacked again" in caplog.text
    assert main(["clean", str(elsewhere)]) == 0


def test_plugins_are_carried_but_run_only_if_they_are_named(elsewhere):
    digests = {"mine.py": hashlib.sha256(b"").hexdigest()}
    tar = rewritten(elsewhere / "b.tar", lambda *item: with_manifest(*item, plugins=digests))
    with pytest.raises(ConfigError, match=r"--plugin plugins/mine\.py"):
        members([f"bundle={tar}"])


def test_calls_that_make_no_bundle_are_refused(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", "task=sentiment"]) == 2
    assert "output=bundle.tar" in capsys.readouterr().err
    assert main(["bundle", "-m", "seed=1,2", "output=b.tar"]) == 2
    assert "bundle=b.tar -m seed=1,2,3" in capsys.readouterr().err
    assert main(["bundle=none.tar"]) == 2
    assert "there is no such bundle" in capsys.readouterr().err


def test_the_guard_of_these_tests_notices_a_socket():
    code = NO_NETWORK.replace("from autotune", "socket.socket()\nfrom autotune")
    ended = forks().start(cwd=Path.cwd(), code=code).ended()
    assert ended.returncode == 1
    assert "a socket was opened" in ended.stderr
