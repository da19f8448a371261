package lens

import (
	"cmp"
	"errors"
	"math"
	"slices"

	registryv1 "maillage/proto/gen/maillage/registry/v1"
	"maillage/services/fault"
	"maillage/services/identifier"
)

// FindCentres finds the centres on the map for a disease: those of the networks whose
// scope, on the day, names its ORPHA code, nearest first to the middle of a department,
// else by department; those whose place is unknown last. It also returns the latest
// release of the ORPHA nomenclature that the scopes of networks were read in. What names
// nothing known is an error: DEPARTMENT_UNKNOWN and those of Map.
func (l Lens) FindCentres(req *registryv1.FindCentresRequest) (found []*registryv1.FoundCentre, release string, err error) {
	f, err := l.mapFilter(&registryv1.GetMapRequest{
		Filiere: req.GetFiliere(), Network: req.GetNetwork(), Roles: req.GetRoles(), Region: req.GetRegion(), Text: req.GetText(),
	})
	if err != nil {
		return nil, "", err
	}
	from, err := departmentNamed(f.folder, req.GetNear())
	if unknown, is := errors.AsType[*fault.Error](err); is {
		unknown.Field = "near"
	}
	if err != nil {
		return nil, "", err
	}
	treating := idSet{}
	for id := range l.s.Topology.Networks.IDs() {
		n, held := l.s.Topology.Networks.At(id, l.m.valid, l.m.known)
		if !held {
			continue
		}
		release = max(release, n.GetOrphaRelease())
		if f.networks.holds(id) && slices.Contains(n.GetOrphaCodes(), req.GetOrphaCode()) {
			treating[id] = true
		}
	}
	if req.GetOrphaCode() != 0 {
		f.networks = treating
	}
	middle, near := identifier.Department(from)
	for _, c := range l.searched(f) {
		one := &registryv1.FoundCentre{Centre: c, DistanceKm: -1}
		if near && (middle.Latitude != 0 || middle.Longitude != 0) && c.GetPointPrecision() != registryv1.PointPrecision_POINT_PRECISION_UNSPECIFIED {
			one.DistanceKm = kilometres(middle.Latitude, middle.Longitude, c.GetLatitude(), c.GetLongitude())
		}
		found = append(found, one)
	}
	slices.SortStableFunc(found, func(a, b *registryv1.FoundCentre) int {
		if (a.GetDistanceKm() < 0) != (b.GetDistanceKm() < 0) {
			return cmp.Compare(b.GetDistanceKm(), a.GetDistanceKm())
		}
		return cmp.Compare(a.GetDistanceKm(), b.GetDistanceKm())
	})
	return found, release, nil
}

// kilometres is the way between two points along the great circle, by the haversine
// formula on a sphere of the Earth's mean radius (IUGG, 6,371.0088 km).
func kilometres(lat1, lon1, lat2, lon2 float64) float64 {
	const radius, degree = 6371.0088, math.Pi / 180
	north, east := math.Sin((lat2-lat1)*degree/2), math.Sin((lon2-lon1)*degree/2)
	return 2 * radius * math.Asin(math.Min(1, math.Sqrt(north*north+math.Cos(lat1*degree)*math.Cos(lat2*degree)*east*east)))
}
