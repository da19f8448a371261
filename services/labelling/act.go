package labelling

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/fact"
	"maillage/services/fault"
	"maillage/services/identifier"
	"maillage/services/topology"
)

// RecordAct decides that an act is recorded, and what each of its lines does: one
// event for the act and one for each line, in order, all of them or none. mint returns
// a new id at each call; heads returns what stands for the head named on a line,
// counted from 0, or nil.
//
// What a signed act prints is not argued with: two coordinators, a publication before
// the signature, a label beside one that another act granted are recorded as they
// stand. Refused is what can only be a keying fault, such as two lines on one site or
// one number (LINE_NUMBER_TWICE), or the act that is recorded already (ACT_KNOWN); one
// that was cited before its list was read goes on under the id that it had. An
// error about a line names lines[i], also where what is wrong is said for the whole act.
// The scope is recorded with the roles that it leaves out unsaid.
func RecordAct(s *State, topo *topology.State, mint func() string, r *labellingv1.RecordActRequest, heads func(line int) *eventv1.PersonalValue) ([]*labellingv1.Event, error) {
	act, err := s.readAct(topo, r)
	if err != nil {
		return nil, err
	}
	mint = once(mint)
	if act.ActId == "" {
		act.ActId = mint()
		if err := s.checkFree(topo, act.GetActId()); err != nil {
			return nil, err
		}
	}
	recorded := s.Record(act)
	recorded.Meta = &eventv1.Meta{Basis: r.GetBasis()}
	events := make([]*labellingv1.Event, 0, 1+len(r.GetLines()))
	events = append(events, recorded)
	annex := annex{
		s: s, topo: topo, mint: mint, act: act,
		numbered: make(map[uint32]int), concerned: make(map[string]int), windows: make(map[string][]bitemporal.Interval),
	}
	for i, line := range r.GetLines() {
		number, err := annex.number(i, line)
		if err != nil {
			return nil, err
		}
		e, err := annex.line(i, line, heads)
		if err != nil {
			return nil, aboutLine(i, err)
		}
		e.Meta = &eventv1.Meta{Basis: &eventv1.Basis{
			ActId:     act.GetActId(),
			ActLine:   number,
			Source:    r.GetBasis().GetSource(),
			Evidence:  r.GetBasis().GetEvidence(),
			SeenDate:  r.GetBasis().GetSeenDate(),
			AsPrinted: line.GetAsPrinted(),
		}}
		events = append(events, e)
	}
	act.Scope = LeaveOut(act.GetScope(), s.rolesNamed(events))
	return events, nil
}

// LeaveOut is the scope of an act as it is recorded, with what its cells for all roles
// leave out: labels of filières and platforms come by acts of their own, so a list of
// centres is not about them unless a cell names their role, or one of its lines does.
func LeaveOut(scope []*labellingv1.ScopeCell, named map[labellingv1.Role]bool) []*labellingv1.ScopeCell {
	own := []labellingv1.Role{labellingv1.Role_ROLE_FSMR, labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM}
	own = slices.DeleteFunc(own, func(role labellingv1.Role) bool {
		return named[role] || slices.ContainsFunc(scope, func(c *labellingv1.ScopeCell) bool { return c.GetRole() == role })
	})
	var filieres []string // of the cells for all roles
	for _, c := range scope {
		if c.GetRole() == labellingv1.Role_ROLE_UNSPECIFIED && !slices.Contains(filieres, c.GetFiliereId()) {
			filieres = append(filieres, c.GetFiliereId())
		}
	}
	out := slices.Clone(scope)
	for _, filiere := range filieres {
		for _, role := range own {
			out = append(out, &labellingv1.ScopeCell{FiliereId: filiere, Role: role, Coverage: labellingv1.Coverage_COVERAGE_EXCLUDED})
		}
	}
	return out
}

// rolesNamed are the roles that lines name, or that the labels have which they are about.
func (s *State) rolesNamed(lines []*labellingv1.Event) map[labellingv1.Role]bool {
	named := make(map[labellingv1.Role]bool)
	for _, e := range lines {
		_, id := DispositionOf(e)
		label, _ := s.Label(id, bitemporal.Latest)
		for _, role := range []labellingv1.Role{label.GetRole(), e.GetLabelGranted().GetRole(), e.GetLabelRenewed().GetRole(), e.GetLabelAmended().GetRole()} {
			named[role] = true
		}
	}
	return named
}

// once turns an id minted twice into no id, which is refused.
func once(mint func() string) func() string {
	minted := make(map[string]bool)
	return func() string {
		id := mint()
		if minted[id] {
			return ""
		}
		minted[id] = true
		return id
	}
}

// readAct checks all of an act but its lines. It has its id where it was cited before.
func (s *State) readAct(topo *topology.State, r *labellingv1.RecordActRequest) (*labellingv1.ActRecorded, error) {
	act := &labellingv1.ActRecorded{
		Kind:            r.GetKind(),
		Title:           r.GetTitle(),
		Nor:             r.GetNor(),
		Authority:       r.GetAuthority(),
		AnnouncedDate:   r.GetAnnouncedDate(),
		SignedDate:      r.GetSignedDate(),
		Publications:    r.GetPublications(),
		EffectiveDate:   r.GetEffectiveDate(),
		CycleId:         r.GetCycleId(),
		Scope:           r.GetScope(),
		AnnouncedTotals: r.GetAnnouncedTotals(),
		LineCount:       uint32(len(r.GetLines())),
		FileSha256:      r.GetFileSha256(),
		AmendsActId:     r.GetAmendsActId(),
		AbsencesStated:  r.GetAbsencesStated(),
	}
	if err := cmp.Or(s.checkBasis(r.GetBasis()), checkActDates(act), s.checkCycle(r.GetCycleId(), "cycle_id")); err != nil {
		return nil, err
	}
	if id := r.GetAmendsActId(); id != "" && !s.knowsAct(id) {
		return nil, fault.New(fault.NotFound, "ACT_UNKNOWN", "amends_act_id", "No act is recorded under %q.", id)
	}
	for i, c := range r.GetScope() {
		if err := s.checkCycle(c.GetCycleId(), fmt.Sprintf("scope[%d].cycle_id", i)); err != nil {
			return nil, err
		}
		if c.GetFiliereId() == "" {
			continue
		}
		if err := registered(&topo.Filieres, c.GetFiliereId(), "FILIERE_UNKNOWN", fmt.Sprintf("scope[%d].filiere_id", i), "filière"); err != nil {
			return nil, err
		}
	}
	if act.GetNor() != "" {
		nor, err := identifier.NOR(act.GetNor())
		if err != nil {
			return nil, fault.New(fault.Invalid, "NOR_INVALID", "nor", "%v", err)
		}
		act.Nor = nor
	}
	id, listed := s.ActLike(act, bitemporal.Latest)
	if listed || id != "" && act.GetLineCount() == 0 {
		return nil, fault.New(fault.Refused, "ACT_KNOWN", "title", "It is recorded already, as act %s.", id)
	}
	act.ActId = id
	return act, nil
}

// checkActDates refuses an act with a date that no calendar has.
func checkActDates(act *labellingv1.ActRecorded) error {
	err := cmp.Or(
		fact.CheckDate(act.GetAnnouncedDate(), "announced_date"),
		fact.CheckDate(act.GetSignedDate(), "signed_date"),
		fact.CheckDate(act.GetEffectiveDate(), "effective_date"),
	)
	for i, p := range act.GetPublications() {
		err = cmp.Or(err, fact.CheckDate(p.GetDate(), fmt.Sprintf("publications[%d].date", i)))
	}
	return err
}

// annex reads the lines of an act, and holds what the lines before have claimed.
type annex struct {
	s         *State
	topo      *topology.State
	mint      func() string
	act       *labellingv1.ActRecorded
	numbered  map[uint32]int // the line that has a number
	concerned map[string]int // the line that concerns a site or a label
	windows   map[string][]bitemporal.Interval
}

// number is that of a line in the annex, by its place where none is given.
func (a *annex) number(i int, line *labellingv1.ActLine) (uint32, error) {
	number := line.GetNumber()
	if number == 0 {
		number = uint32(i + 1)
	}
	if first, taken := a.numbered[number]; taken {
		return 0, fault.New(fault.Refused, "LINE_NUMBER_TWICE", fmt.Sprintf("lines[%d].number", i), "lines[%d] has the number %d already.", first, number)
	}
	a.numbered[number] = i
	return number, nil
}

// aboutLine makes a refusal name the line it is about. One that names a field of the
// whole act, such as its effective date, then says so in its sentence.
func aboutLine(i int, err error) error {
	at := fmt.Sprintf("lines[%d]", i)
	refusal, ok := errors.AsType[*fault.Error](err)
	if !ok || strings.HasPrefix(refusal.Field, at) {
		return err
	}
	named := *refusal
	named.Field = at
	if refusal.Field != "" {
		named.Message = refusal.Field + ": " + refusal.Message
	}
	return &named
}

// line reads one line into the event it is.
func (a *annex) line(i int, line *labellingv1.ActLine, heads func(int) *eventv1.PersonalValue) (*labellingv1.Event, error) {
	at := fmt.Sprintf("lines[%d]", i)
	switch does := line.GetDisposition().(type) {
	case *labellingv1.ActLine_Granted:
		granted, err := a.s.read(a.topo, does.Granted, at+".granted", a.mint)
		if err != nil {
			return nil, err
		}
		if err := a.claim(i, granted, at+".granted"); err != nil {
			return nil, err
		}
		granted.Head = heads(i)
		granted.CycleId = cmp.Or(granted.CycleId, a.act.GetCycleId())
		return grant(granted), nil
	case *labellingv1.ActLine_Renewed:
		granted, err := a.s.readRenewal(a.topo, does.Renewed, at+".renewed", a.mint)
		if err != nil {
			return nil, err
		}
		err = cmp.Or(a.concerns(i, does.Renewed.GetLabelId(), at+".renewed.label_id"), a.claim(i, granted, at+".renewed.grant"))
		if err != nil {
			return nil, err
		}
		granted.Head = heads(i)
		granted.CycleId = cmp.Or(granted.CycleId, a.act.GetCycleId())
		return renew(does.Renewed.GetLabelId(), granted), nil
	}
	e, label, field, err := a.fate(line, heads(i), at)
	if err != nil {
		return nil, err
	}
	return e, a.existing(i, label, field)
}

// fate reads a line about a label that is there already into the event it is. It also
// returns that label and the field that names it.
func (a *annex) fate(line *labellingv1.ActLine, head *eventv1.PersonalValue, at string) (e *labellingv1.Event, label *labellingv1.Label, field string, err error) {
	switch does := line.GetDisposition().(type) {
	case *labellingv1.ActLine_ConfirmedLabelId:
		field = at + ".confirmed_label_id"
		label, err = a.s.standing(does.ConfirmedLabelId, field)
		return confirm(does.ConfirmedLabelId), label, field, err
	case *labellingv1.ActLine_RepealedLabelId:
		field = at + ".repealed_label_id"
		from := a.act.GetEffectiveDate()
		label, err = a.s.checkRepeal(does.RepealedLabelId, field, from, "effective_date")
		return repeal(does.RepealedLabelId, from), label, field, err
	case *labellingv1.ActLine_WithdrawnLabelId:
		field = at + ".withdrawn_label_id"
		e, label, err = a.s.withdraw(does.WithdrawnLabelId, field)
		return e, label, field, err
	case *labellingv1.ActLine_LapsedLabelId:
		field = at + ".lapsed_label_id"
		e, label, err = a.s.lapsed(does.LapsedLabelId, a.act, field)
		return e, label, field, err
	case *labellingv1.ActLine_Extended:
		at += ".extended."
		e, label, err = a.s.extend(does.Extended.GetLabelId(), does.Extended.GetEnd(), at)
	case *labellingv1.ActLine_Suspended:
		at += ".suspended."
		e, label, err = a.s.suspend(does.Suspended.GetLabelId(), does.Suspended.GetSuspendedFrom(), does.Suspended.GetSuspendedUntil(), at)
	case *labellingv1.ActLine_Reinstated:
		at += ".reinstated."
		e, label, err = a.s.reinstate(does.Reinstated.GetLabelId(), does.Reinstated.GetReinstatedFrom(), at)
	case *labellingv1.ActLine_Annulled:
		at += ".annulled."
		e, label, err = a.s.annul(does.Annulled.GetLabelId(), does.Annulled.GetAnnulledFrom(), at)
	case *labellingv1.ActLine_Amended:
		at += ".amended."
		e, label, err = a.s.amend(a.topo, does.Amended, head, at)
	default:
		return nil, nil, at, fault.New(fault.Invalid, "DISPOSITION_MISSING", at, "A line says what it does to a label: grant it, renew it, or another fate.")
	}
	return e, label, at + "label_id", err
}

// claim gives a new label its id, and refuses it where another line of the act
// concerns its site or grants its holder a label of the same days.
func (a *annex) claim(i int, granted *labellingv1.LabelGranted, field string) error {
	granted.LabelId = a.mint()
	if err := a.s.checkFree(a.topo, granted.GetLabelId()); err != nil {
		return err
	}
	if site := granted.GetHolder().GetSite(); site != nil {
		return a.concerns(i, siteKey(site), field+".site")
	}
	holder, w := HolderID(granted.GetHolder()), windowOf(granted.GetPeriod()).certain()
	if slices.ContainsFunc(a.windows[holder], func(o bitemporal.Interval) bool { return overlap(o, w) }) {
		return fault.New(fault.Refused, "LABEL_OVERLAPS", field+".period", "Another line of the act grants a label to the same holder for the same days.")
	}
	a.windows[holder] = append(a.windows[holder], w)
	return nil
}

// existing refuses a line about a label that another line of the act concerns, or
// about its site.
func (a *annex) existing(i int, l *labellingv1.Label, field string) error {
	if err := a.concerns(i, l.GetLabelId(), field); err != nil {
		return err
	}
	if site := l.GetHolder().GetSite(); site != nil {
		return a.concerns(i, siteKey(site), field)
	}
	return nil
}

func (a *annex) concerns(i int, key, field string) error {
	if first, taken := a.concerned[key]; taken {
		return fault.New(fault.Refused, "LINES_SAME_SITE", field, "lines[%d] concerns it already: an act has one line for a site.", first)
	}
	a.concerned[key] = i
	return nil
}

// siteKey names a site by what it is, since one not yet opened has no id.
func siteKey(site *labellingv1.Site) string { return site.GetCentreId() + "." + site.GetNetworkId() }

// read checks a grant and returns the label it grants, without id and head.
func (s *State) read(topo *topology.State, g *labellingv1.Grant, field string, mintSite func() string) (*labellingv1.LabelGranted, error) {
	if err := cmp.Or(s.checkCycle(g.GetCycleId(), field+".cycle_id"), checkPeriod(g.GetPeriod(), field+".period")); err != nil {
		return nil, err
	}
	holder, err := s.holder(topo, g, field, mintSite)
	if err != nil {
		return nil, err
	}
	if err := checkRole(topo, holder, g.GetRole(), field+".role"); err != nil {
		return nil, err
	}
	return &labellingv1.LabelGranted{
		Holder:        holder,
		Role:          g.GetRole(),
		RoleAsPrinted: g.GetRoleAsPrinted(),
		CycleId:       g.GetCycleId(),
		Period:        g.GetPeriod(),
	}, nil
}

// readRenewal also checks the label that ends: it can go on, and its successor begins
// after it.
func (s *State) readRenewal(topo *topology.State, r *labellingv1.Renewal, field string, mintSite func() string) (*labellingv1.LabelGranted, error) {
	ended, err := s.standing(r.GetLabelId(), field+".label_id")
	if err != nil {
		return nil, err
	}
	if err := checkOpen(ended, field+".label_id"); err != nil {
		return nil, err
	}
	granted, err := s.read(topo, r.GetGrant(), field+".grant", mintSite)
	if err != nil {
		return nil, err
	}
	_, begun, err := bitemporal.Span(granted.GetPeriod().GetStart())
	if err == nil && begun <= s.window(ended, bitemporal.Latest).startFrom {
		return nil, fault.New(fault.Invalid, "PERIOD_EMPTY", field+".grant.period.start", "The label that ends would end before it begins.")
	}
	return granted, nil
}

// holder finds who shall hold a label. A centre in a network without a site yet gets
// one, under a minted id.
func (s *State) holder(topo *topology.State, g *labellingv1.Grant, field string, mintSite func() string) (*labellingv1.Holder, error) {
	switch h := g.GetHolder().(type) {
	case *labellingv1.Grant_Site:
		site, err := s.site(topo, h.Site, field+".site", mintSite)
		return &labellingv1.Holder{Holder: &labellingv1.Holder_Site{Site: site}}, err
	case *labellingv1.Grant_NetworkId:
		return &labellingv1.Holder{Holder: &labellingv1.Holder_NetworkId{NetworkId: h.NetworkId}},
			registered(&topo.Networks, h.NetworkId, "NETWORK_UNKNOWN", field+".network_id", "network")
	case *labellingv1.Grant_FiliereId:
		return &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: h.FiliereId}},
			registered(&topo.Filieres, h.FiliereId, "FILIERE_UNKNOWN", field+".filiere_id", "filière")
	case *labellingv1.Grant_PlatformId:
		return &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: h.PlatformId}},
			registered(&topo.Platforms, h.PlatformId, "PLATFORM_UNKNOWN", field+".platform_id", "platform")
	}
	return nil, fault.New(fault.Invalid, "HOLDER_MISSING", field, "A label is held by a site, a network, a filière or a platform.")
}

func (s *State) site(topo *topology.State, ref *labellingv1.SiteRef, field string, mint func() string) (*labellingv1.Site, error) {
	if id := ref.GetSiteId(); id != "" {
		site, ok := s.Site(id)
		if !ok {
			return nil, fault.New(fault.NotFound, "SITE_UNKNOWN", field+".site_id", "No label ever opened a site %q.", id)
		}
		if c, n := ref.GetCentreId(), ref.GetNetworkId(); c != "" && c != site.GetCentreId() || n != "" && n != site.GetNetworkId() {
			return nil, fault.New(fault.NotFound, "SITE_UNKNOWN", field+".site_id", "Site %q is not that of the centre and network given beside it.", id)
		}
		return site, nil
	}
	err := cmp.Or(
		registered(&topo.Centres, ref.GetCentreId(), "CENTRE_UNKNOWN", field+".centre_id", "centre"),
		registered(&topo.Networks, ref.GetNetworkId(), "NETWORK_UNKNOWN", field+".network_id", "network"),
	)
	if err != nil {
		return nil, err
	}
	if site, ok := s.siteOf(ref.GetCentreId(), ref.GetNetworkId()); ok {
		return site, nil
	}
	opened := &labellingv1.Site{SiteId: mint(), CentreId: ref.GetCentreId(), NetworkId: ref.GetNetworkId()}
	return opened, s.checkFree(topo, opened.GetSiteId())
}

// checkRole refuses a role that no holder of this kind can have (ROLE_HOLDER_MISMATCH).
func checkRole(topo *topology.State, h *labellingv1.Holder, role labellingv1.Role, field string) error {
	fits := true
	switch role {
	case labellingv1.Role_ROLE_UNSPECIFIED:
	case labellingv1.Role_ROLE_FSMR:
		fits = h.GetFiliereId() != ""
	case labellingv1.Role_ROLE_PEMR:
		fits = isPlatform(topo, h.GetPlatformId(), topologyv1.PlatformKind_PLATFORM_KIND_PEMR)
	case labellingv1.Role_ROLE_PCOM:
		fits = isPlatform(topo, h.GetPlatformId(), topologyv1.PlatformKind_PLATFORM_KIND_PCOM)
	default:
		fits = h.GetSite() != nil || h.GetNetworkId() != ""
	}
	if fits {
		return nil
	}
	return fault.New(fault.Refused, "ROLE_HOLDER_MISMATCH", field, "No holder of this kind can have the role %s.", role)
}

func isPlatform(topo *topology.State, id string, kind topologyv1.PlatformKind) bool {
	return slices.ContainsFunc(topo.Platforms.Versions(id, bitemporal.Latest), func(v bitemporal.Version[*topologyv1.Platform]) bool {
		return v.Value.GetKind() == kind
	})
}

// checkOverlap refuses a label whose certain window overlaps that of another label of
// its holder, but for the one it goes on from (LABEL_OVERLAPS).
func (s *State) checkOverlap(granted *labellingv1.LabelGranted, but, field string) error {
	w := windowOf(granted.GetPeriod()).certain()
	for l := range s.LabelsOf(HolderID(granted.GetHolder()), bitemporal.Latest) {
		held := s.window(l, bitemporal.Latest).certain()
		held.To = min(held.To, s.hull(l).To, s.lapse(l, bitemporal.Future, bitemporal.Latest))
		if l.GetLabelId() != but && !undone(l) && overlap(held, w) {
			return fault.New(fault.Refused, "LABEL_OVERLAPS", field, "Its holder holds label %s for the same days: renew, confirm or correct that one.", l.GetLabelId())
		}
	}
	return nil
}

// checkRepeal returns the label, unless it is to be repealed from a day outside its term.
func (s *State) checkRepeal(labelID, labelField, from, fromField string) (*labellingv1.Label, error) {
	label, err := s.standing(labelID, labelField)
	if err != nil {
		return nil, err
	}
	if err := checkOpen(label, labelField); err != nil {
		return nil, err
	}
	day, err := bitemporal.ParseDate(from)
	if err != nil {
		return nil, fault.New(fault.Invalid, "DATE_INVALID", fromField, "A label is repealed from a full date on (YYYY-MM-DD), not from %q.", from)
	}
	if w := s.window(label, bitemporal.Latest); day <= w.startFrom || day > w.endBy {
		return nil, fault.New(fault.Refused, "REPEAL_OUTSIDE_TERM", fromField, "%s is not a day within the term of label %s, %s to %s.",
			from, labelID, label.GetPeriod().GetStart(), label.GetPeriod().GetEnd())
	}
	return label, nil
}

// checkOpen refuses a label that ended by a decision: nothing more can be decided of
// it (LABEL_ENDED).
func checkOpen(l *labellingv1.Label, field string) error {
	if next := l.GetSuccessorId(); next != "" {
		return fault.New(fault.Refused, "LABEL_ENDED", field, "Label %s goes on in label %s.", l.GetLabelId(), next)
	}
	if from := l.GetRepealedFrom(); from != "" {
		return fault.New(fault.Refused, "LABEL_ENDED", field, "Label %s is repealed from %s.", l.GetLabelId(), from)
	}
	if from := l.GetAnnulledFrom(); from != "" {
		return fault.New(fault.Refused, "LABEL_ENDED", field, "Label %s is annulled from %s.", l.GetLabelId(), from)
	}
	return nil
}

// checkBasis also refuses a basis that cites an act unknown here (BASIS_ACT_UNKNOWN).
func (s *State) checkBasis(b *eventv1.Basis) error {
	if err := fact.CheckBasis(b); err != nil {
		return err
	}
	if act := b.GetActId(); act != "" && !s.knowsAct(act) {
		return fault.New(fault.NotFound, "BASIS_ACT_UNKNOWN", "basis.act_id", "No act is recorded under %q.", act)
	}
	return nil
}

// checkFree refuses an id that names something already, in either context (ID_TAKEN).
func (s *State) checkFree(topo *topology.State, id string) error {
	if id == "" || s.knows(id) || topo.Knows(id) {
		return fault.New(fault.Refused, "ID_TAKEN", "", "The id %q is taken: mint another.", id)
	}
	return nil
}

func (s *State) checkCycle(id, field string) error {
	if id != "" && !s.knowsCycle(id) {
		return fault.New(fault.NotFound, "CYCLE_UNKNOWN", field, "No cycle is registered under %q.", id)
	}
	return nil
}

// checkNames refuses a cycle by a name of another one (CYCLE_CODE_TAKEN).
func (s *State) checkNames(r *labellingv1.RegisterCycleRequest) error {
	for i, name := range namesOf(r) {
		field := "code"
		if i > 0 {
			field = fmt.Sprintf("aliases[%d]", i-1)
		}
		if taken, ok := s.cycleNamed(name); ok {
			return fault.New(fault.Refused, "CYCLE_CODE_TAKEN", field, "Cycle %s bears the name %q.", taken, name)
		}
	}
	return nil
}

func (s *State) label(id, field string) (*labellingv1.Label, error) {
	l, ok := s.Label(id, bitemporal.Latest)
	if !ok {
		return nil, fault.New(fault.NotFound, "LABEL_UNKNOWN", field, "No label is recorded under %q.", id)
	}
	return l, nil
}

func registered[E any](t *bitemporal.Table[E], id, reason, field, kind string) error {
	if _, ok := t.Last(id, bitemporal.Latest); !ok {
		return fault.New(fault.NotFound, reason, field, "No %s is registered under %q.", kind, id)
	}
	return nil
}

func grant(f *labellingv1.LabelGranted) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelGranted{LabelGranted: f}}
}

func renew(labelID string, f *labellingv1.LabelGranted) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelRenewed{LabelRenewed: &labellingv1.LabelRenewed{
		LabelId:       labelID,
		SuccessorId:   f.GetLabelId(),
		Holder:        f.GetHolder(),
		Role:          f.GetRole(),
		RoleAsPrinted: f.GetRoleAsPrinted(),
		CycleId:       f.GetCycleId(),
		Period:        f.GetPeriod(),
		Head:          f.GetHead(),
	}}}
}

func confirm(labelID string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelConfirmed{LabelConfirmed: &labellingv1.LabelConfirmed{LabelId: labelID}}}
}

func repeal(labelID, from string) *labellingv1.Event {
	return &labellingv1.Event{Fact: &labellingv1.Event_LabelRepealed{LabelRepealed: &labellingv1.LabelRepealed{LabelId: labelID, RepealedFrom: from}}}
}

// one is a commit of a single event.
func one(b *eventv1.Basis, e *labellingv1.Event) ([]*labellingv1.Event, error) {
	e.Meta = &eventv1.Meta{Basis: b}
	return []*labellingv1.Event{e}, nil
}
