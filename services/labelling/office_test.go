package labelling

import (
	"slices"
	"strings"
	"testing"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

const (
	head        = labellingv1.OfficeKind_OFFICE_KIND_HEAD
	coordinator = labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR
	alice       = "PERS0N0001"
)

type taking struct {
	id, holder, start, person, after, rpps string
	kind                                   labellingv1.OfficeKind
	interim                                bool
}

func (w *world) taking(o taking) ([]*labellingv1.Event, error) {
	return TakeOffice(w.s, w.topo, o.id, &labellingv1.TakeOfficeRequest{
		Basis: source, HolderId: o.holder, Kind: o.kind, Interim: o.interim, Start: o.start, PredecessorId: o.after, Rpps: o.rpps,
	}, o.person, nil)
}

func (w *world) leaving(id, end string) ([]*labellingv1.Event, error) {
	return LeaveOffice(w.s, &labellingv1.LeaveOfficeRequest{Basis: source, OfficeId: id, End: end})
}

func (w *world) office(id string) *labellingv1.Office {
	o, _ := w.s.Offices.Last(id, bitemporal.Latest)
	return o
}

// givenHead: Alice heads the site SA from 2017 on, its label ends with 2022.
func givenHead(w *world) {
	given2017(w)
	w.append(w.taking(taking{id: "O1", holder: "SA", kind: head, start: "2017", person: alice}))
}

func TestOffices(t *testing.T) {
	take := func(o taking) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) { return w.taking(o) }
	}
	leave := func(id, end string) func(*world) ([]*labellingv1.Event, error) {
		return func(w *world) ([]*labellingv1.Event, error) { return w.leaving(id, end) }
	}
	is := func(id, start, end string) func(*testing.T, *world) {
		return func(t *testing.T, w *world) {
			if p := w.office(id).GetPeriod(); p.GetStart() != start || p.GetEnd() != end {
				t.Errorf("office %s is held %v", id, p)
			}
		}
	}
	for _, d := range []decided{
		{name: "a head of nothing", when: take(taking{id: "O1", holder: "X", kind: head}), fault: "HOLDER_UNKNOWN holder_id"},
		{name: "a head of a team outside any network", when: take(taking{id: "O1", holder: centre1, kind: head}), fault: "HOLDER_UNKNOWN holder_id"},
		{name: "a head of a network", when: take(taking{id: "O1", holder: net1, kind: head}), fault: "OFFICE_HOLDER_MISMATCH kind"},
		{name: "a coordinator of a site", given: given2017, when: take(taking{id: "O1", holder: "SA", kind: coordinator}), fault: "OFFICE_HOLDER_MISMATCH kind"},
		{name: "an id taken", given: givenHead, when: take(taking{id: "O1", holder: "SA", kind: head}), fault: "ID_TAKEN"},
		{name: "from no day", when: take(taking{id: "O1", holder: net1, kind: coordinator, start: "2023-02-30"}), fault: "DATE_INVALID start"},
		{name: "a coordinator", when: take(taking{id: "O1", holder: fil1, kind: coordinator, start: "2019-05"}), then: is("O1", "2019-05", "")},
		{name: "an unknown start", when: take(taking{id: "O1", holder: pemr, kind: coordinator}), then: is("O1", "", "")},
		{name: "a number that is none", when: take(taking{id: "O1", holder: net1, kind: coordinator, rpps: "123"}), fault: "RPPS_INVALID rpps"},
		{name: "a number with a wrong key tells nobody", when: take(taking{id: "O1", holder: net1, kind: coordinator, rpps: "10000000000"}), then: is("O1", "", "")},
		{name: "a second head at once", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2019", person: "B"}), then: is("O1", "2017", "")},
		{name: "nobody known twice", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2019"}), then: is("O2", "2019", "")},
		{name: "the same head twice", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2019", person: alice}), fault: "OFFICE_TWICE start"},
		{name: "the same head of the same year twice", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2017", person: alice}), fault: "OFFICE_TWICE start"},
		{name: "an earlier time of the same head, learnt late", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2010", person: alice}), then: is("O2", "2010", "")},
		{
			name: "the same person, two offices", given: givenHead, when: take(taking{id: "O2", holder: net1, kind: coordinator, start: "2019", person: alice}),
			then: is("O2", "2019", ""),
		},
		{name: "an interim becomes head", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2019-03-01", person: alice, after: "O1"}), then: is("O1", "2017", "2019-03-01")},
		{name: "follows nobody known", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2019", after: "X"}), fault: "OFFICE_UNKNOWN predecessor_id"},
		{
			name: "follows another post", given: givenHead,
			when:  take(taking{id: "O2", holder: "SA", kind: labellingv1.OfficeKind_OFFICE_KIND_CO_HEAD, start: "2019", after: "O1"}),
			fault: "OFFICE_OTHER_POST predecessor_id",
		},
		{name: "follows from an unknown day", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, after: "O1"}), fault: "DATE_MISSING start"},
		{name: "follows before it began", given: givenHead, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2016", after: "O1"}), fault: "PERIOD_EMPTY start"},
		{name: "follows one that ended", given: func(w *world) { givenHead(w); w.append(w.leaving("O1", "2018")) }, when: take(taking{id: "O2", holder: "SA", kind: head, start: "2019", after: "O1"}), fault: "OFFICE_ENDED predecessor_id"},
		{name: "leaves", given: givenHead, when: leave("O1", "2018-06"), then: is("O1", "2017", "2018-06")},
		{name: "leaves when it began", given: givenHead, when: leave("O1", "2016-12-31"), fault: "PERIOD_EMPTY end"},
		{name: "leaves on an unknown day", given: givenHead, when: leave("O1", ""), fault: "DATE_MISSING end"},
		{name: "leaves no office", when: leave("O1", "2018"), fault: "OFFICE_UNKNOWN office_id"},
		{name: "leaves twice", given: func(w *world) { givenHead(w); w.append(w.leaving("O1", "2018")) }, when: leave("O1", "2019"), fault: "OFFICE_ENDED office_id"},
		{name: "an opinion on no office", when: func(w *world) ([]*labellingv1.Event, error) {
			return ReviewOffice(w.s, &labellingv1.ReviewOfficeRequest{Basis: source, OfficeId: "X"})
		}, fault: "OFFICE_UNKNOWN office_id"},
		{name: "approved on no day", given: givenHead, when: func(w *world) ([]*labellingv1.Event, error) {
			return ApproveOffice(w.s, &labellingv1.ApproveOfficeRequest{Basis: source, OfficeId: "O1", Date: "2020-13"})
		}, fault: "DATE_INVALID date"},
		{name: "refused without a basis", given: givenHead, when: func(w *world) ([]*labellingv1.Event, error) {
			return RefuseOffice(w.s, &labellingv1.RefuseOfficeRequest{OfficeId: "O1"})
		}, fault: "BASIS_MISSING basis"},
	} {
		t.Run(d.name, d.run)
	}
}

// The opinions and decisions on an office come years later, while the label is in
// abeyance and after the office ended; the decision recorded last stands, and what was
// known before it stays known.
func TestLateDecision(t *testing.T) {
	w := newWorld(t)
	givenHead(w)
	w.append(w.leaving("O1", "2019-03-01"))
	w.append(ReviewOffice(w.s, &labellingv1.ReviewOfficeRequest{Basis: source, OfficeId: "O1", Body: "filière", Favourable: true, Date: "2020-05-22"}))
	w.append(ReviewOffice(w.s, &labellingv1.ReviewOfficeRequest{Basis: source, OfficeId: "O1", Body: "CSL", Date: "2020-07"}))
	refused := w.append(RefuseOffice(w.s, &labellingv1.RefuseOfficeRequest{Basis: source, OfficeId: "O1", Date: "2020"}))
	approved := w.append(ApproveOffice(w.s, &labellingv1.ApproveOfficeRequest{Basis: source, OfficeId: "O1", Date: "2023-02"}))
	for known, want := range map[uint64]string{
		refused - 1: "APPROVAL_UNSPECIFIED  filière CSL",
		refused:     "APPROVAL_REFUSED 2020 filière CSL",
		approved:    "APPROVAL_APPROVED 2023-02 filière CSL",
	} {
		o, _ := w.s.Offices.At("O1", day("2018-06-01"), known)
		got := []string{o.GetApproval().String(), o.GetApprovalDate()}
		for _, opinion := range o.GetOpinions() {
			got = append(got, opinion.GetBody())
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("as known at %d: %q, want %q", known, got, want)
		}
	}
	if _, held := w.s.Offices.At("O1", day("2019-03-01"), w.at); held {
		t.Error("held on the day it ended")
	}
}

func TestVacantSince(t *testing.T) {
	w := newWorld(t)
	givenHead(w)
	taken := w.at
	w.append(w.leaving("O1", "2019-03-01"))
	w.append(w.taking(taking{id: "O2", holder: "SA", kind: head, start: "2020", interim: true}))
	w.append(w.leaving("O2", "2021"))
	for _, c := range []struct {
		holder string
		kind   labellingv1.OfficeKind
		on     string
		known  uint64
		want   string // since, empty where it is not vacant
	}{
		{"SA", head, "2016-12-31", w.at, ""},
		{"SA", head, "2019-02-28", w.at, ""},
		{"SA", head, "2019-03-01", w.at, "2019-03-01"},
		{"SA", head, "2019-03-01", taken, ""},
		{"SA", head, "2019-12-31", w.at, "2019-03-01"},
		{"SA", head, "2020-01-01", w.at, ""}, // an interim may be in it
		{"SA", head, "2021-12-31", w.at, ""}, // may still be
		{"SA", head, "2022-01-01", w.at, "2021"},
		{"SA", labellingv1.OfficeKind_OFFICE_KIND_CO_HEAD, "2022-01-01", w.at, ""}, // never held
		{"SB", head, "2022-01-01", w.at, ""},
	} {
		if since, vacant := w.s.VacantSince(c.holder, c.kind, day(c.on), c.known); since != c.want || vacant != (c.want != "") {
			t.Errorf("%s of %s on %s, as known at %d: vacant %t since %q, want %q", c.kind, c.holder, c.on, c.known, vacant, since, c.want)
		}
	}
	var ids []string
	for o := range w.s.OfficesOf("SA", w.at) {
		ids = append(ids, o.GetOfficeId())
	}
	if !slices.Equal(ids, []string{"O1", "O2"}) {
		t.Errorf("offices are %q", ids)
	}
}

func (w *world) openingCampaign(id, name string) ([]*labellingv1.Event, error) {
	return OpenCampaign(w.s, w.topo, id, &labellingv1.OpenCampaignRequest{Basis: source, Name: name})
}

func (w *world) outcome(id, campaign, candidate string, kind labellingv1.OutcomeKind) ([]*labellingv1.Event, error) {
	return RecordOutcome(w.s, w.topo, id, &labellingv1.RecordOutcomeRequest{Basis: source, CampaignId: campaign, Candidate: candidate, Kind: kind})
}

func TestCampaigns(t *testing.T) {
	adjusted, favourable := labellingv1.OutcomeKind_OUTCOME_KIND_ADJUSTED, labellingv1.OutcomeKind_OUTCOME_KIND_FAVOURABLE
	given := func(w *world) {
		w.append(w.openingCampaign("K", "Campagne 2017"))
		w.append(w.outcome("R1", "K", "C-MAVEM", adjusted))
	}
	for _, d := range []decided{
		{name: "a name taken, whatever the case", given: given, when: func(w *world) ([]*labellingv1.Event, error) { return w.openingCampaign("K2", "CAMPAGNE 2017") }, fault: "CAMPAIGN_NAME_TAKEN name"},
		{name: "an unknown cycle", when: func(w *world) ([]*labellingv1.Event, error) {
			return OpenCampaign(w.s, w.topo, "K", &labellingv1.OpenCampaignRequest{Basis: source, CycleId: "X"})
		}, fault: "CYCLE_UNKNOWN cycle_id"},
		{name: "a call on no day", when: func(w *world) ([]*labellingv1.Event, error) {
			return OpenCampaign(w.s, w.topo, "K", &labellingv1.OpenCampaignRequest{Basis: source, Calls: []*labellingv1.Call{{}, {Date: "2016-13"}}})
		}, fault: "DATE_INVALID calls[1].date"},
		{name: "an outcome of no campaign", when: func(w *world) ([]*labellingv1.Event, error) { return w.outcome("R1", "K", "x", adjusted) }, fault: "CAMPAIGN_UNKNOWN campaign_id"},
		{name: "an outcome's id taken", given: given, when: func(w *world) ([]*labellingv1.Event, error) { return w.outcome("R1", "K", "x", adjusted) }, fault: "ID_TAKEN"},
		{name: "an outcome of an unknown network", given: given, when: func(w *world) ([]*labellingv1.Event, error) {
			return RecordOutcome(w.s, w.topo, "R2", &labellingv1.RecordOutcomeRequest{Basis: source, CampaignId: "K", NetworkId: "X"})
		}, fault: "NETWORK_UNKNOWN network_id"},
		{
			name: "adjusted, then favourable", given: given,
			when: func(w *world) ([]*labellingv1.Event, error) { return w.outcome("R2", "K", "C-MAVEM", favourable) },
			then: func(t *testing.T, w *world) {
				c, _ := w.s.Campaigns.Last("K", w.at)
				if o := c.GetOutcomes(); len(o) != 2 || o[0].GetKind() != adjusted || o[1].GetKind() != favourable || len(o[1].GetBasis().GetSource()) == 0 {
					t.Errorf("outcomes are %v", o)
				}
				if was, _ := w.s.Campaigns.Last("K", w.at-1); len(was.GetOutcomes()) != 1 {
					t.Errorf("as known before, outcomes are %v", was.GetOutcomes())
				}
			},
		},
	} {
		t.Run(d.name, d.run)
	}
}

// A draft waits until it is approved or rejected, once.
func TestDrafts(t *testing.T) {
	prepared := &labellingv1.Event{
		Meta: &eventv1.Meta{Schema: 1, Actor: &eventv1.Actor{Account: "preparer"}},
		Fact: &labellingv1.Event_DraftPrepared{DraftPrepared: &labellingv1.DraftPrepared{DraftId: "D"}},
	}
	rejected := &labellingv1.Event{Meta: &eventv1.Meta{Schema: 1}, Fact: &labellingv1.Event_DraftRejected{DraftRejected: &labellingv1.DraftRejected{DraftId: "D", Reason: "r"}}}
	applied := &labellingv1.Event{Meta: &eventv1.Meta{Schema: 1}, Fact: &labellingv1.Event_DraftApproved{DraftApproved: &labellingv1.DraftApproved{DraftId: "D", ActId: "A"}}}
	for _, c := range []struct {
		name string
		then []*labellingv1.Event // the last of them may be refused
		want string
		fits bool
	}{
		{"prepared", []*labellingv1.Event{prepared}, "DRAFT_STATE_PREPARED preparer", true},
		{"prepared twice", []*labellingv1.Event{prepared, prepared}, "DRAFT_STATE_PREPARED preparer", false},
		{"rejected", []*labellingv1.Event{prepared, rejected}, "DRAFT_STATE_REJECTED preparer r", true},
		{"applied", []*labellingv1.Event{prepared, applied}, "DRAFT_STATE_APPROVED preparer A", true},
		{"applied once rejected", []*labellingv1.Event{prepared, rejected, applied}, "DRAFT_STATE_REJECTED preparer r", false},
		{"rejected once applied", []*labellingv1.Event{prepared, applied, rejected}, "DRAFT_STATE_APPROVED preparer A", false},
		{"applied without being there", []*labellingv1.Event{applied}, "DRAFT_STATE_UNSPECIFIED", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := new(State)
			var err error
			for i, e := range c.then {
				err = s.Evolve(uint64(i+1), e)
			}
			d, _ := s.Drafts.Last("D", bitemporal.Latest)
			got := strings.Join(strings.Fields(strings.Join([]string{d.GetState().String(), d.GetPreparer().GetAccount(), d.GetReason(), d.GetActId()}, " ")), " ")
			if got != c.want || (err == nil) != c.fits {
				t.Errorf("the draft is %q with error %v, want %q", got, err, c.want)
			}
			if _, ok := s.Acts.Last("A", bitemporal.Latest); ok && c.want != "DRAFT_STATE_APPROVED preparer A" {
				t.Error("the act is recorded")
			}
		})
	}
}
