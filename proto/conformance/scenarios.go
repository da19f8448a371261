package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Scenarios returns all of them.
func Scenarios() []*Scenario {
	all := outlasted()
	return append(all, refused()...)
}

var (
	stopping = refuse(codes.Unavailable, "STOPPING", 0, "the process stops; call again")
	tooSlow  = func(position uint64) error {
		return refuse(codes.Unavailable, "READER_TOO_SLOW", position, "nothing was taken for too long; call again")
	}
)

// outlasted are the bad days at the end of which the copy is whole.
func outlasted() []*Scenario {
	log := recorded("A", 20, 1, 3, 1, 7, 1)
	whole := func(name, story string, log []*feedv1.Commit, turns ...turn) *Scenario {
		for i := range turns {
			turns[i].log = log
		}
		return &Scenario{Name: name, Story: story, turns: turns, log: log, keeps: lastOf(log[len(log)-1])}
	}
	first, second := lastOf(log[6]), lastOf(log[13])
	killed := whole("killed", "The consumer is killed twice and started again. No record may be missing from its copy, and none be in it twice.", log,
		turn{until: first}, turn{until: second}, turn{})
	killed.kills = []uint64{first, second}
	return []*Scenario{
		whole("whole", "Commits of several sizes, then heartbeats. The copy is whole.", log, turn{}),
		whole("large", "An act of 2,500 lines is one commit of more than 4 MiB: gRPC clients must be told to take it.", large(log), turn{}),
		whole("interrupted", "Every call ends after a few commits. Call again from the cursor kept.", log,
			turn{until: 4, ends: stopping}, turn{until: 12, ends: stopping}, turn{until: 12, ends: stopping}, turn{until: 30, ends: stopping}, turn{}),
		killed,
		whole("too-slow", "The call is ended with READER_TOO_SLOW. Call again from the cursor kept.", log,
			turn{until: 20, ends: tooSlow(20)}, turn{}),
		whole("silent", "Nothing is heard any longer, not even heartbeats, though the connection stands. Call again after three heartbeats.", log,
			turn{until: 20, silent: true}, turn{}),
		whole("unknown", "A newer register writes facts and fields that nobody here knows. Their bytes are in the copy as they came.", unknown(log), turn{}),
		whole("set-right", "A label is voided, two ids turn out to be one team, a person is erased. What was recorded before stays in the copy: a record never goes.", setRight(log), turn{}),
	}
}

// refused are the bad days on which the consumer must stop.
func refused() []*Scenario {
	log := recorded("A", 20, 1, 3, 1, 7, 1)
	other := log[:8]
	for i, c := range log[8:] { // the same positions, other records
		var facts []fact
		for n := range c.GetRecords() {
			facts = append(facts, centre(fmt.Sprintf("CB%04d%04d", i, n)))
		}
		other = with(other, facts...)
	}
	same, kept := lastOf(log[7]), lastOf(log[12])
	stop := func(name, story string, keeps uint64, turns ...turn) *Scenario {
		return &Scenario{Name: name, Story: story, turns: turns, log: log, stops: true, keeps: keeps}
	}
	return []*Scenario{
		stop("forked", "The register comes back without its tail, whose positions it gave to other records, and answers LOG_FORKED. Stop; take nothing of the other log.", 0,
			turn{log: log, until: kept, ends: stopping}, turn{log: other, common: same}),
		stop("reused", "The same, but the register does not notice. The root that it announces is not that of what you hold: stop.", 0,
			turn{log: log, until: kept, ends: stopping}, turn{log: other[:13], gullible: true}),
		stop("cut", "The register comes back without its tail and does not notice: it announces a head before what you hold. Stop.", kept,
			turn{log: log, until: kept, ends: stopping}, turn{log: log[:8], gullible: true}),
		stop("gap", "A commit is left out. Stop before it.", lastOf(log[2]),
			turn{log: log, alter: func(c *feedv1.Commit) []*feedv1.Commit {
				if c == log[3] {
					return nil
				}
				return []*feedv1.Commit{c}
			}}),
		stop("repeated", "A commit comes twice in one call. Stop; it must not be in the copy twice.", lastOf(log[3]),
			turn{log: log, alter: func(c *feedv1.Commit) []*feedv1.Commit {
				if c == log[4] {
					return []*feedv1.Commit{c, c}
				}
				return []*feedv1.Commit{c}
			}}),
		stop("root", "The root announced at the head is not that of what was handed on. Stop.", 0,
			turn{log: log, head: func(h *ledgerv1.Head) *ledgerv1.Head {
				return &ledgerv1.Head{Epoch: h.GetEpoch(), Size: h.GetSize(), Root: bytes.Repeat([]byte{7}, 32)}
			}}),
		stop("stranger", "Somebody else signs the checkpoints. Stop.", 0, turn{log: log, stranger: true}),
		stop("two-roots", "The checkpoint is signed with the right key, and its root is not that of what was handed on. Stop: you were shown another log than others were.", 0,
			turn{log: log, signed: func(h *ledgerv1.Head) *ledgerv1.Head {
				return &ledgerv1.Head{Epoch: h.GetEpoch(), Size: h.GetSize(), Root: bytes.Repeat([]byte{7}, 32)}
			}}),
	}
}

// fact is one to be recorded: its subject, and the event with a meta.
type fact func(meta *eventv1.Meta) (subject string, event proto.Message)

// recorded is the log of a register: commits whose sizes come round.
func recorded(register string, commits int, sizes ...int) (log []*feedv1.Commit) {
	for i := range commits {
		var facts []fact
		for n := range sizes[i%len(sizes)] {
			if i == 0 && n == 0 {
				facts = append(facts, opened(register))
			} else {
				facts = append(facts, centre(fmt.Sprintf("C%s%04d%04d", register, i, n)))
			}
		}
		log = with(log, facts...)
	}
	return log
}

func opened(register string) fact {
	return func(meta *eventv1.Meta) (string, proto.Message) {
		return "registry.ledger.log.LOG" + register, &ledgerv1.Event{Meta: meta, Fact: &ledgerv1.Event_LogOpened{LogOpened: &ledgerv1.LogOpened{LogId: "LOG" + register, Origin: "maillage"}}}
	}
}

func centre(id string) fact {
	return func(meta *eventv1.Meta) (string, proto.Message) {
		return "registry.topology.centre." + id, &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: &topologyv1.CentreRegistered{CentreId: id, Name: "Équipe " + id}}}
	}
}

var began = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

// with is a log with one more commit.
func with(log []*feedv1.Commit, facts ...fact) []*feedv1.Commit {
	c, position := &feedv1.Commit{KnownTime: timestamppb.New(began.Add(time.Duration(len(log)) * time.Hour))}, uint64(0)
	if len(log) > 0 {
		position = lastOf(log[len(log)-1])
	}
	for i, one := range facts {
		subject, event := one(&eventv1.Meta{Schema: 1, RecordTime: c.GetKnownTime(), CommitIndex: uint32(i), CommitSize: uint32(len(facts))})
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(event)
		if err != nil {
			panic(err) // the facts are those of this file
		}
		c.Records = append(c.Records, &feedv1.Record{Position: position + uint64(i) + 1, Subject: subject, Body: body})
	}
	log = append(slices.Clip(log), c)
	c.Cursor = cursorAt(log, lastOf(c))
	return log
}

// large is a commit of 2,500 events of two kilobytes each.
func large(log []*feedv1.Commit) []*feedv1.Commit {
	var lines []fact
	for n := range 2_500 {
		lines = append(lines, func(meta *eventv1.Meta) (string, proto.Message) {
			subject, event := centre(fmt.Sprintf("CL%08d", n))(meta)
			meta.Basis = &eventv1.Basis{Note: strings.Repeat("texte de la ligne ", 110)}
			return subject, event
		})
	}
	return with(log, lines...)
}

// unknown are facts that only a newer register knows, and one of a context of its own.
func unknown(log []*feedv1.Commit) []*feedv1.Commit {
	newer := func(subject string, field protowire.Number) fact {
		return func(meta *eventv1.Meta) (string, proto.Message) {
			meta.Schema = 99
			e := &topologyv1.Event{Meta: meta}
			e.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), "a fact of tomorrow"))
			return subject, e
		}
	}
	log = with(log, newer("registry.topology.centre.CNEW000001", 400))
	log = with(log, newer("registry.research.cohort.KNEW000001", 10), centre("CAFTER0001"))
	return with(log, centre("CAFTER0002"))
}

// setRight are facts that say of earlier ones that they were wrong, or whom they named.
func setRight(log []*feedv1.Commit) []*feedv1.Commit {
	labelling := func(label string, e *labellingv1.Event) fact {
		return func(meta *eventv1.Meta) (string, proto.Message) {
			meta.Corrects, e.Meta = 3, meta
			return "registry.labelling.label." + label, e
		}
	}
	log = with(log, labelling("LVOID00001", &labellingv1.Event{Fact: &labellingv1.Event_LabelVoided{LabelVoided: &labellingv1.LabelVoided{LabelId: "LVOID00001"}}}))
	log = with(log, func(meta *eventv1.Meta) (string, proto.Message) {
		return "registry.topology.continuity.KCONT00001", &topologyv1.Event{Meta: meta, Fact: &topologyv1.Event_ContinuityDeclared{ContinuityDeclared: &topologyv1.ContinuityDeclared{
			ContinuityId: "KCONT00001", KeptId: "CA00020001", OtherId: "CA00020002",
		}}}
	})
	return with(log, func(meta *eventv1.Meta) (string, proto.Message) {
		return "registry.labelling.person.V000000001", &labellingv1.Event{Meta: meta, Fact: &labellingv1.Event_PersonErased{PersonErased: &labellingv1.PersonErased{
			ValueIds: []string{"V000000001"},
		}}}
	})
}
