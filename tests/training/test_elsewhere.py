"""The package on Windows: no fcntl, no sysconf, no SIGUSR1, open files stay where they are."""

import subprocess
import sys
from pathlib import Path

# What Windows lacks is taken away from symgen alone, once the libraries that adapt by themselves
# have been imported; files that are open cannot be renamed, removed or, if folders, opened.
WINDOWS = """
import builtins, ctypes, os, pkgutil, signal, sys, types
from importlib import import_module
from pathlib import Path

import huggingface_hub, matplotlib.pyplot, scipy.stats, sklearn.manifold, tensorboard, torch, tyro
import torch.utils.data, torch.utils.tensorboard.writer, torch.distributions, torch.export, rich
import PIL.Image, pooch, multiprocessing.pool, subprocess, tempfile, asyncio

os.environ["USERNAME"] = "somebody"
ABSENT = {"fcntl", "resource", "pwd", "grp", "termios", "posix", "tty", "pty"}
imported = builtins.__import__

def windows_import(name, globals=None, locals=None, fromlist=(), level=0):
    if name in ABSENT and (globals or {}).get("__name__", "").startswith("symgen"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return imported(name, globals, locals, fromlist, level)

builtins.__import__ = windows_import

locked, opened, paths = {}, {}, {}

def locking(descriptor, mode, count):
    assert (mode, count) == (2, 1)
    place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
    if locked.setdefault(place, descriptor) != descriptor:
        raise PermissionError(13, "Permission denied")

sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2, LK_LOCK=1)

def memory_status(status):
    status._obj.total = 2**33
    return 1

kernel32 = types.SimpleNamespace(GlobalMemoryStatusEx=memory_status)
ctypes.windll = types.SimpleNamespace(kernel32=kernel32)

os_open, os_close, os_replace, os_unlink = os.open, os.close, os.replace, os.unlink

def windows_open(path, *arguments, **named):
    if Path(path).is_dir():
        raise PermissionError(13, "Permission denied", str(path))
    descriptor = os_open(path, *arguments, **named)
    opened[descriptor] = os.path.abspath(path)
    return descriptor

def windows_close(descriptor):
    opened.pop(descriptor, None)
    for place in [place for place, by in locked.items() if by == descriptor]:
        del locked[place]
    os_close(descriptor)

def refuse_open(path):
    if os.path.abspath(path) in opened.values():
        raise PermissionError(13, "used by another process", str(path))

def windows_replace(source, target, **named):
    refuse_open(source)
    refuse_open(target)
    os_replace(source, target, **named)

def windows_unlink(path, **named):
    if os.path.exists(path):
        refuse_open(path)
    os_unlink(path, **named)

os.open, os.close = windows_open, windows_close
os.replace, os.unlink = windows_replace, windows_unlink
for name in "sysconf fork O_NOFOLLOW O_DIRECTORY O_CLOEXEC getuid mkfifo statvfs pread".split():
    delattr(os, name)
for name in "SIGUSR1 SIGUSR2 SIGHUP SIGALRM pthread_sigmask pthread_kill".split():
    delattr(signal, name)
"""

IMPORTS = """
import symgen
for found in pkgutil.walk_packages(symgen.__path__, "symgen."):
    if not found.name.endswith("__main__"):
        import_module(found.name)
from symgen._memory import MEMORY
assert MEMORY == 2**33
print("imported")
"""

TRAINS = """
from symgen import TVAE, fit
from symgen._files import remove_stale
from symgen._locks import POSIX, held, hold_folder
from symgen.training import RunBusy, hold

assert not POSIX
folder, x = Path("run"), torch.rand(16, 4, 2, 4, 4)
for resume in (False, True):
    model = TVAE((2, 4, 4), capsules=2, units=4, frames=4, window=3)
    run = fit(model, x, examples=32 + 32 * resume, batch_size=8, folder=folder, resume=resume)
assert run.step == 8 and TVAE.from_pretrained(folder).data_shape == (2, 4, 4)
left = [path.name for path in folder.rglob("*") if path.name.startswith((".partial", "lock"))]
assert left == [], left
with hold(folder):
    try:
        with hold(folder):
            raise AssertionError("held twice")
    except RunBusy as busy:
        assert f"process {os.getpid()} is training in run" in str(busy)
descriptor = hold_folder(folder)
try:
    hold_folder(folder)
except BlockingIOError:
    os.close(descriptor)
os.close(hold_folder(folder))
new, old = (folder / f".partial.{letter * 16}.x" for letter in "ab")
new.touch(), old.touch()
os.utime(old, (0, 0))
remove_stale(folder)
assert new.exists() and not old.exists()
print("trained")
"""


def test_everything_imports_and_trains_where_windows_lacks_what_other_systems_have(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", WINDOWS + IMPORTS + TRAINS]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "imported\ntrained\n"), ended.stderr
