"""Which processes are ranks: the variables of srun, and what is refused because each process would train by itself."""

import pytest

from autotune.cli.main import main
from autotune.errors import ConfigError
from autotune.runtime import external, launcher

NAMES = (*launcher.NAMES, *external.MPI_SIZES, "CUDA_VISIBLE_DEVICES")
SRUN = {
    "SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "5", "SLURM_STEP_TASKS_PER_NODE": "2(x2),1", "SLURM_STEP_NODELIST": "gpu[07-08,12]",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1",
}  # fmt: skip
"""Variables of the fourth of five tasks on three nodes."""
ACCELERATE = {
    "ACCELERATE_DYNAMO_BACKEND": "no",
    "ACCELERATE_MIXED_PRECISION": "no",
    "ACCELERATE_USE_CPU": "True",
}
"""What accelerate launch sets in each process."""
RANK_1 = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def set_all(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_a_task_of_srun_is_a_rank(environment, monkeypatch):
    environment(SRUN)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "")  # so that it is put back
    external.recognize()
    assert (launcher.rank(), launcher.world_size(), launcher.local_world_size()) == (3, 5, 2)
    assert launcher.is_external()
    child = launcher.without_launcher_env(dict(SRUN) | RANK_1)
    assert not external._is_slurm_task(child) and "RANK" not in child


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"MASTER_ADDR": "gpu07", "MASTER_PORT": "14711", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}),
        ({"SLURM_NODEID": "2", "SLURM_LOCALID": "0"}, {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}),
        ({"SLURM_STEP_ID": "1"}, {"MASTER_PORT": "15708"}),
        ({"MASTER_ADDR": "n1.cluster", "MASTER_PORT": "5"}, {"MASTER_ADDR": "n1.cluster", "MASTER_PORT": "5"}),
        ({"CUDA_VISIBLE_DEVICES": "0"}, {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, {"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}),
        ({"SLURM_STEP_TASKS_PER_NODE": "5", "SLURM_NODEID": "0"}, {"MASTER_ADDR": "127.0.0.1"}),
        ({"SLURM_STEP_NODELIST": ""}, {"MASTER_ADDR": "10.0.0.1"}),
    ],
)  # fmt: skip
def test_the_tasks_of_srun_agree_on_an_address(more, expected):
    ranks = external.slurm_ranks(SRUN | more)
    assert {name: ranks[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("n1,n2", "n1"), ("gpu[07-09,12],login1", "gpu07"), ("r[1-2]n[03,5]", "r1n03"), ("a[5]-ib", "a5-ib")],
)  # fmt: skip
def test_the_first_of_slurms_nodes(nodes, first):
    assert external.first_host(nodes) == first


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"},  # a batch script
        SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"},
        SRUN | {"SLURM_PTY_PORT": "40000"},  # a shell on a terminal
        ACCELERATE,
        {"OMPI_COMM_WORLD_SIZE": "1"},
    ],
)
def test_one_process_is_one_process(environment, variables):
    environment(variables)
    external.recognize()
    assert launcher.world_size() == 1 and not launcher.is_external()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (ACCELERATE | {"MASTER_PORT": "29500"}, "asked for several processes and has started one"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "mpirun has started several processes"),
        ({"PMI_SIZE": "2"}, "mpirun has started several processes"),
        ({"WORLD_SIZE": "2"}, "variables of a launcher are incomplete"),
        (RANK_1 | {"MASTER_PORT": ""}, "variables of a launcher are incomplete"),
        (RANK_1 | {"RANK": "2"}, "variables of a launcher are incomplete"),
    ],
)
def test_processes_that_do_not_know_of_each_other_are_refused(environment, variables, message):
    environment(variables)
    with pytest.raises(ConfigError, match=message):
        external.recognize()


@pytest.mark.parametrize(
    ("variables", "words", "message"),
    [
        (RANK_1, ["launcher.num_processes=3"], "another number of processes than launcher.num_processes"),
        (RANK_1, ["-m", "seed=1,2"], "a sweep is not shared by the processes of a launcher"),
        (ACCELERATE | {"ACCELERATE_MIXED_PRECISION": "bf16"}, [], "another precision than trainer.precision"),
        (ACCELERATE | {"ACCELERATE_MIXED_PRECISION": "fp16"}, ["trainer.precision=bf16"], "fix:   trainer.precision=fp16"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, [], "an engine that the configuration does not choose"),
        ({}, ["launcher.num_processes=0"], "1 or more, or auto"),
        ({}, ["launcher.num_processes=all"], "1 or more, or auto"),
        ({}, ["launcher.grace_seconds=0"], "launcher.grace_seconds should be greater than 0"),
    ],
)  # fmt: skip
def test_what_contradicts_the_launcher_is_refused(environment, capsys, tmp_path, variables, words, message):
    environment(variables | {"RANK": "0"} if "RANK" in variables else variables)
    assert main(["task=sentiment", f"runs={tmp_path}/runs", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", ["1", "2", "auto"])
def test_the_number_of_an_external_launcher_is_accepted(environment, value):
    from autotune.config.compose import compose
    from autotune.pipeline.launch import num_processes

    environment(RANK_1)
    (config,) = compose(["task=sentiment", f"launcher.num_processes={value}"])
    assert num_processes(config) == 1  # it starts none itself


def test_the_launcher_does_not_make_another_run():
    from autotune.config.compose import compose

    names = {compose(["task=ner", *words])[0].name for words in ([], ["launcher.num_processes=2"])}
    assert len(names) == 1
