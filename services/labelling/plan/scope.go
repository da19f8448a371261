package plan

import (
	"cmp"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
)

// scope is what an act decides about, and which roles of filières and platforms it names:
// a list of centres says nothing of those, whose labels come by acts of their own. Unless
// the act decides on its whole scope, a cell for all roles concerns them where a line
// prints one.
type scope struct {
	*labelling.Scope
	named map[labellingv1.Role]bool
}

func readScope(annex *labellingv1.Annex) *scope {
	sc := &scope{labelling.ScopeOf(annex.GetScope()), make(map[labellingv1.Role]bool)}
	for _, c := range annex.GetScope() {
		sc.named[c.GetRole()] = true
	}
	for _, l := range annex.GetLines() {
		sc.named[l.GetRole()] = true
	}
	if annex.GetScopeDecision() != labellingv1.ScopeDecision_SCOPE_DECISION_UNSPECIFIED {
		sc.named[labellingv1.Role_ROLE_FSMR], sc.named[labellingv1.Role_ROLE_PEMR], sc.named[labellingv1.Role_ROLE_PCOM] = true, true, true
	}
	return sc
}

// concerns reports whether the act says anything of labels such as one.
func (sc *scope) concerns(h *held) bool {
	switch role := h.GetRole(); {
	case h.GetHolder().GetFiliereId() != "":
		return sc.named[labellingv1.Role_ROLE_FSMR]
	case h.GetHolder().GetPlatformId() != "" && role != labellingv1.Role_ROLE_UNSPECIFIED:
		return sc.named[role]
	case h.GetHolder().GetPlatformId() != "":
		return sc.named[labellingv1.Role_ROLE_PEMR] && sc.named[labellingv1.Role_ROLE_PCOM]
	}
	return true
}

// drawScope writes what the act does to labels that none of its lines is about: it
// extends or repeals all of its scope, or else its complete cells leave them out. An act
// that amends another leaves nothing out.
func (r *Reckoning) drawScope() {
	decision := r.annex.GetScopeDecision()
	everything := decision != labellingv1.ScopeDecision_SCOPE_DECISION_UNSPECIFIED
	if len(r.annex.GetScope()) == 0 || r.day == bitemporal.Future || r.annex.GetAmendsActId() != "" && !everything {
		return
	}
	sc := readScope(r.annex)
	attached := make(map[string]string)
	printed := make(map[string]bool)
	for _, n := range r.networks {
		if n.used && n.id != "" && n.filiere != "" {
			attached[n.id] = n.filiere
		}
		for _, id := range n.lineage {
			printed[id] = true
		}
	}
	outside, left := 0, 0
	for _, h := range r.reg.held {
		if r.kept[h.GetLabelId()] || !h.open() || h.status == labellingv1.Status_STATUS_PLANNED {
			continue
		}
		does := r.leftOut(h, sc, attached)
		switch {
		case does == unstated:
			continue
		case does == toDecide:
		case everything:
			if does = r.decided(h); does == unstated {
				outside++
				continue
			}
		case h.GetHolder().GetNetworkId() != "" && printed[h.networkID()]:
			does = toDecide // a list names sites: that a network is not among them tells nothing
		}
		left++
		r.absent(h, does)
	}
	if outside > 0 {
		r.warn(nil, "SCOPE_DATE_OUTSIDE_TERM", "%d labels of the scope stay as they are: %s is not within the term of those repealed, or after the end of those extended.",
			outside, cmp.Or(r.annex.GetScopeDate(), r.day.String()))
		if left == 0 {
			r.refuse(nil, "SCOPE_EMPTY", "The act does nothing to any label of its scope from %s on.", cmp.Or(r.annex.GetScopeDate(), r.day.String()))
		}
	}
}

// leftOut is what absence from the scope means for a label: nothing outside its complete
// cells, nor where it began no sooner than the act has effect.
func (r *Reckoning) leftOut(h *held, sc *scope, attached map[string]string) labellingv1.Disposition {
	if start := h.GetPeriod().GetStart(); start != "" {
		if _, last, err := bitemporal.Span(start); err == nil && last >= r.day {
			return unstated
		}
	}
	if !sc.concerns(h) {
		return unstated
	}
	filiere := h.GetHolder().GetFiliereId()
	if id := h.networkID(); id != "" {
		now, _ := r.reg.network(id)
		filiere = cmp.Or(attached[id], now.GetFiliereId())
	}
	switch certainly, perhaps := sc.Covers(h.Label, filiere); {
	case !certainly && perhaps && filiere == "" && h.networkID() != "":
		return toDecide
	case !certainly:
		return unstated
	case h.pastTerm():
		return expired
	}
	return lapsed
}

// decided is what an act without a list does to a label of its scope: nothing, where its
// day is not after the start of a label to repeal, or before its end, nor where it is not
// after the end of one to extend.
func (r *Reckoning) decided(h *held) labellingv1.Disposition {
	does := extended
	if r.annex.GetScopeDecision() == labellingv1.ScopeDecision_SCOPE_DECISION_REPEAL {
		does = repealed
	}
	day, err := bitemporal.ParseDate(r.annex.GetScopeDate())
	switch {
	case err != nil && does == repealed:
		day = r.day
	case err != nil:
		return does // refused already
	}
	if first, _, err := bitemporal.Span(h.GetPeriod().GetStart()); err == nil && day <= first {
		return unstated
	}
	_, last, err := bitemporal.Span(h.GetPeriod().GetEnd())
	if ends := err == nil && last != bitemporal.Future; ends && (does == extended && day <= last || does == repealed && day >= last) {
		return unstated
	}
	return does
}

// absent writes what is done to a label that no line is about.
func (r *Reckoning) absent(h *held, does labellingv1.Disposition) {
	e := &labellingv1.Effect{Disposition: does, LabelId: h.GetLabelId(), Role: h.GetRole(), Period: h.GetPeriod()}
	if does == extended {
		e.Period = &eventv1.Period{Start: h.GetPeriod().GetStart(), End: r.annex.GetScopeDate()}
	}
	if id := h.networkID(); id != "" {
		now, _ := r.reg.network(id)
		e.Network, e.NetworkTitle, e.Filiere = id, r.reg.networkName(id), r.reg.filiereName(now.GetFiliereId())
	}
	if id := h.GetHolder().GetFiliereId(); id != "" {
		e.Filiere = r.reg.filiereName(id)
	}
	if id := h.GetHolder().GetPlatformId(); id != "" {
		p, _ := r.reg.topo.Platforms.Last(id, r.reg.known)
		e.NetworkTitle, e.City = p.GetName(), p.GetPlace().GetCity()
	}
	if h.site != nil {
		e.SiteId, e.Centre = h.site.id, h.site.key.centre
		e.Establishment, e.City = r.reg.placeName(h.site.key.centre)
	}
	r.Plan.Effects = append(r.Plan.Effects, e)
}
