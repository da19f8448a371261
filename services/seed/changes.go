package seed

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// Names in the column change that are read before the others.
const (
	renamed  = "network_renamed"
	teamMove = "centre_moved"
	opened   = "campaign_opened"

	hospitalRenamed = "establishment_renamed"
)

// changes is how each kind of row of changes.csv becomes a request.
var changes = map[string]func(*planner, row){
	renamed:             (*planner).renameNetwork,
	"network_succeeded": (*planner).succeedNetwork,
	teamMove:            (*planner).moveCentre,
	"label_granted":     (*planner).labelFiliere,
	"label_opened":      (*planner).openLabel,
	"head_taken":        (*planner).takeHead,
	"head_left":         (*planner).leaveHead,
	"head_approved":     (*planner).approveHead,
	opened:              (*planner).openCampaign,
	"outcome_recorded":  (*planner).recordOutcome,
	"assertion":         (*planner).assertChange,

	hospitalRenamed:        (*planner).renameHospital,
	"legal_entity_changed": (*planner).changeLegalEntity,
	"host_added":           (*planner).addHost,
	"territory_stated":     (*planner).stateTerritory,
	"website_stated":       (*planner).stateWebsite,
	"filiere_served":       (*planner).serveFiliere,
	"plan_extended":        (*planner).extendPlan,
}

var evidences = map[string]eventv1.Evidence{
	"cited":    eventv1.Evidence_EVIDENCE_ACT_CITED,
	"stated":   eventv1.Evidence_EVIDENCE_STATED,
	"inferred": eventv1.Evidence_EVIDENCE_INFERRED,
	"proposed": eventv1.Evidence_EVIDENCE_PROPOSED,
}

var outcomes = map[string]labellingv1.OutcomeKind{
	"FAVOURABLE": labellingv1.OutcomeKind_OUTCOME_KIND_FAVOURABLE,
	"ADJUSTED":   labellingv1.OutcomeKind_OUTCOME_KIND_ADJUSTED,
	"DEFERRED":   labellingv1.OutcomeKind_OUTCOME_KIND_DEFERRED,
	"REFUSED":    labellingv1.OutcomeKind_OUTCOME_KIND_REFUSED,
	"SET_ASIDE":  labellingv1.OutcomeKind_OUTCOME_KIND_SET_ASIDE,
}

// changes plans the rows of changes.csv in their order, campaigns first: an outcome may
// stand before the row of its campaign.
func (p *planner) changes() {
	rows := p.files.rows["changes.csv"]
	for _, first := range []bool{true, false} {
		for _, r := range rows {
			if (r.get("change") == opened) == first {
				changes[r.get("change")](p, r)
			}
		}
	}
}

// changed is the basis of a change: stated unless its row says otherwise, or cited
// where it names an act.
func (p *planner) changed(r row) *eventv1.Basis {
	stated := cmp.Or(evidences[r.get("evidence")], eventv1.Evidence_EVIDENCE_STATED)
	b := p.cite(p.basis(r, stated, "date", "network", "acronym", "filiere", "platform", "cycle", "role", "establishment", "city", "department_code", "other"), r)
	if given, is := evidences[r.get("evidence")]; is {
		b.Evidence = given
	}
	return b
}

// needs reports whether a row has the columns that its kind needs.
func (p *planner) needs(r row, columns ...string) bool {
	all := true
	for _, c := range columns {
		if r.get(c) == "" {
			p.wrong = append(p.wrong, r.problem(c, MissingValue, "%s needs it", r.get("change")))
			all = false
		}
	}
	return all
}

// there returns the key where a step has it. Otherwise the column names nothing.
func (p *planner) there(r row, column, k string) string {
	if !p.planned(k) {
		return p.only(r, column, nil)
	}
	return k
}

func (p *planner) planned(k string) bool {
	_, is := p.byKey[k]
	return is
}

// subject is the key of what a row is about: a site where it names a network and a place
// or role, else the one thing it names. Empty is a problem, noted.
func (p *planner) subject(r row) string {
	place := r.get("establishment") + r.get("city") + r.get("department_code") + territory(r) + r.get("role")
	switch {
	case r.get("network") != "" && place != "":
		return p.siteOf(r)
	case r.get("network") != "":
		return p.networkOf(r)
	case r.get("filiere") != "":
		return p.there(r, "filiere", join(filiere, key(r.get("filiere"))))
	case r.get("platform") != "":
		return p.there(r, "platform", join(platform, key(r.get("platform"))))
	case r.get("establishment") != "":
		return p.there(r, "establishment", p.hospitalOf(r, "establishment"))
	case r.get("cycle") != "":
		return p.there(r, "cycle", p.cycleOf(r.get("cycle")))
	}
	p.needs(r, "network")
	return ""
}

func (p *planner) networkOf(r row) string {
	return p.there(r, "network", join(network, p.files.network(r)))
}

// siteOf is the key of the id of the one labelled site of a network at a place, in a
// role, or both.
func (p *planner) siteOf(r row) string {
	found := p.sitesOf(r)
	if len(found) == 0 {
		return ""
	}
	return p.there(r, placeColumn(r), siteID(found[0]))
}

// sitesOf is the one site a row means, or none and a problem.
func (p *planner) sitesOf(r row) []*site {
	n := p.files.network(r)
	if p.networkOf(r) == "" {
		return nil
	}
	placed := r.get("establishment")+r.get("city")+r.get("department_code")+territory(r) != ""
	var found []*site
	var keys []string
	for _, s := range p.sites {
		if p.files.network(s.rows[0]) == n && (!placed || s.spot == p.spot(r)) && (r.get("role") == "" || s.had(r.get("role"))) {
			found, keys = append(found, s), append(keys, s.key)
		}
	}
	if p.only(r, placeColumn(r), keys) == "" {
		return nil
	}
	return found
}

// placeColumn is the column to blame for a place that is none of the network's.
func placeColumn(r row) string {
	for _, c := range []string{"establishment", "city", "department_code"} {
		if r.get(c) != "" {
			return c
		}
	}
	if territory(r) != "" {
		return "note"
	}
	return "role"
}

// firstName is the row that renames a network first, by its key of today.
func (p *planner) firstName(n string) (row, bool) {
	later := map[string]bool{}
	for _, to := range p.files.renamed {
		later[to] = true
	}
	for _, r := range p.files.rows["changes.csv"] {
		if r.get("change") == renamed && p.files.network(r) == n && !later[key(r.get("network"), r.get("acronym"))] {
			return r, true
		}
	}
	return row{}, false
}

func (p *planner) renameNetwork(r row) {
	if !p.needs(r, "network", "other") {
		return
	}
	title, acronym := pair(r.get("other"))
	to := key(title, acronym)
	k := p.networkOf(r)
	if k == "" {
		return
	}
	before := join(rename, key(r.get("network"), r.get("acronym")))
	if p.planned(before) || p.files.renamed[p.files.today(to)] != "" {
		p.wrong = append(p.wrong, r.problem("other", Duplicate, "the network has one name after another, each once"))
		return
	}
	var after []string
	for from, then := range p.files.renamed {
		if earlier := join(rename, from); then == key(r.get("network"), r.get("acronym")) && p.planned(earlier) {
			after = append(after, earlier)
		}
	}
	p.add(rename, key(r.get("network"), r.get("acronym")), r, &topologyv1.RenameNetworkRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), NetworkId: ref(k), Title: title, Acronym: acronym,
	}, after...)
}

func (p *planner) succeedNetwork(r row) {
	if !p.needs(r, "network", "other") {
		return
	}
	from := p.networkOf(r)
	to := p.there(r, "other", join(network, p.files.networkNamed(pair(r.get("other")))))
	if from == "" || to == "" {
		return
	}
	p.add(succession, join(from, to), r, &topologyv1.SucceedNetworksRequest{
		Basis: p.changed(r), ValidFrom: r.get("date"), PredecessorIds: []string{ref(from)}, SuccessorIds: []string{ref(to)},
	})
}

// destination is the key of the hospital that a team moves to, empty for none.
func (p *planner) destination(r row) string {
	hospital, city := pair(r.get("other"))
	return p.hospitalOf(row{cells: map[string]string{"other": hospital, "city": city}}, "other")
}

// readMoves notes which places of a network are one team's, one after the other.
func (p *planner) readMoves() {
	for _, r := range p.files.rows["changes.csv"] {
		if r.get("change") != teamMove {
			continue
		}
		from, to := p.printedSpot(r), join(p.files.network(r), p.destination(r))
		if p.spot(r) == to || from == to {
			p.wrong = append(p.wrong, r.problem("other", Duplicate, "the team was there before"))
			continue
		}
		p.moved[to] = from
	}
}

func (p *planner) moveCentre(r row) {
	if !p.needs(r, "network", "other") {
		return
	}
	to := p.there(r, "other", p.destination(r))
	found := p.sitesOf(r)
	if to == "" || len(found) == 0 {
		return
	}
	p.add(move, join(found[0].key, to, r.get("date")), r, &topologyv1.MoveCentreRequest{
		Basis: p.changed(r), CentreId: ref(join(centre, found[0].key)), ValidFrom: r.get("date"), EstablishmentIds: []string{ref(to)},
	})
}

// labelFiliere plans the label of a filière, from a date to the end of its cycle.
func (p *planner) labelFiliere(r row) {
	if !p.needs(r, "filiere", "cycle") {
		return
	}
	f, c := p.there(r, "filiere", join(filiere, key(r.get("filiere")))), p.there(r, "cycle", p.cycleOf(r.get("cycle")))
	if f == "" || c == "" {
		return
	}
	p.add(grant, join(f, c), r, &labellingv1.GrantLabelRequest{Basis: p.changed(r), Grant: &labellingv1.Grant{
		Holder: &labellingv1.Grant_FiliereId{FiliereId: ref(f)}, Role: labellingv1.Role_ROLE_FSMR, CycleId: ref(c),
		Period: p.period(row{cells: map[string]string{"start": r.get("date")}}, c),
	}})
}

// openLabel plans the day from which a platform works under its label.
func (p *planner) openLabel(r row) {
	if !p.needs(r, "platform", "date") {
		return
	}
	k := p.there(r, "platform", join(grant, platform, key(r.get("platform"))))
	if k == "" {
		return
	}
	p.add(opening, k, r, &labellingv1.OpenLabelRequest{Basis: p.changed(r), LabelId: ref(k), OpenedFrom: r.get("date")})
}

// tenure is a planned office.
type tenure struct {
	key    string
	person string // folded; it stays out of the key, which errors may show
	left   bool
}

// takeHead plans who heads a site or coordinates a network, filière or platform. It
// follows the office of the row before it about the same holder, unless a row says that
// one was left.
func (p *planner) takeHead(r row) {
	holder := p.subject(r)
	if holder == "" {
		return
	}
	post := labellingv1.OfficeKind_OFFICE_KIND_COORDINATOR
	if strings.HasPrefix(holder, siteID(&site{})) {
		post = labellingv1.OfficeKind_OFFICE_KIND_HEAD
	}
	req := &labellingv1.TakeOfficeRequest{Basis: p.changed(r), HolderId: ref(holder), Kind: post, Name: r.get("person"), Start: r.get("date")}
	had := p.offices[holder]
	if len(had) > 0 && !had[len(had)-1].left {
		if !p.needs(r, "date") {
			return
		}
		req.PredecessorId = ref(had[len(had)-1].key)
		had[len(had)-1].left = true
	}
	t := &tenure{person: identifier.Fold(r.get("person"))}
	t.key = p.add(office, join(holder, strconv.Itoa(len(had))), r, req)
	p.offices[holder] = append(had, t)
}

// officeOf is the last office of a row's person at its holder.
func (p *planner) officeOf(r row) *tenure {
	holder := p.subject(r)
	if holder == "" {
		return nil
	}
	for _, t := range slices.Backward(p.offices[holder]) {
		if t.person == identifier.Fold(r.get("person")) {
			return t
		}
	}
	// The name stays out of what is shown.
	p.wrong = append(p.wrong, Problem{File: r.file, Row: r.num, Column: "person", Fault: NoMatch, Why: "no row before it lets this person take the office"})
	return nil
}

func (p *planner) leaveHead(r row) {
	t := p.officeOf(r)
	if t == nil || !p.needs(r, "date") {
		return
	}
	if t.left {
		p.wrong = append(p.wrong, r.problem("date", Duplicate, "the office has ended already"))
		return
	}
	t.left = true
	p.add(departure, t.key, r, &labellingv1.LeaveOfficeRequest{Basis: p.changed(r), OfficeId: ref(t.key), End: r.get("date")})
}

func (p *planner) approveHead(r row) {
	if t := p.officeOf(r); t != nil {
		p.add(approval, join(t.key, r.get("date")), r, &labellingv1.ApproveOfficeRequest{Basis: p.changed(r), OfficeId: ref(t.key), Date: r.get("date")})
	}
}

// openCampaign plans a campaign with its calls: the circulaires, instructions, notes and
// calls for projects among the rows of its cycle.
func (p *planner) openCampaign(r row) {
	if !p.needs(r, "cycle", "other") {
		return
	}
	c := p.there(r, "cycle", p.cycleOf(r.get("cycle")))
	if c == "" {
		return
	}
	req := &labellingv1.OpenCampaignRequest{Basis: p.changed(r), Name: r.get("other"), CycleId: ref(c)}
	for _, call := range p.files.rows["cycles.csv"] {
		switch actKinds[call.get("legal_kind")] {
		case labellingv1.ActKind_ACT_KIND_CIRCULAIRE, labellingv1.ActKind_ACT_KIND_INSTRUCTION, labellingv1.ActKind_ACT_KIND_NOTE, labellingv1.ActKind_ACT_KIND_CALL:
			if p.cycleOf(call.get("cycle")) == c {
				req.Calls = append(req.Calls, &labellingv1.Call{Title: cmp.Or(call.get("label"), call.get("legal_title")), Reference: call.get("legal_title"), Date: call.get("signed")})
			}
		}
	}
	if _, twice := p.campaigns[c]; twice {
		p.wrong = append(p.wrong, r.problem("cycle", Duplicate, "a cycle has one campaign"))
		return
	}
	p.campaigns[c] = p.add(campaign, key(r.get("other")), r, req)
}

// recordOutcome plans what a campaign decided of a candidate, which need not be a
// network of the files.
func (p *planner) recordOutcome(r row) {
	if !p.needs(r, "cycle", "network", "other") {
		return
	}
	c := p.there(r, "cycle", p.campaigns[p.cycleOf(r.get("cycle"))])
	kind, known := outcomes[r.get("other")]
	if !known {
		p.wrong = append(p.wrong, r.problem("other", WrongValue, "no outcome of a candidate"))
	}
	if c == "" || !known {
		return
	}
	req := &labellingv1.RecordOutcomeRequest{Basis: p.changed(r), CampaignId: ref(c), Candidate: r.get("network"), Kind: kind, Date: r.get("date")}
	if n := join(network, p.files.network(r)); p.planned(n) {
		req.NetworkId = ref(n)
	}
	p.add(outcome, join(c, key(r.get("network")), r.get("other"), r.get("date"), r.get("source")), r, req)
}

// assertChange plans what a source says of something beside the record.
func (p *planner) assertChange(r row) {
	if !p.needs(r, "other") {
		return
	}
	field, value := pair(r.get("other"))
	if field == "" || value == "" {
		p.wrong = append(p.wrong, r.problem("other", WrongValue, "is not field|value"))
		return
	}
	if k := p.subject(r); k != "" {
		p.assert(k, field, value, r, p.changed(r))
	}
}
