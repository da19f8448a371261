package query

import "maillage/services/registry/lens"

// Need is what a question looks at of the register, so that a source which does not hold
// it in memory brings no more. Whatever is asked, a source brings the small tables with
// all their versions: hospitals, networks, filières, platforms, continuities, plans,
// cycles, acts, missions and periods.
type Need struct {
	// Known are the positions looked at: what was believed at any of them.
	Known []uint64
	// From and To are positions between which whatever was believed is looked at too; both
	// 0 for none.
	From, To uint64
	// Activity is also the reports, undertakings and measures.
	Activity bool
	// Past is every version of what is under these ids, and of the labels that go on from
	// them; of a site, its measures.
	Past []string
	// Act is the facts that rest on an act and the lines of it of which nobody knew the
	// label, with every version of the labels that something is done to, which are shown
	// as those of a part are; empty for none.
	Act string
	// Part is the part of the other tables that is enough, nil for all of them.
	Part *Part
}

// Part is a part of the register, by the ids that it is about. It is the union of what its
// fields name; what is named with what is more than these rows, which does no harm.
type Part struct {
	// Labels are shown or reckoned, as believed at the positions: with the labels of their
	// holders and those that go on from them, and their centres, offices and assertions.
	Labels []string
	// Bounds are those of a list of labels, which are shown too; nil for none.
	Bounds *lens.Bounds
	// Entities are centres and campaigns, as believed at the positions.
	Entities []string
	// Alias is every version of the aliases of this value, folded; empty for none.
	Alias string
	// About is every version of whatever concerns these ids, see Queries.ListHistory, with
	// the names of what they are linked to.
	About []string
}

var (
	small      = Need{Part: &Part{}} // the small tables only
	everything = Need{}
	activities = Need{Activity: true}
)
