"""The machine's fingerprint, and the processor behind it."""

import getpass
import json
import os
import platform
import sys

import pytest

from slmbench.edge import runtime
from slmbench.edge.runtime import is_exact
from slmbench.instruments.hardware import (
    ask_driver,
    cache_sizes,
    cpu_features,
    cpu_identity,
    cpu_model,
    hardware_fingerprint,
    software_versions,
    usable_cores,
)

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8488C
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni avx512_bf16 amx_bf16 amx_int8 hypervisor

processor\t: 1
model name\t: another one
flags\t\t: fpu
"""
ARM = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 asimddp
CPU implementer\t: 0x41

processor\t: 1
Features\t: fp asimd evtstrm crc32 asimddp

Revision\t: c04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""


@pytest.fixture
def eight_cores(tmp_path, monkeypatch):
    """Eight cores, and what the system says of them, which a test writes."""
    monkeypatch.setattr(runtime, "CGROUPS", tmp_path)
    monkeypatch.setattr(runtime, "CGROUP_OF_PROCESS", tmp_path / "cgroup")
    monkeypatch.setattr(runtime, "CPU_TOPOLOGY", tmp_path)
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Let /proc/cpuinfo say what a test says."""
    if not sys.platform.startswith("linux"):
        pytest.skip("there is no /proc/cpuinfo to replace")
    caches = (cpu_features, cpu_model, cpu_identity, runtime.cpu_information)

    def pretend(text):
        file = tmp_path / "cpuinfo"
        if text is not None:
            file.write_text(text, encoding="utf-8")
        monkeypatch.setattr(runtime, "CPU_INFORMATION", file)
        for function in caches:
            function.cache_clear()

    yield pretend
    monkeypatch.undo()
    for function in caches:
        function.cache_clear()


def test_the_fingerprint_names_the_machine():
    facts = hardware_fingerprint()

    assert set(facts) == {
        "cpu_model",
        "cpu_vendor",
        "cpu_family",
        "cpu_model_number",
        "cpu_stepping",
        "caches",
        "isa",
        "physical_cores",
        "cores_available",
        "memory_bytes",
        "governor",
        "virtualised",
        "hypervisor",
        "os",
        "machine_arch",
        "gpu",
        "machine",
        "unknown",
        "fingerprint",
    }
    assert facts["cpu_model"]
    assert facts["cores_available"] == usable_cores() >= 1
    assert facts["memory_bytes"] > 2**28
    assert facts["isa"] == list(cpu_features())
    assert facts["cpu_model"] in facts["machine"]
    assert len(facts["fingerprint"]) == 16
    unknown = {name for name, value in facts.items() if value is None}
    # On bare metal no hypervisor is missing.
    assert unknown - {"hypervisor"} == set(facts["unknown"]) - {"hypervisor"}
    assert all(facts["unknown"].values())
    json.dumps(facts)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        (
            "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 2\n",
            ["AuthenticAMD", "25", "1", "2"],
        ),
        (
            "CPU implementer: 0x41\nCPU architecture: 8\nCPU variant: 0x4\nCPU part: 0xd0b\nCPU revision: 1\n",
            ["0x41", "8", "0xd0b", "r0x4p1"],
        ),
        (None, [None] * 4),
    ],
    ids=["x86", "Arm", "not told"],
)
def test_family_model_and_stepping(processor, text, known):
    processor(text)

    assert list(cpu_identity().values()) == known


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from sysfs")
def test_sizes_of_caches(tmp_path, monkeypatch):
    from slmbench.instruments.hardware import processor as module

    monkeypatch.setattr(module, "CPU_CACHES", tmp_path)
    cache_sizes.cache_clear()
    assert cache_sizes() is None
    rows = [("1", "Data", "48K"), ("1", "Instruction", "64K"), ("2", "Unified", "2048K"), ("3", "Unified", "30M")]
    for number, row in enumerate(rows):
        (tmp_path / f"index{number}").mkdir()
        for file, value in zip(("level", "type", "size"), row, strict=True):
            (tmp_path / f"index{number}" / file).write_text(f"{value}\n", encoding="ascii")
    (tmp_path / "index9").mkdir()
    cache_sizes.cache_clear()

    assert cache_sizes() == {"L1d": 48 << 10, "L1i": 64 << 10, "L2": 2 << 20, "L3": 30 << 20}
    cache_sizes.cache_clear()


def test_the_fingerprint_is_the_same_each_time():
    first = dict(hardware_fingerprint())
    hardware_fingerprint.cache_clear()

    assert hardware_fingerprint() == first


def test_the_fingerprint_tells_unlike_machines_apart_and_like_ones_not(monkeypatch):
    from slmbench.instruments.hardware import fingerprint as module

    def seen(**changes):
        hardware_fingerprint.cache_clear()
        with monkeypatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(module, name, lambda value=value: value)
            return hardware_fingerprint()["fingerprint"]

    own = seen()
    # A governor is changed by hand and back; it is told, and makes no other machine.
    assert seen(_governor="powersave") == own
    assert seen(cpu_model="another processor") != own
    # One name, two generations: what a cloud calls "AMD EPYC".
    identity = cpu_identity()
    assert seen(cpu_identity={**identity, "cpu_family": "25"}) != own
    assert seen(cpu_identity={**identity, "cpu_stepping": "another"}) != own
    assert seen(cache_sizes={"L3": 7}) != own
    assert seen(under_hypervisor=None) != own
    assert seen(usable_cores=999) != own
    monkeypatch.setattr(module, "ask_driver", lambda quantity: ["NVIDIA H200"])
    assert seen() != own
    hardware_fingerprint.cache_clear()


@pytest.mark.skipif(os.name == "nt", reason="the tool is played by a shell script")
def test_gpus_are_asked_of_the_drivers_own_tool(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tool.write_text('#!/bin/sh\necho "NVIDIA H200"\necho " $* "\n', encoding="utf-8")
    tool.chmod(0o755)

    asked = "--query-gpu=memory.free --format=csv,noheader,nounits"
    assert ask_driver("memory.free") == ["NVIDIA H200", asked]
    assert ask_driver("memory.free", "1") == ["NVIDIA H200", f"{asked} -i 1"]
    tool.write_text("#!/bin/sh\necho no driver\nexit 9\n", encoding="utf-8")
    assert ask_driver("name") == []
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    assert ask_driver("name") == []


def test_records_do_not_give_away_whose_machine_it_is():
    said = json.dumps([hardware_fingerprint(), software_versions()])

    for private in (platform.node(), getpass.getuser()):
        if len(private) > 3:  # shorter names may be part of a word
            assert f'"{private}"' not in said
            assert f"{private}@" not in said
    assert "/home/" not in said


def test_versions_of_what_can_change_a_result():
    versions = software_versions()

    assert {"python", "system", "slmbench", "numpy", "onnxruntime", "tokenizers"} <= versions.keys()
    assert versions["python"] == platform.python_version()
    assert all(isinstance(version, str) and version for version in versions.values())


def test_a_server_processor(processor):
    processor(X86)

    assert cpu_model() == "Intel(R) Xeon(R) Platinum 8488C"
    assert cpu_features() == ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def test_a_small_board(processor):
    processor(ARM)

    assert cpu_model() == "Raspberry Pi 5 Model B Rev 1.0"
    assert cpu_features() == ("asimd", "asimddp")


def test_a_system_that_does_not_tell(processor):
    processor(None)

    assert cpu_model() == (platform.processor() or platform.machine())
    assert cpu_features() == ()


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1),
        ("0::/", {"cpu.max": "300000 100000"}, 3),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {"cpu.max": "300000 0"}, 8),
        # A quota may be the process's own, or that of a group above it: the smallest counts.
        ("0::/a.slice/b.service", {"a.slice/b.service/cpu.max": "200000 100000"}, 2),
        ("0::/a.slice/b.service", {"a.slice/cpu.max": "400000 100000"}, 4),
        ("0::/a.slice/b", {"a.slice/cpu.max": "200000 100000", "a.slice/b/cpu.max": "600000 100000"}, 2),
        ("0::/a.slice", {"other.slice/cpu.max": "100000 100000"}, 8),
        # A container sees its own group as the root, whatever the process's membership says.
        ("0::/docker/1234", {"cpu.max": "500000 100000"}, 5),
        ("4:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("4:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "300000", "cpu/a/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("4:memory:/a", {"cpu/a/cpu.cfs_quota_us": "300000", "cpu/a/cpu.cfs_period_us": "100000"}, 8),
        (None, {}, 8),
    ],
)
def test_a_containers_quota_limits_the_cores(tmp_path, eight_cores, group, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    if group is not None:
        (tmp_path / "cgroup").write_text(f"{group}\n")

    assert usable_cores() == cores


def test_cores_are_physical_ones_that_the_process_may_use(tmp_path, eight_cores, monkeypatch):
    for core in range(8):
        topology = tmp_path / f"cpu{core}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{core % 4},{core % 4 + 4}\n")
    assert usable_cores() == 4
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda _: {1, 2, 5})
    assert usable_cores() == 2


def test_a_system_without_affinity(monkeypatch):
    monkeypatch.delattr(runtime.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr("psutil.cpu_count", lambda logical: 6)
    assert usable_cores() == 6
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(runtime.os, "cpu_count", lambda: 12)
    assert usable_cores() == 12


@pytest.mark.parametrize(
    ("isa", "instructions", "exact"),
    [
        (None, ("avx2",), True),
        ("avx512_vnni", ("avx2", "avx512f", "avx512_vnni"), True),
        ("avx512_vnni", ("avx2", "avx_vnni"), True),
        ("avx512_vnni", ("avx2", "amx_int8"), True),
        ("avx512_vnni", ("avx2",), False),
        ("avx512_vnni", ("avx2", "avx512f"), False),
        # Arm sums products of int8 in 32 bits.
        ("avx512_vnni", ("asimd",), True),
        ("arm64", ("asimd",), True),
        ("arm64", ("avx2",), False),
        ("arm64", ("avx512_vnni",), True),
        # Made with 7-bit weights.
        ("avx2", ("asimd",), True),
        ("avx512", ("avx2",), True),
        ("avx512_vnni", (), None),
    ],
)
def test_which_processors_compute_a_form_exactly(isa, instructions, exact):
    assert is_exact(isa, instructions) is exact
