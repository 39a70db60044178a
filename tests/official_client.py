#!/usr/bin/env python3
"""The official Redivis client as a witness for the practice server, and for what the daemon carried to it.

It does with the server what a user of the client would do: adds files, lists them, reads them back,
imports rows. Then the daemon carries rows, and the client lists and reads them. Whatever comes back other than it went
in is a difference; any difference is exit 1.

    python tests/official_client.py --endpoint http://127.0.0.1:7979/api/v1 --token practice --daemon target/debug/redivis-drop

`tests/official_client.sh` starts a server for it.
"""

import argparse
import base64
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


def conflicts_of_files(redivis, arguments, folder):
    """What the client has put there, under each policy: of the same name, with other content and with the same."""
    theirs, same, ours = content(30_000, "theirs"), content(20_000, "same"), content(30_000, "ours")
    dataset = redivis.organization("lab").dataset("practice", version="next")
    for policy, code, held in [
        ("new_version", 0, [ours]),
        ("skip", 0, [theirs]),
        ("fail", 3, [theirs]),
    ]:
        name = f"files_{policy}"
        table = dataset.table(name).create(is_file_index=True)
        given = [{"name": "x.bin", "data": theirs}, {"name": "same.bin", "data": same}]
        table.add_files(files=given, progress=False)
        daemon = Daemon(arguments.daemon, arguments.endpoint, arguments.token, folder / policy)
        dropped = {"x.bin": ours, "same.bin": same}
        ended, said = daemon.drop(f"lab.practice:next.{name}", dropped, f'on_conflict = "{policy}"')
        expect(f"the daemon's exit under {policy}", code, ended)
        listed = dataset.table(name).list_files()
        md5 = lambda data: hashlib.md5(data).hexdigest()
        by_name = {wanted: [md5(f.read()) for f in listed if str(f.path) == wanted] for wanted in dropped}
        expect(f"x.bin under {policy}", sorted(map(md5, held)), sorted(by_name["x.bin"]))
        # what is there already is not added again
        expect(f"same.bin under {policy}", [md5(same)], by_name["same.bin"])


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


class Carrier:
    """The daemon with one drop folder, whose files become rows of one table."""

    def __init__(self, arguments, folder, table, *, watch=""):
        self.daemon, self.table = arguments.daemon, table
        self.drops, state = folder / table / "drops", folder / table / "state"
        self.drops.mkdir(parents=True)
        state.mkdir(mode=0o700)
        token = state / "token"
        token.write_text(arguments.token)
        token.chmod(0o600)
        self.config = state / "config.toml"
        self.config.write_text(
            f"""
[redivis]
endpoint = "{arguments.endpoint}"
token_file = "{token}"
[journal]
path = "{state}/journal.db"
[[watch]]
name = "{table}"
path = "{self.drops}"
table = "lab.practice:next.{table}"
kind = "tabular"
settle = "100ms"
{watch}
"""
        )

    def drop(self, name, data):
        (self.drops / name).write_bytes(data)

    def call(self, *arguments):
        # not the variables of the client: what is configured counts
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run(
            [self.daemon, *arguments, "--config", self.config],
            env=environment, capture_output=True, text=True, timeout=300,
        )

    def carry(self, code):
        ended = self.call("run", "--once")
        expect(f"how the daemon ends with {self.table}", code, ended.returncode)
        if ended.returncode != code:
            print(ended.stderr, file=sys.stderr)

    def jobs(self, name):
        """The jobs of a file, the oldest first."""
        lines = self.call("jobs", "--json").stdout.splitlines()
        jobs = sorted((json.loads(line) for line in lines), key=lambda job: job["id"])
        return [job for job in jobs if job["remote_name"] == name]


def compare_upload(upload, job, data, rows):
    """An upload of the client's list against the daemon's job and the file."""
    about = f"{upload.name} in {upload.table.name}"
    upload.get()
    expect(f"the import of {about}", "completed", upload["status"])
    expect(f"the address of {about}", job["remote_id"], upload["uri"])
    expect(f"the size of {about}", len(data), int(upload["size"]))
    md5 = hashlib.md5(data)
    hashes = (md5.hexdigest(), base64.b64encode(md5.digest()).decode())
    expect(f"the md5 of {about}", True, upload["hash"] in hashes)
    expect(f"the rows of {about}", rows, upload["numRows"])
    expect(f"the daemon's md5 of {about}", md5.hexdigest(), job["md5"])
    expect(f"the daemon's job of {about}", "done", job["state"])


def listed(dataset, table):
    return {upload.name: upload for upload in dataset.table(table).list_uploads()}


def carried_rows(dataset, arguments, folder):
    """CSV with options: the daemon carries it, the client finds it."""
    options = """[watch.tabular]
type = "delimited"
delimiter = ";"
quote_character = "'"
has_header_row = false
skip_bad_records = true
"""
    carrier = Carrier(arguments, folder, "options", watch=options)
    data = b"1;'a;b'\n2;c\nbad\n3;d\n"
    carrier.drop("a.b.csv", data)
    carrier.carry(0)
    uploads = listed(dataset, "options")
    expect("the uploads with options", ["a.b.csv"], sorted(uploads))
    job = carrier.jobs("a.b.csv")[-1]
    compare_upload(uploads["a.b.csv"], job, data, 3)
    expect("the bad records that were left out", 1, uploads["a.b.csv"]["badRecordsCount"])
    verified = carrier.call("receipts", "--verify")
    expect("the receipts of what the client sees", 0, verified.returncode)

    # the client takes it away; the receipt is no longer true
    uploads["a.b.csv"].delete()
    verified = carrier.call("receipts", "--verify")
    expect("the receipts of what the client removed", 3, verified.returncode)
    expect("what is said of it", True, verified.stdout.startswith('missing: "a.b.csv"'))


def carried_failure(dataset, arguments, folder):
    """A bad CSV is parked with the very words that the client reads, and its mended version goes."""
    carrier = Carrier(arguments, folder, "failing")
    carrier.drop("bad.csv", b"a,b\n1,2\n3\n")
    carrier.carry(3)
    failed = listed(dataset, "failing")["bad.csv"]
    failed.get()
    expect("the import of a bad row that was carried", "failed", failed["status"])
    job = carrier.jobs("bad.csv")[-1]
    expect("the job of a bad row", ("parked", "import-failed"), (job["state"], job["reason"]))
    expect("its words", failed["errorMessage"], job["error"])
    expect("its words name the row", True, "row 3" in job["error"])
    failed.delete()
    mended = b"a,b\n1,2\n3,4\n"
    carrier.drop("bad.csv", mended)
    carrier.carry(0)
    uploads = listed(dataset, "failing")
    expect("the uploads after mending", ["bad.csv"], sorted(uploads))
    compare_upload(uploads["bad.csv"], carrier.jobs("bad.csv")[-1], mended, 2)


def carried_conflicts(dataset, arguments, folder):
    """What the client has put there, under each policy: of the same name, with other content and with the same."""
    theirs, same, ours = b"a\n1\n", b"a\n7\n8\n", b"a\n2\n3\n"
    for policy, state, reason, code in [
        ("new_version", "done", None, 0),
        ("skip", "parked", "skipped", 0),
        ("fail", "parked", "conflict", 3),
    ]:
        table = f"conflict_{policy}"
        for name, data in [("x.csv", theirs), ("same.csv", same)]:
            dataset.table(table).upload(name).create(data, progress=False)
        carrier = Carrier(arguments, folder, table, watch=f'on_conflict = "{policy}"')
        carrier.drop("x.csv", ours)
        carrier.drop("same.csv", same)
        carrier.carry(code)
        job = carrier.jobs("x.csv")[-1]
        expect(f"the job under {policy}", (state, reason), (job["state"], job.get("reason")))
        uploads = listed(dataset, table)
        added = ["x.csv-2"] if policy == "new_version" else []
        expect(f"the uploads under {policy}", sorted(["same.csv", "x.csv", *added]), sorted(uploads))
        for name in added:
            compare_upload(uploads[name], job, ours, 2)
        # what is there already is not added again
        compare_upload(uploads["same.csv"], carrier.jobs("same.csv")[-1], same, 2)
        uploads["x.csv"].get()
        expect(f"the rows of the client under {policy}", 1, uploads["x.csv"]["numRows"])


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
    arguments.add_argument("--daemon", required=True, type=Path, help="the redivis-drop to run")
    arguments = arguments.parse_args()
    arguments.daemon = arguments.daemon.resolve()
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
        carried_rows(dataset, arguments, folder)
        carried_failure(dataset, arguments, folder)
        carried_conflicts(dataset, arguments, folder)
    expect("the table that holds files", True, table.get()["isFileIndex"])
    expect("the dataset", "practice", dataset.get().name)
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(arguments.daemon, arguments.endpoint, arguments.token, Path(folder))
        release_and_go_on(redivis, daemon.drop)
    with tempfile.TemporaryDirectory() as folder:
        conflicts_of_files(redivis, arguments, Path(folder))
    compare_report(arguments.endpoint)
    if differences:
        sys.exit(f"{len(differences)} differences: {'; '.join(differences)}")
    print("the official client, the practice server and the daemon agree")


if __name__ == "__main__":
    main()
