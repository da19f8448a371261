package lens

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/bitemporal"
	"maillage/services/labelling"
)

// Todo finds what waits for an officer on the day: identities that stayed undetermined,
// posts vacant or held without approval, seats unlike their act, labels in abeyance, labels
// that nothing ended on what is closed, and drafts and reports waiting for another person.
// Since when the last two wait is left to be told, by the positions since which they do.
func (l Lens) Todo() (items []*registryv1.TodoItem, waiting map[string]uint64) {
	t := &todo{lens: l, waiting: map[string]uint64{}}
	t.identities()
	t.offices()
	t.labels()
	t.drafts()
	t.reports()
	slices.SortFunc(t.items, func(a, b *registryv1.TodoItem) int {
		return cmp.Or(
			int(a.GetKind()-b.GetKind()), strings.Compare(a.GetName(), b.GetName()),
			strings.Compare(a.GetEntityId(), b.GetEntityId()), strings.Compare(a.GetMessage(), b.GetMessage()),
		)
	})
	return t.items, t.waiting
}

type todo struct {
	lens    Lens
	items   []*registryv1.TodoItem
	waiting map[string]uint64 // for another person, since a position
}

func (t *todo) add(item *registryv1.TodoItem) { t.items = append(t.items, item) }

// identities is the assertions that a plan leaves of a line nobody could identify, until
// they are settled.
func (t *todo) identities() {
	l, all := t.lens, &t.lens.s.Labelling.Assertions
	for key := range all.IDs() {
		a, known := all.At(key, l.m.valid, l.m.known)
		if !known || a.GetField() != labelling.UndeterminedLine || a.GetSettlement() != labellingv1.Settlement_SETTLEMENT_UNSPECIFIED {
			continue
		}
		t.add(&registryv1.TodoItem{
			Kind: registryv1.TodoKind_TODO_KIND_IDENTITY, EntityId: a.GetEntityId(), Name: l.entityName(a.GetEntityId()),
			Message: "The line stayed undetermined: " + a.GetValue(), Position: a.GetPosition(),
			Since: a.GetBasis().GetSeenDate(), ActId: a.GetBasis().GetActId(),
		})
	}
}

// entityName is what anything is called that an assertion can be about.
func (l Lens) entityName(id string) string {
	if label, known := l.s.Labelling.Label(id, l.m.known); known {
		return l.labelName(label)
	}
	act, _ := l.s.Labelling.Acts.At(id, l.m.valid, l.m.known)
	centre := near(&l.s.Topology.Centres, id, l.m)
	return cmp.Or(
		act.GetTitle(), near(&l.s.Topology.Establishments, id, l.m).GetName(), centre.GetName(),
		l.printPlace(centre.GetPlace(), centre.GetEstablishmentIds()), l.holderName(id),
	)
}

// offices is the posts vacant on the day and those held on it without approval.
func (t *todo) offices() {
	l, lab := t.lens, &t.lens.s.Labelling
	type post struct {
		holder string
		kind   labellingv1.OfficeKind
	}
	seen := map[post]bool{}
	for id := range lab.Offices.IDs() {
		o, known := lab.Offices.Last(id, l.m.known)
		if !known {
			continue
		}
		what := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(o.GetKind().String(), "OFFICE_KIND_"), "_", " "))
		if heldOn(o.GetPeriod(), l.m.valid) && o.GetApproval() == labellingv1.Approval_APPROVAL_UNSPECIFIED {
			t.add(&registryv1.TodoItem{
				Kind: registryv1.TodoKind_TODO_KIND_APPROVAL, EntityId: id, Name: l.holderName(o.GetHolderId()),
				Message: fmt.Sprintf("The %s is held without approval.", what),
				Since:   o.GetPeriod().GetStart(), ActId: lastAct(o.GetBasis()),
			})
		}
		p := post{o.GetHolderId(), o.GetKind()}
		if seen[p] {
			continue
		}
		seen[p] = true
		if since, vacant := lab.VacantSince(p.holder, p.kind, l.m.valid, l.m.known); vacant {
			t.add(&registryv1.TodoItem{
				Kind: registryv1.TodoKind_TODO_KIND_VACANCY, EntityId: p.holder, Name: l.holderName(p.holder),
				Message: fmt.Sprintf("The post of %s is vacant.", what), Since: since,
			})
		}
	}
}

func lastAct(basis []*eventv1.Basis) string {
	for _, b := range slices.Backward(basis) {
		if b.GetActId() != "" {
			return b.GetActId()
		}
	}
	return ""
}

// labels is what is odd of labels on the day.
func (t *todo) labels() {
	l := t.lens
	for _, one := range l.snapshot() {
		label, status := one.label, one.status
		switch {
		case status == labellingv1.Status_STATUS_IN_ABEYANCE:
			t.closed(label)
			t.add(&registryv1.TodoItem{
				Kind: registryv1.TodoKind_TODO_KIND_ABEYANCE, EntityId: label.GetLabelId(), Name: l.labelName(label),
				Message: "The term is reached and nothing is decided.", Since: label.GetPeriod().GetEnd(),
			})
		case inForce(status):
			t.closed(label)
			t.seat(label)
		case status == labellingv1.Status_STATUS_SUSPENDED || status == labellingv1.Status_STATUS_UNDETERMINED:
			t.closed(label)
		}
	}
}

// closed is a label that nothing ended, of which whoever holds it or where is closed for
// sure on the day: its centre and network, or filière or platform, and their hospitals. It
// waits once, since the first of them closed as far as that is known.
func (t *todo) closed(label *labellingv1.Label) {
	topo, m, holder := &t.lens.s.Topology, t.lens.m, label.GetHolder()
	centre := near(&topo.Centres, holder.GetSite().GetCentreId(), m)
	filiere := near(&topo.Filieres, holder.GetFiliereId(), m)
	platform := near(&topo.Platforms, holder.GetPlatformId(), m)
	var what []string
	since := ""
	look := func(name string, one lineage) {
		if !t.isClosed(one) {
			return
		}
		if !slices.Contains(what, name) {
			what = append(what, name)
		}
		if day := one.GetClosedFrom(); since == "" || day != "" && day < since {
			since = day
		}
	}
	look("centre", centre)
	look("network", near(&topo.Networks, networkOf(label), m))
	look("filière", filiere)
	look("platform", platform)
	for _, id := range slices.Concat(centre.GetEstablishmentIds(), ids(filiere.GetEstablishmentId()), platform.GetEstablishmentIds()) {
		look("hospital", near(&topo.Establishments, id, m))
	}
	if len(what) == 0 {
		return
	}
	verb := "is"
	if len(what) > 1 {
		verb = "are"
	}
	t.add(&registryv1.TodoItem{
		Kind: registryv1.TodoKind_TODO_KIND_CLOSED, EntityId: label.GetLabelId(), Name: t.lens.labelName(label),
		Message: fmt.Sprintf("The label stands and its %s %s closed.", strings.Join(what, " and "), verb), Since: since,
	})
}

func (t *todo) isClosed(one lineage) bool {
	_, by, err := bitemporal.Span(one.GetClosedFrom())
	return one.GetClosed() && err == nil && (one.GetClosedFrom() == "" || by <= t.lens.m.valid)
}

// seat is a label in force whose centre is, on the day, in none of the hospitals that
// the last of its acts prints, by any name these ever had.
func (t *todo) seat(label *labellingv1.Label) {
	l := t.lens
	printed, act := printedHospital(label.GetBasis())
	if printed == "" {
		return
	}
	sought := searchFor(printed, folder{})
	centre := near(&l.s.Topology.Centres, label.GetHolder().GetSite().GetCentreId(), l.m)
	if len(centre.GetEstablishmentIds()) == 0 {
		return
	}
	for _, id := range centre.GetEstablishmentIds() {
		for _, v := range l.s.Topology.Establishments.Versions(id, l.m.known) {
			name := v.Value.GetName()
			called := searchFor(name, sought.folder)
			if len(called.words) == 0 || sought.finds([]string{name}, "") || called.finds([]string{printed}, "") {
				return
			}
		}
	}
	t.add(&registryv1.TodoItem{
		Kind: registryv1.TodoKind_TODO_KIND_SEAT, EntityId: label.GetLabelId(), Name: l.labelName(label),
		Message: fmt.Sprintf("Its act prints %s, its centre is in %s.", printed, l.printPlace(nil, centre.GetEstablishmentIds())),
		ActId:   act,
	})
}

// printedHospital is the hospital as the last act prints it that a label rests on.
func printedHospital(basis []*eventv1.Basis) (name, act string) {
	for _, b := range slices.Backward(basis) {
		if b.GetActId() == "" {
			continue
		}
		for _, p := range b.GetAsPrinted() {
			switch (folder{}).fold(p.GetField()) {
			case "establishment", "etablissement", "etablissement de sante", "hospital", "hopital":
				return p.GetValue(), b.GetActId()
			}
		}
		return "", ""
	}
	return "", ""
}

// drafts is those that wait since they were prepared.
func (t *todo) drafts() {
	all := &t.lens.s.Labelling.Drafts
	for id := range all.IDs() {
		d, known := all.Last(id, t.lens.m.known)
		if !known || d.GetState() != labellingv1.DraftState_DRAFT_STATE_PREPARED {
			continue
		}
		t.waiting[id] = all.History(id)[0].KnownFrom
		t.add(&registryv1.TodoItem{
			Kind: registryv1.TodoKind_TODO_KIND_DRAFT, EntityId: id, Name: id,
			Message: "The draft waits for another person to approve or reject it.",
		})
	}
}

// reports is those of which nobody judged the latest revision, since it was submitted.
func (t *todo) reports() {
	l, all := t.lens, &t.lens.s.Activity.Reports
	for id := range all.IDs() {
		for _, v := range all.Versions(id, l.m.known) {
			r := v.Value
			if r.GetState() != activityv1.ReportState_REPORT_STATE_SUBMITTED {
				continue
			}
			period, _ := l.s.Activity.Periods.Last(r.GetPeriodId(), l.m.known)
			t.waiting[id] = v.KnownFrom
			t.add(&registryv1.TodoItem{
				Kind: registryv1.TodoKind_TODO_KIND_REPORT, EntityId: id, Name: l.holderName(labelling.HolderID(r.GetReporter())),
				Message: fmt.Sprintf("Revision %d of the report for %s waits for another person to validate it or send it back.", r.GetRevision(), period.GetCode()),
			})
		}
	}
}
