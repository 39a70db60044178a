"""Mounts an empty FUSE file system and runs a command: `fuse.py PLACE COMMAND…`.

Wants a mount namespace of its own. Speaks just enough of the kernel's protocol that a folder is there.
"""
import ctypes
import os
import struct
import subprocess
import sys
import threading

INIT, GETATTR, LOOKUP, STATFS = 26, 3, 1, 17
ENOENT, ENOSYS = 2, 38
DIRECTORY = 0o040700


def answer(opcode):
    """The body of the answer, or the negative of an error."""
    if opcode == INIT:
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 4096, 0, 1, 1, 4096, 1, 0, 0, 0)
    if opcode == GETATTR:
        owner = (os.getuid(), os.getgid())
        return struct.pack("<QIIQQQQQQIIIIIIIIII", 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, DIRECTORY, 2, *owner, 0, 4096, 0)
    if opcode == STATFS:
        return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 20, 1 << 20, 1000, 1000, 4096, 255, 4096, 0)
    return -ENOENT if opcode == LOOKUP else -ENOSYS


def serve(device):
    while True:
        request = os.read(device, 1 << 17)
        _, opcode, unique = struct.unpack_from("<IIQ", request)
        body = answer(opcode)
        error, body = (body, b"") if isinstance(body, int) else (0, body)
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def main():
    place, command = sys.argv[1], sys.argv[2:]
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    if libc.mount(b"test", place.encode(), b"fuse", 0, options.encode()) != 0:
        sys.exit(f"no FUSE mount: {os.strerror(ctypes.get_errno())}")
    threading.Thread(target=serve, args=[device], daemon=True).start()
    print("mounted", flush=True)
    os._exit(subprocess.run(command).returncode)


main()
