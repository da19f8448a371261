package lens

import (
	"cmp"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
)

// Offices is who held the posts of a site, network, filière or platform on any day, by
// post and first day: ENTITY_UNKNOWN where nothing has the id.
func (l Lens) Offices(holder string) ([]*labellingv1.Office, error) {
	offices := l.offices(holder)
	if len(offices) == 0 && len(l.touching(holder)) == 0 {
		return nil, entityUnknown("holder_id", holder, l.m)
	}
	return offices, nil
}

// offices is the offices of a holder, by post and first day.
func (l Lens) offices(holder string) []*labellingv1.Office {
	if holder == "" {
		return nil
	}
	all := slices.Collect(l.s.Labelling.OfficesOf(holder, l.m.known))
	slices.SortFunc(all, func(a, b *labellingv1.Office) int {
		return cmp.Or(
			int(a.GetKind()-b.GetKind()),
			strings.Compare(a.GetPeriod().GetStart(), b.GetPeriod().GetStart()),
			strings.Compare(a.GetOfficeId(), b.GetOfficeId()),
		)
	})
	return all
}

// officesHeld is the offices of a holder that may be held on the day, but for the names of
// persons, which are not in the state.
func (l Lens) officesHeld(holder string) (held []*registryv1.OfficeEntry) {
	for _, o := range l.offices(holder) {
		if heldOn(o.GetPeriod(), l.m.valid) {
			held = append(held, &registryv1.OfficeEntry{Office: o})
		}
	}
	return held
}

// heldOn tells whether a day may be one of a period: an unknown end is not past.
func heldOn(p *eventv1.Period, day bitemporal.Date) bool {
	from, _, err := bitemporal.Span(p.GetStart())
	if err != nil || day < from {
		return false
	}
	_, last, err := bitemporal.Span(p.GetEnd())
	return err == nil && (day < last || day == last && len(p.GetEnd()) < len("2006-01-02"))
}
