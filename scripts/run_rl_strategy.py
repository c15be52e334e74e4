"""Run a trained market maker on a running exchange: `run_strategy.py --strategy rl`, in short.

    run_rl_strategy.py --model-path models/rl_mm_agent.zip --duration 60

Every option of run_strategy.py is taken; without --model-path the shipped policy trades.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    """Become run_strategy.py."""
    script = Path(__file__).with_name("run_strategy.py")
    arguments = [sys.executable, str(script), "--strategy", "rl", *sys.argv[1:]]
    os.execv(sys.executable, arguments)  # the same process: signals and exit status are its own


if __name__ == "__main__":
    main()
