"""A closed network and a proxy that is dead: what is on this machine works, and no connection is tried."""

import json
import subprocess
import sys

import pytest
from faults_helpers import TINY_CATALOGUE

from slmbench.common import telemetry

TRAINED = ("--corpus", "reviews.csv", "--max-length", "16", "--seed", "7")
COMMANDS = {
    "compare --recipe": ("compare", "--recipe", "small.toml"),
    "predict": ("predict", "bundle", "a good film"),
    "evaluate": ("evaluate", "run", "--corpus", "reviews.csv"),
    "fetch --from": ("fetch", "whole", "--from", "../shelf"),
    "fetch --list": ("fetch", "--list"),
}
#: Those that share the code of the ones above for the most part.
MORE = {
    "verify": ("verify", "bundle"),
    "cascade": ("cascade", "bundle", "run", "--threshold", "0.9"),
    "adapt": ("adapt", "--model", "base", "--corpus", "reviews.csv", "--max-length", "16", "--epochs", "1"),
    "linear": ("finetune", "--method", "linear", "--model", "base", *TRAINED),
    "lora": ("finetune", "--lora", "--model", "base", "--epochs", "1", *TRAINED),
    "profile in torch": ("profile", "run", "--backend", "torch", "--processes", "1", "--time-limit", "0.2"),
}
#: Run in a command's process: no interface but a loopback that is down, where the system allows that. What Python
#: asks of the network is refused and noted; what libraries ask, the kernel counts.
CLOSED = """
import atexit, ctypes, os, sys
CLONE_NEWNET = 0x40000000
apart = sys.platform == "linux" and ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
attempts = []

def refuse(event, args):
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        attempts.append(f"{event} {args[1]}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        attempts.append(f"{event} {args[0]}")
    else:
        return
    raise OSError("the network is closed")

def note():
    if apart:
        lines = [line.split() for line in open("/proc/self/net/snmp")]
        counted = {f"{names[0]}{name}": int(value) for names, values in zip(lines[::2], lines[1::2])
                   for name, value in zip(names[1:], values[1:])}
        attempts.extend(f"{name} {counted[name]}" for name in ("Ip:OutRequests", "Ip:OutNoRoutes", "Tcp:ActiveOpens")
                        if counted[name])
    import json
    json.dump({"attempts": attempts, "apart": apart}, open("../network.json", "w"))

sys.addaudithook(refuse)
atexit.register(note)
"""
PROXY = "http://127.0.0.1:9"
DEAD_PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), PROXY)


def check_closed(server, place, words, expected=0):
    code = CLOSED + TINY_CATALOGUE
    status, said = server.run(place, *words, code=code, **DEAD_PROXY)
    assert status == expected, said
    seen = json.loads((place / "network.json").read_text(encoding="utf-8"))
    assert seen["attempts"] == []
    return said


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_on_this_machine_needs_no_network(server, stocked, name):
    check_closed(server, stocked, COMMANDS[name])


@pytest.mark.hard
@pytest.mark.parametrize("name", MORE)
def test_other_commands_need_no_network_either(server, stocked, name):
    check_closed(server, stocked, MORE[name])


def test_an_attempt_would_be_seen(server, stocked):
    code = CLOSED + "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 9))\nexcept OSError:\n    pass\n"
    server.run(stocked, "fetch", "--list", code=code)
    assert json.loads((stocked / "network.json").read_text(encoding="utf-8"))["attempts"]


def test_telemetry_is_off_before_any_library_is_imported(monkeypatch):
    for name in telemetry.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    code = (
        "import slmbench, os, json; from huggingface_hub import constants as hub;"
        " print(json.dumps([dict(os.environ), hub.HF_HUB_DISABLE_TELEMETRY]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    environment, hub_is_silent = json.loads(done.stdout)
    assert telemetry.SETTINGS.items() <= environment.items()
    assert hub_is_silent is True


def test_what_a_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    code = "import slmbench, os; print(os.environ['RAY_USAGE_STATS_ENABLED'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "1\n"
