package atlas

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	labellingv1 "maillage/proto/gen/maillage/labelling/v1"
	registryv1 "maillage/proto/gen/maillage/registry/v1"
	topologyv1 "maillage/proto/gen/maillage/topology/v1"
)

// rows reads a file of seeds as one map a row.
func rows(t testing.TB, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("../../seeds/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, cell := range cells {
			row[all[0][i]] = cell
		}
		out = append(out, row)
	}
	return out
}

// place is where centres may be, and how likely one is there.
type place struct {
	hospital, city, department string
	lon, lat                   float64
	precision                  registryv1.PointPrecision
	weight                     int
}

// places are the hospitals of the seeds, of which Paris and the towns with several of
// them have most centres, and the middles of the departments.
func places(t testing.TB) []place {
	weights := map[string]int{"Paris": 14, "Bron": 20, "Marseille": 45, "Lyon": 25, "Lille": 85, "Toulouse": 80, "Bordeaux": 75, "Montpellier": 60, "Nantes": 60, "Strasbourg": 65, "Rennes": 50}
	var out []place
	for _, r := range rows(t, "establishments.csv") {
		p := place{hospital: r["name"], city: r["city"], department: r["department_code"], precision: registryv1.PointPrecision_POINT_PRECISION_PLACE, weight: 28}
		var err error
		if p.lat, err = strconv.ParseFloat(r["latitude"], 64); err != nil {
			continue
		}
		p.lon, _ = strconv.ParseFloat(r["longitude"], 64)
		if w := weights[p.city]; w > 0 {
			p.weight = w
		}
		if len(p.department) == 3 || p.department == "92" {
			p.weight = 10
		}
		out = append(out, p)
	}
	for _, r := range rows(t, "departments.csv") {
		p := place{city: r["name"], department: r["insee_code"], precision: registryv1.PointPrecision_POINT_PRECISION_DEPARTMENT, weight: 1}
		p.lat, _ = strconv.ParseFloat(r["latitude"], 64)
		p.lon, _ = strconv.ParseFloat(r["longitude"], 64)
		if p.lat == 0 {
			p.precision = registryv1.PointPrecision_POINT_PRECISION_UNSPECIFIED
		}
		out = append(out, p)
	}
	for _, c := range []place{ // prefectures of the collectivities
		{city: "Nouméa", department: "988", lon: 166.458, lat: -22.276},
		{city: "Papeete", department: "987", lon: -149.566, lat: -17.535},
		{city: "Saint-Pierre", department: "975", lon: -56.173, lat: 46.778},
		{city: "Marigot", department: "978", lon: -63.082, lat: 18.067},
		{city: "Gustavia", department: "977", lon: -62.851, lat: 17.897},
		{city: "Mata-Utu", department: "986", lon: -176.176, lat: -13.283},
	} {
		c.weight, c.precision = 2, registryv1.PointPrecision_POINT_PRECISION_PLACE
		out = append(out, c)
	}
	return out
}

// national is a map of n centres with as many links as asked for, spread about as they
// are in France. The same arguments give the same map.
func national(t testing.TB, n, links int) *registryv1.GetMapResponse {
	chance := rand.New(rand.NewPCG(uint64(n), uint64(links)))
	from := places(t)
	var urn []int
	for i, p := range from {
		urn = append(urn, slices.Repeat([]int{i}, p.weight)...)
	}
	roles := slices.Concat(
		slices.Repeat([]labellingv1.Role{labellingv1.Role_ROLE_COORDINATOR}, 6),
		slices.Repeat([]labellingv1.Role{labellingv1.Role_ROLE_CONSTITUTIVE}, 18),
		slices.Repeat([]labellingv1.Role{labellingv1.Role_ROLE_COMPETENCE}, 70),
		slices.Repeat([]labellingv1.Role{labellingv1.Role_ROLE_RESOURCE_AND_COMPETENCE}, 4),
		[]labellingv1.Role{labellingv1.Role_ROLE_REFERENCE, labellingv1.Role_ROLE_UNSPECIFIED},
	)
	out := &registryv1.GetMapResponse{Resolved: &registryv1.Resolved{ValidAt: "2024-02-01", KnownPosition: 812, HeadPosition: 812}}
	for i := range n {
		p := from[urn[chance.IntN(len(urn))]]
		c := &registryv1.MapCentre{
			CentreId: fmt.Sprintf("ctr-%05d", i), Name: fmt.Sprintf("Centre n° %d", i), City: p.city, DepartmentCode: p.department,
			Longitude: p.lon, Latitude: p.lat, PointPrecision: p.precision, Closed: chance.IntN(200) == 0,
		}
		if p.hospital != "" {
			c.EstablishmentIds, c.EstablishmentNames = []string{"est-1"}, []string{p.hospital}
		}
		if chance.IntN(12) == 0 {
			c.Collaborations = []*registryv1.MapCollaboration{{LinkId: "lnk-1", NetworkId: "net-1", NetworkAcronym: "RespiRare", FiliereAcronym: "RespiFIL"}}
		} else {
			c.Labels = []*registryv1.MapLabel{{
				LabelId: "lbl-1", Role: roles[chance.IntN(len(roles))], Status: labellingv1.Status_STATUS_IN_FORCE,
				NetworkId: "net-1", NetworkAcronym: "RespiRare", FiliereAcronym: "RespiFIL",
			}}
		}
		out.Centres = append(out.Centres, c)
	}
	slices.SortStableFunc(out.Centres, func(a, b *registryv1.MapCentre) int { return cmp.Compare(a.GetDepartmentCode(), b.GetDepartmentCode()) })
	kinds := []topologyv1.LinkKind{topologyv1.LinkKind_LINK_KIND_ATTACHED, topologyv1.LinkKind_LINK_KIND_ATTACHED, topologyv1.LinkKind_LINK_KIND_UNSPECIFIED, topologyv1.LinkKind_LINK_KIND_COLLABORATES}
	var coordinators []string
	for _, c := range out.Centres {
		if rankOf(c) == 0 {
			coordinators = append(coordinators, c.GetCentreId())
		}
	}
	for i := 0; i < links && len(coordinators) > 0; i++ {
		out.Links = append(out.Links, &registryv1.MapLink{
			Kind: kinds[chance.IntN(len(kinds))], FromCentreId: out.Centres[chance.IntN(n)].GetCentreId(),
			ToCentreId: coordinators[chance.IntN(len(coordinators))], NetworkId: "net-1",
		})
	}
	count(out)
	return out
}

// count fills in the legend and the number without a point, as the registry does.
func count(m *registryv1.GetMapResponse) {
	centres := make([]uint32, len(styles)+1)
	m.Unplaced = 0
	for _, c := range m.GetCentres() {
		centres[rankOf(c)]++
		if !hasPoint(c) {
			m.Unplaced++
		}
	}
	for i, n := range centres {
		if n > 0 {
			m.Counts = append(m.Counts, &registryv1.MapCount{Role: styleOf(i).role, Collaborators: i == len(styles), Centres: n, Labels: n})
		}
	}
}
