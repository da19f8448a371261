package labelling

import (
	"iter"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/bitemporal"
)

// UndeterminedLine is the field of an assertion that keeps a line of an act of which
// nobody knows whom it is about.
const UndeterminedLine = "line"

// EffectOf is the day from which an act certainly has effect: that it states or,
// failing that, the first it was published, or that it was signed. ok is false where
// none is known.
func EffectOf(act *labellingv1.Act) (day bitemporal.Date, ok bool) { return effectOf(act) }

// HolderID is the id of a site, network, filière or platform that holds a label; empty
// where none is named.
func HolderID(h *labellingv1.Holder) string {
	switch h := h.GetHolder().(type) {
	case *labellingv1.Holder_Site:
		return h.Site.GetSiteId()
	case *labellingv1.Holder_NetworkId:
		return h.NetworkId
	case *labellingv1.Holder_FiliereId:
		return h.FiliereId
	case *labellingv1.Holder_PlatformId:
		return h.PlatformId
	}
	return ""
}

// Knows reports whether anything of labelling is recorded under an id: a cycle, an act, a
// label, a site, an office, a campaign or an outcome of one, or a draft.
func (s *State) Knows(id string) bool { return s.knows(id) }

// SitesOf yields the ids of the sites of a centre, as known at a position.
func (s *State) SitesOf(centre string, known uint64) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range s.sitesByCentre.of(centre) {
			for label := range s.LabelsOf(id, known) {
				if label.GetHolder().GetSite().GetCentreId() != centre {
					continue
				}
				if !yield(id) {
					return
				}
				break
			}
		}
	}
}

// DispositionOf is what a fact does to a label in law, and to which one. A keying fix,
// and what is stated of the operational window, does nothing: unspecified.
func DispositionOf(e *labellingv1.Event) (d labellingv1.Disposition, labelID string) {
	switch f := e.GetFact().(type) {
	case *labellingv1.Event_LabelGranted:
		return labellingv1.Disposition_DISPOSITION_GRANTED, f.LabelGranted.GetLabelId()
	case *labellingv1.Event_LabelRenewed:
		return labellingv1.Disposition_DISPOSITION_RENEWED, f.LabelRenewed.GetLabelId()
	case *labellingv1.Event_LabelConfirmed:
		return labellingv1.Disposition_DISPOSITION_CONFIRMED, f.LabelConfirmed.GetLabelId()
	case *labellingv1.Event_LabelRepealed:
		return labellingv1.Disposition_DISPOSITION_REPEALED, f.LabelRepealed.GetLabelId()
	case *labellingv1.Event_LabelLapsed:
		return labellingv1.Disposition_DISPOSITION_LAPSED, f.LabelLapsed.GetLabelId()
	case *labellingv1.Event_LabelExtended:
		return labellingv1.Disposition_DISPOSITION_EXTENDED, f.LabelExtended.GetLabelId()
	case *labellingv1.Event_LabelSuspended:
		return labellingv1.Disposition_DISPOSITION_SUSPENDED, f.LabelSuspended.GetLabelId()
	case *labellingv1.Event_LabelReinstated:
		return labellingv1.Disposition_DISPOSITION_AMENDED, f.LabelReinstated.GetLabelId()
	case *labellingv1.Event_LabelWithdrawn:
		return labellingv1.Disposition_DISPOSITION_WITHDRAWN, f.LabelWithdrawn.GetLabelId()
	case *labellingv1.Event_LabelAnnulled:
		return labellingv1.Disposition_DISPOSITION_ANNULLED, f.LabelAnnulled.GetLabelId()
	case *labellingv1.Event_LabelAmended:
		return labellingv1.Disposition_DISPOSITION_AMENDED, f.LabelAmended.GetLabelId()
	}
	return labellingv1.Disposition_DISPOSITION_UNSPECIFIED, ""
}
