"""Import this first: one core and one thread for everybody, and kernels kept where `studbook` keeps them."""

import os

from cluster.kernel_cache import share_kernels

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ[name] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
share_kernels()
