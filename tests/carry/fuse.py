"""Mounts a FUSE file system with one file in it and runs a command: `fuse.py PLACE COMMAND…`.

Wants a mount namespace of its own. Speaks just enough of the kernel's protocol that the file can be read. Each mount
has a device number of its own; all else stays the same. While the file that SILENT_WHILE names exists nothing is
answered: whoever asks hangs, and can be killed, since nobody has taken the request yet.
"""
import ctypes
import os
import select
import struct
import subprocess
import sys
import threading
import time

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, INIT = 1, 2, 3, 14, 15, 17, 18, 26
OPENDIR, READDIR, RELEASEDIR, BATCH_FORGET = 27, 28, 29, 42
ENOENT, ENOSYS = 2, 38
DIRECTORY, REGULAR = 0o040700, 0o100600
ROOT, FILE = 1, 2
NAME, BYTES, TIME = b"measured", b"all that was measured", 1_700_000_000


def attributes(node):
    size, mode, links = (0, DIRECTORY, 2) if node == ROOT else (len(BYTES), REGULAR, 1)
    owner = (os.getuid(), os.getgid())
    return struct.pack("<QQQQQQIIIIIIIIII", node, size, 1, TIME, TIME, TIME, 0, 0, 0, mode, links, *owner, 0, 4096, 0)


def answer(opcode, node, body):
    """The body of the answer, or the negative of an error."""
    if opcode == LOOKUP and body == NAME + b"\0":
        return struct.pack("<QQQQII", FILE, 0, 0, 0, 0, 0) + attributes(FILE)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<QII", 0, 0, 0)
    if opcode in (RELEASE, RELEASEDIR):
        return b""
    if opcode == READ:
        _, offset, size = struct.unpack_from("<QQI", body)
        return BYTES[offset : offset + size]
    if opcode == READDIR:
        _, offset = struct.unpack_from("<QQ", body)
        entry = struct.pack("<QQII", FILE, 1, len(NAME), REGULAR >> 12) + NAME
        return b"" if offset else entry.ljust((len(entry) + 7) // 8 * 8, b"\0")
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 4096, 0, 1, 1, 4096, 1, 0, 0, 0)
    if opcode == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node)
    if opcode == STATFS:
        return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 20, 1 << 20, 1000, 1000, 4096, 255, 4096, 0)
    return -ENOENT if opcode == LOOKUP else -ENOSYS


def serve(device):
    silent = os.environ.get("SILENT_WHILE", "")
    while True:
        select.select([device], [], [])
        while os.path.exists(silent):
            time.sleep(0.05)
        request = os.read(device, 1 << 17)
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        body = answer(opcode, node, request[40:])
        error, body = (body, b"") if isinstance(body, int) else (0, body)
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def main():
    place, command = sys.argv[1], sys.argv[2:]
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    # each takes a device number away
    for _ in range(int(os.environ.get("MOUNTS_BEFORE", "0"))):
        libc.mount(b"test", place.encode(), b"tmpfs", 0, None)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    if libc.mount(b"test", place.encode(), b"fuse", 0, options.encode()) != 0:
        sys.exit(f"no FUSE mount: {os.strerror(ctypes.get_errno())}")
    threading.Thread(target=serve, args=[device], daemon=True).start()
    print(f"mounted as {os.stat(place).st_dev}", flush=True)
    os._exit(subprocess.run(command).returncode)


main()
