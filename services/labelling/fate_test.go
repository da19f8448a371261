package labelling

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

const (
	extended, suspendedS = labellingv1.Status_STATUS_EXTENDED, labellingv1.Status_STATUS_SUSPENDED
	withdrawn, annulled  = labellingv1.Status_STATUS_WITHDRAWN, labellingv1.Status_STATUS_ANNULLED
	voided               = labellingv1.Status_STATUS_VOIDED
)

// fateSamples has a rich event of every fate, in an order in which they fold.
func fateSamples(basis *eventv1.Basis, head *eventv1.PersonalValue) []*labellingv1.Event {
	const first, second = "LABE100001", "LABE100002"
	var events []*labellingv1.Event
	for _, f := range []*labellingv1.Event{
		extendedE(second, "2029-12-29"),
		{Fact: &labellingv1.Event_LabelSuspended{LabelSuspended: &labellingv1.LabelSuspended{LabelId: second, SuspendedFrom: "2024-02-01"}}},
		{Fact: &labellingv1.Event_LabelReinstated{LabelReinstated: &labellingv1.LabelReinstated{LabelId: second, ReinstatedFrom: "2024-03-01"}}},
		{Fact: &labellingv1.Event_LabelLapsed{LabelLapsed: &labellingv1.LabelLapsed{LabelId: second, LapsedFrom: "2025-06-01"}}},
		{Fact: &labellingv1.Event_LabelAmended{LabelAmended: &labellingv1.LabelAmended{
			LabelId: second, Role: labellingv1.Role_ROLE_CONSTITUTIVE.Enum(), RoleAsPrinted: new("constitutif"),
			Period: period("2023-12-30", "2028-12-30"), Head: head,
		}}},
		{Fact: &labellingv1.Event_LabelOpened{LabelOpened: &labellingv1.LabelOpened{LabelId: second, OpenedFrom: "2024-02-01"}}},
		{Fact: &labellingv1.Event_LabelMaintained{LabelMaintained: &labellingv1.LabelMaintained{LabelId: second, MaintainedFrom: "2028-12-30"}}},
		{Fact: &labellingv1.Event_LabelClosed{LabelClosed: &labellingv1.LabelClosed{LabelId: second, ClosedFrom: "2029-06-01"}}},
		{Fact: &labellingv1.Event_LabelAnnulled{LabelAnnulled: &labellingv1.LabelAnnulled{LabelId: second, AnnulledFrom: "2025-12-01"}}},
		{Fact: &labellingv1.Event_LabelWithdrawn{LabelWithdrawn: &labellingv1.LabelWithdrawn{LabelId: second}}},
		{Fact: &labellingv1.Event_LabelVoided{LabelVoided: &labellingv1.LabelVoided{LabelId: first}}},
	} {
		f.Meta = &eventv1.Meta{Basis: basis}
		events = append(events, f)
	}
	events[len(events)-1].Meta.Corrects = 3
	return events
}

func extendedE(id, end string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelExtended{LabelExtended: &labellingv1.LabelExtended{LabelId: id, End: end}}}
}

func (w *world) extending(id, end string) ([]*labellingv1.Event, error) {
	return ExtendLabel(w.s, &labellingv1.ExtendLabelRequest{Basis: source, LabelId: id, End: end})
}

func (w *world) suspending(id, from, until string) ([]*labellingv1.Event, error) {
	return SuspendLabel(w.s, &labellingv1.SuspendLabelRequest{Basis: source, LabelId: id, SuspendedFrom: from, SuspendedUntil: until})
}

func (w *world) reinstating(id, from string) ([]*labellingv1.Event, error) {
	return ReinstateLabel(w.s, &labellingv1.ReinstateLabelRequest{Basis: source, LabelId: id, ReinstatedFrom: from})
}

func (w *world) withdrawing(id string) ([]*labellingv1.Event, error) {
	return WithdrawLabel(w.s, &labellingv1.WithdrawLabelRequest{Basis: source, LabelId: id})
}

func (w *world) annulling(id, from string) ([]*labellingv1.Event, error) {
	return AnnulLabel(w.s, &labellingv1.AnnulLabelRequest{Basis: source, LabelId: id, AnnulledFrom: from})
}

func (w *world) voiding(id string) ([]*labellingv1.Event, error) {
	return VoidLabel(w.s, &labellingv1.VoidLabelRequest{Basis: source, LabelId: id})
}

func (w *world) opening(id, from string) ([]*labellingv1.Event, error) {
	return OpenLabel(w.s, &labellingv1.OpenLabelRequest{Basis: source, LabelId: id, OpenedFrom: from})
}

func (w *world) maintaining(id, from string) ([]*labellingv1.Event, error) {
	return MaintainLabel(w.s, &labellingv1.MaintainLabelRequest{Basis: source, LabelId: id, MaintainedFrom: from})
}

func (w *world) closing(id, from string) ([]*labellingv1.Event, error) {
	return CloseLabel(w.s, &labellingv1.CloseLabelRequest{Basis: source, LabelId: id, ClosedFrom: from})
}

// undoings are the ways in which a label never was.
var undoings = map[string]func(*world, string) ([]*labellingv1.Event, error){
	"withdrawn": (*world).withdrawing,
	"annulled":  func(w *world, id string) ([]*labellingv1.Event, error) { return w.annulling(id, "") },
	"voided":    (*world).voiding,
}

// days2017 grants label A for five years known to the day.
func days2017(w *world) { w.grant("A", during(site(centre1, net1), "2017-05-09", "2022-05-09")) }

// given runs one step after another.
func given(steps ...func(*world)) func(*world) {
	return func(w *world) {
		for _, step := range steps {
			step(w)
		}
	}
}

// done appends what is decided.
func done(decide func(*world) ([]*labellingv1.Event, error)) func(*world) {
	return func(w *world) { w.t.Helper(); w.append(decide(w)) }
}

type deciding = func(*world) ([]*labellingv1.Event, error)

func extends(end string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.extending("A", end) }
}

func suspends(from, until string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.suspending("A", from, until) }
}

func reinstates(from string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.reinstating("A", from) }
}

func repeals(from string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.repealing("A", from) }
}

func annuls(from string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.annulling("A", from) }
}

func withdraws(w *world) ([]*labellingv1.Event, error) { return w.withdrawing("A") }
func voids(w *world) ([]*labellingv1.Event, error)     { return w.voiding("A") }

func opens(from string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.opening("A", from) }
}

func maintains(from string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.maintaining("A", from) }
}

func closes(from string) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.closing("A", from) }
}

// lapses records a list that states to leave label A out.
func lapses(effective string) deciding {
	return recordingWith(func(r *labellingv1.RecordActRequest) {
		r.Title, r.EffectiveDate, r.AbsencesStated = "Liste du "+effective, effective, true
		r.Scope = []*labellingv1.ScopeCell{{Coverage: complete}}
	}, lapsedLine("A"))
}

func lapsedLine(id string) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_LapsedLabelId{LapsedLabelId: id}}
}

func withdrawnLine(id string) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_WithdrawnLabelId{WithdrawnLabelId: id}}
}

func amendedLine(f *labellingv1.LabelAmended) *labellingv1.ActLine {
	return &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Amended{Amended: f}}
}

func renews(g func() *labellingv1.Grant) deciding {
	return func(w *world) ([]*labellingv1.Event, error) { return w.renewing("A", "B", g()) }
}

func onSite2() *labellingv1.Grant { return during(site(centre2, net2), "2020-01-01", "2028") }
func onSite1() *labellingv1.Grant { return during(site(centre1, net1), "2020-01-01", "2028") }

func TestFates(t *testing.T) {
	for _, d := range []decided{
		{name: "extended", given: days2017, when: extends("2023-12-31"), then: func(t *testing.T, w *world) {
			if l := w.label("A"); l.GetPeriod().GetEnd() != "2023-12-31" || l.GetExtendedFrom() != "2022-05-09" || len(l.GetBasis()) != 2 {
				t.Errorf("label is %v", l)
			}
			if _, held := w.s.Labels.At("A", day("2023-12-30"), w.at); !held {
				t.Error("not held until its new end")
			}
		}},
		{name: "extended twice", given: given(days2017, done(extends("2023-01-01"))), when: extends("2024-01-01"), then: func(t *testing.T, w *world) {
			if l := w.label("A"); l.GetPeriod().GetEnd() != "2024-01-01" || l.GetExtendedFrom() != "2022-05-09" {
				t.Errorf("label is %v", l)
			}
		}},
		{
			name:  "an end nobody knew is known by its extension",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2017-05-09", "")) },
			when:  extends("2023-12-31"),
			then: func(t *testing.T, w *world) {
				if l := w.label("A"); l.GetPeriod().GetEnd() != "2023-12-31" || l.GetExtendedFrom() != "" {
					t.Errorf("label is %v", l)
				}
			},
		},
		{name: "suspended before another suspension", given: given(days2017, done(suspends("2020-01-01", ""))), when: suspends("2018-01-01", "2018-03-01"), then: func(t *testing.T, w *world) {
			got := w.label("A").GetSuspensions()
			if len(got) != 2 || got[0].GetStart() != "2018-01-01" || got[0].GetEnd() != "2018-03-01" || got[1].GetStart() != "2020-01-01" || got[1].GetEnd() != "" {
				t.Errorf("suspensions are %v", got)
			}
		}},
		{name: "suspended on the day another suspension ends", given: given(days2017, done(suspends("2018-01-01", "2018-03-01"))), when: suspends("2018-03-01", "2022-05-09"), then: func(t *testing.T, w *world) {
			if got := w.label("A").GetSuspensions(); len(got) != 2 {
				t.Errorf("suspensions are %v", got)
			}
		}},
		{name: "reinstated", given: given(days2017, done(suspends("2018-01-01", "2018-03-01")), done(suspends("2020-01-01", ""))), when: reinstates("2020-01-02"), then: func(t *testing.T, w *world) {
			got, was := w.label("A").GetSuspensions(), func() []*eventv1.Period { l, _ := w.s.Label("A", w.at-1); return l.GetSuspensions() }()
			if got[0].GetEnd() != "2018-03-01" || got[1].GetEnd() != "2020-01-02" || was[1].GetEnd() != "" {
				t.Errorf("suspensions are %v, were %v", got, was)
			}
		}},
		{name: "withdrawn once it was repealed", given: given(days2017, done(repeals("2019-01-01"))), when: withdraws, then: func(t *testing.T, w *world) {
			if l := w.label("A"); !l.GetWithdrawn() || l.GetRepealedFrom() != "2019-01-01" {
				t.Errorf("label is %v", l)
			}
		}},
		{name: "annulled from a day", given: days2017, when: annuls("2019-01-01"), then: func(t *testing.T, w *world) {
			if l := w.label("A"); !l.GetAnnulled() || l.GetAnnulledFrom() != "2019-01-01" || len(l.GetBasis()) != 2 {
				t.Errorf("label is %v", l)
			}
			if _, held := w.s.Labels.At("A", day("2019-01-01"), w.at); held {
				t.Error("held on the day it is annulled from")
			}
		}},
		{name: "annulled from its start after all", given: given(days2017, done(annuls("2019-01-01"))), when: annuls(""), then: func(t *testing.T, w *world) {
			if l := w.label("A"); !l.GetAnnulled() || l.GetAnnulledFrom() != "" {
				t.Errorf("label is %v", l)
			}
		}},
		{
			name: "lapsed, from the day of publication where no effect is stated", given: days2017,
			when: recordingWith(func(r *labellingv1.RecordActRequest) {
				r.AbsencesStated, r.Publications = true, []*labellingv1.Publication{{Date: "2019-03-01"}}
			}, lapsedLine("A")),
			then: func(t *testing.T, w *world) {
				if l := w.label("A"); l.GetLapsedFrom() != "2019-03-01" || l.GetBasis()[1].GetActLine() != 1 {
					t.Errorf("label is %v", l)
				}
			},
		},
		{name: "worked under", given: given(days2017, done(opens("2018-01-01")), done(maintains("2022-05-09"))), when: closes("2024-01-01"), then: func(t *testing.T, w *world) {
			l := w.label("A")
			if o := l.GetOperation(); o.GetOpenedFrom() != "2018-01-01" || o.GetMaintainedFrom() != "2022-05-09" || o.GetClosedFrom() != "2024-01-01" {
				t.Errorf("operation is %v", o)
			}
			if len(l.GetBasis()) != 1 || l.GetPeriod().GetEnd() != "2022-05-09" {
				t.Errorf("label is %v", l)
			}
		}},
		{name: "maintained though it is withdrawn", given: given(days2017, done(withdraws)), when: maintains("2018-01-01"), then: func(t *testing.T, w *world) {
			if w.label("A").GetOperation().GetMaintainedFrom() == "" {
				t.Errorf("label is %v", w.label("A"))
			}
		}},
	} {
		t.Run(d.name, d.run)
	}
}

// A voided label names the event that should not have been.
func TestVoidLabelCorrectsItsGrant(t *testing.T) {
	for name, grant := range map[string]func(*world) uint64{
		"granted": func(w *world) uint64 { return w.grant("A", during(site(centre1, net1), "2017", "2022")) },
		"renewed": func(w *world) uint64 {
			w.grant("Z", during(site(centre1, net1), "2012", "2016"))
			return w.renew("Z", "A", during(site(centre1, net1), "2017", "2022"))
		},
	} {
		w := newWorld(t)
		at := grant(w)
		w.append(w.confirming("A", source))
		events, err := w.voiding("A")
		if err != nil || len(events) != 1 || events[0].GetMeta().GetCorrects() != at {
			t.Errorf("%s at %d: voiding decides %v (%v)", name, at, events, err)
		}
	}
}

func TestFatesRefused(t *testing.T) {
	for _, d := range []decided{
		{name: "extended to its end", given: days2017, when: extends("2022-05-09"), fault: "EXTENSION_NOT_LATER end"},
		{name: "extended to the year it ends in", given: given2017, when: extends("2022-12-31"), fault: "EXTENSION_NOT_LATER end"},
		{
			name:  "extended to before it begins",
			given: func(w *world) { w.grant("A", during(site(centre1, net1), "2017", "")) },
			when:  extends("2016-12-31"), fault: "EXTENSION_NOT_LATER end",
		},
		{name: "extended to no day", given: days2017, when: extends("2023-02-29"), fault: "DATE_INVALID end"},
		{name: "unknown, extended", when: extends("2023-02-28"), fault: "LABEL_UNKNOWN label_id"},
		{name: "repealed, extended", given: given(days2017, done(repeals("2019-01-01"))), when: extends("2024-01-01"), fault: "LABEL_ENDED label_id"},
		{name: "gone on, extended", given: given(days2017, done(renews(onSite2))), when: extends("2024-01-01"), fault: "LABEL_ENDED label_id"},
		{name: "annulled from a day, extended", given: given(days2017, done(annuls("2019-01-01"))), when: extends("2024-01-01"), fault: "LABEL_ENDED label_id"},
		{name: "lapsed, extended", given: given(days2017, done(lapses("2019-01-01"))), when: extends("2024-01-01"), fault: "LABEL_ENDED label_id"},
		{name: "suspended before it begins", given: days2017, when: suspends("2017-05-08", ""), fault: "SUSPENSION_OUTSIDE_TERM suspended_from"},
		{name: "suspended once it is over", given: days2017, when: suspends("2022-05-09", ""), fault: "SUSPENSION_OUTSIDE_TERM suspended_from"},
		{name: "suspended until it is over", given: days2017, when: suspends("2022-05-01", "2022-05-10"), fault: "SUSPENSION_OUTSIDE_TERM suspended_from"},
		{name: "suspended once it is repealed", given: given(days2017, done(repeals("2019-01-01"))), when: suspends("2019-01-01", ""), fault: "SUSPENSION_OUTSIDE_TERM suspended_from"},
		{name: "suspended for no day", given: days2017, when: suspends("2019-01-01", "2019-01-01"), fault: "PERIOD_EMPTY suspended_until"},
		{name: "suspended from no day", given: days2017, when: suspends("2019", ""), fault: "DATE_INVALID suspended_from"},
		{name: "suspended until no day", given: days2017, when: suspends("2019-01-01", "2020"), fault: "DATE_INVALID suspended_until"},
		{name: "suspended within a suspension", given: given(days2017, done(suspends("2019-01-01", "2019-03-01"))), when: suspends("2019-02-28", "2019-06-01"), fault: "SUSPENSION_OVERLAPS suspended_from"},
		{name: "suspended while a suspension lasts", given: given(days2017, done(suspends("2019-01-01", ""))), when: suspends("2020-01-01", "2020-02-01"), fault: "SUSPENSION_OVERLAPS suspended_from"},
		{name: "suspended for ever before a suspension", given: given(days2017, done(suspends("2019-01-01", "2019-03-01"))), when: suspends("2018-01-01", ""), fault: "SUSPENSION_OVERLAPS suspended_from"},
		{name: "reinstated, never suspended", given: days2017, when: reinstates("2019-01-01"), fault: "NOT_SUSPENDED label_id"},
		{name: "reinstated twice", given: given(days2017, done(suspends("2019-01-01", "")), done(reinstates("2019-03-01"))), when: reinstates("2019-04-01"), fault: "NOT_SUSPENDED label_id"},
		{name: "reinstated on the day it is suspended", given: given(days2017, done(suspends("2019-01-01", ""))), when: reinstates("2019-01-01"), fault: "PERIOD_EMPTY reinstated_from"},
		{name: "reinstated on no day", given: given(days2017, done(suspends("2019-01-01", ""))), when: reinstates("2020"), fault: "DATE_INVALID reinstated_from"},
		{name: "annulled from its first day", given: days2017, when: annuls("2017-05-09"), fault: "ANNULMENT_OUTSIDE_TERM annulled_from"},
		{name: "annulled once it is over", given: days2017, when: annuls("2022-05-09"), fault: "ANNULMENT_OUTSIDE_TERM annulled_from"},
		{name: "annulled once it is repealed", given: given(days2017, done(repeals("2019-01-01"))), when: annuls("2020-01-01"), fault: "ANNULMENT_OUTSIDE_TERM annulled_from"},
		{name: "annulled from no day", given: days2017, when: annuls("2020"), fault: "DATE_INVALID annulled_from"},
		{name: "annulled, repealed", given: given(days2017, done(annuls("2019-01-01"))), when: repeals("2018-01-01"), fault: "LABEL_ENDED label_id"},
		{name: "annulled, renewed", given: given(days2017, done(annuls("2019-01-01"))), when: renews(onSite2), fault: "LABEL_ENDED renewal.label_id"},
		{name: "unknown, withdrawn", when: withdraws, fault: "LABEL_UNKNOWN label_id"},
		{name: "unknown, voided", when: voids, fault: "LABEL_UNKNOWN label_id"},
		{name: "on an unknown act", given: days2017, when: func(w *world) ([]*labellingv1.Event, error) {
			return WithdrawLabel(w.s, &labellingv1.WithdrawLabelRequest{Basis: &eventv1.Basis{ActId: "X"}, LabelId: "A"})
		}, fault: "BASIS_ACT_UNKNOWN basis.act_id"},
		{name: "on nothing", given: days2017, when: func(w *world) ([]*labellingv1.Event, error) {
			return VoidLabel(w.s, &labellingv1.VoidLabelRequest{LabelId: "A"})
		}, fault: "BASIS_MISSING basis"},
		{name: "maintained before it opened", given: given(days2017, done(opens("2018-01-01"))), when: maintains("2017-12-31"), fault: "OPERATION_OUT_OF_ORDER maintained_from"},
		{name: "closed on the day it opened", given: given(days2017, done(opens("2018-01-01"))), when: closes("2018-01-01"), fault: "OPERATION_OUT_OF_ORDER closed_from"},
		{name: "closed before it was labelled", given: days2017, when: closes("2017-05-09"), fault: "OPERATION_OUT_OF_ORDER closed_from"},
		{name: "maintained once it closed", given: given(days2017, done(closes("2020-01-01"))), when: maintains("2020-01-01"), fault: "OPERATION_OUT_OF_ORDER maintained_from"},
		{name: "opened once it closed", given: given(days2017, done(closes("2020-01-01"))), when: opens("2020-01-01"), fault: "OPERATION_OUT_OF_ORDER opened_from"},
		{name: "opened on no day", given: days2017, when: opens("2018"), fault: "DATE_INVALID opened_from"},
		{name: "voided, opened", given: given(days2017, done(voids)), when: opens("2018-01-01"), fault: "LABEL_ENDED label_id"},
		{name: "unknown, closed", when: closes("2018-01-01"), fault: "LABEL_UNKNOWN label_id"},
	} {
		t.Run(d.name, d.run)
	}
}

// A label that never was takes no further fate, by a command or by a line of an act.
func TestUndoneTakesNoFate(t *testing.T) {
	amended := &labellingv1.LabelAmended{LabelId: "A", Period: period("2018", "2022")}
	for fate, c := range map[string]struct {
		when  deciding
		field string
	}{
		"extended":            {extends("2024-01-01"), "label_id"},
		"suspended":           {suspends("2019-01-01", ""), "label_id"},
		"reinstated":          {reinstates("2019-01-02"), "label_id"},
		"repealed":            {repeals("2019-01-01"), "label_id"},
		"withdrawn":           {withdraws, "label_id"},
		"annulled":            {annuls("2019-01-01"), "label_id"},
		"voided":              {voids, "label_id"},
		"confirmed":           {func(w *world) ([]*labellingv1.Event, error) { return w.confirming("A", source) }, "label_id"},
		"renewed":             {renews(onSite2), "renewal.label_id"},
		"confirmed by a line": {recording(act(confirmed("A"))), "lines[0].confirmed_label_id"},
		"repealed by a line":  {recordingWith(func(r *labellingv1.RecordActRequest) { r.EffectiveDate = "2019-01-01" }, repealed("A")), "lines[0].repealed_label_id"},
		"withdrawn by a line": {recording(act(withdrawnLine("A"))), "lines[0].withdrawn_label_id"},
		"lapsed by a line":    {lapses("2019-01-01"), "lines[0].lapsed_label_id"},
		"amended by a line":   {recording(act(amendedLine(amended))), "lines[0].amended.label_id"},
	} {
		for how, undo := range undoings {
			t.Run(how+", "+fate, decided{
				given: given(days2017, done(func(w *world) ([]*labellingv1.Event, error) { return undo(w, "A") })),
				when:  c.when, fault: "LABEL_ENDED " + c.field,
			}.run)
		}
	}
}

func TestStatusOfFates(t *testing.T) {
	for _, c := range []status{
		{
			name:  "extended before its end",
			given: given(days2017, done(extends("2023-12-31"))),
			want:  want{"2017-05-08": planned, "2022-05-08": inForce, "2022-05-09": extended, "2023-12-30": extended, "2023-12-31": abeyance},
		},
		{
			name: "extended by an act signed after its end: the gap is bridged",
			given: given(days2017, done(recordingWith(func(r *labellingv1.RecordActRequest) { r.EffectiveDate = "2023-06-01" }, &labellingv1.ActLine{
				Disposition: &labellingv1.ActLine_Extended{Extended: extendedE("A", "2024-01-01").GetLabelExtended()},
			}))),
			want: want{"2022-05-08": inForce, "2022-05-09": extended, "2023-05-31": extended, "2023-12-31": extended, "2024-01-01": abeyance},
		},
		{
			name:  "extended from an end known by its year",
			given: given(given2017, done(extends("2024-01-01"))),
			want:  want{"2022-06-01": inForce, "2022-12-31": inForce, "2023-01-01": extended, "2024-01-01": abeyance},
		},
		{
			name:  "extended, then renewed before its new end",
			given: given(days2017, done(extends("2025-01-01")), func(w *world) { w.renew("A", "B", during(site(centre2, net2), "2023-12-29", "2028")) }),
			want:  want{"2022-05-08": inForce, "2023-12-28": extended, "2023-12-29": succeeded},
		},
		{
			name:  "suspended for a time",
			given: given(days2017, done(suspends("2019-01-01", "2019-03-01"))),
			want:  want{"2018-12-31": inForce, "2019-01-01": suspendedS, "2019-02-28": suspendedS, "2019-03-01": inForce},
		},
		{
			name:  "suspended, and reinstated while extended",
			given: given(days2017, done(extends("2024-01-01")), done(suspends("2022-01-01", "")), done(reinstates("2023-01-01"))),
			want:  want{"2021-12-31": inForce, "2022-01-01": suspendedS, "2022-05-09": suspendedS, "2022-12-31": suspendedS, "2023-01-01": extended},
		},
		{
			name:  "suspended until its term, which a suspension does not move",
			given: given(days2017, done(suspends("2022-01-01", ""))),
			want:  want{"2021-12-31": inForce, "2022-01-01": suspendedS, "2022-05-08": suspendedS, "2022-05-09": abeyance},
		},
		{
			name:  "suspended, then repealed",
			given: given(days2017, done(suspends("2019-01-01", "")), done(repeals("2020-01-01"))),
			want:  want{"2019-12-31": suspendedS, "2020-01-01": repealedS},
		},
		{
			name:  "withdrawn",
			given: given(days2017, done(withdraws)),
			want:  want{"2000-01-01": withdrawn, "2017-05-08": withdrawn, "2017-05-09": withdrawn, "2022-05-09": withdrawn, "2030-01-01": withdrawn},
		},
		{
			name:  "annulled from its start",
			given: given(days2017, done(annuls(""))),
			want:  want{"2017-05-09": annulled, "2022-05-09": annulled, "2030-01-01": annulled},
		},
		{
			name:  "annulled from a day, where the ruling defers it",
			given: given(days2017, done(annuls("2019-01-01"))),
			want:  want{"2017-05-08": planned, "2018-12-31": inForce, "2019-01-01": annulled, "2030-01-01": annulled},
		},
		{
			name:  "repealed, then annulled from a day before",
			given: given(days2017, done(repeals("2020-01-01")), done(annuls("2019-01-01"))),
			want:  want{"2018-12-31": inForce, "2019-01-01": annulled, "2020-01-01": annulled},
		},
		{
			name:  "voided",
			given: given(days2017, done(voids)),
			want:  want{"2017-05-08": voided, "2017-05-09": voided, "2030-01-01": voided},
		},
		{
			name:  "voided once it was withdrawn would be one fate too many; withdrawn once it was repealed is not",
			given: given(days2017, done(repeals("2019-01-01")), done(withdraws)),
			want:  want{"2018-01-01": withdrawn, "2019-01-01": withdrawn},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestStatusOfStatedAbsences(t *testing.T) {
	stating := func(effective string, lines ...*labellingv1.ActLine) func(*world) {
		return done(recordingWith(func(r *labellingv1.RecordActRequest) {
			r.Title, r.EffectiveDate, r.AbsencesStated = "Liste du "+effective, effective, true
			r.Scope = []*labellingv1.ScopeCell{{Coverage: complete}}
		}, lines...))
	}
	for _, c := range []status{
		{
			name:  "lapsed inside its term",
			given: given(days2017, done(lapses("2019-01-01"))),
			want:  want{"2018-12-31": inForce, "2019-01-01": lapsed, "2022-05-09": lapsed, "2030-01-01": lapsed},
		},
		{
			name:  "lapsed past its term: it had expired",
			given: given(days2017, done(lapses("2023-12-26"))),
			want:  want{"2022-05-08": inForce, "2022-05-09": abeyance, "2023-12-25": abeyance, "2023-12-26": expired},
		},
		{
			name:  "lapsed, nobody knows its end",
			given: given(func(w *world) { w.grant("A", during(site(centre1, net1), "2007", "")) }, done(lapses("2019-01-01"))),
			want:  want{"2018-12-31": undetermined, "2019-01-01": lapsed},
		},
		{
			name: "lapsed, and granted anew later",
			given: given(days2017, done(lapses("2019-01-01")), func(w *world) {
				w.append(w.recording(act(granted(during(site(centre1, net1), "2021-01-01", "2026")))))
			}),
			want: want{"2018-12-31": inForce, "2019-01-01": lapsed, "2020-12-31": lapsed, "2021-01-01": succeeded},
		},
		{
			name: "lapsed, and named by an erratum",
			given: given(days2017, done(lapses("2019-01-01")), done(recordingWith(func(r *labellingv1.RecordActRequest) {
				r.Title, r.EffectiveDate = "Erratum", "2019-04-01"
			}, confirmed("A")))),
			want: want{"2018-12-31": inForce, "2019-01-01": lapsed, "2019-03-31": lapsed, "2019-04-01": inForce},
		},
		{
			name:  "left out, without being stated to be, inside its term and past it",
			given: given(days2017, stating("2019-01-01")),
			want:  want{"2019-01-01": inForce, "2022-05-08": inForce, "2022-05-09": undetermined},
		},
		{
			name:  "left out by one list, stated by the next to be left out",
			given: given(days2017, func(w *world) { listing(w, "2018-01-01", &labellingv1.ScopeCell{Coverage: complete}) }, stating("2019-01-01", lapsedLine("A"))),
			want:  want{"2017-12-31": inForce, "2018-01-01": lapsed, "2019-01-01": lapsed},
		},
		{
			name:  "left out inside its term, stated past it to be left out: it was lost the first time",
			given: given(days2017, func(w *world) { listing(w, "2018-01-01", &labellingv1.ScopeCell{Coverage: complete}) }, stating("2023-12-26", lapsedLine("A"))),
			want:  want{"2017-12-31": inForce, "2018-01-01": lapsed, "2024-01-01": lapsed},
		},
	} {
		t.Run(c.name, c.run)
	}
}

func TestStatusByCyclesAndExclusions(t *testing.T) {
	excluded := labellingv1.Coverage_COVERAGE_EXCLUDED
	of := func(cycle string) func(*world) {
		return func(w *world) {
			w.cycle("C", "2017-2022", "2017", "2022")
			w.cycle("D", "2014", "2014", "2019")
			w.grant("A", in(during(site(centre1, net1), "2017-05-09", "2022-05-09"), cycle))
		}
	}
	list := func(cells ...*labellingv1.ScopeCell) func(*world) {
		return func(w *world) { listing(w, "2023-12-26", cells...) }
	}
	everyone := &labellingv1.ScopeCell{Coverage: complete}
	ofC := &labellingv1.ScopeCell{Coverage: complete, CycleId: "C"}
	partOfC := &labellingv1.ScopeCell{Coverage: partial, CycleId: "C"}
	for _, c := range []status{
		{name: "a list leaves its filière out", given: given(of("C"), list(everyone, &labellingv1.ScopeCell{FiliereId: fil1, Coverage: excluded})), want: want{"2024-01-01": abeyance}},
		{name: "a list leaves another filière out", given: given(of("C"), list(everyone, &labellingv1.ScopeCell{FiliereId: fil2, Coverage: excluded})), want: want{"2024-01-01": expired}},
		{name: "a list leaves its role out", given: given(of("C"), list(everyone, &labellingv1.ScopeCell{Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: excluded})), want: want{"2024-01-01": abeyance}},
		{name: "a list leaves its filière out, but for its role", given: given(of("C"), list(
			everyone, &labellingv1.ScopeCell{FiliereId: fil1, Coverage: excluded},
			&labellingv1.ScopeCell{FiliereId: fil1, Role: labellingv1.Role_ROLE_CONSTITUTIVE, Coverage: complete},
		)), want: want{"2024-01-01": expired}},
		{name: "a list closes its cycle", given: given(of("C"), list(ofC)), want: want{"2024-01-01": expired}},
		{name: "a list closes another cycle", given: given(of("D"), list(ofC)), want: want{"2024-01-01": abeyance}},
		{name: "a list closes a cycle that may be its", given: given(of(""), list(ofC)), want: want{"2024-01-01": undetermined}},
		{name: "a list closes all, of its cycle in part", given: given(of("C"), list(everyone, partOfC)), want: want{"2024-01-01": undetermined}},
		{name: "a list closes all, of another cycle in part", given: given(of("D"), list(everyone, partOfC)), want: want{"2024-01-01": expired}},
		{name: "a list closes all, of a cycle that may be its in part", given: given(of(""), list(everyone, partOfC)), want: want{"2024-01-01": undetermined}},
		{name: "a list closes all, and a cycle that may be its", given: given(of(""), list(everyone, ofC)), want: want{"2024-01-01": expired}},
		{name: "a list leaves its cycle out", given: given(of("C"), list(everyone, &labellingv1.ScopeCell{Coverage: excluded, CycleId: "C"})), want: want{"2024-01-01": abeyance}},
		{name: "a list leaves out a cycle that may be its", given: given(of(""), list(everyone, &labellingv1.ScopeCell{Coverage: excluded, CycleId: "C"})), want: want{"2024-01-01": undetermined}},
	} {
		t.Run(c.name, c.run)
	}
}

// What a label did to others is undone with it.
func TestStatusOfOthersOnceALabelIsUndone(t *testing.T) {
	for how, undo := range undoings {
		undoB := done(func(w *world) ([]*labellingv1.Event, error) { return undo(w, "B") })
		for _, c := range []status{
			{
				name:  "the label before goes on to its own end",
				given: given(days2017, done(renews(onSite2)), undoB),
				want:  want{"2019-12-31": inForce, "2020-01-01": inForce, "2022-05-08": inForce, "2022-05-09": abeyance, "2024-01-01": abeyance},
			},
			{
				name:  "the label before ends when nobody knows, again",
				given: given(func(w *world) { w.grant("A", during(site(centre1, net1), "2007-07-01", "")) }, done(renews(onSite1)), undoB),
				want:  want{"2007-07-01": undetermined, "2024-01-01": undetermined},
			},
			{
				name:  "the label before is extended, as it was",
				given: given(days2017, done(extends("2024-01-01")), done(renews(onSite2)), undoB),
				want:  want{"2022-05-08": inForce, "2023-12-31": extended, "2024-01-01": abeyance},
			},
			{
				name: "the label before was lost by absence before it was renewed",
				given: given(days2017, func(w *world) { listing(w, "2019-01-01", &labellingv1.ScopeCell{Coverage: complete}) }, func(w *world) {
					r := act(renewed("A", onSite2()))
					r.Title, r.EffectiveDate = "Renouvellement", "2020-01-01"
					w.append(RecordAct(w.s, w.topo, mints("ACT2", "SB", "B"), r, func(int) *eventv1.PersonalValue { return nil }))
				}, undoB),
				want: want{"2018-12-31": inForce, "2019-01-01": lapsed, "2021-01-01": lapsed},
			},
			{
				name: "the label before was lost by absence before it was renewed on the same site",
				given: given(days2017, func(w *world) { listing(w, "2019-01-01", &labellingv1.ScopeCell{Coverage: complete}) }, func(w *world) {
					r := act(renewed("A", onSite1()))
					r.Title, r.EffectiveDate = "Renouvellement", "2020-01-01"
					w.append(RecordAct(w.s, w.topo, mints("ACT2", "B"), r, func(int) *eventv1.PersonalValue { return nil }))
				}, undoB),
				want: want{"2018-12-31": inForce, "2019-01-01": lapsed, "2021-01-01": lapsed},
			},
			{
				name: "a label of the same holder that began before it",
				given: given(days2017, func(w *world) {
					w.append(RecordAct(w.s, w.topo, mints("ACT2", "B"), act(granted(onSite1())), func(int) *eventv1.PersonalValue { return nil }))
				}, undoB),
				want: want{"2019-12-31": inForce, "2020-01-01": inForce, "2022-05-09": abeyance},
			},
			{
				name: "the label before, corrected in the meantime",
				given: given(days2017, done(renews(onSite2)), done(func(w *world) ([]*labellingv1.Event, error) {
					return w.correcting("A", w.at, func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2017-05-09", "2019-06-01") })
				}), undoB),
				want: want{"2019-05-31": inForce, "2019-06-01": abeyance},
			},
			{
				name: "the label before can go on in another",
				given: given(days2017, done(renews(onSite2)), undoB, func(w *world) {
					w.renew("A", "C", during(site(centre1, net1), "2021-01-01", "2026"))
				}),
				want: want{"2020-12-31": inForce, "2021-01-01": succeeded},
			},
		} {
			t.Run(how+": "+c.name, c.run)
		}
	}
}

// A label annulled from a day on, as one repealed, keeps what it did to others.
func TestAnnulledFromADayKeepsItsPlace(t *testing.T) {
	status{
		given: given(days2017, done(renews(onSite2)), func(w *world) { w.append(w.annulling("B", "2021-01-01")) }),
		want:  want{"2019-12-31": inForce, "2020-01-01": succeeded, "2021-06-01": succeeded},
	}.run(t)
}

// What never was overlaps nothing, and its correction moves no other label.
func TestUndoneStandsInNoWay(t *testing.T) {
	for how, undo := range undoings {
		undoA := done(func(w *world) ([]*labellingv1.Event, error) { return undo(w, "A") })
		t.Run(how+", another is granted", decided{
			given: given(days2017, undoA),
			when:  granting(during(site(centre1, net1), "2018-01-01", "2022-05-09")),
			then: func(t *testing.T, w *world) {
				if got, _ := w.s.StatusAt("B", day("2019-01-01"), w.at, w.topo); got != inForce || w.label("B").GetHolder().GetSite().GetSiteId() != "SA" {
					t.Errorf("on the same site, %v", got)
				}
			},
		}.run)
		t.Run(how+", corrected", decided{
			given: given(func(w *world) {
				w.grant("Z", during(site(centre2, net2), "2010-01-01", "2018-01-01"))
				w.renew("Z", "A", during(site(centre1, net1), "2017-05-09", "2022-05-09"))
			}, undoA),
			when: func(w *world) ([]*labellingv1.Event, error) {
				return w.correcting("A", w.at, func(r *labellingv1.CorrectLabelRequest) { r.Period = period("2016-01-01", "2022") })
			},
			then: func(t *testing.T, w *world) {
				if l := w.label("Z"); l.GetPeriod().GetEnd() != "2018-01-01" || l.GetSuccessorId() != "" || len(l.GetBasis()) != 1 {
					t.Errorf("the label before is %v", l)
				}
			},
		}.run)
	}
}

// What a label was until it was lost overlaps nothing later.
func TestLostOverlapsNothing(t *testing.T) {
	again := granting(during(site(centre1, net1), "2019-01-01", "2024"))
	decided{given: given(days2017, done(lapses("2019-01-02"))), when: again, fault: "LABEL_OVERLAPS grant.period"}.run(t)
	decided{given: given(days2017, done(lapses("2019-01-01"))), when: again, then: func(t *testing.T, w *world) {
		if got, _ := w.s.StatusAt("B", day("2019-01-01"), w.at, w.topo); got != inForce {
			t.Errorf("it is %v", got)
		}
	}}.run(t)
}

func TestActLinesOfFates(t *testing.T) {
	erratum := func(lines ...*labellingv1.ActLine) deciding {
		return func(w *world) ([]*labellingv1.Event, error) {
			r := act(lines...)
			r.Title, r.EffectiveDate, r.AmendsActId = "Rectificatif", "2019-06-01", w.s.actOfTest()
			return RecordAct(w.s, w.topo, w.mint, r, func(line int) *eventv1.PersonalValue {
				return &eventv1.PersonalValue{ValueId: fmt.Sprint("HEAD", line)}
			})
		}
	}
	base := given(func(w *world) {
		r := act()
		r.EffectiveDate = "2017-05-09"
		w.append(RecordAct(w.s, w.topo, mints("ACT1"), r, nil))
	}, days2017, func(w *world) {
		w.grant("F", during(filiere(fil1), "2017-05-09", "2022-05-09"))
		w.grant("G", during(filiere(fil2), "2017-05-09", "2022-05-09"))
		w.grant("P", during(platform(pemr, labellingv1.Role_ROLE_PEMR), "2017-05-09", "2022-05-09"))
		w.append(w.suspending("P", "2018-01-01", ""))
		w.grant("Q", during(platform(pcom, labellingv1.Role_ROLE_PCOM), "2017-05-09", "2022-05-09"))
		w.grant("S", during(site(centre2, net2), "2017-05-09", "2022-05-09"))
	})
	t.Run("each fate, one event a line", decided{
		given: base,
		when: erratum(
			&labellingv1.ActLine{Disposition: &labellingv1.ActLine_Extended{Extended: &labellingv1.LabelExtended{LabelId: "F", End: "2024-01-01"}}},
			&labellingv1.ActLine{Disposition: &labellingv1.ActLine_Suspended{Suspended: &labellingv1.LabelSuspended{LabelId: "G", SuspendedFrom: "2019-01-01"}}},
			&labellingv1.ActLine{Disposition: &labellingv1.ActLine_Reinstated{Reinstated: &labellingv1.LabelReinstated{LabelId: "P", ReinstatedFrom: "2018-06-01"}}},
			withdrawnLine("Q"),
			&labellingv1.ActLine{Disposition: &labellingv1.ActLine_Annulled{Annulled: &labellingv1.LabelAnnulled{LabelId: "S"}}},
			amendedLine(&labellingv1.LabelAmended{
				LabelId: "A", Role: labellingv1.Role_ROLE_COORDINATOR.Enum(), RoleAsPrinted: new("coordonnateur"), Period: period("2017-05-10", "2023"),
				Head: &eventv1.PersonalValue{ValueId: "FORGED"},
			}),
		),
		then: func(t *testing.T, w *world) {
			var acts []string
			for id := range w.s.Acts.IDs() {
				a, _ := w.s.Acts.At(id, 0, w.at)
				acts = append(acts, a.GetAmendsActId())
			}
			if !slices.Equal(acts, []string{"", "ACT1"}) {
				t.Errorf("the acts amend %q", acts)
			}
			if w.label("F").GetPeriod().GetEnd() != "2024-01-01" || len(w.label("G").GetSuspensions()) != 1 ||
				w.label("P").GetSuspensions()[0].GetEnd() != "2018-06-01" || !w.label("Q").GetWithdrawn() || !w.label("S").GetAnnulled() {
				t.Errorf("labels are %v, %v, %v, %v, %v", w.label("F"), w.label("G"), w.label("P"), w.label("Q"), w.label("S"))
			}
			want := &labellingv1.Label{
				LabelId: "A", Holder: w.label("A").GetHolder(), Role: labellingv1.Role_ROLE_COORDINATOR, RoleAsPrinted: "coordonnateur",
				Period: period("2017-05-10", "2023"), Head: &eventv1.PersonalValue{ValueId: "HEAD5"}, Basis: w.label("A").GetBasis(),
			}
			if got := w.label("A"); !proto.Equal(got, want) || len(got.GetBasis()) != 2 || got.GetBasis()[1].GetActLine() != 6 {
				t.Errorf("the amended label is %v", got)
			}
			for id := range w.s.Labels.IDs() {
				if before, _ := w.s.Label(id, w.at-6); before == nil || before == w.label(id) {
					t.Errorf("label %s did not change", id)
				}
			}
		},
	}.run)
	bad := func(name string, line *labellingv1.ActLine, fault string) {
		t.Run(name, decided{given: base, when: erratum(line), fault: fault}.run)
	}
	bad("extended to no day", &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Extended{Extended: &labellingv1.LabelExtended{LabelId: "F", End: "2024"}}}, "DATE_INVALID lines[0].extended.end")
	bad("extended, unknown", &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Extended{}}, "LABEL_UNKNOWN lines[0].extended.label_id")
	bad("suspended before it began", &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Suspended{Suspended: &labellingv1.LabelSuspended{LabelId: "G", SuspendedFrom: "2016-01-01"}}}, "SUSPENSION_OUTSIDE_TERM lines[0].suspended.suspended_from")
	bad("reinstated, not suspended", &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Reinstated{Reinstated: &labellingv1.LabelReinstated{LabelId: "G", ReinstatedFrom: "2018-06-01"}}}, "NOT_SUSPENDED lines[0].reinstated.label_id")
	bad("annulled from no day", &labellingv1.ActLine{Disposition: &labellingv1.ActLine_Annulled{Annulled: &labellingv1.LabelAnnulled{LabelId: "S", AnnulledFrom: "2019"}}}, "DATE_INVALID lines[0].annulled.annulled_from")
	bad("withdrawn, unknown", withdrawnLine("X"), "LABEL_UNKNOWN lines[0].withdrawn_label_id")
	bad("lapsed, and the act states no absences", lapsedLine("A"), "ABSENCES_UNSTATED lines[0].lapsed_label_id")
	bad("amended to a role it cannot have", amendedLine(&labellingv1.LabelAmended{LabelId: "A", Role: labellingv1.Role_ROLE_PEMR.Enum()}), "ROLE_HOLDER_MISMATCH lines[0].amended.role")
	bad("amended to an empty window", amendedLine(&labellingv1.LabelAmended{LabelId: "A", Period: period("2018", "2017")}), "PERIOD_EMPTY lines[0].amended.period.end")
	t.Run("two lines on one site", decided{given: base, when: erratum(withdrawnLine("A"), granted(onSite1())), fault: "LINES_SAME_SITE lines[1].granted.site"}.run)
	t.Run("amends no act", decided{when: recordingWith(func(r *labellingv1.RecordActRequest) { r.AmendsActId = "X" }), fault: "ACT_UNKNOWN amends_act_id"}.run)
	t.Run("closes no cycle", decided{when: recordingWith(func(r *labellingv1.RecordActRequest) {
		r.Scope = []*labellingv1.ScopeCell{{}, {CycleId: "X"}}
	}), fault: "CYCLE_UNKNOWN scope[1].cycle_id"}.run)
	t.Run("lapsed before it began", decided{given: base, when: lapses("2017-05-09"), fault: "LAPSE_BEFORE_START lines[0].lapsed_label_id"}.run)
	t.Run("lapsed twice", decided{given: given(base, done(lapses("2019-01-01"))), when: lapses("2020-01-01"), fault: "LABEL_ENDED lines[0].lapsed_label_id"}.run)
	t.Run("lapsed from no day", decided{given: base, when: recordingWith(func(r *labellingv1.RecordActRequest) {
		r.AbsencesStated, r.SignedDate = true, ""
	}, lapsedLine("A")), fault: "DATE_INVALID lines[0]"}.run)
}

// actOfTest is the first act recorded.
func (s *State) actOfTest() string {
	for id := range s.Acts.IDs() {
		return id
	}
	return ""
}

// A corrigendum that moves a successor moves the end of the label before, in law too.
func TestAmendedSuccessor(t *testing.T) {
	status{
		given: given(days2017, done(renews(onSite2)), done(recording(act(amendedLine(&labellingv1.LabelAmended{LabelId: "B", Period: period("2021-01-01", "2028")}))))),
		want:  want{"2020-06-01": inForce, "2020-12-31": inForce, "2021-01-01": succeeded},
	}.run(t)
}

func TestOperation(t *testing.T) {
	const (
		unsure  = labellingv1.OperationState_OPERATION_STATE_UNSPECIFIED
		notYet  = labellingv1.OperationState_OPERATION_STATE_PLANNED
		open    = labellingv1.OperationState_OPERATION_STATE_OPEN
		kept    = labellingv1.OperationState_OPERATION_STATE_MAINTAINED
		shut    = labellingv1.OperationState_OPERATION_STATE_CLOSED
		forever = "2040-01-01"
	)
	whole := func(w *world) { listing(w, "2023-12-26", &labellingv1.ScopeCell{Coverage: complete}) }
	for _, c := range []struct {
		name  string
		given func(*world)
		want  map[string]labellingv1.OperationState
	}{
		{"from its start, whatever its term", days2017, map[string]labellingv1.OperationState{"2017-05-08": notYet, "2017-05-09": open, "2022-05-09": open, forever: open}},
		{"from a start known by its year", given2017, map[string]labellingv1.OperationState{"2016-12-31": notYet, "2017-06-01": unsure, "2017-12-31": open, "2022-06-01": open, forever: open}},
		{"opened later", given(given2017, done(opens("2018-02-01"))), map[string]labellingv1.OperationState{"2017-06-01": notYet, "2018-01-31": notYet, "2018-02-01": open, forever: open}},
		{"opened before it was labelled", given(days2017, done(opens("2016-01-01"))), map[string]labellingv1.OperationState{"2015-12-31": notYet, "2016-01-01": open}},
		{"closed", given(days2017, done(closes("2020-01-01"))), map[string]labellingv1.OperationState{"2019-12-31": open, "2020-01-01": shut, forever: shut}},
		{"maintained before its term", given(days2017, done(maintains("2022-01-01"))), map[string]labellingv1.OperationState{"2021-12-31": open, "2022-01-01": open, "2022-05-08": open, "2022-05-09": kept, forever: kept}},
		{"maintained after its term", given(days2017, done(maintains("2023-01-01"))), map[string]labellingv1.OperationState{"2022-06-01": open, "2022-12-31": open, "2023-01-01": kept}},
		{"maintained, around a term known by its year", given(given2017, done(maintains("2020-01-01"))), map[string]labellingv1.OperationState{"2021-12-31": open, "2022-06-01": unsure, "2023-01-01": kept}},
		{"maintained, then closed", given(days2017, done(maintains("2022-01-01")), done(closes("2024-01-01"))), map[string]labellingv1.OperationState{"2023-12-31": kept, "2024-01-01": shut}},
		{"maintained, then extended", given(days2017, done(maintains("2022-01-01")), done(extends("2024-01-01"))), map[string]labellingv1.OperationState{"2023-12-31": open, "2024-01-01": kept}},
		{"suspended: the law's business", given(days2017, done(suspends("2019-01-01", ""))), map[string]labellingv1.OperationState{"2019-06-01": open}},
		{"repealed", given(days2017, done(repeals("2019-01-01"))), map[string]labellingv1.OperationState{"2018-12-31": open, "2019-01-01": shut}},
		{"repealed, maintained", given(days2017, done(repeals("2019-01-01")), done(maintains("2019-06-01"))), map[string]labellingv1.OperationState{"2018-12-31": open, "2019-05-31": shut, "2019-06-01": kept}},
		{"withdrawn", given(days2017, done(withdraws)), map[string]labellingv1.OperationState{"2016-01-01": shut, "2018-01-01": shut}},
		{"withdrawn, maintained", given(days2017, done(withdraws), done(maintains("2019-01-01"))), map[string]labellingv1.OperationState{"2018-12-31": shut, "2019-01-01": kept}},
		{"annulled", given(days2017, done(annuls("2019-01-01"))), map[string]labellingv1.OperationState{"2018-12-31": open, "2019-01-01": shut}},
		{"voided", given(days2017, done(maintains("2018-01-01")), done(voids)), map[string]labellingv1.OperationState{"2018-01-01": shut}},
		{"gone on in another", given(days2017, done(renews(onSite2))), map[string]labellingv1.OperationState{"2019-12-31": open, "2020-01-01": shut}},
		{"gone on in another, some day of a year", given(days2017, func(w *world) { w.renew("A", "B", during(site(centre2, net2), "2020", "")) }), map[string]labellingv1.OperationState{"2019-12-31": open, "2020-06-01": unsure, "2020-12-31": shut}},
		{"lapsed", given(days2017, done(lapses("2019-01-01"))), map[string]labellingv1.OperationState{"2018-12-31": open, "2019-01-01": shut}},
		{"lapsed, maintained", given(days2017, done(lapses("2019-01-01")), done(maintains("2018-06-01"))), map[string]labellingv1.OperationState{"2018-12-31": open, "2019-01-01": kept}},
		{"left out of a whole list past its term", given(days2017, whole), map[string]labellingv1.OperationState{"2023-12-25": open, "2023-12-26": shut}},
		{"left out of a list held in part", given(days2017, func(w *world) { listing(w, "2023-12-26", &labellingv1.ScopeCell{Coverage: partial}) }), map[string]labellingv1.OperationState{forever: open}},
		{"left out while it may have ended", given(given2017, func(w *world) { listing(w, "2022-06-01", &labellingv1.ScopeCell{Coverage: complete}) }), map[string]labellingv1.OperationState{"2022-05-31": open, "2022-06-01": shut}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.given(w)
			for on, want := range c.want {
				if got, ok := w.s.OperationAt("A", day(on), w.at, w.topo); !ok || got != want {
					t.Errorf("on %s: %v (%t), want %v", on, got, ok, want)
				}
			}
			if _, ok := w.s.OperationAt("A", day("2018-01-01"), 0, w.topo); ok {
				t.Error("a label nobody granted yet works")
			}
		})
	}
}

func TestSubjectOfFates(t *testing.T) {
	for _, e := range fateSamples(source, nil) {
		if got := Subject(e); !strings.HasPrefix(got, "registry.labelling.label.LABE10000") {
			t.Errorf("the subject of %v is %q", e, got)
		}
	}
}

// anyFate is a line that does something to a label.
func anyFate(rt *rapid.T, id string) *labellingv1.ActLine {
	on := rapid.SampledFrom(sampledDays)
	return rapid.SampledFrom([]*labellingv1.ActLine{
		withdrawnLine(id), lapsedLine(id), lapsedLine(id),
		{Disposition: &labellingv1.ActLine_Extended{Extended: &labellingv1.LabelExtended{LabelId: id, End: on.Draw(rt, "end")}}},
		{Disposition: &labellingv1.ActLine_Annulled{Annulled: &labellingv1.LabelAnnulled{LabelId: id, AnnulledFrom: on.Draw(rt, "annulled")}}},
		amendedLine(&labellingv1.LabelAmended{LabelId: id, Period: period(on.Draw(rt, "start"), "")}),
	}).Draw(rt, "fate")
}

func (w *world) decidingFate(rt *rapid.T, id string) ([]*labellingv1.Event, error) {
	on := rapid.SampledFrom(sampledDays)
	from := on.Draw(rt, "from")
	switch rapid.IntRange(0, 8).Draw(rt, "fate") {
	case 0:
		return w.extending(id, from)
	case 1:
		return w.suspending(id, from, rapid.SampledFrom(append([]string{""}, sampledDays...)).Draw(rt, "until"))
	case 2:
		return w.reinstating(id, from)
	case 3:
		return w.withdrawing(id)
	case 4:
		return w.annulling(id, rapid.SampledFrom([]string{"", from}).Draw(rt, "annulled"))
	case 5:
		return w.voiding(id)
	case 6:
		return w.opening(id, from)
	case 7:
		return w.maintaining(id, from)
	}
	return w.closing(id, from)
}

// Undoing what was just granted or renewed gives every other label back as it was.
func TestUndoingGivesOthersBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 20).Draw(rt, "steps") {
			step(rt, w)
		}
		told := answers(w, w.at)
		id := w.mint()
		g := during(site(rapid.SampledFrom([]string{centre1, centre2}).Draw(rt, "centre"), net1),
			rapid.SampledFrom(append([]string{"", "2017", "2020-06"}, sampledDays...)).Draw(rt, "start"), "2029")
		var events []*labellingv1.Event
		var err error
		if labels := slices.Collect(w.s.Labels.IDs()); len(labels) > 0 && rapid.Bool().Draw(rt, "renewed") {
			events, err = w.renewing(rapid.SampledFrom(labels).Draw(rt, "before"), id, g)
		} else {
			events, err = w.granting(id, g)
		}
		if err != nil {
			return // refused
		}
		w.append(events, nil)
		undo := rapid.SampledFrom(slices.Sorted(maps.Keys(undoings))).Draw(rt, "undoing")
		w.append(undoings[undo](w, id))
		got := answers(w, w.at)
		maps.DeleteFunc(got, func(key, _ string) bool { return strings.HasPrefix(key, id) })
		if !maps.Equal(got, told) {
			rt.Fatalf("once %s is %s:\n%v\nwas\n%v", id, undo, got, told)
		}
	})
}
