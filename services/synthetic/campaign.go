package synthetic

import (
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

// campaign decides a wave: what becomes of the networks, then of each site, then
// which sites are new.
func (w *world) campaign(c campaign) {
	cycle := int8(c.cycle)
	w.decideNetworks(c, cycle)
	w.restate(c, cycle)
	w.complete(c, cycle)
	if slices.Contains(c.roles, labellingv1.Role_ROLE_FSMR) {
		for f, before := range w.fsmr {
			w.lines = append(w.lines, line{does: renews, role: labellingv1.Role_ROLE_FSMR, holder: int32(f), label: w.plan.granted, before: before, head: w.head()})
			w.plan.granted++
		}
	}
	w.sign(c.decision)
}

// concerns says whether the wave stands for a network.
func (w *world) concerns(c campaign, net int32) bool { return c.special || !w.special(net) }

// decideNetworks gives each network its fate. Those of the cycle that is under way go
// on; of the older ones as many as the figure after the wave leaves room for, beside
// the new ones.
func (w *world) decideNetworks(c campaign, cycle int8) {
	merged, deferred := w.plan.times(c.merged), w.plan.times(c.deferred)
	for _, special := range []bool{true, false} {
		if special && !c.special {
			continue
		}
		target, fresh := w.plan.times(c.coord), w.plan.times(c.newNets)
		if special {
			target, fresh = max(3, w.plan.times(c.specialCoord)), w.plan.times(c.newSpecial)
		}
		var kept, older []int32
		for n := range w.nets {
			s := &w.nets[n]
			s.fate = untouched
			switch {
			case s.cycle < 0 || w.special(int32(n)) != special:
			case s.cycle == cycle:
				s.fate = goesOn
				kept = append(kept, int32(n))
			default:
				older = append(older, int32(n))
			}
		}
		if !special { // each special filière keeps its first network
			shuffle(&w.chance, older)
		}
		going := min(len(older), max(0, target-fresh-len(kept)))
		for _, n := range older[:going] {
			w.nets[n].fate, w.nets[n].cycle = goesOn, cycle
			kept = append(kept, n)
		}
		for i, n := range older[going:] {
			switch {
			case i < merged && len(kept) > 0:
				w.nets[n] = standing{cycle: -1, fate: isMerged, into: w.near(n, kept)}
			case i < merged+deferred:
			default:
				w.nets[n] = standing{cycle: -1, fate: ends}
			}
		}
		w.rename(kept[len(kept)-going:], c, special)
		for range target - len(kept) {
			w.found(special, c.effective, cycle)
		}
	}
}

// near picks a network to merge into, of the same filière where there is one.
func (w *world) near(n int32, kept []int32) int32 {
	start := w.below(len(kept))
	for i := range kept {
		if k := kept[(start+i)%len(kept)]; w.plan.networks[k].filiere == w.plan.networks[n].filiere {
			return k
		}
	}
	return kept[start]
}

// rename renames some of the networks that go on from an older cycle.
func (w *world) rename(nets []int32, c campaign, special bool) {
	if special {
		return
	}
	for _, n := range nets[:min(len(nets), w.plan.times(c.renamed))] {
		w.plan.renamed = append(w.plan.renamed, renaming{n, c.effective})
	}
}

// change is what becomes of a site beyond its network's fate.
type change uint8

const (
	same change = iota
	promoted
	demoted
	dropped
	repealed
	movesTo   // becomes the coordinator
	movesFrom // becomes constitutive
)

// changes picks the sites that change.
func (w *world) changes(c campaign, cycle int8) []change {
	out := make([]change, len(w.live))
	var constit, compet, crc []int32
	coordinators := map[int32]int32{}
	for i := range w.live {
		s := &w.live[i]
		if f := w.nets[s.net].fate; !w.concerns(c, s.net) || f != goesOn {
			continue
		}
		switch s.role {
		case coordinator, reference:
			coordinators[s.net] = int32(i)
		case constitutive:
			constit = append(constit, int32(i))
		case competence:
			compet = append(compet, int32(i))
		case resource:
			crc = append(crc, int32(i))
		}
	}
	for _, of := range [][]int32{constit, compet, crc} {
		shuffle(&w.chance, of)
	}
	take := func(from *[]int32, n int, what change) {
		n = min(len(*from), n)
		for _, i := range (*from)[:n] {
			out[i] = what
		}
		*from = (*from)[n:]
	}
	moved := w.plan.times(c.moved)
	for k := 0; k < len(constit) && moved > 0; k++ {
		i := constit[k]
		from, there := coordinators[w.live[i].net]
		if !there || w.plan.centres[w.live[i].centre] == w.plan.centres[w.live[from].centre] {
			continue
		}
		out[i], out[from] = movesTo, movesFrom
		delete(coordinators, w.live[i].net)
		constit = slices.Delete(constit, k, k+1)
		k--
		moved--
	}
	take(&constit, w.plan.times(c.demoted), demoted)
	take(&constit, w.plan.times(c.droppedConstit), dropped)
	take(&compet, w.plan.times(c.promoted), promoted)
	take(&compet, w.plan.times(c.dropped), dropped)
	take(&crc, w.plan.times(c.dropCRC), dropped)
	recent := slices.DeleteFunc(compet, func(i int32) bool { return w.live[i].cycle != cycle })
	take(&recent, max(min(1, c.repealed), w.plan.times(c.repealed)), repealed)
	return out
}

// restate goes through the sites that hold a label: renewed, confirmed, left out. What
// would be too many after it is left out as well.
func (w *world) restate(c campaign, cycle int8) {
	changes := w.changes(c, cycle)
	room := [...]int{constitutive: w.plan.times(c.constit), competence: w.plan.times(c.compet), resource: w.plan.times(c.crc)}
	was := w.live
	w.live = make([]site, 0, len(was)*2)
	for i := range was {
		s := was[i]
		n := w.nets[s.net]
		if !w.concerns(c, s.net) || n.fate == untouched {
			w.live = append(w.live, s)
			continue
		}
		if n.fate == ends || changes[i] == dropped {
			continue
		}
		if changes[i] == repealed {
			w.lines = append(w.lines, line{does: repeals, role: s.role, label: s.label, centre: s.centre, net: s.net})
			continue
		}
		before := s
		w.become(&s, changes[i], n)
		if s.net != before.net && w.sites[[2]int32{s.centre, s.net}] != 0 {
			continue // the team works in the other network already
		}
		if s.role != coordinator {
			if room[s.role] == 0 {
				continue
			}
			room[s.role]--
		}
		if s.cycle == cycle && s.role == before.role {
			w.lines = append(w.lines, line{does: confirms, role: s.role, label: s.label, centre: s.centre, net: s.net})
		} else {
			w.renew(&s, cycle)
		}
		w.live = append(w.live, s)
	}
}

// become gives a site the role and network it has after the wave.
func (w *world) become(s *site, what change, n standing) {
	switch {
	case n.fate == isMerged:
		s.net = n.into
		if s.role == coordinator || s.role == reference {
			s.role = constitutive
		}
	case what == promoted || what == movesFrom:
		s.role = constitutive
	case what == demoted && w.special(s.net):
		s.role = resource
	case what == demoted:
		s.role = competence
	case what == movesTo || s.role == reference:
		s.role = coordinator
	}
}

// complete grants what is missing for the figures after the wave: the coordinators of
// new networks, a competence centre or CRC in every network, and the rest anywhere.
func (w *world) complete(c campaign, cycle int8) {
	var count [resource + 1]int
	served, coordinated := make([]bool, len(w.nets)), make([]bool, len(w.nets))
	for i := range w.live {
		s := &w.live[i]
		if s.cycle != cycle {
			continue
		}
		count[s.role]++
		coordinated[s.net] = coordinated[s.net] || s.role == coordinator
		served[s.net] = served[s.net] || s.role == competence || s.role == resource
	}
	var general, special []int32
	for i := range w.nets {
		n := int32(i)
		if w.nets[n].cycle != cycle {
			continue
		}
		if !coordinated[n] {
			w.grant(n, coordinator, cycle)
		}
		if w.special(n) {
			special = append(special, n)
		} else {
			general = append(general, n)
		}
	}
	all := append(slices.Clone(general), special...)
	for range w.plan.times(c.constit) - count[constitutive] {
		w.grant(all[w.below(len(all))], constitutive, cycle)
	}
	w.fill(general, served, competence, w.plan.times(c.compet)-count[competence], cycle)
	w.fill(special, served, resource, w.plan.times(c.crc)-count[resource], cycle)
}

// fill grants so many labels of a role, first where a network has none.
func (w *world) fill(nets []int32, served []bool, role labellingv1.Role, n int, cycle int8) {
	if len(nets) == 0 {
		return
	}
	for _, net := range nets {
		if n > 0 && !served[net] {
			w.grant(net, role, cycle)
			n--
		}
	}
	for range n {
		w.grant(nets[w.below(len(nets))], role, cycle)
	}
}
