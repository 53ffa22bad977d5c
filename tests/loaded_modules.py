"""Which modules a piece of code loads in a fresh interpreter."""

import json
import subprocess
import sys

#: What the runtime of an app must not load.
HEAVY = ("torch", "transformers", "scipy", "pydantic", "pandas", "sklearn", "optimum", "datasets", "typer", "rich")


def modules_after(code, *arguments):
    """Run code in a fresh interpreter and return the top-level modules it has loaded."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))
