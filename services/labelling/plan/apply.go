package plan

import (
	"cmp"
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/labelling"
)

// Apply returns the events of the commit that does what the plan says: those of
// topology first, what is referred to before what refers to it, then the act, then one
// event for each line, in order, and after it the office of another head that a line
// prints for a label it only confirms, then one for each label that is left out. mint
// returns a new id at each call; heads returns what stands for the head of a line, counted from 0 in the list (the one who
// comes, in a batch of successions), or nil.
//
// Each event has a basis in its Meta, and nothing else there. What must still be
// answered or mended is refused (PLAN_OPEN), and an act that is not signed yet
// (ACT_NOT_SIGNED).
func (r *Reckoning) Apply(mint func() string, heads func(line int) *eventv1.PersonalValue) ([]fact.Event, error) {
	if len(r.Plan.GetQuestions()) > 0 || len(r.Plan.GetRefusals()) > 0 {
		return nil, fault.New(fault.Refused, "PLAN_OPEN", "annex", "%d questions are not answered and %d faults not mended.",
			len(r.Plan.GetQuestions()), len(r.Plan.GetRefusals()))
	}
	a := &applied{r: r, mint: mint, heads: heads, sites: make(map[string]string)}
	if len(r.annex.GetSuccessions()) > 0 {
		a.successions()
		return a.events, nil
	}
	if r.annex.GetSignedDate() == "" {
		return nil, fault.New(fault.Refused, "ACT_NOT_SIGNED", "annex.signed_date", "An act can be prepared before it is signed, and approved after.")
	}
	if a.act = r.cited; a.act == "" {
		a.act = mint()
	}
	a.hospitals()
	a.networks()
	a.teams()
	a.record()
	for _, l := range r.lines {
		if e := a.line(l); e != nil {
			e.Meta = &eventv1.Meta{Basis: a.basis(l)}
			a.events = append(a.events, e)
		}
		if e := a.newHead(l); e != nil {
			e.Meta = &eventv1.Meta{Basis: a.basis(l)}
			a.events = append(a.events, e)
		}
	}
	for _, e := range r.Plan.GetEffects() {
		if e.GetLine() == 0 {
			a.leftOut(e)
		}
	}
	return a.events, nil
}

// applied is a plan that is being applied.
type applied struct {
	r      *Reckoning
	mint   func() string
	heads  func(int) *eventv1.PersonalValue
	act    string
	sites  map[string]string // minted, by centre and network
	events []fact.Event
}

// basis is that of a fact that a line shows, or the act as a whole.
func (a *applied) basis(l *line) *eventv1.Basis {
	on := a.r.annex.GetBasis()
	b := &eventv1.Basis{ActId: a.act, Source: on.GetSource(), Evidence: on.GetEvidence(), SeenDate: on.GetSeenDate()}
	if l == nil {
		return b
	}
	b.ActLine, b.AsPrinted = l.number, l.in.GetAsPrinted()
	if n := l.in.GetFiness(); n != "" && !slices.ContainsFunc(b.AsPrinted, func(p *eventv1.Printed) bool { return p.GetValue() == n }) {
		canonical, err := identifier.FINESS(n)
		if err != nil || l.spot != nil && l.spot.fresh != nil && l.spot.fresh.finess != canonical { // it stands nowhere else
			b.AsPrinted = append(slices.Clip(b.AsPrinted), &eventv1.Printed{Field: "finess", Value: n})
		}
	}
	return b
}

func (a *applied) topology(l *line, e *topologyv1.Event) {
	e.Meta = &eventv1.Meta{Basis: a.basis(l)}
	a.events = append(a.events, e)
}

func (a *applied) hospitals() {
	for _, h := range a.r.newHospitals() {
		h.id = a.mint()
		a.topology(h.line, &topologyv1.Event{Fact: &topologyv1.Event_EstablishmentRegistered{EstablishmentRegistered: &topologyv1.EstablishmentRegistered{
			EstablishmentId: h.id, Name: h.printed, Finess: h.finess, Place: placeOf(h.city, h.dept),
		}}})
	}
}

// firstDay is the first day on which an entity that lines create is there: that of the
// act or, where its labels begin sooner, theirs.
func (a *applied) firstDay(lines ...*line) string {
	first := a.r.Plan.GetEffectiveDate()
	for _, l := range lines {
		if start := l.period.GetStart(); start != "" && (first == "" || start < first) {
			first = start
		}
	}
	return first
}

func (a *applied) networks() {
	day := a.r.Plan.GetEffectiveDate()
	var changed []func()
	for _, n := range a.r.networks {
		if !n.used {
			continue
		}
		l := n.lines[0]
		if n.id == "" {
			n.minted = a.mint()
			a.topology(l, &topologyv1.Event{Fact: &topologyv1.Event_NetworkRegistered{NetworkRegistered: &topologyv1.NetworkRegistered{
				NetworkId: n.minted, ValidFrom: a.firstDay(n.lines...), Title: n.title, Acronym: n.acronym, FiliereId: n.filiere,
			}}})
			continue
		}
		n.minted = n.id
		now, _ := a.r.reg.network(n.id)
		if title, acronym := a.r.retitled(n); title != now.GetTitle() || acronym != now.GetAcronym() {
			changed = append(changed, func() {
				a.topology(l, &topologyv1.Event{Fact: &topologyv1.Event_NetworkRenamed{NetworkRenamed: &topologyv1.NetworkRenamed{
					NetworkId: n.id, ValidFrom: day, Title: title, Acronym: acronym,
				}}})
			})
		}
		if n.filiere != "" && n.filiere != now.GetFiliereId() {
			changed = append(changed, func() {
				a.topology(l, &topologyv1.Event{Fact: &topologyv1.Event_NetworkAttached{NetworkAttached: &topologyv1.NetworkAttached{
					NetworkId: n.id, ValidFrom: day, FiliereId: n.filiere,
				}}})
			})
		}
	}
	for _, change := range changed {
		change()
	}
}

// teams registers teams, and attaches those that had no hospital; then networks and teams
// take the place of others.
func (a *applied) teams() {
	for _, l := range a.r.lines {
		t := l.team
		if t == nil || t.name == "" {
			continue
		}
		if t.minted = t.id; t.id != "" {
			continue
		}
		t.minted = a.mint()
		f := &topologyv1.CentreRegistered{CentreId: t.minted, ValidFrom: a.firstDay(l), Population: l.in.GetPopulation()}
		switch {
		case l.spot.hospital != "":
			f.EstablishmentIds = []string{l.spot.hospital}
		case l.spot.fresh != nil:
			f.EstablishmentIds = []string{l.spot.fresh.id}
		default:
			f.Place = placeOf(l.in.GetCity(), l.in.GetDepartmentCode())
		}
		a.topology(l, &topologyv1.Event{Fact: &topologyv1.Event_CentreRegistered{CentreRegistered: f}})
	}
	for _, l := range a.r.learnt {
		hospital := l.spot.hospital
		if l.spot.fresh != nil {
			hospital = l.spot.fresh.id
		}
		a.topology(l, &topologyv1.Event{Fact: &topologyv1.Event_CentreAttached{CentreAttached: &topologyv1.CentreAttached{
			CentreId: l.team.id, ValidFrom: a.firstDay(l), EstablishmentId: hospital,
		}}})
	}
	a.succeed()
}

// succeed lets networks and teams take the place of others. Links go on with what only one
// takes the place of, and centres that lose their label as collaborators.
func (a *applied) succeed() {
	day := a.r.Plan.GetEffectiveDate()
	networks, teams := a.r.closings(minted)
	for _, c := range networks {
		a.topology(c.line, &topologyv1.Event{Fact: &topologyv1.Event_NetworkSucceeded{NetworkSucceeded: &topologyv1.NetworkSucceeded{
			PredecessorIds: c.before, SuccessorIds: c.after, ValidFrom: day,
		}}})
	}
	for _, c := range teams {
		a.topology(c.line, &topologyv1.Event{Fact: &topologyv1.Event_CentreSucceeded{CentreSucceeded: &topologyv1.CentreSucceeded{
			PredecessorIds: c.before, SuccessorIds: c.after, ValidFrom: day,
		}}})
	}
	after := heirsOf(slices.Concat(networks, teams)...)
	carried, declared := a.r.carryLinks(a.mint, after)
	for _, e := range carried {
		a.topology(nil, e)
	}
	for _, e := range declared {
		i := slices.IndexFunc(a.r.collaborators, func(c *collaborator) bool { return says(e, c.link(after)) })
		a.topology(a.r.collaborators[i].line, e)
	}
}

func (a *applied) record() {
	in := a.r.annex
	nor := in.GetNor()
	if n, err := identifier.NOR(nor); err == nil {
		nor = n
	}
	e := a.r.reg.s.Record(&labellingv1.ActRecorded{
		ActId:           a.act,
		Kind:            in.GetKind(),
		Title:           in.GetTitle(),
		Nor:             nor,
		Authority:       in.GetAuthority(),
		AnnouncedDate:   in.GetAnnouncedDate(),
		SignedDate:      in.GetSignedDate(),
		Publications:    in.GetPublications(),
		EffectiveDate:   in.GetEffectiveDate(),
		CycleId:         in.GetCycleId(),
		Scope:           labelling.LeaveOut(in.GetScope(), readScope(in).named),
		AnnouncedTotals: in.GetAnnouncedTotals(),
		LineCount:       uint32(len(in.GetLines())),
		FileSha256:      in.GetFileSha256(),
		AmendsActId:     in.GetAmendsActId(),
		AbsencesStated:  true,
	})
	e.Meta = &eventv1.Meta{Basis: in.GetBasis()}
	a.events = append(a.events, e)
}

// line is the event of a line.
func (a *applied) line(l *line) *labellingv1.Event {
	day := a.r.Plan.GetEffectiveDate()
	if l.does == undetermined {
		return a.verbatim(l)
	}
	head := a.heads(int(l.at) - 1)
	if l.does == granted {
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: &labellingv1.LabelGranted{
			LabelId: a.mint(), Holder: a.holder(l), Role: l.role, RoleAsPrinted: l.in.GetRoleAsPrinted(),
			CycleId: a.r.annex.GetCycleId(), Period: l.period, Head: head,
		}}}
	}
	id := l.label.GetLabelId()
	switch l.does {
	case renewed:
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelRenewed{LabelRenewed: &labellingv1.LabelRenewed{
			LabelId: id, SuccessorId: a.mint(), Holder: a.holder(l), Role: l.role, RoleAsPrinted: l.in.GetRoleAsPrinted(),
			CycleId: a.r.annex.GetCycleId(), Period: l.period, Head: head,
		}}}
	case confirmed:
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelConfirmed{LabelConfirmed: &labellingv1.LabelConfirmed{LabelId: id}}}
	case amended:
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelAmended{LabelAmended: a.amendment(l, head)}}
	case withdrawn:
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelWithdrawn{LabelWithdrawn: &labellingv1.LabelWithdrawn{LabelId: id}}}
	case annulled:
		from := l.in.GetPeriod().GetEnd() // the ruling defers it to the end of what it lets stand
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelAnnulled{LabelAnnulled: &labellingv1.LabelAnnulled{LabelId: id, AnnulledFrom: from}}}
	case suspended:
		return &labellingv1.Event{Fact: &labellingv1.Event_LabelSuspended{LabelSuspended: &labellingv1.LabelSuspended{
			LabelId: id, SuspendedFrom: cmp.Or(l.in.GetPeriod().GetStart(), day), SuspendedUntil: l.in.GetPeriod().GetEnd(),
		}}}
	case extended:
		return extension(id, l.in.GetPeriod().GetEnd())
	case repealed:
		return repeal(id, day)
	}
	return lapse(id, day)
}

// newHead is the office of the head that a line prints, where it confirms a label that
// has another: nothing else would say who it is.
func (a *applied) newHead(l *line) *labellingv1.Event {
	if l.does != confirmed {
		return nil
	}
	site := l.label.GetHolder().GetSite().GetSiteId()
	other := slices.ContainsFunc(l.effect.GetChanges(), func(c *labellingv1.Change) bool { return c.GetField() == "head" })
	name := a.heads(int(l.at) - 1)
	if site == "" || !other || name == nil {
		return nil
	}
	before := a.r.headOffice(site)
	if first, _, err := bitemporal.Span(before.GetPeriod().GetStart()); err != nil || first >= a.r.day {
		before = nil // who came since goes on
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{
		OfficeId: a.mint(), HolderId: site, Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD,
		Name: name, Start: a.r.Plan.GetEffectiveDate(), PredecessorId: before.GetOfficeId(),
	}}}
}

// amendment states what a line prints, and leaves the rest.
func (a *applied) amendment(l *line, head *eventv1.PersonalValue) *labellingv1.LabelAmended {
	f := &labellingv1.LabelAmended{LabelId: l.label.GetLabelId(), Head: head}
	if role := l.role; role != labellingv1.Role_ROLE_UNSPECIFIED {
		f.Role = &role
	}
	if printed := l.in.GetRoleAsPrinted(); printed != "" {
		f.RoleAsPrinted = &printed
	}
	if p := l.in.GetPeriod(); p.GetStart() != "" || p.GetEnd() != "" {
		f.Period = p
	}
	return f
}

// verbatim keeps a line that nobody knows the label of, beside the record: nothing
// printed is lost.
func (a *applied) verbatim(l *line) *labellingv1.Event {
	about := a.act
	if l.network != nil && l.network.minted != "" {
		about = l.network.minted
	} else if l.network != nil && l.network.id != "" {
		about = l.network.id
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{
		EntityId: about, Field: labelling.UndeterminedLine, Value: l.printed(),
	}}}
}

// holder is who holds the label that a line begins. A team in a network without a site
// yet gets one.
func (a *applied) holder(l *line) *labellingv1.Holder {
	if l.holder != nil {
		return l.holder
	}
	if l.team == nil {
		return l.label.GetHolder()
	}
	st := &labellingv1.Site{CentreId: l.team.minted, NetworkId: l.network.minted}
	if known, ok := a.r.siteOf(l); ok {
		st.SiteId = known.id
	} else {
		key := st.GetCentreId() + "." + st.GetNetworkId()
		if a.sites[key] == "" {
			a.sites[key] = a.mint()
		}
		st.SiteId = a.sites[key]
	}
	return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: st}}
}

// leftOut is the event of a label that no line is about. What must be decided by hand
// has none.
func (a *applied) leftOut(effect *labellingv1.Effect) {
	day := a.r.Plan.GetEffectiveDate()
	var e *labellingv1.Event
	switch effect.GetDisposition() {
	case lapsed, expired:
		e = lapse(effect.GetLabelId(), day)
	case extended:
		e = extension(effect.GetLabelId(), a.r.annex.GetScopeDate())
	case repealed:
		e = repeal(effect.GetLabelId(), cmp.Or(a.r.annex.GetScopeDate(), day))
	default:
		return
	}
	e.Meta = &eventv1.Meta{Basis: a.basis(nil)}
	a.events = append(a.events, e)
}

func lapse(id, day string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelLapsed{LabelLapsed: &labellingv1.LabelLapsed{LabelId: id, LapsedFrom: day}}}
}

func extension(id, end string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelExtended{LabelExtended: &labellingv1.LabelExtended{LabelId: id, End: end}}}
}

func repeal(id, day string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: id, RepealedFrom: day}}}
}

// successions are the events of a batch of successions of heads.
func (a *applied) successions() {
	add := func(e *labellingv1.Event) {
		e.Meta = &eventv1.Meta{Basis: a.r.annex.GetBasis()}
		a.events = append(a.events, e)
	}
	for _, p := range a.r.passed {
		in, before := p.in, p.before.GetOfficeId()
		if p.after != nil {
			before = p.after.office
		}
		if in.GetIncoming() == "" {
			if before == "" && p.after == nil { // the head is known by the label alone: without an office nothing would be vacant
				before = a.mint()
				add(&labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{
					OfficeId: before, HolderId: p.site.id, Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD, Name: a.leaving(p),
				}}})
			}
			add(vacancy(p.site.id, before, in.GetDate()))
			continue
		}
		office := a.mint()
		p.office = office
		add(&labellingv1.Event{Fact: &labellingv1.Event_OfficeTaken{OfficeTaken: &labellingv1.OfficeTaken{
			OfficeId: office, HolderId: p.site.id, Kind: labellingv1.OfficeKind_OFFICE_KIND_HEAD,
			Name: a.heads(int(p.at) - 1), Start: in.GetDate(), PredecessorId: before,
		}}})
		if in.GetOpinionBody() != "" {
			add(&labellingv1.Event{Fact: &labellingv1.Event_OfficeReviewed{OfficeReviewed: &labellingv1.OfficeReviewed{
				OfficeId: office, Body: in.GetOpinionBody(), Favourable: in.GetOpinionFavourable(),
			}}})
		}
		switch in.GetApproval() {
		case labellingv1.Approval_APPROVAL_APPROVED:
			add(&labellingv1.Event{Fact: &labellingv1.Event_OfficeApproved{OfficeApproved: &labellingv1.OfficeApproved{OfficeId: office, Date: a.r.annex.GetSignedDate()}}})
		case labellingv1.Approval_APPROVAL_REFUSED:
			add(&labellingv1.Event{Fact: &labellingv1.Event_OfficeRefused{OfficeRefused: &labellingv1.OfficeRefused{OfficeId: office, Date: a.r.annex.GetSignedDate()}}})
		}
	}
}

// leaving is what stands for who leaves: the head of the label, where it is that one.
func (a *applied) leaving(p *passing) *eventv1.PersonalValue {
	if p.label == nil || !slices.Equal(a.r.reg.people(p.in.GetOutgoing()), a.r.headsOf(p.label)) {
		return nil
	}
	return p.label.GetHead()
}

// vacancy ends an office that nobody takes. Where none is recorded, since the post is vacant
// already, what is stated of the site is kept beside the record.
func vacancy(site, office, date string) *labellingv1.Event {
	if office == "" {
		return &labellingv1.Event{Fact: &labellingv1.Event_AssertionRecorded{AssertionRecorded: &labellingv1.AssertionRecorded{
			EntityId: site, Field: "head", Value: joined(" ", "vacant", date),
		}}}
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_OfficeLeft{OfficeLeft: &labellingv1.OfficeLeft{OfficeId: office, End: date}}}
}
