#!/usr/bin/env python3
"""Checks audit files of muster, from docs/protocol.md alone: `verify.py FILE..`, or `verify.py --vectors docs/vectors`.
Checked: canonical bytes, ids, signatures (own, and by run), logs, bindings, bodies, the manifest and its order, and that the author was a
member of the team by the roster that the entry names. Left to `muster verify FILE`: what a member may do (capabilities, private
incidents, guests, fields of each kind), removals and their frontiers, forks, statuses, time brackets. Prints a line a file, then
`ID<tab>words` for each problem, and exits with 1 where there is any."""
import base64, contextlib, hashlib, io, json, sys, cbor2
from collections import namedtuple
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
Entry = namedtuple("Entry", "v team incident key session seq backlink deps roster claimed kind fields body id dag")
DECLARE, TEAM_CREATE, INVITE, JOIN, VOUCH, ADD_DEVICE = 1, 256, 257, 258, 259, 260
BY_RECOVERY = (261, 262, 263, 264, 266)  # what a recovery key may sign
ZERO, P = bytes(32), 2**255 - 19
Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")

class Bad(Exception): pass
def need(truth, what="form"):
    if not truth: raise Bad(what)
def tagged(tag, *parts): return tag.encode() + b"\0" + b"".join(parts)
def H(tag, *parts): return hashlib.sha256(tagged(tag, *parts)).digest()
def has(value, size): return type(value) is bytes and len(value) == size
def number(value, low, end): return type(value) is int and low <= value < end
def ids(value, most): return type(value) is list and len(value) <= most and all(has(item, 32) for item in value)
def parents(e): return ([e.backlink] if e.backlink else []) + e.deps
def small_order(point): return (int.from_bytes(point, "little") % 2**255) % P in (0, 1, P - 1, Y8, P - Y8)

def signed(key, message, signature):
    with contextlib.suppress(Bad, InvalidSignature, ValueError):
        need(has(key, 32) and has(signature, 64) and not small_order(key) and not small_order(signature[:32]))  # section 1
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    return False

def plain(value, depth=6):  # section 1: no maps, tags and floats; 64-bit integers; nesting
    is_list = type(value) is list and depth > 0 and all(plain(item, depth - 1) for item in value)
    return is_list or value is None or type(value) in (bool, bytes, str) or number(value, -(2**63), 2**63)

def first(data):  # the first item, and its size; it must be canonical
    try: encoded = cbor2.dumps(value := cbor2.load(io.BytesIO(data)))
    except Exception: raise Bad("not canonical") from None
    need(plain(value) and data.startswith(encoded), "not canonical")
    return value, len(encoded)

def entry(raw):  # section 2, and A1 but for the fields
    items, size = first(raw)
    need(size == len(raw) <= 8192 and type(items) is list and len(items) == 13 and items[0] == 1, "A1, form")
    v, team, incident, key, session, seq, backlink, deps, roster, claimed, kind, fields, body = items
    need(has(team, 32) and has(incident, 32) and has(key, 32) and not small_order(key) and has(session, 16), "A1, form")
    need(number(seq, 1, 2**32) and (backlink is None or has(backlink, 32)) and number(kind, 0, 2**16), "A1, form")
    need(ids(deps, 64) and ids(roster, 16) and backlink not in deps and type(fields) is list, "A1, form")
    need(deps == sorted(set(deps)) and roster == sorted(set(roster)) and type(claimed) is list, "A1, form")
    need(len(claimed) == 2 and type(claimed[0]) is int and number(claimed[1], -(2**15), 2**15), "A1, form")
    need(body is None or type(body) is list and len(body) == 2 and has(body[0], 32) and number(body[1], 0, 16385), "A1, form")
    name = H("muster/entry/1", raw)
    return Entry(*items, name, name if kind in (TEAM_CREATE, DECLARE) else team if kind > 255 else incident)

class Record:  # what was admitted so far
    def __init__(self, team): self.team, self.entries, self.signed, self.known = team, {}, set(), {}
    def past(self, heads):  # the roster entries at and below these; by them the persons of each key (section 5, no removals)
        if tuple(heads) in self.known: return self.known[tuple(heads)]
        past, todo, persons = set(), set(heads), {}
        while todo:
            past |= todo
            todo = {name for below in todo for name in parents(self.entries[below])} - past
        order = [e for name, e in self.entries.items() if name in past]
        vouched = {e.fields[0] for e in order if e.kind == VOUCH}
        for e in order:  # whoever was removed may come back as another person with the same key
            if e.kind == TEAM_CREATE or e.kind == JOIN and e.id in vouched:
                persons[e.key] = persons.get(e.key, []) + [e.id]
            for person in persons.get(e.key, []) if e.kind == ADD_DEVICE else []:
                if signed(e.fields[0], tagged("muster/device/1", self.team, person), e.fields[1]):
                    persons[e.fields[0]] = persons.get(e.fields[0], []) + [person]
        return self.known.setdefault(tuple(heads), (past, persons))
    def judge(self, e, signature):  # section 6
        need(not signature or signed(e.key, tagged("muster/sig/1", e.id), signature), "A4, the signature is not its author's")
        for name in parents(e) + e.roster:
            need(name in self.entries, f"A6, it builds on {name.hex()}, which is refused or not here")
        above = [self.entries[name] for name in parents(e)]
        is_roster, is_genesis = e.kind > 255, e.kind in (TEAM_CREATE, DECLARE)
        need((e.dag if e.kind == TEAM_CREATE else e.team) == self.team and not (is_roster and e.roster), "A2, team")
        need(e.team == e.incident == ZERO if e.kind == TEAM_CREATE else e.incident == ZERO if e.kind == DECLARE else
             e.incident == e.team if is_roster else e.incident not in (ZERO, e.team), "A2, incident")
        need(e.seq == 1 and not above if is_genesis else above and all(up.dag == e.dag for up in above), "A2, parents")
        need((e.seq == 1) == (e.backlink is None), "A3, log")
        need(not e.backlink or (above[0].key, above[0].session, above[0].seq + 1) == (e.key, e.session, e.seq), "A3, log")
        if e.kind == JOIN:
            need(len(above) == 1 and above[0].kind == INVITE and not e.backlink, "A5, invite")
            need(signed(above[0].fields[0], tagged("muster/join/1", self.team, above[0].id, e.key), e.fields[1]), "A5, ticket")
        elif is_roster and not is_genesis:
            recovery = self.entries[self.team].fields[2] if e.kind in BY_RECOVERY else []
            need(e.key in self.past(parents(e))[1] or e.key in recovery, "A5, not a member")
        elif not is_roster:
            need(e.roster and all(self.entries[name].dag == self.team for name in e.roster), "A5, roster heads")
            past, persons = self.past(e.roster)
            need(all(self.past(up.roster)[0] <= past for up in above), "A5, the roster is behind")
            need(e.key in persons, "A5, not a member")
    def push(self, e, signature):
        try: self.judge(e, signature)
        except (TypeError, IndexError, KeyError): raise Bad("A1, fields") from None
        self.entries[e.id] = e
        self.signed.update([e.id] if signature else [])
    def unproven(self):  # what no signature proves (section 2, proof by run), and what builds on such
        standing, before = dict(self.entries), None
        while before != len(standing):
            before, proven = len(standing), set(self.signed)
            for e in reversed(list(standing.values())):
                proven |= {e.backlink} if e.id in proven else set()
            stands = lambda e: e.id in proven and all(name in standing for name in parents(e) + e.roster)
            standing = {name: e for name, e in standing.items() if stands(e)}
        return self.entries.keys() - standing

def manifest_signed(key, text, file):  # section 14, and OpenSSH's PROTOCOL.sshsig
    def strings(*parts): return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    kind, purpose = b"ssh-ed25519", strings(b"muster-audit", b"", b"sha512")
    signature = base64.b64decode("".join(text.split("\n")[1:-2]))[-64:]
    blob = base64.b64encode(b"SSHSIG\0\0\0\1" + strings(strings(kind, key)) + purpose + strings(strings(kind, signature))).decode()
    lines = ["-----BEGIN SSH SIGNATURE-----", *(blob[at:at + 70] for at in range(0, len(blob), 70)), "-----END SSH SIGNATURE-----\n"]
    return text == "\n".join(lines) and signed(key, b"SSHSIG" + purpose + strings(hashlib.sha512(file).digest()), signature)

def rows(data, at, problems):
    while at < len(data):
        try:
            row, size = first(data[at:at + 32768])
            need(type(row) is list and len(row) == 3 and type(row[0]) is bytes and (row[1] is None or has(row[1], 64)))
            need(len(row[0]) <= 8192 and (row[2] is None or type(row[2]) is bytes and len(row[2]) <= 16384))
        except Bad: return problems.append((None, f"from byte {at} on the file cannot be read"))
        yield row
        at += size

def check(data):  # section 14: what is wrong, as pairs of an id or None and words; and what else there is to say
    try:
        (magic, team, device, now, dags, absent, gone), at = first(data)
        need(magic == "muster/audit/1" and has(team, 32) and has(device, 32) and type(now) is int and number(gone, 0, 2**63))
        need(all(has(dag, 32) and ids(names, 2**32) for dag, names in dags) and ids(absent, 2**32))
        order, absent_ids = [name for _, names in dags for name in names], set(absent)
        listed, filed = {name: place for place, name in enumerate(order)}, {name: dag for dag, names in dags for name in names}
        need(absent == sorted(absent_ids) and absent_ids <= listed.keys() and len(order) == len(listed) and all(names for _, names in dags))
        need([dag for dag, _ in dags] == [team] + sorted({dag for dag, _ in dags} - {team}))
    except (Bad, TypeError, ValueError): return [(None, "the manifest is damaged")], "0 entries stand"
    record, seen, textless, reached = Record(team), set(), set(), 0
    problems, end = [(None, "the manifest is not signed by its device")], at
    with contextlib.suppress(Bad, AttributeError, ValueError):
        text, size = first(data[at:at + 1024])
        end += size if type(text) is str else 0
        problems = problems if not manifest_signed(device, text, data[:at]) else []
    for raw, signature, body in rows(data, end, problems):
        name = H("muster/entry/1", raw)
        try:
            need(name not in seen, "it is there twice")
            seen.add(name)
            need(name in listed, "it is not in the manifest")
            problems += [(name, "what the manifest lists after it came before")] if listed[name] < reached else []
            reached = max(reached, listed[name])
            e = entry(raw)
            place = e.team, e.incident, e.key, e.session, e.seq.to_bytes(4, "big")
            is_other = body is not None and e.body != [H("muster/body/1", *place, body), len(body)]
            problems += [(name, "its body is not the one that was signed")] if is_other else []
            problems += [(name, "it is listed under another DAG than its own")] if filed[name] != e.dag else []
            problems += [(name, "it is listed as absent and names no text")] if e.body is None and name in absent_ids else []
            textless |= {name} if body is None and e.body is not None else set()
            record.push(e, signature)
        except Bad as why: problems.append((name, str(why)))
    lost = record.unproven()
    problems += [(name, "its text is not in the file, nor listed as absent") for name in sorted(textless - absent_ids)]
    problems += [(name, "it is in the manifest and not in the file") for name in sorted(listed.keys() - seen)]
    problems += [(name, "A4, no signature proves it, or what it builds on") for name in sorted(lost)]
    let_in = {}
    with contextlib.suppress(TypeError, IndexError):
        let_in = record.past([name for name, e in record.entries.items() if e.dag == team and name not in lost])[1]
    if device not in let_in: problems.append((None, "nobody in the file ever let in the device that signed the manifest"))
    said = f", its writer had lost {gone} entries" if gone else ""
    return problems, f"{len(record.entries) - len(lost)} entries stand, {len(textless)} texts are absent{said}"

def look(path):
    try: data = open(path, "rb").read()
    except OSError as why: return [(None, f"it cannot be read: {why.strerror}")], "nothing stands"
    return check(data) if data.startswith(b"\x87\x6emuster/audit/") else ([(None, "it is no audit file")], "nothing stands")
def vectors(folder):  # fails where a golden vector is judged otherwise than written
    golden, keys, bodies = (json.load(open(f"{folder}/{name}.json")) for name in ("entries", "keys", "bodies"))
    record = Record(bytes.fromhex(golden["team"]))
    for row in golden["entries"]:
        e, rule = entry(bytes.fromhex(row["bytes"])), None
        try: record.push(e, bytes.fromhex(row["signature"]))
        except Bad as why: rule = int(str(why)[1])
        log = H("muster/log/1", e.dag, e.key, e.session).hex()
        assert (e.id.hex(), log, rule) == (row["id"], row["log"], row["code"] // 10 if "code" in row else None), row["what"]
    for row in bodies["bodies"]:
        team, incident, key, session, body = (bytes.fromhex(row[part]) for part in ("team", "incident", "key", "session", "bytes"))
        assert H("muster/body/1", team, incident, key, session, row["seq"].to_bytes(4, "big"), body).hex() == row["hash"], row["what"]
    for made in keys["signatures"]:
        assert signed(*(bytes.fromhex(made[part]) for part in ("public", "message", "signature"))) == made["holds"], made["what"]

if __name__ == "__main__":
    if sys.argv[1:2] == ["--vectors"] and sys.argv[2:]: sys.exit(vectors(sys.argv[2]))
    found = [(path, *look(path)) for path in sys.argv[1:]] or sys.exit(__doc__)
    for path, problems, said in found:
        print(f"{path}: {'NOT OK' if problems else 'ok'}, {said}")
        [print(f"{name.hex() if name else 'file'}\t{what}") for name, what in problems]
    sys.exit(1 if any(problems for _, problems, _ in found) else 0)
