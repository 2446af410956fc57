#!/usr/bin/env python3
"""Executable specification of Atoll's coordinator: one partition in one region.

Words are those of docs/architecture.md. The numbered rules are in COORDINATOR.md; `rule n` below refers to them.
A run is a function of its schedule (a list of numbers): clients, messages, syncs, takeovers and faults are interleaved
by it; then everything heals, and the history is checked. `python3 coordinator_model.py --help` says how to run it.
"""
import argparse, random, sys, time
from collections import namedtuple

# A delta as it is logged: its dot, what it does, its context, its stamp (orders siblings), request id, condition (nx, xx).
Rec = namedtuple("Rec", "dot key kind val ctx hlc rid cond")
# Where a delta entered this region: the epoch; of a conditional write also its verdict and the epoch that gave it (rule 12).
Entry = namedtuple("Entry", "epoch judged void")
Config = namedtuple("Config", "name n r w")
CONFIGS = [Config("N3 R2 W2", 3, 2, 2), Config("N3 R1 W3", 3, 1, 3), Config("N3 R3 W1", 3, 3, 1), Config("N1", 1, 1, 1),
           Config("N5 R3 W3", 5, 3, 3), Config("N4 R2 W3", 4, 2, 3)]
NEVER = (0, -1, 0)                                    # below every epoch (number, node, start)
INF = 1 << 60
FINAL = (INF, 0, 0)                                   # of a verdict: settled, and carried out

# ----------------------------------------------------------------------------------------------- rows
def live(recs, key):
    """The live values of a register's row: those that no context of a delta of this key covers."""
    mine = [r for r in recs if r.key == key and r.kind != "add"]
    return [r for r in mine if r.kind == "set" and not any(r.dot in q.ctx for q in mine)]

def shown(recs, key):
    """What a read shows: the winning sibling by (stamp, dot); for the counter the sum of the actors' totals."""
    if key == "c":
        top = {}
        for r in recs:
            if r.key == key and r.dot > top.get(r.dot[0], (r.dot, 0))[0] or r.key == key and r.dot[0] not in top:
                top[r.dot[0]] = (r.dot, r.val)
        return sum(v for _, v in top.values())
    rows = live(recs, key)
    return max(rows, key=lambda r: (r.hlc, r.dot)).val if rows else None

# ----------------------------------------------------------------------------------------------- one replica
class Replica:
    def __init__(self, world, node):
        self.w, self.node, self.disk, self.synced = world, node, [], 0
        self.up, self.paused, self.lost_since, self.known_pos, self.rolled_back = False, False, 0, {}, False
        self.boot("vote")

    # --- durable log: a crash loses what is not synced
    def log(self, *entry):
        self.disk.append(entry)

    def sync(self):
        self.synced = len(self.disk)
        for msg in self.when_durable:
            self.w.net.append(msg)
        self.when_durable = []
        if self.role == "candidate":
            self.self_promised = True
            self.try_activate()
        if self.role == "active" and self.synced == len(self.disk):
            self.count_acks(self.node, self.start, list(self.recs))

    def boot(self, standing):
        """Process start: replay the synced log, take a fresh actor, durable before its first dot (rule 1)."""
        w = self.w
        w.starts += 1
        self.start, self.up, self.paused = w.starts, True, False
        self.promised, self.recs, self.entry, self.settled, self.ids, self.forgot = NEVER, {}, {}, set(), {}, {}
        self.entered, self.verdicts, self.blocked = NEVER, set(), []
        self.standing = standing                      # vote | unsure (position not agreed yet) | lost (no memory)
        self.disk = self.disk[:self.synced]
        self.role, self.epoch, self.when_durable = None, NEVER, []
        actor = None
        for e in self.disk:
            if e[0] == "rec": self.keep(e[1], e[2])
            elif e[0] == "promise": self.promised = max(self.promised, e[1])
            elif e[0] == "settled": self.settled |= e[1]
            elif e[0] == "forgot": self.forgot[e[1]] = max(e[2], self.forgot.get(e[1], 0))
            elif e[0] == "actor": actor = e[1]
            elif e[0] == "standing" and standing != "unsure": self.standing = e[1]
        self.settled -= self.pending()
        if "keep the actor over a restart" in w.off and actor:
            self.actor, self.counter = actor, max([d[1] for d in self.recs if d[0] == actor], default=0)
        else:
            self.actor, self.counter = "%s%d" % ("ABCDE"[self.node], self.start), 0
        self.total = max([r.val for r in self.recs.values() if r.key == "c" and r.dot[0] == self.actor], default=0)
        self.log("actor", self.actor)
        if self.standing == "lost": self.log("standing", "lost")
        self.synced = len(self.disk)
        self.agreed, self.exchanged = set(), set()

    def crash(self):
        self.up, self.role, self.when_durable = False, None, []

    def keep(self, rec, entry):
        self.recs[rec.dot] = rec
        if rec.rid: self.ids[rec.rid] = rec.dot
        old = self.entry.get(rec.dot)
        self.entered = max(self.entered, entry.epoch)
        if old is None or entry.judged > old.judged:
            first = old and "a verdict has no epoch" in self.w.off
            self.entry[rec.dot] = entry._replace(void=old.void) if first else entry

    def pending(self, key=None):
        """Conditional writes whose verdict is not settled, as far as is known here: they have no effect yet (rule 12)."""
        return {d for d, r in self.recs.items() if r.cond and self.entry[d].judged != FINAL and key in (None, r.key)}

    def rows(self):
        """The deltas that have effect."""
        waiting = self.pending()
        return [r for d, r in self.recs.items() if d not in waiting and not self.entry[d].void]

    def merge(self, rec, entry):
        """Log and apply a delta. It joins only its own dot. An add waits for its actor's adds before it (rule 13)."""
        if rec.kind == "add" and rec.val > 1 and rec.dot[0] != "F" and "adds are logged in any order" not in self.w.off:
            if not any(r.val == rec.val - 1 and r.dot[0] == rec.dot[0] for r in self.recs.values() if r.key == "c"): return
        if rec.dot not in self.recs or entry.judged > self.entry[rec.dot].judged:
            self.log("rec", rec, entry)
            self.keep(rec, entry)

    def merge_settled(self, dots, epoch=NEVER):
        """A verdict of that epoch is thereby final. Of one that another epoch gave, the outcome comes by itself."""
        for d in dots & self.pending():
            if self.entry[d].judged == epoch or "an outcome is taken from any epoch" in self.w.off:
                self.entry[d] = self.entry[d]._replace(judged=FINAL)
                if "that a verdict is final is not logged" not in self.w.off: self.log("rec", self.recs[d], self.entry[d])
        dots = dots & set(self.recs) - self.pending()
        if not dots <= self.settled:
            self.log("settled", frozenset(dots))
            self.settled |= dots

    def promise(self, epoch):
        if epoch > self.promised:
            self.promised = epoch
            self.log("promise", epoch)
            if self.role and epoch != self.epoch: self.role = None       # deposed: what waits is unknown

    def send(self, kind, dst, *body):
        self.w.net.append((kind, self.node, self.start, dst, body))

    def answer(self, kind, dst, *body):
        """A vote: sent when durable; carries the synced log position and the starts known to have lost their memory."""
        self.when_durable.append((kind, self.node, self.start, dst, (len(self.disk), dict(self.forgot),
                                                                     self.standing == "vote") + body))

    def others(self):
        return [i for i in range(self.w.cfg.n) if i != self.node]

    # --- takeover (rules 3 to 6)
    def take_over(self):
        if self.standing != "vote": return
        self.epoch = (self.promised[0] + 1, self.node, self.start)
        self.role = None
        self.promise(self.epoch)
        self.role, self.self_promised = "candidate", False
        self.promises, self.reported, self.acks, self.has = {}, set(), {}, {i: set() for i in self.others()}
        self.writes, self.reads, self.round, self.confirms = [], [], 0, {}
        self.verdicts, self.blocked = set(), []
        for i in self.others(): self.send("PREPARE", i, self.epoch)
        if "no promise quorum" in self.w.off:
            self.self_promised = True
            self.try_activate()

    def on_prepare(self, src, epoch):
        if epoch < self.promised: return
        self.promise(epoch)
        recs = [(r, self.entry[d]) for d, r in self.recs.items()]
        self.answer("PROMISE", src, epoch, recs, frozenset(self.settled), self.lost_since > 0)

    def on_promise(self, src, sstart, vote, epoch, recs, settled, amnesiac):
        if epoch != self.epoch or self.role is None: return
        if self.role == "active": self.has[src] |= {r.dot for r, _ in recs if not r.cond}
        catch_up = "takeover without catch-up" not in self.w.off
        if self.role == "candidate":
            if catch_up:
                for r, e in recs: self.merge(r, e)
            self.merge_settled(settled if catch_up else frozenset())
            if vote: self.promises[src] = sstart
        else:
            for r, e in recs: self.enter(r, e)                           # a report after the takeover: late (rule 11)
        told = all(r.dot in self.recs for r, _ in recs)                  # what could not enter yet comes again
        if told and (not amnesiac or "a replica without memory counts as reported" in self.w.off): self.reported.add(src)
        self.try_activate()

    def counted(self, votes):
        """Votes of a start that is known to have lost its memory do not count (rule 16)."""
        if "votes of a forgotten start count" in self.w.off: return len(votes)
        return sum(1 for node, start in votes.items() if start >= self.forgot.get(node, 0))

    def try_activate(self):
        cfg = self.w.cfg
        need = 1 if "no promise quorum" in self.w.off else cfg.n - cfg.w + 1
        if self.role != "candidate" or not self.self_promised or self.counted(self.promises) + 1 < need: return
        self.role = "active"
        self.hlc = max([r.hlc for r in self.recs.values()], default=0)
        entered = self.entered                                            # all from the state before
        for d in sorted(self.pending()):
            void = self.entry[d].void or not self.holds(d, entered)
            self.merge(self.recs[d], Entry(self.entry[d].epoch, self.epoch, void))
        self.verdicts = {d for d, r in self.recs.items() if r.cond}
        if "only open verdicts keep a takeover closed" in self.w.off: self.verdicts = self.pending()
        if "show unsettled dots" in self.w.off: self.settled |= set(self.recs)
        self.tick()
        if self.synced == len(self.disk): self.count_acks(self.node, self.start, list(self.recs))

    # --- the coordinator's own deltas, late and foreign ones
    def issue(self, key, kind, val, ctx=None, rid=None, cond=None):
        self.counter += 1
        self.hlc += 1
        dot = (self.actor, self.counter)
        rec = Rec(dot, key, kind, val, frozenset(self.recs) if ctx is None else ctx, self.hlc, rid, cond)
        if self.w.issued.setdefault(dot, rec) != rec: self.w.fail("G12 dot issued twice: %s" % (dot,))
        self.put(rec, Entry(self.epoch, self.epoch if cond else FINAL, False))
        return dot

    def put(self, rec, entry):
        self.merge(rec, entry)
        if rec.dot not in self.recs: return
        for i in self.others(): self.send("APPEND", i, self.epoch, [(rec, entry)], frozenset(self.settled))

    def enter(self, rec, entry=None):
        """A delta that is not the coordinator's own: foreign, or late (rule 11). It shows once settled."""
        if rec.dot in self.recs or self.closed(): return
        self.hlc = max(self.hlc, rec.hlc)
        if rec.dot[0] == "F":                                             # a running total brings the adds before it
            for f in self.w.foreign:
                if f.dot == rec.dot or rec.kind == f.kind == "add" and f.dot < rec.dot:
                    self.w.entered.setdefault(f.dot, self.w.now)
        void = bool(rec.cond) and not self.fits(rec)                      # no takeover saw it: it was never answered
        if rec.cond and entry.judged == FINAL: self.put(rec, entry._replace(epoch=self.epoch))
        else: self.put(rec, Entry(self.epoch, self.epoch if rec.cond else FINAL, void))
        if "show unsettled dots" in self.w.off: self.settled.add(rec.dot)

    def holds(self, dot, entered):
        """A verdict that something entered after, under a later epoch, was not seen by that epoch's takeover, and never settled:
        the condition is judged anew. Every other one may have been answered, and stands (rule 12)."""
        return self.entry[dot].judged >= entered or self.fits(self.recs[dot])

    def fits(self, rec):
        """Does a condition hold now, with nothing in work on which it depends?"""
        if "late conditions are not judged at a takeover" in self.w.off: return True
        return bool(live(self.rows(), rec.key)) == (rec.cond == "xx") and all(
            self.entry[d].void for d in self.pending(rec.key) - {rec.dot})

    def closed(self):
        """Nothing enters before W replicas have every verdict that the takeover found or gave (rule 12)."""
        self.verdicts = {d for d in self.verdicts if self.counted(self.acks.get(d, {})) < self.w.cfg.w}
        return bool(self.verdicts) and "a takeover opens before its verdicts are settled" not in self.w.off

    def on_append(self, src, epoch, recs, settled):
        if epoch < self.promised and "accept writes below the epoch" not in self.w.off: return
        self.promise(epoch)
        for r, e in recs: self.merge(r, e)
        self.merge_settled(settled, epoch)
        waits = set() if "any verdict counts as acknowledged" in self.w.off else {d for d in self.pending() if self.entry[d].judged != epoch}
        self.answer("ACK", src, epoch, [r.dot for r, _ in recs if r.dot in self.recs and r.dot not in waits])

    def on_ack(self, src, sstart, vote, epoch, dots):
        if epoch != self.epoch or self.role != "active": return
        self.has[src] |= set(dots)
        if vote: self.count_acks(src, sstart, dots)

    def count_acks(self, node, start, dots):
        for d in dots:
            votes = self.acks.setdefault(d, {})
            votes[node] = max(start, votes.get(node, 0))
            if d in self.settled or d not in self.recs: continue
            if "settle across two epochs" in self.w.off:                  # holders count, whatever they promised
                votes = {**votes, **{i: INF for i in self.has if d in self.has[i]}}
            if self.counted(votes) >= self.w.cfg.w:
                self.merge_settled({d}, self.epoch)
        self.serve()

    # --- requests (rules 7 to 10)
    def unsettled(self, key):
        """Dots applied to the key and not settled: removes too, they leave no live dot behind (rule 8)."""
        dots = {d for d, r in self.recs.items() if r.key == key and d not in self.settled}
        if "wait for live dots only" in self.w.off and key != "c": dots &= {r.dot for r in live(self.rows(), key)}
        return dots

    def request(self, op):
        w, key = self.w, op.key
        if self.closed() or self.pending(key) and "requests overtake a conditional write" not in w.off:
            return self.blocked.append(op)
        recs = self.rows()
        if op.kind == "read": return self.await_read(op, shown(recs, key))
        if op.kind == "incr":
            if op.rid in self.ids and "retry without request id memory" not in w.off:
                return self.writes.append((op, {self.ids[op.rid]} - self.settled, "done", self.ids[op.rid]))
            if not self.may_run(op): return                               # unknown
            self.total += 1
            before = self.unsettled(key)
            op.dots.append(self.issue(key, "add", self.total, frozenset(), op.rid))
            wait = {op.dots[-1]} if "answer an increment when its own dot is settled" in w.off else before | {op.dots[-1]}
            return self.writes.append((op, wait, shown(self.rows(), key), op.dots[-1]))
        rows = live(recs, key)
        if op.kind == "nx" and rows or op.kind in ("xx", "del") and not rows:
            if "a failed condition answers at once" in w.off: return w.reply(op, "no", None)
            return self.await_read(op, "no")                              # it tells what the row is: a read
        op.dots.append(self.issue(key, "del" if op.kind == "del" else "set", op.val,
                                  cond=op.kind if op.kind in ("nx", "xx") else None))
        self.writes.append((op, {op.dots[-1]}, "ok", op.dots[-1]))
        if "answer writes before they are settled" in w.off: self.writes[-1] = (op, set(), "ok", op.dots[-1])
        self.serve()

    def may_run(self, op):
        """A request id that is not found (rule 14)."""
        if "retry without request id memory" in self.w.off: return True
        made = op.id_epoch
        if "ids do not name the epoch" in self.w.off:                     # only: is the stamp older than this epoch?
            return made >= self.epoch or len(self.reported) == self.w.cfg.n - 1
        if made > self.epoch: self.role = None; return False              # a higher epoch exists: deposed
        if self.lost_since and "a replica without memory counts as reported" not in self.w.off: return made == self.epoch
        return made == self.epoch or len(self.reported) == self.w.cfg.n - 1

    def await_read(self, op, res):
        wait = set() if "show unsettled dots" in self.w.off else self.unsettled(op.key)
        rnd = self.round if "count confirmations sent before the read" in self.w.off and self.round else None
        self.reads.append([op, wait, res, rnd])
        self.serve()

    def send_round(self):
        self.round += 1
        self.confirms[self.round] = {}
        for read in self.reads:
            if read[3] is None: read[3] = self.round
        for i in self.others(): self.send("CONFIRM", i, self.epoch, self.round)

    def on_confirm(self, src, epoch, rnd):
        if epoch >= self.promised: self.answer("STANDS", src, epoch, rnd)

    def on_stands(self, src, sstart, vote, epoch, rnd):
        if epoch != self.epoch or self.role != "active" or not vote: return
        self.confirms.setdefault(rnd, {})[src] = sstart
        self.serve()

    def serve(self):
        """Answer what can be answered."""
        if self.role != "active": return
        w, keep = self.w, []
        for op, wait, res, dot in self.writes:
            wait -= self.settled
            if wait: keep.append((op, wait, res, dot))
            else: w.reply(op, res, dot)
        self.writes, keep = keep, []
        for read in self.reads:
            op, wait, res, rnd = read
            wait -= self.settled
            votes = 0 if rnd is None else self.counted(self.confirms[rnd])
            need = 0 if "answer reads without confirmations" in w.off else w.cfg.r - 1
            if wait or votes < need: keep.append(read)
            else: w.reply(op, res, None)
        self.reads = keep
        ready = [op for op in self.blocked if not self.closed() and not self.pending(op.key) and not op.done]
        if ready:
            self.blocked = [op for op in self.blocked if op not in ready]
            for op in ready: self.request(op)

    def tick(self):
        """Timers: send again what is not acknowledged, a round of confirmations, ask those that have not reported."""
        if self.role == "active":
            for i in self.others():
                recs = [(r, self.entry[d]) for d, r in self.recs.items()
                        if d not in self.has[i] or (d not in self.settled or d in self.verdicts) and self.acks.get(d, {}).get(i, -1) < self.forgot.get(i, 0)]
                self.send("APPEND", i, self.epoch, recs, frozenset(self.settled))
                if i not in self.reported: self.send("PREPARE", i, self.epoch)
            if self.reads: self.send_round()
            if self.w.cfg.r == 1: self.serve()
        elif self.role == "candidate":
            for i in self.others(): self.send("PREPARE", i, self.epoch)
        if self.standing == "unsure":
            for i in self.others(): self.send("HELLO", i, self.synced)
        if self.standing == "lost":
            for i in self.others(): self.send("EXCHANGE", i)

    # --- hints and repair, lost memory, restored disks (rules 11, 15 to 17)
    def repair(self, dst):
        self.send("REPAIR", dst, [(r, self.entry[d]) for d, r in self.recs.items() if d not in self.settled])

    def on_repair(self, src, recs):
        if self.role == "active": self.has[src] |= {r.dot for r, e in recs if not r.cond}
        for r, e in recs:
            if self.role == "active": self.enter(r, e)
            else: self.merge(r, e)

    def on_hello(self, src, sstart, pos):
        self.answer("POSITION", src, sstart, self.known_pos.get(src, 0))

    def on_position(self, src, start, known):
        if self.standing != "unsure" or start != self.start: return
        if known > self.hello_pos: self.forget()
        else:
            self.agreed.add(src)
            if len(self.agreed) >= (1 if "one peer vouches for a restored disk" in self.w.off else len(self.others())):
                self.standing, self.rolled_back = "vote", False
                self.log("standing", "vote")
                self.sync()

    def forget(self):
        self.standing, self.lost_since = "lost", self.start
        self.log("standing", "lost")
        self.rolled_back = False

    def on_exchange(self, src, sstart):
        if self.standing != "vote": return
        if self.forgot.get(src, 0) < sstart:
            self.forgot[src] = sstart
            self.log("forgot", src, sstart)
        recs = [(r, self.entry[d]) for d, r in self.recs.items()]
        self.answer("EXCHANGED", src, sstart, recs, frozenset(self.settled), self.promised)

    def on_exchanged(self, src, start, recs, settled, promised):
        if self.standing != "lost" or start != self.start: return
        for r, e in recs: self.merge(r, e)
        self.merge_settled(settled)
        self.promise(promised)
        self.exchanged.add(src)
        cfg = self.w.cfg
        if len(self.exchanged) >= min(cfg.n - 1, max(cfg.w, cfg.n - cfg.w + 1)):
            self.standing = "vote"
            self.log("standing", "vote")
            self.sync()                                                   # durable before the first vote

    def receive(self, kind, src, sstart, body):
        if kind in ("PROMISE", "ACK", "STANDS", "POSITION", "EXCHANGED"):
            pos, forgot, vote = body[:3]
            self.known_pos[src] = max(pos, self.known_pos.get(src, 0))
            for node, start in forgot.items():
                if self.forgot.get(node, 0) < start and node != self.node:
                    self.forgot[node] = start
                    self.log("forgot", node, start)
            body = body[3:]
            if kind == "POSITION": self.on_position(src, *body)
            elif kind == "EXCHANGED": self.on_exchanged(src, *body)
            else: {"PROMISE": self.on_promise, "ACK": self.on_ack, "STANDS": self.on_stands}[kind](src, sstart, vote, *body)
        elif kind == "PREPARE":
            self.on_prepare(src, *body)
        elif kind == "APPEND": self.on_append(src, *body)
        elif kind == "CONFIRM": self.on_confirm(src, *body)
        elif kind == "REPAIR": self.on_repair(src, *body)
        elif kind == "HELLO": self.on_hello(src, sstart, *body)
        elif kind == "EXCHANGE": self.on_exchange(src, sstart)
        elif kind == "REQUEST":
            if self.role == "active" and not body[0].done: self.request(body[0])

# ----------------------------------------------------------------------------------------------- clients, faults, time
class Op:
    def __init__(self, num, key, kind, val, now):
        self.num, self.key, self.kind, self.val, self.inv, self.ret, self.res = num, key, kind, val, now, INF, None
        self.dots, self.dot, self.done, self.rid, self.id_epoch, self.foreign = [], None, False, None, NEVER, False

class Violation(Exception):
    pass

class World:
    """Everything outside the replicas: network, clients, another region, faults, the schedule."""
    def __init__(self, cfg, off=(), trace=None, **scope):
        self.cfg, self.off, self.trace, self.now, self.starts = cfg, frozenset(off), trace, 0, 0
        self.net, self.ops, self.issued, self.entered, self.foreign = [], [], {}, {}, []
        self.faults, self.apart, self.prompt = {}, None, False
        self.replicas = [Replica(self, i) for i in range(cfg.n)]

    def fail(self, what):
        raise Violation(what)

    def note(self, *what):
        if self.trace is not None: self.trace.append("%4d  %s" % (self.now, " ".join(str(x) for x in what)))

    def reply(self, op, res, dot):
        """The client has the answer. An acknowledged update is in the synced log of W replicas (G1)."""
        if op.done: return
        op.done, op.ret, op.res, op.dot = True, self.now, res, dot
        if dot is not None:
            held = sum(1 for r in self.replicas if any(e[0] == "rec" and e[1].dot == dot for e in r.disk[:r.synced]))
            if held < self.cfg.w and not self.faults.get("wipe") and not self.faults.get("restore"):
                self.fail("G1 acknowledged with %d logs" % held)
        self.note("ANSWER op%d %s %s -> %s" % (op.num, op.kind, op.key, res))

    # --- the choices of a schedule
    def step(self, weights, total, u, v):
        self.now += 1
        x = u * total
        for name, weight in weights:
            x -= weight
            if x < 0: break
        getattr(self, "do_" + name)(v)

    def pick(self, items, v):
        return items[int(v * len(items))] if items else None

    def ready(self):
        return [r for r in self.replicas if r.up and not r.paused]

    def do_deliver(self, v, drop=False, again=False):
        able = [i for i, m in enumerate(self.net) if self.replicas[m[3]].up and not self.replicas[m[3]].paused
                and (self.apart is None or m[0] == "REQUEST" or self.apart not in (m[1], m[3]))]
        i = self.pick(able, v * v if len(able) > 12 else v)               # lean to old messages in a full network
        if i is None: return
        kind, src, sstart, dst, body = self.net[i] if again else self.net.pop(i)
        if kind == "REQUEST" and again and body[0].kind != "incr": return  # a client's connection delivers once
        if self.trace is not None: self.note(kind, "ABCDE"[src] if src >= 0 else "client", "->", "ABCDE"[dst], self.show(body))
        self.replicas[dst].receive(kind, src, sstart, body)
        if self.prompt and v * 7919 % 1 < 0.8: self.replicas[dst].sync()

    def show(self, body):
        out = []
        for b in body:
            if isinstance(b, Op): out.append("op%d %s" % (b.num, b.kind))
            elif isinstance(b, list): out.append("[%s]" % " ".join("%s%d" % (x[0].dot if isinstance(x[0], Rec) else x) for x in b))
            elif not isinstance(b, (dict, frozenset, bool)): out.append(str(b))
        return " ".join(out)

    def do_again(self, v):
        self.count("dup")
        self.do_deliver(v, again=True)

    def do_drop(self, v):
        if self.net:
            self.count("drop")
            self.net.pop(int(v * len(self.net)))

    def count(self, what):
        self.faults[what] = self.faults.get(what, 0) + 1

    def do_sync(self, v):
        r = self.pick(self.ready(), v)
        if r and (r.synced < len(r.disk) or r.when_durable):
            self.note("sync", "ABCDE"[r.node])
            r.sync()

    def do_tick(self, v):
        r = self.pick([r for r in self.ready() if r.role or r.standing != "vote"], v)
        if r: self.note("tick", "ABCDE"[r.node]); r.tick()

    def do_takeover(self, v):
        r = self.pick(self.ready(), v)
        if r: self.count("takeover"); r.take_over(); self.note("TAKEOVER", "ABCDE"[r.node], r.epoch)

    def do_client(self, v):
        coords = [r for r in self.ready() if r.role == "active"]
        if len(self.ops) >= self.max_ops or not coords: return
        v *= len(coords); at = coords[int(v)]; v -= int(v)
        v *= len(self.kinds); key, kind = self.kinds[int(v)]; v -= int(v)
        op = Op(len(self.ops), key, kind, "v%d" % len(self.ops), self.now)
        if kind == "incr":
            op.rid = op.num + 1
            op.id_epoch = max(r.epoch for r in coords) if v < 0.5 else at.epoch
        self.ops.append(op)
        self.note("CLIENT op%d %s %s at %s" % (op.num, kind, key, "ABCDE"[at.node]))
        self.net.append(("REQUEST", -1, 0, at.node, (op,)))
        if v < 0.85: self.net.pop(); at.receive("REQUEST", -1, 0, (op,))

    def do_retry(self, v):
        """The client has no answer: the same request id goes to a coordinator again."""
        open_ = [o for o in self.ops if o.kind == "incr" and not o.done]
        coords = [r for r in self.ready() if r.role == "active"]
        if not open_ or not coords: return
        op = self.pick(open_, v)
        at = self.pick(coords, v * 7919 % 1)
        self.count("retry")
        self.note("RETRY op%d at %s" % (op.num, "ABCDE"[at.node]))
        at.receive("REQUEST", -1, 0, (op,))

    def do_foreign(self, v):
        """Another region's delta: its context is what that region had seen; streams send it until it is covered."""
        at = self.pick([r for r in self.ready() if r.role == "active"], v)
        if not at or self.cfg.n == 1 and v < 0.5: return
        v = v * 104729 % 1
        if v < 0.5 and len(self.foreign) < 3:
            key, kind = self.kinds[int(v * 2 * len(self.kinds))]
            seen = frozenset(d for d in at.settled if v < 0.3) | {f.dot for f in self.foreign}
            dot = ("F", len(self.foreign) + 1)
            adds = sum(1 for f in self.foreign if f.key == "c")
            rec = Rec(dot, key, "add", adds + 1, frozenset(), 0, None, None) if key == "c" else Rec(
                dot, key, "del" if kind == "del" else "set", "f%d" % dot[1], seen, int(v * 20), None, None)
            self.foreign.append(rec)
            self.issued[dot] = rec
        rec = self.pick(self.foreign, v)
        if rec: self.note("FOREIGN", rec.dot, rec.kind, "at", "ABCDE"[at.node]); at.enter(rec)

    def do_repair(self, v):
        r = self.pick(self.ready(), v)
        if r and self.cfg.n > 1: r.repair(self.pick(r.others(), v * 7919 % 1))

    def do_crash(self, v):
        r = self.pick([r for r in self.replicas if r.up], v)
        if not r or self.faults.get("crash", 0) >= 4: return
        self.count("crash"); self.note("CRASH", "ABCDE"[r.node])
        r.crash()

    def do_restart(self, v):
        r = self.pick([r for r in self.replicas if not r.up], v)
        if r: self.note("RESTART", "ABCDE"[r.node]); r.boot("unsure" if r.rolled_back else "vote")

    def do_wipe(self, v, keep=0.0):
        """A disk is lost (or an older copy restored): one replica without memory at a time, and W > 1."""
        down = [r for r in self.replicas if not r.up]
        if not down or self.cfg.w < 2 or any(r.standing != "vote" for r in self.replicas): return
        r = self.pick(down, v)
        what = "restore" if keep else "wipe"
        self.count(what)
        r.disk = r.disk[:int(r.synced * keep)]
        r.synced = r.hello_pos = len(r.disk)
        if not keep: r.known_pos = {}
        r.rolled_back = bool(keep)
        r.boot("unsure" if keep else "lost")
        if not keep: r.lost_since = r.start
        if "a restored disk votes at once" in self.off: r.standing, r.rolled_back = "vote", False
        self.note(what.upper(), "ABCDE"[r.node], "start", r.start)

    def do_restore(self, v):
        self.do_wipe(v, 0.2 + 0.7 * (v * 7919 % 1))

    def do_cut(self, v):
        """A partition: one replica hears no other; clients still reach it."""
        self.apart = int(v * self.cfg.n) if self.apart is None else None
        self.count("cut"); self.note("CUT", "nobody" if self.apart is None else "ABCDE"[self.apart])

    def do_pause(self, v):
        r = self.pick(self.ready(), v)
        if r: self.count("pause"); self.note("PAUSE", "ABCDE"[r.node]); r.paused = True

    def do_resume(self, v):
        r = self.pick([r for r in self.replicas if r.paused], v)
        if r: self.note("RESUME", "ABCDE"[r.node]); r.paused = False

    # --- after the last fault
    def settle_down(self):
        """Everything heals; one coordinator; a last read of each key; all replicas equal (G3)."""
        self.note("HEAL")
        self.apart = None
        for r in self.replicas:
            r.paused = False
            if not r.up: r.boot("unsure" if r.rolled_back else "vote")
        self.drain(3)
        leader = max([r for r in self.replicas if r.standing == "vote"], key=lambda r: (r.promised, r.node), default=None)
        if leader is None: self.fail("liveness: nobody has a vote")
        leader.promised_before = leader.promised
        while leader.promised != leader.epoch or leader.role != "active":
            top = max(r.promised for r in self.replicas)
            leader.promise((top[0] + 1, leader.node, 0))
            leader.take_over()
            self.drain(2)
            self.now += 1
            if self.now > 5000: self.fail("liveness: no takeover after healing")
        for rec in self.foreign:
            if rec.dot in self.entered: leader.enter(rec)
        last = []
        for rnd in range(3):
            for r in self.replicas:
                if r is not leader: r.repair(leader.node)
            self.drain(3)
            if rnd == 1:
                for key in sorted({k for k, _ in self.kinds}):
                    op = Op(len(self.ops), key, "read", None, self.now)
                    self.ops.append(op); last.append(op)
                    leader.request(op)
        self.drain(2)
        if any(not op.done for op in last): self.fail("liveness: last read not answered")
        for r in self.replicas:
            if set(r.recs) != set(leader.recs): self.fail("G3 clocks differ after healing")
            for key in ("r", "c"):
                if shown(r.rows(), key) != shown(leader.rows(), key): self.fail("G3 rows differ after healing")
        for op in self.ops:
            if op.dot is not None and op.dot not in leader.recs: self.fail("G1 acknowledged update lost: op%d" % op.num)

    def drain(self, ticks):
        for _ in range(ticks):
            for r in self.replicas: r.tick()
            for _ in range(40):
                if not self.net and not any(r.when_durable or r.synced < len(r.disk) for r in self.replicas): break
                self.now += 1
                msgs, self.net = self.net, []
                for kind, src, sstart, dst, body in msgs: self.replicas[dst].receive(kind, src, sstart, body)
                for r in self.replicas: r.sync()

# ----------------------------------------------------------------------------------------------- linearizability (G7)
def linearizable(ops, issued, key):
    """Wing and Gong's search with memory of (done, state). Updates without an answer, late and foreign ones may take effect
    at any time after they began, or never; then they merge with the context they carry. Answered ones supersede all."""
    ops = [o for o in ops if o.key == key and (o.done or o.dots)]
    n = len(ops)
    before = [sum(1 << j for j in range(n) if ops[j].ret < ops[i].inv) for i in range(n)]
    must = sum(1 << i for i in range(n) if ops[i].done)
    def apply(o, s):
        if key == "c":
            if o.kind == "read": return s if o.res == s else None
            return s + 1 if o.res in (None, "done", s + 1) else None
        if o.kind == "read":
            top = max((issued[d] for d in s), key=lambda r: (r.hlc, r.dot), default=None)
            return s if o.res == (top.val if top else None) else None
        if o.res == "no": return s if bool(s) == (o.kind == "nx") else None
        if o.kind in ("nx", "xx") and bool(s) == (o.kind == "nx"): return None
        if o.kind == "del" and o.done and not s: return None
        dot = o.dot or o.dots[0]
        left = frozenset() if o.done and not o.foreign else s - issued[dot].ctx
        return left if o.kind == "del" else left | {dot}
    seen, stack = set(), [(0, 0 if key == "c" else frozenset())]
    while stack:
        node = stack.pop()
        if node in seen: continue
        seen.add(node)
        done, s = node
        if done & must == must: return True
        for i in range(n):
            if not done >> i & 1 and before[i] & ~done == 0:
                t = apply(ops[i], s)
                if t is not None: stack.append((done | 1 << i, t))
    return False

# ----------------------------------------------------------------------------------------------- exploration
KINDS = {"register": [("r", k) for k in ("set", "read", "set", "read", "del", "read")],
         "conditional": [("r", k) for k in ("nx", "nx", "read", "del", "xx", "read")],
         "counter": [("c", k) for k in ("incr", "incr", "read")],
         "both": [("r", "set"), ("r", "read"), ("r", "del"), ("r", "nx"), ("c", "incr"), ("c", "read")]}
Plan = namedtuple("Plan", "kinds weights steps max_ops prompt")

def plan(rng, cfg, focus=()):
    """Swarm: each run draws which actions there are and how often; faults come in few kinds at a time."""
    kinds = rng.choice([f for f in focus if f in KINDS] or list(KINDS))
    w = {"deliver": rng.choice((16, 24, 30)), "sync": rng.choice((8, 12)), "tick": rng.choice((1, 2, 3)),
         "client": rng.choice((3, 6)), "takeover": rng.choice((0.2, 0.6, 1)), "drop": rng.choice((0, 0, 1, 4)),
         "again": rng.choice((0, 0.5)), "retry": 1 if kinds in ("counter", "both") else 0}
    for name, weight in (("foreign", 1), ("repair", 1), ("pause", 0.5), ("cut", 1)):
        w[name] = weight if rng.random() < 0.4 or name in focus else 0
    w["resume"] = w["pause"] * 2
    if rng.random() < 0.6 or {"crash", "wipe", "restore"} & set(focus):
        w["crash"], w["restart"] = rng.choice((0.5, 1)), rng.choice((0.5, 1))
        for name in ("wipe", "restore"):
            if name in focus or rng.random() < 0.15: w[name] = rng.choice((0.5, 1))
    return Plan(kinds, tuple((k, v) for k, v in w.items() if v), rng.choice((50, 90, 140)), rng.choice((4, 7, 10)),
                rng.random() < 0.7)

def run(cfg, pl, schedule, off=(), trace=None):
    """One run. Returns (what was violated or None, the world)."""
    world = World(cfg, off, trace)
    world.kinds, world.max_ops, world.prompt = KINDS[pl.kinds], pl.max_ops, pl.prompt
    total = sum(w for _, w in pl.weights)
    try:
        world.replicas[0].take_over()
        if pl.prompt: world.drain(1)
        for u, v in schedule: world.step(pl.weights, total, u, v)
        world.settle_down()
        ops = list(world.ops)
        for dot, when in world.entered.items():
            rec, o = world.issued[dot], Op(100, world.issued[dot].key, None, None, when)
            o.kind, o.dots, o.foreign = {"add": "incr"}.get(rec.kind, rec.kind), [dot], True
            ops.append(o)
        for key in ("r", "c"):
            if not linearizable(ops, world.issued, key): world.fail("G7 not linearizable: %s" % key)
    except Violation as e:
        return str(e), world
    return None, world

def schedule_of(seed, cfg, focus):
    rng = random.Random(seed)
    pl = plan(rng, cfg, focus)
    return pl, [(rng.random(), rng.random()) for _ in range(pl.steps)]

def explore(cfg, seeds, off=(), focus=(), seconds=1e9):
    """Runs until the first violation. Returns (seed or None, what, runs, operations, faults)."""
    end, runs, ops, faults = time.time() + seconds, 0, 0, {}
    for seed in seeds:
        if time.time() > end: break
        pl, schedule = schedule_of(seed, cfg, focus)
        what, world = run(cfg, pl, schedule, off)
        runs += 1
        ops += sum(1 for o in world.ops if o.done)
        for k, v in world.faults.items(): faults[k] = faults.get(k, 0) + v
        if what: return seed, what, runs, ops, faults
    return None, None, runs, ops, faults

def minimise(cfg, pl, schedule, off):
    """Drop parts of the schedule while the same guarantee still breaks."""
    first = run(cfg, pl, schedule, off)[0]
    size = len(schedule) // 2
    while size:
        i = 0
        while i < len(schedule):
            less = schedule[:i] + schedule[i + size:]
            what = run(cfg, pl, less, off)[0]
            if what and what[:3] == first[:3]: schedule = less
            else: i += size
        size = size // 2
    return schedule

# ----------------------------------------------------------------------------------------------- scripted counterexamples
def script(cfg, text, off=(), trace=None):
    """Runs a short hand-written schedule: `A>B` delivers what A sent B (`A>B/ACK`: of this kind), `A>*` loses all that A sent,
    `A~B` repair, `sA` sync, `tA` tick, `TA` takeover, `xA` crash, `rA` restart, `wA` restart with an empty disk, `A:kind` a new
    request, `A?n` op n again."""
    world = World(cfg, off, trace)
    world.kinds, world.max_ops, pos = KINDS["both"] + KINDS["counter"], 99, "ABCDE".index
    try:
        for word in text.split():
            world.now += 1
            if ":" in word or "?" in word:
                at = world.replicas[pos(word[0])]
                if ":" in word:
                    op = Op(len(world.ops), "c" if word[2:] in ("incr", "count") else "r", word[2:].replace("count", "read"),
                            "v%d" % len(world.ops), world.now)
                    op.rid, op.id_epoch = op.num + 1, at.epoch
                    world.ops.append(op)
                else: op = world.ops[int(word[2:])]
                if at.role == "active" and not op.done: at.request(op)
            elif ">" in word:
                kind = word[4:]
                for m in [m for m in world.net if m[1] == pos(word[0]) and word[2] in ("*", "ABCDE"[m[3]]) and m[0].startswith(kind)]:
                    world.net.remove(m)
                    if word[2] != "*": world.replicas[m[3]].receive(m[0], m[1], m[2], m[4])
            elif "~" in word: world.replicas[pos(word[0])].repair(pos(word[2]))
            else:
                r = world.replicas[pos(word[1])]
                if word[0] == "x": r.crash()
                elif word[0] == "w":
                    r.disk, r.synced = [], 0
                    world.count("wipe"); r.boot("lost"); r.lost_since = r.start
                else: {"s": r.sync, "t": r.tick, "T": r.take_over, "r": lambda: r.boot("vote")}[word[0]]()
            world.note(word, "" if ">" not in word else "")
        world.settle_down()
        for key in ("r", "c"):
            if not linearizable(world.ops, world.issued, key): world.fail("G7 not linearizable: %s" % key)
    except Violation as e: return str(e), world
    return None, world

SCRIPTS = {
    "answer reads without confirmations": ("N3 R2 W2", "TA sA A>B/PRE sB B>A A>* TB sB B>C/PRE sC C>B/PRO B:set B>C/APP sC sB "
        "C>B/ACK A:read"),
    "count confirmations sent before the read": ("N3 R2 W2", "TA sA A>B/PRE sB B>A A>* A:read tA A>B/CON sB B>A/STA TB sB "
        "B>C/PRE sC C>B/PRO B:set B>C/APP sC sB C>B/ACK A:read"),
    "settle across two epochs": ("N4 R2 W3", "TA sA A>B/PRE sB B>A/PRO A:set sA A>* TB sB B>C/PRE sC C>B/PRO TC sC C>D/PRE sD "
        "D>C/PRO A~C A>C/REP C>D/APP sD D>C/ACK sC C:read tC C>D/CON sD D>C/STA B:read tB B>A/CON sA A>B/STA"),
    "wait for live dots only": ("N3 R2 W2", "TA sA A>B/PRE sB B>A A:set A>B/APP sB sA B>A/ACK A>* A:del A>* A:read sA tA "
        "A>B/CON A>* sB B>A/STA xA TB sB B>C/PRE sC C>B/PRO tB B>C/APP B:read tB B>C/CON sC C>B/ACK C>B/STA"),
    "answer an increment when its own dot is settled": ("N3 R2 W2", "TA sA A>B/PRE sB B>A A:incr sA A>* xA rA TA sA A>B/PRE sB "
        "B>A/PRO A>* A:incr A>B/APP sB sA B>A/ACK xA TB sB B>C/PRE sC C>B/PRO tB B>C/APP sC B:count tB C>B/ACK B>C/CON sC C>B/STA"),
    "late conditions are not judged at a takeover": ("N3 R2 W2", "TA sA A>B/PRE sB B>A A:set A:del A:nx sA A>* TB sB B>C/PRE sC "
        "C>B/PRO B:nx B>C/APP sC sB C>B/ACK xB TC sC C>A/PRE sA A>C/PRO tC C>A/APP sA sC A>C/ACK C:read tC C>A/CON sA A>C/STA"),
    "adds are logged in any order": ("N3 R2 W2", "TA sA A>B sB B>A A:incr A>* A:incr A>B/APP sB xA rA TB sB B>C/PRE B>A/PRE sA "
        "sC C>B A>B B?0"),
    "a replica without memory counts as reported": ("N3 R2 W2", "TA sA A>B sB B>A A:incr sA A>* A~B xA wA tA A>B/EXC A>C/EXC sB "
        "sC B>A/EXC C>A/EXC TB sB B>C/PRE B>A/PRE sC sA C>B/PRO A>B/PRO B?0 A>B/REP"),
    "votes of a forgotten start count": ("N5 R3 W3", "TB sB B>A/PRE B>D/PRE sA sD A>B D>B B>* B:set B>A/APP sA xA wA tA A>C/EXC "
        "A>D/EXC A>E/EXC sC sD sE D>A/EXC C>A/EXC E>A/EXC B>D/APP sD sB A>B/ACK D>B/ACK TA sA A>C/PRE A>E/PRE sC sE C>A/PRO "
        "E>A/PRO A:read tA A>C/CON A>E/CON sC sE C>A/STA E>A/STA"),
}
# Found by exploration: configuration and focus.
EXPLORED = {
    "no promise quorum": ("N3 R2 W2", ()), "takeover without catch-up": ("N3 R2 W2", ()), "show unsettled dots": ("N3 R2 W2", ()),
    "accept writes below the epoch": ("N3 R2 W2", ("cut",)), "retry without request id memory": ("N3 R2 W2", ("counter",)),
    "a restored disk votes at once": ("N3 R2 W2", ("restore",)), "one peer vouches for a restored disk": ("N3 R2 W2", ("restore",)),
    "keep the actor over a restart": ("N3 R2 W2", ("crash",)), "answer writes before they are settled": ("N3 R2 W2", ()),
    "a failed condition answers at once": ("N3 R2 W2", ("conditional", "cut")), "a verdict has no epoch": ("N3 R1 W3", ("conditional",)),
    "ids do not name the epoch": ("N3 R2 W2", ("counter", "cut")),
    "requests overtake a conditional write": ("N3 R2 W2", ("conditional", "cut")),
    "answer reads without confirmations (explored)": ("N3 R2 W2", ("register", "cut")),
}

def main():
    ap = argparse.ArgumentParser(description="Explores Atoll's coordinator protocol and checks its guarantees.")
    ap.add_argument("--seconds", type=float, default=8, help="exploration for each configuration")
    ap.add_argument("--limit", type=float, default=20, help="longest search for one mutation")
    ap.add_argument("--runs", type=int, help="that many runs for each configuration instead, and no clock: the same every time")
    ap.add_argument("--first-seed", type=int, default=0)
    ap.add_argument("--replay", nargs=2, metavar=("CONFIG", "SEED"), help="print a minimised run, e.g. 'N3 R2 W2' 17")
    ap.add_argument("--focus", default="", help="comma-separated: register counter conditional both crash wipe restore cut ...")
    ap.add_argument("--off", default="", help="comma-separated rules to switch off (names of the mutation table)")
    a = ap.parse_args()
    named = {c.name: c for c in CONFIGS}
    focus, off = tuple(x for x in a.focus.split(",") if x), tuple(x for x in a.off.split(",") if x)
    if a.replay:
        cfg, trace = named[a.replay[0]], []
        pl, schedule = schedule_of(int(a.replay[1]), cfg, focus)
        if run(cfg, pl, schedule, off)[0]: schedule = minimise(cfg, pl, schedule, off)
        what, _ = run(cfg, pl, schedule, off, trace)
        print("\n".join(trace), "\n", what or "no violation")
        return 0
    bad = 0
    for cfg in CONFIGS:
        for f in (focus,) if focus else ((), ("counter", "crash", "cut"), ("conditional", "repair", "cut"), ("wipe", "restore")):
            seed, what, runs, ops, faults = explore(
                cfg, range(a.first_seed, a.first_seed + a.runs if a.runs else 1 << 40), off, f,
                1 << 30 if a.runs else a.seconds / (1 if focus else 4))
            print("%-9s %-26s %6d runs %7d answered  %s%s" % (cfg.name, ",".join(f) or "all", runs, ops, " ".join(
                "%s %d" % x for x in sorted(faults.items())), "  VIOLATION %s, seed %d" % (what, seed) if what else ""), flush=True)
            bad += what is not None
    if off: return bad
    print("\nRules switched off, one at a time")
    for name, (c, text) in SCRIPTS.items():
        kept, broken = script(named[c], text)[0], script(named[c], text, (name,))[0]
        print("%-50s %-9s script                   %s" % (name, c, broken or "MISSED"), "" if not kept else "RULES FAIL: " + kept)
        bad += broken is None or kept is not None
    for name, (c, f) in EXPLORED.items():
        rule = name.replace(" (explored)", "")
        seed, what, runs, _, _ = explore(named[c], range(20000 if a.runs else 1 << 40), (rule,), f, 1 << 30 if a.runs else a.limit)
        kept = seed is not None and run(named[c], *schedule_of(seed, named[c], f))[0]
        print("%-50s %-9s seed %-6s of %6d runs %s" % (name, c, seed, runs, what or "MISSED"), "RULES FAIL" if kept else "", flush=True)
        bad += what is None or bool(kept)
    return bad

if __name__ == "__main__":
    sys.exit(1 if main() else 0)
