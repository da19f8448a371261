package labelling

import (
	"hash/maphash"
	"iter"
	"math"
	"slices"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
	"maillage/services/topology"
)

// indexes lead from a key to the ids that ever had it, and may lead to others. They
// only grow: readers ask the tables whether it is so, which is why Rollback need not
// undo them. Only lists, which is read for every status, is cut back.
type indexes struct {
	cyclesByName       index // codes and aliases, folded
	actsByNOR          index
	actsByTitle        index // folded
	labelsByHolder     index // holders of all kinds: ids are one namespace
	sitesByCentre      index
	assertionsByEntity index
	officesByHolder    index
	campaignsByName    index // folded
	campaignsByOutcome index
	lists              []list // acts with a scope, by position
}

// An index holds the ids of each key in the order they were entered. Most keys have
// one, which then costs no slice. It keeps hashes of the keys: to grow a map of
// strings is to read them all, wherever they are.
type index struct {
	first map[uint64]string
	more  map[uint64][]string // those after the first
}

var (
	seed     = maphash.MakeSeed()
	hashMask = uint64(math.MaxUint64) // tests narrow it, as no two keys have one hash by chance
)

func hashOf(key string) uint64 { return maphash.String(seed, key) & hashMask }

func (x *index) enter(key, id string) {
	if x.first == nil {
		x.first, x.more = make(map[uint64]string), make(map[uint64][]string)
	}
	hash := hashOf(key)
	if first, taken := x.first[hash]; !taken {
		x.first[hash] = id
	} else if first != id && !slices.Contains(x.more[hash], id) {
		x.more[hash] = append(x.more[hash], id)
	}
}

// begin enters an id that begins with the fact that is folded. Where it is there already,
// that was a prediction which was taken back, and others may have come before it since.
func (x *index) begin(key, id string) {
	hash := hashOf(key)
	if more := x.more[hash]; x.first[hash] == id && len(more) > 0 {
		x.first[hash], x.more[hash] = more[0], append(slices.Clone(more[1:]), id)
	} else if i := slices.Index(more, id); i >= 0 {
		x.more[hash] = append(slices.Delete(slices.Clone(more), i, i+1), id)
	} else {
		x.enter(key, id)
	}
}

// of yields the ids of a key, and of any other that has its hash.
func (x *index) of(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		hash := hashOf(key)
		first, ok := x.first[hash]
		if !ok || !yield(first) {
			return
		}
		for _, id := range x.more[hash] {
			if !yield(id) {
				return
			}
		}
	}
}

// Reindex enters in its indexes what the tables hold, for those tables of which nothing is
// entered yet: where rows were put into tables of a state, or of a copy of one that shares
// the other tables and their indexes with it.
func (s *State) Reindex() {
	if s.cyclesByName.empty() {
		for _, v := range s.Cycles.All() {
			s.indexCycle(v.Value)
		}
	}
	if s.actsByTitle.empty() {
		for _, v := range s.Acts.All() {
			s.indexAct(v.KnownFrom, v.Value)
		}
	}
	if s.labelsByHolder.empty() {
		for _, v := range s.Labels.All() {
			s.indexLabel(v.Value)
		}
	}
	if s.assertionsByEntity.empty() {
		for key, v := range s.Assertions.All() {
			s.indexAssertion(v.KnownFrom, key, v.Value)
		}
	}
	if s.officesByHolder.empty() {
		for _, v := range s.Offices.All() {
			s.indexOffice(v.Value)
		}
	}
	if s.campaignsByName.empty() {
		for _, v := range s.Campaigns.All() {
			s.indexCampaign(v.Value)
		}
	}
}

func (x *index) empty() bool { return x.first == nil }

func (x *indexes) indexCycle(c *labellingv1.Cycle) {
	for _, name := range namesOf(c) {
		x.cyclesByName.enter(identifier.Fold(name), c.GetCycleId())
	}
}

func (x *indexes) indexAct(at uint64, act *labellingv1.Act) {
	x.actsByTitle.enter(identifier.Fold(act.GetTitle()), act.GetActId())
	if act.GetNor() != "" {
		x.actsByNOR.enter(act.GetNor(), act.GetActId())
	}
	if l, ok := listOf(at, act); ok {
		x.lists = append(x.lists, l)
	}
}

func (x *indexes) indexLabel(l *labellingv1.Label) {
	holder := HolderID(l.GetHolder())
	if holder == "" {
		return
	}
	x.labelsByHolder.begin(holder, l.GetLabelId())
	if site := l.GetHolder().GetSite(); site != nil {
		x.sitesByCentre.enter(site.GetCentreId(), site.GetSiteId())
	}
}

// indexAssertion enters what is said of an entity, and later what that was settled to be
// about.
func (x *indexes) indexAssertion(at uint64, key string, a *labellingv1.Assertion) {
	if at == a.GetPosition() {
		x.assertionsByEntity.begin(a.GetEntityId(), key)
		return
	}
	for _, id := range []string{a.GetSettledLabelId(), a.GetBasis().GetActId()} {
		if id != "" && id != a.GetEntityId() {
			x.assertionsByEntity.enter(id, key)
		}
	}
}

func (x *indexes) indexOffice(o *labellingv1.Office) {
	x.officesByHolder.begin(o.GetHolderId(), o.GetOfficeId())
}

// indexCampaign enters a campaign and, of its outcomes, the last: it had the others before.
func (x *indexes) indexCampaign(c *labellingv1.Campaign) {
	x.campaignsByName.enter(identifier.Fold(c.GetName()), c.GetCampaignId())
	if all := c.GetOutcomes(); len(all) > 0 {
		x.campaignsByOutcome.enter(all[len(all)-1].GetOutcomeId(), c.GetCampaignId())
	}
}

func (x *indexes) rollbackLists(to uint64) {
	for len(x.lists) > 0 && x.lists[len(x.lists)-1].position > to {
		x.lists = x.lists[:len(x.lists)-1]
	}
}

// Label returns a label as known at a position, whatever the day: inside its window,
// before it or after it. It must not be changed.
func (s *State) Label(id string, known uint64) (*labellingv1.Label, bool) {
	return s.Labels.Last(id, known)
}

// LabelsOf yields the labels that a site, network, filière or platform ever held, as
// known at a position, in the order they were granted.
func (s *State) LabelsOf(holder string, known uint64) iter.Seq[*labellingv1.Label] {
	return func(yield func(*labellingv1.Label) bool) {
		for id := range s.labelsByHolder.of(holder) {
			l, ok := s.Label(id, known)
			if ok && HolderID(l.GetHolder()) == holder && !yield(l) {
				return
			}
		}
	}
}

// Site returns the site of an id, as known now.
func (s *State) Site(id string) (*labellingv1.Site, bool) {
	for l := range s.LabelsOf(id, bitemporal.Latest) {
		if site := l.GetHolder().GetSite(); site.GetSiteId() == id {
			return site, true
		}
	}
	return nil, false
}

// siteOf returns the site of a centre in a network, if a label opened it.
func (s *State) siteOf(centre, network string) (*labellingv1.Site, bool) {
	for id := range s.sitesByCentre.of(centre) {
		if site, ok := s.Site(id); ok && site.GetCentreId() == centre && site.GetNetworkId() == network {
			return site, true
		}
	}
	return nil, false
}

// ActsByNOR returns the ids of the acts recorded with a NOR number in its printed form:
// it has had duplicates.
func (s *State) ActsByNOR(nor string) []string {
	return slices.DeleteFunc(slices.Collect(s.actsByNOR.of(nor)), func(id string) bool {
		act, ok := s.Acts.At(id, 0, bitemporal.Latest)
		return !ok || act.GetNor() != nor
	})
}

// AssertionsAbout returns what sources say of an entity beside the record, as known at
// a position, in the order recorded.
func (s *State) AssertionsAbout(entityID string, known uint64) []*labellingv1.Assertion {
	var out []*labellingv1.Assertion
	for key := range s.assertionsByEntity.of(entityID) {
		if a, ok := s.Assertions.At(key, 0, known); ok && a.GetEntityId() == entityID {
			out = append(out, a)
		}
	}
	return out
}

// actLike returns the act that is recorded already of a kind, a day of signature, a
// title and a NOR number: one and the same text. An act with lines is not the one that is
// recorded without any: that one was cited before its list could be read.
func (s *State) actLike(act *labellingv1.ActRecorded) (id string, ok bool) {
	title := identifier.Fold(act.GetTitle())
	for id := range s.actsByTitle.of(title) {
		known, ok := s.Acts.At(id, 0, bitemporal.Latest)
		if ok && known.GetKind() == act.GetKind() && known.GetSignedDate() == act.GetSignedDate() &&
			known.GetNor() == act.GetNor() && identifier.Fold(known.GetTitle()) == title &&
			(known.GetLineCount() > 0 || act.GetLineCount() == 0) {
			return id, true
		}
	}
	return "", false
}

// namesOf is the code of a cycle and after it the aliases.
func namesOf(c interface {
	GetCode() string
	GetAliases() []string
},
) []string {
	return append([]string{c.GetCode()}, c.GetAliases()...)
}

// cycleNamed returns the cycle that has a code or an alias, whatever its case and
// accents.
func (s *State) cycleNamed(name string) (id string, ok bool) {
	folded := identifier.Fold(name)
	for id := range s.cyclesByName.of(folded) {
		c, ok := s.Cycles.At(id, 0, bitemporal.Latest)
		if ok && slices.ContainsFunc(namesOf(c), func(n string) bool { return identifier.Fold(n) == folded }) {
			return id, true
		}
	}
	return "", false
}

func (s *State) knowsCycle(id string) bool {
	_, ok := s.Cycles.At(id, 0, bitemporal.Latest)
	return ok
}

func (s *State) knowsAct(id string) bool {
	_, ok := s.Acts.At(id, 0, bitemporal.Latest)
	return ok
}

// knows reports whether an id names a cycle, an act, a label, a site, an office, a
// campaign or an outcome of one, or a draft.
func (s *State) knows(id string) bool {
	if s.knowsCycle(id) || s.knowsAct(id) || isThere(&s.Offices, id) || isThere(&s.Campaigns, id) || isThere(&s.Drafts, id) || s.knowsOutcome(id) {
		return true
	}
	if _, ok := s.Label(id, bitemporal.Latest); ok {
		return true
	}
	_, ok := s.Site(id)
	return ok
}

// grantedAt is the position at which a label was granted, 0 if it never was.
func (s *State) grantedAt(id string) uint64 {
	first, _ := s.Labels.First(id)
	return first.KnownFrom
}

// touched reports whether the event at a position is one of the label's.
func (s *State) touched(id string, position uint64) bool {
	return slices.ContainsFunc(s.Labels.History(id), func(v bitemporal.Version[*labellingv1.Label]) bool {
		return v.KnownFrom == position
	})
}

// filiereOf is the filière a holder is counted under on a day; empty where it is
// unknown. ok is false for a platform, which is under none.
func filiereOf(h *labellingv1.Holder, topo *topology.State, day bitemporal.Date, known uint64) (id string, ok bool) {
	network := h.GetNetworkId()
	switch h := h.GetHolder().(type) {
	case *labellingv1.Holder_Site:
		network = h.Site.GetNetworkId()
	case *labellingv1.Holder_FiliereId:
		return h.FiliereId, true
	case *labellingv1.Holder_PlatformId:
		return "", false
	}
	if topo == nil {
		return "", true
	}
	n, _ := topo.Networks.At(network, day, known)
	return n.GetFiliereId(), true
}
