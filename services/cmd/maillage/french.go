package main

import (
	"fmt"
	"strings"
	"time"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
)

// word is a value of an enum in French, and what else it may be typed as.
type word[E ~int32] struct {
	value  E
	french string
	typed  []string
}

var roleWords = []word[labellingv1.Role]{
	{labellingv1.Role_ROLE_UNSPECIFIED, "non précisé", []string{"unspecified"}},
	{labellingv1.Role_ROLE_COORDINATOR, "coordonnateur", []string{"coordinator"}},
	{labellingv1.Role_ROLE_CONSTITUTIVE, "constitutif", []string{"constitutive"}},
	{labellingv1.Role_ROLE_REFERENCE, "référence", []string{"reference", "CRMR"}},
	{labellingv1.Role_ROLE_COMPETENCE, "compétence", []string{"competence", "CCMR"}},
	{labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE, "ressources et compétences", []string{"CRC", "CRCM", "resource and competence", "resource_and_competence"}},
	{labellingv1.Role_ROLE_FSMR, "FSMR", []string{"filière"}},
	{labellingv1.Role_ROLE_PEMR, "PEMR", nil},
	{labellingv1.Role_ROLE_PCOM, "PCOM", nil},
}

var statusWords = []word[labellingv1.Status]{
	{labellingv1.Status_STATUS_PLANNED, "à venir", []string{"planned", "prévu"}},
	{labellingv1.Status_STATUS_IN_FORCE, "en vigueur", []string{"in force", "in_force"}},
	{labellingv1.Status_STATUS_IN_ABEYANCE, "en suspens", []string{"in abeyance", "in_abeyance", "échu sans décision"}},
	{labellingv1.Status_STATUS_EXPIRED, "expiré", []string{"expired"}},
	{labellingv1.Status_STATUS_REPEALED, "abrogé", []string{"repealed"}},
	{labellingv1.Status_STATUS_SUPERSEDED, "remplacé", []string{"superseded"}},
	{labellingv1.Status_STATUS_UNDETERMINED, "indéterminé", []string{"undetermined"}},
	{labellingv1.Status_STATUS_LAPSED, "perdu par absence", []string{"lapsed", "caduc", "perdu"}},
	{labellingv1.Status_STATUS_EXTENDED, "prorogé", []string{"extended"}},
	{labellingv1.Status_STATUS_SUSPENDED, "suspendu", []string{"suspended"}},
	{labellingv1.Status_STATUS_WITHDRAWN, "retiré", []string{"withdrawn"}},
	{labellingv1.Status_STATUS_ANNULLED, "annulé", []string{"annulled"}},
	{labellingv1.Status_STATUS_VOIDED, "enregistré à tort", []string{"voided", "nul"}},
}

var evidenceWords = []word[eventv1.Evidence]{
	{eventv1.Evidence_EVIDENCE_ACT_READ, "lu dans l'acte", []string{"acte lu", "act read", "act_read"}},
	{eventv1.Evidence_EVIDENCE_ACT_CITED, "acte cité", []string{"act cited", "act_cited"}},
	{eventv1.Evidence_EVIDENCE_STATED, "énoncé", []string{"stated"}},
	{eventv1.Evidence_EVIDENCE_INFERRED, "déduit", []string{"inferred"}},
	{eventv1.Evidence_EVIDENCE_PROPOSED, "proposé", []string{"proposed"}},
}

var actKindWords = []word[labellingv1.ActKind]{
	{labellingv1.ActKind_ACT_KIND_ARRETE, "arrêté", nil},
	{labellingv1.ActKind_ACT_KIND_CIRCULAIRE, "circulaire", nil},
	{labellingv1.ActKind_ACT_KIND_INSTRUCTION, "instruction", nil},
	{labellingv1.ActKind_ACT_KIND_NOTE, "note", nil},
	{labellingv1.ActKind_ACT_KIND_DECRET, "décret", nil},
	{labellingv1.ActKind_ACT_KIND_CALL, "appel à projets", []string{"call"}},
	{labellingv1.ActKind_ACT_KIND_LETTER, "lettre", []string{"letter"}},
	{labellingv1.ActKind_ACT_KIND_RULING, "décision de justice", []string{"ruling"}},
	{labellingv1.ActKind_ACT_KIND_DECISION, "décision", []string{"decision"}},
}

var finessWords = []word[topologyv1.FinessKind]{
	{topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY, "entité juridique", []string{"EJ", "legal entity", "legal_entity"}},
	{topologyv1.FinessKind_FINESS_KIND_SITE, "entité géographique", []string{"ET", "site"}},
}

var populationWords = []word[topologyv1.Population]{
	{topologyv1.Population_POPULATION_CHILD, "enfants", []string{"child", "enfant"}},
	{topologyv1.Population_POPULATION_ADULT, "adultes", []string{"adult", "adulte"}},
	{topologyv1.Population_POPULATION_MIXED, "mixte", []string{"mixed"}},
}

var platformWords = []word[topologyv1.PlatformKind]{
	{topologyv1.PlatformKind_PLATFORM_KIND_PEMR, "PEMR", nil},
	{topologyv1.PlatformKind_PLATFORM_KIND_PCOM, "PCOM", nil},
}

var coverageWords = []word[labellingv1.Coverage]{
	{labellingv1.Coverage_COVERAGE_COMPLETE, "liste complète", []string{"complete", "complète"}},
	{labellingv1.Coverage_COVERAGE_PARTIAL, "liste partielle", []string{"partial", "partielle"}},
	{labellingv1.Coverage_COVERAGE_EXCLUDED, "exclue", []string{"excluded"}},
}

var unitWords = []word[labellingv1.ThresholdUnit]{
	{labellingv1.ThresholdUnit_THRESHOLD_UNIT_PATIENTS, "patients par an", nil},
	{labellingv1.ThresholdUnit_THRESHOLD_UNIT_VISITS, "venues par an", nil},
}

var assuranceWords = []word[eventv1.Assurance]{
	{eventv1.Assurance_ASSURANCE_DEVELOPMENT, "identité de développement", nil},
	{eventv1.Assurance_ASSURANCE_OIDC, "OpenID Connect", nil},
}

// inFrench is the French word for a value, empty where it says nothing.
func inFrench[E ~int32](words []word[E], v E) string {
	for _, w := range words {
		if w.value == v {
			return w.french
		}
	}
	return ""
}

// named is an enum of the contract: its names are those of our JSON.
type named interface {
	~int32
	fmt.Stringer
}

// parseWord reads a word as typed, in French, in English or as our JSON has it,
// without accents and case.
func parseWord[E named](words []word[E], text []byte) (E, error) {
	var known []string
	for _, w := range words {
		for _, s := range append([]string{w.french, w.value.String()}, w.typed...) {
			if identifier.Fold(s) == identifier.Fold(string(text)) {
				return w.value, nil
			}
		}
		known = append(known, w.french)
	}
	return 0, fmt.Errorf("%q n'est pas l'un de : %s", text, strings.Join(known, ", "))
}

type (
	roleFlag       labellingv1.Role
	statusFlag     labellingv1.Status
	evidenceFlag   eventv1.Evidence
	finessFlag     topologyv1.FinessKind
	populationFlag topologyv1.Population
	platformFlag   topologyv1.PlatformKind
)

func (f *roleFlag) UnmarshalText(b []byte) error { return parseInto(f, roleWords, b) }

func (f *statusFlag) UnmarshalText(b []byte) error { return parseInto(f, statusWords, b) }

func (f *evidenceFlag) UnmarshalText(b []byte) error { return parseInto(f, evidenceWords, b) }

func (f *finessFlag) UnmarshalText(b []byte) error { return parseInto(f, finessWords, b) }

func (f *populationFlag) UnmarshalText(b []byte) error { return parseInto(f, populationWords, b) }

func (f *platformFlag) UnmarshalText(b []byte) error { return parseInto(f, platformWords, b) }

func parseInto[F ~int32, E named](f *F, words []word[E], text []byte) error {
	v, err := parseWord(words, text)
	*f = F(v)
	return err
}

var paris = func() *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.UTC
	}
	return l
}()

// frDate is a date of reduced precision as an officer reads it: 17/05/2022, 05/2022,
// 2022.
func frDate(s string) string {
	parts := strings.Split(s, "-")
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, "/")
}

// frPeriod is a period as an officer reads it. The end of a period is the first day
// after it; where it is a full date, its last day is shown.
func frPeriod(p *eventv1.Period) string {
	start, end := "début inconnu", "fin inconnue"
	if p.GetStart() != "" {
		start = "depuis " + frDate(p.GetStart())
	}
	if p.GetEnd() != "" {
		end = "jusqu'en " + frDate(p.GetEnd())
		if d, err := bitemporal.ParseDate(p.GetEnd()); err == nil {
			end = "jusqu'au " + frDate((d - 1).String()) + " inclus"
		}
	}
	return start + ", " + end
}

// frSpan is a period in the width of a table: its first and its last day, as far as
// they are known.
func frSpan(p *eventv1.Period) string {
	start, end := "?", "?"
	if p.GetStart() != "" {
		start = frDate(p.GetStart())
	}
	if p.GetEnd() != "" {
		end = frDate(p.GetEnd())
		if d, err := bitemporal.ParseDate(p.GetEnd()); err == nil {
			end = frDate((d - 1).String())
		}
	}
	return start + " – " + end
}

var months = [...]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"}

func longDate(s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	dayOfMonth := fmt.Sprint(t.Day())
	if t.Day() == 1 {
		dayOfMonth = "1er"
	}
	return fmt.Sprintf("%s %s %d", dayOfMonth, months[t.Month()-1], t.Year())
}

// moment says for which moment an answer speaks.
func moment(r *registryv1.Resolved) string {
	out := fmt.Sprintf("Valable au %s, connu à la position %d", longDate(r.GetValidAt()), r.GetKnownPosition())
	switch {
	case r.GetKnownPosition() == 0:
		out = fmt.Sprintf("Valable au %s, connu avant l'ouverture du registre", longDate(r.GetValidAt()))
	case r.GetKnownTime() != nil:
		out += " (" + r.GetKnownTime().AsTime().In(paris).Format("02/01/2006 15:04:05") + ")"
	}
	if r.GetProvisional() {
		out += ", à titre provisoire"
	}
	return out
}

func lineCount(n int) string {
	if n < 2 {
		return fmt.Sprintf("%d ligne", n)
	}
	return fmt.Sprintf("%d lignes", n)
}
