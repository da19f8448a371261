package opendata

import (
	"cmp"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/registry"
)

// History is the CSV file of a table of the state: a line for each version of each entity,
// with the days it holds and the positions it was believed at. What was believed of a day V
// at a position K is the lines with valid_from <= V < valid_to and known_from <= K <
// known_to, where an empty bound is none.
type History struct {
	about
	table  string
	fields []field
	write  func(w io.Writer, rows iter.Seq[registry.Row], known func(uint64) time.Time) (int, error)
}

// Name is that of the file, without .csv.
func (h History) Name() string { return h.name }

// Write writes rows of the table, in their order, and returns how many. known is since when
// a position is known.
func (h History) Write(w io.Writer, rows iter.Seq[registry.Row], known func(uint64) time.Time) (int, error) {
	return h.write(w, rows, known)
}

// HistoryOf is the file of a table of the state; ok is false where it has none.
func HistoryOf(table string) (h History, ok bool) {
	i := slices.IndexFunc(histories, func(h History) bool { return h.table == table })
	if i < 0 {
		return h, false
	}
	return histories[i], true
}

// version is a row with its value.
type version[V proto.Message] struct {
	row   registry.Row
	value V
	known func(uint64) time.Time
}

// historyOf declares the file of a table, of which the columns of every history come first.
func historyOf[V proto.Message](table string, a about, id string, basis func(V) []*eventv1.Basis, columns ...column[V]) History {
	all := timeColumns[V](id)
	for _, c := range columns {
		all = append(all, column[version[V]]{c.name, c.title, c.about, c.holds, func(v version[V]) string { return c.cell(v.value) }})
	}
	for _, c := range basisColumns(basis) {
		if basis == nil { // an act rests on itself
			break
		}
		all = append(all, column[version[V]]{c.name, c.title, c.about, c.holds, func(v version[V]) string { return c.cell(v.value) }})
	}
	a.name, a.key = table+"_history", "version_id"
	return History{a, table, fieldsOf(all), func(w io.Writer, rows iter.Seq[registry.Row], known func(uint64) time.Time) (int, error) {
		return writeCSV(w, all, func(yield func(version[V]) bool) {
			for r := range rows {
				if value, is := r.Value().(V); is && !yield(version[V]{r, value, known}) {
					return
				}
			}
		})
	}}
}

// timeColumns are those that say of what, when and since when.
func timeColumns[V proto.Message](id string) []column[version[V]] {
	return []column[version[V]]{
		{"version_id", "Version", "Identifiant de la ligne, stable : identifiant, position de connaissance et premier jour de validité.", text.once(), func(v version[V]) string {
			return v.row.ID + "." + strconv.FormatUint(v.row.Version.KnownFrom, 10) + "." + dayText(v.row.Version.Valid.From)
		}},
		{id, "Identifiant", "Identifiant opaque attribué par le registre, jamais réutilisé ; la clé à retenir.", anID.always(), func(v version[V]) string { return v.row.ID }},
		{"valid_from", "Valable du", "Premier jour (Europe/Paris) où cette version vaut ; vide : sans début connu.", aDay, func(v version[V]) string { return dayText(v.row.Version.Valid.From) }},
		{"valid_to", "Valable jusqu'au (exclu)", "Premier jour où elle ne vaut plus ; vide : sans fin connue.", aDay, func(v version[V]) string { return dayText(v.row.Version.Valid.To) }},
		{"known_from", "Connu depuis la position", "Position du journal à partir de laquelle le registre tient cette version pour vraie.", integer.always(), func(v version[V]) string { return strconv.FormatUint(v.row.Version.KnownFrom, 10) }},
		{"known_to", "Connu jusqu'à la position (exclue)", "Position à partir de laquelle il ne la tient plus pour vraie ; vide : il la tient encore pour vraie.", integer, func(v version[V]) string {
			if v.row.Version.KnownTo == registry.StillKnown {
				return ""
			}
			return strconv.FormatUint(v.row.Version.KnownTo, 10)
		}},
		{"known_from_time", "Connu depuis", "Instant (UTC, à la seconde) de la position known_from.", instant.always(), func(v version[V]) string { return timeText(v.known(v.row.Version.KnownFrom)) }},
		{"known_to_time", "Connu jusqu'à", "Instant (UTC, à la seconde) de la position known_to ; vide : encore tenu pour vrai.", instant, func(v version[V]) string {
			if v.row.Version.KnownTo == registry.StillKnown {
				return ""
			}
			return timeText(v.known(v.row.Version.KnownTo))
		}},
	}
}

// basisColumns say what a value rests on.
func basisColumns[T any](of func(T) []*eventv1.Basis) []column[T] {
	return []column[T]{
		{"act_id", "Acte", "Identifiant du dernier acte qui fonde cette ligne ; vide où aucun acte n'a été vu.", anID, func(v T) string { return actOf(of(v)).GetActId() }},
		{"act_line", "Ligne de l'annexe", "Numéro de la ligne de l'annexe de cet acte ; vide où il n'y en a pas.", integer, func(v T) string { return count(actOf(of(v)).GetActLine()) }},
		{"evidence", "Preuve", "D'où l'on tient le dernier fondement : act_read, l'acte a été lu ; act_cited, un autre document cite l'acte ; stated, une source l'énonce ; inferred, déduit de la date ou du contexte d'une source ; proposed, proposé par qui a compilé.", evidence, func(v T) string { return word(latest(of(v)).GetEvidence()) }},
		{"source", "Source", "Adresse ou référence du dernier fondement.", text, func(v T) string { return latest(of(v)).GetSource() }},
	}
}

func latest(bases []*eventv1.Basis) *eventv1.Basis {
	if len(bases) == 0 {
		return nil
	}
	return bases[len(bases)-1]
}

// actOf is the latest basis that names an act, nil for none.
func actOf(bases []*eventv1.Basis) *eventv1.Basis {
	for _, b := range slices.Backward(bases) {
		if b.GetActId() != "" {
			return b
		}
	}
	return nil
}

func count(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

func dayText(d bitemporal.Date) string {
	if d == bitemporal.Past || d == bitemporal.Future {
		return ""
	}
	return d.String()
}

func timeText(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

func degreesText(p *topologyv1.Place, of func(*topologyv1.Place) float64) string {
	if p.GetLatitude() == 0 && p.GetLongitude() == 0 {
		return ""
	}
	return strconv.FormatFloat(of(p), 'f', -1, 64)
}

// placeColumns say where something is.
func placeColumns[T any](of func(T) *topologyv1.Place) []column[T] {
	return []column[T]{
		{"city", "Ville", "Ville, comme écrite.", text, func(v T) string { return of(v).GetCity() }},
		{"commune_code", "Commune", "Code INSEE de la commune.", commune, func(v T) string { return of(v).GetCommuneCode() }},
		{"department_code", "Département", "Code INSEE du département ou de la collectivité.", dept, func(v T) string { return of(v).GetDepartmentCode() }},
		{"territory", "Territoire", "Territoire, comme écrit, où aucun département n'est connu.", text, func(v T) string { return of(v).GetTerritory() }},
		{"latitude", "Latitude", "Degrés, WGS 84 ; vide où elle n'est pas connue.", degrees, func(v T) string { return degreesText(of(v), (*topologyv1.Place).GetLatitude) }},
		{"longitude", "Longitude", "Degrés, WGS 84 ; vide où elle n'est pas connue.", degrees, func(v T) string { return degreesText(of(v), (*topologyv1.Place).GetLongitude) }},
	}
}

// lineage is what is said of whoever can close.
type lineage interface {
	proto.Message
	GetPredecessorIds() []string
	GetSuccessorIds() []string
	GetClosed() bool
	GetClosedFrom() string
}

func lineageColumns[T lineage]() []column[T] {
	return []column[T]{
		{"closed", "Fermé", "true : fermé.", yesNo.always(), func(v T) string { return flag(v.GetClosed()) }},
		{"closed_from", "Fermé à compter du", "Premier jour de la fermeture, au mois ou à l'année près ; vide où il n'est pas connu.", date, func(v T) string { return v.GetClosedFrom() }},
		{"predecessor_ids", "A pris la suite de", "Identifiants, séparés par |.", someIDs, func(v T) string { return joined(v.GetPredecessorIds()) }},
		{"successor_ids", "Ont pris la suite", "Identifiants, séparés par |.", someIDs, func(v T) string { return joined(v.GetSuccessorIds()) }},
	}
}

// spans are periods as START/END, an unknown day left out.
func spans(periods []*eventv1.Period) string {
	all := make([]string, len(periods))
	for i, p := range periods {
		all[i] = p.GetStart() + "/" + p.GetEnd()
	}
	return joined(all)
}

// publicationText is a publication in a cell.
func publicationText(p *labellingv1.Publication) string {
	out := []string{}
	for _, part := range [...]string{p.GetBulletin(), p.GetNumber(), p.GetPages(), p.GetDate()} {
		if part != "" {
			out = append(out, strings.ReplaceAll(part, joiner, "/"))
		}
	}
	return strings.Join(out, ", ")
}

// published is the first day a text was published on, as far as known.
func published(act *labellingv1.Act) string {
	first := ""
	for _, p := range act.GetPublications() {
		if p.GetDate() != "" && (first == "" || p.GetDate() < first) {
			first = p.GetDate()
		}
	}
	return first
}

func networkOf(l *labellingv1.Label) string {
	return cmp.Or(l.GetHolder().GetSite().GetNetworkId(), l.GetHolder().GetNetworkId())
}

func orpha(n *topologyv1.Network) string {
	all := make([]string, len(n.GetOrphaCodes()))
	for i, code := range n.GetOrphaCodes() {
		all[i] = strconv.FormatUint(uint64(code), 10)
	}
	return joined(all)
}
