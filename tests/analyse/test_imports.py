from __future__ import annotations

import subprocess
import sys


def test_analysis_loads_neither_locust_nor_matplotlib_nor_scipy_stats() -> None:
    code = "import sys, perflab.analyse.sweep; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    )
    assert {"pandas", "scipy.special"} <= loaded
    assert not {"locust", "gevent", "matplotlib", "scipy.stats"} & loaded
