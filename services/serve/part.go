package serve

import (
	"slices"

	"maillage/services/projection"
	"maillage/services/submit"
)

// Part is one service that a process can offer.
type Part string

// The parts.
const (
	Topology  Part = "topology"
	Labelling Part = "labelling"
	Activity  Part = "activity"
	Registry  Part = "registry"
	Ledger    Part = "ledger" // exactly one process of a register gates; others may follow it
)

// Parts are all of them: what one process offers alone.
var Parts = []Part{Topology, Labelling, Activity, Registry, Ledger}

// Names are the names of all parts.
func Names() []string {
	names := make([]string, len(Parts))
	for i, p := range Parts {
		names[i] = string(p)
	}
	return names
}

// rights are the subjects of a part: those of its own context. An act changes who exists
// beside who holds what, so labelling may publish facts of topology in a commit with an
// act or with the approval of a draft.
func (p Part) rights() projection.Rights {
	switch own := "registry." + string(p) + "."; p {
	case Registry:
		return projection.Rights{} // it only reads
	case Labelling:
		return projection.Rights{Own: own, Beside: "registry.topology.", With: []string{own + "act.", own + "draft."}}
	default:
		return projection.Rights{Own: own}
	}
}

func (c Config) has(p Part) bool { return slices.Contains(c.Parts, p) }

// gates says whether a process keeps the ledger that decides what is shown.
func (c Config) gates() bool { return c.has(Ledger) && !c.Follow }

// records says whether a process takes commands that may name persons.
func (c Config) records() bool {
	return slices.ContainsFunc(c.Parts, func(p Part) bool { return p != Registry && p != Ledger })
}

// desk takes the commands of a part; its runner comes with the log.
func (p *process) desk(part Part) *submit.Desk {
	d := &submit.Desk{Vault: p.vault, Rights: part.rights()}
	p.desks = append(p.desks, d)
	return d
}
