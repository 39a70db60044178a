#!/usr/bin/env python3
"""The official Redivis client as a witness for the practice server.

It does with the server what a user of the client would do: adds files, lists them, reads them back,
imports rows. Whatever comes back other than it went in is a difference; any difference is exit 1.

    python tests/official_client.py --endpoint http://127.0.0.1:7979/api/v1 --token practice

`tests/official_client.sh` starts a server for it.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

# The client chooses a resumable upload above 50,000,000 bytes.
RESUMABLE = 50_000_000

differences = []


def expect(what, want, got):
    """Notes a difference, and goes on."""
    if want == got:
        print(f"ok    {what}")
    else:
        differences.append(what)
        print(f"DIFF  {what}: expected {want!r}, got {got!r}", file=sys.stderr)


def content(length, seed):
    """So many bytes, the same in every run and different for every seed."""
    block = hashlib.shake_256(seed.encode()).digest(min(length, 1 << 20))
    return (block * (length // max(len(block), 1) + 1))[:length]


def add_files(table, folder):
    """Adds files from a folder and from memory; what the table is to hold, by name."""
    files = {
        "empty.bin": b"",
        "hello.txt": b"hello world",
        "run 1/lane 2/reads äöü.fastq": content(300_000, "reads"),
        "run 1/sheet.csv": content(262_144, "sheet"),
        "large.bam": content(RESUMABLE + 1_234_567, "large"),
    }
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    table.add_files(directory=str(folder), progress=False)
    files["memory/note.txt"] = b"not from a file"
    table.add_files(
        files=[{"name": "memory/note.txt", "data": files["memory/note.txt"]}],
        progress=False,
    )
    return files


def compare_files(table, files, folder):
    listed = {str(file.path): file for file in table.list_files()}
    expect("the names that are listed", sorted(files), sorted(listed))
    for name, data in files.items():
        file = listed.get(name)
        if file is None:
            continue
        expect(f"the size of {name}", len(data), file.size)
        expect(f"the md5 of {name}", hashlib.md5(data).hexdigest(), file.hash.hex())
        expect(f"the content of {name}", True, file.read() == data)
    expect("a part of a file", b"world", table.file("hello.txt").read(start_byte=6))
    with table.file("run 1/sheet.csv").open("rb") as stream:
        expect("a file as a stream", True, stream.read() == files["run 1/sheet.csv"])
    table.to_directory().download(str(folder), progress=False)
    got = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    expect("the names that are downloaded", sorted(files), sorted(got))


def import_rows(table, folder):
    rows = b"name,count\n" + b"".join(b"row %d,%d\n" % (n, n) for n in range(500))
    upload = table.upload("rows.csv").create(rows, progress=False)
    expect("the import from memory", "completed", upload["status"])
    expect("its rows", 500, upload["numRows"])

    # A small file is sent along in a form, without a temp upload.
    path = folder / "small.csv"
    path.write_bytes(b"a,b\n1,2\n")
    upload = table.upload("small.csv").create(str(path), progress=False)
    expect("the import from a small file", "completed", upload["status"])

    path = folder / "big.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 300_000)
    upload = table.upload("big.csv").create(str(path), progress=False)
    expect("the import from a file", "completed", upload["status"])
    expect("its rows", 300_000, upload["numRows"])

    names = sorted(upload.name for upload in table.list_uploads())
    expect("the uploads that are listed", ["big.csv", "rows.csv", "small.csv"], names)

    failing = table.upload("bad.csv")
    failing.create(b"a,b\n1,2\n3\n", raise_on_fail=False, progress=False)
    expect("the import of a bad row", "failed", failing["status"])
    expect("its message names the row", True, "row 3" in failing["errorMessage"])
    failing.delete()
    expect("an upload that was deleted", False, failing.exists())


def release_and_go_on(redivis, drop):
    """A person releases a dataset with the client; the daemon goes on into the next version, which the client reads.

    `drop` carries a folder into a table by the daemon, with more lines for its watch, and returns its exit code and
    what it said.
    """
    def dataset(version=None):
        return redivis.organization("lab").dataset("released", version=version)

    def compare(what, files):
        listed = {str(f.path): f for f in dataset("next").table("raw").list_files()}
        expect(f"the names {what}", sorted(files), sorted(listed))
        for name, data in files.items():
            if name in listed:
                expect(f"the content of {name} {what}", True, listed[name].read() == data)

    table = "lab.released:next.raw"
    files = {"one.bin": content(70_000, "one")}
    expect("the daemon's exit before the release", 0, drop(table, files, "")[0])
    compare("before the release", files)

    # Without a next version: explained, and nothing is made.
    dataset("next").release()
    expect("the dataset's next version after the release", None, dataset().get()["nextVersion"])
    files["two.bin"] = content(80_000, "two")
    code, said = drop(table, files, "")
    expect("the daemon's exit without a next version", 3, code)
    expect("its reason", True, "has no next version" in said or "after files had begun" in said)
    expect("the next version still", None, dataset().get()["nextVersion"])

    # The daemon makes it, once; the client finds it there.
    code, said = drop(table, files, "create_next_version = true")
    expect("the daemon's exit where it makes the next version", 0, code)
    expect("the next version by now", "next", dataset().get()["nextVersion"]["tag"])
    try:
        dataset().create_next_version()
        expect("a second next version", "refused", "made")
    except Exception as error:
        expect("a second next version", True, "already exists" in str(error))
    compare("in the next version", files)

    # In mid-flight: released while a large file is on its way.
    files["large.bin"] = content(12_000_000, "large")
    release = lambda: dataset("next").release()
    code, said = drop(table, files, "create_next_version = true", release)
    expect("the daemon's exit after a release in mid-flight", 0, code)
    expect("the version that was released in mid-flight", "v2.0", dataset().get()["currentVersion"]["tag"])
    expect("the next version was made", 1, said.count("the next version was made"))
    compare("after a release in mid-flight", files)


class Daemon:
    """Runs `run --once` over one drop folder, with one journal."""

    def __init__(self, binary, endpoint, token, folder):
        self.binary, self.endpoint, self.token, self.folder = binary, endpoint, token, folder

    def drop(self, table, files, lines, meanwhile=None):
        drop, config = self.folder / "drop", self.folder / "config.toml"
        drop.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            if not (drop / name).exists():
                (drop / name).write_bytes(data)
        limit = 'bandwidth_limit = "4 MB/s"' if meanwhile else ""
        config.write_text(
            f'[redivis]\nendpoint = "{self.endpoint}"\ntoken_file = ""\n'
            f'[journal]\npath = "{self.folder}/state/journal.db"\n'
            f'[transfer]\nresumable_above = "1 MB"\nchunk_size = "1 MiB"\n{limit}\n[status]\nlisten = ""\n'
            f'[[watch]]\nname = "w"\npath = "{drop}"\ntable = "{table}"\nsettle = "100ms"\n{lines}\n'
        )
        environment = {"REDIVIS_API_TOKEN": self.token, "REDIVIS_API_ENDPOINT": self.endpoint}
        log = self.folder / "log.txt"
        with log.open("w") as said:
            command = [self.binary, "--config", str(config), "run", "--once"]
            daemon = subprocess.Popen(command, env=environment, stderr=said, stdout=subprocess.DEVNULL)
            if meanwhile:
                self.wait_for_a_chunk(daemon)
                meanwhile()
            code = daemon.wait(timeout=120)
        return code, log.read_text()

    def wait_for_a_chunk(self, daemon):
        """Until the newest session of the server holds something, or the daemon has ended."""
        root = self.endpoint.removesuffix("/api/v1")
        deadline = time.monotonic() + 60
        while daemon.poll() is None and time.monotonic() < deadline:
            with urllib.request.urlopen(f"{root}/_sandbox/report", timeout=10) as answer:
                if any(not s["complete"] for s in json.load(answer)["sessions"]):
                    return
            time.sleep(0.02)


def compare_report(endpoint):
    """What the server itself says: the client breaks no rule against one origin."""
    root = endpoint.removesuffix("/api/v1")
    with urllib.request.urlopen(f"{root}/_sandbox/report", timeout=10) as answer:
        report = json.load(answer)
    expect("the violations in the server's report", [], report["violations"])
    expect("the sessions that are complete", True, all(s["complete"] for s in report["sessions"]))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--token", required=True)
    arguments.add_argument("--binary", help="redivis-drop, to be seen by the client")
    arguments = arguments.parse_args()
    # The client reads both when it is imported.
    os.environ["REDIVIS_API_ENDPOINT"] = arguments.endpoint
    os.environ["REDIVIS_API_TOKEN"] = arguments.token
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    import redivis

    print(f"redivis-python {redivis.__version__} against {arguments.endpoint}")
    dataset = redivis.organization("lab").dataset("practice", version="next")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        table = dataset.table("raw").create(is_file_index=True)
        files = add_files(table, folder / "files")
        compare_files(dataset.table("raw"), files, folder / "back")
        import_rows(dataset.table("rows"), folder)
    expect("the table that holds files", True, table.get()["isFileIndex"])
    expect("the dataset", "practice", dataset.get().name)
    if arguments.binary:
        with tempfile.TemporaryDirectory() as folder:
            daemon = Daemon(arguments.binary, arguments.endpoint, arguments.token, Path(folder))
            release_and_go_on(redivis, daemon.drop)
    compare_report(arguments.endpoint)
    if differences:
        sys.exit(f"{len(differences)} differences: {'; '.join(differences)}")
    print("the official client and the practice server agree")


if __name__ == "__main__":
    main()
