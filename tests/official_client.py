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
import sys
import tempfile
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


def compare_report(endpoint):
    """What the server itself says: the client breaks no rule against one origin."""
    root = endpoint.removesuffix("/api/v1")
    with urllib.request.urlopen(f"{root}/_sandbox/report", timeout=10) as answer:
        report = json.load(answer)
    expect("the violations in the server's report", [], report["violations"])
    expect("the sessions that are complete", [True], [s["complete"] for s in report["sessions"]])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--endpoint", required=True)
    arguments.add_argument("--token", required=True)
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
    compare_report(arguments.endpoint)
    if differences:
        sys.exit(f"{len(differences)} differences: {'; '.join(differences)}")
    print("the official client and the practice server agree")


if __name__ == "__main__":
    main()
