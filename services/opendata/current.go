package opendata

import (
	"iter"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
	"maillage/services/registry/lens"
)

// held is a label of the current list with all that is printed of it.
type held struct {
	*registryv1.LabelEntry
	centre         *topologyv1.Centre
	network        *topologyv1.Network
	filiere        *topologyv1.Filiere
	establishments []*topologyv1.Establishment
	act            *labellingv1.Act
}

var current = about{
	name: "labels_current", key: "label_id", title: "Labels en cours",
	text: "Les labels du jour dit par le paquet (validAt) : en vigueur, prorogés, en suspens (le terme est passé et rien n'est décidé) et indéterminés ; une ligne par label.",
	foreign: []foreign{
		{"centre_id", "centres_history", "centre_id"},
		{"network_id", "networks_history", "network_id"},
		{"filiere_id", "filieres_history", "filiere_id"},
		{"platform_id", "platforms_history", "platform_id"},
		{"cycle_id", "cycles_history", "cycle_id"},
		{"act_id", "acts_history", "act_id"},
	},
}

var currentColumns = func() []column[*held] {
	all := []column[*held]{
		{"label_id", "Label", "Identifiant opaque du label : une période d'un titulaire sous un rôle.", anID.once(), func(h *held) string { return h.GetLabel().GetLabelId() }},
		{"status", "Statut", "in_force, en vigueur ; extended, prorogé ; in_abeyance, en suspens : le terme est passé et rien n'est décidé, l'activité continue ; undetermined, indéterminé.", oneOf(labellingv1.Status(0)).always(), func(h *held) string { return word(h.GetStatus()) }},
		{"operation", "Activité", "planned, pas encore ouvert ; open, ouvert ; maintained, ouvert au-delà du terme, comme une source le dit ; closed, fermé ; vide : incertain.", oneOf(labellingv1.OperationState(0)), func(h *held) string { return word(h.GetOperationState()) }},
		{"network_title", "Intitulé du réseau", "Intitulé en usage ce jour-là.", text, func(h *held) string { return h.GetNetworkTitle() }},
		{"network_acronym", "Sigle du réseau", "Sigle en usage ce jour-là.", text, func(h *held) string { return h.GetNetworkAcronym() }},
		{"orpha_codes", "Codes ORPHA du réseau", "Codes ORPHA des maladies prises en charge, séparés par |.", several("[0-9]+"), func(h *held) string { return orpha(h.network) }},
		{"filiere_id", "Filière", "Identifiant de la filière sous laquelle le label est compté.", anID, func(h *held) string { return h.GetFiliereId() }},
		{"filiere_acronym", "Sigle de la filière", "Sigle en usage ce jour-là.", text, func(h *held) string { return h.GetFiliereAcronym() }},
		{"filiere_name", "Nom de la filière", "Nom en usage ce jour-là.", text, func(h *held) string { return h.filiere.GetName() }},
		{"holder_name", "Titulaire", "Nom du titulaire où ce n'est pas un site.", text, func(h *held) string { return h.GetHolderName() }},
		{"centre_name", "Nom du centre", "Nom de l'équipe, où elle en a un.", text, func(h *held) string { return h.centre.GetName() }},
		{"population", "Population", "child, enfants ; adult, adultes ; mixed, les deux ; vide : non dit.", oneOf(topologyv1.Population(0)), func(h *held) string { return word(h.centre.GetPopulation()) }},
		{"establishment_ids", "Établissements", "Identifiants des établissements, séparés par |.", someIDs, func(h *held) string { return h.each((*topologyv1.Establishment).GetEstablishmentId) }},
		{"establishment_names", "Noms des établissements", "Dans l'ordre des identifiants, séparés par |.", text, func(h *held) string {
			return h.each(func(e *topologyv1.Establishment) string { return strings.ReplaceAll(e.GetName(), joiner, "/") })
		}},
		{"finess", "FINESS", "Numéros FINESS, dans l'ordre des identifiants, séparés par | ; rien entre deux | où il n'est pas connu.", content{kind: "string", pattern: `([0-9A-Z]{9})?(\|([0-9A-Z]{9})?)*`}, func(h *held) string { return h.each((*topologyv1.Establishment).GetFiness) }},
		{"city", "Ville", "Ville, comme écrite.", text, func(h *held) string { return h.GetCity() }},
		{"department_code", "Département", "Code INSEE du département ou de la collectivité.", dept, func(h *held) string { return h.GetDepartmentCode() }},
		{"department_name", "Nom du département", "Nom du département ou de la collectivité.", text, func(h *held) string {
			d, _ := identifier.Department(h.GetDepartmentCode())
			return d.Name
		}},
		{"region_code", "Région", "Code INSEE de la région ; une collectivité sans région a le sien.", region, func(h *held) string { return h.GetRegionCode() }},
		{"region_name", "Nom de la région", "Nom de la région.", text, func(h *held) string {
			_, name, _ := identifier.Region(h.GetRegionCode())
			return name
		}},
		{"cycle_code", "Code du cycle", "Nom court du cycle.", text, func(h *held) string { return h.GetCycleCode() }},
		{"act_nor", "NOR", "Numéro NOR de l'acte act_id.", aNOR, func(h *held) string { return h.act.GetNor() }},
		{"act_title", "Titre de l'acte", "Titre officiel, tel que connu.", text, func(h *held) string { return h.act.GetTitle() }},
		{"act_signed_date", "Acte signé le", "Jour de signature, au mois ou à l'année près.", date, func(h *held) string { return h.act.GetSignedDate() }},
	}
	// What an analyst looks for first comes first: the ids, the role and the period.
	label := labelColumns(func(h *held) *labellingv1.Label { return h.GetLabel() })
	first := 1 + slices.IndexFunc(label, func(c column[*held]) bool { return c.name == "end" })
	all = slices.Concat(all[:1], label[:first], all[1:], label[first:])
	return append(all, basisColumns(func(h *held) []*eventv1.Basis { return h.GetLabel().GetBasis() })...)
}()

// each is a value of every hospital in a cell; empty where none has one.
func (h *held) each(value func(*topologyv1.Establishment) string) string {
	all, found := make([]string, len(h.establishments)), false
	for i, e := range h.establishments {
		all[i] = value(e)
		found = found || all[i] != ""
	}
	if !found {
		return ""
	}
	return joined(all)
}

// list yields the current list, in the order of ListLabels.
func (e *Edition) list(l lens.Lens) (iter.Seq[*held], error) {
	filter, err := l.LabelFilter(&registryv1.ListLabelsRequest{})
	if err != nil {
		return nil, err
	}
	entries := l.FindLabels(filter, func(n int) (from, to int) { return 0, n })
	topo := &e.state.Topology
	return func(yield func(*held) bool) {
		for _, entry := range entries {
			h := &held{LabelEntry: entry}
			h.network = near(&topo.Networks, networkOf(entry.GetLabel()), e)
			h.filiere = near(&topo.Filieres, entry.GetFiliereId(), e)
			h.centre = near(&topo.Centres, entry.GetLabel().GetHolder().GetSite().GetCentreId(), e)
			if act := actOf(entry.GetLabel().GetBasis()); act != nil {
				h.act, _ = e.state.Labelling.Acts.Last(act.GetActId(), e.position)
			}
			ids := h.centre.GetEstablishmentIds()
			switch holder := entry.GetLabel().GetHolder().GetHolder().(type) {
			case *labellingv1.Holder_FiliereId:
				ids = []string{h.filiere.GetEstablishmentId()}
			case *labellingv1.Holder_PlatformId:
				ids = near(&topo.Platforms, holder.PlatformId, e).GetEstablishmentIds()
			}
			for _, id := range ids {
				if o := near(&topo.Establishments, id, e); o != nil {
					h.establishments = append(h.establishments, o)
				}
			}
			if !yield(h) {
				return
			}
		}
	}, nil
}

// near is the version that holds on the day of the edition or, failing that, the nearest
// one, as the list is printed by.
func near[V any](t *bitemporal.Table[V], id string, e *Edition) (v V) {
	v, held := t.At(id, e.day, e.position)
	if held {
		return v
	}
	for _, o := range t.Versions(id, e.position) {
		if v = o.Value; o.Valid.From > e.day {
			break
		}
	}
	return v
}
