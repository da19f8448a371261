package plan

import (
	"cmp"
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// network is one printed network: all lines under one title or acronym.
type network struct {
	title, acronym string // as first printed
	lines          []*line
	filiere        string // id of the printed one; empty where none or an unknown one is printed

	id       string // of the one it is; empty where it would be registered
	name     string // in the effects
	minted   string // once it is applied
	identity labellingv1.Identity
	succeeds []string // networks whose place it takes
	found    []found
	lineage  []string         // networks its teams may come from
	spots    map[string]*spot // the places printed, by hospital and town, where a bare town comes first
	used     bool             // a line of it does something to a label
}

// found is a network that a printed one may be.
type found struct {
	id      string
	reasons []string
	kept    int // of its sites
	share   float64
}

// identifyNetworks finds the network of each line: all lines under one title or acronym
// are one printed network, identified once.
func (r *Reckoning) identifyNetworks() {
	r.gatherNetworks()
	named := make(map[string]int) // how many printed networks may be one
	for _, n := range r.networks {
		n.found = r.namesakes(n)
		for _, f := range n.found {
			named[f.id]++
		}
	}
	for _, n := range r.networks {
		if r.answerNetwork(n) { // then it may be no other
			for _, f := range n.found {
				named[f.id]--
			}
			for _, id := range append(slices.Clone(n.succeeds), nonEmpty(n.id)...) {
				named[id]++
			}
		}
	}
	bySite := make(map[string]int)
	for _, n := range r.networks {
		unanswered := n.identity == labellingv1.Identity_IDENTITY_UNSPECIFIED
		unsure := n.identity == labellingv1.Identity_IDENTITY_UNDETERMINED
		if len(n.found) > 0 || !unanswered && !unsure {
			continue
		}
		n.found = r.successorsBySites(n, named)
		if unsure {
			r.keepNetworks(n) // which it may be is not lost
			continue
		}
		for _, f := range n.found {
			bySite[f.id]++
		}
	}
	for _, n := range r.networks {
		if n.identity == labellingv1.Identity_IDENTITY_UNSPECIFIED {
			r.presumeNetwork(n, named, bySite)
		}
		n.lineage = r.reg.lineage(append(slices.Clone(n.succeeds), nonEmpty(n.id)...)...)
	}
}

func nonEmpty(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

// gatherNetworks puts together the lines of one printed network. Lines that print an
// acronym alone belong to the one title printed with it.
func (r *Reckoning) gatherNetworks() {
	titles := make(map[string][]string) // folded titles printed with an acronym
	for _, l := range r.lines {
		t, a := r.reg.title(l.in.GetNetworkTitle()), r.reg.title(l.in.GetNetworkAcronym())
		if l.site() && t != "" && a != "" && !slices.Contains(titles[a], t) {
			titles[a] = append(titles[a], t)
		}
	}
	gathered := make(map[string]*network)
	for _, l := range r.lines {
		if !l.site() {
			continue
		}
		l.spot = r.spotOf(l)
		key := r.reg.title(l.in.GetNetworkTitle())
		if key == "" {
			acronym := r.reg.title(l.in.GetNetworkAcronym())
			if key = "\x00" + acronym; len(titles[acronym]) == 1 {
				key = titles[acronym][0]
			}
		}
		n := gathered[key]
		if n == nil || key == "\x00" {
			n = &network{}
			gathered[key] = n
			r.networks = append(r.networks, n)
		}
		n.title, n.acronym = cmp.Or(n.title, l.in.GetNetworkTitle()), cmp.Or(n.acronym, l.in.GetNetworkAcronym())
		n.lines = append(n.lines, l)
		l.network = n
		r.readFiliere(l)
	}
}

// readFiliere tells the filière printed on a line.
func (r *Reckoning) readFiliere(l *line) {
	printed := l.in.GetFiliere()
	if printed == "" {
		return
	}
	id, ok := r.reg.filieres.Of(printed)
	switch n := l.network; {
	case !ok:
		r.warn(l, "FILIERE_UNKNOWN_PRINTED", "No filière is registered as %q: nothing is attached to it.", printed)
	case n.filiere == "":
		n.filiere = id
	case n.filiere != id:
		r.warn(l, "FILIERES_SEVERAL", "The network is printed under %s too: that one counts.", r.reg.filiereName(n.filiere))
	}
}

// namesakes are the networks that have or had the printed title or acronym, or that
// took the place of such a one.
func (r *Reckoning) namesakes(n *network) []found {
	var all []found
	for _, printed := range []string{n.title, n.acronym} {
		for _, named := range r.reg.networks[r.reg.title(printed)] {
			for _, id := range heirs(named.network, r.reg.networkSuccessors) {
				reason := named.reason
				if id != named.network {
					reason = byFormerName
				}
				all = addFound(all, id, reason)
			}
		}
	}
	if len(all) > 1 {
		for i := range all {
			if kept, open := r.sitesKept(n, all[i].id); open > 0 {
				all[i].kept, all[i].share = kept, float64(kept)/float64(open)
				if all[i].share >= 0.5 {
					all[i].reasons = append(all[i].reasons, bySites)
				}
			}
		}
		slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.share, a.share) })
	}
	return all
}

func addFound(all []found, id, reason string) []found {
	for i := range all {
		if all[i].id == id {
			if !slices.Contains(all[i].reasons, reason) {
				all[i].reasons = append(all[i].reasons, reason)
			}
			return all
		}
	}
	return append(all, found{id: id, reasons: []string{reason}})
}

// sitesKept is how many of a network's present sites are at a place printed under
// another name, and how many it has.
func (r *Reckoning) sitesKept(n *network, id string) (kept, open int) {
	if n.spots == nil {
		n.spots = make(map[string]*spot)
		for _, l := range n.lines {
			for _, at := range append(nonEmpty(l.spot.hospital), l.spot.town) {
				if known := n.spots[at]; known == nil || known.hospital != "" || known.fresh != nil {
					n.spots[at] = l.spot
				}
			}
		}
	}
	present := r.reg.presentSites(id)
	for _, st := range present {
		w := r.reg.whereaboutsOf(st.key.centre)
		there := func(at string) bool {
			s, ok := n.spots[at]
			if !ok {
				return false
			}
			sure, _ := w.at(s)
			return sure
		}
		if slices.ContainsFunc(w.hospitals, there) || slices.ContainsFunc(w.towns, there) {
			kept++
		}
	}
	return kept, len(present)
}

// successorsBySites are the networks that no printed name leads to and that keep at
// least half of their sites under the printed one or, where others took their place,
// those. One site kept tells little: it counts
// within one filière alone.
func (r *Reckoning) successorsBySites(n *network, named map[string]int) []found {
	var all []found
	for id := range r.reg.topo.Networks.IDs() {
		if named[id] > 0 || len(r.reg.byNetwork[id]) == 0 {
			continue
		}
		kept, open := r.sitesKept(n, id)
		if kept == 0 || 2*kept < open {
			continue
		}
		now, _ := r.reg.network(id)
		if kept == 1 && n.filiere != "" && now.GetFiliereId() != "" && now.GetFiliereId() != n.filiere {
			continue
		}
		for _, heir := range heirs(id, r.reg.networkSuccessors) {
			if named[heir] > 0 {
				continue
			}
			all = addFound(all, heir, bySites)
			f := &all[slices.IndexFunc(all, func(f found) bool { return f.id == heir })]
			f.kept, f.share = max(f.kept, kept), max(f.share, float64(kept)/float64(open))
		}
	}
	slices.SortStableFunc(all, func(a, b found) int { return cmp.Compare(b.share, a.share) })
	return all
}

// presumeNetwork presumes the one candidate of a printed network that is the candidate
// of no other, takes it as new where there is nothing to choose from, and else asks.
func (r *Reckoning) presumeNetwork(n *network, named, bySite map[string]int) {
	unnamed := n.title == "" && n.acronym == ""
	switch {
	case len(n.found) == 0 && !unnamed:
		n.identity = labellingv1.Identity_IDENTITY_NEW
		return
	case len(n.found) == 1 && named[n.found[0].id]+bySite[n.found[0].id] == 1:
		if f := n.found[0]; named[f.id] == 1 || f.kept > 1 {
			n.id, n.identity = f.id, labellingv1.Identity_IDENTITY_PRESUMED
			return
		}
	}
	r.askNetwork(n)
}

func (r *Reckoning) askNetwork(n *network) {
	candidates := make([]*labellingv1.Candidate, 0, len(n.found))
	for _, f := range n.found {
		now, _ := r.reg.network(f.id)
		candidates = append(candidates, &labellingv1.Candidate{
			EntityId: f.id, Label: joined(" - ", now.GetAcronym(), now.GetTitle()), Reasons: f.reasons,
		})
	}
	r.ask(n.lines[0], labellingv1.Subject_SUBJECT_NETWORK, candidates)
	for _, l := range n.lines {
		l.asked = true
	}
	r.keepNetworks(n)
}

// keepNetworks says that labels of the networks a printed one may be are no loss.
func (r *Reckoning) keepNetworks(n *network) {
	for _, f := range n.found {
		for _, id := range r.reg.lineage(f.id) {
			for _, st := range r.reg.byNetwork[id] {
				r.keep(st.labels)
			}
		}
	}
}

func (r *Reckoning) keep(labels []*held) {
	for _, h := range labels {
		r.kept[h.GetLabelId()] = true
	}
}

// answerNetwork takes what the officer answered about any line of a printed network.
func (r *Reckoning) answerNetwork(n *network) bool {
	var last *line
	for _, l := range n.lines {
		for _, a := range r.answer(l, labellingv1.Subject_SUBJECT_NETWORK) {
			known := false
			if a.GetEntityId() != "" {
				_, known = r.reg.topo.Networks.Last(a.GetEntityId(), r.reg.known)
			}
			identity := a.GetIdentity()
			if identity == labellingv1.Identity_IDENTITY_PRESUMED {
				identity = labellingv1.Identity_IDENTITY_SAME
			}
			named := identity == labellingv1.Identity_IDENTITY_SAME || identity == labellingv1.Identity_IDENTITY_SUCCESSOR
			switch {
			case named && !known:
				r.refuse(l, "RESOLUTION_UNKNOWN", "The answer names no network: %q.", a.GetEntityId())
				continue
			case last != nil && (n.identity != identity || identity == labellingv1.Identity_IDENTITY_SAME && n.id != a.GetEntityId()):
				r.refuse(l, "RESOLUTION_CONTRADICTORY", "Line %d of the list answers otherwise for the same printed network.", last.at)
				continue
			}
			if identity == labellingv1.Identity_IDENTITY_SUCCESSOR && len(r.reg.networkSuccessors(a.GetEntityId())) > 0 {
				r.refuse(l, "NETWORK_CLOSED", "Others took the place of network %s already.", a.GetEntityId())
				continue
			}
			last, n.identity = l, identity
			switch {
			case identity == labellingv1.Identity_IDENTITY_SAME:
				n.id = a.GetEntityId()
			case identity == labellingv1.Identity_IDENTITY_SUCCESSOR && !slices.Contains(n.succeeds, a.GetEntityId()):
				n.succeeds = append(n.succeeds, a.GetEntityId())
			}
		}
	}
	if last == nil {
		return false
	}
	if n.identity == labellingv1.Identity_IDENTITY_UNDETERMINED {
		for _, l := range n.lines {
			l.unsure = true
		}
		r.keepNetworks(n)
	}
	return true
}

// use says that a line of a network does something to a label: what is printed of the
// network then holds.
func (r *Reckoning) use(n *network) {
	if n == nil || n.used {
		return
	}
	n.used = true
	if n.name = n.id; n.id == "" {
		n.name = r.freshName("network")
	}
}
