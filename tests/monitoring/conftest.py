# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "deploy/grafana")]
sys.dont_write_bytecode = True
