"""Uses no CPU time, and is stopped at the wall time limit."""

import time

time.sleep(1000)
