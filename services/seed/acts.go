package seed

import (
	"strconv"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

// named is a title and the key of the step that records what bears it.
type named struct{ title, key string }

func (p *planner) recordActs() {
	for i, r := range p.files.rows["cycles.csv"] {
		if r.get("legal_title") == "" {
			continue
		}
		req := &labellingv1.RecordActRequest{
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_ACT_CITED,
				"cycle", "label", "start_year", "end_year", "legal_kind", "legal_title", "nor", "signed", "published"),
			Kind: actKinds[r.get("legal_kind")], Title: r.get("legal_title"), Nor: r.get("nor"), Authority: r.get("authority"),
			SignedDate: r.get("signed"), CycleId: ref(p.cycleOf(r.get("cycle"))),
		}
		if r.get("evidence") == "inferred" {
			req.Basis.Evidence = eventv1.Evidence_EVIDENCE_INFERRED
		}
		for d := range strings.SplitSeq(r.get("published"), ";") {
			if d = strings.TrimSpace(d); d != "" {
				req.Publications = append(req.Publications, &labellingv1.Publication{Date: d})
			}
		}
		if r.get("legal_kind") == "arrêté" && !strings.Contains(r.get("legal_title"), "portant création") {
			req.Scope = []*labellingv1.ScopeCell{{Coverage: labellingv1.Coverage_COVERAGE_PARTIAL}}
		}
		k := p.add(act, key(r.get("cycle"), r.get("legal_title"), strconv.Itoa(ordinal(p.files.rows["cycles.csv"][:i], r))), r, req)
		p.acts = append(p.acts, named{identifier.Fold(r.get("legal_title")), k})
	}
}

// actOf returns the key of the act that a row cites by its title or the beginning of it,
// empty for none.
func (p *planner) actOf(r row) string {
	cited := identifier.Fold(r.get("act"))
	if cited == "" {
		return ""
	}
	var whole, begun []string
	for _, a := range p.acts {
		switch {
		case a.title == cited:
			whole = append(whole, a.key)
		case strings.HasPrefix(a.title, cited):
			begun = append(begun, a.key)
		}
	}
	if len(whole) == 0 {
		whole = begun
	}
	return p.only(r, "act", whole)
}

// only returns the one key that a cell may mean; none or several are a problem.
func (p *planner) only(r row, column string, keys []string) string {
	switch len(keys) {
	case 1:
		return keys[0]
	case 0:
		p.wrong = append(p.wrong, r.problem(column, NoMatch, ""))
	default:
		p.wrong = append(p.wrong, r.problem(column, SeveralMatch, "%d", len(keys)))
	}
	return ""
}

// cite makes a basis rest on the act that the row cites.
func (p *planner) cite(b *eventv1.Basis, r row) *eventv1.Basis {
	if k := p.actOf(r); k != "" {
		b.ActId, b.Evidence = ref(k), eventv1.Evidence_EVIDENCE_ACT_CITED
		if r.get("act_evidence") == "inferred" {
			b.Evidence = eventv1.Evidence_EVIDENCE_INFERRED
		}
	}
	return b
}

// ordinal is how many rows before are about an act of the same cycle and title.
func ordinal(before []row, r row) int {
	n := 0
	for _, b := range before {
		if b.get("cycle") == r.get("cycle") && b.get("legal_title") == r.get("legal_title") {
			n++
		}
	}
	return n
}
