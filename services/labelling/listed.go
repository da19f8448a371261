package labelling

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
)

// The list is read of an act that was cited before. What it lists takes the place of what
// was known of the act.
func (s *State) actListed(at uint64, f *labellingv1.ActRecorded, why *eventv1.Basis) error {
	cited, ok := s.Acts.At(f.GetActId(), 0, bitemporal.Latest)
	if !ok || cited.GetLineCount() > 0 {
		return fmt.Errorf("%w: act %q is unknown, or has its list already", errUnfit, f.GetActId())
	}
	return s.keepAct(at, f, rest(cited.GetBasis(), why))
}

// ActOf is the act that an event records, with its list or without; nil for none.
func ActOf(e *labellingv1.Event) *labellingv1.ActRecorded {
	return cmp.Or(e.GetActRecorded(), e.GetActListed().GetAct())
}

// ActLike is the act that is known already, at a position, of the kind, the title, the NOR
// number and the day of signature of one, and whether with its list. One that was cited
// before its list was read is known by its day and its NOR alone or, where one of both is
// without a NOR, its title, unless several are.
func (s *State) ActLike(act *labellingv1.ActRecorded, known uint64) (id string, listed bool) {
	title := identifier.Fold(act.GetTitle())
	var same, alike []string
	for one, o := range s.Acts.Lasts(known) {
		if o.GetKind() != act.GetKind() || o.GetSignedDate() != act.GetSignedDate() {
			continue
		}
		sameTitle, sameNOR := identifier.Fold(o.GetTitle()) == title, o.GetNor() == act.GetNor()
		cited := o.GetLineCount() == 0 && o.GetAmendsActId() == act.GetAmendsActId() && act.GetSignedDate() != ""
		switch {
		case sameTitle && sameNOR && o.GetLineCount() > 0:
			return one, true
		case sameTitle && sameNOR:
			same = append(same, one)
		case cited && sameNOR && act.GetNor() != "", cited && sameTitle && (act.GetNor() == "" || o.GetNor() == ""):
			alike = append(alike, one)
		}
	}
	switch {
	case len(same) > 0:
		return same[0], false
	case len(alike) == 1 && act.GetLineCount() > 0:
		return alike[0], false
	}
	return "", false
}

// Record is the fact that records an act, which has its id already. One that was cited
// before goes on under that id, with what was known of it and its list does not say; from
// when it has effect is what the list says.
func (s *State) Record(act *labellingv1.ActRecorded) *labellingv1.Event {
	cited, ok := s.Acts.At(act.GetActId(), 0, bitemporal.Latest)
	if !ok {
		return &labellingv1.Event{Fact: &labellingv1.Event_ActRecorded{ActRecorded: act}}
	}
	act.Nor, act.Authority = cmp.Or(act.GetNor(), cited.GetNor()), cmp.Or(act.GetAuthority(), cited.GetAuthority())
	act.AnnouncedDate = cmp.Or(act.GetAnnouncedDate(), cited.GetAnnouncedDate())
	day, dated := effectOf(&labellingv1.Act{EffectiveDate: act.GetEffectiveDate(), Publications: act.GetPublications(), SignedDate: act.GetSignedDate()})
	publications := len(act.GetPublications())
	act.Publications = slices.Clip(act.GetPublications())
	for _, p := range cited.GetPublications() {
		if !slices.ContainsFunc(act.GetPublications(), func(o *labellingv1.Publication) bool { return proto.Equal(o, p) }) {
			act.Publications = append(act.Publications, p)
		}
	}
	if dated && act.GetEffectiveDate() == "" && len(act.GetPublications()) > publications {
		act.EffectiveDate = day.String()
	}
	return &labellingv1.Event{Fact: &labellingv1.Event_ActListed{ActListed: &labellingv1.ActListed{Act: act}}}
}
