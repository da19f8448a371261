package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	activityv1 "maillage/proto/gen/maillage/activity/v1"
	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
)

// DiffCmd compares the register between two moments.
type DiffCmd struct {
	Client
	From    point  `required:"" placeholder:"DATE[,POSITION|INSTANT]" help:"Moment d'avant : un jour, tel que connu à une position ou un instant (à présent par défaut)."`
	To      point  `required:"" placeholder:"DATE[,POSITION|INSTANT]" help:"Moment d'après."`
	Filiere string `help:"Sigle ou identifiant."`
	Network string `help:"Sigle, intitulé ou identifiant."`
}

// point is a day and, after a comma, a position or an instant.
type point struct {
	valid day
	known knownAt
}

func (p *point) UnmarshalText(b []byte) error {
	valid, known, also := strings.Cut(string(b), ",")
	if err := p.valid.UnmarshalText([]byte(valid)); err != nil || !also {
		return err
	}
	return p.known.UnmarshalText([]byte(known))
}

func (p point) asOf() *registryv1.AsOf { return Moment{ValidAt: p.valid, KnownAt: p.known}.asOf() }

// Run prints what differs: what changed in the world, then what we learned better.
func (c *DiffCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).DiffRegister(ctx, &registryv1.DiffRegisterRequest{
			From: c.From.asOf(), To: c.To.asOf(), Filiere: c.Filiere, Network: c.Network,
		})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		for _, part := range []struct {
			title string
			items []*registryv1.Difference
		}{{"Le monde a changé", r.GetWorld()}, {"Nous savons mieux", r.GetLearned()}} {
			if err := chapter(a, part.title, part.items, diffColumns); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(a.stdout, "De : %s.\nÀ : %s.\n", moment(r.GetFrom()), moment(r.GetTo()))
		return err
	})
}

var diffColumns = []column[*registryv1.Difference]{
	{"Objet", whole, func(d *registryv1.Difference) string {
		return cmp.Or(entityWords[d.GetEntityKind()], d.GetEntityKind())
	}},
	{"Identifiant", whole, (*registryv1.Difference).GetEntityId},
	{"Nom", texts, func(d *registryv1.Difference) string { return contractText(d.GetName()) }},
	{"Différence", whole, func(d *registryv1.Difference) string { return inFrench(differenceWords, d.GetKind()) }},
	{"Ce qui change", texts, func(d *registryv1.Difference) string { return changesText(d.GetChanges()) }},
	{"Positions", texts, func(d *registryv1.Difference) string { return strings.Trim(fmt.Sprint(d.GetPositions()), "[]") }},
	{"Actes", texts, func(d *registryv1.Difference) string { return strings.Join(d.GetActIds(), ", ") }},
}

// changesText is changes as an officer reads them.
func changesText(all []*labellingv1.Change) string {
	var out []string
	for _, c := range all {
		name := cmp.Or(changeWords[c.GetField()], strings.TrimPrefix(c.GetField(), "values."))
		if c.GetBefore() == "" && c.GetAfter() == "" {
			out = append(out, name)
			continue
		}
		out = append(out, fmt.Sprintf("%s : %s → %s", name, cmp.Or(changeValue(c.GetField(), c.GetBefore()), "∅"), cmp.Or(changeValue(c.GetField(), c.GetAfter()), "∅")))
	}
	return strings.Join(out, " ; ")
}

// contractEnums are the words of the contract that values of changes are written with.
var contractEnums = map[protoreflect.Name]map[string]int32{
	"Role": labellingv1.Role_value, "Status": labellingv1.Status_value, "OperationState": labellingv1.OperationState_value,
	"OfficeKind": labellingv1.OfficeKind_value, "Approval": labellingv1.Approval_value, "DraftState": labellingv1.DraftState_value,
	"Subject": labellingv1.Subject_value, "ThresholdUnit": labellingv1.ThresholdUnit_value, "FinessKind": topologyv1.FinessKind_value,
	"Population": topologyv1.Population_value, "PlatformKind": topologyv1.PlatformKind_value, "LinkKind": topologyv1.LinkKind_value,
	"ReportState": activityv1.ReportState_value, "UndertakingKind": activityv1.UndertakingKind_value,
}

var contractWord = regexp.MustCompile(`\b[A-Z]+(?:_[A-Z]+)+\b`)

// contractText is a text of the register with the words of the contract in French.
func contractText(text string) string {
	return contractWord.ReplaceAllStringFunc(text, func(word string) string {
		for enum, values := range contractEnums {
			if v, is := values[word]; is {
				return enumText(enum, protoreflect.EnumNumber(v))
			}
		}
		return word
	})
}

// changeValue is the value of a change as an officer reads it.
func changeValue(field, value string) string {
	switch field {
	case "interim", "withdrawn", "annulled", "voided", "confirmed", "ended", "open", "cancelled":
		return yesNo(value == "true")
	case "opinions":
		return strings.NewReplacer(" true", " favorable", " false", " défavorable").Replace(value)
	}
	if start, end, is := strings.Cut(value, "/"); is && field == "period" {
		return frSpan(&eventv1.Period{Start: start, End: end})
	}
	if _, err := bitemporal.ParseDate(value); err == nil {
		return frDate(value)
	}
	return contractText(value)
}

func yesNo(is bool) string {
	if is {
		return "oui"
	}
	return "non"
}

// CoverageCmd tells who had no label on a day.
type CoverageCmd struct {
	Client
	Within  uint32 `placeholder:"JOURS" help:"Lister aussi les labels qui arrivent à terme dans ce délai."`
	Filiere string `help:"Sigle ou identifiant."`
	Moment
}

// Run prints it.
func (c *CoverageCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).GetCoverage(ctx, &registryv1.GetCoverageRequest{AsOf: c.asOf(), WithinDays: c.Within, Filiere: c.Filiere})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		for _, part := range []struct {
			title string
			items []*registryv1.CoverageEntry
		}{{"Sans label ce jour-là", r.GetUncovered()}, {"À terme prochainement", r.GetEnding()}, {"Vides comblés par une prorogation", r.GetBridged()}} {
			if err := chapter(a, part.title, part.items, coverageColumns); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(a.stdout, "Titulaires avec un label en vigueur : %d.\n%s.\n", r.GetCovered(), moment(r.GetResolved()))
		return err
	})
}

var coverageColumns = append([]column[*registryv1.CoverageEntry]{
	{"Jours", whole, func(e *registryv1.CoverageEntry) string {
		if e.GetDays() == 0 {
			return "?"
		}
		return fmt.Sprint(e.GetDays())
	}},
	{"Intervalle", whole, func(e *registryv1.CoverageEntry) string { return frSpan(e.GetGap()) }},
}, over(labelColumns, (*registryv1.CoverageEntry).GetEntry)...)

// over is the columns of what is within.
func over[T, U any](columns []column[U], within func(T) U) []column[T] {
	var out []column[T]
	for _, c := range columns {
		out = append(out, column[T]{c.title, c.cut, func(x T) string { return c.cell(within(x)) }})
	}
	return out
}

// CountCmd counts one unit.
type CountCmd struct {
	Client
	Unit    unitFlag `required:"" help:"réseau, site de référence, label, centre, établissement."`
	By      byFlag   `help:"rôle, filière, région, département, cycle."`
	WithCRC bool     `name:"with-crc" help:"Compter aussi les centres de ressources et de compétences."`
	Moment
}

// Run prints the count.
func (c *CountCmd) Run(a *app) error {
	return a.ask(func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := registryv1.NewRegistryServiceClient(conn).CountEntities(ctx, &registryv1.CountEntitiesRequest{
			AsOf: c.asOf(), Unit: registryv1.CountUnit(c.Unit), By: registryv1.CountBy(c.By), WithCrc: c.WithCRC,
		})
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(r)
		}
		crc := "sans les CRC"
		if r.GetWithCrc() {
			crc = "CRC compris"
		}
		columns := slices.Clone(countColumns)
		if by := inFrench(countByWords, registryv1.CountBy(c.By)); by != "" {
			columns[0].title = strings.ToUpper(by[:1]) + by[1:] // each begins with a letter without accent
		}
		rows, cut := table[*registryv1.CountRow]{columns: columns}.rows(append(r.GetRows(), &registryv1.CountRow{
			Name: "total, chacun une fois", InForce: r.GetTotal().GetInForce(), InAbeyance: r.GetTotal().GetInAbeyance(),
			Undetermined: r.GetTotal().GetUndetermined(), Announced: r.GetTotal().Announced,
		}))
		return a.printTable(rows, cut, fmt.Sprintf("Unité : %s, %s. %s.", inFrench(countUnitWords, r.GetUnit()), crc, moment(r.GetResolved())))
	})
}

var countColumns = []column[*registryv1.CountRow]{
	{"Valeur", texts, func(r *registryv1.CountRow) string {
		if v, is := labellingv1.Role_value[r.GetKey()]; is {
			return cmp.Or(inFrench(roleWords, labellingv1.Role(v)), "(inconnu)")
		}
		return cmp.Or(r.GetName(), r.GetKey(), "(inconnu)")
	}},
	{"En vigueur", whole, func(r *registryv1.CountRow) string { return fmt.Sprint(r.GetInForce()) }},
	{"En suspens", whole, func(r *registryv1.CountRow) string { return fmt.Sprint(r.GetInAbeyance()) }},
	{"Indéterminés", whole, func(r *registryv1.CountRow) string { return fmt.Sprint(r.GetUndetermined()) }},
	{"Annoncés", whole, func(r *registryv1.CountRow) string {
		if r.Announced == nil {
			return ""
		}
		return fmt.Sprint(r.GetAnnounced())
	}},
}

// TodoCmd lists what waits for an officer.
type TodoCmd struct {
	Client
	Moment
}

// Run prints the list.
func (c *TodoCmd) Run(a *app) error {
	return list(a, table[*registryv1.TodoItem]{columns: []column[*registryv1.TodoItem]{
		{"À faire", texts, func(x *registryv1.TodoItem) string { return inFrench(todoWords, x.GetKind()) }},
		{"Objet", whole, (*registryv1.TodoItem).GetEntityId},
		{"Nom", texts, (*registryv1.TodoItem).GetName},
		{"Détail", texts, func(x *registryv1.TodoItem) string { return todoText(x) }},
		{"Depuis", whole, func(x *registryv1.TodoItem) string { return frDate(x.GetSince()) }},
		{"Acte", whole, (*registryv1.TodoItem).GetActId},
	}}, func(ctx context.Context, conn grpc.ClientConnInterface, _ string) (page[*registryv1.TodoItem], error) {
		r, err := registryv1.NewRegistryServiceClient(conn).ListTodo(ctx, &registryv1.ListTodoRequest{AsOf: c.asOf()})
		return page[*registryv1.TodoItem]{items: r.GetItems(), resolved: r.GetResolved()}, err
	})
}

// todoSays is what the register says of open work, in its words and in French, for the
// kinds of work that do not tell all themselves.
var todoSays = []struct {
	said   *regexp.Regexp
	french string
}{
	{regexp.MustCompile(`^The line stayed undetermined: (.*)$`), "$1"},
	{regexp.MustCompile(`^Its act prints (.*), its centre is in (.*)\.$`), "l'acte imprime $1, le centre est à $2"},
	{regexp.MustCompile(`^Revision (\d+) of the report for (.*) waits for another person .*$`), "$2, révision $1"},
	{regexp.MustCompile(`^The post of (.*) is vacant\.$`), "$1"},
	{regexp.MustCompile(`^The (.*) is held without approval\.$`), "$1"},
}

// todoText is what there is to know of open work, in French, and how a line is settled.
func todoText(x *registryv1.TodoItem) string {
	text := todoFrench(x.GetMessage())
	if x.GetPosition() == 0 {
		return text
	}
	return joined(" — ", text, fmt.Sprintf("à régler : « act settle %d »", x.GetPosition()))
}

var (
	labelOnClosed = regexp.MustCompile(`^The label stands and its (.*) (?:is|are) closed\.$`)
	closedWords   = map[string]string{
		"hospital": "l'établissement est fermé", "filière": "la filière est fermée", "platform": "la plateforme est fermée",
		"centre": "le centre est fermé", "network": "le réseau est fermé",
	}
)

func todoFrench(message string) string {
	if m := labelOnClosed.FindStringSubmatch(message); m != nil {
		var told []string
		for what := range strings.SplitSeq(m[1], " and ") {
			told = append(told, closedWords[what])
		}
		return strings.Join(told, ", ")
	}
	for _, s := range todoSays {
		m := s.said.FindStringSubmatchIndex(message)
		if m == nil {
			continue
		}
		text := string(s.said.ExpandString(nil, s.french, message, m))
		if kind, err := parseWord(officeWords, []byte(text)); err == nil {
			return inFrench(officeWords, kind)
		}
		return text
	}
	return ""
}

// split cuts a text at its bars into n parts, those that are missing empty.
func split(text string, n int) []string {
	parts := strings.SplitN(text, "|", n)
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	for len(parts) < n {
		parts = append(parts, "")
	}
	return parts
}
