package seed

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/identifier"
)

// Kinds of step, in the order of a Summary.
const (
	establishment = "establishment"
	filiere       = "filiere"
	cycle         = "cycle"
	platform      = "platform"
	network       = "network"
	attachment    = "attachment"
	act           = "act"
	centre        = "centre"
	grant         = "grant"
	renewal       = "renewal"
	confirmation  = "confirmation"
	assertion     = "assertion"
	rename        = "renaming"
	succession    = "succession"
	move          = "move"
	opening       = "opening"
	office        = "office"
	departure     = "departure"
	approval      = "approval"
	campaign      = "campaign"
	outcome       = "outcome"
	nationalPlan  = "plan"
	axes          = "axes"
	extension     = "extension"
	missions      = "missions"
	territories   = "territory"
	host          = "host"
	contact       = "contact"
	legalEntity   = "legal entity"
	link          = "link"
)

var kinds = []string{
	establishment, filiere, cycle, platform, network, attachment, rename, succession, act, centre, move, grant, renewal, confirmation, opening,
	host, territories, contact, legalEntity, link, nationalPlan, axes, extension, missions,
	office, departure, approval, campaign, outcome, assertion,
}

const (
	assigned     = "assigned by the compiler"
	collaborator = "COLLABORATOR"
)

var roles = map[string]labellingv1.Role{
	"COORDINATOR":             labellingv1.Role_ROLE_COORDINATOR,
	"CONSTITUTIVE":            labellingv1.Role_ROLE_CONSTITUTIVE,
	"REFERENCE":               labellingv1.Role_ROLE_REFERENCE,
	"COMPETENCE":              labellingv1.Role_ROLE_COMPETENCE,
	"RESOURCE_AND_COMPETENCE": labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE,
}

var actKinds = map[string]labellingv1.ActKind{
	"arrêté":              labellingv1.ActKind_ACT_KIND_ARRETE,
	"circulaire":          labellingv1.ActKind_ACT_KIND_CIRCULAIRE,
	"instruction":         labellingv1.ActKind_ACT_KIND_INSTRUCTION,
	"note":                labellingv1.ActKind_ACT_KIND_NOTE,
	"note d’information":  labellingv1.ActKind_ACT_KIND_NOTE,
	"note d'information":  labellingv1.ActKind_ACT_KIND_NOTE,
	"décret":              labellingv1.ActKind_ACT_KIND_DECRET,
	"appel à projets":     labellingv1.ActKind_ACT_KIND_CALL,
	"lettre":              labellingv1.ActKind_ACT_KIND_LETTER,
	"décision de justice": labellingv1.ActKind_ACT_KIND_RULING,
	"décision":            labellingv1.ActKind_ACT_KIND_DECISION,
}

// step is one request. Where it needs the id of what an earlier step registers,
// the field holds a reference to that step's key instead.
type step struct {
	kind  string
	key   string // unique in a plan
	about row    // the row it comes from
	req   proto.Message
	after []string // keys of steps to be done before, besides those it refers to
	level int      // steps of one level do not depend on each other
	site  string   // key of the site whose id it makes known, empty for none
}

const refMark = "\x00"

// ref is a reference to the entity that the step of a key registers.
func ref(k string) string { return refMark + k }

// key joins the parts of a natural key, compared without case and accents.
func key(parts ...string) string {
	folded := make([]string, len(parts))
	for i, p := range parts {
		folded[i] = identifier.Fold(p)
	}
	return join(folded...)
}

// join joins parts of a key that are folded already or told apart to the letter.
func join(parts ...string) string { return strings.Join(parts, "\x1f") }

// planner derives the steps of a directory.
type planner struct {
	files   *files
	names   *names
	steps   []step
	byKey   map[string]int             // index into steps, by key and by key of a site
	towns   map[string][]town          // hospitals registered, by folded name
	aliases map[string]string          // key of a cycle, by folded code and alias
	spans   map[string]*eventv1.Period // by key of the cycle
	years   map[string][2]string       // first and last year of a cycle of cycles.csv, by its key
	acts    []named                    // the acts, by title
	moved   map[string]string          // spot that a team left, by the spot it moved to
	sites   []*site                    // in the order of centres.csv
	offices map[string][]*tenure       // offices taken, in order, by key of the holder
	// Key of the campaign of a cycle, by the cycle's key.
	campaigns map[string]string
	renamings map[string]string // the last renaming of a hospital, by the hospital's key
	wrong     Problems          // rows that name what is not in the files
}

type town struct{ city, key string }

// plan derives all steps, in an order in which each comes after those it needs.
// spans is the periods of the cycles that the register holds, by the key of their
// step; they serve for cycles that the files only name. Its error is Problems where
// a row names something that is not in the files.
func plan(f *files, spans map[string]*eventv1.Period) ([]step, error) {
	p := &planner{
		files: f, names: personsIn(f), byKey: map[string]int{}, towns: map[string][]town{},
		aliases: map[string]string{}, spans: maps.Clone(spans), years: map[string][2]string{},
		moved: map[string]string{}, offices: map[string][]*tenure{}, campaigns: map[string]string{},
		renamings: map[string]string{},
	}
	if p.spans == nil {
		p.spans = map[string]*eventv1.Period{}
	}
	p.establishments()
	p.filieres()
	p.cycles()
	p.platforms()
	p.networks()
	p.recordActs()
	p.centres()
	p.plans()
	p.missions()
	p.changes()
	p.figures()
	if len(p.wrong) > 0 {
		return nil, p.wrong
	}
	return p.steps, p.settle()
}

// add appends a step, unless one of the same key is already there, and returns its
// key.
func (p *planner) add(kind, k string, about row, req proto.Message, after ...string) string {
	k = join(kind, k)
	if _, there := p.byKey[k]; !there {
		p.byKey[k] = len(p.steps)
		p.steps = append(p.steps, step{kind: kind, key: k, about: about, req: req, after: after})
	}
	return k
}

// alias makes a second key, of a site, known by what a step answers.
func (p *planner) alias(site, k string) {
	p.byKey[site] = p.byKey[k]
	p.steps[p.byKey[k]].site = site
}

// settle gives each step its level and its request_id.
func (p *planner) settle() error {
	for i := range p.steps {
		s := &p.steps[i]
		err := replaceRefs(s.req, func(k string) (string, error) {
			s.after = append(s.after, k)
			return ref(k), nil
		})
		if err != nil {
			return err
		}
		for _, k := range s.after {
			j, there := p.byKey[k]
			if !there || j >= i {
				return fmt.Errorf("step %q comes before %q, which it needs", s.key, k)
			}
			s.level = max(s.level, p.steps[j].level+1)
		}
		if err := identify(s); err != nil {
			return err
		}
	}
	slices.SortStableFunc(p.steps, func(a, b step) int { return cmp.Compare(a.level, b.level) })
	return nil
}

// identify sets a request_id that is a digest of the step with its references
// unresolved: the same row asks the same thing under the same id for ever.
func identify(s *step) error {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.req)
	if err != nil {
		return fmt.Errorf("step %q: %w", s.key, err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s%d\n%s", len(s.key), s.key, len(body), body)
	m := s.req.ProtoReflect()
	m.Set(requestID(m), protoreflect.ValueOfString(requestPrefix+hex.EncodeToString(h.Sum(nil))[:40]))
	return nil
}

const requestPrefix = "seed-"

func requestID(m protoreflect.Message) protoreflect.FieldDescriptor {
	return m.Descriptor().Fields().ByName("request_id")
}

// replaceRefs replaces every reference in a message by what resolve returns.
func replaceRefs(m proto.Message, resolve func(key string) (string, error)) error {
	return replaceIn(m.ProtoReflect(), resolve)
}

func replaceIn(m protoreflect.Message, resolve func(string) (string, error)) (err error) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() != nil && fd.IsList():
			for i := range v.List().Len() {
				if err = replaceIn(v.List().Get(i).Message(), resolve); err != nil {
					return false
				}
			}
		case fd.Message() != nil:
			err = replaceIn(v.Message(), resolve)
		case fd.Kind() == protoreflect.StringKind && fd.IsList():
			for i := range v.List().Len() {
				if k, is := strings.CutPrefix(v.List().Get(i).String(), refMark); is {
					var id string
					if id, err = resolve(k); err != nil {
						return false
					}
					v.List().Set(i, protoreflect.ValueOfString(id))
				}
			}
		case fd.Kind() == protoreflect.StringKind:
			if k, is := strings.CutPrefix(v.String(), refMark); is {
				var id string
				if id, err = resolve(k); err == nil {
					m.Set(fd, protoreflect.ValueOfString(id))
				}
			}
		}
		return err == nil
	})
	return err
}

// basis is what a row gives as the ground of a fact: its source and note without
// names of persons, and the named columns as printed.
func (p *planner) basis(r row, evidence eventv1.Evidence, printed ...string) *eventv1.Basis {
	b := &eventv1.Basis{Source: p.names.removed(r.get("source")), Evidence: evidence, Note: p.names.removed(r.get("note"))}
	for _, c := range printed {
		if v := r.get(c); v != "" {
			b.AsPrinted = append(b.AsPrinted, &eventv1.Printed{Field: c, Value: v})
		}
	}
	return b
}

// finessKind is what the FINESS number of a hospital's row names.
func finessKind(r row) topologyv1.FinessKind {
	switch {
	case r.get("finess") == "":
		return topologyv1.FinessKind_FINESS_KIND_UNSPECIFIED
	case r.get("finess_kind") == "legal entity":
		return topologyv1.FinessKind_FINESS_KIND_LEGAL_ENTITY
	default:
		return topologyv1.FinessKind_FINESS_KIND_SITE
	}
}

func (p *planner) establishments() {
	for _, r := range p.files.rows["establishments.csv"] {
		place := placeOf(r.get("city"), r.get("department_code"), "")
		if code := r.get("insee_commune"); code != "" || r.get("latitude") != "" {
			if place == nil {
				place = &topologyv1.Place{}
			}
			place.CommuneCode = code
		}
		if r.get("latitude") != "" {
			place.Latitude, _ = strconv.ParseFloat(r.get("latitude"), 64)   // checked
			place.Longitude, _ = strconv.ParseFloat(r.get("longitude"), 64) // checked
			place.PointSource = r.get("coordinates_source")
		}
		p.hospital(r, r.get("name"), r.get("city"), &topologyv1.RegisterEstablishmentRequest{
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, "region", "finess", "finess_kind", "finess_source"),
			Name:  r.get("name"), ValidFrom: r.get("valid_from"),
			Finess: r.get("finess"), FinessKind: finessKind(r),
			Place: place,
		})
	}
	// Rows without a town last: they mean the only hospital of their name, which
	// is known once all are.
	for _, withTown := range []bool{true, false} {
		for _, by := range []struct{ file, column string }{
			{"centres.csv", "establishment"}, {"fsmr.csv", "coordinating_establishment"}, {"platforms.csv", "host_establishment"},
		} {
			for _, r := range p.files.rows[by.file] {
				if (r.get("city") != "") == withTown {
					p.named(r, by.column)
				}
			}
		}
	}
}

func (p *planner) hospital(r row, name, city string, req *topologyv1.RegisterEstablishmentRequest) {
	k := p.add(establishment, key(name, city), r, req)
	folded := identifier.Fold(name)
	p.towns[folded] = append(p.towns[folded], town{identifier.Fold(city), k})
}

// named registers the hospital that a column names, where no earlier row did.
func (p *planner) named(r row, column string) {
	name := r.get(column)
	if name == "" || p.hospitalOf(r, column) != "" {
		return
	}
	p.hospital(r, name, r.get("city"), &topologyv1.RegisterEstablishmentRequest{
		Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, column, "city", "department_code"),
		Name:  name,
		Place: placeOf(r.get("city"), r.get("department_code"), ""),
	})
}

// hospitalOf returns the key of the hospital that a column names: the one of that
// name in the row's town or, where the row gives no town, the only one of that
// name.
func (p *planner) hospitalOf(r row, column string) string {
	towns := p.towns[identifier.Fold(r.get(column))]
	city := identifier.Fold(r.get("city"))
	for _, t := range towns {
		if t.city == city {
			return t.key
		}
	}
	if city == "" && len(towns) == 1 {
		return towns[0].key
	}
	return ""
}

// hospitalRef is a reference to the hospital a column names, empty where it names
// none.
func (p *planner) hospitalRef(r row, column string) string {
	if r.get(column) == "" {
		return ""
	}
	return ref(p.hospitalOf(r, column))
}

func placeOf(city, department, territory string) *topologyv1.Place {
	if city == "" && department == "" && territory == "" {
		return nil
	}
	if d, ok := identifier.Department(department); ok {
		department = d.Code
	}
	return &topologyv1.Place{City: city, DepartmentCode: department, Territory: territory}
}

func (p *planner) filieres() {
	for _, r := range p.files.rows["fsmr.csv"] {
		k := p.add(filiere, key(r.get("acronym")), r, &topologyv1.RegisterFiliereRequest{
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED,
				"acronym", "name", "coordinating_establishment", "city", "website", "european_reference_network", "created_year"),
			Acronym:         r.get("acronym"),
			Name:            r.get("name"),
			EstablishmentId: p.hospitalRef(r, "coordinating_establishment"),
			Website:         r.get("website"),
		})
		if ern := r.get("european_reference_network"); ern != "" {
			p.add(link, join(k, key(ern)), r, &topologyv1.DeclareLinkRequest{
				Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, "european_reference_network"),
				Kind:  topologyv1.LinkKind_LINK_KIND_ERN, FromId: ref(k), Code: ern,
			})
		}
	}
	for _, r := range p.files.rows["centres.csv"] {
		if acronym := r.get("fsmr"); acronym != "" {
			p.add(filiere, key(acronym), r, &topologyv1.RegisterFiliereRequest{
				Basis: p.basis(r, filiereEvidence(r), "fsmr", "fsmr_evidence"), Acronym: acronym,
			})
		}
	}
}

func filiereEvidence(r row) eventv1.Evidence {
	if r.get("fsmr_evidence") == assigned {
		return eventv1.Evidence_EVIDENCE_PROPOSED
	}
	return eventv1.Evidence_EVIDENCE_STATED
}

// cycles registers each cycle of cycles.csv, then those that only centres.csv
// names, of which nothing but the code is known.
func (p *planner) cycles() {
	var codes []string
	rowsOf := map[string][]row{}
	for _, r := range p.files.rows["cycles.csv"] {
		c := r.get("cycle")
		if rowsOf[c] == nil {
			codes = append(codes, c)
		}
		rowsOf[c] = append(rowsOf[c], r)
	}
	for _, code := range codes {
		about := rowsOf[code][0]
		req := &labellingv1.RegisterCycleRequest{
			Code: code, Period: span(rowsOf[code]), Aliases: aliasesIn(code, rowsOf[code]),
			Basis: p.basis(about, eventv1.Evidence_EVIDENCE_STATED, "cycle", "label", "start_year", "end_year"),
		}
		k := p.add(cycle, key(code), about, req)
		p.spans[k] = req.Period
		p.years[k] = years(rowsOf[code])
		for _, name := range append([]string{code}, req.Aliases...) {
			if f := identifier.Fold(name); p.aliases[f] == "" {
				p.aliases[f] = k
			}
		}
	}
	for _, r := range p.files.rows["centres.csv"] {
		code := r.get("cycle")
		if code == "" || p.aliases[identifier.Fold(code)] != "" {
			continue
		}
		p.aliases[identifier.Fold(code)] = p.add(cycle, key(code), r, &labellingv1.RegisterCycleRequest{
			Code: code, Basis: p.basis(r, evidence(r), "cycle", "cycle_evidence"),
		})
	}
}

// cycleOf is the key of the cycle a name means, empty for none.
func (p *planner) cycleOf(name string) string {
	if name == "" {
		return ""
	}
	return p.aliases[identifier.Fold(name)]
}

// dating is the rows of a cycle that say when it was: those that give an end where
// there are any.
func dating(rows []row) []row {
	ended := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.get("end_year") == "" })
	if len(ended) > 0 {
		return ended
	}
	return rows
}

// years is the first and the last year that the rows of a cycle speak of, empty for none.
func years(rows []row) [2]string {
	var out [2]string
	for _, r := range dating(rows) {
		if s := r.get("start_year"); s != "" && (out[0] == "" || s < out[0]) {
			out[0] = s
		}
		out[1] = max(out[1], r.get("start_year"), r.get("end_year"))
	}
	return out
}

// span is the period that the rows of a cycle state, nil for none.
func span(rows []row) *eventv1.Period {
	out := &eventv1.Period{}
	for _, r := range dating(rows) {
		if s := r.get("start_year"); s != "" && (out.Start == "" || s < out.Start) {
			out.Start = s
		}
		out.End = max(out.End, r.get("end_year"))
	}
	if out.Start == "" && out.End == "" {
		return nil
	}
	return out
}

var (
	periodNote = regexp.MustCompile(`write the period ([^;]*)`)
	yearsName  = regexp.MustCompile(`\b[0-9]{4}-[0-9]{4}\b`)
)

func aliasesIn(code string, rows []row) []string {
	var out []string
	for _, r := range rows {
		for _, m := range periodNote.FindAllString(r.get("note"), -1) {
			for _, name := range yearsName.FindAllString(m, -1) {
				if name != code && !slices.Contains(out, name) {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

func (p *planner) platforms() {
	for _, r := range p.files.rows["platforms.csv"] {
		kind, held := topologyv1.PlatformKind_PLATFORM_KIND_PEMR, labellingv1.Role_ROLE_PEMR
		if r.get("kind") == "PCOM" {
			kind, held = topologyv1.PlatformKind_PLATFORM_KIND_PCOM, labellingv1.Role_ROLE_PCOM
		}
		req := &topologyv1.RegisterPlatformRequest{
			Basis: p.basis(r, eventv1.Evidence_EVIDENCE_STATED, "name", "kind", "host_establishment", "city", "region", "wave_year"),
			Name:  r.get("name"), Kind: kind, Place: placeOf(r.get("city"), "", r.get("region")),
		}
		if host := p.hospitalRef(r, "host_establishment"); host != "" {
			req.EstablishmentIds = []string{host}
		}
		k := p.add(platform, key(r.get("name")), r, req)
		how := eventv1.Evidence_EVIDENCE_STATED
		if strings.Contains(r.get("note"), "deduced") {
			how = eventv1.Evidence_EVIDENCE_INFERRED
		}
		label := &labellingv1.Grant{
			Holder: &labellingv1.Grant_PlatformId{PlatformId: ref(k)}, Role: held,
			Period: &eventv1.Period{Start: r.get("wave_year")},
		}
		if wave := p.cycleOf(r.get("wave_year") + "-PEMR"); wave != "" {
			label.CycleId = ref(wave)
		}
		p.add(grant, k, r, &labellingv1.GrantLabelRequest{Basis: p.basis(r, how, "kind", "wave_year"), Grant: label})
	}
}

// networks registers each network, with the first filière that a source names for
// it or, failing that, the one the compiler assigned it as a proposal beside it.
func (p *planner) networks() {
	rowsOf := map[string][]row{}
	var order []string
	for _, r := range p.files.rows["centres.csv"] {
		k := p.files.network(r)
		if rowsOf[k] == nil {
			order = append(order, k)
		}
		rowsOf[k] = append(rowsOf[k], r)
	}
	for _, n := range order {
		rows := rowsOf[n]
		best := bestFiliere(rows)
		about := rows[max(0, slices.IndexFunc(rows, func(r row) bool { return r.get("acronym") != "" }))]
		req := &topologyv1.RegisterNetworkRequest{Title: about.get("network"), Acronym: about.get("acronym")}
		if first, was := p.firstName(n); was {
			req.Title, req.Acronym = first.get("network"), first.get("acronym")
		}
		if best >= 0 && filiereEvidence(rows[best]) == eventv1.Evidence_EVIDENCE_STATED {
			about = rows[best]
			req.FiliereId = ref(join(filiere, key(about.get("fsmr"))))
		}
		req.Basis = p.basis(about, eventv1.Evidence_EVIDENCE_STATED, "network", "acronym", "fsmr", "fsmr_evidence")
		k := p.add(network, n, about, req)
		if best < 0 {
			continue
		}
		if req.FiliereId == "" {
			p.add(attachment, n, rows[best], &topologyv1.AttachNetworkRequest{
				NetworkId: ref(k), FiliereId: ref(join(filiere, key(rows[best].get("fsmr")))),
				Basis: p.basis(rows[best], eventv1.Evidence_EVIDENCE_PROPOSED, "fsmr", "fsmr_evidence"),
			})
		}
		for _, r := range rows {
			if f := r.get("fsmr"); f != "" && key(f) != key(rows[best].get("fsmr")) {
				p.assert(k, "filiere", f, r, p.basis(r, filiereEvidence(r), "fsmr", "fsmr_evidence"))
			}
		}
	}
}

// bestFiliere is the row that best says which filière a network belongs to, -1 for
// none.
func bestFiliere(rows []row) int {
	best := -1
	for i, r := range rows {
		if r.get("fsmr") == "" {
			continue
		}
		if r.get("fsmr_evidence") != assigned {
			return i
		}
		if best < 0 {
			best = i
		}
	}
	return best
}

// assert records what a row says beside the record about the entity of a key.
func (p *planner) assert(entity, field, value string, r row, b *eventv1.Basis) string {
	return p.add(assertion, join(entity, field, value, r.get("cycle"), r.get("source")), r,
		&labellingv1.RecordAssertionRequest{EntityId: ref(entity), Field: field, Value: value, Basis: b})
}
