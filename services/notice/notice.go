// Package notice says which facts are notices: those by which what was handed on before
// turns out to be wrong, not to be in law, or to be another's, and by which a person was
// erased. A consumer who acts on nothing else must look at these.
package notice

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	feedv1 "maillage/proto/gen/maillage/feed/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	ledgerv1 "maillage/proto/gen/maillage/ledger/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// Facts are the notices, each as CONTEXT.FACT, and why a consumer must look.
var Facts = map[string]feedv1.NoticeKind{
	"labelling.label_voided":       feedv1.NoticeKind_NOTICE_KIND_VOIDED,
	"labelling.label_withdrawn":    feedv1.NoticeKind_NOTICE_KIND_WITHDRAWN,
	"labelling.label_annulled":     feedv1.NoticeKind_NOTICE_KIND_ANNULLED,
	"labelling.label_corrected":    feedv1.NoticeKind_NOTICE_KIND_CORRECTED,
	"labelling.label_amended":      feedv1.NoticeKind_NOTICE_KIND_AMENDED,
	"labelling.person_erased":      feedv1.NoticeKind_NOTICE_KIND_ERASED,
	"topology.alias_voided":        feedv1.NoticeKind_NOTICE_KIND_VOIDED,
	"topology.continuity_declared": feedv1.NoticeKind_NOTICE_KIND_IDENTITY_JOINED,
	"topology.continuity_revoked":  feedv1.NoticeKind_NOTICE_KIND_IDENTITY_PARTED,
	"ledger.epoch_opened":          feedv1.NoticeKind_NOTICE_KIND_EPOCH_OPENED,
}

// Advice is what a consumer should do about a notice, as a code and in a sentence.
func Advice(kind feedv1.NoticeKind) (feedv1.NoticeAction, string) {
	switch kind {
	case feedv1.NoticeKind_NOTICE_KIND_VOIDED:
		return feedv1.NoticeAction_NOTICE_ACTION_UNDO, "It should never have been recorded: undo what you did for the event at about_position."
	case feedv1.NoticeKind_NOTICE_KIND_WITHDRAWN:
		return feedv1.NoticeAction_NOTICE_ACTION_UNDO, "In law the label never was: undo what you did for the event at about_position, and look at what its site holds now."
	case feedv1.NoticeKind_NOTICE_KIND_ANNULLED:
		return feedv1.NoticeAction_NOTICE_ACTION_COMPARE, "A court annulled the label, from its start or from the day that it says: look at what its site holds now."
	case feedv1.NoticeKind_NOTICE_KIND_CORRECTED:
		return feedv1.NoticeAction_NOTICE_ACTION_COMPARE, "It had been keyed wrongly: compare what you hold with what is read now."
	case feedv1.NoticeKind_NOTICE_KIND_AMENDED:
		return feedv1.NoticeAction_NOTICE_ACTION_COMPARE, "An erratum or a ruling changes what an act says, from the start: compare what you hold with what is read now."
	case feedv1.NoticeKind_NOTICE_KIND_IDENTITY_JOINED:
		return feedv1.NoticeAction_NOTICE_ACTION_JOIN, "Two ids are one: join what you hold under both. Both stay valid."
	case feedv1.NoticeKind_NOTICE_KIND_IDENTITY_PARTED:
		return feedv1.NoticeAction_NOTICE_ACTION_PART, "They are two after all: part what you joined for the event at about_position."
	case feedv1.NoticeKind_NOTICE_KIND_ERASED:
		return feedv1.NoticeAction_NOTICE_ACTION_FORGET, "A person was erased: forget the name and whatever else you kept of the values named."
	case feedv1.NoticeKind_NOTICE_KIND_EPOCH_OPENED:
		return feedv1.NoticeAction_NOTICE_ACTION_CHECK_CURSOR, "Positions were lost and given out again: keep nothing that stands at or after this one in your copy of before."
	}
	return feedv1.NoticeAction_NOTICE_ACTION_UNSPECIFIED, ""
}

// Events has, for each context, an event without a fact.
var events = map[string]proto.Message{
	"topology": &topologyv1.Event{}, "labelling": &labellingv1.Event{}, "activity": &activityv1.Event{}, "ledger": &ledgerv1.Event{},
}

// byNumber has the notices of each context by the field of the event that holds the fact.
var byNumber = func() map[string]map[protowire.Number]feedv1.NoticeKind {
	all := map[string]map[protowire.Number]feedv1.NoticeKind{}
	for context, e := range events {
		all[context] = map[protowire.Number]feedv1.NoticeKind{}
		facts := e.ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
		for i := range facts.Len() {
			if kind := Facts[context+"."+string(facts.Get(i).Name())]; kind != 0 {
				all[context][facts.Get(i).Number()] = kind
			}
		}
	}
	return all
}()

// Of is the kind of an encoded event of a context, unspecified for one that is no notice. It
// reads no more of it than which fact it holds.
func Of(context string, body []byte) feedv1.NoticeKind {
	notices := byNumber[context]
	if len(notices) == 0 {
		return feedv1.NoticeKind_NOTICE_KIND_UNSPECIFIED
	}
	for len(body) > 0 {
		number, _, n := protowire.ConsumeField(body)
		if n < 0 {
			break
		}
		if kind := notices[number]; kind != 0 {
			return kind
		}
		body = body[n:]
	}
	return feedv1.NoticeKind_NOTICE_KIND_UNSPECIFIED
}

// Decode is the event of a context that a body encodes, with its fact: its name, such as
// label_voided, and the message. Both are empty for an event without one.
func Decode(context string, body []byte) (event proto.Message, name protoreflect.Name, fact protoreflect.Message, err error) {
	none, known := events[context]
	if !known {
		return nil, "", nil, nil
	}
	event = none.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(body, event); err != nil {
		return nil, "", nil, err
	}
	m := event.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("fact"))
	if f == nil {
		return event, "", nil, nil
	}
	return event, f.Name(), m.Get(f).Message(), nil
}
