package seed

import (
	"regexp"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	"maillage/services/identifier"
)

var fourDigits = regexp.MustCompile(`[0-9]{4}`)

// figures plans each published count as what a source says of what it is a count of.
// Counts that contradict each other stand side by side.
func (p *planner) figures() {
	for _, r := range p.files.rows["figures.csv"] {
		k := p.counted(r)
		if k == "" {
			continue
		}
		field := "count: " + r.get("kind")
		p.add(assertion, join(k, field, r.get("count"), r.get("year"), r.get("source")), r, &labellingv1.RecordAssertionRequest{
			EntityId: ref(k), Field: field, Value: r.get("count"),
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, "year", "kind", "scope", "count"),
		})
	}
}

// counted is the key of what a figure counts in: the filière or platform, the network behind a
// filière and a slash, the hospital of that name or, for France, the cycle of its years.
// Empty for any other scope.
func (p *planner) counted(r row) string {
	scope := r.get("scope")
	if identifier.Fold(scope) == identifier.Fold("France") {
		return p.cycleDuring(r)
	}
	for _, kind := range [...]string{filiere, platform} {
		if k := join(kind, key(scope)); p.planned(k) {
			return k
		}
	}
	if _, acronym, is := strings.Cut(scope, " / "); is {
		return p.networkOfAcronym(acronym)
	}
	if towns := p.towns[identifier.Fold(scope)]; len(towns) == 1 {
		return towns[0].key
	}
	return ""
}

// networkOfAcronym is the key of the only network of an acronym, empty for none.
func (p *planner) networkOfAcronym(acronym string) string {
	found := map[string]bool{}
	for _, r := range p.files.rows["centres.csv"] {
		if identifier.Fold(r.get("acronym")) == identifier.Fold(acronym) {
			found[join(network, p.files.network(r))] = true
		}
	}
	for k := range found {
		if len(found) == 1 {
			return k
		}
	}
	return ""
}

// cycleDuring is the key of the only cycle of cycles.csv within whose years a figure
// stands: of filières for FSMR, of platforms for PEMR and PCOM, of centres for all else.
func (p *planner) cycleDuring(r row) string {
	of := ""
	switch kind, _, _ := strings.Cut(r.get("kind"), " "); kind {
	case "FSMR":
		of = "-FSMR"
	case "PEMR", "PCOM":
		of = "-PEMR"
	}
	at := fourDigits.FindAllString(r.get("year"), -1)
	found := ""
	for _, c := range p.files.rows["cycles.csv"] {
		k := p.cycleOf(c.get("cycle"))
		within := len(at) > 0 && p.years[k][0] <= at[0] && at[len(at)-1] <= p.years[k][1]
		if !within || k == found || !ofKind(c.get("cycle"), of) {
			continue
		}
		if found != "" {
			return ""
		}
		found = k
	}
	return found
}

// ofKind tells whether a cycle's code ends in what it is of, or in nothing but years.
func ofKind(code, of string) bool {
	if of == "" {
		return !strings.HasSuffix(code, "-FSMR") && !strings.HasSuffix(code, "-PEMR")
	}
	return strings.HasSuffix(code, of)
}
