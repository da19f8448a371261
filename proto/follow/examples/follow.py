#!/usr/bin/env python3
"""Follows a register of Maillage over HTTP and keeps a copy that proves itself.

    follow.py [--pages] [--key KEY] [--until-up-to-date] [URL [COPY]]

URL is http://host:port, COPY a file that gets a line of JSON for each commit: its records and
the cursor to go on from, so that both are kept or neither is. KEY is the register's public key,
or the file with it; one a line, where there are several.
What is not given is MAILLAGE_HTTP, MAILLAGE_COPY, MAILLAGE_KEY. Ended or killed at any moment
it goes on where the copy ends. It needs nothing but Python 3, and ends with 1 where the
register is not the one that was followed.
"""
import argparse, base64, hashlib, http.client, json, os, random, struct, sys, time
import urllib.error, urllib.parse, urllib.request

from ed25519 import verify  # beside this file

KEPT = 10_000  # roots, to compare checkpoints with, which come a few seconds late


class Fork(Exception):
    """The log is not the one that was followed, or its keeper must look at it: stop."""


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def verifiers(given):
    """The keys of a text or of a file, by name and number: while a key is changed there are two."""
    if os.path.isfile(given):
        with open(given, encoding="utf-8") as file:
            given = file.read()
    keys = {}
    for line in given.split():
        name, number, public = (line.split("+", 2) + ["", ""])[:3]
        try:
            public = base64.b64decode(public, validate=True)
        except ValueError:
            public = b""
        if len(public) != 33 or public[0] != 1:
            sys.exit(f"--key: {line} is neither a file nor a key, NAME+HASH+KEY")
        keys[name, number] = public[1:]
    return keys


class Copy:
    """The copy in its file, and of the tree of RFC 6962 its right edge."""

    def __init__(self, path, keys):
        self.position, self.cursor, self.edge = 0, "", []
        self.roots, self.claims = {}, {}  # by size: of what is held, and what is said of it
        self.keys, self.signed, self.certified, self.beside = keys, "", 0, path + ".checkpoint"
        self.file, good = open(path, "a+b"), 0
        self.file.seek(0)
        for line in self.file:
            if not line.endswith(b"\n"):
                break  # it was being written when we were killed
            commit = json.loads(line)
            self.hold(commit["records"], commit["cursor"])
            good += len(line)
        self.file.truncate(good)
        if keys and os.path.exists(self.beside):
            with open(self.beside, encoding="utf-8") as kept:
                self.certify(kept.read())

    def hold(self, records, cursor):
        for r in records:
            position, subject, body = int(r["position"]), r["subject"].encode(), base64.b64decode(r["body"])
            if position != self.position + 1:
                raise Fork(f"position {position} came where {self.position + 1} is next")
            node = sha256(b"\0", struct.pack(">BQH", 1, position, len(subject)), subject, body)
            size = self.position = position
            while size % 2 == 0:
                node, size = sha256(b"\1", self.edge.pop(), node), size // 2
            self.edge.append(node)
        self.cursor, root = cursor, self.edge[-1]
        for node in reversed(self.edge[:-1]):
            root = sha256(b"\1", node, root)
        self.roots[self.position] = root
        if len(self.roots) > KEPT:
            del self.roots[next(iter(self.roots))]
        self.compare()

    def gather(self, commit, event):
        """What came of a commit so far. The last event of one is the one with a cursor."""
        commit.append(event)
        if "cursor" not in event:
            return commit
        self.take(commit)
        return []

    def take(self, events):
        """Writes a whole commit; what is to be made of its facts is done here, before."""
        records = [{"position": e["id"], "subject": e["subject"], "body": e["stored"]} for e in events]
        self.hold(records, events[-1]["cursor"])
        for e in events:
            if e["type"].endswith(".Unknown"):
                print(f"{e['id']}: a fact newer than the register asked; its bytes are kept", file=sys.stderr)
            elif e["type"] == "maillage.labelling.v1.PersonErased":
                print(f"{e['id']}: forget the names of {e['data']['personErased'].get('valueIds')}", file=sys.stderr)
        self.file.write(json.dumps({"records": records, "cursor": self.cursor}).encode() + b"\n")
        self.file.flush()

    def claim(self, size, root):
        self.claims[size] = root
        self.compare()

    def compare(self):
        """Of sizes that are still to come nothing can be said, nor of those long past."""
        for size in [s for s in self.claims if s <= self.position]:
            said = self.claims.pop(size)
            if self.roots.get(size, said) != said:
                raise Fork(f"the root at {size} is {self.roots[size].hex()}, the register says {said.hex()}")

    def head(self, size, root):
        if size < self.position:
            raise Fork(f"the head is announced at {size}, and {self.position} is held")
        self.claim(size, root)

    def certify(self, note):
        """Compares with a checkpoint of C2SP: origin, size, root; a signed note."""
        if not self.keys or not note or note == self.signed:
            return
        text, _, signatures = note.rpartition("\n\n")
        for line in signatures.splitlines():
            _, who, signature = line.split(" ")
            signature = base64.b64decode(signature)
            public = self.keys.get((who, signature[:4].hex()))
            if public and verify(public, (text + "\n").encode(), signature[4:]):
                break
        else:
            raise Fork("a checkpoint is not signed with the register's key")
        _, size, root = text.split("\n")[:3]
        self.claim(int(size), base64.b64decode(root))
        self.signed, self.certified = note, int(size)
        with open(self.beside + ".new", "w", encoding="utf-8") as kept:
            kept.write(note)
        os.replace(self.beside + ".new", self.beside)


def ask(url, timeout, **parameters):
    query = urllib.parse.urlencode({k: v for k, v in parameters.items() if v != ""})
    return urllib.request.urlopen(url + ("?" + query if query else ""), timeout=timeout)


def stream(url, copy, heartbeat):
    """Takes server-sent events until the connection ends; nothing for three heartbeats ends it."""
    with ask(url + "/v1/events:stream", 3 * heartbeat, cursor=copy.cursor, heartbeat=heartbeat) as lines:
        kind, data, commit = "", "", []
        for line in lines:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif name == "" and data:
                message = json.loads(data)
                if kind == "":
                    commit = copy.gather(commit, message)
                elif kind == "heartbeat":
                    copy.head(int(message["headPosition"]), base64.b64decode(message["root"]))
                    copy.certify(message.get("checkpoint", ""))
                    yield copy.position >= int(message["headPosition"])
                elif kind == "error":
                    refused(message)
                    return
                kind, data = "", ""


def pages(url, copy, heartbeat):
    """Takes a page after the other, and asks for the head and the checkpoint where there is no more."""
    while True:
        with ask(url + "/v1/events", 3 * heartbeat, cursor=copy.cursor, pageSize=1000, wait=heartbeat) as answer:
            page = json.load(answer)
        commit = []
        for event in page["events"]:
            commit = copy.gather(commit, event)
        if page["more"]:
            continue
        with ask(url + "/v1/status", 3 * heartbeat) as answer:
            head = json.load(answer)["head"]
        copy.head(int(head["size"]), base64.b64decode(head["root"]))
        try:
            with ask(url + "/checkpoint", 3 * heartbeat) as answer:
                copy.certify(answer.read().decode())
        except urllib.error.HTTPError as e:
            if e.code != 404:  # none is signed yet, or not here
                raise
        yield copy.position >= int(head["size"])


def refused(problem):
    """Stops where it must; what else goes wrong passes."""
    if problem.get("reason") in ("LOG_FORKED", "LOG_DAMAGED") or 400 <= problem.get("status", 0) < 500:
        raise Fork(f"{problem.get('reason')}: {problem.get('detail')}; the same up to {problem.get('position', '?')}")


def main():
    p = argparse.ArgumentParser(description="Follow a register over HTTP.")
    p.add_argument("url", nargs="?", default=os.environ.get("MAILLAGE_HTTP", "http://127.0.0.1:8080"))
    p.add_argument("copy", nargs="?", default=os.environ.get("MAILLAGE_COPY", "register.jsonl"))
    p.add_argument("--key", default=os.environ.get("MAILLAGE_KEY", ""), help="the register's public key, or the file with it")
    p.add_argument("--pages", action="store_true", help="in pages rather than as server-sent events")
    p.add_argument("--heartbeat", type=int, default=5, metavar="SECONDS", help="call again after three in which nothing came")
    p.add_argument("--until-up-to-date", action="store_true", help="end there, with a key once that is signed too, and print the position and the root")
    given = p.parse_args()
    copy, delay, reached = Copy(given.copy, verifiers(given.key)), 0.05, []
    while True:
        try:
            for there in (pages if given.pages else stream)(given.url.rstrip("/"), copy, given.heartbeat):
                delay = 0.05
                if not there or not given.until_up_to_date:
                    continue
                reached.append(copy.position)  # a checkpoint comes a few seconds late
                if not copy.keys or copy.certified >= reached[0]:
                    print(copy.position, base64.b64encode(copy.roots[copy.position]).decode())
                    return
                if len(reached) == 4:
                    print(f"{reached[0]}: up to date, and no checkpoint of that size seen yet", file=sys.stderr)
        except urllib.error.HTTPError as e:
            if e.headers.get_content_type() == "application/problem+json":
                refused(json.load(e))
        except (OSError, http.client.HTTPException) as e:
            print(f"{e}: again in a moment", file=sys.stderr)
        time.sleep(delay * random.uniform(0.5, 1))
        delay = min(2 * delay, 5)


if __name__ == "__main__":
    try:
        main()
    except Fork as e:
        sys.exit(f"STOP: {e}")
