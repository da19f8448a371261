package registry

import "slices"

// TablesOf are the names of the tables in the digest.
func TablesOf(s *State) (names []string) {
	for _, t := range s.tables() {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return names
}

// RowsOf are rows that were kept elsewhere.
func RowsOf(rows []Row) Rows { return Rows{rows} }
