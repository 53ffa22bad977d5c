"""A machine made up for tests: its sysfs tree, its GPU, its codecarbon, its clock."""

import json


class Time:
    """A clock that is moved by hand, and whoever sleeps on it moves it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Zone:
    """A RAPL zone below a made-up sysfs."""

    def __init__(self, sysfs, zone, name, microjoules=0, wraps_at=262_143_328_850):
        self.folder = sysfs / "class/powercap" / zone
        self.folder.mkdir(parents=True)
        (self.folder / "name").write_text(f"{name}\n")
        (self.folder / "max_energy_range_uj").write_text(f"{wraps_at}\n")
        self.show(microjoules)

    def show(self, microjoules):
        (self.folder / "energy_uj").write_text(f"{microjoules}\n")

    def add(self, joules):
        path = self.folder / "energy_uj"
        self.show(int(path.read_text()) + round(joules * 1e6))


class NVMLError(Exception):
    pass


class FakeNvml:
    """The module ``pynvml`` of a machine with GPUs that read alike; ``None`` is what the board does not tell."""

    NVMLError = NVMLError

    def __init__(self, millijoules=5_000_000, milliwatts=60_000, used=2**30, processes=()):
        self.millijoules = millijoules
        self.milliwatts = milliwatts
        self.used = used
        self.processes = list(processes)
        self.asked_for = []
        self.names = ["NVIDIA Test GPU"]

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index):
        self.asked_for.append(index)
        if index > 3:
            raise NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):
        self.asked_for.append(uuid)
        return uuid

    def nvmlDeviceGetName(self, handle):
        return self.names[handle] if handle in range(len(self.names)) else "NVIDIA Test GPU"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self._told(self.millijoules)

    def nvmlDeviceGetPowerUsage(self, handle):
        return self._told(self.milliwatts)

    def nvmlDeviceGetMemoryInfo(self, handle):
        return type("Info", (), {"used": self._told(self.used)})

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [type("Process", (), {"pid": pid, "usedGpuMemory": used}) for pid, used in self._told(self.processes)]

    @staticmethod
    def _told(value):
        if value is None:
            raise NVMLError("Not Supported")
        return value


def lay_codecarbon(folder, powers, mixes=None):
    """Write an installed codecarbon of made-up figures, whose code must not be run."""
    information = folder / "codecarbon-9.8.7.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: codecarbon\nVersion: 9.8.7\n")
    data = folder / "codecarbon/data"
    (data / "hardware").mkdir(parents=True)
    (data / "private_infra").mkdir()
    (folder / "codecarbon/__init__.py").write_text("raise RuntimeError('codecarbon was imported')\n")
    rows = "".join(f"{name},{watts}\n" for name, watts in powers)
    (data / "hardware/cpu_power.csv").write_text(f"Name,TDP\n{rows}")
    (data / "private_infra/global_energy_mix.json").write_text(json.dumps(mixes or {}))


def machine(model="AMD EPYC", cores=8, virtualised=False):
    """What ``slmbench.instruments.hardware`` says of a machine."""
    return {"cpu_model": model, "physical_cores": cores, "virtualised": virtualised}
