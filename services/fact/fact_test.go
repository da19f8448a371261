package fact

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
)

func TestReadable(t *testing.T) {
	extra := protowire.AppendVarint(protowire.AppendTag(nil, 4000, protowire.VarintType), 1)
	for name, c := range map[string]struct {
		edit func(*topologyv1.Event)
		says string // empty where it is readable
	}{
		"as written":             {func(*topologyv1.Event) {}, ""},
		"an older schema":        {func(e *topologyv1.Event) { e.Meta.Schema = 1 }, ""},
		"a higher schema":        {func(e *topologyv1.Event) { e.Meta.Schema = 9 }, "schema 9 wrote it"},
		"no meta":                {func(e *topologyv1.Event) { e.Meta = nil }, "no meta"},
		"an unknown fact":        {func(e *topologyv1.Event) { e.ProtoReflect().SetUnknown(extra) }, "maillage.topology.v1.Event"},
		"an unknown deep field":  {func(e *topologyv1.Event) { e.Meta.Basis.AsPrinted[1].ProtoReflect().SetUnknown(extra) }, "maillage.event.v1.Printed"},
		"an unknown value":       {func(e *topologyv1.Event) { e.Meta.Actor.Assurance = 9 }, "maillage.event.v1.Actor.assurance"},
		"an unknown first of 2":  {func(e *topologyv1.Event) { e.Meta.Basis.AsPrinted[0].ProtoReflect().SetUnknown(extra) }, "maillage.event.v1.Printed"},
		"a value below the enum": {func(e *topologyv1.Event) { e.Meta.Basis.Evidence = -1 }, "maillage.event.v1.Basis.evidence"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &topologyv1.Event{
				Meta: &eventv1.Meta{
					Schema: 2, Actor: &eventv1.Actor{Account: "a", Assurance: eventv1.Assurance_ASSURANCE_OIDC},
					Basis: &eventv1.Basis{Source: "s", AsPrinted: []*eventv1.Printed{{Field: "a"}, {Field: "b"}}},
				},
				Fact: &topologyv1.Event_CentreRenamed{CentreRenamed: &topologyv1.CentreRenamed{CentreId: "C"}},
			}
			c.edit(e)
			err := Readable(e, 2)
			if c.says == "" && err != nil {
				t.Fatal(err)
			}
			if c.says != "" && (!errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error is %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestCheckBasis(t *testing.T) {
	for want, b := range map[string]*eventv1.Basis{
		"":                             {Source: "page", SeenDate: "2026-11"},
		"BASIS_MISSING basis":          {Evidence: eventv1.Evidence_EVIDENCE_STATED, Note: "trust me"},
		"DATE_INVALID basis.seen_date": {ActId: "A", SeenDate: "2026-11-31"},
	} {
		got := ""
		if f, ok := errors.AsType[*fault.Error](CheckBasis(b)); ok {
			got = f.Reason + " " + f.Field
		}
		if got != want {
			t.Errorf("basis %v: %q, want %q", b, got, want)
		}
	}
	if CheckBasis(nil) == nil {
		t.Error("no basis at all is accepted")
	}
}
