"""The C library's memory, kept for the next step of a training instead of given back."""

import ctypes

__all__ = ["keep_freed_memory"]

# Constants of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Ask the C library to keep large blocks that are freed.

    A training step frees and asks again for the same gradients. By default glibc gives blocks of
    this size back to the system at once, and every page of the next ones has to be mapped and
    cleared anew. The setting holds for the process; its memory does not shrink until it ends.

    Returns:
        Whether there was such a setting: on Linux with glibc.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or none to ask
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
