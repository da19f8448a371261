package opendata

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/bitemporal"
	"maillage/services/identifier"
	"maillage/services/registry"
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

// listed are the statuses of the current list, as ListLabels has it.
var listed = []labellingv1.Status{
	labellingv1.Status_STATUS_IN_FORCE, labellingv1.Status_STATUS_EXTENDED,
	labellingv1.Status_STATUS_IN_ABEYANCE, labellingv1.Status_STATUS_UNDETERMINED,
}

// lookAt is how many labels are looked at while the state is held.
const lookAt = 256

// list writes the current list, by filière, network, role and place. It goes through the
// labels twice, some at a time, so that neither the state is held for long nor the list kept.
func (e *Edition) list(w io.Writer) (int, error) {
	ids, err := e.inOrder()
	if err != nil {
		return 0, err
	}
	n, wrong := writeCSV(w, currentColumns, func(yield func(*held) bool) {
		for some := range slices.Chunk(ids, lookAt) {
			lines := make([]*held, 0, len(some))
			err = e.look(func(s *registry.State, l lens.Lens) error {
				for _, id := range some {
					entry, err := l.Label(id)
					if err != nil {
						return err
					}
					lines = append(lines, e.held(s, entry))
				}
				return nil
			})
			for _, h := range lines {
				if err != nil || !yield(h) {
					return
				}
			}
		}
	})
	return n, cmp.Or(err, wrong)
}

// inOrder is the labels of the list.
func (e *Edition) inOrder() (ids []string, err error) {
	var all []string
	err = e.look(func(s *registry.State, _ lens.Lens) error {
		all = slices.AppendSeq(make([]string, 0, s.Labelling.Labels.Len()), s.Labelling.Labels.IDs())
		return nil
	})
	type place struct{ key, id string }
	var places []place
	for some := range slices.Chunk(all, lookAt) {
		if err != nil {
			return nil, err
		}
		err = e.look(func(s *registry.State, l lens.Lens) error {
			for _, id := range some {
				if status, known := s.Labelling.StatusAt(id, e.day, e.position, &s.Topology); !known || !slices.Contains(listed, status) {
					continue
				}
				entry, err := l.Label(id)
				if err != nil {
					return err
				}
				places = append(places, place{orderOf(entry), id})
			}
			return nil
		})
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.id, b.id)) })
	for _, p := range places {
		ids = append(ids, p.id)
	}
	return ids, err
}

// orderOf is what the list is sorted by; what is not there comes last.
func orderOf(e *registryv1.LabelEntry) string {
	const last = "\U0010ffff"
	where := e.GetCity()
	if names := e.GetEstablishmentNames(); len(names) > 0 {
		where = names[0]
	}
	role := e.GetLabel().GetRole()
	if role == labellingv1.Role_ROLE_UNSPECIFIED {
		role = labellingv1.Role(len(labellingv1.Role_name))
	}
	return strings.Join([]string{
		cmp.Or(identifier.Fold(e.GetFiliereAcronym()), last),
		identifier.Fold(cmp.Or(e.GetNetworkAcronym(), e.GetNetworkTitle())),
		fmt.Sprintf("%02d", role),
		identifier.Fold(where),
	}, "\x00")
}

// held looks up what belongs to a label.
func (e *Edition) held(s *registry.State, entry *registryv1.LabelEntry) *held {
	topo, label := &s.Topology, entry.GetLabel()
	h := &held{LabelEntry: entry}
	h.network = near(&topo.Networks, networkOf(label), e)
	h.filiere = near(&topo.Filieres, entry.GetFiliereId(), e)
	h.centre = near(&topo.Centres, label.GetHolder().GetSite().GetCentreId(), e)
	if act := actOf(label.GetBasis()); act != nil {
		h.act, _ = s.Labelling.Acts.Last(act.GetActId(), e.position)
	}
	ids := h.centre.GetEstablishmentIds()
	switch holder := label.GetHolder().GetHolder().(type) {
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
	return h
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
