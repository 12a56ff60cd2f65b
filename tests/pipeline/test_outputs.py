"""What is there already when we write: links stay links, pipes and devices are written into, the rest is refused."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from autotune.data.export import refuse_existing
from autotune.errors import ConfigError, DiskError
from autotune.runtime.files import atomic_write, refuse_ways_out


def write(target: Path, text: str = "new") -> None:
    with atomic_write(target) as file:
        file.write(text.encode())


def kind(path: Path) -> str:
    return stat.filemode(path.lstat().st_mode)[0]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    real = tmp_path / "far" / "real.txt"
    real.write_text("old")
    (tmp_path / "near.txt").symlink_to(Path("far") / "real.txt")
    (tmp_path / "link.txt").symlink_to(tmp_path / "near.txt")
    with real.open() as held:
        write(tmp_path / "link.txt")
        assert held.read() == "old", "it was replaced, and not written into"
    assert real.read_text() == "new"
    assert kind(tmp_path / "link.txt") == kind(tmp_path / "near.txt") == "l"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "link.txt", "near.txt", "real.txt"]


def test_a_link_that_leads_to_nothing_yet_is_followed(tmp_path):
    (tmp_path / "link").symlink_to("later.txt")
    write(tmp_path / "link")
    assert (tmp_path / "later.txt").read_text() == "new"
    assert kind(tmp_path / "link") == "l"


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_written_into(tmp_path, linked):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    target = tmp_path / "link" if linked else pipe
    if linked:
        target.symlink_to(pipe)
    heard = []
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # so that it is there in time
    listening = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    listening.start()
    write(target, text := "many words " * 20_000)  # more than a pipe holds
    listening.join()
    os.close(reader)
    assert heard == [text.encode()]
    assert kind(pipe) == "p"


def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="no process reads"):
        write(tmp_path / "pipe")
    assert kind(tmp_path / "pipe") == "p"


@pytest.mark.parametrize(("minor", "refused"), [(3, None), (7, DiskError)])
def test_a_device_is_written_into(tmp_path, minor, refused):
    """/dev/null and /dev/full, with nodes of our own."""
    node = tmp_path / "node"
    try:
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
        node.open("wb").close()
    except PermissionError:
        pytest.skip("no device nodes can be made here")
    if refused:
        with pytest.raises(refused, match="No space left"):
            write(node)
    else:
        write(node)
    assert kind(node) == "c"


def test_folders_and_sockets_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        (tmp_path / "link").symlink_to("socket")
        for name in ("folder", "socket", "link"):
            before = kind(tmp_path / name)
            with pytest.raises(ConfigError, match="not a file"):
                write(tmp_path / name)
            assert kind(tmp_path / name) == before
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "socket", "link"}


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "link"])
def test_a_stream_of_our_own_keeps_what_was_written_to_it(tmp_path, name):
    """As with `{ echo before; autotune predict … -o /dev/stdout; echo after; } > file`."""
    file = tmp_path / "file"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    (tmp_path / "link").symlink_to(f"/dev/fd/{descriptor}")
    os.write(descriptor, b"before,")
    target = tmp_path / "link" if name == "link" else Path(name.format(descriptor))
    if not target.exists():
        pytest.skip("the system has no such names")
    write(target, "new,")
    os.write(descriptor, b"after")
    os.close(descriptor)
    assert file.read_text() == "before,new,after"


def test_a_closed_stream_is_told(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(DiskError):
        write(Path(f"/dev/fd/{writer}"))


def test_a_link_that_leads_nowhere_exists_for_convert(tmp_path):
    (tmp_path / "rows.csv").symlink_to("elsewhere.csv")
    with pytest.raises(ConfigError, match="the target exists"):
        refuse_existing(tmp_path / "rows.csv")


@pytest.mark.parametrize("name", ["log.txt", "status.json", ".lock", "model/README.md", "history.jsonl"])
def test_a_run_folder_does_not_choose_where_we_write(tmp_path, name):
    """A folder from somebody else whose log is a link to ~/.bashrc."""
    run, mine = tmp_path / "run", tmp_path / "mine"
    (run / "model").mkdir(parents=True)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last").symlink_to("step-00000001")
    refuse_ways_out(run)
    mine.write_text("mine")
    (run / name).symlink_to(os.path.relpath(mine, (run / name).parent))
    with pytest.raises(ConfigError, match=name):
        refuse_ways_out(run)
    (run / name).unlink()
    os.mkfifo(run / name)
    with pytest.raises(ConfigError, match=name):
        refuse_ways_out(run)
