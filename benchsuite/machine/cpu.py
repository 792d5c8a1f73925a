"""temporary"""

from benchsuite.backends.host.threads import *  # noqa
from benchsuite.backends.host.threads import available_cores, cache_sizes, memory_limit  # noqa
