package registry

// RowsOf are rows that were kept elsewhere.
func RowsOf(rows []Row) Rows { return Rows{rows} }
