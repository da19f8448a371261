package plan

import (
	"slices"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

// passing is one succession of heads, as far as it was read.
type passing struct {
	in     *labellingv1.Succession
	at     uint32 // counted from 1 in the batch
	site   *site
	label  *held               // in force or in abeyance, nil where there is none
	before *labellingv1.Office // nil where none is known
	after  *passing            // of the same site, earlier in the batch; nil for the first
	office string              // once it is applied
}

// ends is the first day of the office that a succession ends, if it ends one.
func (p *passing) ends() (start string, one bool) {
	if p.after != nil {
		return p.after.in.GetDate(), p.after.in.GetIncoming() != ""
	}
	return p.before.GetPeriod().GetStart(), p.before != nil
}

// succeed reads a batch of successions: for each the site, by network, place and role.
// Who leaves tells two sites apart where these do not.
func (r *Reckoning) succeed() {
	last := make(map[string]*passing) // of a site
	for i, in := range r.annex.GetSuccessions() {
		l := &line{at: uint32(i + 1), role: in.GetRole(), does: succeeded, in: lineOf(in)}
		if _, _, err := bitemporal.Span(in.GetDate()); err != nil {
			r.refuse(l, "DATE_INVALID", "%q is no date of the calendar: write YYYY-MM-DD, YYYY-MM or YYYY.", in.GetDate())
		}
		p := &passing{in: in, at: l.at}
		p.site = r.siteOfSuccession(l)
		if p.site != nil {
			for _, h := range p.site.labels {
				if h.open() {
					l.label = h
				}
			}
			p.label, p.before, p.after = l.label, r.headOffice(p.site.id), last[p.site.id]
			last[p.site.id] = p
			if p.after == nil {
				r.checkOutgoing(l, in)
			}
			r.checkPassing(l, p)
		}
		r.passed = append(r.passed, p)
		r.succeededEffect(l, p)
	}
}

// lineOf is what a succession prints of its site, as a line of a list would.
func lineOf(in *labellingv1.Succession) *labellingv1.AnnexLine {
	return &labellingv1.AnnexLine{
		Sheet: in.GetSheet(), Row: in.GetRow(), NetworkTitle: in.GetNetwork(), Role: in.GetRole(),
		Establishment: in.GetEstablishment(), City: in.GetCity(), Heads: nonEmpty(in.GetOutgoing()),
	}
}

// headOffice is that of the head a site has now, nil where none is known.
func (r *Reckoning) headOffice(site string) (found *labellingv1.Office) {
	for o := range r.reg.s.OfficesOf(site, r.reg.known) {
		if o.GetKind() == labellingv1.OfficeKind_OFFICE_KIND_HEAD && o.GetPeriod().GetEnd() == "" {
			found = o
		}
	}
	return found
}

// checkPassing refuses a succession that ends an office on no day, or not after it began.
func (r *Reckoning) checkPassing(l *line, p *passing) {
	start, one := p.ends()
	switch {
	case p.in.GetDate() == "" && (one || p.in.GetIncoming() == ""):
		r.refuse(l, "DATE_MISSING", "Say when the office of the head before ends: a year is enough.")
	case one:
		r.checkPeriod(l, &eventv1.Period{Start: start, End: p.in.GetDate()})
	}
}

// checkOutgoing warns where the record has another head than the one who leaves.
func (r *Reckoning) checkOutgoing(l *line, in *labellingv1.Succession) {
	if l.label == nil {
		return
	}
	known, leaves := r.headsOf(l.label), r.reg.people(in.GetOutgoing())
	if len(known) > 0 && len(leaves) > 0 && !share(known, leaves) {
		r.warn(l, "OUTGOING_OTHER", "The head recorded with label %s is not the one who is said to leave.", l.label.GetLabelId())
	}
}

func (r *Reckoning) succeededEffect(l *line, p *passing) {
	e := &labellingv1.Effect{
		Line: l.at, Sheet: l.in.GetSheet(), Row: l.in.GetRow(), Disposition: succeeded, Role: l.role,
		NetworkTitle: l.in.GetNetworkTitle(), Establishment: l.in.GetEstablishment(), City: l.in.GetCity(),
		CentreIdentity: l.known,
	}
	if n := l.network; n != nil {
		e.Network, e.NetworkIdentity = n.id, n.identity
	}
	if l.asked {
		e.Disposition = unstated
	}
	if p.site != nil {
		e.SiteId, e.Centre = p.site.id, p.site.key.centre
		e.Changes = []*labellingv1.Change{{Field: "head"}}
	}
	if h := l.label; h != nil {
		e.LabelId, e.Role, e.Period = h.GetLabelId(), h.GetRole(), h.GetPeriod()
	}
	r.Plan.Effects = append(r.Plan.Effects, e)
}

// siteOfSuccession finds the site of a succession, or asks.
func (r *Reckoning) siteOfSuccession(l *line) *site {
	n := &network{title: l.in.GetNetworkTitle(), lines: []*line{l}}
	l.network, l.spot = n, r.spotOf(l)
	n.found = r.namesakes(n)
	if !r.answerNetwork(n) {
		if len(n.found) != 1 {
			r.askNetwork(n)
			return nil
		}
		n.id, n.identity = n.found[0].id, labellingv1.Identity_IDENTITY_PRESUMED
	}
	if n.id == "" {
		r.askNetwork(n)
		return nil
	}
	n.lineage = []string{n.id}
	candidates := slices.DeleteFunc(r.teamsOf(n), func(c *candidate) bool { return !slices.ContainsFunc(c.labels, (*held).open) })
	if len(l.spot.candidates) > 0 {
		r.askHospital(l, candidates)
		return nil
	}
	if r.answerTeam(l, candidates) {
		if l.team == nil || l.team.id == "" {
			r.refuse(l, "RESOLUTION_UNKNOWN", "A succession is on a site that is registered.")
			return nil
		}
		st := r.reg.sites[siteKey{l.team.id, n.id}]
		if st == nil {
			r.refuse(l, "RESOLUTION_UNKNOWN", "The centre of the answer has no site in the network.")
		}
		return st
	}
	edges := r.edgesOf(l, candidates)
	if l.role != labellingv1.Role_ROLE_UNSPECIFIED {
		edges = slices.DeleteFunc(edges, func(e *edge) bool {
			return !slices.ContainsFunc(e.c.labels, func(h *held) bool { return h.open() && agree(l.role, h.GetRole()) })
		})
	}
	only := r.byHead(l, map[*line][]*edge{l: edges})
	if len(edges) == 1 && edges[0].sure {
		only = edges[0]
	}
	if only == nil {
		if len(edges) == 0 { // then it may be any team of the network
			for _, c := range candidates {
				edges = append(edges, &edge{l: l, c: c})
			}
		}
		r.askTeam(l, edges)
		return nil
	}
	l.known = labellingv1.Identity_IDENTITY_PRESUMED
	return r.reg.sites[siteKey{only.c.centre, n.id}]
}
