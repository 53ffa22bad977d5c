"""The machine's fingerprint, and the processor behind it."""

import getpass
import json
import os
import platform
import sys

import pytest

from slmbench.instruments.hardware import (
    ask_driver,
    cpu_features,
    cpu_model,
    hardware_fingerprint,
    software_versions,
    usable_cores,
)
from slmbench.instruments.hardware import processor as cpu

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
def processor(tmp_path, monkeypatch):
    """Let /proc/cpuinfo say what a test says."""
    if not sys.platform.startswith("linux"):
        pytest.skip("there is no /proc/cpuinfo to replace")
    caches = (cpu_features, cpu_model, cpu._cpuinfo)

    def pretend(text):
        file = tmp_path / "cpuinfo"
        if text is not None:
            file.write_text(text, encoding="utf-8")
        monkeypatch.setattr(cpu, "Path", lambda _: file)
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
        "fingerprint",
    }
    assert facts["cpu_model"]
    assert facts["cores_available"] == usable_cores() >= 1
    assert facts["memory_bytes"] > 2**28
    assert facts["isa"] == list(cpu_features())
    assert facts["cpu_model"] in facts["machine"]
    assert len(facts["fingerprint"]) == 16
    json.dumps(facts)


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
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000"}, 1),
        ({"cpu.max": "300000 100000"}, 3),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 8),
        ({"quota": "200000", "period": "100000"}, 2),
        ({"quota": "-1", "period": "100000"}, 8),
        ({}, 8),
    ],
)
def test_a_containers_quota_limits_the_cores(tmp_path, monkeypatch, files, cores):
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(cpu, "QUOTAS", ((tmp_path / "cpu.max", None), (tmp_path / "quota", tmp_path / "period")))
    monkeypatch.setattr(cpu.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cpu.psutil, "cpu_count", lambda logical: 8)

    assert usable_cores() == cores
