package query_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	eventv1 "maillage/proto/gen/maillage/event/v1"
	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
	"maillage/services/fault"
)

const (
	coordinator  = labellingv1.Role_ROLE_COORDINATOR
	constitutive = labellingv1.Role_ROLE_CONSTITUTIVE
	competence   = labellingv1.Role_ROLE_COMPETENCE

	inForce      = labellingv1.Status_STATUS_IN_FORCE
	inAbeyance   = labellingv1.Status_STATUS_IN_ABEYANCE
	undetermined = labellingv1.Status_STATUS_UNDETERMINED
	planned      = labellingv1.Status_STATUS_PLANNED
	isRepealed   = labellingv1.Status_STATUS_REPEALED
	superseded   = labellingv1.Status_STATUS_SUPERSEDED
)

// fixture is a small register: two filières, three networks, a label of each
// holder, and labels planned, ended and of unsure dates.
func fixture(tb testing.TB) *world {
	w := newWorld(tb)
	w.commit( // positions 1 to 13
		establishment("EREUNION00", "", "CHU de la Réunion", "970000001", "Saint-Denis", "974"),
		establishment("EELOI00000", "2005-01-01", "Hôpital Saint-Éloi", "340000001", "Montpellier", "34"),
		establishment("EBRON00000", "", "Hôpital Femme-Mère-Enfant", "690000001", "Bron", "69"),
		filiere("FOSCAR0000", "2014-02-01", "OSCAR", "Maladies rares de l’os", "EBRON00000"),
		filiere("FBRAIN0000", "2014-02-01", "BRAIN-TEAM", "Maladies rares du système nerveux", "EELOI00000"),
		network("NOS0000000", "", "Maladies osseuses constitutionnelles", "MOC", ""),
		network("NSLA000000", "", "Scléroses latérales", "", "FBRAIN0000"),
		network("NORPHAN000", "", "Réseau sans filière", "RSF", ""),
		centre("CBRON00000", "EBRON00000"),
		centre("CELOI00000", "EELOI00000"),
		centre("CREUNION00", "EREUNION00", "EBRON00000"),
		centreInTown("CTOWN00000", "Fort-de-France", "972"),
		platform("PPLATFORM0", "Plateforme du Languedoc", "EELOI00000"),
	)
	w.commit( // 14 to 16
		networkAttached("NOS0000000", "2014-02-01", "FOSCAR0000"),
		cycle("YSECOND000", "2017-2022", "2017-10-01", "2022-10-01", "deuxième cycle"),
		cycle("YTHIRD0000", "2023-2028", "2024-01-01", "2029-01-01", "2022-2027", "troisième cycle"),
	)
	w.commit( // 17 to 25
		granted("LCOORD0000", site("SBRONOS000", "CBRON00000", "NOS0000000"), coordinator, "YTHIRD0000", "2024-01-01", "2029-01-01"),
		granted("LCOMP00000", site("SELOIOS000", "CELOI00000", "NOS0000000"), competence, "YTHIRD0000", "2024-01-01", "2029-01-01"),
		granted("LTOWN00000", site("STOWNSLA00", "CTOWN00000", "NSLA000000"), competence, "YTHIRD0000", "2024-01-01", "2029-01-01"),
		granted("LREUNION00", site("SREUNION00", "CREUNION00", "NSLA000000"), constitutive, "YTHIRD0000", "2024-01-01", "2029-01-01"),
		granted("LORPHAN000", site("SORPHAN000", "CELOI00000", "NORPHAN000"), coordinator, "", "2024-01-01", "2029-01-01"),
		granted("LFSMR00000", &labellingv1.Holder{Holder: &labellingv1.Holder_FiliereId{FiliereId: "FOSCAR0000"}},
			labellingv1.Role_ROLE_FSMR, "", "2024-01-01", "2029-01-01"),
		granted("LPEMR00000", &labellingv1.Holder{Holder: &labellingv1.Holder_PlatformId{PlatformId: "PPLATFORM0"}},
			labellingv1.Role_ROLE_PEMR, "", "2024-01-01", "2029-01-01"),
		granted("LPLANNED00", site("SELOISLA00", "CELOI00000", "NSLA000000"), competence, "YTHIRD0000", "2027-01-01", "2032-01-01"),
		granted("LUNSURE000", site("SBRONSLA00", "CBRON00000", "NSLA000000"), competence, "YSECOND000", "2017-10-01", "2026"),
	)
	return w
}

func ids(entries []*registryv1.LabelEntry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.GetLabel().GetLabelId())
	}
	return out
}

func reason(err error) string {
	if f, is := errors.AsType[*fault.Error](err); is {
		return f.Reason
	}
	return fmt.Sprint(err)
}

func TestListLabels(t *testing.T) {
	q := fixture(t).queries()
	tests := map[string]struct {
		when *registryv1.ListLabelsRequest
		then string
	}{
		"nothing asked: by filière, network, role and place, no filière last": {
			&registryv1.ListLabelsRequest{},
			"LREUNION00 LTOWN00000 LUNSURE000 LFSMR00000 LCOORD0000 LCOMP00000 LPEMR00000 LORPHAN000",
		},
		"role":                     {&registryv1.ListLabelsRequest{Roles: []labellingv1.Role{coordinator}}, "LCOORD0000 LORPHAN000"},
		"roles":                    {&registryv1.ListLabelsRequest{Roles: []labellingv1.Role{coordinator, constitutive}}, "LREUNION00 LCOORD0000 LORPHAN000"},
		"cycle by code":            {&registryv1.ListLabelsRequest{Cycle: "2017-2022"}, "LUNSURE000"},
		"cycle by alias":           {&registryv1.ListLabelsRequest{Cycle: "TROISIEME cycle"}, "LREUNION00 LTOWN00000 LCOORD0000 LCOMP00000"},
		"cycle by id":              {&registryv1.ListLabelsRequest{Cycle: "YSECOND000"}, "LUNSURE000"},
		"filière by acronym":       {&registryv1.ListLabelsRequest{Filiere: "oscar"}, "LFSMR00000 LCOORD0000 LCOMP00000"},
		"filière with a hyphen":    {&registryv1.ListLabelsRequest{Filiere: "Brain Team"}, "LREUNION00 LTOWN00000 LUNSURE000"},
		"filière by id":            {&registryv1.ListLabelsRequest{Filiere: "FOSCAR0000"}, "LFSMR00000 LCOORD0000 LCOMP00000"},
		"network by acronym":       {&registryv1.ListLabelsRequest{Network: "moc"}, "LCOORD0000 LCOMP00000"},
		"network by title":         {&registryv1.ListLabelsRequest{Network: "scleroses laterales"}, "LREUNION00 LTOWN00000 LUNSURE000"},
		"a blank is no filter":     {&registryv1.ListLabelsRequest{Network: " ", Region: " ", Department: " ", Roles: []labellingv1.Role{constitutive}}, "LREUNION00"},
		"network by id":            {&registryv1.ListLabelsRequest{Network: "NORPHAN000"}, "LORPHAN000"},
		"establishment by name":    {&registryv1.ListLabelsRequest{Establishment: "hopital saint eloi"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"establishment by FINESS":  {&registryv1.ListLabelsRequest{Establishment: "970000001"}, "LREUNION00"},
		"establishment by id":      {&registryv1.ListLabelsRequest{Establishment: "EREUNION00"}, "LREUNION00"},
		"second establishment":     {&registryv1.ListLabelsRequest{Establishment: "EBRON00000", Roles: []labellingv1.Role{constitutive}}, "LREUNION00"},
		"words of a hospital":      {&registryv1.ListLabelsRequest{Establishment: "éloi HOPITAL"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"department":               {&registryv1.ListLabelsRequest{Department: "34"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"department of a town":     {&registryv1.ListLabelsRequest{Department: "972"}, "LTOWN00000"},
		"department by name":       {&registryv1.ListLabelsRequest{Department: "herault"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"a department of nobody":   {&registryv1.ListLabelsRequest{Department: "06"}, ""},
		"region by code":           {&registryv1.ListLabelsRequest{Region: "76"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"region by name":           {&registryv1.ListLabelsRequest{Region: "OCCITANIE"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"region overseas":          {&registryv1.ListLabelsRequest{Region: "la reunion"}, "LREUNION00"},
		"status":                   {&registryv1.ListLabelsRequest{Statuses: []labellingv1.Status{planned}}, "LPLANNED00"},
		"unsure dates":             {&registryv1.ListLabelsRequest{Statuses: []labellingv1.Status{undetermined}}, "LUNSURE000"},
		"text in a title":          {&registryv1.ListLabelsRequest{Text: "laterales"}, "LREUNION00 LTOWN00000 LUNSURE000"},
		"text across fields":       {&registryv1.ListLabelsRequest{Text: "scleroses FORT-de-france"}, "LTOWN00000"},
		"text in a hospital":       {&registryv1.ListLabelsRequest{Text: "éloi"}, "LCOMP00000 LPEMR00000 LORPHAN000"},
		"text in a holder's name":  {&registryv1.ListLabelsRequest{Text: "languedoc"}, "LPEMR00000"},
		"every word must be found": {&registryv1.ListLabelsRequest{Text: "laterales toulouse"}, ""},
		"filters together":         {&registryv1.ListLabelsRequest{Filiere: "OSCAR", Department: "34", Roles: []labellingv1.Role{competence}}, "LCOMP00000"},
		"before filières existed": {
			&registryv1.ListLabelsRequest{
				AsOf: &registryv1.AsOf{ValidAt: "2010-01-01"}, Filiere: "OSCAR", Statuses: []labellingv1.Status{planned},
			},
			"LFSMR00000",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := q.ListLabels(t.Context(), test.when)
			if err != nil {
				t.Fatal(err)
			}
			if found := strings.Join(ids(got.GetEntries()), " "); found != test.then {
				t.Errorf("found %q, want %q", found, test.then)
			}
			if want := len(strings.Fields(test.then)); int(got.GetTotalSize()) != want {
				t.Errorf("total_size %d, want %d", got.GetTotalSize(), want)
			}
		})
	}
}

// A filter that names nothing is a mistake, one that names what was not known yet is
// not.
func TestListLabelsRefusesUnknownNames(t *testing.T) {
	w := fixture(t)
	before := w.commit(cycle("YLATER0000", "2029-2033", "2029", "2033"))
	w.commit(filiere("FLATER0000", "", "SENSGENE", "Maladies sensorielles", ""), network("NLATER0000", "", "Kératocône", "CRNK", "FLATER0000"),
		establishment("ELATER0000", "", "CHU de Nice", "060000001", "Nice", "06"),
		establishmentRenamed("EBRON00000", "2026-02-01", "Hôpital Mère et Enfant"))
	w.predict(network("NAHEAD0000", "", "Porphyries", "CFP", ""))
	q := w.queries()
	asOf := at("", before)
	for name, test := range map[string]struct {
		when                *registryv1.ListLabelsRequest
		reason, field, near string // near is what the message ends with
	}{
		"filière":                {&registryv1.ListLabelsRequest{Filiere: "OSCRA"}, "FILIERE_UNKNOWN", "filiere", "; near it: OSCAR"},
		"filière, nothing near":  {&registryv1.ListLabelsRequest{Filiere: "XYZT"}, "FILIERE_UNKNOWN", "filiere", `as "XYZT"`},
		"network":                {&registryv1.ListLabelsRequest{Network: "M0C"}, "NETWORK_UNKNOWN", "network", "; near it: MOC"},
		"network's title":        {&registryv1.ListLabelsRequest{Network: "Sclérose latéral"}, "NETWORK_UNKNOWN", "network", "; near it: Scléroses latérales"},
		"predicted network":      {&registryv1.ListLabelsRequest{Network: "CFP"}, "NETWORK_UNKNOWN", "network", `as "CFP"`},
		"cycle":                  {&registryv1.ListLabelsRequest{Cycle: "2017-2023"}, "CYCLE_UNKNOWN", "cycle", "; near it: 2017-2022, 2022-2027, 2023-2028"},
		"establishment":          {&registryv1.ListLabelsRequest{Establishment: "Saint-Éloy"}, "ESTABLISHMENT_UNKNOWN", "establishment", "; near it: Hôpital Saint-Éloi"},
		"a word too many":        {&registryv1.ListLabelsRequest{Establishment: "CHU de Nice Pasteur"}, "ESTABLISHMENT_UNKNOWN", "establishment", `as "CHU de Nice Pasteur"`},
		"region":                 {&registryv1.ListLabelsRequest{Region: "Ocitanie"}, "REGION_UNKNOWN", "region", "; near it: Occitanie"},
		"department":             {&registryv1.ListLabelsRequest{Department: "Heraut"}, "DEPARTMENT_UNKNOWN", "department", "; near it: Hérault, Haut-Rhin"},
		"department without 0":   {&registryv1.ListLabelsRequest{Department: "6"}, "DEPARTMENT_UNKNOWN", "department", "; near it: 06"},
		"no letter of a name":    {&registryv1.ListLabelsRequest{Department: "x"}, "DEPARTMENT_UNKNOWN", "department", `as "x"`},
		"also of an earlier day": {&registryv1.ListLabelsRequest{AsOf: asOf, Filiere: "OSCRA"}, "FILIERE_UNKNOWN", "filiere", "; near it: OSCAR"},
		"filière known since":    {&registryv1.ListLabelsRequest{AsOf: asOf, Filiere: "SENSGENE"}, "", "", ""},
		"network known since":    {&registryv1.ListLabelsRequest{AsOf: asOf, Network: "CRNK"}, "", "", ""},
		"hospital known since":   {&registryv1.ListLabelsRequest{AsOf: asOf, Establishment: "060000001"}, "", "", ""},
		"cycle known since":      {&registryv1.ListLabelsRequest{AsOf: at("", 25), Cycle: "2029-2033"}, "", "", ""},
		"nothing known yet":      {&registryv1.ListLabelsRequest{AsOf: at("", 0), Filiere: "OSCAR"}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := q.ListLabels(t.Context(), test.when)
			if test.reason == "" {
				if err != nil || got.GetTotalSize() != 0 {
					t.Errorf("got %v, %v; want nothing", got, err)
				}
				return
			}
			f, is := errors.AsType[*fault.Error](err)
			if !is || f.Kind != fault.NotFound || f.Reason != test.reason || f.Field != test.field || !strings.HasSuffix(f.Message, test.near) {
				t.Errorf("got %v, want %s at %s ending in %q", err, test.reason, test.field, test.near)
			}
		})
	}
	// A name given later leads to nothing that was known before: that answer is old.
	got, err := q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: asOf, Establishment: "Hôpital Mère et Enfant"})
	if err != nil || got.GetTotalSize() != 0 {
		t.Errorf("by the name to come: %v, %v", got, err)
	}
	// An entity is found by the names it had and has.
	for _, name := range []string{"Hôpital Femme-Mère-Enfant", "Hôpital Mère et Enfant"} {
		got, err = q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{Establishment: name, Roles: []labellingv1.Role{coordinator}})
		if found := strings.Join(ids(got.GetEntries()), " "); found != "LCOORD0000" {
			t.Errorf("%s: %q, %v", name, found, err)
		}
	}
}

// A place known only as a territory counts under the region or department of its name.
func TestTerritory(t *testing.T) {
	w := fixture(t)
	for i, territory := range []string{"Guyane", "Bretagne", "Polynésie française", "the South"} {
		w.commit(centreAt(numbered("CT", i), &topologyv1.Place{Territory: territory}),
			granted(numbered("LT", i), site(numbered("ST", i), numbered("CT", i), "NOS0000000"), competence, "", "2024-01-01", "2029-01-01"))
	}
	q := w.queries()
	for name, test := range map[string]struct {
		when *registryv1.ListLabelsRequest
		then string
	}{
		"department of that name":     {&registryv1.ListLabelsRequest{Department: "973"}, "LT00000000"},
		"its region":                  {&registryv1.ListLabelsRequest{Region: "guyane"}, "LT00000000"},
		"region, of no department":    {&registryv1.ListLabelsRequest{Region: "53"}, "LT00000001"},
		"collectivity":                {&registryv1.ListLabelsRequest{Region: "987"}, "LT00000002"},
		"collectivity, as department": {&registryv1.ListLabelsRequest{Department: "polynesie francaise"}, "LT00000002"},
	} {
		got, err := q.ListLabels(t.Context(), test.when)
		if found := strings.Join(ids(got.GetEntries()), " "); err != nil || found != test.then {
			t.Errorf("%s: found %q, %v, want %q", name, found, err, test.then)
		}
	}
}

func TestLabelEntry(t *testing.T) {
	w := fixture(t)
	w.personal["HEAD000001"] = "Pr Camille TÉMOIN"
	e := granted("LHEADED000", site("SREUNIONOS", "CREUNION00", "NOS0000000"), competence, "YTHIRD0000", "2024-01-01", "2029-01-01")
	e.GetLabelGranted().Head = &eventv1.PersonalValue{ValueId: "HEAD000001"}
	said := w.commit(e, assertion("LHEADED000", "role", "constitutif"), assertion("SREUNIONOS", "city", "Le Tampon"))
	q := w.queries()
	tests := map[string]struct {
		given string
		then  *registryv1.LabelEntry
	}{
		"a site": {"LHEADED000", &registryv1.LabelEntry{
			Status: inForce, CycleCode: "2023-2028",
			NetworkTitle: "Maladies osseuses constitutionnelles", NetworkAcronym: "MOC",
			FiliereId: "FOSCAR0000", FiliereAcronym: "OSCAR",
			EstablishmentNames: []string{"CHU de la Réunion", "Hôpital Femme-Mère-Enfant"},
			City:               "Saint-Denis", DepartmentCode: "974", RegionCode: "04",
			HeadName: "Pr Camille TÉMOIN",
			Assertions: []*labellingv1.Assertion{
				{EntityId: "LHEADED000", Field: "role", Value: "constitutif", Position: said - 1},
				{EntityId: "SREUNIONOS", Field: "city", Value: "Le Tampon", Position: said},
			},
		}},
		"a town where no hospital is known": {"LTOWN00000", &registryv1.LabelEntry{
			Status: inForce, CycleCode: "2023-2028", NetworkTitle: "Scléroses latérales",
			FiliereId: "FBRAIN0000", FiliereAcronym: "BRAIN-TEAM", City: "Fort-de-France", DepartmentCode: "972", RegionCode: "02",
		}},
		"a filière": {"LFSMR00000", &registryv1.LabelEntry{
			Status: inForce, FiliereId: "FOSCAR0000", FiliereAcronym: "OSCAR", HolderName: "Maladies rares de l’os",
			EstablishmentNames: []string{"Hôpital Femme-Mère-Enfant"}, City: "Bron", DepartmentCode: "69", RegionCode: "84",
		}},
		"a platform": {"LPEMR00000", &registryv1.LabelEntry{
			Status: inForce, HolderName: "Plateforme du Languedoc",
			EstablishmentNames: []string{"Hôpital Saint-Éloi"}, City: "Montpellier", DepartmentCode: "34", RegionCode: "76",
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: test.given})
			if err != nil {
				t.Fatal(err)
			}
			entry := proto.CloneOf(got.GetEntry())
			if entry.GetLabel().GetLabelId() != test.given {
				t.Errorf("label %q", entry.GetLabel().GetLabelId())
			}
			entry.Label = nil
			for _, a := range entry.GetAssertions() {
				a.Basis = nil
			}
			if entry.GetOperationState() != labellingv1.OperationState_OPERATION_STATE_OPEN {
				t.Errorf("operation state %s", entry.GetOperationState())
			}
			entry.OperationState = 0
			if !proto.Equal(entry, test.then) {
				t.Errorf("got  %v\nwant %v", entry, test.then)
			}
		})
	}
	delete(w.personal, "HEAD000001")
	got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: "LHEADED000"})
	if err != nil || got.GetEntry().GetHeadName() != "" {
		t.Errorf("after its erasure the head is %q, %v", got.GetEntry().GetHeadName(), err)
	}
}

// TestGetLabelBeside: the status of a label hangs on others, whoever holds them: on the one
// that goes on from it elsewhere, and on a later one of its holder that does not say so.
func TestGetLabelBeside(t *testing.T) {
	w := newWorld(t)
	w.commit(
		establishment("EELOI00000", "2005-01-01", "Hôpital Saint-Éloi", "", "Montpellier", "34"),
		centre("CELOI00000", "EELOI00000"), centre("CNEAR00000", "EELOI00000"), centre("CTHIRD0000", "EELOI00000"),
		network("NOS0000000", "", "Maladies osseuses", "MOC", ""),
	)
	w.commit(granted("LMOVED0000", site("SITE000000", "CELOI00000", "NOS0000000"), competence, "", "2017-10-01", "2022-10-01"))
	w.commit(renewed("LMOVED0000", "LTHERE0000", site("SITE111111", "CNEAR00000", "NOS0000000"), competence, "", "2022-10-01", "2027-10-01"))
	w.commit(granted("LBEFORE000", site("SITE222222", "CTHIRD0000", "NOS0000000"), competence, "", "2017-10-01", "2022-10-01"))
	known := w.commit(granted("LAFTER0000", site("SITE222222", "CTHIRD0000", "NOS0000000"), competence, "", "2022-10-01", "2027-10-01"))
	q := w.queries()
	for _, label := range []string{"LMOVED0000", "LBEFORE000"} {
		got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: label, AsOf: at("2023-01-01", known)})
		if err != nil || got.GetEntry().GetStatus() != superseded {
			t.Errorf("%s: %v, %v", label, got.GetEntry().GetStatus(), err)
		}
	}
}

func TestGetLabelAsOf(t *testing.T) {
	w := newWorld(t)
	w.commit(
		establishment("EELOI00000", "2005-01-01", "Hôpital Saint-Éloi", "", "Montpellier", "34"),
		centre("CELOI00000", "EELOI00000"), network("NOS0000000", "", "Maladies osseuses", "MOC", ""),
	)
	grant := w.commit(granted("LFIRST0000", site("SITE000000", "CELOI00000", "NOS0000000"), competence, "", "2017-10-01", "2022-10-01"))
	rename := w.commit(establishmentRenamed("EELOI00000", "2020-01-01", "Nouvel Hôpital"))
	renewal := w.commit(renewed("LFIRST0000", "LSECOND000", site("SITE000000", "CELOI00000", "NOS0000000"), constitutive, "", "2024-01-01", "2029-01-01"))
	repeal := w.commit(repealed("LSECOND000", "2026-01-01"))
	correction := w.commit(correctedRole("LFIRST0000", grant, constitutive))
	q := w.queries()
	tests := []struct {
		label, valid string
		known        uint64
		status       labellingv1.Status
		role         labellingv1.Role
		hospital     string
	}{
		{"LFIRST0000", "2017-09-30", grant, planned, competence, "Hôpital Saint-Éloi"},
		{"LFIRST0000", "2017-10-01", grant, inForce, competence, "Hôpital Saint-Éloi"},
		{"LFIRST0000", "2021-06-01", grant, inForce, competence, "Hôpital Saint-Éloi"}, // the renaming was not known yet
		{"LFIRST0000", "2021-06-01", rename, inForce, competence, "Nouvel Hôpital"},
		{"LFIRST0000", "2022-09-30", rename, inForce, competence, "Nouvel Hôpital"},
		{"LFIRST0000", "2022-10-01", rename, inAbeyance, competence, "Nouvel Hôpital"},
		{"LFIRST0000", "2023-06-01", renewal, inAbeyance, competence, "Nouvel Hôpital"}, // a renewal bridges no gap
		{"LFIRST0000", "2024-01-01", rename, inAbeyance, competence, "Nouvel Hôpital"},
		{"LFIRST0000", "2024-01-01", renewal, superseded, competence, "Nouvel Hôpital"},
		{"LFIRST0000", "2018-01-01", repeal, inForce, competence, "Hôpital Saint-Éloi"},
		{"LFIRST0000", "2018-01-01", correction, inForce, constitutive, "Hôpital Saint-Éloi"},
		{"LSECOND000", "2004-01-01", correction, planned, constitutive, "Hôpital Saint-Éloi"}, // before the hospital is known: the nearest name
		{"LSECOND000", "2026-06-01", renewal, inForce, constitutive, "Nouvel Hôpital"},
		{"LSECOND000", "2026-06-01", repeal, isRepealed, constitutive, "Nouvel Hôpital"},
		{"LSECOND000", "2025-12-31", repeal, inForce, constitutive, "Nouvel Hôpital"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s on %s at %d", test.label, test.valid, test.known), func(t *testing.T) {
			got, err := q.GetLabel(t.Context(), &registryv1.GetLabelRequest{LabelId: test.label, AsOf: at(test.valid, test.known)})
			if err != nil {
				t.Fatal(err)
			}
			e := got.GetEntry()
			if e.GetStatus() != test.status || e.GetLabel().GetRole() != test.role || !slices.Equal(e.GetEstablishmentNames(), []string{test.hospital}) {
				t.Errorf("got %v, %v at %q", e.GetStatus(), e.GetLabel().GetRole(), e.GetEstablishmentNames())
			}
		})
	}
}

func at(valid string, known uint64) *registryv1.AsOf {
	return &registryv1.AsOf{ValidAt: valid, KnownAt: &registryv1.AsOf_KnownPosition{KnownPosition: known}}
}

func atTime(t time.Time) *registryv1.AsOf {
	return &registryv1.AsOf{KnownAt: &registryv1.AsOf_KnownTime{KnownTime: timestamppb.New(t)}}
}

func TestMoment(t *testing.T) {
	w := newWorld(t)
	w.commit(cycle("Y000000001", "A", "", ""), cycle("Y000000002", "B", "", "")) // 1, 2 at epoch
	w.commit(cycle("Y000000003", "C", "", ""), cycle("Y000000004", "D", "", ""), // 3 to 5 a minute later
		cycle("Y000000005", "E", "", ""))
	w.commit(cycle("Y000000006", "F", "", ""))  // 6 after two minutes
	w.predict(cycle("Y000000007", "G", "", "")) // 7, not to be seen yet
	w.now = time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)
	q := w.queries()
	tests := map[string]struct {
		when        *registryv1.AsOf
		known       uint64
		valid       string
		provisional bool
		fails       string
	}{
		"now, in Paris":           {when: nil, known: 6, valid: "2026-03-02"},
		"a day":                   {when: &registryv1.AsOf{ValidAt: "1999-12-31"}, known: 6, valid: "1999-12-31"},
		"no such day":             {when: &registryv1.AsOf{ValidAt: "2023-02-30"}, fails: "DATE_INVALID"},
		"nothing known":           {when: at("", 0), known: 0, valid: "2026-03-02"},
		"inside the first commit": {when: at("", 1), known: 0, valid: "2026-03-02"},
		"the end of a commit":     {when: at("", 2), known: 2, valid: "2026-03-02"},
		"inside a commit":         {when: at("", 4), known: 2, valid: "2026-03-02"},
		"the head":                {when: at("", 6), known: 6, valid: "2026-03-02"},
		"predicted":               {when: at("", 7), fails: "POSITION_NOT_REACHED"},
		"far ahead":               {when: at("", 1<<63), fails: "POSITION_NOT_REACHED"},
		"before the first":        {when: atTime(epoch.Add(-time.Second)), known: 0, valid: "2026-03-02"},
		"the time of a commit":    {when: atTime(epoch), known: 2, valid: "2026-03-02"},
		"between two commits":     {when: atTime(epoch.Add(90 * time.Second)), known: 5, valid: "2026-03-02"},
		"the head's time":         {when: atTime(epoch.Add(2 * time.Minute)), known: 6, valid: "2026-03-02", provisional: true},
		"the future":              {when: atTime(epoch.Add(time.Hour)), known: 6, valid: "2026-03-02", provisional: true},
		"no time":                 {when: &registryv1.AsOf{KnownAt: &registryv1.AsOf_KnownTime{KnownTime: &timestamppb.Timestamp{Nanos: -1}}}, fails: "TIME_INVALID"},
		"waits in vain":           {when: &registryv1.AsOf{MinPosition: 7}, fails: context.DeadlineExceeded.Error()},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := q.ListCycles(t.Context(), &registryv1.ListCyclesRequest{AsOf: test.when})
			if test.fails != "" {
				if reason(err) != test.fails {
					t.Fatalf("got %v, %v; want %s", got, err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := &registryv1.Resolved{ValidAt: test.valid, KnownPosition: test.known, HeadPosition: 6, Provisional: test.provisional, Window: registryv1.Window_WINDOW_LEGAL}
			if test.known > 0 {
				want.KnownTime = timestamppb.New(w.times[test.known-1])
			}
			if !proto.Equal(got.GetResolved(), want) {
				t.Errorf("resolved %v, want %v", got.GetResolved(), want)
			}
			if len(got.GetCycles()) != int(test.known) {
				t.Errorf("%d cycles at position %d", len(got.GetCycles()), test.known)
			}
		})
	}
}

func TestPagesSpeakForOneMoment(t *testing.T) {
	// Given a list of which the first page was read at the head, provisionally.
	w := fixture(t)
	q := w.queries()
	ahead := atTime(w.now)
	whole, err := q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{AsOf: ahead})
	if err != nil {
		t.Fatal(err)
	}
	req := &registryv1.ListLabelsRequest{AsOf: ahead, PageSize: 3}
	var got []string
	for page := 0; ; page++ {
		resp, err := q.ListLabels(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(resp.GetEntries())...)
		if resp.GetTotalSize() != whole.GetTotalSize() || resp.GetResolved().GetKnownPosition() != 25 || !resp.GetResolved().GetProvisional() {
			t.Errorf("page %d: %d in total at %v", page, resp.GetTotalSize(), resp.GetResolved())
		}
		if resp.GetNextPageToken() == "" {
			break
		}
		// When the register and the calendar move on before the next page,
		w.commit(
			granted(numbered("LNEW", page), site(numbered("SNEW", page), "CTOWN00000", "NSLA000000"), coordinator, "", "2020-01-01", "2030-01-01"),
			repealed("LORPHAN000", "2025-01-01"),
		)
		w.now = w.now.AddDate(1, 0, 0)
		req = proto.CloneOf(req)
		req.PageToken, req.PageSize = resp.GetNextPageToken(), 2
	}
	// then the pages together are the list as it was.
	if !slices.Equal(got, ids(whole.GetEntries())) {
		t.Errorf("pages %q, whole %q", got, ids(whole.GetEntries()))
	}
}

func TestPageTokenOfAnotherRequest(t *testing.T) {
	q := fixture(t).queries()
	first, err := q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{PageSize: 1, Text: "a"})
	if err != nil {
		t.Fatal(err)
	}
	token := first.GetNextPageToken()
	requests := map[string]*registryv1.ListLabelsRequest{
		"another filter":      {PageToken: token, Text: "b"},
		"one more filter":     {PageToken: token, Text: "a", Filiere: "OSCAR"},
		"another moment":      {PageToken: token, Text: "a", AsOf: at("", 3)},
		"no token at all":     {PageToken: "!", Text: "a"},
		"a token cut short":   {PageToken: token[:12], Text: "a"},
		"a token with a tail": {PageToken: token + "AAAA", Text: "a"},
	}
	for name, req := range requests {
		if _, err := q.ListLabels(t.Context(), req); reason(err) != "PAGE_TOKEN_INVALID" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := q.ListActs(t.Context(), &registryv1.ListActsRequest{PageToken: token, Text: "a"}); reason(err) != "PAGE_TOKEN_INVALID" {
		t.Errorf("another list: %v", err)
	}
	if _, err := q.ListLabels(t.Context(), &registryv1.ListLabelsRequest{PageToken: token, Text: "a", PageSize: 7}); err != nil {
		t.Errorf("another page size: %v", err)
	}
}

func TestGetEntities(t *testing.T) {
	w := fixture(t)
	w.commit(act("A000000001", "Arrêté du 26 décembre 2023", "SPRZ2300001A"))
	q := w.queries()
	ctx := t.Context()
	getEstablishment := func(id string, asOf *registryv1.AsOf) (string, error) {
		r, err := q.GetEstablishment(ctx, &registryv1.GetEstablishmentRequest{EstablishmentId: id, AsOf: asOf})
		return r.GetEstablishment().GetName(), err
	}
	getNetwork := func(id string, asOf *registryv1.AsOf) (string, error) {
		r, err := q.GetNetwork(ctx, &registryv1.GetNetworkRequest{NetworkId: id, AsOf: asOf})
		return r.GetNetwork().GetFiliereId(), err
	}
	tests := map[string]struct {
		get   func(string, *registryv1.AsOf) (string, error)
		id    string
		asOf  *registryv1.AsOf
		then  string
		fails string
	}{
		"an establishment":         {getEstablishment, "EELOI00000", nil, "Hôpital Saint-Éloi", ""},
		"on its first day":         {getEstablishment, "EELOI00000", at("2005-01-01", 25), "Hôpital Saint-Éloi", ""},
		"the day before":           {getEstablishment, "EELOI00000", at("2004-12-31", 25), "", "ESTABLISHMENT_NOT_YET"},
		"one known since ever":     {getEstablishment, "EBRON00000", at("1950-01-01", 25), "Hôpital Femme-Mère-Enfant", ""},
		"one unknown":              {getEstablishment, "E999999999", nil, "", "ESTABLISHMENT_UNKNOWN"},
		"one of another kind":      {getEstablishment, "NOS0000000", nil, "", "ESTABLISHMENT_UNKNOWN"},
		"before it was recorded":   {getEstablishment, "EELOI00000", at("", 12), "", "ESTABLISHMENT_UNKNOWN"},
		"a network in its filière": {getNetwork, "NOS0000000", nil, "FOSCAR0000", ""},
		"before it belonged there": {getNetwork, "NOS0000000", at("2014-01-31", 25), "", ""},
		"before that was known":    {getNetwork, "NOS0000000", at("2020-01-01", 13), "", ""},
		"a centre": {func(id string, asOf *registryv1.AsOf) (string, error) {
			r, err := q.GetCentre(ctx, &registryv1.GetCentreRequest{CentreId: id, AsOf: asOf})
			return r.GetCentre().GetPlace().GetCity(), err
		}, "CTOWN00000", nil, "Fort-de-France", ""},
		"a filière": {func(id string, asOf *registryv1.AsOf) (string, error) {
			r, err := q.GetFiliere(ctx, &registryv1.GetFiliereRequest{FiliereId: id, AsOf: asOf})
			return r.GetFiliere().GetAcronym(), err
		}, "FOSCAR0000", nil, "OSCAR", ""},
		"a platform": {func(id string, asOf *registryv1.AsOf) (string, error) {
			r, err := q.GetPlatform(ctx, &registryv1.GetPlatformRequest{PlatformId: id, AsOf: asOf})
			return r.GetPlatform().GetName(), err
		}, "PPLATFORM0", nil, "Plateforme du Languedoc", ""},
		"a cycle": {func(id string, asOf *registryv1.AsOf) (string, error) {
			r, err := q.GetCycle(ctx, &registryv1.GetCycleRequest{CycleId: id, AsOf: asOf})
			return r.GetCycle().GetCode(), err
		}, "YTHIRD0000", at("2001-01-01", 25), "2023-2028", ""},
		"an act": {func(id string, asOf *registryv1.AsOf) (string, error) {
			r, err := q.GetAct(ctx, &registryv1.GetActRequest{ActId: id, AsOf: asOf})
			return r.GetAct().GetNor(), err
		}, "A000000001", nil, "SPRZ2300001A", ""},
		"a label": {func(id string, asOf *registryv1.AsOf) (string, error) {
			r, err := q.GetLabel(ctx, &registryv1.GetLabelRequest{LabelId: id, AsOf: asOf})
			return r.GetEntry().GetLabel().GetLabelId(), err
		}, "L999999999", nil, "", "LABEL_UNKNOWN"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.get(test.id, test.asOf)
			if test.fails != "" {
				if f, is := errors.AsType[*fault.Error](err); !is || f.Reason != test.fails || f.Kind != fault.NotFound {
					t.Fatalf("got %q, %v; want %s", got, err, test.fails)
				}
				return
			}
			if err != nil || got != test.then {
				t.Errorf("got %q, %v; want %q", got, err, test.then)
			}
		})
	}
}

func TestListEntities(t *testing.T) {
	w := fixture(t)
	w.commit(act("A000000002", "Lettre de 2004", ""), act("A000000001", "Arrêté de 2023", "SPRZ2300001A"))
	q := w.queries()
	ctx := t.Context()
	tests := map[string]struct {
		list func() ([]string, error)
		then string
	}{
		"establishments by name": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "EREUNION00 EBRON00000 EELOI00000"},
		"establishments by text": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "hopital MONTPELLIER"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "EELOI00000"},
		"establishments by part of a FINESS number": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "6900000"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "EBRON00000"},
		"establishments by id": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "ebron00000"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "EBRON00000"},
		"part of an id is found nowhere": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{Text: "ebron0"})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, ""},
		"establishments of 2004": {func() ([]string, error) {
			r, err := q.ListEstablishments(ctx, &registryv1.ListEstablishmentsRequest{AsOf: at("2004-01-01", 25)})
			return names(r.GetEstablishments(), func(i int) string { return r.GetEstablishments()[i].GetEstablishmentId() }), err
		}, "EREUNION00 EBRON00000"},
		"centres by their hospital": {func() ([]string, error) {
			r, err := q.ListCentres(ctx, &registryv1.ListCentresRequest{Text: "femme mere"})
			return names(r.GetCentres(), func(i int) string { return r.GetCentres()[i].GetCentreId() }), err
		}, "CBRON00000 CREUNION00"},
		"networks": {func() ([]string, error) {
			r, err := q.ListNetworks(ctx, &registryv1.ListNetworksRequest{})
			return names(r.GetNetworks(), func(i int) string { return r.GetNetworks()[i].GetNetworkId() }), err
		}, "NOS0000000 NORPHAN000 NSLA000000"},
		"filières": {func() ([]string, error) {
			r, err := q.ListFilieres(ctx, &registryv1.ListFilieresRequest{Text: "nerveux"})
			return names(r.GetFilieres(), func(i int) string { return r.GetFilieres()[i].GetFiliereId() }), err
		}, "FBRAIN0000"},
		"platforms": {func() ([]string, error) {
			r, err := q.ListPlatforms(ctx, &registryv1.ListPlatformsRequest{Text: "saint-éloi"})
			return names(r.GetPlatforms(), func(i int) string { return r.GetPlatforms()[i].GetPlatformId() }), err
		}, "PPLATFORM0"},
		"cycles by alias": {func() ([]string, error) {
			r, err := q.ListCycles(ctx, &registryv1.ListCyclesRequest{Text: "2022-2027"})
			return names(r.GetCycles(), func(i int) string { return r.GetCycles()[i].GetCycleId() }), err
		}, "YTHIRD0000"},
		"acts by title": {func() ([]string, error) {
			r, err := q.ListActs(ctx, &registryv1.ListActsRequest{})
			return names(r.GetActs(), func(i int) string { return r.GetActs()[i].GetActId() }), err
		}, "A000000001 A000000002"},
		"acts by NOR number": {func() ([]string, error) {
			r, err := q.ListActs(ctx, &registryv1.ListActsRequest{Text: "sprz23"})
			return names(r.GetActs(), func(i int) string { return r.GetActs()[i].GetActId() }), err
		}, "A000000001"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.list()
			if found := strings.Join(got, " "); err != nil || found != test.then {
				t.Errorf("found %q, %v; want %q", found, err, test.then)
			}
		})
	}
}

func names[V any](list []V, id func(int) string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = id(i)
	}
	return out
}

func TestHistory(t *testing.T) {
	w := fixture(t) // up to 25
	w.commit(       // 26 to 28
		correctedRole("LCOMP00000", 18, constitutive),
		renewed("LCOMP00000", "LNEXT00000", site("SELOIOS000", "CELOI00000", "NOS0000000"), competence, "", "2028-01-01", "2033-01-01"),
		assertion("SELOIOS000", "city", "Nîmes"),
	)
	w.commit(repealed("LNEXT00000", "2030-01-01"), assertion("LCOMP00000", "role", "?")) // 29, 30
	w.predict(assertion("LCOMP00000", "role", "not yet"))                                // 31
	q := w.queries()
	tests := map[string]struct {
		id    string
		known uint64
		then  []uint64
		fails string
	}{
		"a label":                     {id: "LCOMP00000", known: 30, then: []uint64{18, 26, 27, 30}},
		"a label as known before":     {id: "LCOMP00000", known: 25, then: []uint64{18}},
		"within a commit":             {id: "LCOMP00000", known: 27, then: []uint64{18}},
		"its successor":               {id: "LNEXT00000", known: 30, then: []uint64{27, 29}},
		"their site":                  {id: "SELOIOS000", known: 30, then: []uint64{18, 26, 27, 28, 29, 30}},
		"a network":                   {id: "NOS0000000", known: 30, then: []uint64{6, 14}},
		"a platform and its label":    {id: "PPLATFORM0", known: 30, then: []uint64{13, 23}},
		"an establishment":            {id: "EELOI00000", known: 30, then: []uint64{2}},
		"a cycle":                     {id: "YTHIRD0000", known: 30, then: []uint64{16}},
		"nobody":                      {id: "Z999999999", known: 30, fails: "ENTITY_UNKNOWN"},
		"somebody not yet recorded":   {id: "LNEXT00000", known: 25, fails: "ENTITY_UNKNOWN"},
		"a site not yet recorded":     {id: "SELOIOS000", known: 13, fails: "ENTITY_UNKNOWN"},
		"an id in the log's prophecy": {id: "LCOMP00000", known: 31, fails: "POSITION_NOT_REACHED"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := q.ListHistory(t.Context(), &registryv1.ListHistoryRequest{EntityId: test.id, AsOf: at("", test.known)})
			if test.fails != "" {
				if reason(err) != test.fails {
					t.Fatalf("got %v, %v; want %s", got, err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var positions []uint64
			for _, f := range got.GetFacts() {
				positions = append(positions, f.GetPosition())
				if f.GetTopology().GetFact() == nil && f.GetLabelling().GetFact() == nil {
					t.Errorf("position %d came without its event", f.GetPosition())
				}
			}
			if !slices.Equal(positions, test.then) {
				t.Errorf("positions %v, want %v", positions, test.then)
			}
		})
	}
}

// What was answered for a date and a position is answered for ever after, whatever
// is recorded later.
func TestAnswersNeverChange(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := fixture(t)
		q := w.queries()
		type asked struct {
			req  *registryv1.ListLabelsRequest
			resp *registryv1.ListLabelsResponse
		}
		var before []asked
		labels := []string{"LCOORD0000", "LCOMP00000", "LTOWN00000", "LREUNION00", "LORPHAN000"}
		open := slices.Clone(labels) // those that nothing goes on from
		dates := rapid.SampledFrom([]string{"2012-01-01", "2017-12-01", "2023-05-05", "2025-01-01", "2026-07-01", "2030-01-01"})
		ask := func(req *registryv1.ListLabelsRequest) *registryv1.ListLabelsResponse {
			resp, err := q.ListLabels(t.Context(), req)
			if err != nil {
				rt.Fatal(err)
			}
			resp = proto.CloneOf(resp)
			resp.Resolved.HeadPosition = 0 // moves on, of course
			return resp
		}
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			req := &registryv1.ListLabelsRequest{
				AsOf:     at(dates.Draw(rt, "valid"), rapid.Uint64Range(0, w.head).Draw(rt, "known")),
				Statuses: []labellingv1.Status{inForce, inAbeyance, undetermined, planned, isRepealed, superseded},
			}
			before = append(before, asked{req, ask(req)})
			label := rapid.SampledFrom(labels).Draw(rt, "label")
			switch rapid.IntRange(0, 6).Draw(rt, "fact") {
			case 0:
				w.commit(establishmentRenamed("EELOI00000", dates.Draw(rt, "from"), numbered("Nom", step)))
			case 1:
				w.commit(networkAttached("NOS0000000", dates.Draw(rt, "from"), "FBRAIN0000"))
			case 2:
				w.commit(repealed(label, dates.Draw(rt, "from")))
			case 3:
				w.commit(correctedRole(label, 17, rapid.SampledFrom([]labellingv1.Role{coordinator, competence}).Draw(rt, "role")))
			case 4:
				w.commit(assertion(label, "role", "?"))
			case 5:
				id := numbered("LNEW", step)
				at := rapid.IntRange(0, len(open)-1).Draw(rt, "renewed")
				w.commit(renewed(open[at], id, site(numbered("SNEW", step), "CTOWN00000", "NSLA000000"), competence, "", dates.Draw(rt, "from"), "2035-01-01"))
				open[at] = id
				labels = append(labels, id)
			case 6: // predicted, seen by nobody, and taken back
				w.predict(repealed(label, dates.Draw(rt, "from")))
				again := ask(req)
				if !proto.Equal(again, before[len(before)-1].resp) {
					rt.Fatalf("a prediction is seen: %v", again)
				}
				w.takeBack()
			}
		}
		for _, b := range before {
			if now := ask(b.req); !proto.Equal(now, b.resp) {
				rt.Fatalf("%v was answered\n%v, and is now\n%v", b.req, b.resp, now)
			}
		}
	})
}
