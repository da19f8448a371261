package postgres

import "maillage/services/registry"

func changes(s *registry.State, after, to uint64) (rows []registry.Row, effects []effect) {
	for r := range s.Rows(to).All() {
		if r.Version.KnownFrom > after || r.Version.KnownTo <= to && r.Version.KnownTo > after {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func hold(*registry.State, uint64) {}
