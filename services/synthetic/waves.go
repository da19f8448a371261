package synthetic

import (
	"cmp"
	"slices"
	"sort"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
)

const (
	coordinator  = labellingv1.Role_ROLE_COORDINATOR
	constitutive = labellingv1.Role_ROLE_CONSTITUTIVE
	reference    = labellingv1.Role_ROLE_REFERENCE
	competence   = labellingv1.Role_ROLE_COMPETENCE
	resource     = labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE
)

// decision is what an act is, apart from its lines.
type decision struct {
	title                    string
	signed, published        string
	bulletin, number         string
	effective, end           string // of its labels: half-open
	cycle                    int    // place in plan.cycles, -1 for none
	complete, oldest, byCall bool   // complete list; from before filières; result of a call
	roles                    []labellingv1.Role
}

// campaign is one act of a cycle, or the acts it is split into, and what it changes.
// Numbers are at the plan's own size. An act that does not stand for the special
// filières leaves them alone.
type campaign struct {
	decision
	special                          bool // the special filières too
	coord, specialCoord              int  // networks after it
	constit, compet, crc             int  // sites after it
	newNets, newSpecial              int
	merged, deferred, renamed        int // networks
	promoted, demoted, moved         int // sites
	droppedConstit, dropped, dropCRC int // left out
	repealed                         int
}

// The figures are those of the real acts; what the acts changed is known only in
// part, and is made up to lead from the one figure to the next.
var (
	may2017 = campaign{
		decision: decision{
			title: "première vague", signed: "2017-05-09", published: "2017-05-15", bulletin: "SYNTH Bulletin officiel Santé",
			effective: "2017-05-09", end: "2022-05-09", cycle: 1, roles: []labellingv1.Role{reference, competence},
		},
		coord: 98, constit: 212, compet: 1648, newNets: 8, merged: 26, deferred: 5, renamed: 9, promoted: 60, dropped: 40,
	}
	august2017 = campaign{
		decision: decision{
			title: "deuxième vague, consolidée", signed: "2017-08-08", published: "2017-09-15", bulletin: "SYNTH Bulletin officiel Santé",
			effective: "2017-08-08", end: "2022-08-08", cycle: 1, complete: true, roles: []labellingv1.Role{reference, competence},
		},
		coord: 104, constit: 259, compet: 1773, newNets: 1, renamed: 1, promoted: 12, droppedConstit: 2, dropped: 8,
	}
	november2017 = campaign{
		decision: decision{
			title: "réseaux, liste consolidée", signed: "2017-11-25", published: "2017-12-15", bulletin: "SYNTH Bulletin officiel Santé",
			effective: "2017-11-25", end: "2022-11-25", cycle: 1, complete: true, roles: []labellingv1.Role{reference, competence, resource},
		},
		special: true, coord: 104, specialCoord: 5, constit: 278, compet: 1757, crc: 83, merged: 1, renamed: 1, promoted: 2,
		dropped: 24, dropCRC: 4, repealed: 3,
	}
	december2023 = campaign{
		decision: decision{
			title: "réseaux et filières", signed: "2023-12-26", published: "2023-12-29", bulletin: "SYNTH Bulletin officiel Santé", number: "2023/24",
			effective: "2024-01-01", end: "2029-01-01", cycle: 3, complete: true,
			roles: []labellingv1.Role{reference, competence, resource, labellingv1.Role_ROLE_FSMR},
		},
		special: true, coord: 116, specialCoord: 6, constit: 481, compet: 1708, crc: 83, newNets: 17, newSpecial: 1, merged: 4, renamed: 12,
		promoted: 110, demoted: 12, moved: 8, droppedConstit: 10, dropped: 150, dropCRC: 6,
	}
)

// world is the register as it stands between two acts.
type world struct {
	plan *plan
	chance
	weights []int     // of hospitals, summed up
	teams   [][]int32 // the centres of each hospital

	live    []site             // sites that hold a label, oldest first
	sites   map[[2]int32]int32 // centre and network: 1 more than the wave in which it last held one
	nets    []standing
	founded [2]int // networks ever, of general and of special filières
	heads   int32
	fsmr    []int32 // label of each filière
	pemr    []int32 // label of each platform
	lines   []line
	current int // wave under way
}

// site is a centre in a network that holds a label.
type site struct {
	centre, net, label, head int32
	role                     labellingv1.Role
	cycle                    int8
}

// standing is what a network is: the cycle of its coordinator, and its fate in the
// wave under way.
type standing struct {
	cycle int8 // -1 once it is no more
	fate  fate
	into  int32 // where it is merged
}

type fate uint8

const (
	untouched fate = iota
	goesOn
	begins
	isMerged
	ends
)

// hospital picks one, the large ones more often.
func (w *world) hospital() int32 {
	return int32(sort.SearchInts(w.weights, w.below(w.weights[len(w.weights)-1])+1))
}

// found registers a network under a filière, each in turn at first.
func (w *world) found(special bool, since string, cycle int8) int32 {
	sets := len(w.plan.filieres) / 23
	of, first, before := 20, 3, &w.founded[0]
	if special {
		of, first, before = 3, 0, &w.founded[1]
	}
	i := *before
	*before++
	if i >= of*sets {
		i = w.below(of * sets)
	}
	w.plan.networks = append(w.plan.networks, network{int32(i/of*23 + first + i%of), since})
	w.nets = append(w.nets, standing{cycle: cycle, fate: begins})
	return int32(len(w.plan.networks) - 1)
}

func (w *world) special(net int32) bool { return w.plan.filieres[w.plan.networks[net].filiere].special }

// team picks a centre for a site of a network: one in eight times a team that works
// for other networks already.
func (w *world) team(net int32) int32 {
	h := w.hospital()
	if known := w.teams[h]; len(known) > 0 && w.below(8) == 0 {
		c := known[w.below(len(known))]
		if w.sites[[2]int32{c, net}] == 0 {
			return c
		}
	}
	c := int32(len(w.plan.centres))
	w.plan.centres = append(w.plan.centres, h)
	w.teams[h] = append(w.teams[h], c)
	return c
}

// head is a new person.
func (w *world) head() int32 { w.heads++; return w.heads - 1 }

// grant adds a line that grants a label to a new site of a network.
func (w *world) grant(net int32, role labellingv1.Role, cycle int8) {
	s := site{centre: w.team(net), net: net, head: w.head(), role: role, cycle: cycle}
	w.label(&s, line{does: grants})
	w.live = append(w.live, s)
}

// renew adds a line that renews the label of a site, as it now is.
func (w *world) renew(s *site, cycle int8) {
	if w.below(7) == 0 {
		s.head = w.head()
	}
	s.cycle = cycle
	w.label(s, line{does: renews, before: s.label})
}

// label gives a line the next label and notes who holds it.
func (w *world) label(s *site, l line) {
	s.label = w.plan.granted
	w.plan.granted++
	l.role, l.label, l.centre, l.net, l.head = s.role, s.label, s.centre, s.net, s.head
	w.sites[[2]int32{s.centre, s.net}] = int32(w.current + 1)
	w.lines = append(w.lines, l)
}

// sign makes the lines into acts: one or, where they are too many, one for each group
// of filières.
func (w *world) sign(d decision) {
	of := func(l line) int32 {
		switch l.role {
		case labellingv1.Role_ROLE_FSMR:
			return l.holder
		case labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM:
			return 0
		}
		return w.plan.networks[l.net].filiere
	}
	slices.SortStableFunc(w.lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(of(a), of(b)), cmp.Compare(a.net, b.net), cmp.Compare(a.role, b.role))
	})
	byFiliere := make([]int, len(w.plan.filieres))
	for _, l := range w.lines {
		byFiliere[of(l)]++
	}
	var acts []act
	open := act{decision: d}
	for f, n := range byFiliere {
		if !w.standsFor(d, f) {
			continue
		}
		if len(open.lines)+n > maxLines || (len(open.filieres)+1)*len(d.roles) > maxCells {
			acts = append(acts, open)
			open = act{decision: d}
		}
		open.filieres = append(open.filieres, int32(f))
		open.lines = append(open.lines, w.lines[:n]...)
		w.lines = w.lines[n:]
	}
	acts = append(acts, open)
	for i := range acts {
		acts[i].part, acts[i].parts = i+1, len(acts)
		if d.oldest || d.byCall {
			acts[i].filieres = nil
		}
	}
	w.plan.waves = append(w.plan.waves, acts)
	w.lines = nil
	w.current++
}

func (w *world) standsFor(d decision, filiere int) bool {
	return d.oldest || d.byCall || !w.plan.filieres[filiere].special || slices.Contains(d.roles, resource) || slices.Contains(d.roles, labellingv1.Role_ROLE_FSMR)
}

// firstCycle is the acts of 2004 to 2007, each of which adds to those before.
func (w *world) firstCycle() {
	p := w.plan
	specials := max(len(special), p.times(6))
	centres := p.times(125)
	var nets []int32
	for range specials {
		nets = append(nets, w.found(true, "2004", 0))
	}
	for range centres {
		nets = append(nets, w.found(false, "2004", 0))
	}
	mucos := slices.DeleteFunc(slices.Clone(nets), func(n int32) bool {
		return p.networks[n].filiere%23 != int32(slices.Index(special, "MUCO"))
	})
	d := decision{bulletin: "SYNTH Journal officiel", oldest: true, roles: []labellingv1.Role{resource}, complete: true}
	d.title, d.signed, d.published, d.effective, d.end = "CRCM", "2004-06-04", "2004-06-20", "2004-06-04", "2009-06-04"
	for range p.times(49) {
		w.grant(mucos[w.below(len(mucos))], resource, 0)
	}
	w.sign(d)
	shuffle(&w.chance, nets)
	d.complete, d.roles = false, []labellingv1.Role{reference}
	done := 0
	for _, call := range []struct {
		title, signed, published, end string
		until                         int
	}{
		{"appel de 2004", "2004-11-19", "2004-11-28", "2009-11-19", 34},
		{"appel de 2005", "2005-10-06", "2005-10-21", "2010-10-06", 67},
		{"appel de 2006", "2006-07-12", "2006-08-03", "2011-07-12", 103},
		{"appel de 2007", "2007-07-02", "2007-07-20", "2012-07-02", 131},
	} {
		d.title, d.signed, d.published, d.effective, d.end = call.title, call.signed, call.published, call.signed, call.end
		until := min(p.times(call.until), len(nets))
		if call.until == 131 {
			until = len(nets)
			d.roles = append(d.roles, competence)
			for range p.times(501) {
				if n := nets[w.below(len(nets))]; !w.special(n) {
					w.grant(n, competence, 0)
				} else {
					w.grant(w.generalOf(nets), competence, 0)
				}
			}
		}
		for ; done < until; done++ {
			w.grant(nets[done], reference, 0)
		}
		w.sign(d)
	}
	for n := range p.networks {
		p.attached = append(p.attached, int32(n))
	}
}

// generalOf picks one of the networks that are of no special filière.
func (w *world) generalOf(nets []int32) int32 {
	for {
		if n := nets[w.below(len(nets))]; !w.special(n) {
			return n
		}
	}
}

// filieresOf2019 labels the filières for four years.
func (w *world) filieresOf2019() {
	for f := range w.plan.filieres {
		w.fsmr = append(w.fsmr, w.plan.granted)
		w.lines = append(w.lines, line{role: labellingv1.Role_ROLE_FSMR, holder: int32(f), label: w.plan.granted, head: w.head()})
		w.plan.granted++
	}
	w.sign(decision{
		title: "filières de santé", signed: "2019-07-12", published: "2019-07-31", bulletin: "SYNTH Bulletin officiel Santé",
		effective: "2019-07-12", end: "2023-07-12", cycle: 2, complete: true, roles: []labellingv1.Role{labellingv1.Role_ROLE_FSMR},
	})
}

// platformsOf labels the platforms of a call and confirms those of the one before.
func (w *world) platformsOf(call int) {
	w.pemr = append(w.pemr, make([]int32, len(w.plan.platforms)-len(w.pemr))...)
	for i, pl := range w.plan.platforms {
		role := labellingv1.Role_ROLE_PEMR
		if pl.overseas {
			role = labellingv1.Role_ROLE_PCOM
		}
		switch {
		case pl.wave == call:
			w.pemr[i] = w.plan.granted
			w.lines = append(w.lines, line{role: role, holder: int32(i), label: w.plan.granted, head: w.head()})
			w.plan.granted++
		case pl.wave < call:
			w.lines = append(w.lines, line{does: confirms, role: role, holder: int32(i), label: w.pemr[i]})
		}
	}
	d := decision{
		title: "plateformes, premier appel", signed: "2020-01-21", effective: "2020-01-21", end: "2025-01-21", cycle: -1, complete: true, byCall: true,
		roles: []labellingv1.Role{labellingv1.Role_ROLE_PEMR, labellingv1.Role_ROLE_PCOM},
	}
	if call == 1 {
		d.title, d.signed, d.effective, d.end = "plateformes, second appel", "2021-06-15", "2021-06-15", "2026-06-15"
	}
	w.sign(d)
}
