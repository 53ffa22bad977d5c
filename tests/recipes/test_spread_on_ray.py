"""A ladder on two Ray nodes that count as two machines of different kinds, one of which is lost midway."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

LADDER = """
name = "small"

[corpus]
name = "{corpus}"
train_size = 80
test_size = 24

[[rungs]]
name = "floor"
method = "tfidf"

[[rungs]]
name = "tiny"
model = "{base}"
epochs = 1
batch_size = 8
learning_rate = 5e-3
max_length = 16
precision = "fp32"
device = "cpu"

[[rungs]]
name = "both"
method = "cascade"
small = "floor"
large = "tiny"

[export]
forms = ["fp32"]

[profile]
processes = 1
time_limit_s = 0.3
"""
#: Of another machine there is a GPU: that is another fingerprint.
DRIVER = "#!/bin/sh\n[ \"$1\" = --query-gpu=name ] && echo 'a GPU for tests'\n"


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """Two nodes with addresses of their own; returns the cluster and the function that adds a node."""
    pytest.importorskip("ray", reason="ray is not installed: pip install 'slmbench[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    (tmp_path / "driver").mkdir()
    (tmp_path / "driver/nvidia-smi").write_text(DRIVER, encoding="ascii")
    (tmp_path / "driver/nvidia-smi").chmod(0o755)
    cluster = Cluster()

    def add(address=None, **more):
        more |= {"node_ip_address": address} if address else {}
        more |= {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
        for left in (3, 2, 1, 0):  # Ray gives up on a node that begins too slowly
            try:
                return cluster.add_node(**more)
            except Exception:
                if not left:
                    raise
        return None

    try:
        add(num_cpus=0)  # at the address by which drivers look for it, which is not 127.0.0.1
        add("127.0.0.2", num_cpus=2)
        with monkeypatch.context() as there:
            there.setenv("PATH", str(tmp_path / "driver"), prepend=os.pathsep)
            add("127.0.0.3", num_cpus=2)
        yield cluster, add
    finally:
        cluster.shutdown()


@pytest.mark.hard
def test_a_ladder_on_two_machines(machines, here, small_corpus_file, tiny_base):
    cluster, add = machines
    text = LADDER.format(corpus=small_corpus_file.as_posix(), base=tiny_base.as_posix())
    (here / "small.toml").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "slmbench.cli.app",
        "compare",
        "--recipe",
        "small.toml",
        "--engine",
        "ray",
        "--json",
    ]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=here, env=environment
    )

    def lose_one():
        """Kill the first machine when it is at work, and bring it back for the measurements."""
        while not (here / "runs").is_dir() and process.poll() is None:
            time.sleep(0.05)
        (first,) = [node for node in cluster.worker_nodes if node.node_ip_address == "127.0.0.2"]
        cluster.remove_node(first, allow_graceful=False)
        add("127.0.0.2", num_cpus=2)

    thread = threading.Thread(target=lose_one)
    thread.start()
    stdout, stderr = process.communicate(timeout=900)
    thread.join()
    assert process.returncode == 0, stderr
    record = json.loads(stdout)
    assert {(row["name"], row["form"]) for row in record["rows"]} == {
        ("floor", "fp32"),
        ("tiny", "fp32"),
        ("both", "fp32+fp32"),
    }
    assert not any(row["failure"] for row in record["rows"])
    assert len(record["machines"]) == len({row["machine"] for row in record["rows"]}) == 2
